/* reeve ps */
#include "base/json.h"
#include "cli/show.h"

static void ps_table(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table = show_instances_table(cli, true);
  size_t i;
  const json_t *deployment;
  int hidden = 0;
  json_array_foreach(json_object_get(answer, "deployments"), i, deployment)
  {
    bool stopped = g_strcmp0(jget_str(deployment, "status", NULL), "stopped") == 0;
    if (stopped && !cli_word(cli, 0) && !cli_flag(cli, OPT_ALL))
      hidden++;
    else
      show_instances(cli, table, deployment, true);
  }
  cli_print_table(cli, table);
  if (hidden)
    cli_note(cli, "%d stopped deployment%s not shown; see: reeve ps -a", hidden,
             hidden == 1 ? " is" : "s are");
  else if (!table_rows(table))
    cli_note(cli, "nothing is deployed; try: reeve up FILE");
}

int cmd_ps(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  return target_of(cli, &target, error) ? cli_show(cli, show_fetch(cli, &target, error), ps_table)
                                        : 1;
}
