/* Owns the second thread of the store: questions about the past, and checkpoints; see history.h. */
#include "store/history.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

enum {
  HISTORY_LIMIT_MS = 1000,
  HISTORY_STEPS = 1000, /* of SQLite between two looks at the clock */
  HISTORY_WAL_BYTES = 4 * 1024 * 1024,
  HISTORY_WAL_LARGE = 16 * 1024 * 1024,
  HISTORY_FOLD_MS = 200
};

typedef struct Question {
  History *history;
  char *actor, *action, *object, *before;
  int64_t since_ms;
  int limit;
  HistoryDone done;
  void *data;
  GString *body;
  GError *error;
} Question;

struct History {
  Loop *loop;
  char *path, *wal;
  pthread_t thread;
  pthread_mutex_t lock; /* guards waiting, checkpoint, ending */
  pthread_cond_t wake;
  GQueue waiting; /* of Question* */
  bool checkpoint, ending;
  GQueue answered;          /* of Question*; guarded too: taken by the loop */
  sqlite3 *reader, *folder; /* the thread's own */
  int64_t deadline_ms;      /* of the present question; the thread's own */
};

static void question_free(Question *question)
{
  g_free(question->actor);
  g_free(question->action);
  g_free(question->object);
  g_free(question->before);
  if (question->body)
    g_string_free(question->body, TRUE);
  g_clear_error(&question->error);
  g_free(question);
}

/* ---- on the thread ---- */

static int history_progress(void *data)
{
  return clock_boot_ms() >= ((History *)data)->deadline_ms;
}

static bool history_open(History *history, GError **error)
{
  if (history->reader)
    return true;
  if (sqlite3_open_v2(history->path, &history->reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                      NULL) == SQLITE_OK) {
    sqlite3_busy_timeout(history->reader, HISTORY_LIMIT_MS);
    sqlite3_progress_handler(history->reader, HISTORY_STEPS, history_progress, history);
    return true;
  }
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "read history '%s': %s", history->path,
              sqlite3_errmsg(history->reader));
  g_clear_pointer(&history->reader, sqlite3_close);
  return false;
}

static void audit_bind(sqlite3_stmt *statement, const Question *question)
{
  const char *texts[] = {question->actor, question->action, question->object, question->before};
  for (int i = 0; i < (int)G_N_ELEMENTS(texts); i++)
    sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC); /* NULL binds NULL */
  sqlite3_bind_int64(statement, 5, question->since_ms);
  sqlite3_bind_int(statement, 6, question->limit + 1); /* one more says whether there is more */
}

static void audit_row(GString *out, sqlite3_stmt *statement)
{
  static const char *const names[] = {"id", "at", "actor", "action", "object", "detail"};
  jw_open(out, NULL, '{');
  for (int i = 0; i < (int)G_N_ELEMENTS(names); i++)
    if (i == 1)
      jw_time(out, names[i], sqlite3_column_int64(statement, i));
    else
      jw_str(out, names[i], (const char *)sqlite3_column_text(statement, i));
  jw_close(out, '}');
}

static int audit_rows(sqlite3_stmt *statement, const Question *question, GString *out)
{
  g_autofree char *last = NULL;
  int step, n = 0;
  bool more = false;
  jw_open(out, NULL, '{');
  jw_open(out, "entries", '[');
  while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
    more = n++ == question->limit;
    if (more)
      break;
    audit_row(out, statement);
    g_free(last);
    last = g_strdup((const char *)sqlite3_column_text(statement, 0));
  }
  jw_close(out, ']');
  jw_str(out, "next", more ? last : NULL);
  jw_close(out, '}');
  return more ? SQLITE_DONE : step;
}

static void audit_answer(History *history, Question *question)
{
  static const char sql[] =
      "SELECT id, at, actor, action, object, detail FROM audit WHERE (?1 IS NULL OR actor = ?1) AND (?2 IS NULL OR action = ?2) "
      "AND (?3 IS NULL OR object = ?3) AND (?4 IS NULL OR id < ?4) AND at >= ?5 ORDER BY id DESC LIMIT ?6";
  sqlite3_stmt *statement = NULL;
  history->deadline_ms = clock_boot_ms() + HISTORY_LIMIT_MS;
  if (!history_open(history, &question->error))
    return;
  int code = sqlite3_prepare_v2(history->reader, sql, -1, &statement, NULL);
  question->body = g_string_new(NULL);
  if (code == SQLITE_OK) {
    audit_bind(statement, question);
    code = audit_rows(statement, question, question->body);
  }
  if (code == SQLITE_INTERRUPT || code == SQLITE_BUSY)
    g_set_error(&question->error, REEVE_ERROR, REEVE_ERROR_TIMEOUT,
                "the question took longer than %d s; ask for less, with since or a limit",
                HISTORY_LIMIT_MS / 1000);
  else if (code != SQLITE_DONE)
    g_set_error(&question->error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "read history '%s': %s",
                history->path, sqlite3_errmsg(history->reader));
  sqlite3_finalize(statement);
}

/* Passive: no writer waits for it. Under commits without a pause it never comes to the end; then
 * the little that is left is folded with the writer held back, which waits for readers for a moment
 * only. */
static void history_fold(History *history)
{
  struct stat status;
  if (stat(history->wal, &status) != 0 || status.st_size < HISTORY_WAL_BYTES)
    return;
  bool fresh = !history->folder;
  /* which finds the log */
  if (fresh &&
      (sqlite3_open_v2(history->path, &history->folder, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                       NULL) != SQLITE_OK ||
       sqlite3_exec(history->folder, "PRAGMA schema_version", NULL, NULL, NULL) != SQLITE_OK)) {
    g_clear_pointer(&history->folder, sqlite3_close);
    return;
  }
  sqlite3_wal_checkpoint_v2(history->folder, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  sqlite3_busy_timeout(history->folder, HISTORY_FOLD_MS);
  if (status.st_size >= HISTORY_WAL_LARGE)
    sqlite3_wal_checkpoint_v2(history->folder, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static void history_on_answered(void *data)
{
  History *history = data;
  pthread_mutex_lock(&history->lock);
  Question *question = g_queue_pop_head(&history->answered);
  pthread_mutex_unlock(&history->lock);
  if (!question)
    return;
  question->done(question->error ? NULL : question->body->str, question->error, question->data);
  question_free(question);
}

static void *history_main(void *data)
{
  History *history = data;
  for (;;) {
    pthread_mutex_lock(&history->lock);
    while (g_queue_is_empty(&history->waiting) && !history->checkpoint && !history->ending)
      pthread_cond_wait(&history->wake, &history->lock);
    Question *question = history->ending ? NULL : g_queue_pop_head(&history->waiting);
    bool fold = history->checkpoint, over = history->ending;
    history->checkpoint = false;
    pthread_mutex_unlock(&history->lock);
    if (over)
      return NULL;
    if (question) {
      audit_answer(history, question);
      pthread_mutex_lock(&history->lock);
      g_queue_push_tail(&history->answered, question);
      pthread_mutex_unlock(&history->lock);
      loop_post(history->loop, history_on_answered, history);
    }
    if (fold)
      history_fold(history);
  }
}

/* ---- on the loop ---- */

History *history_new(Loop *loop, const char *directory)
{
  History *history = g_new0(History, 1);
  history->loop = loop;
  history->path = g_build_filename(directory, "reeve.db", NULL);
  history->wal = g_strconcat(history->path, "-wal", NULL);
  g_queue_init(&history->waiting);
  g_queue_init(&history->answered);
  pthread_mutex_init(&history->lock, NULL);
  pthread_cond_init(&history->wake, NULL);
  int failed = pthread_create(&history->thread, NULL, history_main, history);
  g_assert(!failed);
  return history;
}

static void history_refuse_all(GQueue *questions)
{
  for (Question *question; (question = g_queue_pop_head(questions)) != NULL;
       question_free(question)) {
    g_autoptr(GError) error =
        g_error_new_literal(REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "the server is stopping");
    question->done(NULL, error, question->data);
  }
}

void history_free(History *history)
{
  if (!history)
    return;
  pthread_mutex_lock(&history->lock);
  history->ending = true;
  pthread_cond_signal(&history->wake);
  pthread_mutex_unlock(&history->lock);
  pthread_join(history->thread, NULL);
  loop_post_cancel(history->loop, history);
  history_refuse_all(&history->answered);
  history_refuse_all(&history->waiting);
  sqlite3_close(history->reader);
  sqlite3_close(history->folder);
  pthread_cond_destroy(&history->wake);
  pthread_mutex_destroy(&history->lock);
  g_free(history->path);
  g_free(history->wal);
  g_free(history);
}

bool history_audit(History *history, const AuditQuery *query, HistoryDone done, void *data)
{
  g_assert(query->limit >= 1 && query->limit <= HISTORY_ROWS_MAX);
  Question *question = g_new0(Question, 1);
  *question = (Question){.history = history,
                         .actor = g_strdup(query->actor),
                         .action = g_strdup(query->action),
                         .object = g_strdup(query->object),
                         .before = g_strdup(query->before),
                         .since_ms = query->since_ms,
                         .limit = query->limit,
                         .done = done,
                         .data = data};
  pthread_mutex_lock(&history->lock);
  bool room = g_queue_get_length(&history->waiting) < HISTORY_WAITING_MAX;
  if (room) {
    g_queue_push_tail(&history->waiting, question);
    pthread_cond_signal(&history->wake);
  }
  pthread_mutex_unlock(&history->lock);
  if (!room)
    question_free(question);
  return room;
}

void history_checkpoint(History *history)
{
  pthread_mutex_lock(&history->lock);
  history->checkpoint = true;
  pthread_cond_signal(&history->wake);
  pthread_mutex_unlock(&history->lock);
}
