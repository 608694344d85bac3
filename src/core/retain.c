/* What is kept of a deployment's past: 20 revisions, 100 rollouts, 10 dead slots of an agent; what
 * is in use stays in any case. */
#include "core/internal.h"

enum { REVISIONS_KEPT = 20, ROLLOUTS_KEPT = 100, DEAD_SLOTS_KEPT = 10 };

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
    if (rollout->touched || rollout->dirty)
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

void deployment_retain(Core *core, Deployment *deployment)
{
  retain_slots(core, deployment);
  retain_revisions(core, deployment);
  retain_rollouts(core, deployment);
}
