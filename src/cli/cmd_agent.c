/* reeve agent serve */
#include "agent/agent.h"

#include "base/error.h"
#include "cli/cli.h"

int cmd_agent(Cli *cli, GError **error)
{
  double port = cli->options.number[OPT_PORT];
  if (!g_str_equal(cli_word(cli, 0), "serve")) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "unknown word '%s'; usage: reeve agent serve", cli_word(cli, 0));
    return 1;
  }
  if (!cli_flag(cli, OPT_PORT) || !cli_flag(cli, OPT_AGENT)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "options '--port' and '--agent' are needed; see reeve agent --help");
    return 1;
  }
  if (port > 65535) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "option '--port': '%s' is above 65535", cli->options.text[OPT_PORT]);
    return 1;
  }
  AgentServeOptions options = {.host = cli_flag(cli, OPT_HOST) ? cli->options.text[OPT_HOST] : "127.0.0.1",
                               .port = (int)port,
                               .agent_file = cli->options.text[OPT_AGENT]};
  return agent_serve_main(&options);
}
