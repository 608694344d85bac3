/* reeve node: a node as a process of its own; and what frees one of a server that is gone. */
#include "base/error.h"
#include "base/text.h"
#include "cli/cli.h"
#include "node/node.h"

#include <sys/stat.h>

/* What every use of a node's directory needs. */
typedef struct NodePrograms {
  char *shim, *self;
} NodePrograms;

static bool node_find_programs(NodePrograms *programs, GError **error)
{
  programs->shim = paths_shim();
  programs->self = paths_self();
  if (programs->shim)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL,
              "find 'reeve-shim' beside '%s': no such program", programs->self);
  return false;
}

static void node_programs_done(NodePrograms *programs)
{
  g_free(programs->shim);
  g_free(programs->self);
}

static int node_run(const Cli *cli, const NodePrograms *programs, GError **error)
{
  if (!cli_flag(cli, OPT_SERVER) || !cli_flag(cli, OPT_DATA_DIR)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "options '--server' and '--data-dir' are needed; see reeve node --help");
    return 1;
  }
  g_autofree char *server = g_canonicalize_filename(cli->options.text[OPT_SERVER], NULL);
  NodeOptions options = {.data_dir = cli->paths.data_dir,
                         .server_socket = server,
                         .shim_path = programs->shim,
                         .reeve_path = programs->self,
                         .agents_user = cli->options.text[OPT_AGENTS_USER],
                         .verbose = cli_flag(cli, OPT_VERBOSE)};
  return node_main(&options);
}

/* What is waited for is said once a second, and again only when less is left. */
typedef struct ResetProgress {
  const Cli *cli;
  guint looks, said;
} ResetProgress;

static void node_reset_told(guint left, void *data)
{
  ResetProgress *progress = data;
  if (++progress->looks % 10 != 0 || left == progress->said)
    return;
  progress->said = left;
  cli_note(progress->cli, "waiting for the end of %u agent%s", left, text_plural((int)left));
}

/* The state directory that @directory is, or that lies in it when a server keeps its data there. */
static char *node_directory(const char *directory)
{
  struct stat status;
  g_autofree char *embedded = g_build_filename(directory, "node", "instances", NULL);
  if (stat(embedded, &status) == 0 && S_ISDIR(status.st_mode))
    return g_path_get_dirname(embedded);
  return g_strdup(directory);
}

static int node_reset_run(const Cli *cli, const NodePrograms *programs, GError **error)
{
  struct stat status;
  guint ended = 0;
  if (!cli_flag(cli, OPT_DATA_DIR)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "reset node: option '--data-dir' is needed: the directory of the node, or of the "
                "server that it is part of");
    return 1;
  }
  g_autofree char *directory = node_directory(cli->paths.data_dir),
                  *instances = g_build_filename(directory, "instances", NULL);
  if (stat(instances, &status) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
                "reset node '%s': no node keeps its state there", directory);
    return 1;
  }
  ResetProgress progress = {.cli = cli};
  NodeConfig config = {.state_dir = directory,
                       .node_id = "local",
                       .shim_path = programs->shim,
                       .reeve_path = programs->self};
  if (!node_reset(&config, node_reset_told, &progress, &ended, error))
    return 1;
  cli_done(
      cli, directory, "reset",
      "node '%s' is free: %u agent%s ended, their logs removed; it belongs to the first server "
      "that welcomes it",
      directory, ended, text_plural((int)ended));
  return 0;
}

int cmd_node(Cli *cli, GError **error)
{
  NodePrograms programs = {0};
  const char *word = cli_word(cli, 0);
  int status = 1;
  if (word && !g_str_equal(word, "reset"))
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "unknown word '%s'; usage: reeve node %s",
                word, cli->verb->words);
  else if (node_find_programs(&programs, error))
    status = word ? node_reset_run(cli, &programs, error) : node_run(cli, &programs, error);
  node_programs_done(&programs);
  return status;
}
