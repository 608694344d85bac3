/* reeve deploy and undeploy: agents of the server's agents directory, by name. */
#include "base/error.h"
#include "base/json.h"
#include "cli/agents.h"
#include "cli/api.h"
#include "cli/rollout.h"

int agents_change(Cli *cli, const char *name, const char *verb, bool *changed, GError **error)
{
  g_autofree char *rest = g_strdup_printf("/%s?wait=0", verb), *path = agents_path(name, rest);
  int status = 0;
  json_t *answer = api_call(cli, "POST", path, "{}", &status, error);
  if (!answer)
    return 1;
  g_autofree char *rollout = g_strdup(jget_str(answer, "rollout", NULL)),
                  *declared = g_strdup(jget_str(answer, "name", name));
  json_decref(answer);
  *changed = status == 202;
  return *changed && rollout
             ? rollout_wait(cli, declared, rollout, cli_ms(cli, OPT_TIMEOUT, 0), error)
             : 0;
}

int cmd_deploy(Cli *cli, GError **error)
{
  const char *name = cli_word(cli, 0);
  bool changed = false;
  int code = agents_change(cli, name, "start", &changed, error);
  if (code != 0 || *error)
    return code;
  json_t *agent = agents_look(cli, name, error);
  if (!agent)
    return 1;
  int port = (int)jget_int(agent, "port", 0);
  name = jget_str(agent, "name", name); /* it may have been called by its directory */
  if (cli_is_data(cli))
    cli_print_data(cli, agent);
  else if (changed)
    cli_print("Agent %s deployed on port %d\n", name, port);
  else
    cli_print("Agent %s is up to date, on port %d\n", name, port);
  const json_t *ignored = json_object_get(agent, "not_honoured"), *key;
  size_t i;
  json_array_foreach(ignored, i, key) cli_note(cli, "not honoured: %s", json_string_value(key));
  json_decref(agent);
  return 0;
}

int cmd_undeploy(Cli *cli, GError **error)
{
  const char *name = cli_word(cli, 0);
  bool changed = false;
  int code = agents_change(cli, name, "stop", &changed, error);
  if (code != 0 || *error)
    return code;
  json_t *agent = agents_look(cli, name, cli_is_data(cli) ? error : NULL);
  if (!cli_is_data(cli))
    cli_print(changed ? "Agent %s stopped\n" : "Agent %s is not deployed\n",
              jget_str(agent, "name", name));
  else if (agent)
    cli_print_data(cli, agent);
  json_decref(agent);
  return 0;
}
