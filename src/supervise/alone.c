/* The way back after a reboot without a server. */
#include "supervise/alone.h"

#include "supervise/steps.h"

/* Ended by the reboot and by nothing else, as far as its file tells. */
static bool alone_ended(const NodeInstance *instance)
{
  return instance->rebooted && instance->desired_running && !instance->outcome &&
         !instance->pending && instance->spec && instance->spec->stage >= 0;
}

/* And its driver has nothing of it. */
static bool alone_waits(const NodeInstance *instance)
{
  return alone_ended(instance) && instance->life == LIFE_STOPPED;
}

/* Started by us, and a later stage still has to wait for it: order is kept, success is not asked
 * for, since nobody is there to decide what else to do. */
static bool alone_comes(const NodeInstance *instance)
{
  bool up = instance->life == LIFE_RUNNING && instance->health == HEALTH_HEALTHY;
  return instance->alone_boot_ms && !up && !node_instance_is_final(instance) &&
         instance->supervisor->now.boot_ms - instance->alone_boot_ms < ALONE_STAGE_MS;
}

/* In the generation that its file tells; the file is written anew first, since it names the boot
 * that its process belongs to. */
static void alone_start(NodeInstance *instance)
{
  instance->rebooted = false;
  instance->alone_boot_ms = instance->supervisor->now.boot_ms;
  instance->restarts = instance->passing_failures = 0;
  node_instance_set_life(instance, LIFE_STORING, "the machine was restarted");
  node_instance_store(instance);
}

/* The lowest stage of each deployment that is not up: name, borrowed -> stage. NULL when nothing
 * waits. O(instances). */
static GHashTable *alone_stages(const Supervisor *supervisor)
{
  GHashTable *stages = g_hash_table_new(g_str_hash, g_str_equal);
  bool any = false;
  GHashTableIter iter;
  gpointer value, stage;
  g_hash_table_iter_init(&iter, supervisor->instances);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const NodeInstance *instance = value;
    bool waits = alone_waits(instance);
    any = any || waits;
    if (!waits && !(instance->spec && instance->spec->stage >= 0 && alone_comes(instance)))
      continue;
    bool known = g_hash_table_lookup_extended(stages, instance->spec->deployment, NULL, &stage);
    if (!known || instance->spec->stage < GPOINTER_TO_INT(stage))
      g_hash_table_replace(stages, instance->spec->deployment,
                           GINT_TO_POINTER(instance->spec->stage));
  }
  if (!any)
    g_clear_pointer(&stages, g_hash_table_unref);
  return stages;
}

static int64_t alone_lease_ends(const Supervisor *supervisor)
{
  int64_t lease_ms = supervisor->identity.lease_ms;
  return supervisor->now.boot_ms + (lease_ms ? lease_ms : SUPERVISOR_LEASE_MS);
}

void alone_begin(Supervisor *supervisor)
{
  bool any = false;
  GHashTableIter iter;
  gpointer instance;
  g_hash_table_iter_init(&iter, supervisor->instances);
  while (!any && g_hash_table_iter_next(&iter, NULL, &instance))
    any = alone_ended(instance);
  if (any && !supervisor->identity.copied && !supervisor->refusal &&
      supervisor->alone_boot_ms == INT64_MAX)
    supervisor->alone_boot_ms = alone_lease_ends(supervisor);
}

void alone_wait(Supervisor *supervisor)
{
  if (supervisor->alone_boot_ms != INT64_MAX)
    supervisor->alone_boot_ms =
        MAX(supervisor->alone_boot_ms, supervisor->now.boot_ms + ALONE_ANSWER_MS);
}

void alone_anew(Supervisor *supervisor)
{
  if (supervisor->alone_boot_ms != INT64_MAX)
    supervisor->alone_boot_ms = alone_lease_ends(supervisor);
}

void alone_end(Supervisor *supervisor)
{
  supervisor->alone_boot_ms = INT64_MAX;
}

void alone_tick(Supervisor *supervisor)
{
  if (supervisor->alone_boot_ms > supervisor->now.boot_ms)
    return;
  supervisor->alone_boot_ms = INT64_MAX;
  g_autoptr(GHashTable) stages = alone_stages(supervisor);
  if (!stages)
    return;
  g_autoptr(GPtrArray) all = supervisor_sorted(supervisor);
  for (guint i = 0; i < all->len; i++) {
    NodeInstance *instance = all->pdata[i];
    if (alone_waits(instance) && instance->spec->stage == GPOINTER_TO_INT(g_hash_table_lookup(
                                                              stages, instance->spec->deployment)))
      alone_start(instance);
  }
  supervisor->alone_boot_ms = supervisor->now.boot_ms + ALONE_LOOK_MS;
}
