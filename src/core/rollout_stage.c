/* What a stage of a rollout waits for, for how long, and what people read when it fails. Nothing
 * here moves a rollout. */
#include "core/rollout_stage.h"

#include "core/build.h"
#include "core/instance.h"
#include "core/rolling.h"
#include "core/state.h"
#include "core/turn.h"

/* @UNKNOWN_GRACE: when no job can be read that says what the agents were promised. */
enum { ROLLOUT_STOP_SLACK_MS = 60000, ROLLOUT_UNKNOWN_GRACE_MS = 600000, ROLLOUT_CAUSE_MAX = 2000 };

typedef struct StageRow {
  bool waits_for[STEP_N];
  const char *late; /* what it was not in time, for people */
} StageRow;

static const StageRow stage_rows[ROLLOUT_PHASE_N] = {
    [ROLLOUT_PHASE_APPLY] = {{[STEP_WAITING] = true, [STEP_STARTING] = true}, "healthy"},
    [ROLLOUT_PHASE_PRUNE] = {{[STEP_STOPPING] = true}, "gone"},
};

/* Index of the first instance of @stage or later. */
guint rollout_first(const Deployment *deployment, int stage)
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

/* ---- stages ---- */

int rollout_stages(const Deployment *deployment)
{
  guint n = deployment->instances->len;
  return n ? ((const Instance *)deployment->instances->pdata[n - 1])->stage + 1 : 0;
}

bool rollout_waits_for(const Rollout *rollout, const Instance *instance)
{
  return stage_rows[rollout->phase].waits_for[instance->step];
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

/* The revision whose times hold for @rollout; NULL when no job of those that come into question can
 * be read. */
static const Revision *rollout_revision(const Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  const Revision *candidates[] = {revision_find(deployment, rollout->to),
                                  revision_find(deployment, rollout->from),
                                  deployment_last_revision(deployment)};
  for (size_t i = 0; i < G_N_ELEMENTS(candidates); i++)
    if (revision_job(candidates[i]))
      return candidates[i];
  return NULL;
}

/* Longest grace period of the slots that stop now: ending them may take that long. */
int64_t rollout_duration(const Rollout *rollout)
{
  const Revision *revision = rollout_revision(rollout);
  if (!revision)
    return rollout->deployment->revisions->len ? ROLLOUT_UNKNOWN_GRACE_MS + ROLLOUT_STOP_SLACK_MS
                                               : ROLLOUT_STOP_SLACK_MS;
  if (rollout->phase != ROLLOUT_PHASE_PRUNE)
    return revision_job(revision)->timeout_ms;
  return revision_grace_ms(revision) + ROLLOUT_STOP_SLACK_MS;
}

/* Has the present generation ended before it was ready? A recovery leaves restarts to the node and
 * gives up only with it. */
bool rollout_start_failed(const Rollout *rollout, const Instance *instance)
{
  if (instance->sight.seen_generation != instance->generation)
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
int64_t rollout_min_healthy(const Rollout *rollout, const Instance *instance)
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
bool rollout_is_ready(Core *core, Rollout *rollout, const Instance *instance)
{
  if (!instance_ready(instance))
    return false;
  int64_t settled = instance->healthy_boot_ms + rollout_min_healthy(rollout, instance);
  if (settled <= core_now(core).boot_ms)
    return true;
  rollout->settle_boot_ms = MIN(rollout->settle_boot_ms, settled);
  turn_mark(core, TURN_TIMED, rollout);
  return false;
}

/* ---- news of an instance ---- */

char *rollout_start_cause(const Instance *instance, const char *when)
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

/* What its stage waits for is healthy, and only not yet for long enough. */
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

FailurePolicy rollout_policy(const Rollout *rollout, RolloutOutcome verdict)
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

/* Of a rollout that failed, and whose way back fails by @cause. Caller frees. */
char *rollout_both_causes(const Rollout *rollout, const char *cause)
{
  if (rollout->phase == ROLLOUT_PHASE_PRUNE || rollout->from == 0)
    return g_strdup_printf("%s; stopping what is not wanted failed too: %s", rollout->cause, cause);
  return g_strdup_printf(
      "%s; going back to revision %d failed too (code in working directories is not part of a revision): %s",
      rollout->cause, rollout->from, cause);
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
DeploymentStatus rollout_settled_status(const Rollout *rollout)
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

bool rollout_deadline_counts(const Rollout *rollout)
{
  GHashTableIter iter;
  gpointer node;
  g_hash_table_iter_init(&iter, rollout->deployment->nodes);
  while (g_hash_table_iter_next(&iter, &node, NULL))
    if (((const NodeObject *)node)->status == NODE_SILENT)
      return false;
  return true;
}

/* ---- time ---- */

char *rollout_late_cause(const Core *core, const Rollout *rollout)
{
  GString *cause = g_string_new(NULL);
  if (rollout->phase == ROLLOUT_PHASE_RESERVE) {
    g_string_printf(cause, "no node was ready within %" G_GINT64_FORMAT " s",
                    rollout->duration_ms / 1000);
    for (guint i = 0; i < core_nodes(core)->len; i++) {
      const NodeObject *node = core_nodes(core)->pdata[i];
      if (node->problem)
        g_string_append_printf(cause, "; node '%s': %s", node->id, node->problem);
    }
    return g_string_free(cause, FALSE);
  }
  g_string_printf(cause, "not %s within %" G_GINT64_FORMAT " s:", stage_rows[rollout->phase].late,
                  rollout->duration_ms / 1000);
  int named = 0;
  for (guint i = 0; i < rollout->deployment->instances->len; i++) {
    const Instance *instance = rollout->deployment->instances->pdata[i];
    if (!rollout_waits_for(rollout, instance) || instance->stage != rollout->stage || ++named > 5)
      continue;
    g_string_append_printf(cause, "%s agent '%s' (%s)", named > 1 ? "," : "", instance->agent,
                           instance->observed_reason ? instance->observed_reason
                                                     : instance_state_word(instance->state));
  }
  if (named > 5)
    g_string_append_printf(cause, " and %d more", named - 5);
  return g_string_free(cause, FALSE);
}
