/* reeve history */
#include "base/json.h"
#include "cli/api.h"

static void history_rollouts(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table = table_new((const char *const[]){"ROLLOUT", "KIND", ">FROM", ">TO", "OUTCOME", "STARTED", "BY", "CAUSE", NULL});
  size_t i;
  const json_t *rollout;
  json_array_foreach(json_object_get(answer, "rollouts"), i, rollout)
  {
    cli_text_cells(table, rollout, (const char *const[]){"id", "kind", NULL});
    table_cell_format(table, "%d", (int)jget_int(rollout, "from", 0));
    table_cell_format(table, "%d", (int)jget_int(rollout, "to", 0));
    table_cell(table, jget_str(rollout, "outcome", NULL));
    table_color(table, cli_state_color(jget_str(rollout, "outcome", NULL)));
    table_cell_format(table, "%.19sZ", jget_str(rollout, "started_at", "")); /* milliseconds are in -o json */
    cli_text_cells(table, rollout, (const char *const[]){"actor", "cause", NULL});
  }
  cli_print_table(cli, table);
}

static void history_table(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table = table_new((const char *const[]){">REVISION", "CREATED", "BY", "CAUSE", NULL});
  size_t i;
  const json_t *revision;
  json_array_foreach(json_object_get(answer, "revisions"), i, revision)
  {
    table_cell_format(table, "%d", (int)jget_int(revision, "number", 0));
    table_cell_format(table, "%.19sZ", jget_str(revision, "created_at", ""));
    cli_text_cells(table, revision, (const char *const[]){"actor", "cause", NULL});
  }
  cli_print_table(cli, table);
  cli_print("\n");
  history_rollouts(cli, answer);
}

int cmd_history(Cli *cli, GError **error)
{
  g_autofree char *path = api_path(cli_word(cli, 0), "/history");
  return cli_show(cli, api_get(cli, path, error), history_table);
}
