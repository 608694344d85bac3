/* A store in memory with failures to order: for tests. Keeps the rows of each table by key. */
#include "base/error.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

struct Store {
  GHashTable *rows[TABLE_N]; /* key -> Record* */
  int fail_next, fail_code;
};

static Store *memory_open(const char *where, GError **error)
{
  (void)where;
  (void)error;
  Store *store = g_new0(Store, 1);
  for (int table = 0; table < TABLE_N; table++)
    store->rows[table] =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)record_free);
  return store;
}

static void memory_close(Store *store)
{
  for (int table = 0; store && table < TABLE_N; table++)
    g_hash_table_unref(store->rows[table]);
  g_free(store);
}

static gint memory_compare(gconstpointer a, gconstpointer b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool memory_load_table(Store *store, TableId table, StoreRowFn row, void *data,
                              GError **error)
{
  guint n;
  g_autofree gpointer *keys = g_hash_table_get_keys_as_array(store->rows[table], &n);
  qsort(keys, n, sizeof *keys, memory_compare);
  for (guint i = 0; i < n; i++) {
    const Record *record = g_hash_table_lookup(store->rows[table], keys[i]);
    if (!row(table, record->values, data, error))
      return false;
  }
  return true;
}

static bool memory_load(Store *store, StoreRowFn row, void *data, GError **error)
{
  for (int table = 0; table < TABLE_N; table++)
    if (!table_specs[table].history && !memory_load_table(store, (TableId)table, row, data, error))
      return false;
  return true;
}

static bool memory_failing(Store *store, GError **error)
{
  if (store->fail_next <= 0)
    return false;
  store->fail_next--;
  g_set_error(error, REEVE_ERROR, store->fail_code, "write 'memory': ordered to fail");
  return true;
}

static bool memory_commit(Store *store, const GPtrArray *records, GError **error)
{
  if (memory_failing(store, error))
    return false;
  for (guint i = 0; i < records->len; i++) {
    const Record *record = records->pdata[i];
    if (record->deleted) {
      g_hash_table_remove(store->rows[record->table], record->values[0].text);
      continue;
    }
    Record *copy = record_copy(record);
    g_hash_table_replace(store->rows[record->table], copy->values[0].text, copy);
  }
  return true;
}

static bool memory_probe(Store *store, GError **error)
{
  return !memory_failing(store, error);
}

void store_memory_fail(Store *store, int n, int code)
{
  store->fail_next = n;
  store->fail_code = code;
}

const StoreDriver store_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .load = memory_load,
    .commit = memory_commit,
    .probe = memory_probe,
};
