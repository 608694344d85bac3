/* A deployment as a whole: its status follows from its rollout, what the last one left, and its
 * instances. */
#include "core/deployment.h"

#include "core/build.h"
#include "core/instance.h"
#include "core/schedule.h"
#include "core/state.h"
#include "core/turn.h"

enum { REVISIONS_KEPT = 20, ROLLOUTS_KEPT = 100, DEAD_SLOTS_KEPT = 10 };

DeploymentStatus deployment_derive(const Deployment *deployment)
{
  const Rollout *rollout = deployment->rollout;
  if (deployment->unreadable)
    return DEPLOYMENT_FAILED;
  if (rollout && rollout_is_open(rollout)) {
    bool ending = rollout->kind == ROLLOUT_KIND_DOWN ||
                  (rollout->phase == ROLLOUT_PHASE_PRUNE && rollout->verdict != OUTCOME_SUCCEEDED);
    return ending ? DEPLOYMENT_STOPPING : DEPLOYMENT_DEPLOYING;
  }
  if (deployment->settled == DEPLOYMENT_RUNNING && deployment->degraded > 0)
    return DEPLOYMENT_DEGRADED;
  return deployment->settled;
}

/* The revision that @instance needs: what the open rollout wants of it, or what it is to run; 0 =
 * none. */
static int deployment_needs_for(const Instance *instance, bool open)
{
  if (open)
    return instance->target;
  return instance->desired_running ? instance->revision : 0;
}

/* Why revision @number cannot be used, or NULL; caller frees. */
static char *deployment_problem_of(const Deployment *deployment, int number)
{
  const Revision *revision = number > 0 ? revision_find(deployment, number) : NULL;
  if (revision)
    return revision_unreadable(deployment, revision);
  return number > 0 ? g_strdup_printf("revision %d of deployment '%s' is not in the store", number,
                                      deployment->name)
                    : NULL;
}

/* What is being stopped, or is stopped, needs no job. */
void deployment_look_at_jobs(Deployment *deployment)
{
  bool open = deployment_changes(deployment),
       runs = !open && deployment->settled != DEPLOYMENT_STOPPED;
  int looked_at = runs ? deployment->revision : 0;
  g_autofree char *problem = deployment_problem_of(deployment, looked_at);
  for (guint i = 0; i < deployment->instances->len && !problem; i++) {
    int number = deployment_needs_for(deployment->instances->pdata[i], open);
    if (number == looked_at)
      continue; /* mostly they all need the same */
    looked_at = number;
    problem = deployment_problem_of(deployment, number);
  }
  g_autofree char *told =
      problem
          ? g_strdup_printf(
                "%s; what runs of it is left alone; deploy it anew with 'reeve up FILE', or stop it with 'reeve down %s'",
                problem, deployment->name)
          : NULL;
  text_set(&deployment->unreadable, told);
}

/* ---- what is kept of the past ---- */

/* Numbers of revisions that something still refers to. */
static GHashTable *retain_used(const Deployment *deployment)
{
  GHashTable *used = g_hash_table_new(NULL, NULL);
  g_hash_table_add(used, GINT_TO_POINTER(deployment->revision));
  if (deployment->rollout) {
    g_hash_table_add(used, GINT_TO_POINTER(deployment->rollout->from));
    g_hash_table_add(used, GINT_TO_POINTER(deployment->rollout->to));
  }
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    g_hash_table_add(used, GINT_TO_POINTER(instance->revision));
    g_hash_table_add(used, GINT_TO_POINTER(instance->target));
  }
  return used;
}

static void retain_revisions(Core *core, Deployment *deployment)
{
  if (deployment->revisions->len <= REVISIONS_KEPT)
    return;
  g_autoptr(GHashTable) used = retain_used(deployment);
  for (guint i = 0; i + REVISIONS_KEPT < deployment->revisions->len;) {
    const Revision *revision = deployment->revisions->pdata[i];
    if (g_hash_table_contains(used, GINT_TO_POINTER(revision->number))) {
      i++;
      continue;
    }
    turn_remove(core, TABLE_REVISIONS, revision->id);
    g_ptr_array_remove_index(deployment->revisions, i);
  }
}

static void retain_rollouts(Core *core, Deployment *deployment)
{
  while (deployment->rollouts->len > ROLLOUTS_KEPT &&
         deployment->rollouts->pdata[0] != deployment->rollout) {
    Rollout *rollout = deployment->rollouts->pdata[0];
    if (rollout->marks)
      return; /* replaced in this turn; it goes with the next */
    turn_remove(core, TABLE_ROLLOUTS, rollout->id);
    g_ptr_array_remove_index(deployment->rollouts, 0);
  }
}

/* Slots that no revision in use wants: the newest of each agent stay, for their logs. */
static void retain_slots(Core *core, Deployment *deployment)
{
  g_autoptr(GHashTable) dead = g_hash_table_new(g_str_hash, g_str_equal); /* agent -> how many */
  for (guint i = deployment->instances->len; i > 0; i--) {
    Instance *instance = deployment->instances->pdata[i - 1];
    bool gone = instance->step == STEP_GONE && !instance->desired_running && instance->target == 0;
    if (!gone || (instance->generation > 0 && !instance_ended(instance)) ||
        deployment->settled != DEPLOYMENT_RUNNING)
      continue;
    int n = GPOINTER_TO_INT(g_hash_table_lookup(dead, instance->agent)) + 1;
    g_hash_table_insert(dead, instance->agent, GINT_TO_POINTER(n));
    if (n > DEAD_SLOTS_KEPT)
      instance_doom(core, instance);
  }
}

/* What is too old goes: slots, revisions and rollouts, which are freed. What is in use stays in any
 * case. */
static void deployment_retain(Core *core, Deployment *deployment)
{
  retain_slots(core, deployment);
  retain_revisions(core, deployment);
  retain_rollouts(core, deployment);
}

/* ---- the phase ---- */

/* What keeps running learns of other peers by file, never by a restart. */
static void deployment_tell_peers(Core *core, Deployment *deployment)
{
  if (!deployment->peers_moved || deployment_changes(deployment))
    return;
  deployment->peers_moved = false;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (instance->desired_running)
      instance_send_peers(core, instance);
  }
}

void deployments_run(Core *core)
{
  Rollout *closed;
  Deployment *deployment;
  while ((closed = turn_next(core, TURN_CLOSED))) {
    turn_mark(core, TURN_SETTLED, closed);
    schedules_settle(core, closed->deployment);
    deployment_retain(core, closed->deployment);
  }
  while ((deployment = turn_next(core, TURN_UNSETTLED))) {
    deployment_tell_peers(core, deployment);
    DeploymentStatus status = deployment_derive(deployment);
    if (status == deployment->status)
      continue;
    deployment->status = status;
    touch_deployment(core, deployment, TOUCH_SEEN);
  }
}
