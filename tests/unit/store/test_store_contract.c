/* One contract over every store: what was committed is there after reopening, what failed never
 * happened, and what is unknown is settled one way or the other. */
#include "base/error.h"
#include "base/fs.h"
#include "disk.h"
#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A row of the contract: how its store is reached, and how trouble is made for it. */
typedef struct Row {
  const char *name;
  /* Something of its own to open: caller frees. */
  char *(*uri)(void);
  void (*refuse)(Store *store); /* the next commit is STORE_NOT */
  /* The next commit is STORE_UNKNOWN, and so is the first answer of settle. */
  void (*lose)(Store *store);
  void (*lost)(Store *store, const char *uri, bool happened); /* settle can tell now */
  void *(*hold)(Store *store, const char *uri);               /* the next commit is STORE_BUSY */
  void (*release)(void *held);
  void (*remove)(const char *uri);
} Row;

/* ---- sqlite ---- */

static char *sqlite_uri(void)
{
  g_autofree char *path = g_dir_make_tmp("reeve-store-XXXXXX", NULL);
  g_assert_nonnull(path);
  return g_strconcat("sqlite:", path, NULL);
}

static const char *sqlite_directory(const char *uri)
{
  return uri + strlen("sqlite:");
}

static void sqlite_refuse(Store *store)
{
  (void)store;
  disk_syncs_to_fail = 1;
}

static void sqlite_lose(Store *store)
{
  (void)store;
  disk_syncs_to_fail = disk_cuts_to_fail = 1000;
}

static sqlite3 *sqlite_stranger(const char *uri, const char *sql)
{
  g_autofree char *path = g_build_filename(sqlite_directory(uri), "reeve.db", NULL);
  sqlite3 *db = NULL;
  g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  return db;
}

/* That it got there although it was refused is played by somebody else, who writes it. */
static void sqlite_lost(Store *store, const char *uri, bool happened)
{
  disk_syncs_to_fail = disk_cuts_to_fail = 0;
  if (!happened)
    return;
  g_autofree char *sql = g_strdup_printf(
      "REPLACE INTO meta VALUES ('batch', '%d'), ('lost', 'yes');", (int)store->last_batch);
  sqlite3_close(sqlite_stranger(uri, sql));
}

static void *sqlite_hold(Store *store, const char *uri)
{
  (void)store;
  return sqlite_stranger(uri, "BEGIN IMMEDIATE");
}

static void sqlite_release(void *held)
{
  sqlite3_close(held);
}

static void sqlite_remove(const char *uri)
{
  g_assert_true(fs_remove_tree(sqlite_directory(uri), NULL));
}

/* ---- memory ---- */

static char *memory_uri(void)
{
  static int number;
  return g_strdup_printf("memory:contract-%d", ++number);
}

static void memory_refuse(Store *store)
{
  store_memory_fail(store, 1, REEVE_ERROR_STORE_FAILED);
}

static bool memory_happened;

static void memory_lose(Store *store)
{
  store_memory_lose(store, memory_happened, 1);
}

static void memory_lost(Store *store, const char *uri, bool happened)
{
  (void)store;
  (void)uri;
  g_assert_true(happened == memory_happened);
}

static void *memory_hold(Store *store, const char *uri)
{
  (void)uri;
  store_memory_hold(store, 1);
  return store;
}

static void memory_nothing(void *held)
{
  (void)held;
}

static void memory_remove(const char *uri)
{
  (void)uri;
}

static const Row rows[] = {
    {"sqlite", sqlite_uri, sqlite_refuse, sqlite_lose, sqlite_lost, sqlite_hold, sqlite_release,
     sqlite_remove},
    {"memory", memory_uri, memory_refuse, memory_lose, memory_lost, memory_hold, memory_nothing,
     memory_remove},
};

/* ---- what the tests are made of ---- */

static bool see_row(TableId table, const Value *values, void *data, GError **error)
{
  (void)error;
  if (table == TABLE_META &&
      (g_str_equal(values[META_KEY].text, "store") || g_str_equal(values[META_KEY].text, "batch")))
    return true; /* the store's own */
  g_string_append_printf(data, "%s:%s=%s;", table_specs[table].name, values[0].text,
                         values[1].text ? values[1].text : "");
  return true;
}

static void assert_holds(Store *store, const char *wanted)
{
  g_autoptr(GString) text = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(store->driver->load(store, see_row, text, &error));
  g_assert_no_error(error);
  g_assert_cmpstr(text->str, ==, wanted);
}

static Store *opened(const char *uri)
{
  g_autoptr(GError) error = NULL;
  Store *store = store_open(uri, &error);
  g_assert_no_error(error);
  return store;
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

static StoreOutcome commit(Store *store, const GPtrArray *records)
{
  g_autoptr(GError) error = NULL;
  StoreOutcome outcome = store->driver->commit(store, records, ++store->last_batch, &error);
  g_assert_cmpint(error != NULL, ==, outcome != STORE_DONE);
  if (outcome == STORE_NOT || outcome == STORE_UNKNOWN)
    g_assert_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
  if (outcome == STORE_BUSY)
    g_assert_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE);
  return outcome;
}

static StoreOutcome commit_one(Store *store, const char *key, const char *value)
{
  g_autoptr(GPtrArray) records = batch();
  put(records, key, value);
  return commit(store, records);
}

static void assert_probe(Store *store)
{
  g_autoptr(GError) error = NULL;
  store->driver->probe(store, &error);
  g_assert_no_error(error);
}

/* ---- the contract ---- */

static void test_commit_and_delete(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  Store *store = opened(uri);
  g_assert_cmpint(store->last_batch, ==, 0);
  g_autoptr(GPtrArray) first = batch(), second = batch();
  put(first, "a", "1");
  put(first, "b", "2");
  put(second, "a", "3");
  put(second, "b", NULL);
  g_assert_cmpint(commit(store, first), ==, STORE_DONE);
  assert_holds(store, "meta:a=1;meta:b=2;");
  g_assert_cmpint(commit(store, second), ==, STORE_DONE);
  assert_probe(store);
  assert_holds(store, "meta:a=3;");
  store_close(store);
  row->remove(uri);
}

/* Tables come in their order, parents first, whatever was written first; history does not come. */
static void test_load_order(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  Store *store = opened(uri);
  g_autoptr(GPtrArray) records = batch();
  for (int table = TABLE_N - 1; table >= 0; table--) {
    Record *record = record_new((TableId)table);
    record_text(record, 0, "key");
    g_ptr_array_add(records, record);
  }
  g_assert_cmpint(commit(store, records), ==, STORE_DONE);
  g_autoptr(GString) wanted = g_string_new(NULL);
  for (int table = 0; table < TABLE_N; table++)
    if (!table_specs[table].history)
      g_string_append_printf(wanted, "%s:key=;", table_specs[table].name);
  assert_holds(store, wanted->str);
  store_close(store);
  row->remove(uri);
}

/* What a row is refused by is the answer of the load. */
static bool refuse_row(TableId table, const Value *values, void *data, GError **error)
{
  (void)table;
  (void)values;
  ++*(int *)data;
  g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_INVALID, "enough");
  return false;
}

static void test_load_stops(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  g_autoptr(GError) error = NULL;
  Store *store = opened(uri);
  commit_one(store, "a", "1");
  int seen = 0;
  g_assert_false(store->driver->load(store, refuse_row, &seen, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_INVALID);
  g_assert_cmpint(seen, ==, 1);
  store_close(store);
  row->remove(uri);
}

static void test_reopen(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  Store *store = opened(uri);
  commit_one(store, "kept", "yes");
  commit_one(store, "too", "yes");
  store_close(store);
  store = opened(uri);
  g_assert_cmpint(store->last_batch, ==, 2);
  assert_holds(store, "meta:kept=yes;meta:too=yes;");
  g_assert_cmpint(commit_one(store, "kept", NULL), ==, STORE_DONE);
  store_close(store);
  store = opened(uri);
  g_assert_cmpint(store->last_batch, ==, 3);
  store_close(store);
  row->remove(uri);
}

static void test_not(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  Store *store = opened(uri);
  commit_one(store, "a", "1");
  row->refuse(store);
  g_assert_cmpint(commit_one(store, "a", "2"), ==, STORE_NOT);
  assert_holds(store, "meta:a=1;");
  g_assert_cmpint(commit_one(store, "b", "1"), ==, STORE_DONE);
  store_close(store);
  store = opened(uri);
  g_assert_cmpint(store->last_batch, ==, 3);
  assert_holds(store, "meta:a=1;meta:b=1;");
  store_close(store);
  row->remove(uri);
}

static void unknown(const Row *row, bool happened)
{
  g_autofree char *uri = row->uri();
  g_autoptr(GError) error = NULL;
  Store *store = opened(uri);
  commit_one(store, "a", "1");
  memory_happened = happened;
  row->lose(store);
  g_assert_cmpint(commit_one(store, "lost", "yes"), ==, STORE_UNKNOWN);
  const StoreDriver *driver = store->driver;
  g_assert_cmpint(driver->settle(store, store->last_batch, &error), ==, STORE_UNKNOWN);
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
  g_clear_error(&error);
  row->lost(store, uri, happened);
  g_assert_cmpint(driver->settle(store, store->last_batch, &error), ==,
                  happened ? STORE_DONE : STORE_NOT);
  g_assert_no_error(error);
  assert_holds(store, happened ? "meta:a=1;meta:lost=yes;" : "meta:a=1;");
  g_assert_cmpint(commit_one(store, "a", NULL), ==, STORE_DONE);
  store_close(store);
  store = opened(uri);
  assert_holds(store, happened ? "meta:lost=yes;" : "");
  store_close(store);
  row->remove(uri);
}

static void test_unknown_and_happened(gconstpointer data)
{
  unknown(data, true);
}

static void test_unknown_and_never(gconstpointer data)
{
  unknown(data, false);
}

/* Held by another program: neither full nor failed; the same batch goes through later. */
static void test_busy(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  g_autoptr(GPtrArray) records = batch();
  Store *store = opened(uri);
  put(records, "a", "1");
  void *held = row->hold(store, uri);
  g_assert_cmpint(commit(store, records), ==, STORE_BUSY);
  assert_holds(store, "");
  row->release(held);
  g_assert_cmpint(store->driver->commit(store, records, store->last_batch, NULL), ==, STORE_DONE);
  assert_holds(store, "meta:a=1;");
  store_close(store);
  row->remove(uri);
}

static void test_second_owner(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  g_autoptr(GError) refused = NULL;
  Store *store = opened(uri);
  g_assert_null(store_open(uri, &refused));
  g_assert_error(refused, REEVE_ERROR, REEVE_ERROR_CONFLICT);
  g_autofree char *pid = g_strdup_printf("pid %d", (int)getpid());
  g_assert_nonnull(strstr(refused->message, pid));
  store_close(store);
  store_close(opened(uri));
  row->remove(uri);
}

/* ---- beside the owner ---- */

static StoreSide *beside(const char *uri)
{
  g_autoptr(GError) error = NULL;
  StoreSide *side = store_beside(uri, &error);
  g_assert_no_error(error);
  return side;
}

static bool see_entry(TableId table, const Value *values, void *data, GError **error)
{
  (void)error;
  g_assert_cmpint(table, ==, TABLE_AUDIT);
  g_assert_cmpint(values[AUD_AT].number, >, 0);
  g_assert_cmpstr(values[AUD_ACTION].text, ==, "deploy");
  g_assert_null(values[AUD_DETAIL].text);
  g_string_append_printf(data, "%s ", values[AUD_ID].text);
  return true;
}

static void assert_audit(StoreSide *side, const AuditQuery *query, const char *wanted)
{
  g_autoptr(GString) text = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(side->driver->audit(side, query, see_entry, text, &error));
  g_assert_no_error(error);
  g_assert_cmpstr(text->str, ==, wanted);
}

/* Entries a1.. by "one" and "two" in turn, of object "even" or "odd", one each second. */
static void write_audit(Store *store, int from, int to)
{
  g_autoptr(GPtrArray) records = batch();
  for (int i = from; i <= to; i++) {
    g_autofree char *id = g_strdup_printf("a%d", i);
    Record *record = record_new(TABLE_AUDIT);
    record_text(record, AUD_ID, id);
    record_int(record, AUD_AT, i * 1000);
    record_text(record, AUD_ACTOR, i % 2 ? "one" : "two");
    record_text(record, AUD_ACTION, "deploy");
    record_text(record, AUD_OBJECT, i % 2 ? "odd" : "even");
    g_ptr_array_add(records, record);
  }
  g_assert_cmpint(commit(store, records), ==, STORE_DONE);
}

static void test_audit(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  Store *store = opened(uri);
  StoreSide *side = beside(uri);
  assert_audit(side, &(AuditQuery){.limit = 10}, "");
  write_audit(store, 1, 5);
  assert_audit(side, &(AuditQuery){.limit = 10}, "a5 a4 a3 a2 a1 ");
  write_audit(store, 6, 7);
  assert_audit(side, &(AuditQuery){.limit = 3}, "a7 a6 a5 ");
  assert_audit(side, &(AuditQuery){.limit = 3, .before = "a5"}, "a4 a3 a2 ");
  assert_audit(side, &(AuditQuery){.limit = 3, .before = "a2"}, "a1 ");
  assert_audit(side, &(AuditQuery){.limit = 2, .actor = "one"}, "a7 a5 ");
  assert_audit(side, &(AuditQuery){.limit = 9, .object = "even", .since_ms = 4000}, "a6 a4 ");
  assert_audit(side, &(AuditQuery){.limit = 9, .action = "down"}, "");
  assert_audit(side, &(AuditQuery){.limit = 9, .object = "' OR 1=1 --"}, "");
  store_side_close(side);
  store_close(store);
  row->remove(uri);
}

/* What a row is refused by is the answer of the question. */
static void test_audit_stops(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri();
  g_autoptr(GError) error = NULL;
  Store *store = opened(uri);
  StoreSide *side = beside(uri);
  write_audit(store, 1, 5);
  int seen = 0;
  g_assert_false(side->driver->audit(side, &(AuditQuery){.limit = 9}, refuse_row, &seen, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_INVALID);
  g_assert_cmpint(seen, ==, 1);
  store_side_close(side);
  store_close(store);
  row->remove(uri);
}

/* House-keeping at any time changes nothing that anybody sees. */
static void test_maintain(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri(), *big = g_strnfill(1 << 20, 'x');
  StoreSide *side = beside(uri);
  side->driver->maintain(side); /* before there is a store */
  Store *store = opened(uri);
  for (int i = 0; i < 20; i++) {
    g_assert_cmpint(commit_one(store, "big", i % 2 ? big : "small"), ==, STORE_DONE);
    side->driver->maintain(side);
  }
  commit_one(store, "big", "over");
  assert_holds(store, "meta:big=over;");
  store_side_close(side);
  store_close(store);
  store = opened(uri);
  assert_holds(store, "meta:big=over;");
  store_close(store);
  row->remove(uri);
}

/* ---- backups ---- */

/* What a restore is given, and what it said. */
typedef struct Back {
  const char *file, *former; /* a backup; where the former store goes */
  bool refuse, damage;
  GString *told;
} Back;

static bool back_unpack(const char *file, void *data, GError **error)
{
  const Back *back = data;
  g_autofree char *text = NULL;
  gsize length;
  g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
  g_assert_true(g_file_get_contents(back->file, &text, &length, NULL));
  g_string_append(back->told, "unpack ");
  return fs_write(file, text, back->damage ? length / 2 : length, 0600, true, error);
}

static bool back_keep(bool any, char **former, void *data, GError **error)
{
  const Back *back = data;
  (void)error;
  g_string_append(back->told, any ? "keep " : "nothing ");
  *former = any ? g_strdup(back->former) : NULL;
  return true;
}

static bool back_place(const char *id, void *data, GError **error)
{
  const Back *back = data;
  (void)id;
  g_string_append(back->told, "place ");
  if (back->refuse)
    g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "refused");
  return !back->refuse;
}

static bool back(const char *uri, Back *back, int64_t *term, GError **error)
{
  StoreRestore steps = {
      .unpack = back_unpack, .keep = back_keep, .place = back_place, .data = back};
  g_string_truncate(back->told, 0);
  return store_restore(uri, &steps, term, error);
}

typedef struct Wanted {
  const char *key;
  int64_t number;
} Wanted;

static bool see_number(TableId table, const Value *values, void *data, GError **error)
{
  Wanted *wanted = data;
  (void)error;
  if (table == TABLE_META && g_str_equal(values[META_KEY].text, wanted->key))
    wanted->number = g_ascii_strtoll(values[META_VALUE].text, NULL, 10);
  return true;
}

static int64_t meta_number(Store *store, const char *key)
{
  Wanted wanted = {key, -1};
  g_assert_true(store->driver->load(store, see_number, &wanted, NULL));
  return wanted.number;
}

static void test_backup(gconstpointer data)
{
  const Row *row = data;
  g_autofree char *uri = row->uri(), *fresh = row->uri();
  g_autofree char *directory = g_dir_make_tmp("reeve-backup-XXXXXX", NULL);
  g_autofree char *file = g_build_filename(directory, "backup", NULL);
  g_autoptr(GError) error = NULL;
  StoreSide *side = beside(uri);
  StoreFacts facts = {0};
  Store *store = opened(uri);
  commit_one(store, "term", "3");
  commit_one(store, "next_id", "70");
  commit_one(store, "a", "1");
  write_audit(store, 1, 3);
  g_assert_true(side->driver->backup(side, file, &facts, &error)); /* while an owner has it */
  g_assert_no_error(error);
  g_assert_true(facts.schema == STORE_SCHEMA_VERSION && facts.term == 3 && facts.next_id == 70);
  commit_one(store, "a", "2");
  commit_one(store, "next_id", "90");
  int64_t term = 0;
  g_autofree char *former = g_build_filename(directory, "former", NULL);
  g_assert_true(fs_mkdirs(former, 0700, NULL));
  Back given = {.file = file, .former = former, .told = g_string_new(NULL)};
  g_assert_false(back(uri, &given, &term, &error)); /* it is held */
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT);
  g_assert_cmpstr(given.told->str, ==, "");
  g_clear_error(&error);
  store_close(store);
  given.damage = true;
  g_assert_false(back(uri, &given, &term, &error));
  g_assert_nonnull(error);
  g_clear_error(&error);
  given.damage = false;
  given.refuse = true;
  g_assert_false(back(uri, &given, &term, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL);
  g_clear_error(&error);
  store = opened(uri);
  g_assert_cmpint(meta_number(store, "a"), ==, 2); /* nothing was changed */
  g_assert_cmpint(meta_number(store, "term"), ==, 3);
  store_close(store);
  given.refuse = false;
  g_assert_true(fs_remove_tree(former, NULL) && fs_mkdirs(former, 0700, NULL));
  g_assert_true(back(uri, &given, &term, &error));
  g_assert_no_error(error);
  g_assert_cmpstr(given.told->str, ==, "unpack keep place ");
  g_assert_cmpint(term, ==, 4);
  store = opened(uri);
  g_assert_cmpint(meta_number(store, "a"), ==, 1);
  g_assert_cmpint(meta_number(store, "term"), ==, 4);
  g_assert_cmpint(meta_number(store, "next_id"), ==, 90 + STORE_ID_GAP);
  assert_audit(side, &(AuditQuery){.limit = 9}, "a3 a2 a1 ");
  g_assert_cmpint(commit_one(store, "a", "5"), ==, STORE_DONE);
  store_close(store);
  g_assert_true(back(fresh, &given, &term, &error)); /* to where there was none */
  g_assert_cmpstr(given.told->str, ==, "unpack nothing place ");
  store = opened(fresh);
  g_assert_cmpint(meta_number(store, "a"), ==, 1);
  store_close(store);
  store_side_close(side);
  g_string_free(given.told, TRUE);
  g_assert_true(fs_remove_tree(directory, NULL));
  row->remove(uri);
  row->remove(fresh);
}

static void in_child(const char *uri)
{
  Store *store = store_open(uri, NULL);
  /* no close: as kill -9 would */
  _exit(store && commit_one(store, "survives", "yes") == STORE_DONE ? 0 : 1);
}

/* ---- of one row alone ---- */

static void test_killed_writer(void)
{
  g_autofree char *uri = sqlite_uri();
  pid_t pid = fork();
  if (pid == 0)
    in_child(uri);
  int status;
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmpint(status, ==, 0);
  Store *store = opened(uri);
  g_assert_cmpint(store->last_batch, ==, 1);
  assert_holds(store, "meta:survives=yes;");
  store_close(store);
  sqlite_remove(uri);
}

static void test_not_a_store(void)
{
  g_autofree char *uri = sqlite_uri();
  g_autofree char *path = g_build_filename(sqlite_directory(uri), "reeve.db", NULL);
  g_assert_true(g_file_set_contents(
      path,
      "this is no database, and it is long enough to be looked at as one ............................",
      -1, NULL));
  g_autoptr(GError) error = NULL;
  g_assert_null(store_open(uri, &error));
  g_assert_nonnull(strstr(error->message, "reeve.db"));
  sqlite_remove(uri);
}

/* Nobody wrote numbers before there were any, nor does an older release that the store goes back
 * to. */
static void test_without_a_number(void)
{
  g_autofree char *uri = sqlite_uri();
  Store *store = opened(uri);
  commit_one(store, "a", "1");
  store_close(store);
  sqlite3_close(sqlite_stranger(uri, "DELETE FROM meta WHERE key = 'batch'"));
  store = opened(uri);
  g_assert_cmpint(store->last_batch, ==, 0);
  assert_holds(store, "meta:a=1;");
  g_assert_cmpint(commit_one(store, "b", "1"), ==, STORE_DONE);
  store_close(store);
  sqlite_remove(uri);
}

/* ---- URIs ---- */

static void test_a_directory_is_sqlite(void)
{
  g_autofree char *uri = sqlite_uri();
  Store *store = opened(sqlite_directory(uri));
  g_assert_true(store->driver == &store_sqlite);
  commit_one(store, "a", "1");
  store_close(store);
  store = opened(uri);
  assert_holds(store, "meta:a=1;");
  store_close(store);
  sqlite_remove(uri);
}

static void test_memory_begins_empty(void)
{
  Store *store = opened("memory:");
  commit_one(store, "a", "1");
  store_close(store);
  store = opened("memory:");
  g_assert_cmpint(store->last_batch, ==, 0);
  assert_holds(store, "");
  store_close(store);
}

static void test_unknown_scheme(void)
{
  static const char *const bad[] = {"postgresql://reeve:hunter2@db/reeve", "sqlit:/tmp",
                                    "sqlite3:x", "memo:"};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(store_open(bad[i], &error));
    g_assert_error(error, REEVE_ERROR, REEVE_ERROR_USAGE);
    g_assert_true(strstr(error->message, "sqlite:DIRECTORY") &&
                  strstr(error->message, "memory:NAME"));
    g_assert_null(strstr(error->message, "hunter2"));
  }
  g_autoptr(GError) error = NULL, besides = NULL, restored = NULL;
  g_assert_null(store_beside("postgresql:x", &besides));
  g_assert_error(besides, REEVE_ERROR, REEVE_ERROR_USAGE);
  g_assert_false(store_restore("postgresql:x", NULL, NULL, &restored));
  g_assert_error(restored, REEVE_ERROR, REEVE_ERROR_USAGE);
  g_assert_null(store_open("sqlite:", &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_USAGE);
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    GTestDataFunc test;
  } tests[] = {
      {"commit", test_commit_and_delete},
      {"load-order", test_load_order},
      {"load-stops", test_load_stops},
      {"reopen", test_reopen},
      {"not", test_not},
      {"unknown-and-happened", test_unknown_and_happened},
      {"unknown-and-never", test_unknown_and_never},
      {"busy", test_busy},
      {"second-owner", test_second_owner},
      {"audit", test_audit},
      {"audit-stops", test_audit_stops},
      {"maintain", test_maintain},
      {"backup", test_backup},
  };
  g_test_init(&argc, &argv, NULL);
  for (size_t r = 0; r < G_N_ELEMENTS(rows); r++)
    for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
      g_autofree char *path = g_strdup_printf("/store/%s/%s", rows[r].name, tests[t].name);
      g_test_add_data_func(path, &rows[r], tests[t].test);
    }
  g_test_add_func("/store/sqlite/foreign-file", test_not_a_store);
  g_test_add_func("/store/sqlite/killed", test_killed_writer);
  g_test_add_func("/store/sqlite/without-a-number", test_without_a_number);
  g_test_add_func("/store/uri/directory", test_a_directory_is_sqlite);
  g_test_add_func("/store/uri/memory", test_memory_begins_empty);
  g_test_add_func("/store/uri/unknown-scheme", test_unknown_scheme);
  return g_test_run();
}
