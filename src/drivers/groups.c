/* The end of control groups: each goes with the last process in it. That is as a rule when its
 * instance has no shim any more; a command beside the agent may take longer, and what a former life
 * of this node left is found at start. */
#include "drivers/groups.h"

#include "base/clock.h"
#include "base/id.h"

enum { GROUPS_FIRST_MS = 100, GROUPS_MOST_MS = 60000 };

struct Groups {
  ProcessDriver *driver;
  GHashTable *staying; /* set of ids: something still ran in theirs */
  LoopTimer *timer;
  int64_t gap_ms;
};

/* Who needs the groups of @id removes them in the end: between two attempts, and before a process
 * has joined, they are empty and wanted. */
static bool groups_wanted(const Groups *groups, const char *id)
{
  const Process *process = process_of(groups->driver, id, false);
  return process && (process->shim || process->runs > 0);
}

static gboolean groups_is_done(gpointer id, gpointer value, gpointer data)
{
  const Groups *groups = data;
  (void)value;
  return groups_wanted(groups, id) || cgroups_remove(groups->driver->cgroups, id);
}

static void groups_due(void *data)
{
  Groups *groups = data;
  g_hash_table_foreach_remove(groups->staying, groups_is_done, groups);
  if (!g_hash_table_size(groups->staying))
    return;
  groups->gap_ms = MIN(groups->gap_ms * 2, GROUPS_MOST_MS);
  loop_timer_set(groups->timer, clock_boot_ms() + groups->gap_ms);
}

void groups_remove(Groups *groups, const char *id)
{
  if (groups_wanted(groups, id) || cgroups_remove(groups->driver->cgroups, id))
    return;
  g_hash_table_add(groups->staying, g_strdup(id));
  groups->gap_ms = GROUPS_FIRST_MS;
  loop_timer_set(groups->timer, clock_boot_ms() + groups->gap_ms);
}

void groups_sweep(Groups *groups)
{
  g_autoptr(GHashTable) ids = cgroups_ids(groups->driver->cgroups);
  GHashTableIter iter;
  gpointer id;
  g_hash_table_iter_init(&iter, ids);
  while (g_hash_table_iter_next(&iter, &id, NULL))
    if (id_is(id, "ins") && !process_of(groups->driver, id, false))
      groups_remove(groups, id);
}

Groups *groups_new(ProcessDriver *driver)
{
  Groups *groups = g_new0(Groups, 1);
  groups->driver = driver;
  groups->staying = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  groups->timer = loop_timer_new(driver->world.loop, groups_due, groups);
  return groups;
}

void groups_free(Groups *groups)
{
  if (!groups)
    return;
  g_hash_table_foreach_remove(groups->staying, groups_is_done, groups);
  cgroups_leave(groups->driver->cgroups);
  g_hash_table_unref(groups->staying);
  loop_timer_free(groups->timer);
  g_free(groups);
}
