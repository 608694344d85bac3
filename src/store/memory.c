/* A store in memory with failures to order: for tests. Keeps the rows of each table by key.
 *
 * What a name holds outlives the connections to it, as a file or a server would; so there is one
 * table of names in the process, and one lock over it and all that it holds. */
#include "base/error.h"
#include "base/fs.h"
#include "store/store.h"

#include <jansson.h>
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

/* The number under @key, or @fallback when there is none yet. */
static int64_t memory_meta(const Memory *memory, const char *key, int64_t fallback)
{
  const Record *row = g_hash_table_lookup(memory->rows[TABLE_META], key);
  return row ? g_ascii_strtoll(row->values[META_VALUE].text, NULL, 10) : fallback;
}

static int64_t memory_batch(const Memory *memory)
{
  return memory_meta(memory, "batch", 0);
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
      memory_put(memory, record_copy(record));
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

/* ---- beside ---- */

typedef struct MemorySide {
  StoreSide base;
  char *name;
} MemorySide;

static StoreSide *memory_side_open(const char *where)
{
  MemorySide *side = g_new0(MemorySide, 1);
  side->name = g_strdup(where);
  return &side->base;
}

static void memory_side_close(StoreSide *side)
{
  if (!side)
    return;
  g_free(((MemorySide *)side)->name);
  g_free(side);
}

static bool memory_wanted(const Value *values, const AuditQuery *query)
{
  return (!query->actor || g_strcmp0(values[AUD_ACTOR].text, query->actor) == 0) &&
         (!query->action || g_strcmp0(values[AUD_ACTION].text, query->action) == 0) &&
         (!query->object || g_strcmp0(values[AUD_OBJECT].text, query->object) == 0) &&
         (!query->before || g_strcmp0(values[AUD_ID].text, query->before) < 0) &&
         values[AUD_AT].number >= query->since_ms;
}

static bool memory_audit(StoreSide *side, const AuditQuery *query, StoreRowFn row, void *data,
                         GError **error)
{
  MEMORY_LOCKED;
  const Memory *memory = memory_find(((MemorySide *)side)->name);
  int left = query->limit;
  guint n;
  g_autofree gpointer *keys = g_hash_table_get_keys_as_array(memory->rows[TABLE_AUDIT], &n);
  qsort(keys, n, sizeof *keys, memory_compare);
  while (n-- > 0 && left > 0) { /* the newest first */
    const Record *record = g_hash_table_lookup(memory->rows[TABLE_AUDIT], keys[n]);
    if (!memory_wanted(record->values, query))
      continue;
    left--;
    if (!row(TABLE_AUDIT, record->values, data, error))
      return false;
  }
  return true;
}

static void memory_maintain(StoreSide *side)
{
  (void)side; /* there is no log to fold */
}

/* ---- backups: a JSON list of [table, column, ...] ---- */

static bool memory_dump_row(TableId table, const Value *values, void *data, GError **error)
{
  (void)error;
  json_t *row = json_array();
  json_array_append_new(row, json_integer(table));
  for (int i = 0; i < table_specs[table].n_columns; i++)
    json_array_append_new(row, table_specs[table].columns[i].type == COLUMN_INT
                                   ? json_integer(values[i].number)
                               : values[i].text ? json_string(values[i].text)
                                                : json_null());
  return json_array_append_new(data, row) == 0;
}

static bool memory_dump(const Memory *memory, const char *file, GError **error)
{
  json_t *rows = json_array();
  for (int table = 0; table < TABLE_N; table++)
    memory_each(memory, (TableId)table, memory_dump_row, rows, NULL);
  g_autofree char *text = json_dumps(rows, 0);
  json_decref(rows);
  return fs_write(file, text, strlen(text), 0600, true, error);
}

static bool memory_backup(StoreSide *side, const char *file, StoreFacts *facts, GError **error)
{
  MEMORY_LOCKED;
  const Memory *memory = memory_find(((MemorySide *)side)->name);
  *facts = (StoreFacts){.schema = STORE_SCHEMA_VERSION,
                        .term = memory_meta(memory, "term", 1),
                        .next_id = memory_meta(memory, "next_id", 1),
                        .deployments = g_hash_table_size(memory->rows[TABLE_DEPLOYMENTS]),
                        .secrets = g_hash_table_size(memory->rows[TABLE_SECRETS])};
  return memory_dump(memory, file, error);
}

static bool memory_is_row(const json_t *row)
{
  json_int_t table = json_integer_value(json_array_get(row, 0));
  return json_is_integer(json_array_get(row, 0)) && table >= 0 && table < TABLE_N &&
         json_array_size(row) == (size_t)table_specs[table].n_columns + 1 &&
         json_is_string(json_array_get(row, 1));
}

static void memory_put_row(Memory *memory, const json_t *row)
{
  TableId table = (TableId)json_integer_value(json_array_get(row, 0));
  Record *record = record_new(table);
  for (int i = 0; i < table_specs[table].n_columns; i++) {
    const json_t *value = json_array_get(row, (size_t)i + 1);
    if (table_specs[table].columns[i].type == COLUMN_INT)
      record_int(record, i, json_integer_value(value));
    else
      record_text(record, i, json_string_value(value));
  }
  memory_put(memory, record);
}

/* The rows of @file; NULL with INVALID when it is damaged. */
static json_t *memory_read(const char *file, GError **error)
{
  json_t *rows = json_load_file(file, 0, NULL);
  bool ok = json_is_array(rows);
  for (size_t i = 0; ok && i < json_array_size(rows); i++)
    ok = memory_is_row(json_array_get(rows, i));
  if (ok)
    return rows;
  json_decref(rows);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "'%s' is no store of Reeve, or damaged",
              file);
  return NULL;
}

static bool memory_keep(const Memory *memory, const StoreRestore *restore, GError **error)
{
  g_autofree char *former = NULL;
  if (!restore->keep(g_hash_table_size(memory->rows[TABLE_META]) > 0, &former, restore->data,
                     error))
    return false;
  g_autofree char *file = former ? g_build_filename(former, "memory", NULL) : NULL;
  return !file || memory_dump(memory, file, error);
}

static void memory_swap(Memory *memory, const json_t *rows, int64_t *term)
{
  int64_t next_id = memory_meta(memory, "next_id", 1);
  *term = memory_meta(memory, "term", 1);
  memory_empty(memory);
  for (size_t i = 0; i < json_array_size(rows); i++)
    memory_put_row(memory, json_array_get(rows, i));
  *term = MAX(*term, memory_meta(memory, "term", 1)) + 1;
  memory_put_meta(memory, "term", *term);
  memory_put_meta(memory, "next_id",
                  MAX(next_id, memory_meta(memory, "next_id", 1)) + STORE_ID_GAP);
}

static bool memory_restore(const char *where, const StoreRestore *restore, int64_t *term,
                           GError **error)
{
  MEMORY_LOCKED;
  Memory *memory = memory_find(where);
  if (memory->held) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT, "a server uses 'memory:%s'", where);
    return false;
  }
  g_autofree char *directory = g_dir_make_tmp("reeve-memory-XXXXXX", error);
  if (!directory)
    return false;
  g_autofree char *file = g_build_filename(directory, "fresh", NULL);
  json_t *rows = restore->unpack(file, restore->data, error) ? memory_read(file, error) : NULL;
  bool ok = rows && memory_keep(memory, restore, error) && restore->place("", restore->data, error);
  if (ok)
    memory_swap(memory, rows, term);
  json_decref(rows);
  fs_remove_tree(directory, NULL);
  return ok;
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
    .side_open = memory_side_open,
    .side_close = memory_side_close,
    .audit = memory_audit,
    .maintain = memory_maintain,
    .backup = memory_backup,
    .restore = memory_restore,
};
