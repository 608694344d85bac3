/* reeve scale */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"

#include <string.h>

/* "web=3" into its parts; false with @error. */
static bool scale_parse(const char *word, char **agent, int64_t *replicas, GError **error)
{
  const char *sign = strchr(word, '=');
  if (sign && sign > word && g_ascii_string_to_signed(sign + 1, 10, 1, 1000, replicas, NULL)) {
    *agent = g_strndup(word, (gsize)(sign - word));
    return true;
  }
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "scale '%s': wanted AGENT=N with N from 1 to 1000", word);
  return false;
}

int cmd_scale(Cli *cli, GError **error)
{
  const char *name = cli_word(cli, 0);
  for (guint i = 1; cli_word(cli, i); i++) { /* all are checked before the first is done */
    g_autofree char *agent = NULL;
    int64_t replicas = 0;
    if (!scale_parse(cli_word(cli, i), &agent, &replicas, error))
      return 1;
  }
  for (guint i = 1; cli_word(cli, i); i++) {
    g_autofree char *agent = NULL;
    g_autoptr(GString) body = g_string_new(NULL);
    int64_t replicas = 0;
    scale_parse(cli_word(cli, i), &agent, &replicas, NULL);
    jw_open(body, NULL, '{');
    jw_str(body, "agent", agent);
    jw_int(body, "replicas", replicas);
    jw_close(body, '}');
    int code = api_change(cli, name, "/scale", body->str, error);
    if (code != 0)
      return code;
    cli_note(cli, "%s: %s has %d replicas; a later `reeve up` takes the number of its file again", name, agent, (int)replicas);
  }
  return 0;
}
