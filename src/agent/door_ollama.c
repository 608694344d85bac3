/* Owns the door of Ollama's clients: /api/generate and /api/chat (NDJSON unless "stream" is false), and what tells of models. */
#include "agent/door.h"

#include "base/clock.h"
#include "base/json.h"

#include <string.h>

static void ollama_refuse(HttpRequest *request, const AskResult *no)
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

/* The counts and nanoseconds that an answer ends with; what the brain does not tell is 0. */
static void ollama_counts(GString *out, const AskResult *result)
{
  int64_t first_ms = MAX(result->first_token_ms, 0);
  jw_bool(out, "done", true);
  jw_str(out, "done_reason", result->finish ? result->finish : "stop");
  jw_int(out, "total_duration", result->duration_ms * 1000000);
  jw_int(out, "load_duration", 0);
  jw_int(out, "prompt_eval_count", MAX(result->usage.prompt_tokens, 0));
  jw_int(out, "prompt_eval_duration", first_ms * 1000000);
  jw_int(out, "eval_count", MAX(result->usage.completion_tokens, 0));
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

static void chat_close(const Reply *reply, GString *out, const AskResult *result, bool begun)
{
  (void)begun;
  ollama_begin(reply, out);
  ollama_message(out, "", 0);
  ollama_counts(out, result);
  g_string_append_c(out, '\n');
}

static void generate_close(const Reply *reply, GString *out, const AskResult *result, bool begun)
{
  (void)begun;
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
  return name && g_str_has_suffix(name, ":latest") ? g_strndup(name, strlen(name) - strlen(":latest")) : g_strdup(name);
}

static void ollama_ask(Agent *agent, HttpRequest *request, const ReplyShape *shape, const json_t *body, GPtrArray *messages)
{
  g_autofree char *model = ollama_model(body);
  Reply *reply = reply_new(agent, request, shape, jget_str(body, "model", NULL));
  reply->stream = jget_flag(body, "stream", true);
  AskSpec spec = {.door = "ollama", .messages = messages, .options = {.model = model}};
  door_options(&spec.options, json_object_get(body, "options"), "num_predict");
  reply_ask(reply, &spec);
}

static void ollama_open_chat(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autofree char *wrong = NULL;
  json_t *body = door_body(request, &wrong);
  g_autoptr(GPtrArray) messages = body ? door_messages(json_object_get(body, "messages"), &wrong) : NULL;
  if (messages)
    ollama_ask(agent, request, &chat_shape, body, messages);
  else
    ollama_bad(agent, request, wrong);
  json_decref(body);
}

/* An empty prompt asks whether the model is loaded. */
static void ollama_loaded(Agent *agent, HttpRequest *request, const json_t *body)
{
  g_autoptr(GString) out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "model", jget_str(body, "model", agent->file->name));
  jw_time(out, "created_at", clock_wall_ms());
  jw_str(out, "response", "");
  jw_bool(out, "done", true);
  jw_str(out, "done_reason", "load");
  jw_close(out, '}');
  door_reply(request, 200, out->str, out->len);
}

static void ollama_open_generate(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autofree char *wrong = NULL;
  json_t *body = door_body(request, &wrong);
  const char *prompt = jget_str(body, "prompt", ""), *system = jget_str(body, "system", NULL);
  if (!body) {
    ollama_bad(agent, request, wrong);
  } else if (!prompt[0]) {
    ollama_loaded(agent, request, body);
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
  static const char text[] = "{\"version\":\"" REEVE_VERSION "\"}";
  door_reply(request, 200, text, sizeof text - 1);
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
  } else if (g_str_equal(model, agent->file->name) || g_strcmp0(model, agent->file->llm_model) == 0) {
    ollama_show(agent, request);
  } else {
    g_autofree char *detail = g_strdup_printf("model '%s' not found; this agent is '%s'", model, agent->file->name);
    door_refuse(ollama_refuse, request, 404, "not-found", "no such model", detail);
  }
  json_decref(body);
}

static const DoorRow rows[] = {
    {"POST", "/api/generate", ollama_open_generate, ollama_refuse, false}, {"POST", "/api/chat", ollama_open_chat, ollama_refuse, false},
    {"GET", "/api/tags", ollama_open_tags, ollama_refuse, false},          {"GET", "/api/ps", ollama_open_ps, ollama_refuse, false},
    {"GET", "/api/version", ollama_open_version, ollama_refuse, false},    {"POST", "/api/show", ollama_open_show, ollama_refuse, false},
};
const DoorRows ollama_rows = {rows, G_N_ELEMENTS(rows)};
