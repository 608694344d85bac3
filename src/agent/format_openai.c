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

/* What one piece of a tool call says; "" = nothing. */
typedef struct CallPiece {
  int64_t index; /* -1 = none */
  const char *id, *name;
  const json_t *arguments;
} CallPiece;

/* The arguments of @call are whole, and @piece begins some. */
static bool piece_begins_anew(const ToolCall *call, const CallPiece *piece)
{
  const char *text = json_string_value(piece->arguments);
  if (!call->arguments[0] || !(json_is_object(piece->arguments) || (text && text[0] == '{')))
    return false;
  json_t *had = json_parse_foreign(call->arguments, strlen(call->arguments), NULL);
  bool whole = json_is_object(had);
  json_decref(had);
  return whole;
}

/* Does @piece belong to another call than @call, whose number it has? Servers number all their
 * calls 0, or give no numbers. */
static bool piece_is_another(const ToolCall *call, const CallPiece *piece)
{
  bool other_id = piece->id[0] && call->id[0] && !g_str_equal(piece->id, call->id);
  return piece->name[0] && (other_id || piece_begins_anew(call, piece));
}

/* The last call with the number or, where there is none, the id of @piece. */
static ToolCall *piece_find_call(const ModelStream *stream, const CallPiece *piece)
{
  for (guint i = stream->tool_calls->len; i > 0; i--) {
    ToolCall *call = g_ptr_array_index(stream->tool_calls, i - 1);
    if (piece->index >= 0 ? stream->call_index[i - 1] == piece->index
                          : g_str_equal(call->id, piece->id))
      return call;
  }
  return NULL;
}

/* The call that a piece without number and id goes on with: the one at its position when several
 * come together, else the last. */
static ToolCall *piece_guess_call(const ModelStream *stream, const CallPiece *piece,
                                  size_t position, size_t n)
{
  const GPtrArray *calls = stream->tool_calls;
  if (!calls->len || (n > 1 && (piece->name[0] || position >= calls->len)))
    return NULL;
  ToolCall *call = g_ptr_array_index(calls, n > 1 ? position : calls->len - 1);
  return piece->name[0] && !g_str_equal(piece->name, call->name) ? NULL : call;
}

/* A call comes in pieces: first its name, then its arguments bit by bit; or whole. @n pieces came
 * together. */
static void openai_tool_call(ModelStream *stream, const json_t *said, size_t position, size_t n)
{
  const json_t *function = json_object_get(said, "function");
  CallPiece piece = {.index = MAX(jget_int(said, "index", -1), -1),
                     .id = jget_str(said, "id", ""),
                     .name = jget_str(function, "name", ""),
                     .arguments = json_object_get(function, "arguments")};
  bool told = piece.index >= 0 || piece.id[0];
  ToolCall *call =
      told ? piece_find_call(stream, &piece) : piece_guess_call(stream, &piece, position, n);
  if (!call && told && piece.index < 0 && !piece.name[0] && stream->tool_calls->len)
    /* its id is new in each piece */
    call = g_ptr_array_index(stream->tool_calls, stream->tool_calls->len - 1);
  if (!call || piece_is_another(call, &piece))
    call = model_stream_new_call(stream, piece.index);
  if (!call)
    return;
  if (piece.id[0] && !call->id[0]) {
    g_free(call->id);
    call->id = g_strdup(piece.id);
  }
  if (piece.name[0] && !call->name[0]) {
    g_free(call->name);
    call->name = g_strdup(piece.name);
  }
  model_stream_arguments(stream, call, piece.arguments);
}

/* The one call of a server that does not know "tool_calls" yet. */
static void openai_function_call(ModelStream *stream, const json_t *function)
{
  if (!json_is_object(function))
    return;
  json_t *said = json_pack("{s:i,s:O}", "index", 0, "function", function);
  openai_tool_call(stream, said, 0, 1);
  json_decref(said);
}

static void openai_choice(ModelStream *stream, const json_t *choice)
{
  const json_t *delta = json_object_get(choice, "delta"), *piece;
  const char *finish = jget_str(choice, "finish_reason", "");
  size_t i;
  bool whole = !json_is_object(delta);
  if (whole)
    delta = json_object_get(choice, "message");
  const json_t *calls = json_object_get(delta, "tool_calls");
  json_array_foreach(calls, i, piece) openai_tool_call(stream, piece, i, json_array_size(calls));
  openai_function_call(stream, json_object_get(delta, "function_call"));
  if (finish[0])
    stream->finish = model_finish(finish);
  else if (whole && json_is_object(delta) && stream->framing == FRAMING_WHOLE)
    stream->finish = "stop";
  model_stream_reasoning(stream, "reasoning_content", json_object_get(delta, "reasoning_content"));
  model_stream_reasoning(stream, "reasoning", json_object_get(delta, "reasoning"));
  openai_content(stream, json_object_get(delta, "content"));
  openai_content(stream, json_object_get(delta, "refusal"));
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

static const QuickKey openai_delta[] = {{"content", QUICK_TEXT, NULL},
                                        {"tool_calls", QUICK_NULL, NULL},
                                        {"function_call", QUICK_NULL, NULL},
                                        {"reasoning_content", QUICK_NULL, NULL},
                                        {"reasoning", QUICK_NULL, NULL},
                                        {"refusal", QUICK_NULL, NULL},
                                        {NULL, QUICK_NULL, NULL}};
static const QuickKey openai_quick_choice[] = {{"delta", QUICK_OBJECT, openai_delta},
                                               {"finish_reason", QUICK_NULL, NULL},
                                               {"message", QUICK_NULL, NULL},
                                               {NULL, QUICK_NULL, NULL}};
static const QuickKey openai_quick[] = {{"choices", QUICK_ONE, openai_quick_choice},
                                        {"usage", QUICK_NULL, NULL},
                                        {"error", QUICK_NULL, NULL},
                                        {NULL, QUICK_NULL, NULL}};

const ModelFormat openai_format = {
    .framing = FRAMING_EVENTS, .quick = openai_quick, .take = openai_take};
