/* Owns what all formats of model servers share: framing, limits, and when an answer is complete. */
#include "agent/model_stream.h"

#include "base/json.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { ERROR_TEXT_MAX = 300 };

ModelStream *model_stream_new(const ModelFormat *format, ModelFraming framing, ModelDelta delta,
                              void *data)
{
  ModelStream *stream = g_new0(ModelStream, 1);
  *stream = (ModelStream){.format = format,
                          .framing = framing,
                          .delta = delta,
                          .data = data,
                          .prompt_tokens = -1,
                          .completion_tokens = -1};
  stream->tool_calls = tool_calls_new();
  if (framing == FRAMING_LINES)
    line_reader_init(&stream->lines, MODEL_LINE_MAX, false);
  else if (framing == FRAMING_EVENTS)
    sse_reader_init(&stream->events, MODEL_LINE_MAX);
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
  if (stream->reasoning)
    g_string_free(stream->reasoning, TRUE);
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

/* Is there room for @length more bytes of text? */
static bool model_stream_room(ModelStream *stream, size_t length)
{
  if (!length || stream->error || stream->stopped)
    return false;
  stream->text_bytes += length;
  if (stream->text_bytes > MODEL_ANSWER_MAX)
    model_stream_fail(stream, "its answer is longer than %d bytes", MODEL_ANSWER_MAX);
  return !stream->error;
}

void model_stream_text(ModelStream *stream, const char *text, size_t length)
{
  if (model_stream_room(stream, length) && !stream->delta(text, length, stream->data))
    stream->stopped = true;
}

void model_stream_reasoning(ModelStream *stream, const char *key, const json_t *text)
{
  size_t length = json_string_length(text);
  if (!model_stream_room(stream, length) ||
      (stream->reasoning_key && !g_str_equal(stream->reasoning_key, key)))
    return; /* some say the same under two names */
  if (!stream->reasoning)
    stream->reasoning = g_string_new(NULL);
  stream->reasoning_key = key;
  g_string_append_len(stream->reasoning, json_string_value(text), (gssize)length);
}

const char *model_finish(const char *reason)
{
  static const char *const told[] = {"length", "content_filter"};
  for (size_t i = 0; i < G_N_ELEMENTS(told); i++)
    if (g_str_equal(told[i], reason))
      return told[i];
  return "stop";
}

ToolCall *model_stream_new_call(ModelStream *stream, int64_t index)
{
  GPtrArray *calls = stream->tool_calls;
  if (calls->len >= MODEL_TOOL_CALLS_MAX)
    model_stream_fail(stream, "it wants more than %d tools called at once", MODEL_TOOL_CALLS_MAX);
  if (stream->error)
    return NULL;
  ToolCall *call = tool_call_new("", "", "");
  stream->call_index[calls->len] = index;
  g_ptr_array_add(calls, call);
  return call;
}

void model_stream_arguments(ModelStream *stream, ToolCall *call, const json_t *arguments)
{
  char *dump = json_is_object(arguments) || json_is_array(arguments)
                   ? json_dumps(arguments, JSON_COMPACT)
                   : NULL;
  const char *text = dump ? dump : json_string_value(arguments);
  size_t had = strlen(call->arguments), length = text ? strlen(text) : 0;
  if (had + length > MODEL_ARGUMENTS_MAX) {
    model_stream_fail(stream, "the arguments of a tool call are longer than %d bytes",
                      MODEL_ARGUMENTS_MAX);
  } else if (length) {
    call->arguments = g_realloc(call->arguments, had + length + 1);
    memcpy(call->arguments + had, text, length + 1);
  }
  free(dump);
}

const char *model_error_text(const json_t *said)
{
  const json_t *error = json_object_get(said, "error");
  return json_is_object(error) ? jget_str(error, "message", "error without a message")
                               : json_string_value(error);
}

/* ---- framing ---- */

/* A document that the short way does not understand. */
static void model_parse(ModelStream *stream, const char *text, size_t length)
{
  g_autoptr(GError) error = NULL;
  json_t *said = json_parse_foreign(text, length, &error);
  const char *wrong = model_error_text(said);
  if (!said || !json_is_object(said)) {
    g_autofree char *start = g_strndup(text, MIN(length, (size_t)ERROR_TEXT_MAX)),
                    *shown = text_escape(start, 60);
    model_stream_fail(stream, "the model server sent invalid JSON: %s", shown);
  } else if (wrong) {
    g_autofree char *shown = text_escape(wrong, ERROR_TEXT_MAX);
    model_stream_fail(stream, "it broke off: %s", shown);
  } else {
    stream->format->take(stream, said);
  }
  json_decref(said);
}

static bool model_goes_on(const ModelStream *stream)
{
  return !stream->over && !stream->stopped && !stream->error;
}

/* The short ways; false = the document is for the parser. */
static bool model_take_quick(ModelStream *stream, const char *text, size_t length)
{
  const char *token;
  size_t n;
  bool same = quick_same_text(&stream->same, text, length, &token, &n);
  if (!same && !quick_text(stream->format->quick, text, length, &token, &n))
    return false;
  if (!same)
    quick_same_learn(&stream->same, text, length, token, n);
  model_stream_text(stream, token, n);
  return true;
}

static bool model_take(ModelStream *stream, const char *text, size_t length)
{
  if (!model_take_quick(stream, text, length))
    model_parse(stream, text, length);
  return model_goes_on(stream);
}

/* Takes off what says nothing: blanks on both sides, and a byte order mark. */
static void model_skip_blanks(const char **text, size_t *length)
{
  if (*length >= 3 && memcmp(*text, "\xEF\xBB\xBF", 3) == 0) {
    *text += 3;
    *length -= 3;
  }
  for (; *length && g_ascii_isspace((*text)[0]); (*length)--)
    (*text)++;
  while (*length && g_ascii_isspace((*text)[*length - 1]))
    (*length)--;
}

/* Adds to the document that is not over yet; @limit says what has at most @most bytes. */
static bool model_keep(ModelStream *stream, const char *text, size_t length, size_t most,
                       const char *limit)
{
  if (!stream->whole)
    stream->whole = g_string_new(NULL);
  if (stream->whole->len + length > most)
    model_stream_fail(stream, "%s %zu bytes", limit, most);
  else
    g_string_append_len(stream->whole, text, (gssize)length);
  return !stream->error;
}

/* A document may be written over many lines: until its brackets are closed it is not over. */
static bool model_on_line(const char *line, size_t length, void *data)
{
  ModelStream *stream = data;
  bool fresh = !stream->whole;
  model_skip_blanks(&line, &length);
  if (!length)
    return true;
  if (fresh && model_take_quick(stream, line, length))
    return model_goes_on(stream);
  if (fresh)
    stream->walk = (JsonWalk){0};
  json_walk(&stream->walk, line, length);
  /* no text goes over the end of a line */
  bool open = stream->walk.depth > 0 && !stream->walk.quoted;
  if (fresh && !open) {
    model_parse(stream, line, length);
    return model_goes_on(stream);
  }
  if (!model_keep(stream, line, length, MODEL_LINE_MAX, "it sent a document of more than") || open)
    return !stream->error;
  g_autoptr(GString) document = g_steal_pointer(&stream->whole);
  return model_take(stream, document->str, document->len);
}

/* An event without anything in it keeps a connection alive. */
static bool model_on_event(const char *event, const char *text, size_t length, void *data)
{
  ModelStream *stream = data;
  (void)event; /* an error tells itself */
  model_skip_blanks(&text, &length);
  if (!length)
    return true;
  stream->over = length == strlen("[DONE]") && memcmp(text, "[DONE]", length) == 0;
  return !stream->over && model_take(stream, text, length);
}

static bool model_go_on(ModelStream *stream, LinesState state)
{
  if (state == LINES_TOO_LONG)
    model_stream_fail(stream, "it sent a line of more than %d bytes", MODEL_LINE_MAX);
  return state == LINES_MORE;
}

/* No event begins with a brace: what does is a server that does not stream, whatever it calls its
 * answer. A byte order mark is no byte of it. */
static void model_choose_framing(ModelStream *stream, const char *bytes, size_t length)
{
  while (length && (g_ascii_isspace(bytes[0]) || strchr("\xEF\xBB\xBF", bytes[0])) && bytes[0]) {
    bytes++;
    length--;
  }
  stream->began = length > 0;
  if (length && bytes[0] == '{' && stream->framing == FRAMING_EVENTS)
    stream->framing = FRAMING_WHOLE;
}

bool model_stream_feed(ModelStream *stream, const char *bytes, size_t length)
{
  if (!model_goes_on(stream))
    return false;
  if (!stream->began)
    model_choose_framing(stream, bytes, length);
  if (stream->framing == FRAMING_LINES)
    return model_go_on(stream,
                       line_reader_feed(&stream->lines, bytes, length, model_on_line, stream));
  if (stream->framing == FRAMING_EVENTS)
    return model_go_on(stream,
                       sse_reader_feed(&stream->events, bytes, length, model_on_event, stream));
  return model_keep(stream, bytes, length, MODEL_ANSWER_MAX, "its answer is longer than");
}

void model_stream_end(ModelStream *stream)
{
  if (!model_goes_on(stream))
    return;
  if (stream->framing == FRAMING_LINES)
    model_go_on(stream, line_reader_end(&stream->lines, model_on_line, stream));
  else if (stream->framing == FRAMING_EVENTS)
    model_go_on(stream, sse_reader_end(&stream->events, model_on_event, stream));
  else if (stream->whole)
    model_take(stream, stream->whole->str, stream->whole->len);
  if (stream->finish)
    stream->over = true; /* it said why it ended, if not that it did */
  if (!stream->over && !stream->stopped)
    model_stream_fail(stream, "it broke off in the middle of its answer");
}
