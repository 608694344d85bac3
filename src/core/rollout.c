/* The one loop that changes what runs. A rollout gives every slot a target revision, or none;
 * everything else - down, update, rollback, restart, recovery after a reboot - differs only in the
 * targets.
 *
 *   RESERVE --reserved-> APPLY stage 0, 1, ... --all ready-> PRUNE last stage ... 0 --gone-> DONE
 *      |                   |                                   |
 *      +---- refused       +---- an agent died, time is up     +---- time is up
 *                   \-> targets turn back (on_failure) and the loop goes on, or DONE
 */
#include "core/rollout.h"

#include "core/build.h"
#include "core/deployment.h"
#include "core/instance.h"
#include "core/place.h"
#include "core/reserve.h"
#include "core/rolling.h"
#include "core/rollout_stage.h"
#include "core/state.h"
#include "core/targets.h"
#include "core/turn.h"

#include <string.h>

/* What a phase is. The stages of APPLY go up, those of PRUNE down. */
typedef struct PhaseRow {
  /* Called when a stage of the phase has begun. */
  void (*begin)(Core *core, Rollout *rollout);
  /* Called when the stage waits for nothing: true when something was done, so that it may be so
   * again. */
  bool (*go_on)(Core *core, Rollout *rollout);
  /* Called with the news of a slot that has this step; NULL: they change nothing. */
  void (*news[STEP_N])(Core *core, Rollout *rollout, Instance *instance);
} PhaseRow;

static const PhaseRow phase_rows[ROLLOUT_PHASE_N];

/* Slots of the stage whose port another one has: that one goes before its turn - at once if its
 * turn is in another stage, else when nothing of this stage moves by itself (@moves), as when two
 * swap their ports. */
static void rollout_clear_ports(Core *core, const Rollout *rollout, bool moves)
{
  const Deployment *deployment = rollout->deployment;
  for (guint i = rollout_first(deployment, rollout->stage);
       i < rollout_first(deployment, rollout->stage + 1); i++) {
    const Instance *instance = deployment->instances->pdata[i];
    Instance *holder =
        instance->step == STEP_WAITING ? reserve_giver(instance, instance->port) : NULL;
    if (!holder || holder->step == STEP_STARTING)
      continue;
    bool here = holder->step == STEP_WAITING && holder->stage == rollout->stage;
    if (here && moves)
      continue;
    instance_stop(core, holder);
    moves |= here;
  }
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
  NodeObject *node = place_choose(core, instance);
  if (!node && core_nodes(core)->len)
    node = core_nodes(core)->pdata[0];
  instance_place(core, instance, node);
}

static void apply_start_slots(Core *core, Rollout *rollout)
{
  Deployment *deployment = rollout->deployment;
  guint first = rollout_first(deployment, rollout->stage),
        end = rollout_first(deployment, rollout->stage + 1);
  g_autoptr(Rolling) rolling = rolling_new(rollout, first, end);
  bool moves = false;
  rollout->queued = 0;
  rollout->blocked = false;
  for (guint i = first; i < end; i++) {
    Instance *instance = deployment->instances->pdata[i];
    moves |= instance->step == STEP_STARTING;
    if (instance->step != STEP_WAITING)
      continue;
    bool clear = !reserve_giver(instance, instance->port);
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
    rollout_clear_ports(core, rollout, moves);
}

/* The stage has so long from now. */
static void rollout_begin_time(Core *core, Rollout *rollout)
{
  rollout->stage_at_ms = core_now(core).wall_ms;
  rollout->duration_ms = rollout_duration(rollout);
  rollout->deadline_boot_ms = core_now(core).boot_ms + rollout->duration_ms;
  turn_mark(core, TURN_TIMED, rollout);
  touch_rollout(core, rollout, TOUCH_STORED);
}

/* One slot of the stage is through, so the next may go, with the time of a stage for itself. */
static void rollout_next_slots(Core *core, Rollout *rollout)
{
  if (rollout->phase != ROLLOUT_PHASE_APPLY || rollout->queued == 0)
    return;
  guint before = rollout->queued;
  apply_start_slots(core, rollout);
  if (rollout->queued != before)
    rollout_begin_time(core, rollout);
}

static void apply_begin(Core *core, Rollout *rollout)
{
  rollout_take_over(core, rollout);
  apply_start_slots(core, rollout);
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
    g_ptr_array_add(rollout->leaving, instance);
    touch_instance(core, instance, TOUCH_STORED);
  }
}

static void prune_begin(Core *core, Rollout *rollout)
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
static void rollout_enter(Core *core, Rollout *rollout, RolloutPhase phase, int stage)
{
  core_cover(core, "rollout", (int)phase, (int)rollout->kind);
  if (phase == ROLLOUT_PHASE_PRUNE && rollout->phase == ROLLOUT_PHASE_APPLY)
    rollout_drop_extra(core, rollout);
  rollout->phase = phase;
  rollout->stage = stage;
  rollout_begin_time(core, rollout);
  if (phase_rows[phase].begin)
    phase_rows[phase].begin(core, rollout);
  rollout_recount(rollout);
  turn_mark(core, TURN_UNSETTLED, rollout->deployment);
}

static void rollout_enter_prune(Core *core, Rollout *rollout)
{
  rollout_enter(core, rollout, ROLLOUT_PHASE_PRUNE,
                MAX(rollout_stages(rollout->deployment) - 1, 0));
}

/* Goes on as far as nothing has to be waited for: a loop, since there may be thousands of stages.
 */
static void rollout_pump(Core *core, Rollout *rollout)
{
  while (rollout->waiting == 0 && phase_rows[rollout->phase].go_on &&
         phase_rows[rollout->phase].go_on(core, rollout))
    ;
}

static void rollout_settled_one(Core *core, Rollout *rollout, Instance *instance, InstanceStep step)
{
  instance_set_step(core, instance, step);
  if (instance->stage != rollout->stage)
    return;
  g_assert(rollout->waiting > 0);
  rollout->waiting--;
  rollout_next_slots(core, rollout);
}

static void rollout_fail(Core *core, Rollout *rollout, RolloutOutcome verdict,
                         const Instance *failed, const char *cause);

static void apply_starting(Core *core, Rollout *rollout, Instance *instance)
{
  if (!rollout_start_failed(rollout, instance)) {
    if (rollout_is_ready(core, rollout, instance))
      rollout_settled_one(core, rollout, instance, STEP_READY);
    return;
  }
  int64_t least_ms = rollout_min_healthy(rollout, instance);
  g_autofree char *when =
      least_ms ? g_strdup_printf("ended before it was healthy for %.4g s", (double)least_ms / 1000)
               : g_strdup("ended before it was healthy");
  g_autofree char *cause = rollout_start_cause(instance, when);
  rollout_fail(core, rollout, OUTCOME_FAILED, instance, cause);
}

static void apply_ready(Core *core, Rollout *rollout, Instance *instance)
{
  if (instance->state == INSTANCE_FAILED &&
      instance->sight.seen_generation == instance->generation) {
    g_autofree char *cause = rollout_start_cause(instance, "failed");
    rollout_fail(core, rollout, OUTCOME_FAILED, instance, cause);
  } else if (instance_ready(instance)) {
    /* an extra slot that fell and came back covers for others again */
    rollout_next_slots(core, rollout);
  }
}

static void prune_stopping(Core *core, Rollout *rollout, Instance *instance)
{
  if (instance_ended(instance))
    rollout_settled_one(core, rollout, instance, STEP_GONE);
}

static void rollout_hear(Core *core, Instance *instance)
{
  const Deployment *deployment = instance->deployment;
  Rollout *rollout = deployment->rollout;
  if (!deployment_changes(deployment) || deployment->unreadable)
    return;
  core_cover(core, "instance-step", (int)instance->step, (int)instance->state);
  bool waits = instance->step == STEP_WAITING && instance->stage == rollout->stage;
  if (rollout->blocked || waits) /* it may have given up its port; or it serves no more */
    rollout_next_slots(core, rollout);
  if (phase_rows[rollout->phase].news[instance->step])
    phase_rows[rollout->phase].news[instance->step](core, rollout, instance);
  if (rollout->phase != ROLLOUT_PHASE_RESERVE)
    rollout_pump(core, rollout);
}

/* Some slots may have been healthy for long enough by now. */
static void rollout_settle(Core *core, Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  /* what follows may give the slots another order */
  g_autoptr(GPtrArray) starting = g_ptr_array_new();
  rollout->settle_boot_ms = INT64_MAX;
  turn_mark(core, TURN_TIMED, rollout);
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (instance->step == STEP_STARTING && instance_ready(instance))
      g_ptr_array_add(starting, deployment->instances->pdata[i]);
  }
  for (guint i = 0; i < starting->len; i++)
    rollout_hear(core, starting->pdata[i]);
}

/* ---- failure ---- */

static void rollout_close(Core *core, Rollout *rollout, RolloutOutcome outcome);

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
    if (failed ? instance == failed : instance->step == STEP_STARTING)
      instance_set_step(core, instance, STEP_READY);
    if (!none || instance->step != STEP_WAITING)
      continue;
    instance_set_step(core, instance, STEP_IDLE); /* it is left as it is */
    instance_keep_port(core, instance);
    instance_reconcile(core, instance);
  }
  rollout_recount(rollout);
  rollout_next_slots(core, rollout);
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
  instance->outcome = instance_state_word(INSTANCE_FAILED);
  text_set(&instance->reason, why);
  instance->ended_at_ms = core_now(core).wall_ms;
  touch_instance(core, instance, TOUCH_STORED);
}

/* Agents may have been down before, since their deployment had failed or only others were
 * restarted, and their fixed ports be somebody else's since. Then there is no way back, and the
 * rollout is closed: what runs stays. */
static bool rollout_is_barred(Core *core, Rollout *rollout)
{
  Refusal taken;
  if (!reserve_taken(core, rollout->deployment, &taken))
    return false;
  g_autofree char *both = rollout_both_causes(rollout, taken.cause);
  g_free(taken.cause);
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

/* It turns back, or ends, because of @failed (NULL = of none in particular); the caller pumps. */
static void rollout_fail(Core *core, Rollout *rollout, RolloutOutcome verdict,
                         const Instance *failed, const char *cause)
{
  bool again = rollout->verdict != OUTCOME_SUCCEEDED;
  core_cover(core, "failure", (int)rollout->phase, (int)rollout->kind);
  if (!again || rollout->kind == ROLLOUT_KIND_RECOVER) {
    text_set(&rollout->cause, cause);
    text_set(&rollout->failed, failed ? failed->id : NULL);
  }
  reserve_release(core, rollout, NULL);
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
    rollout_enter_prune(core, rollout);
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
    rollout_enter_prune(core, rollout);
}

/* ---- begin and end ---- */

Rollout *rollout_begin(Core *core, Deployment *deployment, RolloutKind kind, int to,
                       const Command *command)
{
  bool replaces = deployment_changes(deployment);
  if (replaces) {
    text_set(&deployment->rollout->cause, "replaced by a newer rollout");
    reserve_release(core, deployment->rollout, NULL);
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
  rollout->started_at_ms = core_now(core).wall_ms;
  deployment->rollout = rollout;
  deployment->outcome = OUTCOME_OPEN;
  g_ptr_array_add(core_list(core, CORE_OPEN), rollout);
  touch_deployment(core, deployment, TOUCH_STORED);
  rollout_targets(core, rollout, to, replaces);
  if (to == 0)
    rollout_enter_prune(core, rollout);
  else
    rollout_enter(core, rollout, ROLLOUT_PHASE_RESERVE, 0);
  rollout_pump(core, rollout);
  return rollout;
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
  g_autoptr(Ports) used = NULL;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    bool waited = instance->step == STEP_WAITING;
    if (instance->target == 0 && instance_stopped_unasked(instance))
      instance_stop(core, instance);
    if (waited) {
      instance_set_step(core, instance, STEP_IDLE);
      reserve_keep(core, instance, &used);
    }
    if (!instance_start_unasked(core, instance))
      /* a start of an earlier generation may have been lost while this one waited, whether it
       * waited to the end or only until the targets turned back */
      instance_reconcile(core, instance);
  }
}

static void rollout_close(Core *core, Rollout *rollout, RolloutOutcome outcome)
{
  Deployment *deployment = rollout->deployment;
  core_cover(core, "rollout", (int)ROLLOUT_PHASE_DONE, (int)rollout->kind);
  core_cover(core, "outcome", (int)rollout->kind, (int)outcome);
  reserve_release(core, rollout, NULL);
  rollout->phase = ROLLOUT_PHASE_DONE;
  rollout->outcome = rollout->verdict = outcome;
  rollout->ended_at_ms = core_now(core).wall_ms;
  rollout->deadline_boot_ms = rollout->settle_boot_ms = INT64_MAX;
  core_wake_at(core, DEADLINE_ROLLOUT, &rollout->deadline, INT64_MAX);
  core_set_unplaced(core, rollout, false);
  g_ptr_array_set_size(rollout->leaving, 0);
  rollout->waiting = 0;
  g_ptr_array_remove(core_list(core, CORE_OPEN), rollout);
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
  turn_mark(core, TURN_CLOSED, rollout);
  turn_mark(core, TURN_UNSETTLED, deployment);
}

/* Was @instance meant to be alive on @node, and is not? */
static bool rollout_ran(const Instance *instance, const NodeObject *node)
{
  return instance->desired_running && !instance->outcome && !instance_is_scheduled(instance) &&
         !instance_in_place(instance) && instance->node == node;
}

void rollout_after_reboot(Core *core, Deployment *deployment, const NodeObject *node)
{
  Rollout *rollout = deployment->rollout;
  bool open = deployment_changes(deployment), again = false;
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
  else if (open && rollout->phase != ROLLOUT_PHASE_RESERVE) {
    rollout_enter(core, rollout, ROLLOUT_PHASE_APPLY, 0);
    rollout_pump(core, rollout);
  }
}

void rollout_cancel(Core *core, Rollout *rollout, const char *cause)
{
  if (rollout->kind == ROLLOUT_KIND_RESTART || rollout->kind == ROLLOUT_KIND_RECOVER) {
    text_set(&rollout->cause, cause);
    rollout_close(core, rollout, OUTCOME_CANCELLED);
  } else {
    rollout_fail(core, rollout, OUTCOME_CANCELLED, NULL, cause);
    rollout_pump(core, rollout);
  }
}

/* ---- ports ---- */

/* Takes over what came of a reserve, and its refusal. True when the rollout may go on. */
static bool rollout_reserved(Core *core, Rollout *rollout, ReserveResult result,
                             const Refusal *refusal)
{
  if (result == RESERVE_WAITS)
    return false;
  if (result == RESERVE_READY) {
    rollout_enter(core, rollout, ROLLOUT_PHASE_APPLY, 0);
    return true;
  }
  rollout_fail(core, rollout, OUTCOME_FAILED, refusal->instance, refusal->cause);
  g_free(refusal->cause);
  return true;
}

static bool rollout_ask(Core *core, Rollout *rollout)
{
  Refusal refusal;
  return rollout_reserved(core, rollout, reserve_ask(core, rollout, &refusal), &refusal);
}

void rollout_on_reserved(Core *core, NodeObject *node, const Frame *frame)
{
  Reserve *reserve = reserve_find(node, frame->request);
  Rollout *rollout = reserve ? reserve->rollout : NULL;
  if (!rollout || rollout->phase != ROLLOUT_PHASE_RESERVE) { /* what asked is gone, or over it */
    turn_frame(core, node, FRAME_RELEASE, frame->request);
    return;
  }
  Refusal refusal;
  ReserveResult result = reserve_answer(core, rollout, reserve, frame, &refusal);
  if (rollout_reserved(core, rollout, result, &refusal))
    rollout_pump(core, rollout);
}

static gint rollout_compare(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Rollout *const *)a)->id, (*(Rollout *const *)b)->id);
}

/* What @waiting (of Rollout*, sorted here) waited for may be there: each has time again. */
static void rollouts_wake(Core *core, GPtrArray *waiting)
{
  g_ptr_array_sort(waiting, rollout_compare);
  for (guint i = 0; i < waiting->len; i++) {
    Rollout *rollout = waiting->pdata[i];
    int64_t least = core_now(core).boot_ms + MIN(rollout->duration_ms, 10000);
    if (rollout->deadline_boot_ms != INT64_MAX) /* its time was not its own meanwhile */
      rollout->deadline_boot_ms = MAX(rollout->deadline_boot_ms, least);
    turn_mark(core, TURN_TIMED, rollout);
    turn_mark(core, TURN_RESUMED, rollout);
  }
}

void rollouts_place_again(Core *core)
{
  g_autoptr(GPtrArray) waiting = g_ptr_array_copy(core_list(core, CORE_UNPLACED), NULL, NULL);
  rollouts_wake(core, waiting);
}

void rollouts_resume(Core *core, const NodeObject *node, const GPtrArray *deployments)
{
  g_autoptr(GPtrArray) waiting = g_ptr_array_copy(core_list(core, CORE_UNPLACED), NULL, NULL);
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    if (deployment_changes(deployment) && !deployment->rollout->unplaced && !deployment->unreadable)
      g_ptr_array_add(waiting, deployment->rollout);
  }
  for (guint i = 0; i < waiting->len; i++)
    reserve_forget(waiting->pdata[i], node);
  rollouts_wake(core, waiting);
}

/* ---- time ---- */

static void rollout_due(Core *core, Rollout *rollout)
{
  turn_mark(core, TURN_TIMED, rollout);
  if (rollout->settle_boot_ms <= core_now(core).boot_ms)
    rollout_settle(core, rollout);
  if (!rollout_is_open(rollout) || rollout->deadline_boot_ms > core_now(core).boot_ms ||
      !rollout_deadline_counts(rollout))
    return;
  if (rollout_only_settles(rollout)) {
    /* it was healthy in time; that it stays so may take longer */
    rollout->deadline_boot_ms = rollout->settle_boot_ms;
    return;
  }
  g_autofree char *cause = rollout_late_cause(core, rollout);
  const Deployment *deployment = rollout->deployment;
  bool blames = rollout->kind != ROLLOUT_KIND_RECOVER && rollout->kind != ROLLOUT_KIND_RESTART;
  const Instance *failed = NULL;
  for (guint i = 0; blames && i < deployment->instances->len && !failed; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (instance->step == STEP_STARTING && instance->stage == rollout->stage)
      failed = instance;
  }
  rollout_fail(core, rollout, OUTCOME_FAILED, failed, cause);
  rollout_pump(core, rollout);
}

void rollouts_tick(Core *core)
{
  Deadline *deadline;
  while ((deadline = core_next_due(core, DEADLINE_ROLLOUT)))
    rollout_due(core, HEAP_OWNER(deadline, Rollout, deadline));
}

void rollouts_loaded(Core *core)
{
  const GPtrArray *open = core_list(core, CORE_OPEN);
  for (guint i = 0; i < open->len; i++) {
    Rollout *rollout = open->pdata[i];
    /* whichever node says hello first may be the one that it waits for; and its time runs again */
    core_set_unplaced(core, rollout, rollout->phase == ROLLOUT_PHASE_RESERVE);
    core_wake_at(core, DEADLINE_ROLLOUT, &rollout->deadline, rollout->deadline_boot_ms);
  }
}

/* ---- the phase ---- */

void rollouts_run(Core *core)
{
  Instance *instance;
  Rollout *rollout;
  while ((instance = turn_next(core, TURN_NEWS)))
    rollout_hear(core, instance);
  while ((rollout = turn_next(core, TURN_RESUMED)))
    rollout_pump(core, rollout);
}

void rollouts_arm(Core *core)
{
  Rollout *rollout;
  while ((rollout = turn_next(core, TURN_TIMED))) {
    int64_t late_ms = rollout_deadline_counts(rollout) ? rollout->deadline_boot_ms : INT64_MAX;
    core_wake_at(core, DEADLINE_ROLLOUT, &rollout->deadline, MIN(rollout->settle_boot_ms, late_ms));
  }
}

static bool apply_go_on(Core *core, Rollout *rollout)
{
  if (rollout->stage + 1 < rollout_stages(rollout->deployment))
    rollout_enter(core, rollout, ROLLOUT_PHASE_APPLY, rollout->stage + 1);
  else
    rollout_enter_prune(core, rollout);
  return true;
}

static bool prune_go_on(Core *core, Rollout *rollout)
{
  if (rollout->stage > 0)
    rollout_enter(core, rollout, ROLLOUT_PHASE_PRUNE, rollout->stage - 1);
  else
    rollout_close(core, rollout, rollout->verdict);
  return true;
}

static const PhaseRow phase_rows[ROLLOUT_PHASE_N] = {
    [ROLLOUT_PHASE_RESERVE] = {.go_on = rollout_ask},
    [ROLLOUT_PHASE_APPLY] =
        {.begin = apply_begin,
         .go_on = apply_go_on,
         .news = {[STEP_STARTING] = apply_starting, [STEP_READY] = apply_ready}},
    [ROLLOUT_PHASE_PRUNE] = {.begin = prune_begin,
                             .go_on = prune_go_on,
                             .news = {[STEP_STOPPING] = prune_stopping}},
    [ROLLOUT_PHASE_DONE] = {.go_on = NULL},
};
