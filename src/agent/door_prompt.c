/* Owns our own doors: /prompt and /query, whole or as server-sent events. */
#include "agent/door.h"

#include "base/clock.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

static void jw_text(GString *out, const char *key, const char *text, size_t length)
{
  jw_raw(out, key, "");
  jw_quote(out, text, length);
}

static void prompt_members(const Reply *reply, GString *out, const AskResult *result)
{
  jw_text(out, "response", result->text, result->length);
  jw_str(out, "agent", reply->agent->file->name);
  if (reply->session_id)
    jw_str(out, "session_id", reply->session_id);
  jw_int(out, "duration_ms", clock_boot_ms() - reply->came_ms);
  jw_open(out, "usage", '{');
  door_usage(out, &result->usage);
  jw_close(out, '}');
}

static void prompt_whole(const Reply *reply, GString *out, const AskResult *result)
{
  jw_open(out, NULL, '{');
  prompt_members(reply, out, result);
  jw_close(out, '}');
}

static void prompt_delta(Reply *reply, GString *out, const char *text, size_t length)
{
  (void)reply;
  sse_begin(out, "delta");
  jw_text(out, "text", text, length);
  sse_end(out);
}

static void prompt_tool(const Reply *reply, GString *out, const char *name, bool begins)
{
  (void)reply;
  sse_begin(out, "tool");
  jw_str(out, "name", name);
  jw_str(out, "phase", begins ? "begins" : "ends");
  sse_end(out);
}

static void prompt_close(const Reply *reply, GString *out, const AskResult *result)
{
  sse_begin(out, "done");
  prompt_members(reply, out, result);
  sse_end(out);
}

static void prompt_broken(const Reply *reply, GString *out, const AskResult *no)
{
  (void)reply;
  sse_begin(out, "error");
  door_problem_members(out, no);
  sse_end(out);
}

static const ReplyShape prompt_shape = {
    .stream_type = "text/event-stream",
    .alive = ": the agent is at work\n\n",
    .delta = prompt_delta,
    .tool = prompt_tool,
    .close = prompt_close,
    .broken = prompt_broken,
    .whole = prompt_whole,
    .refuse = door_refuse_problem,
};

#define PROMPT_MEMBERS                                                            \
  {"session_id", DOOR_SESSION, false, 0, 0}, {"stream", DOOR_FLAG, false, 0, 0},  \
      {"model", DOOR_TEXT, false, 0, 0}, {"temperature", DOOR_REAL, false, 0, 2}, \
      {"top_p", DOOR_REAL, false, 0, 1},                                          \
  {                                                                               \
    "max_tokens", DOOR_INT, false, 1, 10000000                                    \
  }

static const DoorMember prompt_table[] = {
    {"prompt", DOOR_TEXT, true, 0, 0}, PROMPT_MEMBERS, {.name = NULL}};
static const DoorMember query_table[] = {{"query", DOOR_TEXT, true, 0, 0},
                                         {"context", DOOR_OBJECT, false, 0, 0},
                                         PROMPT_MEMBERS,
                                         {.name = NULL}};

static bool wants_events(const HttpRequest *request)
{
  const char *accept = http_request_header(request, "accept");
  return accept && strstr(accept, "text/event-stream");
}

/* Asks with a body that was found right; @key names the text in it. */
static void prompt_ask(Reply *reply, const json_t *body, const char *key)
{
  const json_t *context = json_object_get(body, "context");
  char *context_text = json_is_object(context) ? json_dumps(context, JSON_COMPACT) : NULL;
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, message_new(ROLE_USER, jget_str(body, key, "")));
  AskSpec spec = {.door = "prompt",
                  .messages = messages,
                  .session_id = reply->session_id,
                  .context = context_text};
  spec.options.model = jget_str(body, "model", NULL);
  g_autofree char *wrong = NULL;
  door_options(&spec.options, body, "max_tokens", &wrong); /* the table has seen to it */
  reply->stream = jget_flag(body, "stream", wants_events(reply->request));
  reply_ask(reply, &spec);
  free(context_text);
}

static void prompt_open(Agent *agent, HttpRequest *request, const DoorMember *table,
                        bool new_session)
{
  g_autofree char *wrong = NULL;
  json_t *body = door_body(request, &wrong);
  if (body)
    wrong = door_body_check(body, table);
  if (wrong) {
    agent_stats_refused(&agent->stats, "prompt", 422);
    door_refuse(door_refuse_problem, request, 422, "invalid", "invalid request body", wrong);
  } else {
    Reply *reply = reply_new(agent, request, &prompt_shape, jget_str(body, "model", NULL));
    const char *session = jget_str(body, "session_id", NULL);
    reply->session_id = g_strdup(session || !new_session ? session : reply->id);
    prompt_ask(reply, body, table[0].name);
  }
  json_decref(body);
}

static void prompt_open_prompt(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  prompt_open(agent, request, prompt_table, false);
}

/* A query without a session begins one. */
static void prompt_open_query(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  prompt_open(agent, request, query_table, true);
}

static const DoorRow rows[] = {
    {"POST", "/prompt", prompt_open_prompt, door_refuse_problem, false},
    {"POST", "/query", prompt_open_query, door_refuse_problem, false},
};
const DoorRows prompt_rows = {rows, G_N_ELEMENTS(rows)};
