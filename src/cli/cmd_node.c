/* reeve node: a node as a process of its own. */
#include "base/error.h"
#include "cli/cli.h"
#include "node/node.h"

int cmd_node(Cli *cli, GError **error)
{
  g_autofree char *shim = paths_shim(), *self = paths_self();
  if (!cli_flag(cli, OPT_SERVER) || !cli_flag(cli, OPT_DATA_DIR)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "options '--server' and '--data-dir' are needed; see reeve node --help");
    return 1;
  }
  if (!shim) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL,
                "find 'reeve-shim' beside '%s': no such program", self);
    return 1;
  }
  g_autofree char *server = g_canonicalize_filename(cli->options.text[OPT_SERVER], NULL);
  NodeOptions options = {.data_dir = cli->paths.data_dir,
                         .server_socket = server,
                         .shim_path = shim,
                         .reeve_path = self,
                         .agents_user = cli->options.text[OPT_AGENTS_USER],
                         .verbose = cli_flag(cli, OPT_VERBOSE)};
  return node_main(&options);
}
