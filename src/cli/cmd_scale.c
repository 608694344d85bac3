/* reeve scale */
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/rollout.h"
#include "cli/target.h"

#include <string.h>

/* "web=3" of deployment @name, or "desk/web=3" with @name NULL, into @target and a number; false
 * with @error. */
static bool scale_parse(const char *name, const char *word, Target *target, int64_t *replicas,
                        GError **error)
{
  const char *sign = strchr(word, '=');
  g_autofree char *left = g_strndup(word, sign ? (gsize)(sign - word) : strlen(word));
  if (!target_parse(target, name ? name : left, name ? left : NULL, error))
    return false;
  bool one = target->agent && target->replica < 0;
  if (one && sign && g_ascii_string_to_signed(sign + 1, 10, 1, 1000, replicas, NULL))
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
              "say how many: reeve scale %s %s=3 (1 to 1000)", target->deployment,
              one ? target->agent : "AGENT");
  return false;
}

static int scale_one(Cli *cli, const Target *target, int64_t replicas, GError **error)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "agent", target->agent);
  jw_int(body, "replicas", replicas);
  jw_close(body, '}');
  int code = rollout_change(cli, target->deployment, "/scale", body->str, error);
  if (code == 0 && !*error)
    cli_note(cli, "%s/%s has %d replica%s; the next `reeve up` takes the number of its file again",
             target->deployment, target->agent, (int)replicas, text_plural(replicas));
  return code;
}

int cmd_scale(Cli *cli, GError **error)
{
  bool apart = !strpbrk(cli_word(cli, 0), "/="); /* NAME AGENT=N... */
  const char *name = apart ? cli_word(cli, 0) : NULL;
  guint first = apart ? 1 : 0;
  if (!cli_word(cli, first)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "say how many: reeve scale %s AGENT=3 (1 to 1000)", name);
    return 1;
  }
  for (int round = 0; round < 2; round++) /* all are checked before the first is done */
    for (guint i = first; cli_word(cli, i); i++) {
      g_auto(Target) target = {0};
      int64_t replicas = 0;
      if (!scale_parse(name, cli_word(cli, i), &target, &replicas, error))
        return 1;
      int code = round ? scale_one(cli, &target, replicas, error) : 0;
      if (code != 0 || *error)
        return code;
    }
  return 0;
}
