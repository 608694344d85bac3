/* reeve restart */
#include "base/json.h"
#include "cli/api.h"

int cmd_restart(Cli *cli, GError **error)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  if (cli_word(cli, 1))
    jw_str(body, "agent", cli_word(cli, 1));
  jw_bool(body, "rolling", cli_flag(cli, OPT_ROLLING));
  jw_close(body, '}');
  int code = api_change(cli, cli_word(cli, 0), "/restart", body->str, error);
  if (code == 0)
    cli_note(cli, "%s is restarted", cli_word(cli, 0));
  return code;
}
