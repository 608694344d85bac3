/* Shims that nobody needs for months are looked at now and then: a frozen one neither passes on
 * what its agent says nor tells of its end, and nothing else would show it before a stop. Each has
 * its turn every half minute, and at most so many a second that ten thousand cost nothing to speak
 * of. One that sleeps, as it does when there is nothing to do, is not woken (that costs five times
 * the look); any other is asked, since only an answer tells a busy one from one that is stopped,
 * traced, or waits for a disk. */
#include "drivers/asks.h"

#include "base/clock.h"

enum { ASKS_SLICES = 30, ASKS_SLICE_MOST = 50, ASKS_LATE_MS = 5000 };

struct Asks {
  ProcessDriver *driver;
  LoopTimer *timer;
  int64_t due_ms, period_ms;
  GPtrArray *round; /* of char*: ids that are still to be looked at in this round */
};

static void asks_arm(Asks *asks, int64_t in_ms)
{
  asks->due_ms = clock_boot_ms() + in_ms;
  loop_timer_set(asks->timer, asks->due_ms);
}

void asks_is_late(Process *process, int64_t for_ms)
{
  if (process->unreachable)
    return;
  process->unreachable = true;
  process_tell(process, (DriverNews){.type = DRIVER_UNREACHABLE, .up_ms = for_ms});
}

/* One question is open at a time: a frozen shim does not read, and what is sent to it piles up. */
static void asks_look(const Asks *asks, Process *process, int64_t now_ms)
{
  if (!process->shim || process->preparing || process->finding || process->unreachable)
    return;
  if (!process->asked_ms) {
    if (shim_sleeps(process->shim))
      return;
    process->asked_ms = now_ms;
    shim_query(process->shim);
  } else if (now_ms - process->asked_ms >= asks->period_ms - asks->period_ms / ASKS_SLICES) {
    asks_is_late(process, now_ms - process->asked_ms);
  }
}

/* We were away - suspended, or stopped - and so may have been the shims: none of them is late yet.
 */
static void asks_anew(Asks *asks, int64_t now_ms)
{
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, asks->driver->processes);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Process *process = value;
    if (process->asked_ms)
      process->asked_ms = now_ms;
  }
}

static void asks_due(void *data)
{
  Asks *asks = data;
  int64_t now_ms = clock_boot_ms();
  if (now_ms - ASKS_LATE_MS > asks->due_ms)
    asks_anew(asks, now_ms);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, asks->driver->processes);
  bool begins = !asks->round->len; /* by id: a process may be gone before its turn */
  while (begins && g_hash_table_iter_next(&iter, &value, NULL))
    g_ptr_array_add(asks->round, g_strdup(value));
  guint n = g_hash_table_size(asks->driver->processes),
        slice = CLAMP((n + ASKS_SLICES - 1) / ASKS_SLICES, 1, ASKS_SLICE_MOST);
  for (guint i = 0; i < slice && asks->round->len; i++) {
    g_autofree char *id = g_ptr_array_steal_index_fast(asks->round, asks->round->len - 1);
    Process *process = process_of(asks->driver, id, false);
    if (process)
      asks_look(asks, process, now_ms);
  }
  asks_arm(asks, asks->period_ms / CLAMP(n, 1, ASKS_SLICES));
}

void asks_answered(Process *process)
{
  process->asked_ms = 0;
  if (!process->unreachable)
    return;
  process->unreachable = false;
  process_tell(process, (DriverNews){.type = DRIVER_REACHABLE});
}

Asks *asks_new(ProcessDriver *driver, int64_t period_ms)
{
  Asks *asks = g_new0(Asks, 1);
  asks->driver = driver;
  asks->period_ms = period_ms;
  asks->round = g_ptr_array_new_with_free_func(g_free);
  asks->timer = loop_timer_new(driver->world.loop, asks_due, asks);
  asks_arm(asks, period_ms);
  return asks;
}

void asks_free(Asks *asks)
{
  if (!asks)
    return;
  loop_timer_free(asks->timer);
  g_ptr_array_unref(asks->round);
  g_free(asks);
}
