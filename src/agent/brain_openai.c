/* The brain that is any server with OpenAI's chat completions: POST /v1/chat/completions, answered as server-sent events. */
#include "agent/brain_http.h"

#include "base/json.h"

static void openai_tool_calls(GString *out, const GPtrArray *calls)
{
  jw_open(out, "tool_calls", '[');
  for (guint i = 0; i < calls->len; i++) {
    const ToolCall *call = g_ptr_array_index(calls, i);
    jw_open(out, NULL, '{');
    jw_str(out, "id", call->id);
    jw_str(out, "type", "function");
    jw_open(out, "function", '{');
    jw_str(out, "name", call->name);
    jw_str(out, "arguments", call->arguments);
    jw_close(out, '}');
    jw_close(out, '}');
  }
  jw_close(out, ']');
}

static void openai_message(GString *out, const Message *message)
{
  jw_open(out, NULL, '{');
  jw_str(out, "role", message_role_word(message->role));
  jw_str(out, "content", message->text);
  if (message->tool_call_id)
    jw_str(out, "tool_call_id", message->tool_call_id);
  if (message->tool_calls && message->tool_calls->len)
    openai_tool_calls(out, message->tool_calls);
  jw_close(out, '}');
}

static void openai_write_body(GString *out, const BrainRequest *request)
{
  const AskOptions *options = &request->options;
  jw_open(out, NULL, '{');
  jw_str(out, "model", options->model);
  jw_open(out, "messages", '[');
  for (guint i = 0; i < request->messages->len; i++)
    openai_message(out, g_ptr_array_index(request->messages, i));
  jw_close(out, ']');
  jw_bool(out, "stream", true);
  jw_raw(out, "stream_options", "{\"include_usage\":true}");
  if (request->tools)
    jw_raw(out, "tools", request->tools);
  brain_write_number(out, "temperature", options->temperature);
  brain_write_number(out, "top_p", options->top_p);
  if (options->max_tokens)
    jw_int(out, "max_tokens", options->max_tokens);
  jw_close(out, '}');
}

static BrainCall *openai_start(const BrainWorld *world, const BrainRequest *request, const BrainListener *listener, void *data,
                               GError **error)
{
  (void)error;
  g_autoptr(GString) body = g_string_new(NULL);
  const char *base = world->file->base_url;
  g_autofree char *url = g_strconcat(base, g_str_has_suffix(base, "/v1") ? "" : "/v1", "/chat/completions", NULL);
  openai_write_body(body, request);
  BrainPost post = {.url = url, .body = body->str, .length = body->len, .format = &openai_format};
  return brain_http_start(world, &post, request->timeout_ms, listener, data);
}

const Brain openai_brain = {
    .provider = "openai", .tools = true, .start = openai_start, .cancel = brain_http_cancel, .hold = brain_http_hold};
