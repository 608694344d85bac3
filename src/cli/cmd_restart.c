/* reeve restart */
#include "base/error.h"
#include "base/json.h"
#include "cli/agents.h"
#include "cli/rollout.h"
#include "cli/target.h"

/* An agent of the agents directory that is not deployed is started; one that was called by its
 * directory has a deployment of another name.
 */
static bool restart_is_agent(const Cli *cli, const char *name, const GError *error)
{
  bool unknown = error->code == REEVE_ERROR_NOT_FOUND;
  json_t *agent =
      unknown || error->code == REEVE_ERROR_CONFLICT ? agents_look(cli, name, NULL) : NULL;
  const char *status = jget_str(agent, "status", "");
  bool is_agent =
      g_str_equal(status, "discovered") || g_str_equal(status, "stopped") || (agent && unknown);
  json_decref(agent);
  return is_agent;
}

int cmd_restart(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  if (!target_of(cli, &target, error))
    return 1;
  const char *name = target.deployment;
  g_autofree char *agent = target_agent(&target);
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  if (agent)
    jw_str(body, "agent", agent);
  jw_bool(body, "rolling", cli_flag(cli, OPT_ROLLING));
  jw_close(body, '}');
  int code = rollout_change(cli, name, "/restart", body->str, error);
  bool changed;
  if (*error && !agent && restart_is_agent(cli, name, *error)) {
    g_clear_error(error);
    code = agents_change(cli, name, "restart", &changed, error);
  }
  if (code == 0)
    cli_note(cli, "%s%s%s is restarted", name, agent ? "/" : "", agent ? agent : "");
  return code;
}
