/* reeve monitor, reeve events: the event stream for people and for programs. */
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "cli/monitor.h"

#include <stdio.h>

enum { REASON_SHOWN_MAX = 2000 };

static void monitor_line(const Cli *cli, const char *deployment, const char *object, const char *word, const char *reason)
{
  char when[ISO_TIME_BYTES];
  time_iso(clock_wall_ms(), when);
  const char *sgr = cli->color_out ? cli_state_color(word) : NULL;
  g_autofree char *text = reason ? text_escape(reason, REASON_SHOWN_MAX) : g_strdup(""); /* an agent's words may be in it */
  g_strdelimit(text, "\n\r\t", ' ');                                                     /* one event, one line */
  cli_print("%.19sZ  %s%s%s  %s%s%s%s%s%s%s\n", when, deployment, *object ? "/" : "", object, sgr ? "\033[" : "", sgr ? sgr : "",
            sgr ? "m" : "", word, sgr ? "\033[0m" : "", *text ? ": " : "", text);
}

static void monitor_instance(const Cli *cli, const char *deployment, const json_t *instance)
{
  const char *state = jget_str(instance, "state", "?"), *health = jget_str(instance, "health", "unknown");
  bool running = g_str_equal(state, "running") && !g_str_equal(health, "unknown");
  int replica = (int)jget_int(instance, "replica", 0);
  g_autofree char *agent = g_strdup_printf(replica ? "%s/%d" : "%s", jget_str(instance, "agent", "?"), replica);
  monitor_line(cli, deployment, agent, running ? health : state, jget_str(instance, "reason", NULL));
}

/* One event as a line; the snapshot as one line for each instance. */
void monitor_event(const Cli *cli, const char *type, const json_t *data)
{
  const char *reason = jget_str(data, "reason", NULL), *owner = jget_str(data, "deployment", "");
  if (g_str_equal(type, "instance")) {
    monitor_instance(cli, owner, data);
  } else if (g_str_equal(type, "deployment")) {
    monitor_line(cli, jget_str(data, "name", "?"), "", jget_str(data, "status", "?"), reason);
  } else if (g_str_equal(type, "forgotten")) {
    monitor_line(cli, jget_str(data, "name", "?"), "", "forgotten", NULL);
  } else if (g_str_equal(type, "rollout")) {
    monitor_line(cli, owner, jget_str(data, "id", "?"), jget_str(data, "outcome", "?"), jget_str(data, "phase", NULL));
  } else if (g_str_equal(type, "node")) {
    monitor_line(cli, "node", jget_str(data, "name", "?"), jget_str(data, "status", "?"), reason);
  } else if (g_str_equal(type, "webhook")) {
    monitor_line(cli, owner, "webhook", jget_str(data, "state", "?"), jget_str(data, "event", NULL));
  } else if (g_str_equal(type, "reset")) {
    size_t i, k;
    const json_t *deployment, *instance;
    json_array_foreach(json_object_get(data, "deployments"), i, deployment)
    {
      monitor_event(cli, "deployment", deployment);
      json_array_foreach(json_object_get(deployment, "instances"), k, instance)
          monitor_instance(cli, jget_str(deployment, "name", "?"), instance);
    }
  }
}

static void events_print(const char *type, const json_t *data)
{
  json_t *line = json_pack("{s:s,s:O}", "event", type, "data", data);
  char *text = json_dumps(line, JSON_COMPACT);
  cli_put_json(text);
  cli_print("\n");
  free(text);
  json_decref(line);
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
