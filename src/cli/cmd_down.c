/* reeve down */
#include "base/json.h"
#include "cli/api.h"
#include "cli/rollout.h"

int cmd_down(Cli *cli, GError **error)
{
  const char *name = cli_word(cli, 0);
  int code = rollout_change(cli, name, "/down", "{}", error);
  if (code != 0 || *error)
    return code;
  if (cli_flag(cli, OPT_FORGET)) {
    g_autofree char *path = api_path(name, "");
    json_t *answer = api_call(cli, "DELETE", path, NULL, NULL, error);
    if (!answer)
      return 1;
    json_decref(answer);
  }
  if (cli_flag(cli, OPT_FORGET))
    cli_note(cli, "%s is stopped and forgotten", name);
  else
    cli_note(cli, "%s is stopped; its logs stay: reeve logs %s", name, name);
  return 0;
}
