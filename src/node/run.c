/* Commands that are no agents (exec, probes): who runs them is looked up, and their driver does the
 * rest. */
#include "node/run.h"

#include "base/error.h"
#include "node/users.h"

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
  RunWait *wait; /* NULL = its driver has it */
  char *instance;
  Driver *driver;
  DriverExec *exec; /* NULL = it waits, or could not be started */
  const DriverExecNews *news;
  void *data;
};

static bool run_begin(ExecRun *run, const ExecSpec *spec, const User *user, GError **error)
{
  const Runner *runner = node_runner(run->node, run->instance, false);
  DriverCommand command = {.job = {.id = run->instance,
                                   .spec = spec->spec,
                                   .user = user,
                                   .secrets = runner ? runner->secrets : NULL},
                           .argv = spec->argv,
                           .fds = spec->fds};
  run->exec = run->driver->ops->exec(run->driver, &command, run->news, run->data, error);
  return run->exec != NULL;
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
  const ExecSpec spec = {.spec = wait->spec, .argv = wait->argv, .fds = wait->fds};
  g_autoptr(GError) error = NULL;
  wait->ask = NULL;
  if (!user)
    g_set_error(&error, REEVE_ERROR, unknown->code, "run as '%s': %s",
                node_user_of(run->node, wait->spec), unknown->message);
  bool begun = user && run_begin(run, &spec, user, &error);
  run_wait_free(wait);
  if (!begun)
    run->news->ended(run->data, (ExitStatus){.code = -1}, error->message);
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

ExecRun *exec_run_new(Node *node, const ExecSpec *spec, const DriverExecNews *news, void *data,
                      GError **error)
{
  ExecRun *run = g_new0(ExecRun, 1);
  *run = (ExecRun){.node = node,
                   .instance = g_strdup(spec->instance),
                   .driver = driver_of(node, spec->spec),
                   .news = news,
                   .data = data};
  const char *user = node_user_of(node, spec->spec);
  if (user)
    run_ask(run, spec, user);
  else if (!run_begin(run, spec, NULL, error)) {
    exec_run_free(run);
    return NULL;
  }
  return run;
}

void exec_run_signal(ExecRun *run, int signal)
{
  if (run->exec)
    run->driver->ops->exec_signal(run->exec, signal);
}

void exec_run_free(ExecRun *run)
{
  if (!run)
    return;
  run_wait_free(run->wait);
  run->driver->ops->exec_free(run->exec);
  g_free(run->instance);
  g_free(run);
}
