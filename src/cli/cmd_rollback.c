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
  return api_change(cli, cli_word(cli, 0), "/rollback", body->str, error);
}
