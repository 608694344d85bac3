/* A disk whose syncs fail or where the process is killed in one, and a database that another
 * program holds: what was refused is not there, whoever reads next. */
#include "base/error.h"
#include "base/fs.h"
#include "disk.h"
#include "store/store.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *directory(void)
{
  char *path = g_dir_make_tmp("reeve-sync-XXXXXX", NULL);
  g_assert_nonnull(path);
  return path;
}

static GPtrArray *batch(const char *key, const char *value)
{
  GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
  Record *record = record_new(TABLE_META);
  record_text(record, META_KEY, key);
  record_text(record, META_VALUE, value);
  g_ptr_array_add(records, record);
  return records;
}

static bool see_row(TableId table, const Value *values, void *data, GError **error)
{
  (void)error;
  if (table == TABLE_META && strlen(values[META_KEY].text) == 1)
    g_string_append_printf(data, "%s=%s;", values[META_KEY].text, values[META_VALUE].text);
  return true;
}

static void assert_holds(Store *store, const char *wanted)
{
  g_autoptr(GString) text = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  store->driver->load(store, see_row, text, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(text->str, ==, wanted);
}

static Store *opened(const char *where)
{
  g_autoptr(GError) error = NULL;
  Store *store = store_open(where, &error);
  g_assert_no_error(error);
  return store;
}

static StoreOutcome commit_of(Store *store, const GPtrArray *records, GError **error)
{
  return store->driver->commit(store, records, ++store->last_batch, error);
}

static void commit(Store *store, const char *key, const char *value)
{
  g_autoptr(GPtrArray) records = batch(key, value);
  g_autoptr(GError) error = NULL;
  g_assert_cmpint(commit_of(store, records, &error), ==, STORE_DONE);
  g_assert_no_error(error);
}

static void refuse(Store *store, const char *key, const char *value, int syncs)
{
  g_autoptr(GPtrArray) records = batch(key, value);
  g_autoptr(GError) error = NULL;
  disk_syncs_to_fail = syncs;
  g_assert_cmpint(commit_of(store, records, &error), ==, STORE_NOT);
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
}

/* The first commit of a log, one in its middle, one after a fold; and what follows goes on. */
static void test_refused_is_not_there(void)
{
  g_autofree char *where = directory();
  Store *store = opened(where);
  refuse(store, "a", "0", 1);
  assert_holds(store, "");
  commit(store, "a", "1");
  /* the sync of the cut fails, too, and the fold of a connection that is closed */
  refuse(store, "a", "2", 100);
  assert_holds(store, "a=1;");
  refuse(store, "a", "3", 100);
  assert_holds(store, "a=1;");
  disk_syncs_to_fail = 0;
  commit(store, "b", "1");
  g_autofree char *path = g_build_filename(where, "reeve.db", NULL);
  sqlite3 *folder = NULL;
  g_assert_cmpint(sqlite3_open(path, &folder), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_wal_checkpoint_v2(folder, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL),
                  ==, SQLITE_OK);
  /* the log was begun anew by the commit that failed; a second connection is there */
  refuse(store, "b", "2", 1);
  assert_holds(store, "a=1;b=1;");
  sqlite3_close(folder);
  commit(store, "c", "1");
  store_close(store);
  store = opened(where);
  assert_holds(store, "a=1;b=1;c=1;");
  store_close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void in_child(const char *where, void (*act)(Store *store))
{
  pid_t pid = fork();
  if (pid == 0) {
    Store *store = store_open(where, NULL);
    act(store);
    _exit(0); /* no close: as kill -9 would */
  }
  int status;
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
}

static void child_refused(Store *store)
{
  commit(store, "a", "1");
  refuse(store, "b", "1", 100);
}

static void child_probed(Store *store)
{
  commit(store, "c", "1");
  disk_syncs_to_fail = 100;
  g_assert_false(store->driver->probe(store, NULL));
}

/* Killed after the refusal: the next process reads the log afresh. */
static void test_killed_after_refusal(void)
{
  g_autofree char *where = directory();
  in_child(where, child_refused);
  Store *store = opened(where);
  assert_holds(store, "a=1;");
  store_close(store);
  in_child(where, child_probed);
  store = opened(where);
  assert_holds(store, "a=1;c=1;");
  store_close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void child_killed(Store *store)
{
  disk_sync_kills = 2; /* the first is that of the new log's head */
  commit(store, "d", "1");
}

/* Killed in the sync: nobody was answered, both are right; but the log is not built upon. */
static void test_killed_in_sync(void)
{
  g_autofree char *where = directory();
  in_child(where, child_killed);
  Store *store = opened(where);
  g_autofree char *log = g_build_filename(where, "reeve.db-wal", NULL);
  struct stat status;
  g_assert_cmpint(stat(log, &status), ==, 0);
  g_assert_cmpint(status.st_size, ==, 0);
  assert_holds(store, "d=1;");
  store_close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

/* ---- what cannot be taken back ---- */

/* The sync fails, and the log cannot be cut either. */
static void lose(Store *store, const char *key, const char *value)
{
  g_autoptr(GPtrArray) records = batch(key, value);
  g_autoptr(GError) error = NULL;
  disk_syncs_to_fail = disk_cuts_to_fail = 1000;
  g_assert_cmpint(commit_of(store, records, &error), ==, STORE_UNKNOWN);
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
}

static StoreOutcome settle(Store *store)
{
  g_autoptr(GError) error = NULL;
  StoreOutcome outcome = store->driver->settle(store, store->last_batch, &error);
  g_assert_cmpint(error != NULL, ==, outcome == STORE_BUSY || outcome == STORE_UNKNOWN);
  return outcome;
}

static sqlite3 *stranger(const char *where)
{
  g_autofree char *path = g_build_filename(where, "reeve.db", NULL);
  sqlite3 *db = NULL;
  g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), ==, SQLITE_OK);
  return db;
}

/* As long as the disk takes nothing, nor anybody lets us, it stays unknown; then it never happened.
 */
static void test_unknown_until_it_is_cut(void)
{
  g_autofree char *where = directory();
  Store *store = opened(where);
  commit(store, "a", "1");
  lose(store, "a", "2");
  g_assert_cmpint(settle(store), ==, STORE_UNKNOWN);
  sqlite3 *other = stranger(where);
  disk_syncs_to_fail = disk_cuts_to_fail = 0;
  g_assert_cmpint(settle(store), ==, STORE_BUSY);
  sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
  sqlite3_close(other);
  g_assert_cmpint(settle(store), ==, STORE_NOT);
  assert_holds(store, "a=1;");
  commit(store, "b", "1");
  store_close(store);
  store = opened(where);
  assert_holds(store, "a=1;b=1;");
  store_close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

/* The number in the store has the last word. */
static void test_unknown_and_stored(void)
{
  g_autofree char *where = directory();
  Store *store = opened(where);
  lose(store, "a", "1");
  disk_syncs_to_fail = disk_cuts_to_fail = 0;
  sqlite3 *other = stranger(where);
  g_assert_cmpint(sqlite3_exec(other, "REPLACE INTO meta VALUES ('batch', '1'), ('a', '1'); COMMIT",
                               NULL, NULL, NULL),
                  ==, SQLITE_OK);
  sqlite3_close(other);
  g_assert_cmpint(settle(store), ==, STORE_DONE);
  assert_holds(store, "a=1;");
  store_close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void child_lost(Store *store)
{
  commit(store, "a", "1");
  lose(store, "b", "1");
}

/* Killed before it could be settled: nobody was answered, and the number tells the next process
 * what it is that it found. */
static void test_killed_while_unknown(void)
{
  g_autofree char *where = directory();
  in_child(where, child_lost);
  Store *store = opened(where);
  g_assert_cmpint(store->last_batch, ==, 2);
  assert_holds(store, "a=1;b=1;");
  g_assert_cmpint(settle(store), ==, STORE_DONE);
  store_close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

/* Held by another program: neither full nor failed; the same commit goes through later. */
static void test_busy(void)
{
  g_autofree char *where = directory();
  Store *store = opened(where);
  sqlite3 *other = stranger(where);
  g_autoptr(GPtrArray) records = batch("a", "1");
  g_autoptr(GError) busy = NULL, error = NULL;
  g_assert_cmpint(commit_of(store, records, &busy), ==, STORE_BUSY);
  g_assert_error(busy, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE);
  assert_holds(store, "");
  g_assert_cmpint(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(other);
  g_assert_cmpint(store->driver->commit(store, records, store->last_batch, &error), ==, STORE_DONE);
  g_assert_no_error(error);
  assert_holds(store, "a=1;");
  store_close(store);
  g_assert_true(fs_remove_tree(where, NULL));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/store/sync/refused", test_refused_is_not_there);
  g_test_add_func("/store/sync/killed-after-refusal", test_killed_after_refusal);
  g_test_add_func("/store/sync/killed-in-sync", test_killed_in_sync);
  g_test_add_func("/store/sync/unknown-until-it-is-cut", test_unknown_until_it_is_cut);
  g_test_add_func("/store/sync/unknown-and-stored", test_unknown_and_stored);
  g_test_add_func("/store/sync/killed-while-unknown", test_killed_while_unknown);
  g_test_add_func("/store/sync/busy", test_busy);
  return g_test_run();
}
