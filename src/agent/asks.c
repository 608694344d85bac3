/* Owns the prompts and queries on their way: read from a body, waiting for their turn, with a brain, answered. */
#include "agent/internal.h"

#include "base/clock.h"
#include "base/json.h"

#include <string.h>
#include <sys/random.h>

enum { SESSION_BYTES_MAX = 128, CONTEXT_BYTES_MAX = 64 * 1024, SESSION_RANDOM_BYTES = 12 };

typedef struct Ask {
  Agent *agent;
  HttpRequest *request;
  const AskKind *kind;
  char *text, *session_id, *context;
  int64_t came_ms;
  BrainCall *call;  /* while running */
  LoopTimer *timer; /* while waiting */
  GList link;       /* in agent->running or agent->waiting */
} Ask;

static void asks_start_next(Agent *agent);

static void ask_free(Ask *ask)
{
  loop_timer_free(ask->timer);
  g_free(ask->text);
  g_free(ask->session_id);
  g_free(ask->context);
  g_free(ask);
}

/* Takes @ask out of its queue and frees it; the next one gets its place. */
static void ask_leave(Ask *ask)
{
  Agent *agent = ask->agent;
  g_queue_unlink(ask->call ? &agent->running : &agent->waiting, &ask->link);
  ask_free(ask);
  asks_start_next(agent);
  agent_settle(agent);
}

static void ask_refuse(Ask *ask, int status, const char *word, const char *title, const char *detail)
{
  ask->agent->errors++;
  http_request_on_gone(ask->request, NULL, NULL);
  door_problem(ask->request, status, word, title, detail);
}

static void ask_on_answer(const BrainResult *result, void *data)
{
  Ask *ask = data;
  g_autofree char *detail = result->outcome == BRAIN_ANSWERED ? NULL : g_strndup(result->text, result->length);
  if (result->outcome == BRAIN_TIMED_OUT) {
    ask_refuse(ask, 504, "timeout", "the deadline passed first", detail);
  } else if (result->outcome == BRAIN_FAILED) {
    ask_refuse(ask, 502, "brain-failed", "the brain did not answer", detail);
  } else {
    g_autoptr(GString) body = g_string_new(NULL);
    jw_open(body, NULL, '{');
    ask->kind->write(body, ask->agent, ask->session_id, result, clock_boot_ms() - ask->came_ms);
    jw_close(body, '}');
    http_request_on_gone(ask->request, NULL, NULL);
    http_reply(ask->request, 200, "application/json", body->str, body->len);
  }
  ask_leave(ask);
}

/* The caller left: nobody wants the answer. */
static void ask_on_gone(void *data)
{
  Ask *ask = data;
  ask->agent->errors++;
  if (ask->call)
    ask->agent->brain->cancel(ask->call);
  ask_leave(ask);
}

static void ask_on_waited(void *data)
{
  Ask *ask = data;
  ask_refuse(ask, 504, "timeout", "the deadline passed first", "the prompt waited for its turn as long as it was allowed to");
  ask_leave(ask);
}

/* Gives @ask to a brain; it was in no queue. False after a refusal, when it is freed. */
static bool ask_start(Ask *ask)
{
  Agent *agent = ask->agent;
  g_autoptr(GError) error = NULL;
  BrainPrompt prompt = {.text = ask->text,
                        .length = strlen(ask->text),
                        .session_id = ask->session_id,
                        .context = ask->context,
                        .timeout_ms = agent->timeout_ms};
  g_clear_pointer(&ask->timer, loop_timer_free);
  ask->call = agent->brain->start(agent->loop, agent->file, &prompt, ask_on_answer, ask, &error);
  if (!ask->call) {
    ask_refuse(ask, 502, "brain-failed", "the brain did not answer", error->message);
    ask_free(ask);
    agent_settle(agent);
    return false;
  }
  g_queue_push_tail_link(&agent->running, &ask->link);
  return true;
}

static void asks_start_next(Agent *agent)
{
  while (agent->waiting.length && (int)agent->running.length < agent->running_max) {
    Ask *ask = g_queue_peek_head(&agent->waiting);
    g_queue_unlink(&agent->waiting, &ask->link);
    ask_start(ask);
  }
}

static void ask_wait(Ask *ask)
{
  g_queue_push_tail_link(&ask->agent->waiting, &ask->link);
  ask->timer = loop_timer_new(ask->agent->loop, ask_on_waited, ask);
  loop_timer_set(ask->timer, ask->came_ms + ask->agent->timeout_ms);
}

void asks_give_up(Agent *agent)
{
  GQueue *queues[] = {&agent->waiting, &agent->running};
  for (size_t i = 0; i < G_N_ELEMENTS(queues); i++) {
    while (queues[i]->length) {
      Ask *ask = g_queue_pop_head_link(queues[i])->data;
      if (ask->call)
        agent->brain->cancel(ask->call);
      ask_refuse(ask, 503, "unavailable", "the agent is stopping", "the agent is stopping and its time for answers is over");
      ask_free(ask);
    }
  }
}

/* ---- reading the body ---- */

static bool session_is_plain(const char *text)
{
  size_t n = strlen(text);
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
      return false;
  return n >= 1 && n <= SESSION_BYTES_MAX;
}

/* What is wrong with the optional members of @body, or NULL; fills @ask with them. */
static char *ask_read_more(Ask *ask, const json_t *body)
{
  const json_t *session = json_object_get(body, "session_id"), *context = json_object_get(body, "context");
  if (session && !json_is_null(session)) {
    if (!json_is_string(session) || !session_is_plain(json_string_value(session)))
      return g_strdup_printf("'session_id': wanted a text of 1 to %d bytes without control characters", SESSION_BYTES_MAX);
    ask->session_id = g_strdup(json_string_value(session));
  }
  if (!ask->kind->context || !context || json_is_null(context))
    return NULL;
  if (!json_is_object(context))
    return g_strdup("'context': wanted an object");
  char *text = json_dumps(context, JSON_COMPACT);
  bool fits = strlen(text) <= CONTEXT_BYTES_MAX;
  ask->context = fits ? g_strdup(text) : NULL;
  free(text);
  return fits ? NULL : g_strdup_printf("'context': larger than %d bytes", CONTEXT_BYTES_MAX);
}

/* What is wrong with the body of @ask's request, or NULL. Caller frees. */
static char *ask_read(Ask *ask)
{
  size_t length;
  const char *bytes = http_request_body(ask->request, &length);
  g_autoptr(GError) error = NULL;
  json_t *body = json_parse(bytes, length, &error);
  if (!body)
    return g_strdup(error->message);
  const char *text = jget_str(body, ask->kind->key, NULL);
  char *wrong = NULL;
  if (!json_is_object(body))
    wrong = g_strdup("wanted an object");
  else if (!text || !text[0])
    wrong = g_strdup_printf("'%s': wanted a text that is not empty", ask->kind->key);
  else
    wrong = ask_read_more(ask, body);
  ask->text = g_strdup(text);
  json_decref(body);
  return wrong;
}

void ask_begin(Agent *agent, HttpRequest *request, const AskKind *kind)
{
  Ask *ask = g_new0(Ask, 1);
  *ask = (Ask){.agent = agent, .request = request, .kind = kind, .came_ms = clock_boot_ms()};
  ask->link.data = ask;
  agent->requests++;
  g_autofree char *wrong = ask_read(ask);
  bool full = agent->waiting.length >= ASKS_WAITING_MAX;
  if (wrong) {
    ask_refuse(ask, 422, "invalid", "the body is not as it should be", wrong);
    ask_free(ask);
    return;
  }
  if (full) {
    http_reply_header(request, "Retry-After", "1");
    ask_refuse(ask, 429, "busy", "too many prompts at once", "the brain is busy and the queue is full; try again");
    ask_free(ask);
    return;
  }
  http_request_on_gone(request, ask_on_gone, ask);
  if ((int)agent->running.length < agent->running_max && !agent->waiting.length)
    ask_start(ask);
  else
    ask_wait(ask);
}

/* ---- the two kinds ---- */

static void ask_write_text(GString *out, const char *key, const BrainResult *result)
{
  g_autoptr(GString) quoted = g_string_new(NULL);
  jw_quote(quoted, result->text, result->length);
  jw_raw(out, key, quoted->str);
}

static void ask_write_prompt(GString *out, const Agent *agent, const char *session_id, const BrainResult *result, int64_t duration_ms)
{
  (void)session_id;
  ask_write_text(out, "response", result);
  jw_str(out, "agent", agent->file->name);
  jw_int(out, "duration_ms", duration_ms);
}

/* A query without a session begins one: its name only has to be new. */
static void ask_write_query(GString *out, const Agent *agent, const char *session_id, const BrainResult *result, int64_t duration_ms)
{
  (void)agent;
  (void)duration_ms;
  unsigned char bytes[SESSION_RANDOM_BYTES] = {0};
  char fresh[2 * SESSION_RANDOM_BYTES + 1];
  ssize_t n = getrandom(bytes, sizeof bytes, 0);
  for (ssize_t i = 0; i < SESSION_RANDOM_BYTES; i++)
    g_snprintf(fresh + 2 * i, 3, "%02x", i < n ? bytes[i] : 0);
  ask_write_text(out, "response", result);
  jw_str(out, "session_id", session_id ? session_id : fresh);
}

const AskKind ask_prompt = {.key = "prompt", .write = ask_write_prompt};
const AskKind ask_query = {.key = "query", .context = true, .write = ask_write_query};
