/* The life of one instance as a table: life x event -> what to do. An empty cell is news of
 * something that is over, and is ignored. The table is at the end of the file; what follows the end
 * of a process is restart.c. */
#include "supervise/life.h"

#include "supervise/probes.h"
#include "supervise/restart.h"
#include "supervise/steps.h"

#include <string.h>

/* ---- start ---- */

static Instruction *instruction_copy(const Instruction *instruction)
{
  Instruction *copy = instruction_new(instruction->id, instruction->epoch, instruction->generation);
  copy->spec = instance_spec_copy(instruction->spec);
  return copy;
}

void node_instance_start(NodeInstance *instance, const Instruction *instruction)
{
#ifdef REEVE_BUG_SUCCESSOR_BEFORE_END
  bool wait = instance->life == LIFE_ADOPTING || instance->life == LIFE_PREPARING;
#else
  bool wait = node_instance_alive(instance);
#endif
  if (wait) { /* of several newer ones only the last is followed */
    Instruction *copy = instruction_copy(instruction);
    instruction_free(instance->pending);
    instance->pending = copy;
    node_instance_begin_stop(instance, "replaced by a newer generation");
    return;
  }
  node_instance_begin(instance, instruction);
}

/* The same would happen again. Its file says so, or the node's next life would try it anew. */
static void on_failed_for_good(NodeInstance *instance, const char *why)
{
  node_instance_set_life(instance, LIFE_FAILED, why);
  node_instance_store(instance);
}

/* Files are written in order. While an earlier one is on its way, this answer is about that, even
 * when it names the same generation of another epoch. */
static bool stored_all(const NodeInstance *instance, const NodeEvent *event)
{
  return instance->stores == 0 && event->generation == instance->generation;
}

static void on_stored(NodeInstance *instance, const NodeEvent *event)
{
  if (!stored_all(instance, event))
    return;
  node_instance_prepare(instance, NULL);
}

static void on_store_failed(NodeInstance *instance, const NodeEvent *event)
{
  if (!stored_all(instance, event))
    return;
  g_autofree char *why =
      g_strdup_printf("instance file: %s", event->text ? event->text : "cannot be written");
  instance->unstored = event->failure == FAILURE_PASSING;
  if (instance->unstored)
    restart_passing(instance, why);
  else
    on_failed_for_good(instance, why);
}

/* From here on there is somebody who can be silent; before, only the machine can be slow. */
static void on_created(NodeInstance *instance, const NodeEvent *event)
{
  (void)event;
  node_instance_await_answer(instance);
}

static void on_prepared(NodeInstance *instance, const NodeEvent *event)
{
  (void)event;
  instance->prepared = true;
  if (instance->release_wanted || instance->pending) { /* stopped meanwhile: nothing ran in it */
    instance->release_wanted = false;
    node_instance_ended(instance, instance->reason);
    return;
  }
  node_instance_start_attempt(instance, instance->reason);
}

static void on_prepare_failed(NodeInstance *instance, const NodeEvent *event)
{
  instance->prepared = false;
  g_autofree char *why =
      g_strdup_printf("its shim did not start: %s", event->text ? event->text : "unknown");
  if (instance->pending || !instance->desired_running)
    node_instance_ended(instance, why);
  else if (event->failure == FAILURE_PASSING)
    restart_passing(instance, why);
  else
    on_failed_for_good(instance, why);
}

static void on_started(NodeInstance *instance, const NodeEvent *event)
{
  if (event->attempt != instance->attempt)
    return;
  instance->pid = event->pid;
  instance->passing_failures = 0;
  instance->started_boot_ms = instance->supervisor->now.boot_ms;
  node_instance_set_life(instance, LIFE_RUNNING, NULL);
  probes_begin(instance);
}

/* A stop was asked while it started, and found nothing to signal: what we owe follows now. */
static void on_started_late(NodeInstance *instance, const NodeEvent *event)
{
  instance->pid = event->pid;
  if (instance->killed)
    /* the grace is over, and the first kill found nothing */
    act(instance->supervisor, NODE_ACTION_KILL, instance);
  else
    act(instance->supervisor, NODE_ACTION_SIGNAL, instance)->signal = instance->spec->stop.signal;
}

static void on_start_failed(NodeInstance *instance, const NodeEvent *event)
{
  g_autofree char *why = g_strdup_printf("start '%s': %s", instance->spec->argv[0],
                                         event->text ? event->text : "unknown error");
  instance->last_exit = (ExitStatus){.code = 127};
  if (instance->pending || !instance->desired_running) {
    node_instance_ended(instance, why);
    return;
  }
  if (event->failure == FAILURE_PASSING) {
    restart_passing(instance, why);
    return;
  }
  on_failed_for_good(instance, why); /* it does not get better by repeating */
}

/* ---- end ---- */

/* How an attempt ended, for people; caller frees. */
static char *exit_reason(const NodeInstance *instance, const NodeEvent *event)
{
  const ExitStatus *status = &event->exit;
  GString *reason = g_string_new(NULL);
  if (status->signal)
    g_string_printf(reason, "killed by signal %d (%s)", status->signal,
                    g_strsignal(status->signal));
  else if (status->code >= 0)
    g_string_printf(reason, "exit status %d", status->code);
  else
    g_string_assign(reason, "it ended unseen");
  if (event->out_of_memory && instance->spec && instance->spec->resources.memory_bytes > 0)
    g_string_append_printf(reason, ", out of memory: its limit is %" G_GINT64_FORMAT " MiB",
                           instance->spec->resources.memory_bytes >> 20);
  else if (event->out_of_memory)
    g_string_append(reason, ", out of memory");
  return g_string_free(reason, FALSE);
}

/* Only what this attempt said counts; "" tells the server that it said nothing, where an earlier
 * one did. */
static void node_instance_set_output(NodeInstance *instance, const char *text)
{
  if (!text && !instance->output)
    return;
  g_free(instance->output);
  instance->output = g_strdup(text ? text : "");
}

static void on_exited(NodeInstance *instance, const NodeEvent *event)
{
  if (event->attempt != instance->attempt)
    return;
  if (!instance->outcome) {
    instance->last_exit = event->exit;
    node_instance_set_output(instance, event->text);
  }
  /* has it done what a stop asked for? Then the signal that it ended by was ours, and is no news */
  bool obeyed = instance->life == LIFE_STOPPING && !instance->desired_running && instance->reason &&
                instance->spec && event->exit.signal == instance->spec->stop.signal;
  g_autofree char *why = obeyed ? g_strdup(instance->reason) : exit_reason(instance, event);
  node_instance_ended(instance, why);
}

/* How it ended is not known, and will not be: nobody else was told. */
static void on_vanished(NodeInstance *instance, const NodeEvent *event)
{
  instance->prepared = false;
  if (event->tree_lives) {
    node_instance_begin_clear(instance, "its shim died");
    return;
  }
  instance->last_exit = (ExitStatus){.code = -1};
  node_instance_ended(instance, "its shim died");
}

/* The last thing that was written is the outcome, and it is durable: nobody needs the handle any
 * more. */
static void on_outcome_stored(NodeInstance *instance, const NodeEvent *event)
{
  (void)event;
  if (instance->stores == 0)
    node_instance_release(instance);
}

/* The handle alone remembers how it ended: it stays until the disk takes the outcome. */
static void on_outcome_not_stored(NodeInstance *instance, const NodeEvent *event)
{
  (void)event;
  if (instance->stores > 0 || !instance->prepared)
    return;
  instance->act_boot_ms = instance->supervisor->now.boot_ms + INSTANCE_STORE_AGAIN_MS;
  node_instance_schedule(instance);
}

/* An idle handle (between attempts, or after the end) is gone: the next attempt gets a new one. */
static void on_vanished_idle(NodeInstance *instance, const NodeEvent *event)
{
  (void)event;
  instance->prepared = false;
}

static void on_cleared(NodeInstance *instance, const NodeEvent *event)
{
  if (event->generation > 0 && event->generation != instance->generation)
    instance->unstarted = true; /* what ended says nothing about ours */
  instance->attempt = MAX(instance->attempt, instance->unstarted ? 0 : event->attempt);
  if (!instance->outcome)
    instance->last_exit = (ExitStatus){.code = -1, .signal = 9};
  g_autofree char *why = g_strdup(instance->reason);
  node_instance_ended(instance, why);
}

void node_instance_stop(NodeInstance *instance)
{
  bool wanted = instance->desired_running;
  instance->desired_running = false;
  instance->unhealthy_stop = false;
  instruction_free(g_steal_pointer(&instance->pending));
  if (node_instance_is_final(instance)) {
    if (wanted)
      node_instance_store(instance);
    node_instance_changed(instance);
    return;
  }
  if (node_instance_alive(instance)) {
    node_instance_store(instance); /* a node that dies now goes on stopping when it is back */
    node_instance_begin_stop(instance, "stopped by request");
    node_instance_changed(instance);
    return;
  }
  instance->act_boot_ms = INT64_MAX;
  node_instance_schedule(instance);
  node_instance_ended(instance,
                      "stopped by request"); /* backing off, or its file was being written */
}

void node_instance_forget(NodeInstance *instance)
{
  if (instance->forget && node_instance_alive(instance) && !instance->desired_running &&
      !instance->pending)
    return; /* on its way; a report would be answered by the next forget */
  instance->forget = true;
  if (node_instance_alive(instance)) {
    node_instance_stop(instance);
    return;
  }
  node_instance_leave(instance);
}

/* ---- adoption ---- */

static void adopt_resume(NodeInstance *instance, const NodeEvent *event)
{
  instance->prepared = true;
  instance->attempt = event->attempt;
  if (instance->pid || event->pid) {
    instance->pid = event->pid;
    instance->started_boot_ms = instance->supervisor->now.boot_ms;
    node_instance_set_life(instance, LIFE_RUNNING, NULL);
    /* nothing changed for the agent */
    instance->since_ms = instance->supervisor->now.wall_ms - event->up_ms;
    probes_begin(instance);
    if (!instance->desired_running || instance->pending)
      node_instance_begin_stop(instance, "stopped by request");
    return;
  }
  if (event->attempt == 0 && instance->desired_running &&
      !instance->pending) { /* it had just come up */
    node_instance_start_attempt(instance, NULL);
    return;
  }
  instance->last_exit = event->exit;
  node_instance_set_output(instance, event->text);
  g_autofree char *ended = exit_reason(instance, event);
  g_autofree char *why = g_strdup_printf("%s, while nobody watched", ended);
  node_instance_ended(instance, why);
}

/* A final life read from disk: a handle that is still there may go, a process that is still there
 * must. */
static void adopt_outcome_found(NodeInstance *instance, const NodeEvent *event)
{
  instance->prepared = true;
  if (event->pid) {
    instance->attempt = event->attempt;
    instance->pid = event->pid;
    node_instance_set_life(instance, LIFE_STOPPING, instance->reason);
    node_instance_kill(instance);
    return;
  }
  node_instance_release(instance);
  node_instance_ended(instance, instance->reason);
}

static void on_found(NodeInstance *instance, const NodeEvent *event)
{
  if (instance->outcome) {
    adopt_outcome_found(instance, event);
    return;
  }
  if (instance->spec && (event->generation == instance->generation || !instance->desired_running)) {
    adopt_resume(instance, event);
    return;
  }
  /* A handle of a former generation: its process, if any, is ended; the handle goes with it; ours
   * starts for the first time. */
  instance->prepared = instance->unstarted = true;
  if (event->pid) {
    instance->attempt = event->attempt;
    instance->pid = event->pid;
    node_instance_set_life(instance, LIFE_STOPPING, "of a former generation");
    node_instance_kill(instance);
    return;
  }
  node_instance_ended(instance, "of a former generation");
}

/* The processes that its file names, should they live, are those of the node that it was copied
 * from: nothing is ended, and nothing begins before a server says so. */
static void on_absent_copied(NodeInstance *instance)
{
  if (instance->desired_running && !instance->outcome && !instance->pending)
    node_instance_set_life(instance, LIFE_STOPPED, "the directory of its node was copied");
  else
    node_instance_ended(instance, instance->reason);
}

static void on_absent(NodeInstance *instance, const NodeEvent *event)
{
  if (instance->supervisor->identity.copied) {
    on_absent_copied(instance);
    return;
  }
  /* what was left says nothing of the wanted one */
  bool former = event->generation > 0 && event->generation != instance->generation;
  /* Without a spec the file was not read, and told no end. */
  bool nothing = !event->tree_lives && (instance->spec || event->attempt == 0);
  if (instance->outcome && nothing) {
    node_instance_ended(instance, instance->reason);
    return;
  }
  instance->attempt = former ? 0 : event->attempt;
  if (instance->rebooted && instance->desired_running && !instance->outcome && !instance->pending) {
    node_instance_set_life(instance, LIFE_STOPPED, "the machine was restarted");
    return;
  }
  /* its main process may be dead and others of its tree not */
  if (event->tree_lives || event->attempt > 0) {
    instance->unstarted = former;
    node_instance_begin_clear(instance, instance->outcome ? instance->reason
                                                          : "its shim died while nobody watched");
    return;
  }
  if (instance->attempt == 0 && instance->desired_running &&
      !instance->pending) { /* stored, never started */
    node_instance_prepare(instance, NULL);
    return;
  }
  instance->last_exit = (ExitStatus){.code = -1, .signal = 9};
  node_instance_ended(instance, "it died with its shim while nobody watched");
}

static void on_probe(NodeInstance *instance, const NodeEvent *event)
{
  g_autofree char *why = probes_result(instance, event);
  if (!why)
    return;
  instance->unhealthy_stop = true;
  node_instance_begin_stop(instance, why);
}

/* Nothing is asked of it now, so nothing is done to it: its agent may be well. A stop ends both, as
 * that of any frozen handle. */
static void on_unreachable(NodeInstance *instance, const NodeEvent *event)
{
  instance->unreachable_since_ms = instance->supervisor->now.wall_ms - event->up_ms;
  node_instance_changed(instance);
}

static void on_reachable(NodeInstance *instance, const NodeEvent *event)
{
  (void)event;
  instance->unreachable_since_ms = 0;
  node_instance_changed(instance);
}

/* ---- the table ---- */

typedef void (*LifeMove)(NodeInstance *instance, const NodeEvent *event);

static const LifeMove life_moves[LIFE_N][NODE_EVENT_N] = {
    [LIFE_ADOPTING] = {[NODE_EVENT_FOUND] = on_found, [NODE_EVENT_ABSENT] = on_absent},
    [LIFE_STORING] = {[NODE_EVENT_STORED] = on_stored,
                      [NODE_EVENT_STORE_FAILED] = on_store_failed,
                      [NODE_EVENT_VANISHED] = on_vanished_idle},
    [LIFE_PREPARING] = {[NODE_EVENT_CREATED] = on_created,
                        [NODE_EVENT_PREPARED] = on_prepared,
                        [NODE_EVENT_PREPARE_FAILED] = on_prepare_failed},
    [LIFE_STARTING] = {[NODE_EVENT_STARTED] = on_started,
                       [NODE_EVENT_START_FAILED] = on_start_failed,
                       [NODE_EVENT_EXITED] = on_exited,
                       [NODE_EVENT_VANISHED] = on_vanished},
    [LIFE_RUNNING] = {[NODE_EVENT_EXITED] = on_exited,
                      [NODE_EVENT_VANISHED] = on_vanished,
                      [NODE_EVENT_PROBE] = on_probe,
                      [NODE_EVENT_UNREACHABLE] = on_unreachable,
                      [NODE_EVENT_REACHABLE] = on_reachable},
    [LIFE_BACKOFF] = {[NODE_EVENT_VANISHED] = on_vanished_idle},
    [LIFE_STOPPING] = {[NODE_EVENT_EXITED] = on_exited,
                       [NODE_EVENT_STARTED] = on_started_late,
                       [NODE_EVENT_START_FAILED] = on_start_failed,
                       [NODE_EVENT_VANISHED] = on_vanished},
    [LIFE_CLEARING] = {[NODE_EVENT_CLEARED] = on_cleared},
    [LIFE_STOPPED] = {[NODE_EVENT_STORE_FAILED] = on_outcome_not_stored,
                      [NODE_EVENT_STORED] = on_outcome_stored,
                      [NODE_EVENT_VANISHED] = on_vanished_idle},
    [LIFE_COMPLETED] = {[NODE_EVENT_STORE_FAILED] = on_outcome_not_stored,
                        [NODE_EVENT_STORED] = on_outcome_stored,
                        [NODE_EVENT_VANISHED] = on_vanished_idle},
    [LIFE_FAILED] = {[NODE_EVENT_STORE_FAILED] = on_outcome_not_stored,
                     [NODE_EVENT_STORED] = on_outcome_stored,
                     [NODE_EVENT_VANISHED] = on_vanished_idle},
};

int supervise_cell_exists(int life, int event)
{
  return life_moves[life][event] != NULL;
}

void node_instance_event(NodeInstance *instance, const NodeEvent *event)
{
  if ((event->type == NODE_EVENT_STORED || event->type == NODE_EVENT_STORE_FAILED) &&
      instance->stores > 0)
    instance->stores--;
  if (instance->forget && instance->stores == 0 && !node_instance_alive(instance)) {
    node_instance_forget(instance);
    return;
  }
  LifeMove move = life_moves[instance->life][event->type];
  if (!move)
    return;
  if (instance->supervisor->coverage)
    instance->supervisor->coverage((int)instance->life, (int)event->type,
                                   instance->supervisor->coverage_data);
  move(instance, event);
}

/* ---- deadlines ---- */

/* RUNNING without a probe: it has stayed up long enough. */
static void due_settled(NodeInstance *instance)
{
  instance->was_healthy = true;
  instance->health = HEALTH_HEALTHY;
  node_instance_changed(instance);
}

/* The grace is over: kill; the kill's time is over: clear. */
static void due_stopping(NodeInstance *instance)
{
  if (instance->killed)
    node_instance_begin_clear(instance, instance->reason);
  else
    node_instance_kill(instance);
}

/* Frozen, or waiting for a disk that is away. Whether the agent in it is well cannot be known, and
 * nothing can be done to it any more. */
static void due_answer(NodeInstance *instance)
{
  node_instance_begin_clear(instance,
                            instance->outcome ? instance->reason : "its shim did not answer");
}

/* It is stuck in the kernel, or who should end it cannot be reached. Nothing starts beside it. */
static void due_clearing(NodeInstance *instance)
{
  instance->clear_late = true;
  act(instance->supervisor, NODE_ACTION_CLEAR, instance);
  node_instance_await_answer(instance);
  node_instance_changed(instance);
}

void node_instance_due(NodeInstance *instance)
{
  static void (*const due[LIFE_N])(NodeInstance *) = {
      [LIFE_ADOPTING] = due_answer,           [LIFE_PREPARING] = due_answer,
      [LIFE_STARTING] = due_answer,           [LIFE_RUNNING] = due_settled,
      [LIFE_BACKOFF] = restart_now,           [LIFE_STOPPING] = due_stopping,
      [LIFE_CLEARING] = due_clearing,         [LIFE_STOPPED] = node_instance_store,
      [LIFE_COMPLETED] = node_instance_store, [LIFE_FAILED] = node_instance_store};
  int64_t now = instance->supervisor->now.boot_ms;
  if (instance->act_boot_ms <= now) {
    instance->act_boot_ms = INT64_MAX;
    if (due[instance->life])
      due[instance->life](instance);
  }
  if (instance->probe_boot_ms <= now)
    probes_due(instance);
  node_instance_schedule(instance);
}
