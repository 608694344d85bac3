/* What an Ollama server says to /api/chat: one JSON document a line, the last with "done": true. */
#include "agent/model_stream.h"

#include "base/json.h"

/* A call comes whole. */
static void ollama_tool_call(ModelStream *stream, const json_t *said)
{
  const json_t *function = json_object_get(said, "function");
  ToolCall *call = model_stream_new_call(stream, -1);
  if (!call)
    return;
  g_free(call->id);
  call->id = g_strdup(jget_str(said, "id", ""));
  g_free(call->name);
  call->name = g_strdup(jget_str(function, "name", ""));
  model_stream_arguments(stream, call, json_object_get(function, "arguments"));
}

static void ollama_take(ModelStream *stream, const json_t *said)
{
  const json_t *message = json_object_get(said, "message"), *call;
  size_t i;
  json_array_foreach(json_object_get(message, "tool_calls"), i, call)
      ollama_tool_call(stream, call);
  if (jget_flag(said, "done", false)) {
    stream->prompt_tokens = jget_int(said, "prompt_eval_count", -1);
    stream->completion_tokens = jget_int(said, "eval_count", -1);
    stream->finish = model_finish(jget_str(said, "done_reason", "stop"));
    stream->over = true;
  }
  model_stream_reasoning(stream, "thinking", json_object_get(message, "thinking"));
  const json_t *content = json_object_get(message, "content");
  model_stream_text(stream, json_string_value(content), json_string_length(content));
}

static const QuickKey ollama_quick_message[] = {{"content", QUICK_TEXT, NULL},
                                                {"tool_calls", QUICK_NULL, NULL},
                                                {"thinking", QUICK_NULL, NULL},
                                                {NULL, QUICK_NULL, NULL}};
static const QuickKey ollama_quick[] = {{"message", QUICK_OBJECT, ollama_quick_message},
                                        {"done", QUICK_FALSE, NULL},
                                        {"error", QUICK_NULL, NULL},
                                        {NULL, QUICK_NULL, NULL}};

const ModelFormat ollama_format = {
    .framing = FRAMING_LINES, .quick = ollama_quick, .take = ollama_take};
