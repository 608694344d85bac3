/* Any bytes from a model server, in any pieces: the first byte chooses format and framing, the
 * second the size of the pieces. What is heard does not depend on the pieces. */
#include "agent/model_stream.h"
#include "base/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool heard(const char *text, size_t length, void *user)
{
  g_assert_true(length > 0 && g_utf8_validate_len(text, length, NULL));
  g_string_append_len(user, text, (gssize)length);
  return true;
}

/* What is heard, how it ends and what is wrong with it, when @data comes in pieces of @step. */
static char *listen(uint8_t kind, const char *data, size_t size, size_t step)
{
  const ModelFormat *format = kind & 1 ? &openai_format : &ollama_format;
  GString *text = g_string_new(NULL);
  ModelStream *stream = model_stream_new(format,
                                         kind & 2   ? FRAMING_WHOLE
                                         : kind & 4 ? FRAMING_LINES
                                                    : format->framing,
                                         heard, text);
  for (size_t at = 0; at < size; at += step) {
    g_autofree char *piece = g_memdup2(data + at, MIN(step, size - at));
    if (!model_stream_feed(stream, piece, MIN(step, size - at)))
      break;
  }
  model_stream_end(stream);
  g_assert(stream->over || stream->error);
  g_string_append_printf(text, "\n%d %s %s %s", stream->over, stream->error, stream->finish,
                         stream->reasoning ? stream->reasoning->str : "");
  for (guint i = 0; i < stream->tool_calls->len; i++) {
    const ToolCall *call = g_ptr_array_index(stream->tool_calls, i);
    g_string_append_printf(text, " %s(%s)%s", call->name, call->arguments, call->id);
  }
  model_stream_free(stream);
  return g_string_free(text, FALSE);
}

/* What the short way finds is what the parser finds. */
static void compare_quick(const ModelFormat *format, const char *json, size_t length)
{
  const char *text;
  size_t n;
  if (!quick_text(format->quick, json, length, &text, &n))
    return;
  g_autoptr(GError) error = NULL;
  json_t *said = json_parse_foreign(json, length, &error);
  const json_t *at =
      format == &openai_format
          ? json_object_get(json_array_get(json_object_get(said, "choices"), 0), "delta")
          : json_object_get(said, "message");
  const json_t *content = json_object_get(at, "content");
  g_assert_no_error(error);
  g_assert(json_string_length(content) == n && memcmp(json_string_value(content), text, n) == 0);
  json_decref(said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 2)
    return 0;
  g_autofree char *json = g_memdup2(data + 2, size - 2);
  compare_quick(data[0] & 1 ? &openai_format : &ollama_format, json, size - 2);
  g_autofree char *pieces = listen(data[0], (const char *)data + 2, size - 2, data[1] + 1u);
  g_autofree char *whole = listen(data[0], (const char *)data + 2, size - 2, size);
  g_assert_cmpstr(pieces, ==, whole);
  return 0;
}
