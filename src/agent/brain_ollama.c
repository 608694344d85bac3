/* The brain that is an Ollama server: POST /api/chat, answered line by line. */
#include "agent/brain_http.h"

#include "base/json.h"

#include <string.h>

/* The server wants the arguments as an object; what the model wrote may be none. */
static void ollama_arguments(GString *out, const char *text)
{
  json_t *arguments = json_parse(text, strlen(text), NULL);
  jw_raw(out, "arguments", json_is_object(arguments) ? text : "{}");
  json_decref(arguments);
}

static void ollama_message(GString *out, const Message *message)
{
  jw_open(out, NULL, '{');
  jw_str(out, "role", message_role_word(message->role));
  jw_str(out, "content", message->text);
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
  jw_open(out, "options", '{');
  brain_write_number(out, "temperature", options->temperature);
  brain_write_number(out, "top_p", options->top_p);
  if (options->max_tokens)
    jw_int(out, "num_predict", options->max_tokens);
  jw_close(out, '}');
  jw_close(out, '}');
}

static BrainCall *ollama_start(const BrainWorld *world, const BrainRequest *request, const BrainListener *listener, void *data,
                               GError **error)
{
  (void)error;
  g_autoptr(GString) body = g_string_new(NULL);
  g_autofree char *url = g_strconcat(world->file->base_url, "/api/chat", NULL);
  ollama_write_body(body, request);
  BrainPost post = {.url = url, .body = body->str, .length = body->len, .format = &ollama_format};
  return brain_http_start(world, &post, request->timeout_ms, listener, data);
}

const Brain ollama_brain = {
    .provider = "ollama", .tools = true, .start = ollama_start, .cancel = brain_http_cancel, .hold = brain_http_hold};
