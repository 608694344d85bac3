/* Commands that are no agents (exec, probes): each under a shim of its own that ends with our
 * connection, in a directory that goes with it.
 */
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "node/internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { RUN_FDS = 2 };

/* What a run needs that waits for its user. */
typedef struct RunWait {
  UserAsk *ask;
  InstanceSpec *spec;
  char **argv;
  int fds[RUN_FDS];
} RunWait;

struct ExecRun {
  Node *node;
  RunWait *wait; /* NULL = it has its shim */
  char *instance, *directory;
  Shim *shim;
  ExecEnded ended;
  void *data;
  bool over; /* nothing of it runs any more */
  End *end;  /* its shim died: of what it left */
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
  g_autofree char *why = check_start_failed(message, NULL);
  run->over = true;
  run->ended(run->data, (ExitStatus){.code = 127}, why);
}

static void run_on_exited(void *data, const ShimMessage *message)
{
  ExecRun *run = data;
  run->over = true;
  run->ended(run->data, message->exit, NULL);
}

static void run_on_tree_ended(void *data, const ProcessIdentity *was)
{
  ExecRun *run = data;
  (void)was;
  run->end = NULL;
  g_clear_pointer(&run->directory, g_free); /* removed by who ended the tree */
  run->ended(run->data, (ExitStatus){.code = -1}, "its shim died");
}

/* It has not said that the command ended: whatever is left of its tree is ended before anybody
 * hears of it. */
static void run_on_gone(void *data)
{
  ExecRun *run = data;
  shim_free(g_steal_pointer(&run->shim));
  run->end = ends_tree(run->node->ends, &(EndSpec){.directory = run->directory,
                                                   .remove = true,
                                                   .ended = run_on_tree_ended,
                                                   .data = run});
}

static const ShimEvents run_events = {.hello = run_on_hello,
                                      .start_failed = run_on_start_failed,
                                      .exited = run_on_exited,
                                      .gone = run_on_gone};

static bool run_spawn(ExecRun *run, const ExecSpec *spec, const User *user, GError **error)
{
  Node *node = run->node;
  g_autofree char *instance_dir = g_build_filename(node->instances_dir, spec->instance, NULL);
  const Runner *runner = node_runner(node, spec->instance, false);
  ShimLaunch launch = {.shim_path = node->shim_path,
                       .directory = run->directory,
                       .instance_dir = instance_dir,
                       .reeve_path = node->reeve_path,
                       .id = spec->instance,
                       .cgroups = node->cgroups,
                       .spec = spec->spec,
                       .user = user,
                       .secrets = runner ? runner->secrets : NULL,
                       .argv = spec->argv,
                       .attached = spec->fds};
  run->shim = shim_spawn(node->loop, node->reaper, &launch, &run_events, run, error);
  return run->shim != NULL;
}

static void run_wait_free(RunWait *wait)
{
  if (!wait)
    return;
  users_forget(wait->ask);
  for (int i = 0; i < RUN_FDS; i++)
    if (wait->fds[i] >= 0)
      close(wait->fds[i]);
  instance_spec_free(wait->spec);
  g_strfreev(wait->argv);
  g_free(wait);
}

static void run_on_user(void *data, const User *user, const GError *unknown)
{
  ExecRun *run = data;
  RunWait *wait = g_steal_pointer(&run->wait);
  const ExecSpec spec = {
      .instance = run->instance, .spec = wait->spec, .argv = wait->argv, .fds = wait->fds};
  g_autoptr(GError) error = NULL;
  wait->ask = NULL;
  if (!user)
    g_set_error(&error, REEVE_ERROR, unknown->code, "run as '%s': %s",
                node_user_of(run->node, wait->spec), unknown->message);
  run->over = !user || !run_spawn(run, &spec, user, &error);
  run_wait_free(wait);
  if (run->over)
    run->ended(run->data, (ExitStatus){.code = -1}, error->message);
}

/* What @spec lends is gone when the user is known: copies of it wait. */
static void run_ask(ExecRun *run, const ExecSpec *spec, const char *user)
{
  RunWait *wait = run->wait = g_new0(RunWait, 1);
  wait->spec = instance_spec_copy(spec->spec);
  wait->argv = g_strdupv((char **)(uintptr_t)spec->argv);
  for (int i = 0; i < RUN_FDS; i++)
    wait->fds[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, 0);
  wait->ask = users_ask(run->node->users, user, run_on_user, run);
}

ExecRun *exec_run_new(Node *node, const ExecSpec *spec, ExecEnded ended, void *data, GError **error)
{
  g_autofree char *directory =
      g_strdup_printf("%s/%" G_GUINT64_FORMAT, node->runs_dir, ++node->last_run);
  if (!fs_mkdirs(directory, 0700, error))
    return NULL;
  ExecRun *run = g_new0(ExecRun, 1);
  *run = (ExecRun){.node = node,
                   .instance = g_strdup(spec->instance),
                   .directory = g_steal_pointer(&directory),
                   .ended = ended,
                   .data = data};
  Runner *runner = node_runner(node, spec->instance, false);
  if (runner)
    runner->runs++;
  const char *user = node_user_of(node, spec->spec);
  if (user) {
    run_ask(run, spec, user);
    return run;
  }
  if (run_spawn(run, spec, NULL, error))
    return run;
  exec_run_free(run);
  return NULL;
}

void exec_run_signal(ExecRun *run, int signal)
{
  if (run->shim)
    shim_signal(run->shim, signal);
}

/* The groups of its instance go with the last that needs them. */
static void run_leave_groups(const ExecRun *run)
{
  Runner *runner = node_runner(run->node, run->instance, false);
  if (runner)
    runner->runs--;
  groups_remove(run->node->groups, run->instance);
}

void exec_run_free(ExecRun *run)
{
  if (!run)
    return;
  bool runs = run->shim && !run->over;
  run_wait_free(run->wait);
  shim_free(run->shim);
  g_autoptr(GError) error = NULL;
  if (run->end)
    end_forget(run->end); /* the directory goes with the tree */
  else if (runs)          /* its shim ends it now that we are gone, unless it is frozen */
    ends_tree(run->node->ends,
              &(EndSpec){.directory = run->directory, .with_shim = true, .remove = true});
  else if (run->directory && !fs_remove_tree(run->directory, &error))
    log_warn("directory of a command not removed", "error=\"%s\"", error->message);
  run_leave_groups(run);
  g_free(run->instance);
  g_free(run->directory);
  g_free(run);
}

void exec_runs_sweep(Node *node)
{
  g_autoptr(GDir) dir = g_dir_open(node->runs_dir, 0, NULL);
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
    g_autofree char *path = g_build_filename(node->runs_dir, name, NULL);
    ends_tree(node->ends, &(EndSpec){.directory = path, .remove = true});
    /* not into a directory that goes soon */
    node->last_run = MAX(node->last_run, g_ascii_strtoull(name, NULL, 10));
  }
}
