/* One contract over every store: what was committed is there after reopening, what failed never
 * happened. */
#include "base/error.h"
#include "base/fs.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Seen {
  GString *text;
  int rows;
} Seen;

static bool see_row(TableId table, const Value *values, void *data, GError **error)
{
  (void)error;
  Seen *seen = data;
  if (table == TABLE_META && g_str_equal(values[META_KEY].text, "store"))
    return true; /* the store's own id */
  seen->rows++;
  g_string_append_printf(seen->text, "%s:%s=%s;", table_specs[table].name, values[0].text,
                         values[1].text ? values[1].text : "");
  return true;
}

static char *contents(const StoreDriver *driver, Store *store)
{
  Seen seen = {.text = g_string_new(NULL)};
  g_autoptr(GError) error = NULL;
  g_assert_true(driver->load(store, see_row, &seen, &error));
  g_assert_no_error(error);
  return g_string_free(seen.text, FALSE);
}

static GPtrArray *batch(void)
{
  return g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
}

static void put(GPtrArray *records, const char *key, const char *value)
{
  Record *record = record_new(TABLE_META);
  record_text(record, META_KEY, key);
  if (value)
    record_text(record, META_VALUE, value);
  record->deleted = value == NULL;
  g_ptr_array_add(records, record);
}

static char *directory(void)
{
  char *path = g_dir_make_tmp("reeve-store-XXXXXX", NULL);
  g_assert_nonnull(path);
  return path;
}

static void test_commit_and_delete(gconstpointer data)
{
  const StoreDriver *driver = data;
  g_autofree char *where = directory();
  g_autoptr(GError) error = NULL;
  Store *store = driver->open(where, &error);
  g_assert_no_error(error);
  g_autoptr(GPtrArray) first = batch(), second = batch();
  put(first, "a", "1");
  put(first, "b", "2");
  put(second, "a", "3");
  put(second, "b", NULL);
  g_assert_true(driver->commit(store, first, &error));
  g_autofree char *before = contents(driver, store);
  g_assert_cmpstr(before, ==, "meta:a=1;meta:b=2;");
  g_assert_true(driver->commit(store, second, &error));
  g_assert_true(driver->probe(store, &error));
  g_autofree char *after = contents(driver, store);
  g_assert_cmpstr(after, ==, "meta:a=3;");
  driver->close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void test_reopen(void)
{
  g_autofree char *where = directory();
  g_autoptr(GError) error = NULL;
  Store *store = store_sqlite.open(where, &error);
  g_autoptr(GPtrArray) records = batch();
  put(records, "kept", "yes");
  g_assert_true(store_sqlite.commit(store, records, &error));
  store_sqlite.close(store);
  store = store_sqlite.open(where, &error);
  g_assert_no_error(error);
  g_autofree char *text = contents(&store_sqlite, store);
  g_assert_cmpstr(text, ==, "meta:kept=yes;");
  store_sqlite.close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void test_second_holder_is_named(void)
{
  g_autofree char *where = directory();
  g_autoptr(GError) error = NULL, refused = NULL;
  Store *store = store_sqlite.open(where, &error);
  g_assert_null(store_sqlite.open(where, &refused));
  g_assert_error(refused, REEVE_ERROR, REEVE_ERROR_CONFLICT);
  g_autofree char *pid = g_strdup_printf("pid %d", (int)getpid());
  g_assert_nonnull(strstr(refused->message, pid));
  store_sqlite.close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void test_not_a_store(void)
{
  g_autofree char *where = directory();
  g_autofree char *path = g_build_filename(where, "reeve.db", NULL);
  g_assert_true(g_file_set_contents(
      path,
      "this is no database, and it is long enough to be looked at as one ............................",
      -1, NULL));
  g_autoptr(GError) error = NULL;
  g_assert_null(store_sqlite.open(where, &error));
  g_assert_nonnull(strstr(error->message, "reeve.db"));
  g_assert_true(fs_remove_tree(where, NULL));
}

static void test_killed_writer(void)
{
  g_autofree char *where = directory();
  g_autoptr(GError) error = NULL;
  pid_t pid = fork();
  if (pid == 0) {
    Store *store = store_sqlite.open(where, NULL);
    GPtrArray *records = batch();
    put(records, "survives", "yes");
    /* no close: as kill -9 would */
    _exit(store && store_sqlite.commit(store, records, NULL) ? 0 : 1);
  }
  int status;
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmpint(status, ==, 0);
  Store *store = store_sqlite.open(where, &error);
  g_assert_no_error(error);
  g_autofree char *text = contents(&store_sqlite, store);
  g_assert_cmpstr(text, ==, "meta:survives=yes;");
  store_sqlite.close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void test_ordered_failure(void)
{
  g_autoptr(GError) error = NULL;
  Store *store = store_memory.open("", NULL);
  g_autoptr(GPtrArray) records = batch();
  put(records, "a", "1");
  store_memory_fail(store, 1, REEVE_ERROR_STORE_FULL);
  g_assert_false(store_memory.commit(store, records, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FULL);
  g_autofree char *text = contents(&store_memory, store);
  g_assert_cmpstr(text, ==, "");
  store_memory.close(store);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_data_func("/store/sqlite/commit", &store_sqlite, test_commit_and_delete);
  g_test_add_data_func("/store/memory/commit", &store_memory, test_commit_and_delete);
  g_test_add_func("/store/sqlite/reopen", test_reopen);
  g_test_add_func("/store/sqlite/held", test_second_holder_is_named);
  g_test_add_func("/store/sqlite/foreign-file", test_not_a_store);
  g_test_add_func("/store/sqlite/killed", test_killed_writer);
  g_test_add_func("/store/memory/failure", test_ordered_failure);
  return g_test_run();
}
