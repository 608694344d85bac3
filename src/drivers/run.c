/* Commands that are no agents (exec, probes): each under a shim of its own that ends with our
 * connection, in a directory that goes with it. */
#include "drivers/run.h"

#include "base/fs.h"
#include "base/log.h"
#include "drivers/check.h"
#include "drivers/ends.h"
#include "drivers/groups.h"

struct DriverExec {
  ProcessDriver *driver;
  char *instance, *directory;
  Shim *shim;
  const DriverExecNews *news;
  void *data;
  bool over; /* nothing of it runs any more */
  End *end;  /* its shim died: of what it left */
};

static void run_on_hello(void *data, const ShimMessage *message)
{
  DriverExec *run = data;
  (void)message;
  shim_start(run->shim, 1);
}

static void run_on_started(void *data, const ShimMessage *message)
{
  DriverExec *run = data;
  (void)message;
  run->news->started(run->data);
}

static void run_on_start_failed(void *data, const ShimMessage *message)
{
  DriverExec *run = data;
  g_autofree char *why = check_start_failed(message, NULL);
  run->over = true;
  run->news->ended(run->data, (ExitStatus){.code = 127}, why);
}

static void run_on_exited(void *data, const ShimMessage *message)
{
  DriverExec *run = data;
  run->over = true;
  run->news->ended(run->data, message->exit, NULL);
}

static void run_on_tree_ended(void *data, const ProcessIdentity *was)
{
  DriverExec *run = data;
  (void)was;
  run->end = NULL;
  g_clear_pointer(&run->directory, g_free); /* removed by who ended the tree */
  run->news->ended(run->data, (ExitStatus){.code = -1}, "its shim died");
}

/* It has not said that the command ended: whatever is left of its tree is ended before anybody
 * hears of it. */
static void run_on_gone(void *data)
{
  DriverExec *run = data;
  shim_free(g_steal_pointer(&run->shim));
  run->end = ends_tree(run->driver->ends, &(EndSpec){.directory = run->directory,
                                                     .remove = true,
                                                     .ended = run_on_tree_ended,
                                                     .data = run});
}

static const ShimEvents run_events = {.hello = run_on_hello,
                                      .started = run_on_started,
                                      .start_failed = run_on_start_failed,
                                      .exited = run_on_exited,
                                      .gone = run_on_gone};

DriverExec *run_new(Driver *base, const DriverCommand *command, const DriverExecNews *news,
                    void *data, GError **error)
{
  ProcessDriver *driver = (ProcessDriver *)base;
  const DriverJob *job = &command->job;
  g_autofree char *directory =
      g_strdup_printf("%s/%" G_GUINT64_FORMAT, driver->runs_dir, ++driver->last_run);
  g_autofree char *instance_dir = g_build_filename(driver->world.instances_dir, job->id, NULL);
  if (!fs_mkdirs(directory, 0700, error))
    return NULL;
  DriverExec *run = g_new0(DriverExec, 1);
  *run = (DriverExec){.driver = driver,
                      .instance = g_strdup(job->id),
                      .directory = g_steal_pointer(&directory),
                      .news = news,
                      .data = data};
  Process *process = process_of(driver, job->id, false);
  if (process)
    process->runs++;
  ShimLaunch launch = {.shim_path = driver->world.shim_path,
                       .directory = run->directory,
                       .instance_dir = instance_dir,
                       .reeve_path = driver->world.reeve_path,
                       .id = job->id,
                       .cgroups = driver->cgroups,
                       .spec = job->spec,
                       .user = job->user,
                       .secrets = job->secrets,
                       .argv = command->argv,
                       .attached = command->fds};
  run->shim = shim_spawn(driver->world.loop, driver->reaper, &launch, &run_events, run, error);
  if (run->shim)
    return run;
  run_free(run);
  return NULL;
}

void run_signal(DriverExec *run, int signal)
{
  if (run->shim)
    shim_signal(run->shim, signal);
}

/* The groups of its instance go with the last that needs them. */
static void run_leave_groups(const DriverExec *run)
{
  Process *process = process_of(run->driver, run->instance, false);
  if (process && process->runs > 0) /* it may have been forgotten and made anew since */
    process->runs--;
  groups_remove(run->driver->groups, run->instance);
}

void run_free(DriverExec *run)
{
  if (!run)
    return;
  bool runs = run->shim && !run->over;
  shim_free(run->shim);
  g_autoptr(GError) error = NULL;
  if (run->end)
    end_forget(run->end); /* the directory goes with the tree */
  else if (runs)          /* its shim ends it now that we are gone, unless it is frozen */
    ends_tree(run->driver->ends,
              &(EndSpec){.directory = run->directory, .with_shim = true, .remove = true});
  else if (run->directory && !fs_remove_tree(run->directory, &error))
    log_warn("directory of a command not removed", "error=\"%s\"", error->message);
  run_leave_groups(run);
  g_free(run->instance);
  g_free(run->directory);
  g_free(run);
}

void runs_sweep(ProcessDriver *driver)
{
  g_autoptr(GDir) dir = g_dir_open(driver->runs_dir, 0, NULL);
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
    g_autofree char *path = g_build_filename(driver->runs_dir, name, NULL);
    ends_tree(driver->ends, &(EndSpec){.directory = path, .remove = true});
    /* not into a directory that goes soon */
    driver->last_run = MAX(driver->last_run, g_ascii_strtoull(name, NULL, 10));
  }
}
