/* Owns what all formats of model servers share: framing, limits, and when an answer is complete. */
#include "agent/model_stream.h"

#include "base/json.h"
#include "base/text.h"

#include <string.h>

enum { ERROR_TEXT_MAX = 300 };

ModelStream *model_stream_new(const ModelFormat *format, ModelFraming framing, ModelDelta delta, void *data)
{
  ModelStream *stream = g_new0(ModelStream, 1);
  *stream = (ModelStream){.format = format, .framing = framing, .delta = delta, .data = data, .prompt_tokens = -1, .completion_tokens = -1};
  stream->tool_calls = tool_calls_new();
  if (framing == FRAMING_LINES)
    line_reader_init(&stream->lines, MODEL_LINE_MAX, false);
  else if (framing == FRAMING_EVENTS)
    sse_reader_init(&stream->events, MODEL_LINE_MAX);
  else
    stream->whole = g_string_new(NULL);
  return stream;
}

void model_stream_free(ModelStream *stream)
{
  if (!stream)
    return;
  quick_same_clear(&stream->same);
  line_reader_done(&stream->lines);
  sse_reader_done(&stream->events);
  if (stream->whole)
    g_string_free(stream->whole, TRUE);
  g_ptr_array_unref(stream->tool_calls);
  g_free(stream->error);
  g_free(stream);
}

/* ---- for the formats ---- */

/* The first error counts. */
void model_stream_fail(ModelStream *stream, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  if (!stream->error)
    stream->error = g_strdup_vprintf(format, args);
  va_end(args);
}

void model_stream_text(ModelStream *stream, const char *text, size_t length)
{
  if (!length || stream->error || stream->stopped)
    return;
  stream->text_bytes += length;
  if (stream->text_bytes > MODEL_ANSWER_MAX)
    model_stream_fail(stream, "its answer is longer than %d bytes", MODEL_ANSWER_MAX);
  else if (!stream->delta(text, length, stream->data))
    stream->stopped = true;
}

ToolCall *model_stream_tool_call(ModelStream *stream, size_t index)
{
  GPtrArray *calls = stream->tool_calls;
  if (index < calls->len)
    return g_ptr_array_index(calls, index);
  if (index > calls->len)
    model_stream_fail(stream, "its tool calls are numbered with gaps");
  else if (index >= MODEL_TOOL_CALLS_MAX)
    model_stream_fail(stream, "it wants more than %d tools called at once", MODEL_TOOL_CALLS_MAX);
  if (stream->error)
    return NULL;
  ToolCall *call = tool_call_new("", "", "");
  g_ptr_array_add(calls, call);
  return call;
}

void model_stream_arguments(ModelStream *stream, ToolCall *call, const char *text, size_t length)
{
  size_t had = strlen(call->arguments);
  if (had + length > MODEL_ARGUMENTS_MAX) {
    model_stream_fail(stream, "the arguments of a tool call are longer than %d bytes", MODEL_ARGUMENTS_MAX);
    return;
  }
  call->arguments = g_realloc(call->arguments, had + length + 1);
  memcpy(call->arguments + had, text, length);
  call->arguments[had + length] = '\0';
}

const char *model_error_text(const json_t *said)
{
  const json_t *error = json_object_get(said, "error");
  return json_is_object(error) ? jget_str(error, "message", "error without a message") : json_string_value(error);
}

/* ---- framing ---- */

/* A document that the short way does not understand. */
static void model_parse(ModelStream *stream, const char *text, size_t length)
{
  g_autoptr(GError) error = NULL;
  json_t *said = json_parse(text, length, &error);
  const char *wrong = model_error_text(said);
  if (!said || !json_is_object(said)) {
    g_autofree char *start = g_strndup(text, MIN(length, (size_t)ERROR_TEXT_MAX)), *shown = text_escape(start, 60);
    model_stream_fail(stream, "the model server sent invalid JSON: %s", shown);
  } else if (wrong) {
    g_autofree char *shown = text_escape(wrong, ERROR_TEXT_MAX);
    model_stream_fail(stream, "it broke off: %s", shown);
  } else {
    stream->format->take(stream, said);
  }
  json_decref(said);
}

static bool model_take(ModelStream *stream, const char *text, size_t length)
{
  const char *token;
  size_t n;
  bool same = quick_same_text(&stream->same, text, length, &token, &n);
  if (same || quick_text(stream->format->quick, text, length, &token, &n)) {
    if (!same)
      quick_same_learn(&stream->same, text, length, token, n);
    model_stream_text(stream, token, n);
  } else {
    model_parse(stream, text, length);
  }
  return !stream->over && !stream->stopped && !stream->error;
}

static bool model_on_line(const char *line, size_t length, void *data)
{
  while (length && g_ascii_isspace(line[0])) {
    line++;
    length--;
  }
  return !length || model_take(data, line, length);
}

static bool model_on_event(const char *event, const char *text, size_t length, void *data)
{
  ModelStream *stream = data;
  (void)event; /* an error tells itself */
  stream->over = g_str_equal(text, "[DONE]");
  return !stream->over && model_take(stream, text, length);
}

static bool model_go_on(ModelStream *stream, LinesState state)
{
  if (state == LINES_TOO_LONG)
    model_stream_fail(stream, "it sent a line of more than %d bytes", MODEL_LINE_MAX);
  return state == LINES_MORE;
}

bool model_stream_feed(ModelStream *stream, const char *bytes, size_t length)
{
  if (stream->over || stream->stopped || stream->error)
    return false;
  if (stream->framing == FRAMING_LINES)
    return model_go_on(stream, line_reader_feed(&stream->lines, bytes, length, model_on_line, stream));
  if (stream->framing == FRAMING_EVENTS)
    return model_go_on(stream, sse_reader_feed(&stream->events, bytes, length, model_on_event, stream));
  if (stream->whole->len + length > MODEL_ANSWER_MAX)
    model_stream_fail(stream, "its answer is longer than %d bytes", MODEL_ANSWER_MAX);
  else
    g_string_append_len(stream->whole, bytes, (gssize)length);
  return !stream->error;
}

void model_stream_end(ModelStream *stream)
{
  if (stream->over || stream->stopped || stream->error)
    return;
  if (stream->framing == FRAMING_LINES)
    model_go_on(stream, line_reader_end(&stream->lines, model_on_line, stream));
  else if (stream->framing == FRAMING_EVENTS)
    model_go_on(stream, sse_reader_end(&stream->events, model_on_event, stream));
  else
    model_take(stream, stream->whole->str, stream->whole->len);
  if (stream->finish)
    stream->over = true; /* it said why it ended, if not that it did */
  if (!stream->over && !stream->stopped)
    model_stream_fail(stream, "it broke off in the middle of its answer");
}
