/* Owns the questions on their way: waiting for their turn, with a brain, with tools that the model
 * wants called, answered. */
#include "agent/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <math.h>
#include <string.h>

enum {
  ROUNDS_MAX = 8,              /* how often a brain may have tools called for one question */
  TOOL_CALLS_MAX = 16,         /* of one round */
  TOOL_TEXT_MAX = 1024 * 1024, /* of all tools for one question */
  ANSWER_BYTES_MAX = 16 * 1024 * 1024, /* of all rounds */
  RETRY_AFTER_MAX_S = 60
};

/* How a question ends that is not answered. */
typedef struct AskFailure {
  int status;
  const char *word, *title;
} AskFailure;

static const AskFailure ask_busy = {429, "busy", "too many prompts at once"};
static const AskFailure ask_brain_failed = {502, "brain-failed", "the brain did not answer"};
static const AskFailure ask_brain_busy = {429, "busy",
                                          "the model server takes no more questions now"};
static const AskFailure ask_refused = {400, "brain-refused",
                                       "the model server refused the question"};
static const AskFailure ask_stopping = {503, "unavailable", "the agent is stopping"};
static const AskFailure ask_late = {504, "timeout", "the deadline passed first"};

typedef struct AskTool {
  Ask *ask;
  ToolRun *run; /* NULL = over */
  const ToolCall *call;
  guint answer; /* index of the message that tells the model */
} AskTool;

struct Ask {
  Agent *agent;
  const char *door;
  const AskListener *listener;
  void *data;
  GQueue *queue; /* of the agent, where link is */
  GList link;
  GPtrArray *messages; /* the whole conversation: system, history, what came, rounds of tools */
  guint first_new;     /* the first of those that came */
  guint n_new;
  char *session_id, *context, *model;
  AskOptions options;
  int depth;
  int64_t came_ms, started_ms, deadline_ms;
  BrainCall *call; /* while a brain works */
  AskTool *tools;  /* while tools work: n_tools of them */
  guint n_tools, tools_left;
  size_t tool_bytes;
  LoopTimer *timer; /* while waiting or ending */
  GString *text;
  size_t round_start; /* in text */
  const AskFailure *failure;
  AskFailure refusal; /* what failure is when the model server's status counts */
  char *detail;
  AskResult result;
  int holds; /* frames on the stack that use it */
  bool cancelled;
  bool held; /* its reader does not keep up */
};

static void asks_start_next(Agent *agent);
static bool ask_think(Ask *ask);

/* ---- its life ---- */

static void ask_free(Ask *ask)
{
  loop_timer_free(ask->timer);
  g_ptr_array_unref(ask->messages);
  g_string_free(ask->text, TRUE);
  char *texts[] = {ask->session_id, ask->context, ask->model, ask->detail};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  json_decref(ask->options.more);
  g_free(ask->tools);
  g_free(ask);
}

/* A listener may cancel the question that it is told of; it stays in memory until all who use it
 * are done. */
static void ask_hold(Ask *ask)
{
  ask->holds++;
}

/* False when it was cancelled meanwhile; it may be gone then. */
static bool ask_release(Ask *ask)
{
  bool cancelled = ask->cancelled;
  if (--ask->holds == 0 && cancelled)
    ask_free(ask);
  return !cancelled;
}

static void ask_move(Ask *ask, GQueue *queue)
{
  if (ask->queue)
    g_queue_unlink(ask->queue, &ask->link);
  ask->queue = queue;
  if (queue)
    g_queue_push_tail_link(queue, &ask->link);
}

/* Ends what works for it. */
static void ask_stop_work(Ask *ask)
{
  if (ask->call)
    ask->agent->brain->cancel(ask->call);
  ask->call = NULL;
  for (guint i = 0; i < ask->n_tools; i++)
    tool_run_cancel(ask->tools[i].run);
  g_clear_pointer(&ask->tools, g_free);
  ask->n_tools = ask->tools_left = 0;
}

/* Its place is free for the next one. */
static void ask_leave(Ask *ask)
{
  Agent *agent = ask->agent;
  ask_stop_work(ask);
  ask_hold_back(ask, false);
  ask_move(ask, NULL);
  g_clear_pointer(&ask->timer, loop_timer_free);
  ask->cancelled = true;
  ask_hold(ask);
  ask_release(ask);
  asks_start_next(agent);
  agent_settle(agent);
}

/* Tells how it ended and lets go of it. */
static void ask_end(Ask *ask)
{
  AskResult *result = &ask->result;
  result->status = ask->failure ? ask->failure->status : 200;
  result->word = ask->failure ? ask->failure->word : NULL;
  result->title = ask->failure ? ask->failure->title : NULL;
  result->detail = ask->detail;
  result->text = ask->text->str;
  result->length = ask->text->len;
  result->duration_ms = clock_boot_ms() - ask->came_ms;
  agent_stats_ask(&ask->agent->stats, ask->door, result);
  if (ask->failure)
    log_warn("question failed", "door=%s status=%d ms=%" G_GINT64_FORMAT " why=%s", ask->door,
             result->status, result->duration_ms, ask->detail);
  ask_stop_work(ask);
  ask_hold(ask);
  ask->listener->done(result, ask->data);
  ask_release(ask);
  ask_leave(ask);
}

/* @detail is taken. */
static void ask_fail(Ask *ask, const AskFailure *failure, char *detail)
{
  ask->failure = failure;
  ask->detail = detail;
  ask_end(ask);
}

static void ask_on_ending(void *data)
{
  ask_end(data);
}

/* As ask_fail, but the listener hears of it at the next turn of the loop. */
static void ask_fail_soon(Ask *ask, const AskFailure *failure, char *detail)
{
  ask->failure = failure;
  ask->detail = detail;
  ask_move(ask, &ask->agent->ending);
  loop_timer_free(ask->timer);
  ask->timer = loop_timer_new(ask->agent->loop, ask_on_ending, ask);
  loop_timer_set(ask->timer, clock_boot_ms());
}

void ask_cancel(Ask *ask)
{
  ask->result.duration_ms = clock_boot_ms() - ask->came_ms;
  agent_stats_cancelled(&ask->agent->stats, ask->door, &ask->result);
  ask_leave(ask);
}

void ask_hold_back(Ask *ask, bool held)
{
  if (ask->held == held)
    return;
  ask->held = held;
  ask->agent->held += held ? 1 : -1;
  if (ask->call)
    ask->agent->brain->hold(ask->call, held);
}

/* ---- the brain's word ---- */

static void ask_on_delta(const char *text, size_t length, void *data)
{
  Ask *ask = data;
  AskResult *result = &ask->result;
  if (result->first_token_ms < 0)
    result->first_token_ms = clock_boot_ms() - ask->started_ms;
  if (ask->text->len + length > ANSWER_BYTES_MAX) {
    ask_stop_work(ask);
    ask_fail_soon(ask, &ask_brain_failed,
                  g_strdup_printf("the answer is longer than %d bytes", ANSWER_BYTES_MAX));
    return;
  }
  size_t from = ask->text->len;
  /* what it says after a round of tools is a paragraph of its own */
  if (from && from == ask->round_start && ask->text->str[from - 1] != '\n') {
    g_string_append(ask->text, "\n\n");
    ask->round_start += 2;
  }
  g_string_append_len(ask->text, text, (gssize)length);
  ask_hold(ask);
  if (ask->listener->delta)
    ask->listener->delta(ask->text->str + from, ask->text->len - from, ask->data);
  ask_release(ask);
}

static void ask_add_usage(Ask *ask, const BrainResult *said)
{
  AskUsage *usage = &ask->result.usage;
  usage->rounds++;
  if (said->prompt_tokens >= 0)
    usage->prompt_tokens = MAX(usage->prompt_tokens, 0) + said->prompt_tokens;
  if (said->completion_tokens >= 0)
    usage->completion_tokens = MAX(usage->completion_tokens, 0) + said->completion_tokens;
}

/* The session learns of it only now: a question without an answer leaves no trace. */
static void ask_remember(Ask *ask)
{
  if (!ask->session_id)
    return;
  g_autoptr(GPtrArray) said = messages_new();
  for (guint i = 0; i < ask->n_new; i++) {
    const Message *message = g_ptr_array_index(ask->messages, ask->first_new + i);
    if (message->role != ROLE_SYSTEM)
      g_ptr_array_add(said, message_copy(message));
  }
  g_ptr_array_add(said, message_new(ROLE_ASSISTANT, ask->text->str));
  sessions_add(ask->agent->sessions, ask->session_id, said, clock_boot_ms());
}

/* ---- tools ---- */

/* Tells the model how its call ended; all of them together are bounded. */
static void ask_tool_answer(Ask *ask, const AskTool *tool, const char *text, size_t length)
{
  Message *message = g_ptr_array_index(ask->messages, tool->answer);
  size_t room = (size_t)TOOL_TEXT_MAX - ask->tool_bytes;
  ask->tool_bytes += MIN(length, room);
  g_free(message->text);
  if (length <= room) {
    message->text = g_strndup(text, length);
    return;
  }
  g_autofree char *cut = g_strndup(text, room), *valid = g_utf8_make_valid(cut, -1);
  message->text =
      g_strconcat(valid, "\n[cut off: the tools have said enough for one question]", NULL);
}

static bool ask_tell_tool(Ask *ask, const char *name, bool begins)
{
  ask_hold(ask);
  if (ask->listener->tool)
    ask->listener->tool(name, begins, ask->data);
  return ask_release(ask);
}

static void ask_on_tool(const ToolResult *result, void *data)
{
  AskTool *tool = data;
  Ask *ask = tool->ask;
  tool->run = NULL;
  ask_tool_answer(ask, tool, result->text, result->length);
  ask->tools_left--;
  if (ask_tell_tool(ask, tool->call->name, false) && !ask->tools_left)
    ask_think(ask);
}

/* A call that the model gave no name gets one that is new in the conversation. */
static ToolCall *ask_copy_call(const Ask *ask, const ToolCall *call, guint position)
{
  g_autofree char *fresh = g_strdup_printf("call_%d_%u", ask->result.usage.rounds, position + 1);
  return tool_call_new(call->id[0] ? call->id : fresh, call->name, call->arguments);
}

/* The assistant's message that wants them, and one that answers each. What is too much is not
 * called, and the model is told so. */
static void ask_add_round(Ask *ask, const BrainResult *said)
{
  const GPtrArray *calls = said->tool_calls;
  Message *wants = message_new(ROLE_ASSISTANT, ask->text->str + ask->round_start);
  wants->tool_calls = tool_calls_new();
  wants->reasoning = g_strdup(said->reasoning);
  wants->reasoning_key = said->reasoning_key;
  g_ptr_array_add(ask->messages, wants);
  ask->round_start = ask->text->len;
  ask->n_tools = ask->tools_left = MIN(calls->len, (guint)TOOL_CALLS_MAX);
  ask->tools = g_new0(AskTool, ask->n_tools);
  for (guint i = 0; i < calls->len; i++) {
    ToolCall *call = ask_copy_call(ask, g_ptr_array_index(calls, i), i);
    Message *answer = message_new(
        ROLE_TOOL, i < ask->n_tools
                       ? ""
                       : "not called: too many calls at once; call it again, with fewer others");
    answer->tool_call_id = g_strdup(call->id);
    answer->tool_name = g_strdup(call->name);
    g_ptr_array_add(wants->tool_calls, call);
    g_ptr_array_add(ask->messages, answer);
    if (i < ask->n_tools)
      ask->tools[i] = (AskTool){.ask = ask, .call = call, .answer = ask->messages->len - 1};
  }
}

/* Has the tools called that the brain @said it wants, all at once. */
static void ask_call_tools(Ask *ask, const BrainResult *said)
{
  int64_t left_ms = MAX(ask->deadline_ms - clock_boot_ms(), 1);
  ask_add_round(ask, said);
  ask->result.usage.tool_calls += (int)ask->n_tools;
  ask_hold(ask);
  for (guint i = 0; i < ask->n_tools; i++) {
    AskTool *tool = &ask->tools[i];
    if (!ask_tell_tool(ask, tool->call->name, true))
      break;
    tool->run = tools_call(ask->agent->tools, tool->call->name, tool->call->arguments, left_ms,
                           ask->depth, ask_on_tool, tool);
  }
  ask_release(ask);
}

/* ---- rounds ---- */

static const AskFailure *const ask_failures[] = {[BRAIN_FAILED] = &ask_brain_failed,
                                                 [BRAIN_TIMED_OUT] = &ask_late,
                                                 [BRAIN_AWAY] = &ask_brain_failed};

/* What a model server refuses is the client's business: it must know whether to ask otherwise,
 * later, or not at all. What went wrong on the way to it is not. */
static const AskFailure *ask_failure(Ask *ask, const BrainResult *said)
{
  static const int ours[] = {407, 408, 409, 425};
  ask->result.retry_after_s = said->retry_after_s;
  if (said->status == 429)
    return &ask_brain_busy;
  for (size_t i = 0; i < G_N_ELEMENTS(ours); i++)
    if (said->status == ours[i])
      return &ask_brain_failed;
  if (said->status < 400 || said->status > 499)
    return ask_failures[said->outcome];
  ask->refusal = ask_refused;
  ask->refusal.status = said->status;
  return &ask->refusal;
}

static void ask_on_done(const BrainResult *said, void *data)
{
  Ask *ask = data;
  ask->call = NULL;
  ask_add_usage(ask, said);
  if (said->outcome != BRAIN_ANSWERED) {
    ask_fail(ask, ask_failure(ask, said), g_strdup(said->detail));
  } else if (!said->tool_calls || !said->tool_calls->len) {
    ask->result.finish = said->finish;
    ask_remember(ask);
    ask_end(ask);
  } else if (ask->result.usage.rounds > ROUNDS_MAX) {
    ask_fail(
        ask, &ask_brain_failed,
        g_strdup_printf("the model wanted tools called in more than %d rounds and gave no answer",
                        ROUNDS_MAX));
  } else {
    ask_call_tools(ask, said);
  }
}

static const BrainListener ask_brain_listener = {.delta = ask_on_delta, .done = ask_on_done};

/* Gives the conversation to a brain. False when it ends instead, soon. */
static bool ask_think(Ask *ask)
{
  Agent *agent = ask->agent;
  int64_t left_ms = ask->deadline_ms - clock_boot_ms();
  g_autoptr(GError) error = NULL;
  g_clear_pointer(&ask->tools, g_free);
  ask->n_tools = 0;
  if (left_ms <= 0) {
    ask_fail_soon(ask, &ask_late,
                  g_strdup_printf("no answer within %" G_GINT64_FORMAT " ms", agent->timeout_ms));
    return false;
  }
  BrainRequest request = {.messages = ask->messages,
                          .tools = agent->brain->tools ? tools_json(agent->tools) : NULL,
                          .options = ask->options,
                          .session_id = ask->session_id,
                          .context = ask->context,
                          .timeout_ms = left_ms};
  ask->call = agent->brain->start(&agent->world, &request, &ask_brain_listener, ask, &error);
  if (!ask->call)
    ask_fail_soon(ask, &ask_brain_failed, g_strdup(error->message));
  else if (ask->held)
    agent->brain->hold(ask->call, true);
  return ask->call != NULL;
}

/* ---- turns ---- */

/* A session's history is what it is when the question's turn comes: what was said before is part of
 * it. */
static void ask_add_history(Ask *ask)
{
  const GPtrArray *history =
      ask->session_id ? sessions_get(ask->agent->sessions, ask->session_id, clock_boot_ms()) : NULL;
  for (guint i = 0; history && i < history->len; i++)
    g_ptr_array_insert(ask->messages, (gint)ask->first_new++,
                       message_copy(g_ptr_array_index(history, i)));
}

static void ask_start(Ask *ask)
{
  g_clear_pointer(&ask->timer, loop_timer_free);
  ask_move(ask, &ask->agent->running);
  ask->started_ms = clock_boot_ms();
  ask->deadline_ms = ask->started_ms + ask->agent->timeout_ms;
  ask_add_history(ask);
  ask_think(ask);
}

static bool agent_has_room(const Agent *agent)
{
  return (int)agent->running.length < agent->running_max;
}

static void asks_start_next(Agent *agent)
{
  while (agent->waiting.length && agent_has_room(agent))
    ask_start(g_queue_peek_head(&agent->waiting));
}

static void ask_on_waited(void *data)
{
  ask_fail(data, &ask_late,
           g_strdup("the prompt waited for its turn as long as it was allowed to"));
}

static void ask_wait(Ask *ask)
{
  ask_move(ask, &ask->agent->waiting);
  ask->timer = loop_timer_new(ask->agent->loop, ask_on_waited, ask);
  loop_timer_set(ask->timer, ask->came_ms + ask->agent->timeout_ms);
}

/* When the queue will probably be through. */
static int64_t agent_retry_after_s(const Agent *agent)
{
  int64_t ms = agent->stats.answer_ms * (int64_t)(agent->waiting.length + 1) / agent->running_max;
  return CLAMP((ms + 999) / 1000, 1, RETRY_AFTER_MAX_S);
}

void asks_give_up(Agent *agent)
{
  GQueue *queues[] = {&agent->waiting, &agent->running, &agent->ending};
  agent->draining = true;
  agent->running_max = 0; /* nobody takes the places */
  for (size_t i = 0; i < G_N_ELEMENTS(queues); i++) {
    while (queues[i]->length) {
      Ask *ask = g_queue_peek_head(queues[i]);
      if (ask->failure)
        ask_end(ask);
      else
        ask_fail(ask, &ask_stopping,
                 g_strdup("the agent is stopping and its time for answers is over"));
    }
  }
}

/* ---- its beginning ---- */

/* What the client said, and where it said nothing, the file. */
static void ask_set_options(Ask *ask, const AskOptions *options)
{
  const AgentFile *file = ask->agent->file;
  const char *model = options->model;
  bool ours = !model || g_strcmp0(model, file->name) == 0;
  bool own_tokens = !options->max_tokens;
  ask->model = g_strdup(ours ? file->llm_model : model);
  ask->options = (AskOptions){
      .model = ask->model,
      .temperature = isnan(options->temperature) ? file->temperature : options->temperature,
      .top_p = isnan(options->top_p) ? file->top_p : options->top_p,
      .max_tokens =
          own_tokens ? file->max_tokens + file->max_completion_tokens : options->max_tokens,
      .completion_tokens =
          own_tokens ? file->max_completion_tokens > 0 : options->completion_tokens,
      .more = json_incref(options->more)};
}

static void paragraph(GString *out, const char *lead, const char *text)
{
  g_string_append_printf(out, "%s%s%s", out->len ? "\n\n" : "", lead, text);
}

/* One message of the system stands in front, for many a model knows no more than one: what the file
 * says, what was given with the question (a program finds that in its environment), and what the
 * client says as the system. */
static void ask_set_messages(Ask *ask, const GPtrArray *messages)
{
  const Agent *agent = ask->agent;
  g_autoptr(GString) system = g_string_new(agent->file->system_prompt);
  guint first = 0;
  if (ask->context && agent->brain->tools)
    paragraph(system, "Context of the question, as JSON: ", ask->context);
  for (; first < messages->len &&
         ((const Message *)g_ptr_array_index(messages, first))->role == ROLE_SYSTEM;
       first++)
    paragraph(system, "", ((const Message *)g_ptr_array_index(messages, first))->text);
  ask->messages = messages_new();
  if (system->len)
    g_ptr_array_add(ask->messages, message_new(ROLE_SYSTEM, system->str));
  ask->first_new = ask->messages->len;
  ask->n_new = messages->len - first;
  for (guint i = first; i < messages->len; i++)
    g_ptr_array_add(ask->messages, message_copy(g_ptr_array_index(messages, i)));
}

Ask *ask_begin(Agent *agent, const AskSpec *spec, const AskListener *listener, void *data)
{
  Ask *ask = g_new0(Ask, 1);
  *ask = (Ask){.agent = agent,
               .door = spec->door,
               .listener = listener,
               .data = data,
               .depth = spec->depth,
               .came_ms = clock_boot_ms()};
  ask->link.data = ask;
  ask->session_id = g_strdup(spec->session_id);
  ask->context = g_strdup(spec->context);
  ask->text = g_string_new(NULL);
  ask->result =
      (AskResult){.first_token_ms = -1, .usage = {.prompt_tokens = -1, .completion_tokens = -1}};
  ask_set_options(ask, &spec->options);
  ask_set_messages(ask, spec->messages);
  agent->stats.requests++;
  if (agent->draining) {
    ask_fail_soon(ask, &ask_stopping, g_strdup("the agent is stopping and takes nothing new"));
  } else if (agent->waiting.length >= ASKS_WAITING_MAX) {
    ask->result.retry_after_s = agent_retry_after_s(agent);
    ask_fail_soon(ask, &ask_busy, g_strdup("the brain is busy and the queue is full; try again"));
  } else if (agent_has_room(agent) && !agent->waiting.length) {
    ask_start(ask);
  } else {
    ask_wait(ask);
  }
  return ask;
}
