/* reeve ps */
#include "base/json.h"
#include "cli/show.h"

int cmd_ps(Cli *cli, GError **error)
{
  json_t *answer = show_fetch(cli, cli_word(cli, 0), error);
  if (!answer)
    return 1;
  if (cli_is_data(cli)) {
    cli_print_data(cli, answer);
    json_decref(answer);
    return 0;
  }
  g_autoptr(Table) table = show_instances_table(cli, true);
  size_t i;
  const json_t *deployment;
  json_array_foreach(json_object_get(answer, "deployments"), i, deployment) show_instances(cli, table, deployment, true);
  cli_print_table(cli, table);
  if (!table_rows(table))
    cli_note(cli, "nothing is deployed; try: reeve up FILE");
  json_decref(answer);
  return 0;
}
