/* The brain that is any server with OpenAI's chat completions: POST /v1/chat/completions, answered
 * as server-sent events. Such servers differ in what they know; what one refuses by name is left
 * out or named otherwise, then and from then on. */
#include "agent/brain_http.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

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
  if (message->reasoning)
    jw_str(out,
           g_strcmp0(message->reasoning_key, "reasoning") == 0 ? "reasoning" : "reasoning_content",
           message->reasoning);
  if (message->tool_calls && message->tool_calls->len)
    openai_tool_calls(out, message->tool_calls);
  jw_close(out, '}');
}

/* What Ollama knows as an option and a server of this kind decides for itself: where a model runs,
 * and how much memory it gets. */
static const char *const openai_not_ours[] = {
    "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu",   "num_thread", "low_vram",
    "numa",    "use_mmap", "use_mlock", "f16_kv",  "vocab_only", "keep_alive", NULL};

static void openai_write_more(GString *out, const json_t *more)
{
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)more, key, value)
  {
    if (g_strv_contains(openai_not_ours, key))
      continue;
    if (!g_str_equal(key, "think"))
      brain_write_value(out, key, value);
    else if (!json_is_true(value)) /* a model that can think does so unless it is told not to */
      jw_str(out, "reasoning_effort", json_is_string(value) ? json_string_value(value) : "none");
  }
}

static const char *openai_tokens_key(const AskOptions *options, const BrainManners *manners)
{
  bool completion = manners->tokens == TOKENS_AS_ASKED ? options->completion_tokens
                                                       : manners->tokens == TOKENS_COMPLETION;
  return completion ? "max_completion_tokens" : "max_tokens";
}

static void openai_write_body(GString *out, const BrainRequest *request,
                              const BrainManners *manners)
{
  const AskOptions *options = &request->options;
  jw_open(out, NULL, '{');
  jw_str(out, "model", options->model);
  jw_open(out, "messages", '[');
  for (guint i = 0; i < request->messages->len; i++)
    openai_message(out, g_ptr_array_index(request->messages, i));
  jw_close(out, ']');
  jw_bool(out, "stream", true);
  if (!manners->no_stream_options)
    jw_raw(out, "stream_options", "{\"include_usage\":true}");
  if (request->tools)
    jw_raw(out, "tools", request->tools);
  brain_write_number(out, "temperature", options->temperature);
  brain_write_number(out, "top_p", options->top_p);
  if (options->max_tokens)
    jw_int(out, openai_tokens_key(options, manners), options->max_tokens);
  openai_write_more(out, options->more);
  jw_close(out, '}');
}

/* Gives the limit of tokens its other name: servers that know only one of the two name the one that
 * they want, or the one that they do not know. */
static bool openai_rename_tokens(json_t *body, const char *refusal, BrainManners *manners)
{
  bool completion = strstr(refusal, "max_completion_tokens") != NULL;
  json_t *plain = json_object_get(body, "max_tokens"),
         *longer = json_object_get(body, "max_completion_tokens");
  if (plain && completion) {
    json_object_set(body, "max_completion_tokens", plain);
    json_object_del(body, "max_tokens");
    manners->tokens = TOKENS_COMPLETION;
  } else if (longer && completion) {
    json_object_set(body, "max_tokens", longer);
    json_object_del(body, "max_completion_tokens");
    manners->tokens = TOKENS_PLAIN;
  }
  return completion && (plain || longer);
}

static char *openai_adapt(const char *text, const char *refusal, BrainManners *manners)
{
  bool options = strstr(refusal, "stream_options") || strstr(refusal, "include_usage");
  if (!options && !strstr(refusal, "max_completion_tokens"))
    return NULL; /* nearly every refusal */
  json_t *body = json_parse_foreign(text, strlen(text), NULL);
  bool left_out = options && json_object_del(body, "stream_options") == 0;
  manners->no_stream_options = manners->no_stream_options || left_out;
  bool renamed = openai_rename_tokens(body, refusal, manners);
  char *dump = left_out || renamed ? json_dumps(body, JSON_COMPACT) : NULL,
       *adapted = g_strdup(dump);
  free(dump);
  json_decref(body);
  return adapted;
}

/* The base as it is given; only one that names no more than a host is completed. Caller frees. */
static char *openai_url(const char *base)
{
  const char *host = strstr(base, "://");
  bool bare = !strchr(host ? host + 3 : base, '/');
  return g_strconcat(base, bare ? "/v1" : "", "/chat/completions", NULL);
}

static BrainCall *openai_start(const BrainWorld *world, const BrainRequest *request,
                               const BrainListener *listener, void *data, GError **error)
{
  (void)error;
  g_autoptr(GString) body = g_string_new(NULL);
  g_autofree char *url = openai_url(world->file->base_url);
  openai_write_body(body, request, world->manners);
  BrainPost post = {.url = url,
                    .body = body->str,
                    .length = body->len,
                    .format = &openai_format,
                    .adapt = openai_adapt};
  return brain_http_start(world, &post, request->timeout_ms, listener, data);
}

const Brain openai_brain = {.provider = "openai",
                            .tools = true,
                            .start = openai_start,
                            .cancel = brain_http_cancel,
                            .hold = brain_http_hold};
