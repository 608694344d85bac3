/* reeve monitor, reeve events: the event stream for people and for programs. */
#include "base/clock.h"
#include "base/json.h"
#include "cli/api.h"
#include "cli/monitor.h"

#include <stdio.h>

static void monitor_line(const Cli *cli, const char *deployment, const char *object, const char *word, const char *reason)
{
  char when[ISO_TIME_BYTES];
  time_iso(clock_wall_ms(), when);
  const char *sgr = cli->color_out ? cli_state_color(word) : NULL;
  cli_print("%.19sZ  %s%s%s  %s%s%s%s%s%s%s\n", when, deployment, *object ? "/" : "", object, sgr ? "\033[" : "", sgr ? sgr : "",
            sgr ? "m" : "", word, sgr ? "\033[0m" : "", reason && *reason ? ": " : "", reason ? reason : "");
}

/* One event as a line; the snapshot as one line for each instance. */
void monitor_event(const Cli *cli, const char *type, const json_t *data)
{
  const char *reason = jget_str(data, "reason", NULL), *owner = jget_str(data, "deployment", "");
  if (g_str_equal(type, "instance")) {
    g_autofree char *word = g_strdup_printf("%s", jget_str(data, "state", "?"));
    const char *health = jget_str(data, "health", "unknown");
    bool running = g_str_equal(word, "running") && !g_str_equal(health, "unknown");
    monitor_line(cli, owner, jget_str(data, "agent", "?"), running ? health : word, reason);
  } else if (g_str_equal(type, "deployment")) {
    monitor_line(cli, jget_str(data, "name", "?"), "", jget_str(data, "status", "?"), reason);
  } else if (g_str_equal(type, "rollout")) {
    monitor_line(cli, owner, jget_str(data, "id", "?"), jget_str(data, "outcome", "?"), jget_str(data, "phase", NULL));
  } else if (g_str_equal(type, "node")) {
    monitor_line(cli, "node", jget_str(data, "name", "?"), jget_str(data, "status", "?"), reason);
  } else if (g_str_equal(type, "reset")) {
    size_t i, k;
    const json_t *deployment, *instance;
    json_array_foreach(json_object_get(data, "deployments"), i, deployment)
    {
      monitor_event(cli, "deployment", deployment);
      json_array_foreach(json_object_get(deployment, "instances"), k, instance)
          monitor_line(cli, jget_str(deployment, "name", "?"), jget_str(instance, "agent", "?"),
                       jget_str(instance, g_strcmp0(jget_str(instance, "state", ""), "running") ? "state" : "health", "?"),
                       jget_str(instance, "reason", NULL));
    }
  }
}

static void events_print(const char *type, const json_t *data)
{
  char *text = json_dumps(data, JSON_COMPACT);
  cli_print("{\"event\":\"%s\",\"data\":%s}\n", type, text);
  free(text);
}

static bool monitor_on_event(const char *type, const json_t *data, void *user)
{
  const Cli *cli = user;
  if (cli_is_data(cli) || cli->verb->run == cmd_events)
    events_print(type, data);
  else
    monitor_event(cli, type, data);
  return ferror(stdout) == 0;
}

static int monitor_run(Cli *cli, GError **error)
{
  if (cli_word(cli, 0)) {
    json_t *deployment = api_deployment(cli, cli_word(cli, 0), error); /* an unknown name is an error, not a silent stream */
    if (!deployment)
      return 1;
    json_decref(deployment);
  }
  return api_follow(cli, cli_word(cli, 0), 0, monitor_on_event, cli, error) ? 0 : 1;
}

int cmd_monitor(Cli *cli, GError **error)
{
  return monitor_run(cli, error);
}

int cmd_events(Cli *cli, GError **error)
{
  return monitor_run(cli, error);
}
