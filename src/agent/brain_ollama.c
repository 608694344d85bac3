/* The brain that is an Ollama server: POST /api/chat, answered line by line. */
#include "agent/brain_http.h"

#include "base/json.h"

#include <string.h>

/* The server wants the arguments as an object; what the model wrote may be none. */
static void ollama_arguments(GString *out, const char *text)
{
  json_t *arguments = json_parse_foreign(text, strlen(text), NULL);
  if (json_is_object(arguments))
    brain_write_value(out, "arguments", arguments);
  else
    jw_raw(out, "arguments", "{}");
  json_decref(arguments);
}

static void ollama_message(GString *out, const Message *message)
{
  jw_open(out, NULL, '{');
  jw_str(out, "role", message_role_word(message->role));
  jw_str(out, "content", message->text);
  if (message->reasoning)
    jw_str(out, "thinking", message->reasoning);
  if (message->tool_name)
    jw_str(out, "tool_name", message->tool_name);
  if (message->tool_calls && message->tool_calls->len) {
    jw_open(out, "tool_calls", '[');
    for (guint i = 0; i < message->tool_calls->len; i++) {
      const ToolCall *call = g_ptr_array_index(message->tool_calls, i);
      jw_open(out, NULL, '{');
      jw_open(out, "function", '{');
      jw_str(out, "name", call->name);
      ollama_arguments(out, call->arguments);
      jw_close(out, '}');
      jw_close(out, '}');
    }
    jw_close(out, ']');
  }
  jw_close(out, '}');
}

/* What is a member of the body itself and no option. */
static const char *const ollama_top[] = {"think", "keep_alive", NULL};
/* What OpenAI keeps account with; it does not shape the answer. */
static const char *const ollama_not_ours[] = {"user",
                                              "metadata",
                                              "store",
                                              "service_tier",
                                              "safety_identifier",
                                              "prompt_cache_key",
                                              "prompt_cache_retention",
                                              "prediction",
                                              NULL};

/* OpenAI's "response_format": a schema, or any JSON. */
static void ollama_format_member(GString *out, const json_t *wanted)
{
  const char *type = jget_str(wanted, "type", "");
  const json_t *schema = json_object_get(json_object_get(wanted, "json_schema"), "schema");
  if (g_str_equal(type, "json_schema") && schema)
    brain_write_value(out, "format", schema);
  else if (g_str_has_prefix(type, "json"))
    jw_str(out, "format", "json");
}

static void ollama_write_top(GString *out, const json_t *more)
{
  const json_t *effort = json_object_get(more, "reasoning_effort"),
               *wanted = json_object_get(more, "response_format");
  if (wanted)
    ollama_format_member(out, wanted);
  if (effort && g_strcmp0(json_string_value(effort), "none") == 0)
    jw_bool(out, "think", false);
  else if (effort)
    brain_write_value(out, "think", effort);
  for (size_t i = 0; ollama_top[i]; i++) {
    const json_t *value = json_object_get(more, ollama_top[i]);
    if (value && !(effort && g_str_equal(ollama_top[i], "think")))
      brain_write_value(out, ollama_top[i], value);
  }
}

static void ollama_write_options(GString *out, const json_t *more)
{
  static const char *const elsewhere[] = {"response_format", "reasoning_effort", NULL};
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)more, key, value)
  {
    bool skipped = g_strv_contains(elsewhere, key) || g_strv_contains(ollama_top, key) ||
                   g_strv_contains(ollama_not_ours, key);
    if (skipped)
      continue;
    if (g_str_equal(key, "stop") && json_is_string(value)) {
      jw_open(out, "stop", '[');
      jw_str(out, NULL, json_string_value(value));
      jw_close(out, ']');
    } else {
      brain_write_value(out, key, value);
    }
  }
}

static void ollama_write_body(GString *out, const BrainRequest *request)
{
  const AskOptions *options = &request->options;
  jw_open(out, NULL, '{');
  jw_str(out, "model", options->model);
  jw_open(out, "messages", '[');
  for (guint i = 0; i < request->messages->len; i++)
    ollama_message(out, g_ptr_array_index(request->messages, i));
  jw_close(out, ']');
  jw_bool(out, "stream", true);
  if (request->tools)
    jw_raw(out, "tools", request->tools);
  ollama_write_top(out, options->more);
  jw_open(out, "options", '{');
  brain_write_number(out, "temperature", options->temperature);
  brain_write_number(out, "top_p", options->top_p);
  if (options->max_tokens)
    jw_int(out, "num_predict", options->max_tokens);
  ollama_write_options(out, options->more);
  jw_close(out, '}');
  jw_close(out, '}');
}

static BrainCall *ollama_start(const BrainWorld *world, const BrainRequest *request,
                               const BrainListener *listener, void *data, GError **error)
{
  (void)error;
  g_autoptr(GString) body = g_string_new(NULL);
  g_autofree char *url = g_strconcat(world->file->base_url, "/api/chat", NULL);
  ollama_write_body(body, request);
  BrainPost post = {.url = url, .body = body->str, .length = body->len, .format = &ollama_format};
  return brain_http_start(world, &post, request->timeout_ms, listener, data);
}

const Brain ollama_brain = {.provider = "ollama",
                            .tools = true,
                            .start = ollama_start,
                            .cancel = brain_http_cancel,
                            .hold = brain_http_hold};
