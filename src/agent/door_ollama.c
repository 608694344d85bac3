/* Owns the door of Ollama's clients: /api/generate and /api/chat (NDJSON unless "stream" is false),
 * and what tells of models. */
#include "agent/door.h"

#include "base/clock.h"
#include "base/json.h"

#include <string.h>

/* The version of Ollama whose protocol this door speaks: clients turn away from an older one. */
#define OLLAMA_VERSION "0.12.0"

/* tokens that a client may count on; the model's own limit is not known here */
enum { OLLAMA_CONTEXT = 32768 };

void ollama_refuse(HttpRequest *request, const AskResult *no)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "error", no->detail ? no->detail : no->title);
  jw_close(body, '}');
  door_reply(request, no->status, body->str, body->len);
}

static void ollama_bad(Agent *agent, HttpRequest *request, const char *wrong)
{
  agent_stats_refused(&agent->stats, "ollama", 400);
  door_refuse(ollama_refuse, request, 400, "usage", "invalid request body", wrong);
}

/* Opens an object with what every line of an answer begins with. */
static void ollama_begin(const Reply *reply, GString *out)
{
  g_string_append_c(out, '{');
  jw_str(out, "model", reply->model);
  jw_time(out, "created_at", clock_wall_ms());
}

static void ollama_message(GString *out, const char *text, size_t length)
{
  jw_open(out, "message", '{');
  jw_str(out, "role", "assistant");
  jw_raw(out, "content", "");
  jw_quote(out, text, length);
  jw_close(out, '}');
}

static void ollama_response(GString *out, const char *text, size_t length)
{
  jw_raw(out, "response", "");
  jw_quote(out, text, length);
}

static void ollama_count(GString *out, const char *key, int64_t tokens)
{
  if (tokens >= 0)
    jw_int(out, key, tokens);
}

/* The counts and nanoseconds that an answer ends with; what the brain does not tell is left out. */
static void ollama_counts(GString *out, const AskResult *result)
{
  int64_t first_ms = MAX(result->first_token_ms, 0);
  jw_bool(out, "done", true);
  jw_str(out, "done_reason", result->finish ? result->finish : "stop");
  jw_int(out, "total_duration", result->duration_ms * 1000000);
  jw_int(out, "load_duration", 0);
  ollama_count(out, "prompt_eval_count", result->usage.prompt_tokens);
  jw_int(out, "prompt_eval_duration", first_ms * 1000000);
  ollama_count(out, "eval_count", result->usage.completion_tokens);
  jw_int(out, "eval_duration", MAX(result->duration_ms - first_ms, 0) * 1000000);
  g_string_append_c(out, '}');
}

static void chat_delta(Reply *reply, GString *out, const char *text, size_t length)
{
  ollama_begin(reply, out);
  ollama_message(out, text, length);
  jw_bool(out, "done", false);
  g_string_append(out, "}\n");
}

static void generate_delta(Reply *reply, GString *out, const char *text, size_t length)
{
  ollama_begin(reply, out);
  ollama_response(out, text, length);
  jw_bool(out, "done", false);
  g_string_append(out, "}\n");
}

static void chat_whole(const Reply *reply, GString *out, const AskResult *result)
{
  ollama_begin(reply, out);
  ollama_message(out, result->text, result->length);
  ollama_counts(out, result);
}

static void generate_whole(const Reply *reply, GString *out, const AskResult *result)
{
  ollama_begin(reply, out);
  ollama_response(out, result->text, result->length);
  ollama_counts(out, result);
}

static void chat_close(const Reply *reply, GString *out, const AskResult *result)
{
  ollama_begin(reply, out);
  ollama_message(out, "", 0);
  ollama_counts(out, result);
  g_string_append_c(out, '\n');
}

static void generate_close(const Reply *reply, GString *out, const AskResult *result)
{
  ollama_begin(reply, out);
  ollama_response(out, "", 0);
  ollama_counts(out, result);
  g_string_append_c(out, '\n');
}

static void ollama_broken(const Reply *reply, GString *out, const AskResult *no)
{
  (void)reply;
  g_string_append_c(out, '{');
  jw_str(out, "error", no->detail ? no->detail : no->title);
  g_string_append(out, "}\n");
}

static const ReplyShape chat_shape = {
    .stream_type = "application/x-ndjson",
    .delta = chat_delta,
    .close = chat_close,
    .broken = ollama_broken,
    .whole = chat_whole,
    .refuse = ollama_refuse,
};
static const ReplyShape generate_shape = {
    .stream_type = "application/x-ndjson",
    .delta = generate_delta,
    .close = generate_close,
    .broken = ollama_broken,
    .whole = generate_whole,
    .refuse = ollama_refuse,
};

/* ---- questions ---- */

/* Clients add ":latest" to a name without a tag; the agent has none. */
static char *ollama_model(const json_t *body)
{
  const char *name = jget_str(body, "model", NULL);
  return name && g_str_has_suffix(name, ":latest")
             ? g_strndup(name, strlen(name) - strlen(":latest"))
             : g_strdup(name);
}

/* "format" as OpenAI says it. */
static json_t *ollama_format_wanted(const json_t *format)
{
  if (json_is_object(format))
    return json_pack("{s:s,s:{s:s,s:O}}", "type", "json_schema", "json_schema", "name", "answer",
                     "schema", format);
  return json_pack("{s:s}", "type", "json_object");
}

static void ollama_take_more(json_t *more, const char *key, const json_t *value)
{
  if (value && !json_is_null(value))
    json_object_set(more, key, (json_t *)(uintptr_t)value);
}

/* All options but those that have a place of their own, and what stands beside them. */
static json_t *ollama_more(const json_t *body)
{
  static const char *const own[] = {"temperature", "top_p", "num_predict", NULL};
  json_t *more = json_object(), *value;
  const json_t *format = json_object_get(body, "format");
  const char *key;
  json_object_foreach(json_object_get(body, "options"), key, value)
  {
    if (!g_strv_contains(own, key))
      ollama_take_more(more, key, value);
  }
  ollama_take_more(more, "think", json_object_get(body, "think"));
  ollama_take_more(more, "keep_alive", json_object_get(body, "keep_alive"));
  if (json_is_object(format) || g_strcmp0(json_string_value(format), "json") == 0)
    json_object_set_new(more, "response_format", ollama_format_wanted(format));
  return more;
}

/* What @body wants that no answer of an agent can have, or NULL. Caller frees. */
static char *ollama_wrong(const json_t *body)
{
  static const char *const texts[] = {"suffix", "template"}, *const lists[] = {"images", "context"},
                           *const flags[] = {"raw", "logprobs"};
  const json_t *format = json_object_get(body, "format"),
               *options = json_object_get(body, "options");
  const char *word = json_string_value(format), *no = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(texts) && !no; i++)
    if (jget_str(body, texts[i], "")[0])
      no = texts[i];
  for (size_t i = 0; i < G_N_ELEMENTS(lists) && !no; i++)
    if (json_array_size(json_object_get(body, lists[i])))
      no = lists[i];
  for (size_t i = 0; i < G_N_ELEMENTS(flags) && !no; i++)
    if (jget_flag(body, flags[i], false))
      no = flags[i];
  if (no)
    return g_strdup_printf("%s: an agent does not have it; it answers text with text", no);
  if (format && !json_is_null(format) && !json_is_object(format) &&
      !(word && (!word[0] || g_str_equal(word, "json"))))
    return g_strdup("format: wanted 'json' or a schema");
  if (!door_is_flag(body, "stream"))
    return g_strdup("stream: wanted true or false");
  return options && !json_is_null(options) && !json_is_object(options)
             ? g_strdup("options: wanted an object")
             : NULL;
}

static void ollama_ask(Agent *agent, HttpRequest *request, const ReplyShape *shape,
                       const json_t *body, GPtrArray *messages)
{
  g_autofree char *model = ollama_model(body), *wrong = NULL;
  AskSpec spec = {.door = "ollama", .messages = messages, .options = {.model = model}};
  if (!door_options(&spec.options, json_object_get(body, "options"), "num_predict", &wrong)) {
    ollama_bad(agent, request, wrong);
    return;
  }
  Reply *reply = reply_new(agent, request, shape, jget_str(body, "model", NULL));
  reply->stream = jget_flag(body, "stream", true);
  spec.options.more = ollama_more(body);
  reply_ask(reply, &spec);
  json_decref(spec.options.more);
}

/* The body of @request, or NULL after a refusal. */
static json_t *ollama_body(Agent *agent, HttpRequest *request)
{
  g_autofree char *wrong = NULL;
  json_t *body = door_body(request, &wrong);
  if (body)
    wrong = ollama_wrong(body);
  if (!wrong)
    return body;
  ollama_bad(agent, request, wrong);
  json_decref(body);
  return NULL;
}

/* A question without a word asks that the model be loaded or, to be kept for no time at all,
 * unloaded. An agent is always there. */
static void ollama_loaded(Agent *agent, HttpRequest *request, const json_t *body, bool chat)
{
  const json_t *keep = json_object_get(body, "keep_alive");
  const char *word = json_string_value(keep);
  bool unload = json_is_number(keep) ? json_number_value(keep) == 0
                                     : word && (g_str_equal(word, "0") || g_str_equal(word, "0s"));
  g_autoptr(GString) out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "model", jget_str(body, "model", agent->file->name));
  jw_time(out, "created_at", clock_wall_ms());
  if (chat)
    ollama_message(out, "", 0);
  else
    jw_str(out, "response", "");
  jw_bool(out, "done", true);
  jw_str(out, "done_reason", unload ? "unload" : "load");
  jw_close(out, '}');
  door_reply(request, 200, out->str, out->len);
}

static void ollama_open_chat(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autofree char *wrong = NULL;
  json_t *body = ollama_body(agent, request);
  const json_t *list = json_object_get(body, "messages");
  if (!body)
    return;
  bool empty = !list || json_is_null(list) || (json_is_array(list) && json_array_size(list) == 0);
  g_autoptr(GPtrArray) messages = empty ? NULL : door_messages(list, &wrong);
  if (empty)
    ollama_loaded(agent, request, body, true);
  else if (messages)
    ollama_ask(agent, request, &chat_shape, body, messages);
  else
    ollama_bad(agent, request, wrong);
  json_decref(body);
}

static void ollama_open_generate(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  json_t *body = ollama_body(agent, request);
  const char *prompt = jget_str(body, "prompt", ""), *system = jget_str(body, "system", NULL);
  if (!body)
    return;
  if (!prompt[0]) {
    ollama_loaded(agent, request, body, false);
  } else {
    g_autoptr(GPtrArray) messages = messages_new();
    if (system && system[0])
      g_ptr_array_add(messages, message_new(ROLE_SYSTEM, system));
    g_ptr_array_add(messages, message_new(ROLE_USER, prompt));
    ollama_ask(agent, request, &generate_shape, body, messages);
  }
  json_decref(body);
}

/* ---- models ---- */

static void ollama_details(GString *out)
{
  jw_open(out, "details", '{');
  jw_str(out, "parent_model", "");
  jw_str(out, "format", "agent");
  jw_str(out, "family", "reeve");
  jw_open(out, "families", '[');
  jw_str(out, NULL, "reeve");
  jw_close(out, ']');
  jw_str(out, "parameter_size", "");
  jw_str(out, "quantization_level", "");
  jw_close(out, '}');
}

/* The agent is the one model; its digest is that of its name and version. */
static void ollama_models(const Agent *agent, HttpRequest *request, bool loaded)
{
  g_autofree char *what = g_strconcat(agent->file->name, "\n", agent->file->version, NULL);
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, what, -1);
  g_autoptr(GString) out = g_string_new("{\"models\":[{");
  int64_t began_ms = clock_wall_ms() - (clock_boot_ms() - agent->started_ms);
  jw_str(out, "name", agent->file->name);
  jw_str(out, "model", agent->file->name);
  jw_time(out, "modified_at", began_ms);
  jw_int(out, "size", 0);
  jw_str(out, "digest", digest);
  ollama_details(out);
  if (loaded) {
    jw_int(out, "size_vram", 0);
    jw_str(out, "expires_at", "9999-12-31T23:59:59.000Z"); /* it is never unloaded */
  }
  g_string_append(out, "}]}");
  door_reply(request, 200, out->str, out->len);
}

static void ollama_open_tags(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  ollama_models(agent, request, false);
}

static void ollama_open_ps(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  ollama_models(agent, request, true);
}

static void ollama_open_version(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)agent;
  (void)rest;
  static const char text[] = "{\"version\":\"" OLLAMA_VERSION "\"}";
  door_reply(request, 200, text, sizeof text - 1);
}

/* Where clients look whether anybody is there. */
static void ollama_open_root(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)agent;
  (void)rest;
  static const char text[] = "Ollama is running";
  http_reply(request, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
}

static void ollama_show(const Agent *agent, HttpRequest *request)
{
  g_autoptr(GString) out = g_string_new("{");
  jw_str(out, "modelfile", "");
  jw_str(out, "parameters", "");
  jw_str(out, "template", "");
  jw_str(out, "system", agent->file->description ? agent->file->description : "");
  ollama_details(out);
  jw_open(out, "model_info", '{');
  jw_str(out, "general.architecture", "reeve");
  jw_str(out, "general.name", agent->file->name);
  jw_int(out, "reeve.context_length", OLLAMA_CONTEXT);
  jw_close(out, '}');
  jw_open(out, "capabilities", '[');
  jw_str(out, NULL, "completion");
  jw_close(out, ']');
  jw_time(out, "modified_at", clock_wall_ms() - (clock_boot_ms() - agent->started_ms));
  jw_close(out, '}');
  door_reply(request, 200, out->str, out->len);
}

static void ollama_open_show(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autofree char *wrong = NULL;
  json_t *body = door_body(request, &wrong);
  g_autofree char *model = body ? ollama_model(body) : NULL;
  if (body && !model)
    model = g_strdup(jget_str(body, "name", "")); /* its older spelling */
  if (!body) {
    ollama_bad(agent, request, wrong);
  } else if (g_str_equal(model, agent->file->name) ||
             g_strcmp0(model, agent->file->llm_model) == 0) {
    ollama_show(agent, request);
  } else {
    g_autofree char *detail =
        g_strdup_printf("model '%s' not found; this agent is '%s'", model, agent->file->name);
    door_refuse(ollama_refuse, request, 404, "not-found", "no such model", detail);
  }
  json_decref(body);
}

static const DoorRow rows[] = {
    {"POST", "/api/generate", ollama_open_generate, ollama_refuse, false},
    {"POST", "/api/chat", ollama_open_chat, ollama_refuse, false},
    {"GET", "/api/tags", ollama_open_tags, ollama_refuse, false},
    {"GET", "/api/ps", ollama_open_ps, ollama_refuse, false},
    {"GET", "/api/version", ollama_open_version, ollama_refuse, false},
    {"POST", "/api/show", ollama_open_show, ollama_refuse, false},
    {"GET", "/", ollama_open_root, ollama_refuse, true},
};
const DoorRows ollama_rows = {rows, G_N_ELEMENTS(rows)};
