/* Who guesses slows down; see limiter.h. */
#include "net/limiter.h"

#include <glib.h>

enum { LIMITER_BURST = 10, LIMITER_REFILL_MS = 1000, LIMITER_ADDRESSES_MAX = 4096 };

/* The bucket of an address is full again at @full_at_ms; each refusal moves that on. */
struct Limiter {
  GHashTable *full_at; /* address -> int64_t* */
};

Limiter *limiter_new(void)
{
  Limiter *limiter = g_new0(Limiter, 1);
  limiter->full_at = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return limiter;
}

void limiter_free(Limiter *limiter)
{
  if (!limiter)
    return;
  g_hash_table_unref(limiter->full_at);
  g_free(limiter);
}

static gboolean limiter_is_full(gpointer key, gpointer value, gpointer boot_ms)
{
  return *(int64_t *)value <= *(int64_t *)boot_ms;
}

bool limiter_count(Limiter *limiter, const char *address, int64_t boot_ms)
{
  int64_t *full_at = g_hash_table_lookup(limiter->full_at, address);
  if (!full_at) {
    if (g_hash_table_size(limiter->full_at) >= LIMITER_ADDRESSES_MAX)
      g_hash_table_foreach_remove(limiter->full_at, limiter_is_full, &boot_ms);
    if (g_hash_table_size(limiter->full_at) >= LIMITER_ADDRESSES_MAX)
      return false; /* thousands at once: none of them is told more than that */
    full_at = g_new0(int64_t, 1);
    g_hash_table_insert(limiter->full_at, g_strdup(address), full_at);
  }
  int64_t next = MAX(*full_at, boot_ms) + LIMITER_REFILL_MS;
  if (next - boot_ms > LIMITER_BURST * LIMITER_REFILL_MS)
    return false;
  *full_at = next;
  return true;
}
