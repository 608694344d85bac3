/* Commands that are no agents (exec, probes): each under a shim of its own that ends with our connection, in a directory that goes with it.
 */
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "node/internal.h"

#include <string.h>

enum { RUN_KILL_ROUNDS = 100 };

struct ExecRun {
  Node *node;
  char *directory;
  Shim *shim;
  ExecEnded ended;
  void *data;
};

static void run_on_hello(void *data, const ShimMessage *message)
{
  ExecRun *run = data;
  (void)message;
  shim_start(run->shim, 1);
}

static void run_on_start_failed(void *data, const ShimMessage *message)
{
  ExecRun *run = data;
  run->ended(run->data, (ExitStatus){.code = 127}, g_strerror(message->error_number));
}

static void run_on_exited(void *data, const ShimMessage *message)
{
  ExecRun *run = data;
  run->ended(run->data, message->exit, NULL);
}

/* What a shim that is dead left in @directory. Its tree may fork while we look, hence again and again. */
static void run_kill_orphan(const char *directory)
{
  ProcessIdentity orphan;
  if (!identity_read(directory, &orphan) || !identity_alive(&orphan))
    return;
  for (int round = 0; round < RUN_KILL_ROUNDS && identity_kill_tree(&orphan) > 0; round++)
    ;
}

static void run_on_gone(void *data)
{
  ExecRun *run = data;
  run_kill_orphan(run->directory);
  run->ended(run->data, (ExitStatus){.code = -1}, "its shim died");
}

static const ShimEvents run_events = {
    .hello = run_on_hello, .start_failed = run_on_start_failed, .exited = run_on_exited, .gone = run_on_gone};

ExecRun *exec_run_new(Node *node, const ExecSpec *spec, ExecEnded ended, void *data, GError **error)
{
  g_autofree char *directory = g_strdup_printf("%s/%" G_GUINT64_FORMAT, node->runs_dir, ++node->last_run);
  g_autofree char *instance_dir = g_build_filename(node->instances_dir, spec->instance, NULL);
  if (!fs_mkdirs(directory, 0700, error))
    return NULL;
  ExecRun *run = g_new0(ExecRun, 1);
  *run = (ExecRun){.node = node, .directory = g_steal_pointer(&directory), .ended = ended, .data = data};
  const Hold *hold = node_hold(node, spec->instance, false);
  ShimLaunch launch = {.shim_path = node->shim_path,
                       .directory = run->directory,
                       .instance_dir = instance_dir,
                       .reeve_path = node->reeve_path,
                       .id = spec->instance,
                       .cgroups = node->cgroups,
                       .spec = spec->spec,
                       .user = node_user_of(node, spec->spec),
                       .secrets = hold ? hold->secrets : NULL,
                       .argv = spec->argv,
                       .attached = spec->fds};
  run->shim = shim_spawn(node->loop, node->reaper, &launch, &run_events, run, error);
  if (run->shim)
    return run;
  exec_run_free(run);
  return NULL;
}

void exec_run_signal(ExecRun *run, int signal)
{
  shim_signal(run->shim, signal);
}

void exec_run_free(ExecRun *run)
{
  if (!run)
    return;
  shim_free(run->shim);
  g_autoptr(GError) error = NULL;
  if (!fs_remove_tree(run->directory, &error))
    log_warn("directory of a command not removed", "error=\"%s\"", error->message);
  g_free(run->directory);
  g_free(run);
}

void exec_runs_sweep(Node *node)
{
  g_autoptr(GDir) dir = g_dir_open(node->runs_dir, 0, NULL);
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
    g_autofree char *path = g_build_filename(node->runs_dir, name, NULL);
    run_kill_orphan(path);
    fs_remove_tree(path, NULL);
  }
}
