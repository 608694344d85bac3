/* Owns the tables of deployments and instances. */
#include "cli/show.h"

#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"

#include <stdint.h>
#include <string.h>

enum { SHOW_TEXT_MAX = 16000 }; /* of one line of an agent's or a server's words */

Table *show_instances_table(const Cli *cli, bool named)
{
  static const char *const columns[] = {"DEPLOYMENT", "AGENT", "STATE",  "HEALTH", ">PID",
                                        "URL",        "SINCE", "REASON", NULL};
  static const char *const wide[] = {"DEPLOYMENT", "AGENT",     "STATE",  "HEALTH", ">PID",
                                     "URL",        "SINCE",     "NODE",   "ID",     ">REV",
                                     ">RESTARTS",  "LAST EXIT", "REASON", NULL};
  return table_new((cli->output == OUTPUT_WIDE ? wide : columns) + (named ? 0 : 1));
}

static void show_last_exit(Table *table, const json_t *exit)
{
  if (!json_is_object(exit))
    table_cell(table, NULL);
  else if (jget_int(exit, "signal", 0))
    table_cell_format(table, "signal %d", (int)jget_int(exit, "signal", 0));
  else
    table_cell_format(table, "code %d", (int)jget_int(exit, "code", 0));
}

const char *show_state(const json_t *instance)
{
  const char *state = jget_str(instance, "state", "?");
  bool rests = g_str_equal(state, "pending") || g_str_equal(state, "completed");
  return rests && jget_flag(instance, "scheduled", false) ? "scheduled" : state;
}

/* NULL for what is not asked how it is. */
static const char *show_health(const json_t *instance)
{
  const char *health = jget_str(instance, "health", NULL);
  bool runs = g_strcmp0(jget_str(instance, "state", NULL), "running") == 0;
  return runs || g_strcmp0(health, "unknown") != 0 ? health : NULL;
}

static void show_instance(const Cli *cli, Table *table, const json_t *instance)
{
  const char *state = show_state(instance), *health = show_health(instance);
  int pid = (int)jget_int(instance, "pid", 0);
  g_autofree char *name = target_name(instance);
  g_autofree char *since = cli_since(jget_str(instance, "since", NULL));
  table_cell(table, name);
  table_cell(table, state);
  table_color(table, cli_state_color(state));
  table_cell(table, health);
  table_color(table, cli_state_color(health));
  if (pid > 0)
    table_cell_format(table, "%d", pid);
  else
    table_cell(table, NULL);
  table_cell(table, jget_str(instance, "url", NULL));
  table_cell(table, since);
  if (cli->output == OUTPUT_WIDE) {
    table_cell(table, jget_str(instance, "node", NULL));
    table_cell(table, jget_str(instance, "id", NULL));
    table_cell_format(table, "%d", (int)jget_int(instance, "revision", 0));
    table_cell_format(table, "%d", (int)jget_int(instance, "restarts", 0));
    show_last_exit(table, json_object_get(instance, "last_exit"));
  }
  const char *reason = jget_str(instance, "reason", NULL);
  bool stale = jget_flag(instance, "stale_environment", false);
  table_cell(table, reason ? reason : stale ? "a secret has changed; restart it" : NULL);
}

/* A slot that the job does without, and that does not run any more. */
static bool show_is_left_over(const json_t *instance)
{
  return jget_flag(instance, "left_over", false) && jget_int(instance, "pid", 0) == 0;
}

/* Agents in the order of their first instances, the replicas of each side by side. */
static gint show_order(gconstpointer a, gconstpointer b, gpointer data)
{
  const json_t *one = *(json_t *const *)a, *other = *(json_t *const *)b;
  gint first = GPOINTER_TO_INT(g_hash_table_lookup(data, jget_str(one, "agent", "")));
  gint second = GPOINTER_TO_INT(g_hash_table_lookup(data, jget_str(other, "agent", "")));
  return first != second ? first - second
                         : (gint)(jget_int(one, "replica", 0) - jget_int(other, "replica", 0));
}

void show_instances(const Cli *cli, Table *table, const json_t *deployment, bool named)
{
  g_autoptr(GHashTable) agents = g_hash_table_new(g_str_hash, g_str_equal); /* agent -> its place */
  g_autoptr(GPtrArray) instances = g_ptr_array_new();
  size_t i;
  json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    char *agent = (char *)(uintptr_t)jget_str(instance, "agent", "");
    if (!g_hash_table_contains(agents, agent))
      g_hash_table_insert(agents, agent, GINT_TO_POINTER((gint)i));
    if (cli->output == OUTPUT_WIDE || !show_is_left_over(instance))
      g_ptr_array_add(instances, instance);
  }
  g_ptr_array_sort_with_data(instances, show_order, agents);
  for (i = 0; i < instances->len; i++) {
    if (named)
      table_cell(table, jget_str(deployment, "name", NULL));
    show_instance(cli, table, instances->pdata[i]);
  }
}

json_t *show_fetch_one(const Cli *cli, const Target *target, GError **error)
{
  json_t *deployment = api_deployment(cli, target->deployment, error);
  if (deployment && !target_filter(target, deployment, error))
    g_clear_pointer(&deployment, json_decref);
  return deployment;
}

bool show_is_there(const Cli *cli, const Target *target, GError **error)
{
  json_t *deployment = target->deployment ? show_fetch_one(cli, target, error) : NULL;
  bool there = !target->deployment || deployment;
  json_decref(deployment);
  return there;
}

json_t *show_fetch(const Cli *cli, const Target *target, GError **error)
{
  if (target->deployment) {
    json_t *one = show_fetch_one(cli, target, error);
    return one ? json_pack("{s:[o]}", "deployments", one) : NULL;
  }
  json_t *all = json_array();
  json_t *list = api_get(cli, "/api/deployments", error);
  bool ok = list != NULL;
  size_t i;
  const json_t *summary;
  json_array_foreach(json_object_get(list, "deployments"), i, summary)
  {
    json_t *one = ok ? api_deployment(cli, jget_str(summary, "name", ""), error) : NULL;
    if (one)
      json_array_append_new(all, one);
    ok = ok && one;
  }
  json_decref(list);
  if (!ok)
    json_decref(all);
  return ok ? json_pack("{s:o}", "deployments", all) : NULL;
}

/* The agent whose instance @id is, as NAME or NAME/REPLICA; NULL when it is gone. Caller frees. */
static char *show_agent_of(const json_t *deployment, const char *id)
{
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    if (g_strcmp0(jget_str(instance, "id", NULL), id) == 0)
      return target_name(instance);
  }
  return NULL;
}

static void show_rollout(const Cli *cli, const json_t *deployment)
{
  const json_t *rollout = json_object_get(deployment, "rollout");
  if (!json_is_object(rollout))
    return;
  const char *failed = jget_str(rollout, "failed", NULL);
  g_autofree char *agent = failed && *failed ? show_agent_of(deployment, failed) : NULL;
  g_autofree char *first =
      agent ? g_steal_pointer(&agent) : api_named(cli, jget_str(rollout, "cause", NULL));
  first[strcspn(first, "\n")] = '\0';
  g_autofree char *cause = text_escape(first, SHOW_TEXT_MAX);
  cli_print("rollout:   %s %s, %s", jget_str(rollout, "id", "?"), jget_str(rollout, "kind", "?"),
            jget_str(rollout, "outcome", "?"));
  if (g_strcmp0(jget_str(rollout, "outcome", NULL), "open") == 0)
    cli_print(" (%s, stage %d of %d)", jget_str(rollout, "phase", "?"),
              (int)jget_int(rollout, "stage", 0) + 1, (int)jget_int(rollout, "stages", 0));
  cli_print("%s%s\n", *cause ? ": " : "", cause);
}

/* Who runs without a limit that was asked for. */
static void show_unenforced(const json_t *deployment)
{
  size_t i, k;
  const json_t *instance, *word;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    g_autoptr(GString) words = g_string_new(NULL);
    g_autofree char *name = target_name(instance);
    json_array_foreach(json_object_get(instance, "unenforced"), k, word)
        g_string_append_printf(words, "%s%s", k ? ", " : "", json_string_value(word));
    if (words->len)
      cli_print(
          "warning:   %s runs without its limit of %s: node '%s' cannot enforce it; see reeve doctor\n",
          name, words->str, jget_str(instance, "node", "?"));
  }
}

/* A copy whose lines are fit for a terminal: an agent's own words may be in it. Caller frees. */
static char *show_escaped(const char *text)
{
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    char *line = text_escape(lines[i], SHOW_TEXT_MAX);
    g_free(lines[i]);
    lines[i] = line;
  }
  return g_strjoinv("\n", lines);
}

/* What the last change left to say of a deployment that runs: it is no reason of how it is. */
static void show_last_change(const json_t *deployment, const char *reason)
{
  const json_t *rollout = json_object_get(deployment, "rollout");
  if (*reason)
    cli_print("last:      the %s to revision %d failed: %s\n", jget_str(rollout, "kind", "change"),
              (int)jget_int(rollout, "to", 0), reason);
}

void show_status(const Cli *cli, const json_t *deployment)
{
  const char *status = jget_str(deployment, "status", "?"),
             *sgr = cli->color_out ? cli_state_color(status) : NULL;
  bool back = g_str_equal(status, "running") &&
              g_strcmp0(jget_str(deployment, "outcome", NULL), "rolled-back") == 0;
  g_autofree char *named = api_named(cli, jget_str(deployment, "reason", NULL)),
                  *said = show_escaped(named);
  g_auto(GStrv) lines = g_strsplit(said, "\n", -1);
  g_autofree char *reason = g_strjoinv("\n           ", lines);
  g_autofree char *since = cli_since(jget_str(deployment, "created_at", NULL));
  cli_print("name:      %s (%s)\n", jget_str(deployment, "name", "?"),
            jget_str(deployment, "id", "?"));
  cli_print("status:    %s%s%s%s%s%s%s\n", sgr ? "\033[" : "", sgr ? sgr : "", sgr ? "m" : "",
            status, sgr ? "\033[0m" : "", *reason && !back ? ": " : "", back ? "" : reason);
  cli_print("revision:  %d; the deployment was made %s ago\n",
            (int)jget_int(deployment, "revision", 0), since);
  show_rollout(cli, deployment);
  if (back)
    show_last_change(deployment, reason);
  show_unenforced(deployment);
  g_autoptr(Table) table = show_instances_table(cli, false);
  show_instances(cli, table, deployment, false);
  if (!table_rows(table))
    return;
  cli_print("\n");
  cli_print_table(cli, table);
}

bool show_is_well(const json_t *deployment)
{
  const char *status = jget_str(deployment, "status", "");
  return !g_str_equal(status, "failed") && !g_str_equal(status, "degraded") &&
         show_instances_well(deployment);
}

bool show_instances_well(const json_t *deployment)
{
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    const char *state = jget_str(instance, "state", ""), *health = jget_str(instance, "health", "");
    if (show_is_left_over(instance) || jget_flag(instance, "scheduled", false))
      continue;
    bool sick = g_str_equal(state, "running") &&
                (g_str_equal(health, "unhealthy") || g_str_equal(health, "unreachable"));
    if (sick || g_str_equal(state, "failed") || g_str_equal(state, "lost"))
      return false;
  }
  return true;
}
