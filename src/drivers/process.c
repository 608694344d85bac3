/* The process driver: what the slots of its row mean for a shim, and what a shim's messages are to
 * those above. Who holds an instance is found by the lock of its directory, what it ran by the
 * state file in it, and whatever got away from both by mark and control group (tree.h). The row is
 * at the end. */
#include "drivers/process.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/system.h"
#include "drivers/asks.h"
#include "drivers/check.h"
#include "drivers/ends.h"
#include "drivers/groups.h"
#include "drivers/keep.h"
#include "drivers/log_read.h"
#include "drivers/run.h"
#include "drivers/tree.h"

enum {
  PROCESS_OUTPUT_BYTES = 4000,
  PROCESS_ASK_MS = 30000,
  PROCESS_DEPARTURE_MS = 1000,
  /* between two tries to reach a shim that is there */
  FIND_FIRST_MS = 20,
  FIND_MOST_MS = 1000,
  FIND_LATE_MS = 1000 /* without a word of a shim that was reached, it is said to be unreachable */
};

/* ---- what a shim tells ---- */

/* What the attempt that ended said last, unless it ended well. */
static char *process_output(const Process *process, const ShimMessage *message)
{
  bool clean = message->exit.code == 0 && message->exit.signal == 0;
  return clean ? NULL : shim_log_tail(process->directory, PROCESS_OUTPUT_BYTES, message->output);
}

/* Was a process of the attempt that ended killed for want of memory? */
static bool process_out_of_memory(const Process *process)
{
  return process->limited &&
         cgroups_oom_kills(process->driver->cgroups, process->id) > process->oom_kills;
}

/* The first hello of a connection says where the shim stands; a later one only that it answers. */
static void process_on_hello(void *data, const ShimMessage *message)
{
  Process *process = data;
  asks_answered(process);
  if (process->preparing) {
    process->preparing = false;
    process_tell(process, (DriverNews){.type = DRIVER_PREPARED});
    return;
  }
  if (!process->finding)
    return;
  process->finding = false;
  loop_timer_set(process->timer, INT64_MAX);
  process->limited = true; /* as far as we know: it was started by an earlier node */
  g_autofree char *output = message->ended ? process_output(process, message) : NULL;
  ProcessIdentity was;
  bool known = message->pid && identity_read(process->directory, &was);
  process_tell(
      process,
      (DriverNews){.type = DRIVER_FOUND,
                   .generation = message->generation,
                   .attempt = message->attempt,
                   .pid = message->pid,
                   .up_ms = known ? MAX(clock_boot_ms() - identity_started_boot_ms(&was), 0) : 0,
                   .exit = message->exit,
                   .out_of_memory = message->ended && process_out_of_memory(process),
                   .text = output});
}

static void process_on_started(void *data, const ShimMessage *message)
{
  process_tell(
      data, (DriverNews){.type = DRIVER_STARTED, .attempt = message->attempt, .pid = message->pid});
}

static void process_on_start_failed(void *data, const ShimMessage *message)
{
  const Process *process = data;
  const DriverWorld *world = &process->driver->world;
  g_autofree char *why = check_start_failed(message, world->spec_of(world->data, process->id));
  bool passes = system_may_pass(message->error_number);
  process_tell(process, (DriverNews){.type = DRIVER_START_FAILED,
                                     .attempt = message->attempt,
                                     .text = why,
                                     .failure = passes ? FAILURE_PASSING : FAILURE_FINAL});
}

static void process_on_exited(void *data, const ShimMessage *message)
{
  const Process *process = data;
  g_autofree char *output = process_output(process, message);
  process_tell(process, (DriverNews){.type = DRIVER_EXITED,
                                     .attempt = message->attempt,
                                     .exit = message->exit,
                                     .out_of_memory = process_out_of_memory(process),
                                     .text = output});
}

static void process_on_rotated(void *data, const ShimMessage *message)
{
  const Process *process = data;
  (void)message;
  keep_soon(process->driver->keep);
}

static void process_is_absent(Process *process)
{
  ProcessIdentity was;
  bool known = identity_read(process->directory, &was);
  process->finding = false;
  groups_remove(process->driver->groups, process->id);
  process_tell(process, (DriverNews){.type = DRIVER_ABSENT,
                                     .generation = was.generation,
                                     .attempt = was.attempt,
                                     .tree_lives = known && identity_alive(&was)});
}

/* The connection broke, and that only a dead shim does. What it held may live: its state file says
 * who that is. */
static void process_on_gone(void *data)
{
  Process *process = data;
  ProcessIdentity was;
  shim_free(g_steal_pointer(&process->shim));
  bool ran = identity_read(process->directory, &was), alive = ran && identity_alive(&was);
  log_warn("shim died", "instance=%s agent=%s", process->id, alive ? "alive" : "dead");
  if (process->finding) {
    process_is_absent(process);
    return;
  }
  if (!alive)
    groups_remove(process->driver->groups, process->id);
  bool starting = process->preparing;
  process->preparing = false;
  process_tell(process, starting ? (DriverNews){.type = DRIVER_PREPARE_FAILED,
                                                .text = "it ended at once",
                                                .failure = FAILURE_PASSING}
                                 : (DriverNews){.type = DRIVER_VANISHED, .tree_lives = ran});
}

static const ShimEvents process_shim_events = {.hello = process_on_hello,
                                               .started = process_on_started,
                                               .start_failed = process_on_start_failed,
                                               .exited = process_on_exited,
                                               .rotated = process_on_rotated,
                                               .gone = process_on_gone};

/* ---- find ---- */

/* A shim may hold the lock and not listen yet, or be frozen with many callers waiting: it is asked
 * until it is told to be cleared; never is a second one started beside it. */
static void process_connect(void *data)
{
  Process *process = data;
  bool locked;
  if (process->shim) { /* reached a while ago, and has not said a word */
    asks_is_late(process, FIND_LATE_MS);
    return;
  }
  process->shim = shim_connect(process->driver->world.loop, process->directory,
                               &process_shim_events, process, &locked);
  if (process->shim) {
    loop_timer_set(process->timer, clock_boot_ms() + FIND_LATE_MS); /* its hello follows */
    return;
  }
  if (!locked) {
    process_is_absent(process);
    return;
  }
  int64_t gap_ms = (int64_t)FIND_FIRST_MS << MIN(process->find_tries, 16);
  process->find_tries++;
  loop_timer_set(process->timer, clock_boot_ms() + MIN(gap_ms, FIND_MOST_MS));
  if (gap_ms > FIND_MOST_MS)
    asks_is_late(process, FIND_LATE_MS);
}

static void process_find(Driver *base, const char *id)
{
  Process *process = process_of((ProcessDriver *)base, id, true);
  process->finding = true;
  process->find_tries = 0;
  if (!process->timer)
    process->timer = loop_timer_new(process->driver->world.loop, process_connect, process);
  process_connect(process);
}

static void process_sweep(Driver *base)
{
  groups_sweep(((ProcessDriver *)base)->groups);
}

/* ---- a handle ---- */

static char *process_check(const Driver *base, const InstanceSpec *spec, const char *no_user)
{
  (void)base;
  return check_spec(spec, no_user);
}

static void process_prepare(Driver *base, const DriverJob *job)
{
  ProcessDriver *driver = (ProcessDriver *)base;
  Process *process = process_of(driver, job->id, true);
  ShimLaunch launch = {.shim_path = driver->world.shim_path,
                       .directory = process->directory,
                       .instance_dir = process->directory,
                       .reeve_path = driver->world.reeve_path,
                       .id = process->id,
                       .cgroups = driver->cgroups,
                       .spec = job->spec,
                       .user = job->user,
                       .secrets = job->secrets,
                       .generation = job->generation};
  g_autoptr(GError) error = NULL;
  shim_free(g_steal_pointer(&process->shim));
  process->shim = shim_spawn(driver->world.loop, driver->reaper, &launch, &process_shim_events,
                             process, &error);
  process->preparing = process->shim != NULL;
  process->limited = cgroups_wanted(&job->spec->resources);
  if (process->shim)
    process_tell(process, (DriverNews){.type = DRIVER_CREATED});
  else
    process_tell(process, (DriverNews){.type = DRIVER_PREPARE_FAILED,
                                       .text = error->message,
                                       .failure = failure_class(error)});
}

static void process_start(Driver *base, const char *id, int attempt)
{
  Process *process = process_of((ProcessDriver *)base, id, true);
  if (process->shim) {
    process->oom_kills = process->limited ? cgroups_oom_kills(process->driver->cgroups, id) : 0;
    shim_start(process->shim, attempt);
    return;
  }
  /* it has died since, and this start must not be waited for */
  process_tell(process, (DriverNews){.type = DRIVER_VANISHED, .tree_lives = true});
}

static void process_signal(Driver *base, const char *id, int signal)
{
  const Process *process = process_of((ProcessDriver *)base, id, false);
  if (process && process->shim)
    shim_signal(process->shim, signal);
}

static void process_kill(Driver *base, const char *id)
{
  const Process *process = process_of((ProcessDriver *)base, id, false);
  if (process && process->shim)
    shim_kill(process->shim);
}

static void process_on_cleared(void *data, const ProcessIdentity *was)
{
  Process *process = data;
  process->end = NULL;
  groups_remove(process->driver->groups, process->id);
  process_tell(
      process,
      (DriverNews){.type = DRIVER_CLEARED, .generation = was->generation, .attempt = was->attempt});
}

static void process_clear(Driver *base, const char *id)
{
  Process *process = process_of((ProcessDriver *)base, id, true);
  loop_timer_free(g_steal_pointer(&process->timer));
  shim_free(g_steal_pointer(&process->shim));
  process->finding = process->preparing = false;
  if (process->end) /* it goes on */
    return;
  log_info("ending what is left without a shim", "instance=%s", process->id);
  /* by v2 its commands share the group for its limits, and end with it */
  g_autofree char *group = cgroups_tree(process->driver->cgroups, id);
  process->end = ends_tree(process->driver->ends, &(EndSpec){.directory = process->directory,
                                                             .group = group,
                                                             .with_shim = true,
                                                             .ended = process_on_cleared,
                                                             .data = process});
}

/* ---- departures ---- */

typedef struct Departing {
  ProcessIdentity shim;
  int64_t at_ms;
} Departing;

/* A shim that was told to leave and is there still is frozen. It holds nothing, and its lock is in
 * the way of the next. */
static void departures_due(void *data)
{
  ProcessDriver *driver = data;
  for (Departing *first = g_queue_peek_head(&driver->departing); first;
       first = g_queue_peek_head(&driver->departing)) {
    if (first->at_ms > clock_boot_ms()) {
      loop_timer_set(driver->departure, first->at_ms);
      return;
    }
    if (identity_kill(&first->shim))
      log_warn("a shim that did not leave was killed", "pid=%d", (int)first->shim.pid);
    g_free(g_queue_pop_head(&driver->departing));
  }
}

static void process_release(Driver *base, const char *id)
{
  ProcessDriver *driver = (ProcessDriver *)base;
  Process *process = process_of(driver, id, false);
  if (process && process->shim) {
    Departing *departing = g_new0(Departing, 1);
    *departing = (Departing){.shim = shim_identity(process->shim),
                             .at_ms = clock_boot_ms() + PROCESS_DEPARTURE_MS};
    shim_end(g_steal_pointer(&process->shim));
    g_queue_push_tail(&driver->departing, departing);
    if (driver->departing.length == 1)
      loop_timer_set(driver->departure, departing->at_ms);
  }
  groups_remove(driver->groups, id);
}

/* ---- logs ---- */

static DriverLog *process_log_open(Driver *base, const char *id, const DriverLogFrom *from,
                                   void (*grown)(void *data), void *data)
{
  const ProcessDriver *driver = (const ProcessDriver *)base;
  g_autofree char *directory = g_build_filename(driver->world.instances_dir, id, NULL);
  return log_reads_open(driver->logs, directory, from, grown, data);
}

/* ---- life ---- */

static void process_free(gpointer data)
{
  Process *process = data;
  end_forget(process->end);
  shim_free(process->shim);
  loop_timer_free(process->timer);
  g_free(process->id);
  g_free(process->directory);
  g_free(process);
}

static void process_forget(Driver *base, const char *id)
{
  ProcessDriver *driver = (ProcessDriver *)base;
  g_hash_table_remove(driver->processes, id);
  groups_remove(driver->groups, id);
}

static const char *process_limits(const Driver *base, const char **unenforced)
{
  const ProcessDriver *driver = (const ProcessDriver *)base;
  *unenforced = cgroups_unenforced(driver->cgroups);
  return cgroups_describe(driver->cgroups);
}

static Driver *process_open(const DriverWorld *world, GError **error)
{
  (void)error; /* a machine has processes */
  ProcessDriver *driver = g_new0(ProcessDriver, 1);
  driver->driver.ops = &process_driver;
  driver->world = *world;
  driver->runs_dir = g_build_filename(world->state_dir, "runs", NULL);
  driver->processes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, process_free);
  driver->reaper = reaper_new(world->loop);
  driver->cgroups = cgroups_new(NULL, NULL);
  char mark[TREE_MARK_BYTES];
  tree_mark(world->state_dir, mark);
  cgroups_prepare(driver->cgroups, mark);
  driver->ends = ends_new(world->loop);
  driver->groups = groups_new(driver);
  driver->keep = keep_new(driver);
  driver->asks = asks_new(driver, PROCESS_ASK_MS);
  driver->logs = log_reads_new(world->loop);
  g_queue_init(&driver->departing);
  driver->departure = loop_timer_new(world->loop, departures_due, driver);
  runs_sweep(driver);
  return &driver->driver;
}

static void process_close(Driver *base)
{
  ProcessDriver *driver = (ProcessDriver *)base;
  if (!driver)
    return;
  asks_free(driver->asks);
  groups_free(driver->groups); /* it looks at them */
  g_hash_table_unref(driver->processes);
  log_reads_free(driver->logs);
  keep_free(driver->keep);
  ends_free(driver->ends);
  g_queue_clear_full(&driver->departing, g_free);
  loop_timer_free(driver->departure);
  reaper_free(driver->reaper);
  cgroups_free(driver->cgroups);
  g_free(driver->runs_dir);
  g_free(driver);
}

const DriverOps process_driver = {
    .name = "process",
    .can = DRIVER_EXEC | DRIVER_LOGS | DRIVER_OUTLIVES_NODE,
    .open = process_open,
    .close = process_close,
    .limits = process_limits,
    .find = process_find,
    .sweep = process_sweep,
    .check = process_check,
    .prepare = process_prepare,
    .start = process_start,
    .signal = process_signal,
    .kill = process_kill,
    .release = process_release,
    .clear = process_clear,
    .forget = process_forget,
    .exec = run_new,
    .exec_signal = run_signal,
    .exec_free = run_free,
    .log_open = process_log_open,
    .log_read = log_read_block,
    .log_free = log_read_free,
};
