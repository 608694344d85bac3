/* Owns the door of OpenAI's clients: /v1/chat/completions (server-sent chunks when "stream" is true) and /v1/models. */
#include "agent/door.h"

#include "base/clock.h"
#include "base/json.h"

#include <string.h>

static const char *openai_type(int status)
{
  return status == 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error";
}

/* The members of an error object. */
static void openai_error(GString *out, const AskResult *no)
{
  jw_open(out, "error", '{');
  jw_str(out, "message", no->detail ? no->detail : no->title);
  jw_str(out, "type", openai_type(no->status));
  jw_null(out, "param");
  jw_str(out, "code", no->status == 401 ? "invalid_api_key" : no->word);
  jw_close(out, '}');
}

static void openai_refuse(HttpRequest *request, const AskResult *no)
{
  g_autoptr(GString) body = g_string_new("{");
  openai_error(body, no);
  g_string_append_c(body, '}');
  door_reply(request, no->status, body->str, body->len);
}

static void openai_begin(const Reply *reply, GString *out, const char *object)
{
  g_string_append(out, "\"id\":\"chatcmpl-");
  g_string_append(out, reply->id);
  g_string_append_c(out, '"');
  jw_str(out, "object", object);
  jw_int(out, "created", reply->created_ms / 1000);
  jw_str(out, "model", reply->model);
}

static void openai_usage(GString *out, const AskUsage *usage)
{
  int64_t prompt = MAX(usage->prompt_tokens, 0), completion = MAX(usage->completion_tokens, 0);
  jw_open(out, "usage", '{');
  jw_int(out, "prompt_tokens", prompt);
  jw_int(out, "completion_tokens", completion);
  jw_int(out, "total_tokens", prompt + completion);
  jw_close(out, '}');
}

/* Begins a chunk with the one choice, up to the members of its delta. */
static void openai_chunk_begin(const Reply *reply, GString *out)
{
  sse_begin(out, NULL);
  openai_begin(reply, out, "chat.completion.chunk");
  g_string_append(out, ",\"choices\":[{\"index\":0,\"delta\":{");
}

/* @finish NULL while more comes. */
static void openai_chunk_end(const Reply *reply, GString *out, const char *finish)
{
  g_string_append(out, "},\"logprobs\":null");
  jw_str(out, "finish_reason", finish);
  g_string_append(out, reply->usage ? "}],\"usage\":null" : "}]");
  sse_end(out);
}

static void openai_prepare(Reply *reply)
{
  reply->head = g_string_new(NULL);
  reply->tail = g_string_new(NULL);
  openai_chunk_begin(reply, reply->head);
  openai_chunk_end(reply, reply->tail, NULL);
}

static void openai_delta(Reply *reply, GString *out, const char *text, size_t length)
{
  static const char first[] = "\"role\":\"assistant\",\"content\":", further[] = "\"content\":";
  if (!reply->head)
    openai_prepare(reply);
  g_string_append_len(out, reply->head->str, (gssize)reply->head->len);
  if (reply->begun)
    g_string_append_len(out, further, sizeof further - 1);
  else
    g_string_append_len(out, first, sizeof first - 1);
  jw_quote(out, text, length);
  g_string_append_len(out, reply->tail->str, (gssize)reply->tail->len);
}

static void openai_close(const Reply *reply, GString *out, const AskResult *result, bool begun)
{
  bool said = begun || out->len;
  openai_chunk_begin(reply, out);
  g_string_append(out, said ? "" : "\"role\":\"assistant\",\"content\":\"\"");
  openai_chunk_end(reply, out, result->finish ? result->finish : "stop");
  if (reply->usage) {
    sse_begin(out, NULL);
    openai_begin(reply, out, "chat.completion.chunk");
    g_string_append(out, ",\"choices\":[]");
    openai_usage(out, &result->usage);
    sse_end(out);
  }
  g_string_append(out, "data: [DONE]\n\n");
}

static void openai_broken(const Reply *reply, GString *out, const AskResult *no)
{
  (void)reply;
  sse_begin(out, NULL);
  openai_error(out, no);
  sse_end(out);
}

static void openai_whole(const Reply *reply, GString *out, const AskResult *result)
{
  g_string_append_c(out, '{');
  openai_begin(reply, out, "chat.completion");
  g_string_append(out, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
  jw_quote(out, result->text, result->length);
  g_string_append(out, ",\"refusal\":null},\"logprobs\":null");
  jw_str(out, "finish_reason", result->finish ? result->finish : "stop");
  g_string_append(out, "}]");
  openai_usage(out, &result->usage);
  g_string_append_c(out, '}');
}

static const ReplyShape openai_shape = {
    .stream_type = "text/event-stream",
    .delta = openai_delta,
    .close = openai_close,
    .broken = openai_broken,
    .whole = openai_whole,
    .refuse = openai_refuse,
};

static void openai_bad(Agent *agent, HttpRequest *request, const char *wrong)
{
  agent_stats_refused(&agent->stats, "openai", 400);
  door_refuse(openai_refuse, request, 400, "invalid_request", "invalid request body", wrong);
}

static void openai_ask(Agent *agent, HttpRequest *request, const json_t *body, GPtrArray *messages)
{
  Reply *reply = reply_new(agent, request, &openai_shape, jget_str(body, "model", NULL));
  reply->stream = jget_flag(body, "stream", false);
  reply->usage = jget_flag(json_object_get(body, "stream_options"), "include_usage", false);
  AskSpec spec = {.door = "openai", .messages = messages, .options = {.model = jget_str(body, "model", NULL)}};
  door_options(&spec.options, body, json_object_get(body, "max_completion_tokens") ? "max_completion_tokens" : "max_tokens");
  reply_ask(reply, &spec);
}

static void openai_open_chat(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autofree char *wrong = NULL;
  json_t *body = door_body(request, &wrong);
  g_autoptr(GPtrArray) messages = body ? door_messages(json_object_get(body, "messages"), &wrong) : NULL;
  if (!messages)
    openai_bad(agent, request, wrong);
  else if (jget_int(body, "n", 1) != 1)
    openai_bad(agent, request, "n: this agent gives one answer");
  else
    openai_ask(agent, request, body, messages);
  json_decref(body);
}

/* ---- models: the agent is the one ---- */

static void openai_model(const Agent *agent, GString *out)
{
  jw_open(out, NULL, '{');
  jw_str(out, "id", agent->file->name);
  jw_str(out, "object", "model");
  jw_int(out, "created", (clock_wall_ms() - (clock_boot_ms() - agent->started_ms)) / 1000);
  jw_str(out, "owned_by", "reeve");
  jw_close(out, '}');
}

static void openai_open_models(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autoptr(GString) out = g_string_new("{\"object\":\"list\",\"data\":[");
  openai_model(agent, out);
  g_string_append(out, "]}");
  door_reply(request, 200, out->str, out->len);
}

static void openai_open_model(Agent *agent, HttpRequest *request, const char *rest)
{
  if (!g_str_equal(rest, agent->file->name)) {
    g_autofree char *detail = g_strdup_printf("the model '%s' does not exist; this agent is '%s'", rest, agent->file->name);
    door_refuse(openai_refuse, request, 404, "model_not_found", "no such model", detail);
    return;
  }
  g_autoptr(GString) out = g_string_new(NULL);
  openai_model(agent, out);
  door_reply(request, 200, out->str, out->len);
}

static const DoorRow rows[] = {
    {"POST", "/v1/chat/completions", openai_open_chat, openai_refuse, false},
    {"GET", "/v1/models", openai_open_models, openai_refuse, false},
    {"GET", "/v1/models/", openai_open_model, openai_refuse, false},
};
const DoorRows openai_rows = {rows, G_N_ELEMENTS(rows)};
