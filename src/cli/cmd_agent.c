/* reeve agent: serve one, print the key of those that Reeve serves. */
#include "agent/agent.h"

#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"

static int agent_serve(Cli *cli, const char *name, GError **error)
{
  (void)name;
  double port = cli->options.number[OPT_PORT];
  if (!cli_flag(cli, OPT_PORT) || !cli_flag(cli, OPT_AGENT)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "options '--port' and '--agent' are needed; see reeve agent --help");
    return 1;
  }
  if (port > 65535) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "option '--port': '%s' is above 65535",
                cli->options.text[OPT_PORT]);
    return 1;
  }
  AgentServeOptions options = {.host = cli_flag(cli, OPT_HOST) ? cli->options.text[OPT_HOST]
                                                               : "127.0.0.1",
                               .port = (int)port,
                               .agent_file = cli->options.text[OPT_AGENT]};
  return agent_serve_main(&options);
}

static void agent_print_key(const Cli *cli, const json_t *answer)
{
  (void)cli;
  cli_print("%s\n", jget_str(answer, "key", ""));
}

static int agent_key(Cli *cli, const char *name, GError **error)
{
  g_autofree char *path = api_path(name, "/key");
  return cli_show(cli, api_get(cli, path, error), agent_print_key);
}

int cmd_agent(Cli *cli, GError **error)
{
  static const SubVerb rows[] = {{"serve", false, agent_serve}, {"key", true, agent_key}};
  return cli_dispatch(cli, rows, G_N_ELEMENTS(rows), error);
}
