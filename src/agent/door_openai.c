/* Owns the door of OpenAI's clients: /v1/chat/completions (server-sent chunks when "stream" is
 * true) and /v1/models. */
#include "agent/door.h"

#include "base/clock.h"
#include "base/json.h"

#include <string.h>

static const char *openai_type(int status)
{
  return status == 429   ? "rate_limit_error"
         : status >= 500 ? "server_error"
                         : "invalid_request_error";
}

/* The members of an error object. */
static void openai_error(GString *out, const AskResult *no)
{
  jw_open(out, "error", '{');
  jw_str(out, "message", no->detail ? no->detail : no->title);
  jw_str(out, "type", openai_type(no->status));
  jw_null(out, "param");
  jw_str(out, "code", g_strcmp0(no->word, "unauthorized") == 0 ? "invalid_api_key" : no->word);
  jw_close(out, '}');
}

void openai_refuse(HttpRequest *request, const AskResult *no)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  openai_error(body, no);
  jw_close(body, '}');
  if (g_strcmp0(no->word, "brain-failed") == 0)
    /* OpenAI's clients heed it: the model server was asked again already */
    http_reply_header(request, "x-should-retry", "false");
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

static bool openai_has_usage(const AskUsage *usage)
{
  return usage->prompt_tokens >= 0 || usage->completion_tokens >= 0;
}

/* What nobody counted is not told: 0 would be taken for free. */
static void openai_usage(GString *out, const AskUsage *usage)
{
  if (!openai_has_usage(usage))
    return;
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
  if (reply->said)
    g_string_append_len(out, further, sizeof further - 1);
  else
    g_string_append_len(out, first, sizeof first - 1);
  jw_quote(out, text, length);
  g_string_append_len(out, reply->tail->str, (gssize)reply->tail->len);
}

static void openai_close(const Reply *reply, GString *out, const AskResult *result)
{
  bool said = reply->said || out->len;
  openai_chunk_begin(reply, out);
  g_string_append(out, said ? "" : "\"role\":\"assistant\",\"content\":\"\"");
  openai_chunk_end(reply, out, result->finish ? result->finish : "stop");
  if (reply->usage && openai_has_usage(&result->usage)) {
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
  g_string_append(out,
                  ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
  jw_quote(out, result->text, result->length);
  g_string_append(out, ",\"refusal\":null},\"logprobs\":null");
  jw_str(out, "finish_reason", result->finish ? result->finish : "stop");
  g_string_append(out, "}]");
  openai_usage(out, &result->usage);
  g_string_append_c(out, '}');
}

static const ReplyShape openai_shape = {
    .stream_type = "text/event-stream",
    .alive = ": the agent is at work\n\n",
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

/* What this door acts on itself, and the tools of the client, which are not offered to the model.
 * The rest is passed on to it. */
static const char *const openai_own[] = {
    "model",       "messages",    "stream",     "stream_options",        "n",
    "tools",       "tool_choice", "functions",  "function_call",         "parallel_tool_calls",
    "temperature", "top_p",       "max_tokens", "max_completion_tokens", NULL};

static bool json_is_nothing(const json_t *value)
{
  return !value || json_is_null(value) || json_is_false(value) ||
         (json_is_number(value) && json_number_value(value) == 0);
}

static char *openai_wrong_choice(const char *name, const json_t *choice)
{
  const char *word = json_string_value(choice);
  if (!choice || json_is_null(choice) ||
      (word && (g_str_equal(word, "auto") || g_str_equal(word, "none"))))
    return NULL;
  return g_strdup_printf(
      "%s: the agent calls its own tools and none of the client's; wanted 'auto' or 'none'", name);
}

static bool openai_format_is_right(const json_t *wanted)
{
  const char *type = jget_str(wanted, "type", "");
  if (g_str_equal(type, "json_schema"))
    return json_is_object(json_object_get(json_object_get(wanted, "json_schema"), "schema"));
  return g_str_equal(type, "text") || g_str_equal(type, "json_object");
}

/* What @body wants that no answer of an agent can have, or NULL. Caller frees. */
static char *openai_wrong(const json_t *body)
{
  const json_t *modality = json_object_get(body, "modalities"),
               *wanted = json_object_get(body, "response_format");
  char *choice = openai_wrong_choice("tool_choice", json_object_get(body, "tool_choice"));
  if (!choice)
    choice = openai_wrong_choice("function_call", json_object_get(body, "function_call"));
  if (choice)
    return choice;
  if (!door_is_flag(body, "stream"))
    return g_strdup("stream: wanted true or false");
  if (jget_real(body, "n", 1) != 1)
    return g_strdup("n: this agent gives one answer");
  if (!json_is_nothing(json_object_get(body, "logprobs")) ||
      !json_is_nothing(json_object_get(body, "top_logprobs")))
    return g_strdup("logprobs: this agent does not tell them");
  if (json_is_object(json_object_get(body, "audio")) || json_array_size(modality) > 1)
    return g_strdup("modalities: this agent answers in text only");
  if (wanted && !json_is_null(wanted) && !openai_format_is_right(wanted))
    return g_strdup(
        "response_format: wanted a 'type' of 'text', 'json_object', or 'json_schema' with 'json_schema.schema'");
  return NULL;
}

static json_t *openai_more(const json_t *body)
{
  json_t *more = json_object(), *value;
  const char *key;
  json_object_foreach((json_t *)(uintptr_t)body, key, value)
  {
    if (!json_is_null(value) && !g_strv_contains(openai_own, key))
      json_object_set(more, key, value);
  }
  return more;
}

static void openai_ask(Agent *agent, HttpRequest *request, const json_t *body, GPtrArray *messages)
{
  bool longer = json_is_number(json_object_get(body, "max_completion_tokens"));
  g_autofree char *wrong = NULL;
  AskSpec spec = {.door = "openai",
                  .messages = messages,
                  .options = {.model = jget_str(body, "model", NULL), .completion_tokens = longer}};
  if (!door_options(&spec.options, body, longer ? "max_completion_tokens" : "max_tokens", &wrong)) {
    openai_bad(agent, request, wrong);
    return;
  }
  Reply *reply = reply_new(agent, request, &openai_shape, jget_str(body, "model", NULL));
  reply->stream = jget_flag(body, "stream", false);
  reply->usage = jget_flag(json_object_get(body, "stream_options"), "include_usage", false);
  spec.options.more = openai_more(body);
  reply_ask(reply, &spec);
  json_decref(spec.options.more);
}

static void openai_open_chat(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autofree char *wrong = NULL;
  json_t *body = door_body(request, &wrong);
  if (body)
    wrong = openai_wrong(body);
  g_autoptr(GPtrArray) messages =
      body && !wrong ? door_messages(json_object_get(body, "messages"), &wrong) : NULL;
  if (!messages)
    openai_bad(agent, request, wrong);
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
    g_autofree char *detail = g_strdup_printf("the model '%s' does not exist; this agent is '%s'",
                                              rest, agent->file->name);
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
