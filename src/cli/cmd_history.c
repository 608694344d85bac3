/* reeve history */
#include "base/json.h"
#include "cli/api.h"
#include "cli/show.h"

static void history_by(const Cli *cli, Table *table, const json_t *object)
{
  g_autofree char *actor = api_actor(cli, jget_str(object, "actor", NULL));
  table_cell(table, actor);
  g_autofree char *cause = api_named(cli, jget_str(object, "cause", NULL));
  table_cell(table, cause);
}

static void history_rollouts(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table = table_new((const char *const[]){
      "ROLLOUT", "KIND", ">FROM", ">TO", "OUTCOME", "STARTED", "BY", "CAUSE", NULL});
  size_t i;
  const json_t *rollout;
  json_array_foreach(json_object_get(answer, "rollouts"), i, rollout)
  {
    cli_text_cells(table, rollout, (const char *const[]){"id", "kind", NULL});
    table_cell_format(table, "%d", (int)jget_int(rollout, "from", 0));
    table_cell_format(table, "%d", (int)jget_int(rollout, "to", 0));
    table_cell(table, jget_str(rollout, "outcome", NULL));
    table_color(table, cli_state_color(jget_str(rollout, "outcome", NULL)));
    /* milliseconds are in -o json */
    table_cell_format(table, "%.19sZ", jget_str(rollout, "started_at", ""));
    history_by(cli, table, rollout);
  }
  cli_print_table(cli, table);
}

static void history_table(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table =
      table_new((const char *const[]){">REVISION", "CREATED", "BY", "CAUSE", NULL});
  size_t i;
  const json_t *revision;
  json_array_foreach(json_object_get(answer, "revisions"), i, revision)
  {
    table_cell_format(table, "%d", (int)jget_int(revision, "number", 0));
    table_cell_format(table, "%.19sZ", jget_str(revision, "created_at", ""));
    history_by(cli, table, revision);
  }
  cli_print_table(cli, table);
  cli_print("\n");
  history_rollouts(cli, answer);
}

/* Did revision @number of @target's deployment change its agent? Also true when the server cannot
 * say it any more. */
static bool history_touches(const Cli *cli, const Target *target, int number, int before)
{
  g_autofree char *rest = g_strdup_printf("/diff?from=%d&to=%d", before, number),
                  *path = api_path(target->deployment, rest);
  json_t *answer = before ? api_get(cli, path, NULL) : NULL;
  const json_t *diff = json_object_get(answer, "diff"), *agent;
  bool touches = !answer || json_array_size(json_object_get(diff, "job")) > 0;
  size_t i;
  json_array_foreach(json_object_get(diff, "agents"), i, agent) touches |=
      target_has(target, agent) && g_strcmp0(jget_str(agent, "change", NULL), "stale") != 0;
  json_decref(answer);
  return touches;
}

/* Leaves the revisions that changed the agent of @target, and their rollouts. */
static void history_filter(const Cli *cli, const Target *target, json_t *answer)
{
  json_t *revisions = json_array(), *rollouts = json_array(), *one;
  const json_t *all = json_object_get(answer, "revisions");
  g_autoptr(GHashTable) kept = g_hash_table_new(NULL, NULL);
  g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(int));
  size_t i;
  json_array_foreach(all, i, one)
  {
    int number = (int)jget_int(one, "number", 0);
    g_array_append_val(numbers, number);
  }
  json_array_foreach(all, i, one)
  {
    int number = (int)jget_int(one, "number", 0), before = 0;
    for (guint k = 0; k < numbers->len; k++)
      before = g_array_index(numbers, int, k) < number ? MAX(before, g_array_index(numbers, int, k))
                                                       : before;
    if (!history_touches(cli, target, number, before))
      continue;
    json_array_append(revisions, one);
    g_hash_table_add(kept, GINT_TO_POINTER(number));
  }
  json_array_foreach(json_object_get(answer, "rollouts"), i, one)
  {
    if (g_hash_table_contains(kept, GINT_TO_POINTER((int)jget_int(one, "to", 0))))
      json_array_append(rollouts, one);
  }
  json_object_set_new(answer, "revisions", revisions);
  json_object_set_new(answer, "rollouts", rollouts);
}

int cmd_history(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  json_t *deployment = NULL;
  if (!target_of(cli, &target, error))
    return 1;
  if (target.agent && !(deployment = show_fetch_one(cli, &target, error)))
    return 1;
  json_decref(deployment);
  g_autofree char *path = api_path(target.deployment, "/history");
  json_t *answer = api_get(cli, path, error);
  if (answer && target.agent)
    history_filter(cli, &target, answer);
  return cli_show(cli, answer, history_table);
}
