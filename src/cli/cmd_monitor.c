/* reeve monitor, reeve events: the event stream for people and for programs. */
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "cli/monitor.h"
#include "cli/show.h"

#include <stdio.h>
#include <stdlib.h>

enum { REASON_SHOWN_MAX = 2000 };

void monitor_init(Monitor *monitor, const Cli *cli, const Target *target)
{
  *monitor = (Monitor){.cli = cli, .target = target ? *target : (Target){.replica = -1}};
  monitor->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void monitor_done(Monitor *monitor)
{
  g_clear_pointer(&monitor->told, g_hash_table_unref);
}

static void monitor_line(const Monitor *monitor, const char *object, const char *word,
                         const char *reason)
{
  char when[ISO_TIME_BYTES];
  time_iso(clock_wall_ms(), when);
  const char *sgr = monitor->cli->color_out ? cli_state_color(word) : NULL;
  /* an agent's words may be in it */
  g_autofree char *text = reason ? text_escape(reason, REASON_SHOWN_MAX) : g_strdup("");
  g_strdelimit(text, "\n\r\t", ' '); /* one event, one line */
  cli_print("%.19sZ  %s  %s%s%s%s%s%s%s\n", when, object, sgr ? "\033[" : "", sgr ? sgr : "",
            sgr ? "m" : "", word, sgr ? "\033[0m" : "", *text ? ": " : "", text);
}

/* An event tells that something about @object has changed; what people are told may be the same as
 * before. */
static void monitor_state(Monitor *monitor, const char *object, const char *word,
                          const char *reason)
{
  g_autofree char *now = g_strdup_printf("%s: %s", word, reason ? reason : "");
  if (g_strcmp0(g_hash_table_lookup(monitor->told, object), now) == 0)
    return;
  g_hash_table_replace(monitor->told, g_strdup(object), g_steal_pointer(&now));
  monitor_line(monitor, object, word, reason);
}

static void monitor_instance(Monitor *monitor, const char *deployment, const json_t *instance)
{
  const char *state = show_state(instance), *health = jget_str(instance, "health", "unknown");
  bool running = g_str_equal(state, "running") && !g_str_equal(health, "unknown");
  g_autofree char *name = target_name(instance), *object = g_strconcat(deployment, "/", name, NULL);
  if (target_has(&monitor->target, instance))
    monitor_state(monitor, object, running ? health : state, jget_str(instance, "reason", NULL));
}

/* Its begin and its end; the phases on the way are ours. */
static void monitor_rollout(Monitor *monitor, const json_t *rollout)
{
  const char *outcome = jget_str(rollout, "outcome", "?"), *kind = jget_str(rollout, "kind", "?"),
             *said = jget_str(rollout, "cause", NULL);
  g_autofree char *cause = api_named(monitor->cli, said);
  bool open = g_str_equal(outcome, "open"), forward = g_str_equal(kind, "deploy") ||
                                                      g_str_equal(kind, "update") ||
                                                      g_str_equal(kind, "rollback");
  g_autofree char *what =
      forward ? g_strdup_printf("%s to revision %d", kind, (int)jget_int(rollout, "to", 0))
              : g_strdup(kind);
  g_autofree char *reason = open || !*cause || g_str_equal(outcome, "succeeded")
                                ? g_strdup(what)
                                : g_strdup_printf("%s: %s", what, cause);
  g_autofree char *word = g_strdup_printf("rollout %s", open ? "begins" : outcome),
                  *id = g_strdup(jget_str(rollout, "id", "?"));
  if (g_strcmp0(g_hash_table_lookup(monitor->told, id), word) == 0)
    return;
  monitor_line(monitor, jget_str(rollout, "deployment", "?"), word, reason);
  g_hash_table_replace(monitor->told, g_steal_pointer(&id), g_steal_pointer(&word));
}

static void monitor_snapshot(Monitor *monitor, const json_t *data)
{
  size_t i, k;
  const json_t *deployment, *instance;
  json_array_foreach(json_object_get(data, "deployments"), i, deployment)
  {
    monitor_event(monitor, "deployment", deployment);
    json_array_foreach(json_object_get(deployment, "instances"), k, instance)
        monitor_instance(monitor, jget_str(deployment, "name", "?"), instance);
  }
}

void monitor_event(Monitor *monitor, const char *type, const json_t *data)
{
  const char *owner = jget_str(data, "deployment", "");
  g_autofree char *reason = api_named(monitor->cli, jget_str(data, "reason", NULL));
  if (g_str_equal(type, "instance")) {
    monitor_instance(monitor, owner, data);
  } else if (g_str_equal(type, "reset")) {
    monitor_snapshot(monitor, data);
  } else if (monitor->target.agent) {
    return;
  } else if (g_str_equal(type, "deployment")) {
    monitor_state(monitor, jget_str(data, "name", "?"), jget_str(data, "status", "?"), reason);
  } else if (g_str_equal(type, "forgotten")) {
    monitor_state(monitor, jget_str(data, "name", "?"), "forgotten", NULL);
  } else if (g_str_equal(type, "rollout")) {
    monitor_rollout(monitor, data);
  } else if (g_str_equal(type, "node")) {
    g_autofree char *node = g_strconcat("node/", jget_str(data, "name", "?"), NULL);
    monitor_state(monitor, node, jget_str(data, "status", "?"), reason);
  } else if (g_str_equal(type, "webhook")) {
    g_autofree char *webhook = g_strconcat(owner, "/webhook", NULL);
    monitor_line(monitor, webhook, jget_str(data, "state", "?"), jget_str(data, "event", NULL));
  }
}

/* With an agent named: its own events, and of the snapshot its instances. */
static void events_print(const Monitor *monitor, const char *type, const json_t *data)
{
  bool reset = g_str_equal(type, "reset"), all = !monitor->target.agent;
  if (!all && !reset && (!g_str_equal(type, "instance") || !target_has(&monitor->target, data)))
    return;
  json_t *shown = json_deep_copy(data), *deployment;
  size_t i;
  json_array_foreach(all ? NULL : json_object_get(shown, "deployments"), i, deployment)
      target_filter(&monitor->target, deployment, NULL);
  json_t *line = json_pack("{s:s,s:o}", "event", type, "data", shown);
  char *text = json_dumps(line, JSON_COMPACT);
  cli_put_json(text);
  cli_print("\n");
  free(text);
  json_decref(line);
}

static bool monitor_on_event(const char *type, const json_t *data, void *user)
{
  Monitor *monitor = user;
  if (cli_is_data(monitor->cli) || monitor->cli->verb->run == cmd_events)
    events_print(monitor, type, data);
  else
    monitor_event(monitor, type, data);
  return ferror(stdout) == 0;
}

static int monitor_run(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  if (!target_of(cli, &target, error) || !show_is_there(cli, &target, error))
    return 1;
  Monitor monitor;
  monitor_init(&monitor, cli, &target);
  bool ok = api_follow(cli, target.deployment, 0, monitor_on_event, &monitor, error);
  monitor_done(&monitor);
  return ok ? 0 : 1;
}

int cmd_monitor(Cli *cli, GError **error)
{
  return monitor_run(cli, error);
}

int cmd_events(Cli *cli, GError **error)
{
  return monitor_run(cli, error);
}
