/* reeve restart */
#include "base/error.h"
#include "base/json.h"
#include "cli/agents.h"
#include "cli/api.h"

/* An agent of the agents directory that is not deployed is started. */
static bool restart_is_agent(const Cli *cli, const GError *error)
{
  json_t *agent =
      error->code == REEVE_ERROR_NOT_FOUND || error->code == REEVE_ERROR_CONFLICT ? agents_look(cli, cli_word(cli, 0), NULL) : NULL;
  const char *status = jget_str(agent, "status", "");
  bool idle = g_str_equal(status, "discovered") || g_str_equal(status, "stopped");
  json_decref(agent);
  return idle;
}

int cmd_restart(Cli *cli, GError **error)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  if (cli_word(cli, 1))
    jw_str(body, "agent", cli_word(cli, 1));
  jw_bool(body, "rolling", cli_flag(cli, OPT_ROLLING));
  jw_close(body, '}');
  int code = api_change(cli, cli_word(cli, 0), "/restart", body->str, error);
  bool changed;
  if (*error && !cli_word(cli, 1) && restart_is_agent(cli, *error)) {
    g_clear_error(error);
    code = agents_change(cli, cli_word(cli, 0), "restart", &changed, error);
  }
  if (code == 0)
    cli_note(cli, "%s is restarted", cli_word(cli, 0));
  return code;
}
