/* Owns the A2A door: one JSON-RPC endpoint for both versions. A task goes on when its clients
 * leave; each of them is a watch on it, which waits for the end (blocking) or is told of everything
 * (a stream). */
#include "agent/door.h"

#include "agent/a2a.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <math.h>
#include <string.h>

typedef struct A2aWatch {
  A2aTask *task;
  HttpRequest *request;
  A2aVersion version;
  char *id; /* of the JSON-RPC request, as JSON */
  int64_t history;
  bool stream;
  DoorReader reader; /* of a stream */
  LoopTimer *alive;  /* of a stream: gives a sign of life when nothing was said for DOOR_ALIVE_MS */
  bool quiet;        /* nothing was said since it was set */
} A2aWatch;

/* A task whose ask was taken, until the loop turns: a refusal comes first, anything else means that
 * it is worked on. */
typedef struct A2aTaken {
  Agent *agent;
  char *task_id;
} A2aTaken;

static A2aTasks *tasks_of(const Agent *agent)
{
  return agent->doors->tasks;
}

/* ---- answers ---- */

static void a2a_reply(HttpRequest *request, const GString *body)
{
  door_reply(request, 200, body->str, body->len);
}

static void a2a_reply_fault(HttpRequest *request, const A2aCall *call, const A2aFault *fault)
{
  g_autoptr(GString) body = g_string_new(NULL);
  a2a_write_error(body, call->id, call->version, fault);
  a2a_reply(request, body);
}

static void a2a_reply_task(HttpRequest *request, const A2aTask *task, const A2aCall *call)
{
  bool sent = call->method == A2A_SEND;
  g_autoptr(GString) body = g_string_new(NULL);
  a2a_begin(body, call->id);
  a2a_write_task(body, task, (A2aShown){call->version, call->history, true}, sent);
  a2a_end(body);
  a2a_reply(request, body);
}

static void a2a_refuse(HttpRequest *request, const AskResult *no)
{
  door_refuse_problem(request, no); /* what is refused before JSON-RPC is read is refused by HTTP */
}

/* ---- watches ---- */

/* A task goes at the pace of its fastest reader; one that nobody streams waits for nobody. */
static void task_pace(A2aTask *task)
{
  bool held = task->watchers->len > 0;
  for (guint i = 0; i < task->watchers->len; i++)
    held = held && ((const A2aWatch *)g_ptr_array_index(task->watchers, i))->reader.slow;
  if (task->ask)
    ask_hold_back(task->ask, held);
}

static void watch_free(A2aWatch *watch)
{
  A2aTask *task = watch->task;
  g_ptr_array_remove_fast(task->watchers, watch);
  door_reader_done(&watch->reader);
  loop_timer_free(watch->alive);
  g_free(watch->id);
  g_free(watch);
  task_pace(task);
}

/* The client left; the task goes on. */
static void watch_on_gone(void *data)
{
  watch_free(data);
}

static void watch_on_pace(DoorPace pace, void *data);

static A2aWatch *watch_new(A2aTask *task, HttpRequest *request, const A2aCall *call)
{
  A2aWatch *watch = g_new0(A2aWatch, 1);
  *watch = (A2aWatch){.task = task,
                      .request = request,
                      .version = call->version,
                      .id = g_strdup(call->id),
                      .history = call->history,
                      .stream = call->method != A2A_SEND};
  g_ptr_array_add(task->watchers, watch);
  http_request_on_gone(request, watch_on_gone, watch);
  door_reader_init(&watch->reader, task->owner, request, watch_on_pace, watch);
  task_pace(task);
  return watch;
}

/* Opens an event and its JSON-RPC answer; what follows is the result. */
static void event_begin(const A2aWatch *watch, GString *out)
{
  g_string_append(out, "data: ");
  a2a_begin(out, watch->id);
}

static void event_end(GString *out)
{
  a2a_end(out);
  g_string_append(out, "\n\n");
}

static void watch_end(A2aWatch *watch)
{
  HttpRequest *request = watch->request;
  http_request_on_gone(request, NULL, NULL);
  watch_free(watch);
  http_stream_end(request);
}

/* False: the watch was given up and is gone. */
static bool watch_send(A2aWatch *watch, GString *event)
{
  watch->quiet = false;
  http_stream_chunk_now(watch->request, event->str, event->len);
  return door_reader_sent(&watch->reader);
}

/* A reader that is too slow loses its stream, not its task. */
static void watch_give_up(A2aWatch *watch)
{
  log_warn("reader is too slow", "task=%s", watch->task->id);
  A2aFault fault = {0};
  a2a_fault(&fault, A2A_INTERNAL,
            "the stream is read too slowly; the task goes on: subscribe to it again");
  g_autoptr(GString) last = g_string_new("data: ");
  a2a_write_error(last, watch->id, watch->version, &fault);
  a2a_fault_clear(&fault);
  g_string_append(last, "\n\n");
  http_stream_chunk(watch->request, last->str, last->len);
  watch_end(watch);
}

static void watch_on_pace(DoorPace pace, void *data)
{
  A2aWatch *watch = data;
  if (pace == DOOR_PACE_STUCK)
    watch_give_up(watch);
  else
    task_pace(watch->task);
}

static void watch_on_alive(void *data)
{
  static const char sign[] = ": the agent is at work\n\n";
  A2aWatch *watch = data;
  if (watch->quiet && !http_stream_backlog(watch->request))
    http_stream_chunk_now(watch->request, sign, sizeof sign - 1);
  watch->quiet = true;
  loop_timer_set(watch->alive, clock_boot_ms() + DOOR_ALIVE_MS);
}

/* False: the watch was given up and is gone. */
static bool watch_begin_stream(A2aWatch *watch)
{
  g_autoptr(GString) event = g_string_new(NULL);
  const Agent *agent = watch->task->owner;
  watch->alive = loop_timer_new(agent->loop, watch_on_alive, watch);
  loop_timer_set(watch->alive, clock_boot_ms() + DOOR_ALIVE_MS);
  http_reply_header(watch->request, "X-Accel-Buffering", "no");
  http_stream_start(watch->request, 200, "text/event-stream");
  event_begin(watch, event);
  a2a_write_task(event, watch->task, (A2aShown){watch->version, watch->history, true}, true);
  event_end(event);
  return watch_send(watch, event);
}

/* ---- what happens to a task ---- */

/* Tells every stream of a piece of the answer; with @text NULL, of the state. A watch may end
 * meanwhile, so this goes from the back. */
static void task_tell(A2aTask *task, const char *text, size_t length, bool append, bool last)
{
  for (guint i = task->watchers->len; i-- > 0;) {
    A2aWatch *watch = g_ptr_array_index(task->watchers, i);
    if (!watch->stream)
      continue;
    g_autoptr(GString) event = g_string_sized_new(length + 300);
    event_begin(watch, event);
    if (text)
      a2a_write_piece(event, task, watch->version, text, length, append, last);
    else
      a2a_write_status(event, task, watch->version);
    event_end(event);
    watch_send(watch, event);
  }
}

static void task_move(A2aTask *task, A2aState state)
{
  const Agent *agent = task->owner;
  log_debug("task", "task=%s %s -> %s", task->id, a2a_state_word(task->state, A2A_0_3),
            a2a_state_word(state, A2A_0_3));
  a2a_tasks_move(tasks_of(agent), task, state, clock_boot_ms(), clock_wall_ms());
  task_tell(task, NULL, 0, false, false);
}

/* Answers everybody who waits for the end. */
static void task_end(A2aTask *task, A2aState state)
{
  task->ask = NULL;
  task_move(task, state);
  while (task->watchers->len) {
    A2aWatch *watch = g_ptr_array_index(task->watchers, task->watchers->len - 1);
    if (watch->stream) {
      watch_end(watch);
      continue;
    }
    A2aCall call = {
        .version = watch->version, .method = A2A_SEND, .id = watch->id, .history = watch->history};
    http_request_on_gone(watch->request, NULL, NULL);
    a2a_reply_task(watch->request, task, &call);
    watch_free(watch);
  }
}

static void task_on_delta(const char *text, size_t length, void *data)
{
  A2aTask *task = data;
  if (task->state == A2A_SUBMITTED)
    task_move(task, A2A_WORKING);
  bool append = task->answer->len > 0;
  g_string_append_len(task->answer, text, (gssize)length);
  task_tell(task, text, length, append, false);
}

static void task_on_done(const AskResult *result, void *data)
{
  A2aTask *task = data;
  Agent *agent = task->owner;
  if (result->status == 200) {
    bool whole = task->answer->len == 0;
    if (task->state == A2A_SUBMITTED)
      task_move(task, A2A_WORKING);
    if (whole)
      g_string_append_len(task->answer, result->text, (gssize)result->length);
    task_tell(task, whole ? result->text : "", whole ? result->length : 0, !whole, true);
    task_end(task, A2A_COMPLETED);
  } else {
    bool refused = (result->status == 429 || result->status == 503) && task->state == A2A_SUBMITTED;
    task->detail = g_strdup(result->detail ? result->detail : result->title);
    task_end(task, refused ? A2A_REJECTED : A2A_FAILED);
  }
  agent_settle(agent);
}

static const AskListener task_listener = {.delta = task_on_delta, .done = task_on_done};

static void taken_on_turn(void *data)
{
  A2aTaken *taken = data;
  A2aTask *task = a2a_tasks_find(tasks_of(taken->agent), taken->task_id, clock_boot_ms());
  if (task && task->state == A2A_SUBMITTED)
    task_move(task, A2A_WORKING);
  g_free(taken->task_id);
  g_free(taken);
}

/* Makes a task of a message and asks. NULL when there is no room for one more. */
static A2aTask *task_begin(Agent *agent, const A2aCall *call, int depth)
{
  A2aTask *task = a2a_tasks_add(tasks_of(agent), call, clock_boot_ms(), clock_wall_ms());
  if (!task)
    return NULL;
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, message_new(ROLE_USER, call->text));
  AskSpec spec = {.door = "a2a",
                  .messages = messages,
                  .session_id = task->context_id,
                  .depth = depth,
                  .options = {.temperature = NAN, .top_p = NAN}};
  task->owner = agent;
  task->ask = ask_begin(agent, &spec, &task_listener, task);
  A2aTaken *taken = g_new(A2aTaken, 1);
  *taken = (A2aTaken){agent, g_strdup(task->id)};
  loop_post(agent->loop, taken_on_turn, taken);
  return task;
}

/* ---- methods ---- */

/* The task that @call names, or NULL with @fault. */
static A2aTask *call_task(Agent *agent, const A2aCall *call, A2aFault *fault)
{
  A2aTask *task = a2a_tasks_find(tasks_of(agent), call->task_id, clock_boot_ms());
  if (!task)
    a2a_fault(fault, A2A_TASK_NOT_FOUND, "no task '%s' (any more)", call->task_id);
  return task;
}

/* A message to a task that exists: there is none that waits for more. */
static void fault_of_follow_up(Agent *agent, const A2aCall *call, A2aFault *fault)
{
  const A2aTask *task = call_task(agent, call, fault);
  if (!task)
    return;
  if (call->context_id && !g_str_equal(call->context_id, task->context_id))
    a2a_fault(fault, A2A_INVALID_PARAMS, "'message.contextId' is not that of the task");
  else
    a2a_fault(fault, A2A_UNSUPPORTED,
              "the task takes no further message (it is %s); send one with its contextId only",
              a2a_state_word(task->state, call->version));
}

/* The task for a message: the one that it made before, or a new one. */
static A2aTask *send_task(Agent *agent, const HttpRequest *request, const A2aCall *call,
                          A2aFault *fault)
{
  if (call->task_id) {
    fault_of_follow_up(agent, call, fault);
    return NULL;
  }
  A2aTask *task = a2a_tasks_find_message(tasks_of(agent), call, clock_boot_ms());
  if (!task && agent->draining) {
    a2a_fault(fault, A2A_INTERNAL, "the agent is stopping and takes nothing new");
    return NULL;
  }
  if (!task)
    task = task_begin(agent, call, door_depth(request));
  if (!task)
    a2a_fault(fault, A2A_INTERNAL, "%d tasks are being worked on; try again", A2A_TASKS_MAX);
  return task;
}

static void method_send(Agent *agent, HttpRequest *request, const A2aCall *call, A2aFault *fault)
{
  A2aTask *task = send_task(agent, request, call, fault);
  if (!task)
    return;
  if (call->blocking && !a2a_state_ends(task->state))
    watch_new(task, request, call);
  else
    a2a_reply_task(request, task, call);
}

/* A stream of one task; one that has ended is told once. */
static void stream_task(A2aTask *task, HttpRequest *request, const A2aCall *call)
{
  A2aWatch *watch = watch_new(task, request, call);
  bool ended = a2a_state_ends(task->state);
  if (watch_begin_stream(watch) && ended)
    watch_end(watch);
}

static void method_stream(Agent *agent, HttpRequest *request, const A2aCall *call, A2aFault *fault)
{
  A2aTask *task = send_task(agent, request, call, fault);
  if (task)
    stream_task(task, request, call);
}

static void method_get(Agent *agent, HttpRequest *request, const A2aCall *call, A2aFault *fault)
{
  const A2aTask *task = call_task(agent, call, fault);
  if (task)
    a2a_reply_task(request, task, call);
}

static void method_list(Agent *agent, HttpRequest *request, const A2aCall *call, A2aFault *fault)
{
  if (call->page_token && !a2a_tasks_find(tasks_of(agent), call->page_token, clock_boot_ms())) {
    a2a_fault(fault, A2A_INVALID_PARAMS,
              "'pageToken': there is no such page (any more); list again without it");
    return;
  }
  g_autoptr(GString) body = g_string_new(NULL);
  a2a_begin(body, call->id);
  a2a_write_list(body, tasks_of(agent), call);
  a2a_end(body);
  a2a_reply(request, body);
}

static void method_cancel(Agent *agent, HttpRequest *request, const A2aCall *call, A2aFault *fault)
{
  A2aTask *task = call_task(agent, call, fault);
  if (!task)
    return;
  if (a2a_state_ends(task->state)) {
    a2a_fault(fault, A2A_NOT_CANCELABLE, "the task has ended: it is %s",
              a2a_state_word(task->state, call->version));
    return;
  }
  ask_cancel(task->ask);
  task_end(task, A2A_CANCELED);
  a2a_reply_task(request, task, call);
  agent_settle(agent);
}

static void method_subscribe(Agent *agent, HttpRequest *request, const A2aCall *call,
                             A2aFault *fault)
{
  A2aTask *task = call_task(agent, call, fault);
  if (!task)
    return;
  if (call->version == A2A_1_0 && a2a_state_ends(task->state))
    a2a_fault(fault, A2A_UNSUPPORTED, "the task has ended: it is %s",
              a2a_state_word(task->state, call->version));
  else
    stream_task(task, request, call);
}

typedef void (*A2aFn)(Agent *agent, HttpRequest *request, const A2aCall *call, A2aFault *fault);
/* What is not here was refused when it was read. */
static const A2aFn a2a_fns[] = {
    [A2A_SEND] = method_send, [A2A_STREAM] = method_stream, [A2A_GET] = method_get,
    [A2A_LIST] = method_list, [A2A_CANCEL] = method_cancel, [A2A_SUBSCRIBE] = method_subscribe,
};

static void a2a_open(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  size_t length;
  const char *bytes = http_request_body(request, &length);
  A2aCall call;
  A2aFault fault;
  if (a2a_read(bytes, length, http_request_header(request, "a2a-version"), &call, &fault))
    a2a_fns[call.method](agent, request, &call, &fault);
  if (fault.code)
    a2a_reply_fault(request, &call, &fault);
  a2a_fault_clear(&fault);
  a2a_call_clear(&call);
}

static const DoorRow rows[] = {
    {"POST", "/a2a", a2a_open, a2a_refuse, false},
    {"POST", "/", a2a_open, a2a_refuse, false}, /* clients that know only the agent's base URL */
    {"GET", "/.well-known/agent-card.json", door_open_a2a_card, door_refuse_problem, true},
    /* where clients of 0.2 look */
    {"GET", "/.well-known/agent.json", door_open_a2a_card, door_refuse_problem, true},
};
const DoorRows a2a_rows = {rows, G_N_ELEMENTS(rows)};
