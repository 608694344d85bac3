/* Owns the second thread of the store: questions about the past, and house-keeping; see history.h.
 */
#include "store/history.h"

#include "base/error.h"
#include "base/json.h"

#include <pthread.h>

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
  StoreSide *side; /* the thread's own */
  pthread_t thread;
  pthread_mutex_t lock; /* guards waiting, maintain, ending */
  pthread_cond_t wake;
  GQueue waiting; /* of Question* */
  bool maintain, ending;
  GQueue answered; /* of Question*; guarded too: taken by the loop */
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

/* An answer that is being put together. */
typedef struct Answer {
  const Question *question;
  GString *body;
  char *last; /* id of the last entry; owned */
  int n;
  bool more;
} Answer;

static bool audit_row(TableId table, const Value *values, void *data, GError **error)
{
  Answer *answer = data;
  const TableSpec *spec = &table_specs[table];
  (void)error;
  answer->more = answer->n++ == answer->question->limit;
  if (answer->more) /* asked for only to know that it is there: the last one */
    return true;
  jw_open(answer->body, NULL, '{');
  for (int i = 0; i < spec->n_columns; i++)
    if (i == AUD_AT)
      jw_time(answer->body, spec->columns[i].name, values[i].number);
    else
      jw_str(answer->body, spec->columns[i].name, values[i].text);
  jw_close(answer->body, '}');
  g_free(answer->last);
  answer->last = g_strdup(values[AUD_ID].text);
  return true;
}

static void audit_answer(History *history, Question *question)
{
  AuditQuery query = {.actor = question->actor,
                      .action = question->action,
                      .object = question->object,
                      .before = question->before,
                      .since_ms = question->since_ms,
                      .limit = question->limit + 1};
  Answer answer = {.question = question, .body = g_string_new(NULL)};
  question->body = answer.body;
  jw_open(answer.body, NULL, '{');
  jw_open(answer.body, "entries", '[');
  history->side->driver->audit(history->side, &query, audit_row, &answer, &question->error);
  jw_close(answer.body, ']');
  jw_str(answer.body, "next", answer.more ? answer.last : NULL);
  jw_close(answer.body, '}');
  g_free(answer.last);
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
    while (g_queue_is_empty(&history->waiting) && !history->maintain && !history->ending)
      pthread_cond_wait(&history->wake, &history->lock);
    Question *question = history->ending ? NULL : g_queue_pop_head(&history->waiting);
    bool maintain = history->maintain, over = history->ending;
    history->maintain = false;
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
    if (maintain)
      history->side->driver->maintain(history->side);
  }
}

/* ---- on the loop ---- */

History *history_new(Loop *loop, StoreSide *side)
{
  History *history = g_new0(History, 1);
  history->loop = loop;
  history->side = side;
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
  store_side_close(history->side);
  pthread_cond_destroy(&history->wake);
  pthread_mutex_destroy(&history->lock);
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

void history_maintain(History *history)
{
  pthread_mutex_lock(&history->lock);
  history->maintain = true;
  pthread_cond_signal(&history->wake);
  pthread_mutex_unlock(&history->lock);
}
