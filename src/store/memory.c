/* A store in memory with failures to order: for tests. Keeps the rows of each table by key.
 *
 * What a name holds outlives the connections to it, as a file or a server would; so there is one
 * table of names in the process, and one lock over it and all that it holds. */
#include "base/error.h"
#include "store/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one name holds, and what is ordered to happen to it. */
typedef struct Memory {
  GHashTable *rows[TABLE_N]; /* key -> Record* */
  bool held;                 /* it has an owner */
  int fail_next, fail_code, hold_next;
  bool lose_next, lost_happens;
  int unsure;
} Memory;

typedef struct MemoryStore {
  Store base;
  Memory *memory; /* never freed */
  bool unsettled; /* the last commit had an unknown outcome */
} MemoryStore;

static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static GHashTable *memories;                                    /* name -> Memory* */

static void memory_unlock(pthread_mutex_t **lock)
{
  pthread_mutex_unlock(*lock);
}

static pthread_mutex_t *memory_take_lock(void)
{
  pthread_mutex_lock(&memory_lock);
  return &memory_lock;
}

/* Holds the lock until the end of the block. */
#define MEMORY_LOCKED \
  __attribute__((cleanup(memory_unlock), unused)) pthread_mutex_t *locked = memory_take_lock()

/* ---- rows; the lock is held ---- */

static void memory_empty(Memory *memory)
{
  for (int table = 0; table < TABLE_N; table++) {
    g_clear_pointer(&memory->rows[table], g_hash_table_unref);
    memory->rows[table] =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)record_free);
  }
}

static Memory *memory_find(const char *name)
{
  if (!memories)
    memories = g_hash_table_new(g_str_hash, g_str_equal);
  Memory *memory = g_hash_table_lookup(memories, name);
  if (memory)
    return memory;
  memory = g_new0(Memory, 1);
  memory_empty(memory);
  g_hash_table_insert(memories, g_strdup(name), memory);
  return memory;
}

static int64_t memory_batch(const Memory *memory)
{
  const Record *row = g_hash_table_lookup(memory->rows[TABLE_META], "batch");
  return row ? g_ascii_strtoll(row->values[META_VALUE].text, NULL, 10) : 0;
}

static Record *memory_copy(const Record *record)
{
  Record *copy = record_new(record->table);
  *copy = *record;
  for (int i = 0; i < RECORD_COLUMNS_MAX; i++)
    if (copy->values[i].text)
      g_ref_string_acquire(copy->values[i].text);
  return copy;
}

static void memory_put(Memory *memory, Record *record)
{
  g_hash_table_replace(memory->rows[record->table], record->values[0].text, record);
}

static void memory_put_meta(Memory *memory, const char *key, int64_t number)
{
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);
  Record *record = record_new(TABLE_META);
  record_text(record, META_KEY, key);
  record_text(record, META_VALUE, text);
  memory_put(memory, record);
}

static void memory_apply(Memory *memory, const GPtrArray *records, int64_t number)
{
  for (guint i = 0; i < records->len; i++) {
    const Record *record = records->pdata[i];
    if (record->deleted)
      g_hash_table_remove(memory->rows[record->table], record->values[0].text);
    else
      memory_put(memory, memory_copy(record));
  }
  memory_put_meta(memory, "batch", number);
}

static gint memory_compare(gconstpointer a, gconstpointer b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool memory_each(const Memory *memory, TableId table, StoreRowFn row, void *data,
                        GError **error)
{
  guint n;
  g_autofree gpointer *keys = g_hash_table_get_keys_as_array(memory->rows[table], &n);
  qsort(keys, n, sizeof *keys, memory_compare);
  for (guint i = 0; i < n; i++) {
    const Record *record = g_hash_table_lookup(memory->rows[table], keys[i]);
    if (!row(table, record->values, data, error))
      return false;
  }
  return true;
}

/* ---- the owner ---- */

static Memory *memory_of(Store *store)
{
  return ((MemoryStore *)store)->memory;
}

static Store *memory_open(const char *where, GError **error)
{
  MEMORY_LOCKED;
  Memory *memory = memory_find(where);
  if (memory->held) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT, "store 'memory:%s' is in use by pid %d",
                where, (int)getpid());
    return NULL;
  }
  if (!*where)
    memory_empty(memory);
  MemoryStore *store = g_new0(MemoryStore, 1);
  store->memory = memory;
  store->base.last_batch = memory_batch(memory);
  memory->held = true;
  memory->fail_next = memory->hold_next = memory->unsure = 0;
  memory->lose_next = false;
  return &store->base;
}

static void memory_close(Store *store)
{
  if (!store)
    return;
  MEMORY_LOCKED;
  memory_of(store)->held = false;
  g_free(store);
}

static bool memory_load(Store *store, StoreRowFn row, void *data, GError **error)
{
  g_assert(!((MemoryStore *)store)->unsettled);
  MEMORY_LOCKED;
  for (int table = 0; table < TABLE_N; table++)
    if (!table_specs[table].history &&
        !memory_each(memory_of(store), (TableId)table, row, data, error))
      return false;
  return true;
}

static bool memory_fails(int *next, int code, const char *why, GError **error)
{
  if (*next <= 0)
    return false;
  --*next;
  g_set_error(error, REEVE_ERROR, code, "write 'memory': %s", why);
  return true;
}

static StoreOutcome memory_commit(Store *store, const GPtrArray *records, int64_t number,
                                  GError **error)
{
  MemoryStore *self = (MemoryStore *)store;
  g_assert(!self->unsettled);
  MEMORY_LOCKED;
  Memory *memory = self->memory;
  g_assert(number > memory_batch(memory));
  if (memory_fails(&memory->hold_next, REEVE_ERROR_UNAVAILABLE, "held by another program", error))
    return STORE_BUSY;
  if (memory_fails(&memory->fail_next, memory->fail_code, "ordered to fail", error))
    return STORE_NOT;
  self->unsettled = memory->lose_next;
  if (!self->unsettled || memory->lost_happens)
    memory_apply(memory, records, number);
  if (!self->unsettled)
    return STORE_DONE;
  memory->lose_next = false;
  g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED,
                      "write 'memory': ordered to break in the middle");
  return STORE_UNKNOWN;
}

static StoreOutcome memory_settle(Store *store, int64_t number, GError **error)
{
  MemoryStore *self = (MemoryStore *)store;
  MEMORY_LOCKED;
  if (memory_fails(&self->memory->unsure, REEVE_ERROR_STORE_FAILED, "ordered to be away", error))
    return STORE_UNKNOWN;
  self->unsettled = false;
  return memory_batch(self->memory) == number ? STORE_DONE : STORE_NOT;
}

static bool memory_probe(Store *store, GError **error)
{
  g_assert(!((MemoryStore *)store)->unsettled);
  MEMORY_LOCKED;
  Memory *memory = memory_of(store);
  return !memory_fails(&memory->fail_next, memory->fail_code, "ordered to fail", error);
}

/* ---- orders ---- */

void store_memory_fail(Store *store, int n, int code)
{
  MEMORY_LOCKED;
  memory_of(store)->fail_next = n;
  memory_of(store)->fail_code = code;
}

void store_memory_hold(Store *store, int n)
{
  MEMORY_LOCKED;
  memory_of(store)->hold_next = n;
}

void store_memory_lose(Store *store, bool happened, int unsure)
{
  MEMORY_LOCKED;
  Memory *memory = memory_of(store);
  memory->lose_next = true;
  memory->lost_happens = happened;
  memory->unsure = unsure;
}

void store_memory_settle(Store *store)
{
  MEMORY_LOCKED;
  memory_of(store)->unsure = 0;
}

const StoreDriver store_memory = {
    .scheme = "memory",
    .form = "memory:NAME",
    .open = memory_open,
    .close = memory_close,
    .load = memory_load,
    .commit = memory_commit,
    .settle = memory_settle,
    .probe = memory_probe,
};
