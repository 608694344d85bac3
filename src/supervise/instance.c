/* The life of one instance as a table: life x event -> what to do. An empty cell is news of
 * something that is over, and is ignored. */
#include "supervise/instance.h"

#include <string.h>

static const char *const life_words[LIFE_N] = {
#define X(id, word) [LIFE_##id] = word,
    LIVES(X)
#undef X
};

const char *life_word(Life life)
{
  return life_words[life];
}

Held *held_new(Supervisor *supervisor, const char *id)
{
  Held *held = g_new0(Held, 1);
  held->supervisor = supervisor;
  held->id = g_strdup(id);
  held->last_exit.code = -1;
  held->act_boot_ms = held->probe_boot_ms = INT64_MAX;
  held->life = LIFE_STOPPED;
  g_hash_table_insert(supervisor->held, held->id, held);
  return held;
}

void held_free(Held *held)
{
  if (!held)
    return;
  instance_spec_free(held->spec);
  instruction_free(held->pending);
  g_free(held->id);
  g_free(held->reason);
  g_free(held->output);
  g_free(held->probe_path);
  g_free(held);
}

static bool held_alive(const Held *held)
{
  static const bool alive[LIFE_N] = {
      [LIFE_ADOPTING] = true, [LIFE_SHIM] = true,     [LIFE_STARTING] = true,
      [LIFE_RUNNING] = true,  [LIFE_STOPPING] = true, [LIFE_ORPHAN] = true};
  return alive[held->life];
}

Life held_face(const Held *held)
{
  return held->life == LIFE_ADOPTING ? held->outcome : held->life;
}

static bool held_final(const Held *held)
{
  Life face = held_face(held);
  return face == LIFE_COMPLETED || face == LIFE_FAILED || face == LIFE_STOPPED;
}

void held_owes_answer(Held *held)
{
  held->act_boot_ms =
      held->supervisor->now.boot_ms + (held->killed ? HELD_KILLED_MS : HELD_ANSWER_MS);
  held_schedule(held);
}

void held_owes_anew(Held *held)
{
  bool owes = held->life == LIFE_ADOPTING || held->life == LIFE_SHIM ||
              held->life == LIFE_STARTING || held->killed;
  if (owes && held->act_boot_ms != INT64_MAX)
    held_owes_answer(held);
}

/* Its shim was told to do it, or is told now; the node does it when that takes too long. */
static void held_kill(Held *held)
{
  held->killed = true;
  act(held->supervisor, NODE_ACTION_KILL, held);
  held_owes_answer(held);
}

void held_set_life(Held *held, Life life, const char *reason)
{
  if (held->life == LIFE_ADOPTING && life != LIFE_ADOPTING)
    held->supervisor->adopting--;
  if (life != held->life) { /* what it had to do in its former life has no deadline any more */
    held->act_boot_ms = INT64_MAX;
    held->silent_since_ms = 0;
    held_schedule(held);
  }
  if (held->life != life)
    held->since_ms = held->supervisor->now.wall_ms;
  held->life = life;
  if (held->reason != reason) {
    char *copy = g_strdup(reason);
    g_free(held->reason);
    held->reason = copy;
  }
  held_changed(held);
}

void held_store(Held *held)
{
  NodeAction *action = act(held->supervisor, NODE_ACTION_STORE, held);
  action->text = instance_file_write(held);
  action->generation = held->generation;
  held->stores++;
}

/* ---- start ---- */

/* Takes over what @instruction says; nothing of an older generation lives. */
static void held_adopt_spec(Held *held, const Instruction *instruction)
{
  if (held->shim_up)
    act(held->supervisor, NODE_ACTION_END_SHIM, held);
  held->shim_up = false;
  held->epoch = instruction->epoch;
  held->generation = instruction->generation;
  instance_spec_free(held->spec);
  held->spec = instance_spec_copy(instruction->spec);
  held->desired_running = true;
  held->rebooted = held->forget = held->unhealthy_stop = held->shim_wanted_away = held->unstarted =
      held->unstored = false;
  held->attempt = held->restarts = held->passing = 0;
  held->last_exit = (ExitStatus){.code = -1};
  held->health = HEALTH_UNKNOWN;
  g_clear_pointer(&held->output, g_free);
  g_clear_pointer(&held->probe_path, g_free);
}

static Instruction *instruction_copy(const Instruction *instruction)
{
  Instruction *copy = instruction_new(instruction->id, instruction->epoch, instruction->generation);
  copy->spec = instance_spec_copy(instruction->spec);
  return copy;
}

void held_start(Held *held, const Instruction *instruction)
{
#ifdef REEVE_BUG_SUCCESSOR_BEFORE_END
  bool wait = held->life == LIFE_ADOPTING || held->life == LIFE_SHIM;
#else
  bool wait = held_alive(held);
#endif
  if (wait) {
    Instruction *copy = instruction_copy(instruction);
    instruction_free(held->pending);
    held->pending = copy;
    held_begin_stop(held, "replaced by a newer generation");
    return;
  }
  held->act_boot_ms = INT64_MAX;
  held_schedule(held);
  held_adopt_spec(held, instruction);
  held_set_life(held, LIFE_STORING, NULL);
  held_store(held);
}

/* Files are written in order. While an earlier one is on its way, this answer is about that, even
 * when it names the same generation of another epoch. */
static bool stored_all(const Held *held, const NodeEvent *event)
{
  return held->stores == 0 && event->generation == held->generation;
}

static void on_stored(Held *held, const NodeEvent *event)
{
  if (!stored_all(held, event))
    return;
  act(held->supervisor, NODE_ACTION_START_SHIM, held)->spec = held->spec;
  held_set_life(held, LIFE_SHIM, NULL);
}

static void on_store_failed(Held *held, const NodeEvent *event)
{
  if (!stored_all(held, event))
    return;
  g_autofree char *why =
      g_strdup_printf("instance file: %s", event->text ? event->text : "cannot be written");
  held->unstored = event->passing;
  if (event->passing)
    restart_passing(held, why);
  else
    held_set_life(held, LIFE_FAILED, why);
}

static void on_shim_spawned(Held *held, const NodeEvent *event)
{
  (void)event;
  held_owes_answer(held);
}

static void on_shim_up(Held *held, const NodeEvent *event)
{
  (void)event;
  held->shim_up = true;
  if (held->shim_wanted_away || held->pending) {
    held->shim_wanted_away = false;
    held_ended(held, held->reason);
    return;
  }
  act(held->supervisor, NODE_ACTION_START, held)->attempt = ++held->attempt;
  held_set_life(held, LIFE_STARTING, held->reason);
  held_owes_answer(held);
}

static void on_shim_failed(Held *held, const NodeEvent *event)
{
  held->shim_up = false;
  g_autofree char *why =
      g_strdup_printf("its shim did not start: %s", event->text ? event->text : "unknown");
  if (held->pending || !held->desired_running)
    held_ended(held, why);
  else if (event->passing)
    restart_passing(held, why);
  else
    held_set_life(held, LIFE_FAILED, why);
}

static void on_started(Held *held, const NodeEvent *event)
{
  if (event->attempt != held->attempt)
    return;
  held->pid = event->pid;
  held->passing = 0;
  held->started_boot_ms = held->supervisor->now.boot_ms;
  held_set_life(held, LIFE_RUNNING, NULL);
  probes_begin(held);
}

static void on_started_late(Held *held, const NodeEvent *event)
{
  held->pid = event->pid; /* stop was asked while it started: what we owe follows now */
  if (held->killed)
    /* the grace is over, and the first kill found nothing */
    act(held->supervisor, NODE_ACTION_KILL, held);
  else
    act(held->supervisor, NODE_ACTION_SIGNAL, held)->signal = held->spec->stop.signal;
}

static void on_start_failed(Held *held, const NodeEvent *event)
{
  g_autofree char *why = g_strdup_printf("start '%s': %s", held->spec->argv[0],
                                         event->text ? event->text : "unknown error");
  held->last_exit = (ExitStatus){.code = 127};
  if (held->pending || !held->desired_running) {
    held_ended(held, why);
    return;
  }
  if (event->passing) {
    restart_passing(held, why);
    return;
  }
  /* a command that cannot be executed does not get better by repeating */
  held_set_life(held, LIFE_FAILED, why);
  held_store(held);
}

/* ---- end ---- */

static char *exit_reason(const Held *held, const NodeEvent *event)
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
  if (event->out_of_memory && held->spec && held->spec->resources.memory_bytes > 0)
    g_string_append_printf(reason, ", out of memory: its limit is %" G_GINT64_FORMAT " MiB",
                           held->spec->resources.memory_bytes >> 20);
  else if (event->out_of_memory)
    g_string_append(reason, ", out of memory");
  return g_string_free(reason, FALSE);
}

/* Only what this attempt said counts; "" tells the server that it said nothing, where an earlier
 * one did. */
static void held_set_output(Held *held, const char *text)
{
  if (!text && !held->output)
    return;
  g_free(held->output);
  held->output = g_strdup(text ? text : "");
}

/* Has it done what a stop asked for? Then the signal that it ended by was ours, and is no news. */
static bool held_obeyed(const Held *held, const ExitStatus *status)
{
  return held->life == LIFE_STOPPING && !held->desired_running && held->reason && held->spec &&
         status->signal == held->spec->stop.signal;
}

static void on_exited(Held *held, const NodeEvent *event)
{
  if (event->attempt != held->attempt)
    return;
  if (!held->outcome) {
    held->last_exit = event->exit;
    held_set_output(held, event->text);
  }
  g_autofree char *why =
      held_obeyed(held, &event->exit) ? g_strdup(held->reason) : exit_reason(held, event);
  held_ended(held, why);
}

/* What is left of it has no shim, or none that does anything: the node ends it by identity. */
static void held_end_orphan(Held *held, const char *reason)
{
  held->shim_up = held->shim_wanted_away = false;
  probes_end(held);
  act(held->supervisor, NODE_ACTION_END_ORPHAN, held);
  held_set_life(held, LIFE_ORPHAN, reason);
}

static void on_shim_gone(Held *held, const NodeEvent *event)
{
  held->shim_up = false;
  if (event->orphan) {
    held_end_orphan(held, "its shim died");
    return;
  }
  held->last_exit = (ExitStatus){.code = -1};
  held_ended(held, "its shim died");
}

/* The last thing that was written is the outcome, and it is durable: nobody needs the shim any
 * more. */
static void on_outcome_stored(Held *held, const NodeEvent *event)
{
  (void)event;
  if (held->stores > 0 || !held->shim_up)
    return;
  act(held->supervisor, NODE_ACTION_END_SHIM, held);
  held->shim_up = false;
}

/* The shim is the only one that knows how it ended: it stays until the disk takes the outcome. */
static void on_outcome_not_stored(Held *held, const NodeEvent *event)
{
  (void)event;
  if (held->stores > 0 || !held->shim_up)
    return;
  held->act_boot_ms = held->supervisor->now.boot_ms + HELD_STORE_AGAIN_MS;
  held_schedule(held);
}

/* An idle shim (between attempts, or after the end) is gone: the next attempt gets a new one. */
static void on_idle_shim_gone(Held *held, const NodeEvent *event)
{
  (void)event;
  held->shim_up = false;
}

static void on_orphan_ended(Held *held, const NodeEvent *event)
{
  if (event->generation > 0 && event->generation != held->generation)
    held->unstarted = true; /* what ended says nothing about ours */
  held->attempt = MAX(held->attempt, held->unstarted ? 0 : event->attempt);
  if (!held->outcome)
    held->last_exit = (ExitStatus){.code = -1, .signal = 9};
  g_autofree char *why = g_strdup(held->reason);
  held_ended(held, why);
}

void held_begin_stop(Held *held, const char *reason)
{
  if (held->life == LIFE_STOPPING || held->life == LIFE_ADOPTING || held->life == LIFE_ORPHAN)
    return;
  if (held->life == LIFE_SHIM) {
    held->shim_wanted_away = true;
    held_set_life(held, LIFE_SHIM, reason);
    return;
  }
  bool known = held->life == LIFE_RUNNING;
  probes_end(held);
  held_set_life(held, LIFE_STOPPING, reason);
  if (known)
    act(held->supervisor, NODE_ACTION_SIGNAL, held)->signal = held->spec->stop.signal;
  held->act_boot_ms = held->supervisor->now.boot_ms + held->spec->stop.grace_ms;
  held_schedule(held);
}

void held_stop(Held *held)
{
  bool wanted = held->desired_running;
  held->desired_running = false;
  held->unhealthy_stop = false;
  instruction_free(g_steal_pointer(&held->pending));
  if (held_final(held)) {
    if (wanted)
      held_store(held);
    held_changed(held);
    return;
  }
  if (held_alive(held)) {
    held_store(held); /* a node that dies now goes on stopping when it is back */
    held_begin_stop(held, "stopped by request");
    held_changed(held);
    return;
  }
  held->act_boot_ms = INT64_MAX;
  held_schedule(held);
  held_ended(held, "stopped by request"); /* backing off, or its file was being written */
}

void held_forget(Held *held)
{
  if (held->forget && held_alive(held) && !held->desired_running && !held->pending)
    return; /* on its way; a report would be answered by the next forget */
  held->forget = true;
  if (held_alive(held)) {
    held_stop(held);
    return;
  }
  if (held->shim_up)
    act(held->supervisor, NODE_ACTION_END_SHIM, held);
  held->shim_up = false;
  if (held->stores == 0) {
    held_drop(held);
    return;
  }
  /* a file that is on its way to the disk would come after the directory went: wait for it */
  held->life = LIFE_STOPPED;
  held->desired_running = false;
  held->act_boot_ms = INT64_MAX;
  held_schedule(held);
}

/* ---- adoption ---- */

static void adopt_resume(Held *held, const NodeEvent *event)
{
  held->shim_up = true;
  held->attempt = event->attempt;
  if (held->pid || event->pid) {
    held->pid = event->pid;
    held->started_boot_ms = held->supervisor->now.boot_ms;
    held_set_life(held, LIFE_RUNNING, NULL);
    /* nothing changed for the agent */
    held->since_ms = held->supervisor->now.wall_ms - event->up_ms;
    probes_begin(held);
    if (!held->desired_running || held->pending)
      held_begin_stop(held, "stopped by request");
    return;
  }
  if (event->attempt == 0 && held->desired_running && !held->pending) { /* it had just come up */
    act(held->supervisor, NODE_ACTION_START, held)->attempt = ++held->attempt;
    held_set_life(held, LIFE_STARTING, NULL);
    held_owes_answer(held);
    return;
  }
  held->last_exit = event->exit;
  held_set_output(held, event->text);
  g_autofree char *ended = exit_reason(held, event);
  g_autofree char *why = g_strdup_printf("%s, while nobody watched", ended);
  held_ended(held, why);
}

/* A final life read from disk: a shim that is still there may go, a process that is still there
 * must. */
static void adopt_outcome_found(Held *held, const NodeEvent *event)
{
  held->shim_up = true;
  if (event->pid) {
    held->attempt = event->attempt;
    held->pid = event->pid;
    held_set_life(held, LIFE_STOPPING, held->reason);
    held_kill(held);
    return;
  }
  act(held->supervisor, NODE_ACTION_END_SHIM, held);
  held->shim_up = false;
  held_ended(held, held->reason);
}

static void on_adopt_found(Held *held, const NodeEvent *event)
{
  if (held->outcome) {
    adopt_outcome_found(held, event);
    return;
  }
  if (held->spec && (event->generation == held->generation || !held->desired_running)) {
    adopt_resume(held, event);
    return;
  }
  /* A shim of a former generation: its process, if any, is ended; the shim goes with it; ours
   * starts for the first time. */
  held->shim_up = held->unstarted = true;
  if (event->pid) {
    held->attempt = event->attempt;
    held->pid = event->pid;
    held_set_life(held, LIFE_STOPPING, "of a former generation");
    held_kill(held);
    return;
  }
  held_ended(held, "of a former generation");
}

static void on_adopt_absent(Held *held, const NodeEvent *event)
{
  /* what was left says nothing of the wanted one */
  bool former = event->generation > 0 && event->generation != held->generation;
  /* Without a spec the file was not read, and told no end. */
  bool nothing = !event->orphan && (held->spec || event->attempt == 0);
  if (held->outcome && nothing) {
    held_ended(held, held->reason);
    return;
  }
  held->attempt = former ? 0 : event->attempt;
  if (held->rebooted && held->desired_running && !held->outcome && !held->pending) {
    held_set_life(held, LIFE_STOPPED, "the machine was restarted");
    return;
  }
  /* its main process may be dead and others of its tree not */
  if (event->orphan || event->attempt > 0) {
    held->unstarted = former;
    held_end_orphan(held, held->outcome ? held->reason : "its shim died while nobody watched");
    return;
  }
  if (held->attempt == 0 && held->desired_running && !held->pending) { /* stored, never started */
    act(held->supervisor, NODE_ACTION_START_SHIM, held)->spec = held->spec;
    held_set_life(held, LIFE_SHIM, NULL);
    return;
  }
  held->last_exit = (ExitStatus){.code = -1, .signal = 9};
  held_ended(held, "it died with its shim while nobody watched");
}

/* Nothing is asked of it now, so nothing is done to it: its agent may be well. A stop ends both, as
 * that of any frozen shim. */
static void on_shim_silent(Held *held, const NodeEvent *event)
{
  held->silent_since_ms = held->supervisor->now.wall_ms - event->up_ms;
  held_changed(held);
}

static void on_shim_heard(Held *held, const NodeEvent *event)
{
  (void)event;
  held->silent_since_ms = 0;
  held_changed(held);
}

static void on_probe(Held *held, const NodeEvent *event)
{
  probes_result(held, event);
}

/* ---- the table ---- */

typedef void (*LifeMove)(Held *held, const NodeEvent *event);

static const LifeMove life_moves[LIFE_N][NODE_EVENT_N] = {
    [LIFE_ADOPTING] =
        {[NODE_EVENT_SHIM_FOUND] = on_adopt_found, [NODE_EVENT_SHIM_ABSENT] = on_adopt_absent},
    [LIFE_STORING] = {[NODE_EVENT_STORED] = on_stored,
                      [NODE_EVENT_STORE_FAILED] = on_store_failed,
                      [NODE_EVENT_SHIM_GONE] = on_idle_shim_gone},
    [LIFE_SHIM] = {[NODE_EVENT_SHIM_SPAWNED] = on_shim_spawned,
                   [NODE_EVENT_SHIM_UP] = on_shim_up,
                   [NODE_EVENT_SHIM_FAILED] = on_shim_failed},
    [LIFE_STARTING] = {[NODE_EVENT_STARTED] = on_started,
                       [NODE_EVENT_START_FAILED] = on_start_failed,
                       [NODE_EVENT_EXITED] = on_exited,
                       [NODE_EVENT_SHIM_GONE] = on_shim_gone},
    [LIFE_RUNNING] = {[NODE_EVENT_EXITED] = on_exited,
                      [NODE_EVENT_SHIM_GONE] = on_shim_gone,
                      [NODE_EVENT_PROBE] = on_probe,
                      [NODE_EVENT_SHIM_SILENT] = on_shim_silent,
                      [NODE_EVENT_SHIM_HEARD] = on_shim_heard},
    [LIFE_BACKOFF] = {[NODE_EVENT_SHIM_GONE] = on_idle_shim_gone},
    [LIFE_STOPPING] = {[NODE_EVENT_EXITED] = on_exited,
                       [NODE_EVENT_STARTED] = on_started_late,
                       [NODE_EVENT_START_FAILED] = on_start_failed,
                       [NODE_EVENT_SHIM_GONE] = on_shim_gone},
    [LIFE_ORPHAN] = {[NODE_EVENT_ORPHAN_ENDED] = on_orphan_ended},
    [LIFE_STOPPED] = {[NODE_EVENT_STORE_FAILED] = on_outcome_not_stored,
                      [NODE_EVENT_STORED] = on_outcome_stored,
                      [NODE_EVENT_SHIM_GONE] = on_idle_shim_gone},
    [LIFE_COMPLETED] = {[NODE_EVENT_STORE_FAILED] = on_outcome_not_stored,
                        [NODE_EVENT_STORED] = on_outcome_stored,
                        [NODE_EVENT_SHIM_GONE] = on_idle_shim_gone},
    [LIFE_FAILED] = {[NODE_EVENT_STORE_FAILED] = on_outcome_not_stored,
                     [NODE_EVENT_STORED] = on_outcome_stored,
                     [NODE_EVENT_SHIM_GONE] = on_idle_shim_gone},
};

int supervise_cell_exists(int life, int event)
{
  return life_moves[life][event] != NULL;
}

void held_event(Held *held, const NodeEvent *event)
{
  if ((event->type == NODE_EVENT_STORED || event->type == NODE_EVENT_STORE_FAILED) &&
      held->stores > 0)
    held->stores--;
  if (held->forget && held->stores == 0 && !held_alive(held)) {
    held_forget(held);
    return;
  }
  LifeMove move = life_moves[held->life][event->type];
  if (!move)
    return;
  if (held->supervisor->coverage)
    held->supervisor->coverage((int)held->life, (int)event->type, held->supervisor->coverage_data);
  move(held, event);
}

/* ---- deadlines ---- */

static void due_settled(Held *held)
{
  held->was_healthy = true;
  held->health = HEALTH_HEALTHY;
  held_changed(held);
}

static void due_stopping(Held *held)
{
  if (held->killed)
    held_end_orphan(held, held->reason);
  else
    held_kill(held);
}

/* Frozen, or waiting for a disk that is away. Whether the agent in it is well cannot be known, and
 * nothing can be done to it any more. */
static void due_answer(Held *held)
{
  held_end_orphan(held, held->outcome ? held->reason : "its shim did not answer");
}

void held_due(Held *held)
{
  static void (*const due[LIFE_N])(Held *) = {
      [LIFE_ADOPTING] = due_answer, [LIFE_SHIM] = due_answer,      [LIFE_STARTING] = due_answer,
      [LIFE_RUNNING] = due_settled, [LIFE_BACKOFF] = restart_now,  [LIFE_STOPPING] = due_stopping,
      [LIFE_STOPPED] = held_store,  [LIFE_COMPLETED] = held_store, [LIFE_FAILED] = held_store};
  int64_t now = held->supervisor->now.boot_ms;
  if (held->act_boot_ms <= now) {
    held->act_boot_ms = INT64_MAX;
    if (due[held->life])
      due[held->life](held);
  }
  if (held->probe_boot_ms <= now)
    probes_due(held);
  held_schedule(held);
}
