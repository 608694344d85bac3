/* The one loop that changes what runs. A rollout gives every slot a target revision, or none;
 * everything else - down, update, rollback, restart, recovery after a reboot - differs only in the
 * targets.
 *
 *   RESERVE --reserved-> APPLY stage 0, 1, ... --all ready-> PRUNE last stage ... 0 --gone-> DONE
 *      |                   |                                   |
 *      +---- refused       +---- an agent died, time is up     +---- time is up
 *                   \-> targets turn back (on_failure) and the loop goes on, or DONE
 */
#include "core/internal.h"

#include <string.h>

/* @UNKNOWN_GRACE: when no job can be read that says what the agents were promised. */
enum { ROLLOUT_STOP_SLACK_MS = 60000, ROLLOUT_UNKNOWN_GRACE_MS = 600000, ROLLOUT_CAUSE_MAX = 2000 };

bool rollout_is_open(const Rollout *rollout)
{
  return rollout->phase != ROLLOUT_PHASE_DONE;
}

/* ---- stages ---- */

/* Index of the first instance of @stage or later. */
static guint rollout_first(const Deployment *deployment, int stage)
{
  guint low = 0, high = deployment->instances->len;
  while (low < high) {
    guint middle = low + (high - low) / 2;
    if (((const Instance *)deployment->instances->pdata[middle])->stage < stage)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static int rollout_stages(const Deployment *deployment)
{
  guint n = deployment->instances->len;
  return n ? ((const Instance *)deployment->instances->pdata[n - 1])->stage + 1 : 0;
}

static bool rollout_waits_for(const Rollout *rollout, const Instance *instance)
{
  if (rollout->phase == ROLLOUT_PHASE_APPLY)
    return instance->step == STEP_WAITING || instance->step == STEP_STARTING;
  return rollout->phase == ROLLOUT_PHASE_PRUNE && instance->step == STEP_STOPPING;
}

void rollout_recount(Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  rollout->waiting = rollout->queued = 0;
  for (guint i = rollout_first(deployment, rollout->stage);
       i < rollout_first(deployment, rollout->stage + 1); i++) {
    const Instance *instance = deployment->instances->pdata[i];
    rollout->waiting += rollout_waits_for(rollout, instance);
    rollout->queued += rollout->phase == ROLLOUT_PHASE_APPLY && instance->step == STEP_WAITING;
  }
  rollout->blocked = rollout->queued > 0; /* until somebody looked */
}

/* The job whose times hold for @rollout; NULL when none of those that come into question can be
 * read. */
static const Job *rollout_job(const Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  const Revision *candidates[] = {revision_find(deployment, rollout->to),
                                  revision_find(deployment, rollout->from),
                                  deployment_last_revision(deployment)};
  const Job *job = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(candidates) && !job; i++)
    job = revision_job(candidates[i]);
  return job;
}

/* Longest grace period of the slots that stop now: ending them may take that long. */
static int64_t rollout_duration(const Rollout *rollout)
{
  const Job *job = rollout_job(rollout);
  if (!job)
    return rollout->deployment->revisions->len ? ROLLOUT_UNKNOWN_GRACE_MS + ROLLOUT_STOP_SLACK_MS
                                               : ROLLOUT_STOP_SLACK_MS;
  if (rollout->phase != ROLLOUT_PHASE_PRUNE)
    return job->timeout_ms;
  int64_t grace = 0;
  for (guint i = 0; i < job->agents->len; i++)
    grace = MAX(grace, job_agent(job, i)->stop.grace_ms);
  return grace + ROLLOUT_STOP_SLACK_MS;
}

/* Slots of the stage whose port another one has: that one goes before its turn - at once if its
 * turn is in another stage, else when nothing of this stage moves by itself (@moves), as when two
 * swap their ports. */
static void rollout_clear_ports(Core *core, const Rollout *rollout, GHashTable *held, bool moves)
{
  const Deployment *deployment = rollout->deployment;
  for (guint i = rollout_first(deployment, rollout->stage);
       i < rollout_first(deployment, rollout->stage + 1); i++) {
    const Instance *instance = deployment->instances->pdata[i];
    Instance *holder =
        instance->step == STEP_WAITING ? reserve_giver(held, instance, instance->port) : NULL;
    if (!holder || holder->step == STEP_STARTING)
      continue;
    bool here = holder->step == STEP_WAITING && holder->stage == rollout->stage;
    if (here && moves)
      continue;
    instance_stop(core, holder);
    moves |= here;
  }
}

/* Has the present generation ended before it was ready? A recovery leaves restarts to the node and
 * gives up only with it. */
static bool rollout_start_failed(const Rollout *rollout, const Instance *instance)
{
  if (instance->seen_generation != instance->generation)
    return false;
  if (instance->state == INSTANCE_FAILED)
    return true;
  if (instance->state == INSTANCE_COMPLETED)
    return !instance_is_batch(instance);
  return rollout->kind != ROLLOUT_KIND_RECOVER &&
         (instance->state == INSTANCE_BACKOFF || instance->attempt > 1);
}

/* So many milliseconds a slot must stay healthy before @rollout takes it for ready. A recovery
 * leaves restarts to the node and does not wait. */
static int64_t rollout_min_healthy(const Rollout *rollout, const Instance *instance)
{
  const Deployment *deployment = instance->deployment;
  const AgentSpec *agent = revision_agent(deployment, instance->revision, instance->agent);
  const AgentSpec *former = revision_agent(deployment, rollout->from, instance->agent);
  if (!agent || rollout->kind == ROLLOUT_KIND_RECOVER)
    return 0;
  bool forward = rollout->verdict == OUTCOME_SUCCEEDED;
  bool replaces = forward && former &&
                  (instance->replica < former->replicas || rolling_is_extra(rollout, instance));
  return agent_min_healthy_ms(agent, replaces);
}

/* Is the slot ready, and has it been so for long enough? When only the time is missing, the rollout
 * wakes for it. */
static bool rollout_is_ready(const Core *core, Rollout *rollout, const Instance *instance)
{
  if (!instance_ready(instance))
    return false;
  int64_t settled = instance->healthy_boot_ms + rollout_min_healthy(rollout, instance);
  if (settled <= core->now.boot_ms)
    return true;
  rollout->settle_boot_ms = MIN(rollout->settle_boot_ms, settled);
  return false;
}

/* Slots of the stage that were begun by the rollout in whose place this one came: what is ready by
 * now is not waited for, and what has ended is started again. */
static void rollout_take_over(Core *core, Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  for (guint i = rollout_first(deployment, rollout->stage);
       i < rollout_first(deployment, rollout->stage + 1); i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (instance->step != STEP_STARTING)
      continue;
    if (rollout_start_failed(rollout, instance))
      instance_set_step(core, instance, STEP_WAITING);
    else if (rollout_is_ready(core, rollout, instance))
      instance_set_step(core, instance, STEP_READY);
  }
}

/* The way back to a revision of which only a part ever ran: no reserve has given the other slots a
 * node. They go where one is, and start when it is there. */
static void rollout_place(Core *core, Instance *instance)
{
  if (instance->node)
    return;
  const NodeObject *node = place_choose(core, instance);
  if (!node && core->nodes->len)
    node = core->nodes->pdata[0];
  instance_place(core, instance, node ? node->id : NULL);
}

static void rollout_begin_apply(Core *core, Rollout *rollout)
{
  Deployment *deployment = rollout->deployment;
  guint first = rollout_first(deployment, rollout->stage),
        end = rollout_first(deployment, rollout->stage + 1);
  g_autoptr(Rolling) rolling = rolling_new(rollout, first, end);
  g_autoptr(GHashTable) held = reserve_held(deployment);
  bool moves = false;
  rollout->queued = 0;
  rollout->blocked = false;
  for (guint i = first; i < end; i++) {
    Instance *instance = deployment->instances->pdata[i];
    moves |= instance->step == STEP_STARTING;
    if (instance->step != STEP_WAITING)
      continue;
    bool clear = !reserve_giver(held, instance, instance->port);
    if (!clear || !rolling_take(rolling, instance)) {
      rollout->queued++;
      rollout->blocked |= !clear;
      continue;
    }
    instance_set_step(core, instance, STEP_STARTING);
    rollout_place(core, instance);
    instance_start(core, instance, instance->target);
    moves = true;
  }
  if (rollout->blocked)
    rollout_clear_ports(core, rollout, held, moves);
}

/* The stage has so long from now. */
static void rollout_begin_time(Core *core, Rollout *rollout)
{
  rollout->stage_at_ms = core->now.wall_ms;
  rollout->duration_ms = rollout_duration(rollout);
  rollout->deadline_boot_ms = core->now.boot_ms + rollout->duration_ms;
  touch_rollout(core, rollout, TOUCH_STORED);
}

/* One slot of the stage is through, so the next may go, with the time of a stage for itself. */
static void rollout_next_slots(Core *core, Rollout *rollout)
{
  if (rollout->phase != ROLLOUT_PHASE_APPLY || rollout->queued == 0)
    return;
  guint before = rollout->queued;
  rollout_begin_apply(core, rollout);
  if (rollout->queued != before)
    rollout_begin_time(core, rollout);
}

/* Extra slots have done their part. */
static void rollout_drop_extra(Core *core, Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (instance->target == 0 || !rolling_is_extra(rollout, instance))
      continue;
    instance->target = 0;
    touch_instance(core, instance, TOUCH_STORED);
  }
}

static void rollout_begin_prune(Core *core, Rollout *rollout)
{
  Deployment *deployment = rollout->deployment;
  for (guint i = rollout_first(deployment, rollout->stage);
       i < rollout_first(deployment, rollout->stage + 1); i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (instance->target != 0 || instance->step == STEP_GONE)
      continue;
    instance_stop(core, instance);
    bool gone = instance->generation == 0 || instance_ended(instance);
    instance_set_step(core, instance, gone ? STEP_GONE : STEP_STOPPING);
  }
}

/* Into @stage of @phase; what follows from it comes by rollout_pump. */
static void rollout_move(Core *core, Rollout *rollout, RolloutPhase phase, int stage)
{
  core_cover(core, "rollout", (int)phase, (int)rollout->kind);
  if (phase == ROLLOUT_PHASE_PRUNE && rollout->phase == ROLLOUT_PHASE_APPLY)
    rollout_drop_extra(core, rollout);
  rollout->phase = phase;
  rollout->stage = stage;
  rollout_begin_time(core, rollout);
  if (phase == ROLLOUT_PHASE_APPLY) {
    rollout_take_over(core, rollout);
    rollout_begin_apply(core, rollout);
  } else if (phase == ROLLOUT_PHASE_PRUNE) {
    rollout_begin_prune(core, rollout);
  }
  rollout_recount(rollout);
  deployment_settle(core, rollout->deployment);
}

void rollout_enter(Core *core, Rollout *rollout, RolloutPhase phase, int stage)
{
  rollout_move(core, rollout, phase, stage);
  rollout_pump(core, rollout);
}

/* The present stage waits for nothing more. */
static void rollout_advance(Core *core, Rollout *rollout)
{
  int stages = rollout_stages(rollout->deployment);
  if (rollout->phase == ROLLOUT_PHASE_APPLY && rollout->stage + 1 < stages)
    rollout_move(core, rollout, ROLLOUT_PHASE_APPLY, rollout->stage + 1);
  else if (rollout->phase == ROLLOUT_PHASE_APPLY)
    rollout_move(core, rollout, ROLLOUT_PHASE_PRUNE, MAX(stages - 1, 0));
  else if (rollout->stage > 0)
    rollout_move(core, rollout, ROLLOUT_PHASE_PRUNE, rollout->stage - 1);
  else
    rollout_close(core, rollout, rollout->verdict);
}

void rollout_pump(Core *core, Rollout *rollout)
{
  if (rollout->phase == ROLLOUT_PHASE_RESERVE)
    reserve_send(core, rollout);
  else
    while (rollout_is_open(rollout) && rollout->waiting == 0)
      rollout_advance(core, rollout);
}

/* ---- news of an instance ---- */

static char *rollout_start_cause(const Instance *instance, const char *when)
{
  const char *reason = instance->observed_reason ? instance->observed_reason : instance->reason;
  g_autofree char *output = instance->output ? g_strstrip(g_strdup(instance->output)) : NULL;
  GString *cause = g_string_new(NULL);
  g_string_append_printf(cause, "agent '%s'", instance->agent);
  if (instance->replica > 0)
    g_string_append_printf(cause, " replica %d", instance->replica);
  g_string_append_printf(cause, " %s: %s", when,
                         reason ? reason : instance_state_word(instance->state));
  if (output && output[0])
    g_string_append_printf(cause, "; last output: %s", output);
  if (cause->len > ROLLOUT_CAUSE_MAX)
    g_string_truncate(cause, ROLLOUT_CAUSE_MAX);
  return g_string_free(cause, FALSE);
}

static void rollout_settled_one(Core *core, Rollout *rollout, Instance *instance, InstanceStep step)
{
  instance_set_step(core, instance, step);
  if (instance->stage != rollout->stage)
    return;
  g_assert(rollout->waiting > 0);
  rollout->waiting--;
  rollout_next_slots(core, rollout);
  rollout_pump(core, rollout);
}

void rollout_instance_changed(Core *core, Instance *instance)
{
  Rollout *rollout = instance->deployment->rollout;
  if (!rollout || !rollout_is_open(rollout) || instance->deployment->unreadable)
    return;
  core_cover(core, "instance-step", (int)instance->step, (int)instance->state);
  if (rollout->phase == ROLLOUT_PHASE_PRUNE) {
    if (instance->step == STEP_STOPPING && instance_ended(instance))
      rollout_settled_one(core, rollout, instance, STEP_GONE);
    return;
  }
  bool waits = instance->step == STEP_WAITING && instance->stage == rollout->stage;
  if (rollout->blocked || waits)
    /* it may have given up its port; and one that does not serve is not held back */
    rollout_next_slots(core, rollout);
  if (rollout->phase != ROLLOUT_PHASE_APPLY ||
      (instance->step != STEP_STARTING && instance->step != STEP_READY))
    return;
  bool starting = instance->step == STEP_STARTING;
  bool failed = starting ? rollout_start_failed(rollout, instance)
                         : instance->state == INSTANCE_FAILED &&
                               instance->seen_generation == instance->generation;
  if (failed) {
    int64_t least_ms = starting ? rollout_min_healthy(rollout, instance) : 0;
    g_autofree char *early =
        g_strdup_printf("ended before it was healthy for %.4g s", (double)least_ms / 1000);
    g_autofree char *cause =
        rollout_start_cause(instance, !starting  ? "failed"
                                      : least_ms ? early
                                                 : "ended before it was healthy");
    rollout_fail(core, rollout, OUTCOME_FAILED, instance, cause);
  } else if (starting && rollout_is_ready(core, rollout, instance)) {
    rollout_settled_one(core, rollout, instance, STEP_READY);
  } else if (!starting && instance_ready(instance)) {
    /* an extra slot that fell and came back covers for others again */
    rollout_next_slots(core, rollout);
  }
}

void rollout_settle(Core *core, Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  /* what follows may give the slots another order */
  g_autoptr(GPtrArray) starting = g_ptr_array_new();
  rollout->settle_boot_ms = INT64_MAX;
  for (guint i = 0; i < deployment->instances->len; i++)
    if (((const Instance *)deployment->instances->pdata[i])->step == STEP_STARTING &&
        instance_ready(deployment->instances->pdata[i]))
      g_ptr_array_add(starting, deployment->instances->pdata[i]);
  for (guint i = 0; i < starting->len; i++)
    rollout_instance_changed(core, starting->pdata[i]);
}

bool rollout_only_settles(const Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  bool any = false;
  for (guint i = 0; i < deployment->instances->len && rollout->phase == ROLLOUT_PHASE_APPLY; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (instance->step != STEP_STARTING || instance->stage != rollout->stage)
      continue;
    if (!instance_ready(instance))
      return false;
    any = true;
  }
  return any && rollout->settle_boot_ms != INT64_MAX;
}

/* ---- failure ---- */

static void rollout_release(Core *core, Rollout *rollout)
{
  if (!rollout->request)
    return;
  for (guint i = 0; i < core->nodes->len; i++) {
    const NodeObject *node = core->nodes->pdata[i];
    if (node->linked)
      turn_frame(core, node->id, FRAME_RELEASE, rollout->request);
  }
  rollout->request = 0;
}

/* Restarts and recoveries have no former state to go back to: note the failure and go on with the
 * others. */
static void rollout_note_failure(Core *core, Rollout *rollout, const Instance *failed)
{
  rollout->verdict = OUTCOME_FAILED;
  touch_rollout(core, rollout, TOUCH_STORED);
  Deployment *deployment = rollout->deployment;
  if (rollout->phase != ROLLOUT_PHASE_APPLY) {
    rollout_close(core, rollout, OUTCOME_FAILED);
    return;
  }
  /* time is up, and nobody could be taken */
  bool none = !failed && rollout->waiting == rollout->queued;
  for (guint i = rollout_first(deployment, rollout->stage);
       i < rollout_first(deployment, rollout->stage + 1); i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (instance == failed || (!failed && instance->step == STEP_STARTING))
      instance_set_step(core, instance, STEP_READY);
    if (!none || instance->step != STEP_WAITING)
      continue;
    instance_set_step(core, instance, STEP_IDLE); /* it is left as it is */
    instance_keep_port(core, instance);
    instance_reconcile(core, instance);
  }
  rollout_recount(rollout);
  rollout_next_slots(core, rollout);
  rollout_pump(core, rollout);
}

static FailurePolicy rollout_policy(const Rollout *rollout, RolloutOutcome verdict)
{
  if (verdict == OUTCOME_CANCELLED)
    return ON_FAILURE_ROLLBACK;
  const Revision *revision = revision_find(rollout->deployment, rollout->to);
  const Job *job = revision_job(revision);
  FailurePolicy policy = job ? job->on_failure : ON_FAILURE_KEEP;
  bool refused = rollout->phase == ROLLOUT_PHASE_RESERVE && rollout->from > 0;
  /* to keep what runs is to stay with the former revision */
  return refused && policy == ON_FAILURE_KEEP ? ON_FAILURE_ROLLBACK : policy;
}

/* The one that failed is shown as failed, with its reason, also after everything was stopped. */
static void rollout_keep_culprit(Core *core, const Rollout *rollout, const Instance *failed,
                                 const char *cause)
{
  Instance *instance = deployment_slot(rollout->deployment, failed->agent, failed->replica);
  /* it was not even started, and its former process may still run */
  bool refused = rollout->phase == ROLLOUT_PHASE_RESERVE;
  if (refused ? instance->desired_running : instance->outcome != NULL)
    return;
  g_autofree char *named = g_strdup_printf("agent '%s': ", instance->agent);
  const char *why = instance->observed_reason ? instance->observed_reason : "not healthy in time";
  if (refused)
    why = cause + (g_str_has_prefix(cause, named) ? strlen(named) : 0);
  text_set(&instance->outcome, "failed");
  text_set(&instance->reason, why);
  instance->ended_at_ms = core->now.wall_ms;
  touch_instance(core, instance, TOUCH_STORED);
}

/* Of a rollout that failed, and whose way back fails by @cause. Caller frees. */
static char *rollout_both_causes(const Rollout *rollout, const char *cause)
{
  if (rollout->phase == ROLLOUT_PHASE_PRUNE || rollout->from == 0)
    return g_strdup_printf("%s; stopping what is not wanted failed too: %s", rollout->cause, cause);
  return g_strdup_printf(
      "%s; going back to revision %d failed too (code in working directories is not part of a revision): %s",
      rollout->cause, rollout->from, cause);
}

/* Agents may have been down before, since their deployment had failed or only others were
 * restarted, and their fixed ports be somebody else's since. Then there is no way back, and the
 * rollout is closed: what runs stays. */
static bool rollout_is_barred(Core *core, Rollout *rollout)
{
  const Instance *who;
  g_autofree char *taken = reserve_taken(core, rollout->deployment, &who);
  if (!taken)
    return false;
  g_autofree char *both = rollout_both_causes(rollout, taken);
  text_set(&rollout->cause, both);
  rollout_close(core, rollout, OUTCOME_FAILED);
  return true;
}

/* Nobody knows how the former revision is run: there is no way back either. */
static bool rollout_former_is_unreadable(Core *core, Rollout *rollout)
{
  const Revision *former = revision_find(rollout->deployment, rollout->from);
  g_autofree char *problem = former ? revision_unreadable(rollout->deployment, former) : NULL;
  if (!problem)
    return false;
  g_autofree char *both = rollout_both_causes(rollout, problem);
  text_set(&rollout->cause, both);
  rollout_close(core, rollout, OUTCOME_FAILED);
  return true;
}

void rollout_fail(Core *core, Rollout *rollout, RolloutOutcome verdict, const Instance *failed,
                  const char *cause)
{
  bool again = rollout->verdict != OUTCOME_SUCCEEDED;
  core_cover(core, "failure", (int)rollout->phase, (int)rollout->kind);
  if (!again || rollout->kind == ROLLOUT_KIND_RECOVER) {
    text_set(&rollout->cause, cause);
    text_set(&rollout->failed, failed ? failed->id : NULL);
  }
  rollout_release(core, rollout);
  if (rollout->kind == ROLLOUT_KIND_RECOVER || rollout->kind == ROLLOUT_KIND_RESTART) {
    rollout_note_failure(core, rollout, failed);
    return;
  }
  /* also the way back fails: leave what is and say so */
  if (again || rollout->kind == ROLLOUT_KIND_DOWN) {
    g_autofree char *both = again ? rollout_both_causes(rollout, cause) : g_strdup(cause);
    text_set(&rollout->cause, both);
    rollout_close(core, rollout, OUTCOME_FAILED);
    return;
  }
  if (failed && rollout_policy(rollout, verdict) != ON_FAILURE_KEEP)
    rollout_keep_culprit(core, rollout, failed, cause);
  switch (rollout_policy(rollout, verdict)) {
  case ON_FAILURE_KEEP:
    rollout_close(core, rollout, OUTCOME_FAILED);
    return;
  case ON_FAILURE_STOP:
    rollout->verdict = OUTCOME_FAILED;
    rollout_targets(core, rollout, 0, false);
    rollout_enter(core, rollout, ROLLOUT_PHASE_PRUNE,
                  MAX(rollout_stages(rollout->deployment) - 1, 0));
    return;
  case ON_FAILURE_ROLLBACK:
    break;
  }
  if (rollout_former_is_unreadable(core, rollout))
    return;
  rollout->verdict = verdict == OUTCOME_CANCELLED ? OUTCOME_CANCELLED
                     : rollout->from > 0          ? OUTCOME_ROLLED_BACK
                                                  : OUTCOME_FAILED;
  rollout_targets(core, rollout, rollout->from, true);
  if (rollout_is_barred(core, rollout))
    return;
  if (rollout->from > 0)
    rollout_enter(core, rollout, ROLLOUT_PHASE_APPLY, 0);
  else
    rollout_enter(core, rollout, ROLLOUT_PHASE_PRUNE,
                  MAX(rollout_stages(rollout->deployment) - 1, 0));
}

/* ---- begin and end ---- */

Rollout *rollout_begin(Core *core, Deployment *deployment, RolloutKind kind, int to,
                       const Command *command)
{
  bool replaces = deployment->rollout && rollout_is_open(deployment->rollout);
  if (replaces) {
    text_set(&deployment->rollout->cause, "replaced by a newer rollout");
    rollout_release(core, deployment->rollout);
    rollout_close(core, deployment->rollout, OUTCOME_CANCELLED);
  }
  char id[ID_BYTES];
  core_new_id(core, id, "rol");
  Rollout *rollout = rollout_new(deployment, id, kind);
  rollout->from = deployment_base(deployment);
  rollout->to = to;
  text_set(&rollout->actor, command ? command->actor : "reeve");
  text_set(&rollout->agent, command && kind == ROLLOUT_KIND_RESTART ? command->agent : NULL);
  rollout->rolling = command && kind == ROLLOUT_KIND_RESTART && command->rolling;
  rollout->started_at_ms = core->now.wall_ms;
  deployment->rollout = rollout;
  deployment->outcome = OUTCOME_OPEN;
  g_ptr_array_add(core->open, rollout);
  touch_deployment(core, deployment, TOUCH_STORED);
  rollout_targets(core, rollout, to, replaces);
  if (to == 0)
    rollout_enter(core, rollout, ROLLOUT_PHASE_PRUNE, MAX(rollout_stages(deployment) - 1, 0));
  else
    rollout_enter(core, rollout, ROLLOUT_PHASE_RESERVE, 0);
  return rollout;
}

static bool rollout_all_completed(const Deployment *deployment)
{
  guint completed = 0;
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (instance->target == 0)
      continue;
    if (instance_is_scheduled(instance))
      return false;
    if (g_strcmp0(instance->outcome, "completed") != 0)
      return false;
    completed++;
  }
  return completed > 0;
}

/* What the deployment is after a rollout of this kind ended so. */
static DeploymentStatus rollout_settled_status(const Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  bool goes_on = rollout->kind == ROLLOUT_KIND_RESTART || rollout->kind == ROLLOUT_KIND_RECOVER;
  bool all = rollout->kind == ROLLOUT_KIND_RESTART && !rollout->agent &&
             rollout->outcome == OUTCOME_SUCCEEDED;
  if (goes_on && deployment->settled != DEPLOYMENT_RUNNING && !all)
    /* what was left of it was started again; the rest is as missing as before */
    return DEPLOYMENT_FAILED;
  switch (rollout->outcome) {
  case OUTCOME_SUCCEEDED:
    return rollout->kind == ROLLOUT_KIND_DOWN || rollout_all_completed(deployment)
               ? DEPLOYMENT_STOPPED
               : DEPLOYMENT_RUNNING;
  case OUTCOME_ROLLED_BACK:
    return DEPLOYMENT_RUNNING;
  case OUTCOME_CANCELLED:
    return rollout->from > 0 || goes_on ? DEPLOYMENT_RUNNING : DEPLOYMENT_STOPPED;
  default:
    return goes_on ? DEPLOYMENT_RUNNING : DEPLOYMENT_FAILED;
  }
}

/* Extra slots have no part in what comes after the rollout. Like any slot that is not wanted any
 * more they are kept for a while (retain.c): what they said may be all that explains a failure. */
static void rollout_end_extra(Core *core, Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    const AgentSpec *agent = revision_agent(deployment, instance->revision, instance->agent);
    if (!agent || instance->replica < agent->replicas || !rolling_is_extra(rollout, instance))
      continue;
    if (instance->desired_running)
      instance_stop(core, instance);
    instance->target = 0;
    instance_set_step(core, instance, STEP_GONE);
    touch_instance(core, instance, TOUCH_STORED);
    if (instance->generation == 0)
      instance_doom(core, instance);
  }
}

/* Slots whose turn has not come stay what they are; one that was to go, and that a reboot ended,
 * has gone. */
static void rollout_give_up_waiting(Core *core, Deployment *deployment)
{
  g_autoptr(GHashTable) used = NULL;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    bool waited = instance->step == STEP_WAITING;
    if (instance->target == 0 && instance_stopped_unasked(instance))
      instance_stop(core, instance);
    if (waited) {
      instance_set_step(core, instance, STEP_IDLE);
      reserve_keep(core, instance, &used);
    }
    if (!instance_start_unasked(core, instance) && waited)
      /* a start of an earlier generation may have been lost while this one waited */
      instance_reconcile(core, instance);
  }
}

void rollout_close(Core *core, Rollout *rollout, RolloutOutcome outcome)
{
  Deployment *deployment = rollout->deployment;
  core_cover(core, "rollout", (int)ROLLOUT_PHASE_DONE, (int)rollout->kind);
  core_cover(core, "outcome", (int)rollout->kind, (int)outcome);
  rollout_release(core, rollout);
  rollout->phase = ROLLOUT_PHASE_DONE;
  rollout->outcome = rollout->verdict = outcome;
  rollout->ended_at_ms = core->now.wall_ms;
  rollout->deadline_boot_ms = INT64_MAX;
  rollout->waiting = 0;
  g_ptr_array_remove(core->open, rollout);
  touch_rollout(core, rollout, TOUCH_STORED);
  /* what kept running learns of it by file, never by a restart */
  deployment->peers_moved = rollout->to > 0;
  rollout_give_up_waiting(core, deployment);
  rollout_end_extra(core, rollout);
  bool kept = outcome == OUTCOME_FAILED && rollout_policy(rollout, outcome) == ON_FAILURE_KEEP;
  if (rollout->to > 0 && (outcome == OUTCOME_SUCCEEDED || kept))
    deployment->revision = rollout->to;
  deployment->outcome = outcome;
  deployment->settled = rollout_settled_status(rollout);
  deployment_look_at_jobs(deployment);
  text_set(&deployment->reason, rollout->cause);
  if (outcome == OUTCOME_SUCCEEDED && deployment->settled == DEPLOYMENT_STOPPED &&
      rollout->kind != ROLLOUT_KIND_DOWN)
    text_set(&deployment->reason, "every agent completed");
  touch_deployment(core, deployment, TOUCH_STORED);
  schedules_settle(core, deployment);
  deployment_retain(core, deployment);
  deployment_settle(core, deployment);
  notices_rollout(core, rollout);
}

/* Was @instance meant to be alive on @node? */
static bool rollout_ran(const Instance *instance, const char *node)
{
  return instance->desired_running && !instance->outcome && !instance_is_scheduled(instance) &&
         g_strcmp0(instance->node, node) == 0;
}

void rollout_after_reboot(Core *core, Deployment *deployment, const char *node)
{
  Rollout *rollout = deployment->rollout;
  bool open = rollout && rollout_is_open(rollout), again = false;
  if (deployment->unreadable)
    return; /* nobody knows how to start them */
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (!rollout_ran(instance, node) || (open && instance->target == 0))
      continue;
    again = true;
    if (open)
      instance_set_step(core, instance, STEP_WAITING);
  }
  if (!again)
    return;
  if (!open && deployment->revision > 0)
    rollout_begin(core, deployment, ROLLOUT_KIND_RECOVER, deployment->revision, NULL);
  else if (open && rollout->phase != ROLLOUT_PHASE_RESERVE)
    rollout_enter(core, rollout, ROLLOUT_PHASE_APPLY, 0);
}
