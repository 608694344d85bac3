/* What an OpenAI-compatible server says: chunks of choices as events, or one chat completion. */
#include "agent/model_stream.h"

#include "base/json.h"

#include <string.h>

/* Content is text, or a list of parts of which text is one kind. */
static void openai_content(ModelStream *stream, const json_t *content)
{
  size_t i;
  const json_t *part;
  if (json_is_string(content))
    model_stream_text(stream, json_string_value(content), json_string_length(content));
  json_array_foreach(content, i, part)
  {
    const json_t *text = json_object_get(part, "text");
    model_stream_text(stream, json_string_value(text), json_string_length(text));
  }
}

/* A call comes in pieces: first its name, then its arguments bit by bit. */
static void openai_tool_call(ModelStream *stream, const json_t *piece, size_t position)
{
  int64_t index = jget_int(piece, "index", (int64_t)position);
  const json_t *function = json_object_get(piece, "function"), *arguments = json_object_get(function, "arguments");
  ToolCall *call = index < 0 ? NULL : model_stream_tool_call(stream, (size_t)index);
  const char *id = jget_str(piece, "id", ""), *name = jget_str(function, "name", "");
  if (!call)
    return;
  if (id[0]) {
    g_free(call->id);
    call->id = g_strdup(id);
  }
  if (name[0] && !call->name[0]) {
    g_free(call->name);
    call->name = g_strdup(name);
  }
  if (json_is_string(arguments))
    model_stream_arguments(stream, call, json_string_value(arguments), json_string_length(arguments));
}

static void openai_choice(ModelStream *stream, const json_t *choice)
{
  const json_t *delta = json_object_get(choice, "delta"), *piece;
  const char *finish = jget_str(choice, "finish_reason", NULL);
  size_t i;
  if (!delta)
    delta = json_object_get(choice, "message");
  json_array_foreach(json_object_get(delta, "tool_calls"), i, piece) openai_tool_call(stream, piece, i);
  if (finish)
    stream->finish = g_str_equal(finish, "length") ? "length" : "stop";
  openai_content(stream, json_object_get(delta, "content"));
}

static void openai_take(ModelStream *stream, const json_t *said)
{
  const json_t *usage = json_object_get(said, "usage");
  if (json_is_object(usage)) {
    stream->prompt_tokens = jget_int(usage, "prompt_tokens", -1);
    stream->completion_tokens = jget_int(usage, "completion_tokens", -1);
  }
  const json_t *choice = json_array_get(json_object_get(said, "choices"), 0);
  if (choice)
    openai_choice(stream, choice);
}

static const QuickKey openai_delta[] = {{"content", QUICK_TEXT, NULL}, {"tool_calls", QUICK_NULL, NULL}, {NULL, QUICK_NULL, NULL}};
static const QuickKey openai_quick_choice[] = {
    {"delta", QUICK_OBJECT, openai_delta}, {"finish_reason", QUICK_NULL, NULL}, {"message", QUICK_NULL, NULL}, {NULL, QUICK_NULL, NULL}};
static const QuickKey openai_quick[] = {
    {"choices", QUICK_ONE, openai_quick_choice}, {"usage", QUICK_NULL, NULL}, {"error", QUICK_NULL, NULL}, {NULL, QUICK_NULL, NULL}};

const ModelFormat openai_format = {.framing = FRAMING_EVENTS, .quick = openai_quick, .take = openai_take};
