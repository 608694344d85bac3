/* reeve why */
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "cli/show.h"

#include <string.h>

enum { WHY_LINE_MAX = 2000 };

/* An agent's own words are in it. */
static void why_text(const Cli *cli, const json_t *answer)
{
  g_autofree char *text = api_named(cli, jget_str(answer, "text", NULL));
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *line = text_escape(lines[i], WHY_LINE_MAX);
    if (lines[i + 1] || line[0])
      cli_print("%s\n", line);
  }
}

/* One agent, or one of its replicas, as it is now. */
static void why_agent(const Cli *cli, const json_t *deployment)
{
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    const char *state = show_state(instance), *reason = jget_str(instance, "reason", NULL);
    const char *output = jget_str(instance, "output", NULL);
    bool running = g_str_equal(state, "running"), ended = !running && output && *output;
    g_autofree char *name = target_name(instance),
                    *since = cli_since(jget_str(instance, "since", NULL));
    cli_print("%s/%s is %s%s%s for %s%s%s\n", jget_str(deployment, "name", "?"), name, state,
              running ? ", " : "", running ? jget_str(instance, "health", "unknown") : "", since,
              reason ? ": " : "", reason ? reason : "");
    g_auto(GStrv) lines = g_strsplit(ended ? output : "", "\n", -1);
    for (guint k = 0; lines[k]; k++) {
      g_autofree char *line = text_escape(lines[k], WHY_LINE_MAX);
      if (*line)
        cli_print("    | %s\n", line);
    }
    if (jget_flag(instance, "stale_environment", false))
      cli_print(
          "    a secret of its environment has changed since it was started: reeve restart %s/%s\n",
          jget_str(deployment, "name", "?"), name);
  }
  cli_note(cli, "see: reeve logs %s, reeve why %s", cli_word(cli, 0),
           jget_str(deployment, "name", "?"));
}

int cmd_why(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  if (!target_of(cli, &target, error))
    return 1;
  if (target.agent)
    return cli_show(cli, show_fetch_one(cli, &target, error), why_agent);
  g_autofree char *path = api_path(cli_word(cli, 0), "/why");
  return cli_show(cli, api_get(cli, path, error), why_text);
}
