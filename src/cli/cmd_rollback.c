/* reeve rollback */
#include "base/json.h"
#include "cli/api.h"

int cmd_rollback(Cli *cli, GError **error)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  if (cli_flag(cli, OPT_TO))
    jw_int(body, "number", (int64_t)cli->options.number[OPT_TO]);
  jw_close(body, '}');
  cli_note(cli, "code in working directories is not part of a revision: it stays as it is");
  int code = api_change(cli, cli_word(cli, 0), "/rollback", body->str, error);
  json_t *deployment = code == 0 && !*error ? api_deployment(cli, cli_word(cli, 0), NULL) : NULL;
  if (deployment)
    cli_note(cli, "%s runs revision %d", cli_word(cli, 0), (int)jget_int(deployment, "revision", 0));
  json_decref(deployment);
  return code;
}
