/* The shortest way to a token: what it takes, what it leaves, and that a stream says the same with
 * it. */
#include "agent/model_stream.h"

#include <string.h>

#define CHUNK(at, text)                                                                        \
  "{\"id\":\"c1\",\"created\":" at ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text \
  "\"},\"finish_reason\":null}]}"

static bool takes(const QuickSame *same, const char *json, const char *wanted)
{
  const char *text = NULL;
  size_t length = 0;
  bool is_same = quick_same_text(same, json, strlen(json), &text, &length);
  if (is_same)
    g_assert_cmpmem(text, length, wanted, strlen(wanted));
  return is_same;
}

static void test_same(void)
{
  QuickSame same = {0};
  const char *learned = CHUNK("17", "hello");
  g_assert_false(takes(&same, CHUNK("1", "a"), "a")); /* nothing learned */
  quick_same_learn(&same, learned, strlen(learned), strstr(learned, "hello"), 5);
  g_assert_true(takes(&same, learned, "hello"));
  g_assert_true(takes(&same, CHUNK("17", ""), ""));
  g_assert_true(takes(&same, CHUNK("93", " w\xc3\xb6rld}]"), " w\xc3\xb6rld}]"));
  g_assert_true(takes(&same, CHUNK("10", "x"), "x"));
  static const char *const others[] = {
      CHUNK("07", "x"),    CHUNK("1x", "x"),    CHUNK("117", "x"),      CHUNK("17", "a\\n"),
      CHUNK("17", "a\nb"), CHUNK("17", "\xff"), CHUNK("17", "a\",\"b"), "{}"};
  for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
    g_assert_false(takes(&same, others[i], ""));
  quick_same_clear(&same);
}

static void test_large_ones_are_not_remembered(void)
{
  QuickSame same = {0};
  g_autofree char *big = g_strnfill(QUICK_SAME_MAX + 1, 'x');
  quick_same_learn(&same, big, QUICK_SAME_MAX + 1, big + 10, 5);
  g_assert_null(same.before);
}

static bool add(const char *text, size_t length, void *data)
{
  g_string_append_len(data, text, (gssize)length);
  g_string_append_c(data, '|');
  return true;
}

/* In pieces of every size; the third text needs the parser, the end says more than text. */
static void test_stream(void)
{
  static const char said[] =
      "data: " CHUNK("10", "one") "\n\ndata: " CHUNK("11", " two") "\n\ndata: " CHUNK(
          "12",
          " \\\"three\\\"") "\n\ndata: " CHUNK("13",
                                               " four") "\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],\"usage\":"
                                                        "{\"prompt_tokens\":7,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
  for (size_t piece = 1; piece < sizeof said; piece++) {
    g_autoptr(GString) out = g_string_new(NULL);
    ModelStream *stream = model_stream_new(&openai_format, FRAMING_EVENTS, add, out);
    for (size_t at = 0; at < sizeof said - 1; at += piece)
      model_stream_feed(stream, said + at, MIN(piece, sizeof said - 1 - at));
    model_stream_end(stream);
    g_assert_null(stream->error);
    g_assert_cmpstr(out->str, ==, "one| two| \"three\"| four|");
    g_assert_cmpstr(stream->finish, ==, "length");
    g_assert_cmpint(stream->completion_tokens, ==, 4);
    g_assert_nonnull(stream->same.before);
    model_stream_free(stream);
  }
}

/* What says more than a text goes to the parser: tool calls, the end. */
static void test_more_than_text(void)
{
  static const char said[] =
      "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":\"b\"},\"done\":false}\n"
      "{\"message\":{\"content\":\"c\",\"tool_calls\":[{\"function\":{\"name\":\"t\",\"arguments\":{}}}]},\"done\":false}\n"
      "{\"message\":{\"content\":\"d\"},\"done\":true,\"eval_count\":3}\n";
  g_autoptr(GString) out = g_string_new(NULL);
  ModelStream *stream = model_stream_new(&ollama_format, FRAMING_LINES, add, out);
  model_stream_feed(stream, said, sizeof said - 1);
  model_stream_end(stream);
  g_assert_null(stream->error);
  g_assert_cmpstr(out->str, ==, "a|b|c|d|");
  g_assert_cmpuint(stream->tool_calls->len, ==, 1);
  g_assert_cmpint(stream->completion_tokens, ==, 3);
  model_stream_free(stream);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/quick-same/same", test_same);
  g_test_add_func("/quick-same/large-ones-are-not-remembered", test_large_ones_are_not_remembered);
  g_test_add_func("/quick-same/stream", test_stream);
  g_test_add_func("/quick-same/more-than-text", test_more_than_text);
  return g_test_run();
}
