/* The brains that are model servers, against a stand-in that streams slowly, cuts off, fails,
 * babbles and hangs. */
#include "agent/brain_http.h"
#include "base/clock.h"
#include "base/json.h"
#include "model_server.h"

#include <math.h>
#include <string.h>

enum { DEADLINE_MS = 20000 };

typedef struct Heard {
  Loop *loop;
  const Brain *brain;
  BrainCall *call;
  GString *text;
  int deltas, calls, cancel_after;
  BrainOutcome outcome;
  char *detail, *tools;
  const char *finish;
  int64_t prompt_tokens, completion_tokens, first_ms, retry_after_s;
  int status;
  bool let_go; /* after it was held back */
} Heard;

static void heard_delta(const char *text, size_t length, void *data)
{
  Heard *heard = data;
  if (!heard->deltas)
    heard->first_ms = clock_boot_ms();
  g_string_append_len(heard->text, text, (gssize)length);
  if (++heard->deltas == heard->cancel_after) {
    heard->brain->cancel(heard->call);
    loop_stop(heard->loop);
  }
}

static void heard_done(const BrainResult *result, void *data)
{
  Heard *heard = data;
  heard->calls++;
  heard->outcome = result->outcome;
  heard->detail = g_strdup(result->detail);
  heard->finish = result->finish;
  heard->status = result->status;
  heard->retry_after_s = result->retry_after_s;
  heard->prompt_tokens = result->prompt_tokens;
  heard->completion_tokens = result->completion_tokens;
  if (result->tool_calls && result->tool_calls->len)
    heard->tools = g_strdup(((const ToolCall *)g_ptr_array_index(result->tool_calls, 0))->name);
  loop_stop(heard->loop);
}

static const BrainListener listener = {.delta = heard_delta, .done = heard_done};

static void late(void *data)
{
  (void)data;
  g_error("no end within the deadline of the test");
}

/* One test: a stand-in, a client and what was heard. */
typedef struct Scene {
  Heard heard;
  HttpClient *client;
  ModelServer *server;
  LoopTimer *late;
  AgentFile file;
  BrainManners manners;
  json_t *more;
  char *base;
} Scene;

static void scene_open(Scene *scene, const Play *plays, guint n_plays)
{
  *scene = (Scene){.heard = {.loop = loop_new(), .text = g_string_new(NULL)}};
  scene->client = http_client_new(scene->heard.loop);
  scene->server = model_server_new(scene->heard.loop, plays, n_plays);
  scene->late = loop_timer_new(scene->heard.loop, late, NULL);
  loop_timer_set(scene->late, clock_boot_ms() + DEADLINE_MS);
  scene->base = g_strdup_printf("http://127.0.0.1:%d", model_server_port(scene->server));
  scene->file = (AgentFile){.base_url = scene->base};
}

static void scene_ask_as(Scene *scene, const Brain *brain, const BrainListener *as,
                         int64_t timeout_ms)
{
  static const char tools[] = "[{\"type\":\"function\",\"function\":{\"name\":\"add\"}}]";
  BrainWorld world = {.loop = scene->heard.loop,
                      .client = scene->client,
                      .file = &scene->file,
                      .api_key = "k-1",
                      .manners = &scene->manners};
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, message_new(ROLE_SYSTEM, "be brief"));
  g_ptr_array_add(messages, message_new(ROLE_USER, "hi \"you\""));
  Message *wants = message_new(ROLE_ASSISTANT, ""), *answer = message_new(ROLE_TOOL, "3");
  wants->tool_calls = tool_calls_new();
  g_ptr_array_add(wants->tool_calls, tool_call_new("c1", "add", "{\"a\":1}"));
  answer->tool_call_id = g_strdup("c1");
  answer->tool_name = g_strdup("add");
  g_ptr_array_add(messages, wants);
  g_ptr_array_add(messages, answer);
  BrainRequest request = {.messages = messages,
                          .tools = tools,
                          .options = {.model = "tiny",
                                      .temperature = 0.25,
                                      .top_p = (double)NAN,
                                      .max_tokens = 50,
                                      .more = scene->more},
                          .timeout_ms = timeout_ms};
  scene->heard.brain = brain;
  scene->heard.call = brain->start(&world, &request, as, &scene->heard, NULL);
  g_assert_nonnull(scene->heard.call);
  g_assert_cmpint(scene->heard.calls, ==, 0);
  loop_run(scene->heard.loop);
}

static void scene_ask(Scene *scene, const Brain *brain, int64_t timeout_ms)
{
  scene_ask_as(scene, brain, &listener, timeout_ms);
}

static void scene_close(Scene *scene)
{
  g_assert_cmpint(scene->heard.calls, <=, 1);
  model_server_free(scene->server);
  http_client_free(scene->client);
  loop_timer_free(scene->late);
  loop_free(scene->heard.loop);
  g_string_free(scene->heard.text, TRUE);
  g_free(scene->heard.detail);
  g_free(scene->heard.tools);
  g_free(scene->base);
}

#define PIECES(...)     \
  (const char *const[]) \
  {                     \
    __VA_ARGS__, NULL   \
  }
#define WORD(text) "{\"message\":{\"content\":\"" text "\"},\"done\":false}\n"
#define LAST \
  "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":4,\"eval_count\":2}\n"
#define EVENT(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define NDJSON      "application/x-ndjson"
#define EVENTS      "text/event-stream; charset=utf-8"

static void test_ollama(void)
{
  const Play play = {.status = 200,
                     .type = NDJSON,
                     .pieces =
                         PIECES(WORD("Hel"), "{\"message\":{\"con", "tent\":\"lo\"}}\n", LAST),
                     .pause_ms = 40};
  Scene scene;
  scene_open(&scene, &play, 1);
  scene_ask(&scene, &ollama_brain, 10000);
  g_assert_cmpint(scene.heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpstr(scene.heard.text->str, ==, "Hello");
  g_assert_cmpint(scene.heard.deltas, ==, 2);
  /* the first word did not wait for the last */
  g_assert_cmpint(clock_boot_ms() - scene.heard.first_ms, >=, 80);
  g_assert_cmpstr(scene.heard.finish, ==, "stop");
  g_assert_cmpint(scene.heard.prompt_tokens, ==, 4);
  g_assert_cmpint(scene.heard.completion_tokens, ==, 2);
  g_assert_cmpstr(
      model_server_body(scene.server), ==,
      "{\"model\":\"tiny\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"hi "
      "\\\"you\\\"\"},{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"add\",\"arguments\":{\"a\":1}"
      "}}]},{\"role\":\"tool\",\"content\":\"3\",\"tool_name\":\"add\"}],\"stream\":true,\"tools\":[{\"type\":\"function\","
      "\"function\":{\"name\":\"add\"}}],\"options\":{\"temperature\":0.25,\"num_predict\":50}}");
  g_assert_true(g_str_has_prefix(model_server_head(scene.server), "POST /api/chat HTTP/1.1\r\n"));
  scene_close(&scene);
}

static void test_openai(void)
{
  const Play play = {
      .status = 200,
      .type = EVENTS,
      .pieces = PIECES(
          EVENT("a") EVENT("b"),
          "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"add\"}}]},"
          "\"finish_reason\":\"tool_calls\"}]}\n\n",
          "data: [DONE]\n\n")};
  Scene scene;
  scene_open(&scene, &play, 1);
  scene_ask(&scene, &openai_brain, 10000);
  g_assert_cmpint(scene.heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpstr(scene.heard.text->str, ==, "ab");
  g_assert_cmpint(scene.heard.deltas, ==, 2);
  g_assert_cmpstr(scene.heard.tools, ==, "add");
  g_assert_cmpint(scene.heard.prompt_tokens, ==, -1);
  g_assert_cmpstr(
      model_server_body(scene.server), ==,
      "{\"model\":\"tiny\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"hi "
      "\\\"you\\\"\"},{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{"
      "\"name\":\"add\",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"content\":\"3\",\"tool_call_id\":\"c1\"}],"
      "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"add\"}}"
      "],\"temperature\":0.25,\"max_tokens\":50}");
  g_assert_true(
      g_str_has_prefix(model_server_head(scene.server), "POST /v1/chat/completions HTTP/1.1\r\n"));
  g_assert_nonnull(strstr(model_server_head(scene.server), "\r\nAuthorization: Bearer k-1\r\n"));
  scene_close(&scene);
}

/* A base that ends with /v1 is not given a second one; a server that does not stream is understood.
 */
static void test_openai_base(void)
{
  const Play play = {
      .status = 200,
      .type = "application/json",
      .pieces =
          PIECES("{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}")};
  Scene scene;
  scene_open(&scene, &play, 1);
  g_autofree char *base = g_strconcat(scene.base, "/some/v1", NULL);
  scene.file.base_url = base;
  scene_ask(&scene, &openai_brain, 10000);
  g_assert_cmpstr(scene.heard.text->str, ==, "x");
  g_assert_true(g_str_has_prefix(model_server_head(scene.server),
                                 "POST /some/v1/chat/completions HTTP/1.1\r\n"));
  scene_close(&scene);
}

/* Only what names no more than a host is completed. */
static void test_openai_urls(void)
{
  const Play play = {.status = 200, .type = EVENTS, .pieces = PIECES("data: [DONE]\n\n")};
  static const char *const rows[][2] = {{"", "/v1"},
                                        {"/v1", "/v1"},
                                        {"/api/paas/v4", "/api/paas/v4"},
                                        {"/v1beta/openai", "/v1beta/openai"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Scene scene;
    scene_open(&scene, &play, 1);
    g_autofree char *base = g_strconcat(scene.base, rows[i][0], NULL),
                    *line = g_strdup_printf("POST %s/chat/completions ", rows[i][1]);
    scene.file.base_url = base;
    scene_ask(&scene, &openai_brain, 10000);
    g_assert_true(g_str_has_prefix(model_server_head(scene.server), line));
    scene_close(&scene);
  }
}

#define REFUSE(text)                                           \
  {                                                            \
    .status = 400, .type = "application/json",                 \
    .pieces = PIECES("{\"error\":{\"message\":\"" text "\"}}") \
  }

/* What a server does not know is left out or named otherwise, in the same call and from then on. */
static void test_openai_adapts(void)
{
  const Play plays[] = {
      REFUSE("stream_options: Extra inputs are not permitted"),
      REFUSE("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
      {.status = 200, .type = EVENTS, .pieces = PIECES(EVENT("a"), "data: [DONE]\n\n")},
      REFUSE("max_completion_tokens: unknown"),
      {.status = 200, .type = EVENTS, .pieces = PIECES(EVENT("b"), "data: [DONE]\n\n")},
      REFUSE("max_completion_tokens: too many")};
  Scene scene;
  scene_open(&scene, plays, G_N_ELEMENTS(plays));
  scene_ask(&scene, &openai_brain, 10000);
  g_assert_cmpstr(scene.heard.text->str, ==, "a");
  g_assert_cmpuint(model_server_requests(scene.server), ==, 3);
  g_assert_null(strstr(model_server_body(scene.server), "stream_options"));
  g_assert_nonnull(strstr(model_server_body(scene.server), "\"max_completion_tokens\":50"));
  g_assert_true(scene.manners.no_stream_options && scene.manners.tokens == TOKENS_COMPLETION);
  scene.heard.calls = 0;
  /* another model of the same server, which wants the old name */
  scene_ask(&scene, &openai_brain, 10000);
  g_assert_cmpstr(scene.heard.text->str, ==, "ab");
  g_assert_cmpuint(model_server_requests(scene.server), ==, 5);
  g_assert_nonnull(strstr(model_server_body(scene.server), "\"max_tokens\":50"));
  scene.heard.calls = 0;
  scene_ask(&scene, &openai_brain, 10000); /* one that is refused in any words is refused */
  g_assert_cmpint(scene.heard.outcome, ==, BRAIN_FAILED);
  g_assert_cmpint(scene.heard.status, ==, 400);
  g_assert_cmpuint(model_server_requests(scene.server), <=, 9);
  scene_close(&scene);
}

/* What else the client wants of the answer, in the words of each kind of server. */
static void test_more(void)
{
  static const char more[] =
      "{\"stop\":\"two\",\"seed\":7,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"a\":1}}},"
      "\"reasoning_effort\":\"low\",\"num_ctx\":9,\"top_k\":4,\"keep_alive\":0,\"user\":\"u\"}";
  static const struct {
    const Brain *brain;
    const char *more, *body;
  } rows[] = {
      {&openai_brain, more,
       "\"max_tokens\":50,\"stop\":\"two\",\"seed\":7,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"a\":1}}},"
       "\"reasoning_effort\":\"low\",\"top_k\":4,\"user\":\"u\"}"},
      {&openai_brain, "{\"think\":false}", "\"reasoning_effort\":\"none\"}"},
      {&openai_brain, "{\"think\":true}", "\"max_tokens\":50}"},
      {&openai_brain, "{\"think\":\"high\"}", "\"reasoning_effort\":\"high\"}"},
      {&ollama_brain, more,
       "\"format\":{\"a\":1},\"think\":\"low\",\"keep_alive\":0,\"options\":{\"temperature\":0.25,\"num_predict\":50,\"stop\":[\"two\"],\"seed\":7,\"num_ctx\":9,"
       "\"top_k\":4}}"},
      {&ollama_brain,
       "{\"response_format\":{\"type\":\"json_object\"},\"reasoning_effort\":\"none\",\"stop\":[\"a\",\"b\"]}",
       "\"format\":\"json\",\"think\":false,\"options\":{\"temperature\":0.25,\"num_predict\":50,\"stop\":[\"a\",\"b\"]}}"},
      {&ollama_brain, "{\"think\":true,\"response_format\":{\"type\":\"text\"}}",
       "\"think\":true,\"options\":{\"temperature\":0.25,\"num_predict\":50}}"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES("data: [DONE]\n\n")};
    Scene scene;
    scene_open(&scene, &play, 1);
    scene.more = json_loads(rows[i].more, 0, NULL);
    scene_ask(&scene, rows[i].brain, 10000);
    g_assert_true(g_str_has_suffix(model_server_body(scene.server), rows[i].body));
    json_decref(scene.more);
    scene_close(&scene);
  }
}

/* What a refusal says stays what it says: its status, and when to come again. */
static void test_refusals(void)
{
  g_autoptr(GDateTime) now = g_date_time_new_now_utc(), soon = g_date_time_add_seconds(now, 1000);
  g_autofree char *date = g_date_time_format(soon, "Retry-After: %a, %d %b %Y %H:%M:%S GMT");
  const struct {
    Play play;
    int status, after_least, after_most;
    guint requests;
  } rows[] = {
      {{400, "application/json", NULL, PIECES("{\"error\":\"maximum context length\"}"), 0,
        PLAY_END},
       400,
       0,
       0,
       1},
      {{401, "text/plain", NULL, PIECES("no"), 0, PLAY_END}, 401, 0, 0, 1},
      {{413, "text/plain", NULL, PIECES("no"), 0, PLAY_END}, 413, 0, 0, 1},
      {{429, "text/plain", "Retry-After: 45", PIECES("no"), 0, PLAY_END}, 429, 45, 45, 1},
      {{429, "text/plain", "Retry-After: 9223372036854775807", PIECES("no"), 0, PLAY_END},
       429,
       86400,
       86400,
       1},
      {{429, "text/plain", "Retry-After: 99999999999999999999999", PIECES("no"), 0, PLAY_END},
       429,
       86400,
       86400,
       1},
      {{429, "text/plain", date, PIECES("no"), 0, PLAY_END}, 429, 900, 1000, 1},
      {{429, "text/plain",
        "Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT",
        PIECES("no"), 0, PLAY_END},
       429,
       60,
       60,
       1},
      {{429, "text/plain", "Retry-After: Sun, 06 Nov 1994 08:50:37 GMT", PIECES("no"), 0, PLAY_END},
       429,
       0,
       0,
       3},
      {{503, "text/plain", "Retry-After: 45", PIECES("no"), 0, PLAY_END}, 503, 45, 45, 1},
      {{529, "text/plain", NULL, PIECES("no"), 0, PLAY_END}, 529, 0, 0, 3},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Scene scene;
    scene_open(&scene, &rows[i].play, 1);
    scene_ask(&scene, &openai_brain, 10000);
    g_assert_cmpint(scene.heard.outcome, ==, BRAIN_FAILED);
    g_assert_cmpint(scene.heard.status, ==, rows[i].status);
    g_assert_cmpint(scene.heard.retry_after_s, >=, rows[i].after_least);
    g_assert_cmpint(scene.heard.retry_after_s, <=, rows[i].after_most);
    g_assert_cmpuint(model_server_requests(scene.server), ==, rows[i].requests);
    scene_close(&scene);
  }
}

/* While a server is given the time that it asked for, its silence is none. */
static void test_pause_is_no_silence(void)
{
  const Play plays[] = {
      {.status = 503, .type = "text/plain", .header = "Retry-After: 1", .pieces = PIECES("no")},
      {.status = 200, .type = NDJSON, .pieces = PIECES(WORD("a"), LAST)}};
  Scene scene;
  scene_open(&scene, plays, G_N_ELEMENTS(plays));
  scene.file.idle_timeout_ms = 800;
  scene_ask(&scene, &ollama_brain, 10000);
  g_assert_cmpstr(scene.heard.detail, ==, NULL);
  g_assert_cmpstr(scene.heard.text->str, ==, "a");
  scene_close(&scene);
}

/* What is no answer and will not become one, and what it is told as. %s: the URL. */
static void test_failures(void)
{
  g_autofree char *long_line = g_strnfill(10 * 1024 * 1024, 'x');
  const struct {
    const Brain *brain;
    Play play;
    guint requests;
    BrainOutcome outcome;
    const char *text, *detail;
  } rows[] = {
      {&ollama_brain,
       {404, "application/json", NULL, PIECES("{\"error\":\"model 'tiny' not found\"}"), 0,
        PLAY_END},
       1,
       BRAIN_FAILED,
       "",
       "status 404: model 'tiny' not found"},
      {&openai_brain,
       {401, "application/json", NULL, PIECES("{\"error\":{\"message\":\"bad key\"}}"), 0,
        PLAY_END},
       1,
       BRAIN_FAILED,
       "",
       "status 401: bad key"},
      {&ollama_brain,
       {503, "text/plain", NULL, PIECES("over\x1bloaded"), 0, PLAY_END},
       3,
       BRAIN_FAILED,
       "",
       "status 503: over\\x1bloaded"},
      {&ollama_brain,
       {0, "", NULL, PIECES(""), 0, PLAY_END},
       3,
       BRAIN_AWAY,
       "",
       "unavailable: connection closed without an answer (3 tries)"},
      {&ollama_brain,
       {200, NDJSON, NULL, PIECES(WORD("a"), WORD("b")), 0, PLAY_CUT},
       1,
       BRAIN_FAILED,
       "ab",
       NULL},
      {&ollama_brain,
       {200, NDJSON, NULL, PIECES(WORD("a")), 0, PLAY_END},
       1,
       BRAIN_FAILED,
       "a",
       "it broke off in the middle of its answer"},
      {&openai_brain,
       {200, EVENTS, NULL,
        PIECES(EVENT("a"), "data: {\"error\":{\"message\":\"out of memory\"}}\n\n"), 0, PLAY_HANG},
       1,
       BRAIN_FAILED,
       "a",
       "it broke off: out of memory"},
      {&ollama_brain,
       {200, NDJSON, NULL, PIECES(WORD("a"), "garbage\n"), 0, PLAY_HANG},
       1,
       BRAIN_FAILED,
       "a",
       "the model server sent invalid JSON: garbage"},
      {&ollama_brain,
       {200, NDJSON, NULL, PIECES(WORD("a"), long_line), 0, PLAY_HANG},
       1,
       BRAIN_FAILED,
       "a",
       "it sent a line of more than 1048576 bytes"},
      {&openai_brain,
       {200, EVENTS, NULL, PIECES(EVENT("a"), "data: ", long_line), 0, PLAY_HANG},
       1,
       BRAIN_FAILED,
       "a",
       "it sent a line of more than 1048576 bytes"},
      {&openai_brain,
       {302, "text/html", "Location: http://127.0.0.1/", PIECES("moved"), 0, PLAY_END},
       1,
       BRAIN_FAILED,
       "",
       "status 302: moved"},
      {&openai_brain,
       {429, "application/json", "Retry-After: 3600", PIECES("{}"), 0, PLAY_END},
       1,
       BRAIN_FAILED,
       "",
       "status 429: {}"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Scene scene;
    scene_open(&scene, &rows[i].play, 1);
    scene_ask(&scene, rows[i].brain, 10000);
    g_autofree char *start = g_strdup_printf("the brain at '%s/", scene.base);
    g_assert_cmpint(scene.heard.outcome, ==, rows[i].outcome);
    g_assert_cmpstr(scene.heard.text->str, ==, rows[i].text);
    g_assert_true(g_str_has_prefix(scene.heard.detail, start));
    g_assert_cmpstr(strstr(scene.heard.detail, "': ") + 3, ==,
                    rows[i].detail ? rows[i].detail : strstr(scene.heard.detail, "': ") + 3);
    g_assert_cmpuint(model_server_requests(scene.server), ==, rows[i].requests);
    scene_close(&scene);
  }
}

/* Overloaded twice, then well: nobody hears of the first two. */
static void test_retry(void)
{
  const Play plays[] = {{.status = 429,
                         .type = "text/plain",
                         .header = "Retry-After: 1",
                         .pieces = PIECES("slow down")},
                        {.status = 500, .type = "text/plain", .pieces = PIECES("oops")},
                        {.status = 200, .type = NDJSON, .pieces = PIECES(WORD("yes"), LAST)}};
  Scene scene;
  int64_t before = clock_boot_ms();
  scene_open(&scene, plays, G_N_ELEMENTS(plays));
  scene_ask(&scene, &ollama_brain, 15000);
  g_assert_cmpint(scene.heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpstr(scene.heard.text->str, ==, "yes");
  g_assert_cmpuint(model_server_requests(scene.server), ==, 3);
  g_assert_cmpint(clock_boot_ms() - before, >=, 1000);
  scene_close(&scene);
}

static void test_nobody(void)
{
  const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES(LAST)};
  Scene scene;
  scene_open(&scene, &play, 1);
  scene.file.base_url = (char *)(uintptr_t) "http://127.0.0.1:1";
  scene_ask(&scene, &ollama_brain, 15000);
  g_assert_cmpint(scene.heard.outcome, ==, BRAIN_AWAY);
  g_assert_cmpstr(
      scene.heard.detail, ==,
      "the brain at 'http://127.0.0.1:1/api/chat': unavailable: connection refused (3 tries)");
  scene_close(&scene);
}

static void test_timeouts(void)
{
  const struct {
    Play play;
    int64_t timeout_ms, idle_ms;
    const char *text, *detail;
  } rows[] = {
      {{200, NDJSON, NULL, PIECES(WORD("a")), 5000, PLAY_HANG},
       300,
       0,
       "",
       "no answer within 300 ms"},
      {{200, NDJSON, NULL, PIECES(WORD("a")), 0, PLAY_HANG},
       10000,
       300,
       "a",
       "it fell silent for 300 ms in the middle of its answer"},
      {{200, NDJSON, NULL, PIECES(" "), 20, PLAY_AGAIN},
       1500,
       1000,
       "",
       "no answer within 1500 ms"},
      {{500, NDJSON, NULL, PIECES("no"), 0, PLAY_HANG},
       10000,
       300,
       "",
       "it fell silent for 300 ms in the middle of its answer"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Scene scene;
    scene_open(&scene, &rows[i].play, 1);
    scene.file.idle_timeout_ms = rows[i].idle_ms;
    scene_ask(&scene, &ollama_brain, rows[i].timeout_ms);
    g_assert_cmpint(scene.heard.outcome, ==, BRAIN_TIMED_OUT);
    g_assert_cmpstr(scene.heard.text->str, ==, rows[i].text);
    g_assert_cmpstr(strstr(scene.heard.detail, "': ") + 3, ==, rows[i].detail);
    scene_close(&scene);
  }
}

/* A proxy for the world outside is not asked for what is on this machine. */
static void test_no_proxy(void)
{
  const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES(WORD("a"), LAST)};
  Scene scene;
  g_setenv("http_proxy", "http://127.0.0.1:1", TRUE);
  scene_open(&scene, &play, 1);
  scene_ask(&scene, &ollama_brain, 10000);
  g_unsetenv("http_proxy");
  g_assert_cmpint(scene.heard.outcome, ==, BRAIN_ANSWERED);
  scene_close(&scene);
}

/* An answer is complete with its last word, whatever the connection does. */
static void test_no_end(void)
{
  const Play play = {.status = 200,
                     .type = EVENTS,
                     .pieces = PIECES(EVENT("a"), "data: [DONE]\n\n"),
                     .end = PLAY_HANG};
  Scene scene;
  scene_open(&scene, &play, 1);
  scene_ask(&scene, &openai_brain, 10000);
  g_assert_cmpint(scene.heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpstr(scene.heard.text->str, ==, "a");
  scene_close(&scene);
}

static void quit_when_left(void *data)
{
  Scene *scene = data;
  if (model_server_open(scene->server) == 0)
    loop_stop(scene->heard.loop);
  else
    loop_timer_set(scene->late, clock_boot_ms() + 10);
}

/* Cancelled from within a delta: the model server sees that we left, and nothing more is heard. */
static void test_cancel(void)
{
  const Play play = {.status = 200,
                     .type = NDJSON,
                     .pieces = PIECES(WORD("a") WORD("b") WORD("c")),
                     .pause_ms = 5,
                     .end = PLAY_AGAIN};
  Scene scene;
  scene_open(&scene, &play, 1);
  scene.heard.cancel_after = 5;
  scene_ask(&scene, &ollama_brain, 10000);
  g_assert_cmpint(scene.heard.deltas, ==, 5);
  loop_timer_free(scene.late);
  scene.late = loop_timer_new(scene.heard.loop, quit_when_left, &scene);
  loop_timer_set(scene.late, clock_boot_ms() + 10);
  loop_run(scene.heard.loop);
  g_assert_cmpint(scene.heard.deltas, ==, 5);
  g_assert_cmpint(scene.heard.calls, ==, 0);
  scene_close(&scene);
}

/* Cancelled while it waits for its next try. */
static void test_cancel_retry(void)
{
  const Play play = {
      .status = 503, .type = "text/plain", .header = "Retry-After: 20", .pieces = PIECES("later")};
  Scene scene;
  scene_open(&scene, &play, 1);
  loop_timer_free(scene.late);
  scene.late = loop_timer_new(scene.heard.loop, quit_when_left, &scene);
  loop_timer_set(scene.late, clock_boot_ms() + 200);
  BrainWorld world = {.loop = scene.heard.loop,
                      .client = scene.client,
                      .file = &scene.file,
                      .manners = &scene.manners};
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, message_new(ROLE_USER, "x"));
  BrainRequest request = {.messages = messages, .options = {.model = "tiny"}, .timeout_ms = 60000};
  BrainCall *call = ollama_brain.start(&world, &request, &listener, &scene.heard, NULL);
  for (int i = 0; model_server_requests(scene.server) == 0 && i < 1000; i++)
    event_base_loop(loop_base(scene.heard.loop), EVLOOP_ONCE);
  g_assert_cmpuint(model_server_requests(scene.server), ==, 1);
  ollama_brain.cancel(call);
  g_assert_cmpint(scene.heard.calls, ==, 0);
  scene_close(&scene);
}

enum { HELD_LINES = 12000, HELD_MS = 2000, HELD_IDLE_MS = 1500, BLOCK_MAX = 32 * 1024 };

/* Held back at its third piece. */
static void held_delta(const char *text, size_t length, void *data)
{
  Heard *heard = data;
  g_string_append_len(heard->text, text, (gssize)length);
  heard->deltas++;
  if (heard->deltas == 3 && !heard->let_go) {
    heard->brain->hold(heard->call, true);
  } else if (heard->let_go && heard->cancel_after) {
    heard->brain->cancel(heard->call);
    loop_stop(heard->loop);
  }
}

static const BrainListener held_listener = {.delta = held_delta, .done = heard_done};

/* It was held for longer than it may be silent: the rest waits at the model server. @data: the
 * scene. */
static void held_let_go(void *data)
{
  Scene *scene = data;
  g_assert_cmpint(scene->heard.deltas, >=, 3);
  g_assert_cmpuint(scene->heard.text->len, <, BLOCK_MAX);
  g_assert_cmpuint(model_server_unsent(scene->server), >, 0);
  scene->heard.let_go = true;
  scene->heard.brain->hold(scene->heard.call, false);
}

/* A brain of 12 MB, held back for a while by who listens; with @cancel the listener leaves in the
 * first piece after that. */
static void hold_scene(Scene *scene, bool cancel)
{
  g_autoptr(GString) lines = g_string_new(NULL);
  g_autofree char *word = g_strnfill(1000, 'w');
  for (int i = 0; i < HELD_LINES; i++)
    g_string_append_printf(lines, WORD("%s"), word);
  const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES(lines->str, LAST)};
  scene_open(scene, &play, 1);
  scene->file.idle_timeout_ms = HELD_IDLE_MS;
  scene->heard.cancel_after = cancel;
  LoopTimer *timer = loop_timer_new(scene->heard.loop, held_let_go, scene);
  loop_timer_set(timer, clock_boot_ms() + HELD_MS);
  scene_ask_as(scene, &ollama_brain, &held_listener, 10000);
  loop_timer_free(timer);
}

/* Cancelled in the first piece after it was let go, which libcurl gives from within the function
 * that lets go. */
static void test_hold_cancel(void)
{
  Scene scene;
  hold_scene(&scene, true);
  g_assert_cmpint(scene.heard.calls, ==, 0);
  g_assert_cmpuint(scene.heard.text->len, <, HELD_LINES * 1000);
  scene_close(&scene);
}

static void test_hold(void)
{
  Scene scene;
  hold_scene(&scene, false);
  g_assert_cmpint(scene.heard.outcome, ==, BRAIN_ANSWERED);
  g_assert_cmpuint(scene.heard.text->len, ==, HELD_LINES * 1000);
  scene_close(&scene);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/brain-http/ollama", test_ollama);
  g_test_add_func("/brain-http/openai", test_openai);
  g_test_add_func("/brain-http/openai-base", test_openai_base);
  g_test_add_func("/brain-http/openai-urls", test_openai_urls);
  g_test_add_func("/brain-http/openai-adapts", test_openai_adapts);
  g_test_add_func("/brain-http/more", test_more);
  g_test_add_func("/brain-http/refusals", test_refusals);
  g_test_add_func("/brain-http/pause-is-no-silence", test_pause_is_no_silence);
  g_test_add_func("/brain-http/failures", test_failures);
  g_test_add_func("/brain-http/retry", test_retry);
  g_test_add_func("/brain-http/nobody", test_nobody);
  g_test_add_func("/brain-http/timeouts", test_timeouts);
  g_test_add_func("/brain-http/no-proxy", test_no_proxy);
  g_test_add_func("/brain-http/no-end", test_no_end);
  g_test_add_func("/brain-http/hold", test_hold);
  g_test_add_func("/brain-http/hold-cancel", test_hold_cancel);
  g_test_add_func("/brain-http/cancel", test_cancel);
  g_test_add_func("/brain-http/cancel-retry", test_cancel_retry);
  return g_test_run();
}
