/* What model servers say, cut into pieces in every way: lines, events, both formats, and every
 * limit. */
#include "agent/model_stream.h"

#include <string.h>

typedef struct Heard {
  GString *text;
  int deltas, stop_after;
} Heard;

static bool heard_delta(const char *text, size_t length, void *data)
{
  Heard *heard = data;
  g_string_append_len(heard->text, text, (gssize)length);
  g_string_append_c(heard->text, '|');
  return ++heard->deltas != heard->stop_after;
}

/* Feeds @said in pieces of @step bytes; the stream as it is at the end. */
static ModelStream *listen(const ModelFormat *format, ModelFraming framing, const char *said,
                           size_t step, Heard *heard)
{
  *heard = (Heard){.text = g_string_new(NULL)};
  ModelStream *stream = model_stream_new(format, framing, heard_delta, heard);
  size_t n = strlen(said);
  for (size_t at = 0; at < n; at += step) {
    /* of its very size, so that ASan sees a step beyond it */
    g_autofree char *piece = g_memdup2(said + at, MIN(step, n - at));
    if (!model_stream_feed(stream, piece, MIN(step, n - at)))
      break;
  }
  model_stream_end(stream);
  return stream;
}

static const char openai_said[] =
    ": a comment\r\n\r\n"
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
    "data:{\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\r\n\r\n"
    "event: message\ndata: {\"choices\":[{\"delta\":\ndata: {\"content\":\"lo \\u20ac\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c7\",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":\"\"}}]}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}]}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}},{\"index\":1,\"function\":{\"name\":\"sub\"}}]}}]}\r\r"
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n"
    "data: [DONE]\n\n";

static void test_openai(void)
{
  for (size_t step = 1; step < 200; step++) {
    Heard heard;
    ModelStream *stream = listen(&openai_format, FRAMING_EVENTS, openai_said, step, &heard);
    g_assert_cmpstr(stream->error, ==, NULL);
    g_assert_true(stream->over);
    g_assert_cmpstr(heard.text->str, ==, "Hel|lo \xe2\x82\xac|");
    g_assert_cmpstr(stream->finish, ==, "stop");
    g_assert_cmpint(stream->prompt_tokens, ==, 5);
    g_assert_cmpint(stream->completion_tokens, ==, 7);
    g_assert_cmpuint(stream->tool_calls->len, ==, 2);
    const ToolCall *first = g_ptr_array_index(stream->tool_calls, 0),
                   *second = g_ptr_array_index(stream->tool_calls, 1);
    g_assert_cmpstr(first->id, ==, "c7");
    g_assert_cmpstr(first->name, ==, "add");
    g_assert_cmpstr(first->arguments, ==, "{\"a\":1}");
    g_assert_cmpstr(second->id, ==, "");
    g_assert_cmpstr(second->name, ==, "sub");
    model_stream_free(stream);
    g_string_free(heard.text, TRUE);
  }
}

/* A server that does not stream. */
static void test_openai_whole(void)
{
  Heard heard;
  ModelStream *stream = listen(
      &openai_format, FRAMING_WHOLE,
      "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},"
      "\n\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
      7, &heard);
  g_assert_cmpstr(stream->error, ==, NULL);
  g_assert_cmpstr(heard.text->str, ==, "a|b|");
  g_assert_cmpstr(stream->finish, ==, "length");
  g_assert_cmpint(stream->completion_tokens, ==, 2);
  model_stream_free(stream);
  g_string_free(heard.text, TRUE);
}

static const char ollama_said[] =
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n"
    "\r\n  \n"
    "{\"message\":{\"content\":\"lo\",\"tool_calls\":[{\"function\":{\"name\":\"add\",\"arguments\":{\"a\":[1,{\"b\":null}]}}}]},\"done\":false}\r\n"
    "{\"message\":{\"content\":\"!\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":3}";

static void test_ollama(void)
{
  for (size_t step = 1; step < 200; step++) {
    Heard heard;
    ModelStream *stream = listen(&ollama_format, FRAMING_LINES, ollama_said, step, &heard);
    g_assert_cmpstr(stream->error, ==, NULL);
    g_assert_true(stream->over);
    g_assert_cmpstr(heard.text->str, ==, "Hel|lo|!|");
    g_assert_cmpint(stream->prompt_tokens, ==, 26);
    g_assert_cmpint(stream->completion_tokens, ==, 3);
    const ToolCall *call = g_ptr_array_index(stream->tool_calls, 0);
    g_assert_cmpstr(call->name, ==, "add");
    g_assert_cmpstr(call->id, ==, "");
    g_assert_cmpstr(call->arguments, ==, "{\"a\":[1,{\"b\":null}]}");
    model_stream_free(stream);
    g_string_free(heard.text, TRUE);
  }
}

static void test_bad(void)
{
  static const struct {
    const ModelFormat *format;
    const char *said, *error;
  } rows[] = {
      {&ollama_format, "", "it broke off in the middle of its answer"},
      {&ollama_format, "{\"message\":{\"content\":\"x\"}}\n",
       "it broke off in the middle of its answer"},
      {&ollama_format, "{\"error\":\"model 'm' not \\u001bfound\"}\n",
       "it broke off: model 'm' not \\x1bfound"},
      {&ollama_format, "<html>\x01</html>\n",
       "the model server sent invalid JSON: <html>\\x01</html>"},
      {&ollama_format, "[]\n", "the model server sent invalid JSON: []"},
      {&openai_format, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n",
       "it broke off: overloaded"},
      {&openai_format, "event: error\ndata: {\"error\":{}}\n\n",
       "it broke off: error without a message"},
      {&openai_format, "data: \xff\xfe\n\n", "the model server sent invalid JSON: \\xff\\xfe"},
      {&openai_format, "{\"choices\":[]}", "it broke off in the middle of its answer"},
      {&openai_format,
       "data: {\"choices\":[{\"delta\":{\"content\":\"half an\"},\"finish_reason\":\"\"}]}\n\n",
       "it broke off in the middle of its answer"},
      {&ollama_format, "{\"message\":\n{\"content\":\"x\"\n",
       "it broke off in the middle of its answer"},
      {&openai_format, "{\"error\":\n {\"message\":\"no\"}}", "it broke off: no"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    for (size_t step = 1; step < 50; step += 7) {
      Heard heard;
      ModelStream *stream =
          listen(rows[i].format, rows[i].format->framing, rows[i].said, step, &heard);
      g_assert_false(stream->over);
      g_assert_cmpstr(stream->error, ==, rows[i].error);
      model_stream_free(stream);
      g_string_free(heard.text, TRUE);
    }
  }
}

#define DELTA(more) "data: {\"choices\":[{\"delta\":{" more "}}]}\n\n"
#define CALLS(more) DELTA("\"tool_calls\":[" more "]")
#define ARGS(text)  "{\\\"m\\\":\\\"" text "\\\"}"
#define ENDED \
  "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
#define OLLAMA(more) "{\"message\":{\"content\":\"x\"," more "},\"done\":true}\n"

/* What servers were seen to send, each as `text / name(arguments)#id ... / reasoning / finish`. */
static void test_dialects(void)
{
  static const struct {
    const ModelFormat *format;
    const char *said, *heard;
  } rows[] = {
      /* arguments as an object */
      {&openai_format,
       CALLS(
           "{\"index\":0,\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":{\"m\":\"obj\"}}}")
           ENDED,
       "/f({\"m\":\"obj\"})#a1//stop"},
      {&openai_format,
       CALLS("{\"index\":0,\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":null}}") ENDED,
       "/f()#a1//stop"},
      /* parallel calls, without numbers or all number 0 */
      {&openai_format,
       CALLS("{\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":\"" ARGS("one") "\"}}")
           CALLS("{\"id\":\"a2\",\"function\":{\"name\":\"f\",\"arguments\":\"" ARGS("two") "\"}}")
               ENDED,
       "/f({\"m\":\"one\"})#a1 f({\"m\":\"two\"})#a2//stop"},
      {&openai_format,
       CALLS("{\"index\":0,\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":\"" ARGS(
           "one") "\"}}")
           CALLS("{\"index\":0,\"id\":\"a2\",\"function\":{\"name\":\"f\",\"arguments\":\"" ARGS(
               "two") "\"}}") ENDED,
       "/f({\"m\":\"one\"})#a1 f({\"m\":\"two\"})#a2//stop"},
      {&openai_format,
       CALLS("{\"index\":0,\"id\":\"\",\"function\":{\"name\":\"f\",\"arguments\":\"" ARGS(
           "one") "\"}}")
           CALLS("{\"index\":0,\"id\":\"\",\"function\":{\"name\":\"f\",\"arguments\":\"" ARGS(
               "two") "\"}}") ENDED,
       "/f({\"m\":\"one\"})# f({\"m\":\"two\"})#//stop"},
      {&openai_format,
       CALLS("{\"function\":{\"name\":\"f\",\"arguments\":\"" ARGS("one") "\"}}")
           CALLS("{\"function\":{\"name\":\"g\",\"arguments\":\"" ARGS("two") "\"}}") ENDED,
       "/f({\"m\":\"one\"})# g({\"m\":\"two\"})#//stop"},
      {&openai_format,
       CALLS("{\"function\":{\"name\":\"f\"}},{\"function\":{\"name\":\"f\"}}") CALLS(
           "{\"function\":{\"arguments\":\"{}\"}},{\"function\":{\"arguments\":\"{ }\"}}") ENDED,
       "/f({})# f({ })#//stop"},
      /* one call: its name or its id comes again, or its id is new in each piece */
      {&openai_format,
       CALLS(
           "{\"index\":0,\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"m\\\":\"}}")
           CALLS("{\"index\":0,\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":\"1}\"}}")
               ENDED,
       "/f({\"m\":1})#a1//stop"},
      {&openai_format,
       CALLS(
           "{\"index\":0,\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"m\\\":\"}}")
           CALLS("{\"index\":0,\"id\":\"a7\",\"function\":{\"arguments\":\"1}\"}}") ENDED,
       "/f({\"m\":1})#a1//stop"},
      {&openai_format,
       CALLS("{\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"m\\\":\"}}")
           CALLS("{\"id\":\"a7\",\"function\":{\"arguments\":\"1}\"}}")
               CALLS("{\"function\":{\"arguments\":\"\"}}") ENDED,
       "/f({\"m\":1})#a1//stop"},
      /* numbers that begin at 1, or come out of order */
      {&openai_format,
       CALLS("{\"index\":1,\"id\":\"a1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}")
           CALLS("{\"index\":2,\"id\":\"a2\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}")
               CALLS("{\"index\":1,\"function\":{\"arguments\":\"}\"}}") ENDED,
       "/f({})#a1 g({})#a2//stop"},
      {&openai_format,
       CALLS(
           "{\"index\":9,\"id\":\"a1\",\"function\":{\"name\":\"f\"}},{\"index\":0,\"id\":\"a2\",\"function\":{\"name\":\"g\"}}")
           ENDED,
       "/f()#a1 g()#a2//stop"},
      /* the old way of one call */
      {&openai_format,
       DELTA("\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}")
           DELTA("\"function_call\":{\"arguments\":\"}\"}") ENDED,
       "/f({})#//stop"},
      /* thoughts */
      {&openai_format,
       DELTA("\"reasoning_content\":\"hm\",\"content\":null")
           DELTA("\"content\":\"a\",\"reasoning_content\":\"m\"") ENDED,
       "a//hmm/stop"},
      {&openai_format, DELTA("\"reasoning\":\"hm\",\"reasoning_content\":\"hm\"") ENDED,
       "//hm/stop"},
      {&ollama_format, OLLAMA("\"thinking\":\"hm\""), "x//hm/stop"},
      /* what keeps a connection alive */
      {&openai_format,
       "data:\n\n" DELTA("\"content\":\"a\"") "event: keepalive\ndata: \n\n: x\n\ndata: \r\n\r\n" DELTA(
           "\"content\":\"b\"") "data: [DONE] \n\n",
       "ab///-"},
      /* why it ended */
      {&openai_format,
       "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"\"}]}\n\n" ENDED,
       "a///stop"},
      {&openai_format,
       "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"content_filter\"}]}\n\n",
       "a///content_filter"},
      {&openai_format, DELTA("\"refusal\":\"I will not\"") ENDED, "I will not///stop"},
      {&ollama_format,
       "{\"message\":{\"content\":\"x\"},\"done\":true,\"done_reason\":\"length\"}\n",
       "x///length"},
      /* whole answers, in one document of many lines */
      {&openai_format, "\n {\n\"choices\": [{\"message\": {\"content\": \"x\"}}]}\n", "x///stop"},
      {&openai_format,
       "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]},\"finish_reason\":\"tool_calls\"}]}",
       "/f({})#a//stop"},
      {&ollama_format, "{\n  \"message\": {\"content\": \"{x\"},\n  \"done\": true\n}\n",
       "{x///stop"},
      {&ollama_format,
       OLLAMA(
           "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":null}},{\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]"),
       "x/f()# g({})#b//stop"},
      /* JSON that other parsers read */
      {&openai_format,
       DELTA("\"content\":\"a\\u0000\"") DELTA("\"content\":\"\\ud83d\"")
           DELTA("\"content\":\"x\",\"content\":\"y\"") ENDED,
       "a\xEF\xBF\xBD\xEF\xBF\xBDy///stop"},
      {&openai_format,
       "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"delta\":{}}],\"n\":18446744073709551615}\n\n" ENDED,
       "///stop"},
      {&ollama_format, "\xEF\xBB\xBF{\"message\":{\"content\":\"caf\xe9\"},\"done\":true}\n",
       "caf\xEF\xBF\xBD///stop"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    for (size_t step = 1; step < 100; step += 9) {
      Heard heard;
      ModelStream *stream =
          listen(rows[i].format, rows[i].format->framing, rows[i].said, step, &heard);
      g_autoptr(GString) got = g_string_new(NULL);
      g_auto(GStrv) pieces = g_strsplit(heard.text->str, "|", -1);
      g_autofree char *text = g_strjoinv("", pieces);
      g_assert_cmpstr(stream->error, ==, NULL);
      g_string_append_printf(got, "%s/", text);
      for (guint k = 0; k < stream->tool_calls->len; k++) {
        const ToolCall *call = g_ptr_array_index(stream->tool_calls, k);
        g_string_append_printf(got, "%s%s(%s)#%s", k ? " " : "", call->name, call->arguments,
                               call->id);
      }
      g_string_append_printf(got, "/%s/%s", stream->reasoning ? stream->reasoning->str : "",
                             stream->finish ? stream->finish : "-");
      g_assert_cmpstr(got->str, ==, rows[i].heard);
      model_stream_free(stream);
      g_string_free(heard.text, TRUE);
    }
  }
}

/* An end that is told counts, also when the very last line of it is missing. */
static void test_lax_end(void)
{
  Heard heard;
  ModelStream *stream =
      listen(&openai_format, FRAMING_EVENTS,
             "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}", 3,
             &heard);
  g_assert_cmpstr(stream->error, ==, NULL);
  g_assert_true(stream->over);
  g_assert_cmpstr(heard.text->str, ==, "x|");
  model_stream_free(stream);
  g_string_free(heard.text, TRUE);
}

/* Feeds @head and then @repeat until the stream has had enough, at most @max bytes; the error.
 * Caller frees. */
static char *flood(const ModelFormat *format, ModelFraming framing, const char *head,
                   const char *repeat, size_t max)
{
  Heard heard = {.text = g_string_new(NULL)};
  ModelStream *stream = model_stream_new(format, framing, heard_delta, &heard);
  size_t fed = 0, n = strlen(repeat);
  bool more = model_stream_feed(stream, head, strlen(head));
  for (; more && fed < max; fed += n)
    more = model_stream_feed(stream, repeat, n);
  char *error = g_steal_pointer(&stream->error);
  model_stream_free(stream);
  g_string_free(heard.text, TRUE);
  return error;
}

static void test_limits(void)
{
  enum { MUCH = 40 * 1024 * 1024 };
  g_autofree char *block = g_strnfill(65536, 'x');
  static const char openai_piece[] =
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"";
  g_autofree char *arguments = g_strconcat(openai_piece, block, "\"}}]}}]}\n\n", NULL);
  g_autofree char *text = g_strconcat("{\"message\":{\"content\":\"", block, "\"}}\n", NULL);
  const struct {
    const ModelFormat *format;
    ModelFraming framing;
    const char *head, *repeat, *error;
  } rows[] = {
      {&ollama_format, FRAMING_LINES, "{\"a\":\"", block,
       "it sent a line of more than 1048576 bytes"},
      {&openai_format, FRAMING_EVENTS, "data: ", block,
       "it sent a line of more than 1048576 bytes"},
      {&openai_format, FRAMING_EVENTS, "", "data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
       "it sent a line of more than 1048576 bytes"},
      {&openai_format, FRAMING_EVENTS, "", arguments,
       "the arguments of a tool call are longer than 65536 bytes"},
      {&openai_format, FRAMING_WHOLE, "{\"a\":\"", block,
       "its answer is longer than 16777216 bytes"},
      {&ollama_format, FRAMING_LINES, "", text, "its answer is longer than 16777216 bytes"},
      {&ollama_format, FRAMING_LINES, "",
       "{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"a\"}}]}}\n",
       "it wants more than 64 tools called at once"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *error =
        flood(rows[i].format, rows[i].framing, rows[i].head, rows[i].repeat, MUCH);
    g_assert_cmpstr(error, ==, rows[i].error);
  }
}

/* What the short way takes, it takes as the parser would; what it does not understand, it leaves.
 */
static void test_quick(void)
{
  static const struct {
    const char *json, *text; /* NULL = left to the parser */
  } rows[] = {
      {"{\"id\":\"c\",\"n\":[1,{\"a\":true}],\"choices\":[{\"index\":0,\"delta\":{\"role\":\"x\",\"content\":\"h\xc3\xa9\"},\"logprobs\":null,"
       "\"finish_reason\":null}],\"usage\":null}",
       "h\xc3\xa9"},
      {" { \"choices\" : [ { \"delta\" : { \"content\" : \"\" } } ] }\r\n ", ""},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\\n\"}}]}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\xff\"}}]}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\x01\"}}]}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\",\"content\":\"b\"}}]}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\",\"tool_calls\":[]}}]}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"}},{\"delta\":{\"content\":\"b\"}}]}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":1}}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"error\":\"x\"}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":null}}]}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"x\":1.5}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"x\":01}", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}x", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}]", NULL},
      {"{\"choices\":[{\"delta\":{\"content\":\"a\"}}],}", NULL},
      {"{\"x\":[[[[[[[[[[[1]]]]]]]]]]],\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", NULL},
      {"{}", NULL},
      {"", NULL},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    const char *text = NULL;
    size_t length = 0, n = strlen(rows[i].json);
    g_autofree char *json = g_memdup2(rows[i].json, n);
    g_assert_cmpint(quick_text(openai_format.quick, json, n, &text, &length), ==,
                    rows[i].text != NULL);
    g_autofree char *found = text ? g_strndup(text, length) : NULL;
    g_assert_cmpstr(found, ==, rows[i].text);
  }
}

/* A listener that has enough hears nothing more. */
static void test_stop(void)
{
  Heard heard = {.text = g_string_new(NULL), .stop_after = 1};
  ModelStream *stream = model_stream_new(&ollama_format, FRAMING_LINES, heard_delta, &heard);
  g_assert_false(model_stream_feed(stream, ollama_said, sizeof ollama_said - 1));
  g_assert_true(stream->stopped);
  g_assert_cmpint(heard.deltas, ==, 1);
  model_stream_free(stream);
  g_string_free(heard.text, TRUE);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/model-stream/openai", test_openai);
  g_test_add_func("/model-stream/openai-whole", test_openai_whole);
  g_test_add_func("/model-stream/ollama", test_ollama);
  g_test_add_func("/model-stream/bad", test_bad);
  g_test_add_func("/model-stream/dialects", test_dialects);
  g_test_add_func("/model-stream/lax-end", test_lax_end);
  g_test_add_func("/model-stream/limits", test_limits);
  g_test_add_func("/model-stream/quick", test_quick);
  g_test_add_func("/model-stream/stop", test_stop);
  return g_test_run();
}
