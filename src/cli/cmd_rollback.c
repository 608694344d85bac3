/* reeve rollback */
#include "base/json.h"
#include "cli/api.h"
#include "cli/rollout.h"

/* Where it goes is said before anything happens, and just that is asked for. 0 = the server knows
 * of nothing, and says so. */
static int rollback_target(const Cli *cli, const char *name, GError **error)
{
  json_t *deployment = api_deployment(cli, name, error);
  int target = cli_flag(cli, OPT_TO) ? (int)cli->options.number[OPT_TO]
                                     : (int)jget_int(deployment, "previous", 0);
  if (deployment && target)
    cli_note(
        cli,
        "%s goes from revision %d to revision %d; code in working directories is not part of a revision: it stays as it is",
        name, (int)jget_int(deployment, "revision", 0), target);
  json_decref(deployment);
  return target;
}

int cmd_rollback(Cli *cli, GError **error)
{
  const char *name = cli_word(cli, 0);
  int target = rollback_target(cli, name, error);
  if (*error)
    return 1;
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  if (target)
    jw_int(body, "number", target);
  jw_close(body, '}');
  int code = rollout_change(cli, name, "/rollback", body->str, error);
  json_t *deployment = code == 0 && !*error ? api_deployment(cli, name, NULL) : NULL;
  if (deployment)
    cli_note(cli, "%s runs revision %d", name, (int)jget_int(deployment, "revision", 0));
  json_decref(deployment);
  return code;
}
