/* The store's threads: every commit is answered once, in order, on the loop; questions about the
 * past are answered beside them. Run under the thread sanitizer too. */
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "store/history.h"
#include "store/store_thread.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Run {
  Loop *loop;
  StoreThread *thread;
  GPtrArray *records;
  int answered, wanted;
  int worked; /* the thread's, then ours */
  pthread_t loop_thread;
} Run;

static void run_next(Run *run);

static void run_committed(const GError *error, void *data)
{
  Run *run = data;
  g_assert_null(error);
  g_assert_false(store_thread_busy(run->thread));
  g_ptr_array_set_size(run->records, 0);
  if (++run->answered == run->wanted)
    loop_stop(run->loop);
  else
    run_next(run);
}

/* Other work has the store and the thread for itself; what it says is the answer. */
static bool run_work(Store *store, void *data, GError **error)
{
  Run *run = data;
  g_assert_false(pthread_equal(pthread_self(), run->loop_thread));
  run->worked++;
  return store->driver->probe(store, error);
}

static void run_next(Run *run)
{
  Record *record = record_new(TABLE_META);
  g_autofree char *value = g_strdup_printf("%d", run->answered);
  record_text(record, META_KEY, "n");
  record_text(record, META_VALUE, value);
  g_ptr_array_add(run->records, record);
  if (run->answered % 10 == 9)
    store_thread_probe(run->thread, run_committed, run);
  else if (run->answered % 10 == 4)
    store_thread_work(run->thread, &(StoreWork){.run = run_work, .data = run}, run_committed, run);
  else
    store_thread_commit(run->thread, run->records, run_committed, run);
}

static void test_every_commit_is_answered(void)
{
  Run run = {.loop = loop_new(), .wanted = 500, .loop_thread = pthread_self()};
  run.records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
  run.thread = store_thread_new(run.loop, store_open("memory:", NULL));
  run_next(&run);
  loop_run(run.loop);
  g_assert_cmpint(run.answered, ==, 500);
  g_assert_cmpint(run.worked, ==, 50);
  store_thread_free(run.thread);
  g_ptr_array_unref(run.records);
  loop_free(run.loop);
}

/* ---- trouble ---- */

typedef struct Trouble {
  Loop *loop;
  Store *store;
  StoreThread *thread;
  GPtrArray *records;
  GError *error; /* of the last answer */
} Trouble;

static void trouble_open(Trouble *trouble)
{
  *trouble = (Trouble){.loop = loop_new(), .store = store_open("memory:", NULL)};
  trouble->thread = store_thread_new(trouble->loop, trouble->store);
  trouble->records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
}

static void trouble_close(Trouble *trouble)
{
  store_thread_free(trouble->thread);
  loop_free(trouble->loop);
  g_ptr_array_unref(trouble->records);
  g_clear_error(&trouble->error);
}

static void trouble_answered(const GError *error, void *data)
{
  Trouble *trouble = data;
  g_clear_error(&trouble->error);
  trouble->error = error ? g_error_copy(error) : NULL;
  loop_stop(trouble->loop);
}

static void trouble_commit(Trouble *trouble, const char *key)
{
  Record *record = record_new(TABLE_META);
  record_text(record, META_KEY, key);
  record_text(record, META_VALUE, "yes");
  g_ptr_array_set_size(trouble->records, 0);
  g_ptr_array_add(trouble->records, record);
  store_thread_commit(trouble->thread, trouble->records, trouble_answered, trouble);
  loop_run(trouble->loop);
}

static bool trouble_row(TableId table, const Value *values, void *data, GError **error)
{
  (void)table;
  (void)error;
  g_string_append_printf(data, "%s=%s;", values[META_KEY].text, values[META_VALUE].text);
  return true;
}

static bool trouble_load(Store *store, void *data, GError **error)
{
  return store->driver->load(store, trouble_row, data, error);
}

static void trouble_assert_holds(Trouble *trouble, const char *wanted)
{
  g_autoptr(GString) text = g_string_new(NULL);
  store_thread_work(trouble->thread, &(StoreWork){.run = trouble_load, .data = text},
                    trouble_answered, trouble);
  loop_run(trouble->loop);
  g_assert_no_error(trouble->error);
  g_assert_cmpstr(text->str, ==, wanted);
}

/* Held by another program, however often one looks: the commit waits, and is counted once. */
static void test_held(void)
{
  Trouble trouble;
  trouble_open(&trouble);
  store_memory_hold(trouble.store, 5);
  trouble_commit(&trouble, "a");
  g_assert_no_error(trouble.error);
  g_assert_cmpuint(store_thread_waits(trouble.thread), ==, 1);
  trouble_assert_holds(&trouble, "a=yes;batch=1;");
  store_memory_hold(trouble.store, 100000); /* and it ends when the thread is to end */
  store_thread_commit(trouble.thread, trouble.records, trouble_answered, &trouble);
  trouble_close(&trouble);
}

/* Whoever waits hears what became of it, and never that nobody knows. */
static void test_unknown_is_settled(void)
{
  Trouble trouble;
  trouble_open(&trouble);
  store_memory_lose(trouble.store, true, 3);
  trouble_commit(&trouble, "a");
  g_assert_no_error(trouble.error);
  store_memory_lose(trouble.store, false, 3);
  trouble_commit(&trouble, "b");
  g_assert_error(trouble.error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
  g_assert_null(strstr(trouble.error->message, "not known"));
  trouble_assert_holds(&trouble, "a=yes;batch=1;");
  store_memory_fail(trouble.store, 1, REEVE_ERROR_STORE_FULL);
  trouble_commit(&trouble, "c");
  g_assert_error(trouble.error, REEVE_ERROR, REEVE_ERROR_STORE_FULL);
  trouble_commit(&trouble, "d"); /* no number is used twice */
  trouble_assert_holds(&trouble, "a=yes;batch=4;d=yes;");
  trouble_close(&trouble);
}

/* A store that cannot say for long: the answer says so, and nothing is done with the store until it
 * is settled. */
static void test_unknown_for_long(void)
{
  Trouble trouble;
  trouble_open(&trouble);
  int64_t began_ms = clock_boot_ms();
  store_memory_lose(trouble.store, true, 1 << 30);
  trouble_commit(&trouble, "a");
  g_assert_error(trouble.error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
  g_assert_nonnull(strstr(trouble.error->message, "not known"));
  g_assert_cmpint(clock_boot_ms() - began_ms, >=, STORE_SETTLE_MS);
  store_thread_probe(trouble.thread, trouble_answered, &trouble);
  loop_run(trouble.loop);
  g_assert_error(trouble.error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
  store_memory_settle(trouble.store);
  trouble_assert_holds(&trouble, "a=yes;batch=1;");
  trouble_commit(&trouble, "b");
  g_assert_no_error(trouble.error);
  trouble_close(&trouble);
}

/* ---- history ---- */

typedef struct Asked {
  Loop *loop;
  int answers, wanted;
  int code; /* of the last answer; -1 = fine */
  GString *body;
} Asked;

static void asked_done(const char *body, const GError *error, void *data)
{
  Asked *asked = data;
  asked->code = error ? error->code : -1;
  g_string_assign(asked->body, body ? body : "");
  if (++asked->answers == asked->wanted)
    loop_stop(asked->loop);
}

static const char *ask(Asked *asked, History *history, const AuditQuery *query)
{
  asked->wanted = asked->answers + 1;
  g_assert_true(history_audit(history, query, asked_done, asked));
  loop_run(asked->loop);
  return asked->body->str;
}

/* Entries aud_000001.. by "uid:0" and "uid:1" in turn, one each second. */
static void write_audit(Store *store, int from, int n)
{
  g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
  for (int i = from; i < from + n; i++) {
    Record *record = record_new(TABLE_AUDIT);
    g_autofree char *id = g_strdup_printf("aud_%06d", i);
    record_text(record, AUD_ID, id);
    record_int(record, AUD_AT, i * 1000);
    record_text(record, AUD_ACTOR, i % 2 ? "uid:1" : "uid:0");
    record_text(record, AUD_ACTION, "deploy");
    record_text(record, AUD_OBJECT, "desk");
    g_ptr_array_add(records, record);
  }
  g_assert_cmpint(store->driver->commit(store, records, ++store->last_batch, NULL), ==, STORE_DONE);
}

static void test_history_answers(void)
{
  g_autofree char *where = g_dir_make_tmp("reeve-history-XXXXXX", NULL);
  Store *store = store_open(where, NULL);
  Asked asked = {.loop = loop_new(), .body = g_string_new(NULL)};
  History *history = history_new(asked.loop, store_beside(where, NULL));
  g_assert_cmpstr(ask(&asked, history, &(AuditQuery){.limit = 10}), ==,
                  "{\"entries\":[],\"next\":null}");
  write_audit(store, 1, 10);
  const char *page = ask(&asked, history, &(AuditQuery){.limit = 2, .actor = "uid:1"});
  g_assert_true(strstr(page, "aud_000009") && strstr(page, "aud_000007") &&
                !strstr(page, "aud_000008") && !strstr(page, "aud_000005"));
  g_assert_true(g_str_has_suffix(page, "\"next\":\"aud_000007\"}"));
  page = ask(&asked, history, &(AuditQuery){.limit = 10, .before = "aud_000003"});
  g_assert_true(strstr(page, "aud_000002") && strstr(page, "aud_000001") &&
                !strstr(page, "aud_000003") && strstr(page, "\"next\":null"));
  page = ask(&asked, history,
             &(AuditQuery){.limit = 10, .since_ms = 9000, .action = "deploy", .object = "desk"});
  g_assert_true(strstr(page, "aud_000010") && strstr(page, "aud_000009") &&
                !strstr(page, "aud_000008"));
  g_assert_cmpstr(ask(&asked, history, &(AuditQuery){.limit = 1, .object = "' OR 1=1 --"}), ==,
                  "{\"entries\":[],\"next\":null}");
  history_free(history);
  store_close(store);
  g_string_free(asked.body, TRUE);
  loop_free(asked.loop);
  g_assert_true(fs_remove_tree(where, NULL));
}

/* A store that nobody can read for a while: the question ends by its limit, those beyond the bound
 * are refused, the rest is told at the end. */
static void test_history_limits(void)
{
  g_autofree char *where = g_dir_make_tmp("reeve-history-XXXXXX", NULL),
                  *path = g_build_filename(where, "reeve.db", NULL);
  store_close(store_open(where, NULL));
  sqlite3 *holder = NULL;
  g_assert_cmpint(sqlite3_open(path, &holder), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(holder,
                               "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM audit;",
                               NULL, NULL, NULL),
                  ==, SQLITE_OK);
  Asked asked = {.loop = loop_new(), .body = g_string_new(NULL)};
  History *history = history_new(asked.loop, store_beside(where, NULL));
  int64_t began_ms = clock_boot_ms();
  ask(&asked, history, &(AuditQuery){.limit = 1});
  g_assert_cmpint(asked.code, ==, REEVE_ERROR_TIMEOUT);
  g_assert_cmpint(clock_boot_ms() - began_ms, <, 20000);
  int taken = 0;
  while (history_audit(history, &(AuditQuery){.limit = 1}, asked_done, &asked))
    g_assert_cmpint(++taken, <=, HISTORY_WAITING_MAX + 1); /* one may be at work */
  g_assert_cmpint(taken, >=, HISTORY_WAITING_MAX);
  int before = asked.answers;
  asked.wanted = -1;
  history_free(history);
  g_assert_cmpint(asked.answers - before, ==, taken);
  sqlite3_close(holder);
  g_string_free(asked.body, TRUE);
  loop_free(asked.loop);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void fold_committed(const GError *error, void *data)
{
  g_assert_null(error);
  loop_stop(data);
}

/* The log is folded while commits go on, and begins small again. */
static void test_history_folds(void)
{
  g_autofree char *where = g_dir_make_tmp("reeve-history-XXXXXX", NULL),
                  *wal = g_build_filename(where, "reeve.db-wal", NULL);
  g_autofree char *value = g_strnfill(1 << 20, 'x');
  Loop *loop = loop_new();
  StoreThread *thread = store_thread_new(loop, store_open(where, NULL));
  History *history = history_new(loop, store_beside(where, NULL));
  struct stat status = {0};
  bool grew = false, small = false;
  int64_t deadline_ms = clock_boot_ms() + 30000;
  while (!(grew && small) && clock_boot_ms() < deadline_ms) {
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
    Record *record = record_new(TABLE_META);
    record_text(record, META_KEY, "big");
    record_text(record, META_VALUE, value);
    g_ptr_array_add(records, record);
    store_thread_commit(thread, records, fold_committed, loop);
    loop_run(loop);
    history_maintain(history);
    g_assert_cmpint(stat(wal, &status), ==, 0);
    grew = grew || status.st_size > 4 * 1024 * 1024;
    small = grew && status.st_size < 2 * 1024 * 1024;
  }
  g_assert_true(grew && small);
  history_free(history);
  store_thread_free(thread);
  loop_free(loop);
  g_assert_true(fs_remove_tree(where, NULL));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/store/thread/commits", test_every_commit_is_answered);
  g_test_add_func("/store/thread/held", test_held);
  g_test_add_func("/store/thread/unknown-is-settled", test_unknown_is_settled);
  g_test_add_func("/store/thread/unknown-for-long", test_unknown_for_long);
  g_test_add_func("/store/history/answers", test_history_answers);
  g_test_add_func("/store/history/limits", test_history_limits);
  g_test_add_func("/store/history/folds", test_history_folds);
  return g_test_run();
}
