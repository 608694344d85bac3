/* Questions from their beginning to their end, with the Ollama brain against a stand-in: turns,
 * rounds of tools, sessions, limits, cancelling. */
#include "agent/internal.h"
#include "base/clock.h"
#include "model_server.h"

#include <math.h>
#include <string.h>

enum { DEADLINE_MS = 20000 };

#define PIECES(...)     \
  (const char *const[]) \
  {                     \
    __VA_ARGS__, NULL   \
  }
#define WORD(text) "{\"message\":{\"content\":\"" text "\"},\"done\":false}\n"
#define LAST \
  "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":4,\"eval_count\":2}\n"
#define WANTS(name)                                                                \
  "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"" name \
  "\",\"arguments\":{\"a\":1}}}]}}\n"
#define NDJSON "application/x-ndjson"

typedef struct Heard {
  Agent *agent;
  Ask *ask;
  GString *text, *tools;
  int calls, deltas, status, cancel_after;
  bool cancel_in_tool;
  int64_t retry_after_s, first_token_ms;
  AskUsage usage;
  char *detail, *whole, *word;
} Heard;

static void heard_delta(const char *text, size_t length, void *data)
{
  Heard *heard = data;
  g_string_append_len(heard->text, text, (gssize)length);
  if (++heard->deltas != heard->cancel_after)
    return;
  ask_cancel(heard->ask);
  loop_stop(heard->agent->loop);
}

static void heard_tool(const char *name, bool begins, void *data)
{
  Heard *heard = data;
  g_string_append_printf(heard->tools, "%s%s ", begins ? "+" : "-", name);
  if (!heard->cancel_in_tool)
    return;
  ask_cancel(heard->ask);
  loop_stop(heard->agent->loop);
}

static void heard_done(const AskResult *result, void *data)
{
  Heard *heard = data;
  heard->calls++;
  heard->status = result->status;
  heard->usage = result->usage;
  heard->detail = g_strdup(result->detail);
  heard->word = g_strdup(result->word);
  heard->whole = g_strndup(result->text, result->length);
  heard->retry_after_s = result->retry_after_s;
  heard->first_token_ms = result->first_token_ms;
  loop_stop(heard->agent->loop);
}

static const AskListener listener = {.delta = heard_delta, .tool = heard_tool, .done = heard_done};

static void late(void *data)
{
  (void)data;
  g_error("no end within the deadline of the test");
}

typedef struct Scene {
  Agent agent;
  AgentFile *file;
  ModelServer *server;
  LoopTimer *late;
} Scene;

/* An agent whose brain plays @plays; @more: further lines of its [llm]. */
static void scene_open(Scene *scene, const Play *plays, guint n_plays, const char *more)
{
  g_autoptr(Problems) problems = problems_new();
  g_autofree char *text = g_strconcat(
      "[agent]\nname = \"Test\"\n[llm]\nmodel = \"tiny\"\nprovider = \"ollama\"\n", more, NULL);
  scene->file = agent_file_read(text, strlen(text), "test.toml", problems);
  g_assert_nonnull(scene->file);
  agent_init(&scene->agent, scene->file, NULL);
  scene->server = model_server_new(scene->agent.loop, plays, n_plays);
  g_free(scene->file->base_url);
  scene->file->base_url = g_strdup_printf("http://127.0.0.1:%d", model_server_port(scene->server));
  scene->late = loop_timer_new(scene->agent.loop, late, NULL);
  loop_timer_set(scene->late, clock_boot_ms() + DEADLINE_MS);
}

static void scene_close(Scene *scene)
{
  g_assert_cmpuint(scene->agent.running.length + scene->agent.waiting.length +
                       scene->agent.ending.length,
                   ==, 0);
  model_server_free(scene->server);
  loop_timer_free(scene->late);
  agent_done(&scene->agent);
  agent_file_free(scene->file);
}

static void heard_clear(Heard *heard)
{
  g_string_free(heard->text, TRUE);
  g_string_free(heard->tools, TRUE);
  g_free(heard->detail);
  g_free(heard->word);
  g_free(heard->whole);
}

static void begin(Scene *scene, const char *text, const char *session_id, const char *model,
                  Heard *heard)
{
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, message_new(ROLE_USER, text));
  AskSpec spec = {.door = "prompt",
                  .messages = messages,
                  .session_id = session_id,
                  .options = {.model = model, .temperature = (double)NAN, .top_p = (double)NAN}};
  heard->agent = &scene->agent;
  heard->text = g_string_new(NULL);
  heard->tools = g_string_new(NULL);
  heard->ask = ask_begin(&scene->agent, &spec, &listener, heard);
  g_assert_nonnull(heard->ask);
  g_assert_cmpint(heard->calls, ==, 0);
}

/* Asks and waits for the end. */
static void ask(Scene *scene, const char *text, const char *session_id, Heard *heard)
{
  begin(scene, text, session_id, NULL, heard);
  loop_run(scene->agent.loop);
}

static void test_answer(void)
{
  const Play play = {
      .status = 200, .type = NDJSON, .pieces = PIECES(WORD("Hel"), WORD("lo"), LAST)};
  Scene scene;
  Heard heard = {0};
  scene_open(&scene, &play, 1, "system_prompt = \"be brief\"\ntemperature = 0.5\n");
  ask(&scene, "hi", NULL, &heard);
  g_assert_cmpint(heard.status, ==, 200);
  g_assert_cmpstr(heard.text->str, ==, "Hello");
  g_assert_cmpstr(heard.whole, ==, "Hello");
  g_assert_cmpint(heard.usage.prompt_tokens, ==, 4);
  g_assert_cmpint(heard.usage.rounds, ==, 1);
  g_assert_cmpint(heard.first_token_ms, >=, 0);
  g_assert_cmpstr(
      model_server_body(scene.server), ==,
      "{\"model\":\"tiny\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"hi\"}],"
      "\"stream\":true,\"options\":{\"temperature\":0.5}}");
  g_assert_cmpint(scene.agent.stats.requests, ==, 1);
  g_assert_cmpint(scene.agent.stats.errors, ==, 0);
  g_assert_cmpint(scene.agent.stats.completion_tokens, ==, 2);
  g_assert_cmpint(sessions_count(scene.agent.sessions), ==, 0);
  heard_clear(&heard);
  scene_close(&scene);
}

/* The agent's own name stands for its model, another name is passed on. */
static void test_model(void)
{
  const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES(LAST)};
  const char *const rows[][2] = {{"Test", "{\"model\":\"tiny\""},
                                 {"tiny", "{\"model\":\"tiny\""},
                                 {"big", "{\"model\":\"big\""}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Scene scene;
    Heard heard = {0};
    scene_open(&scene, &play, 1, "");
    begin(&scene, "hi", NULL, rows[i][0], &heard);
    loop_run(scene.agent.loop);
    g_assert_true(g_str_has_prefix(model_server_body(scene.server), rows[i][1]));
    heard_clear(&heard);
    scene_close(&scene);
  }
}

/* What the file says, what was given with the question and what the client says as the system
 * become one message. */
static void test_system(void)
{
  const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES(LAST)};
  Scene scene;
  scene_open(&scene, &play, 1, "system_prompt = \"be brief\"\n");
  Heard heard = {.agent = &scene.agent, .text = g_string_new(NULL), .tools = g_string_new(NULL)};
  g_autoptr(GPtrArray) messages = messages_new();
  g_ptr_array_add(messages, message_new(ROLE_SYSTEM, "be kind"));
  g_ptr_array_add(messages, message_new(ROLE_USER, "hi"));
  AskSpec spec = {.door = "openai",
                  .messages = messages,
                  .session_id = "s",
                  .context = "{\"a\":1}",
                  .options = {.temperature = 0, .top_p = (double)NAN, .max_tokens = 3}};
  heard.ask = ask_begin(&scene.agent, &spec, &listener, &heard);
  loop_run(scene.agent.loop);
  g_assert_cmpstr(
      model_server_body(scene.server), ==,
      "{\"model\":\"tiny\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\\n\\nContext of the question, as JSON: "
      "{\\\"a\\\":1}\\n\\nbe kind\"},{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true,\"options\":{\"temperature\":0,"
      "\"num_predict\":3}}");
  g_assert_cmpuint(sessions_get(scene.agent.sessions, "s", clock_boot_ms())->len, ==, 2);
  heard_clear(&heard);
  scene_close(&scene);
}

static void test_session(void)
{
  const Play plays[] = {{.status = 200, .type = NDJSON, .pieces = PIECES(WORD("one"), LAST)},
                        {.status = 200,
                         .type = NDJSON,
                         .pieces = PIECES(WORD("half"), "{\"error\":\"no memory\"}\n")},
                        {.status = 200, .type = NDJSON, .pieces = PIECES(WORD("two"), LAST)}};
  Scene scene;
  Heard heard[3] = {0};
  scene_open(&scene, plays, G_N_ELEMENTS(plays), "");
  ask(&scene, "first", "s", &heard[0]);
  ask(&scene, "second", "s", &heard[1]);
  g_assert_cmpint(heard[1].status, ==, 502);
  g_assert_cmpstr(heard[1].word, ==, "brain-failed");
  g_assert_cmpstr(heard[1].text->str, ==, "half");
  g_assert_cmpstr(heard[1].whole, ==, "half");
  g_assert_nonnull(strstr(heard[1].detail, "/api/chat': it broke off: no memory"));
  ask(&scene, "third", "s", &heard[2]);
  g_assert_nonnull(strstr(
      model_server_body(scene.server),
      "\"messages\":[{\"role\":\"user\",\"content\":\"first\"},{\"role\":\"assistant\",\"content\":\"one\"},"
      "{\"role\":\"user\",\"content\":\"third\"}]"));
  g_assert_cmpuint(sessions_get(scene.agent.sessions, "s", clock_boot_ms())->len, ==, 4);
  for (int i = 0; i < 3; i++)
    heard_clear(&heard[i]);
  scene_close(&scene);
}

/* What a tool says, here that it does not exist, goes back to the model, which answers then. */
static void test_tools(void)
{
  const Play plays[] = {
      {.status = 200,
       .type = NDJSON,
       .pieces = PIECES(WORD("Let me see."), WANTS("add"), WANTS("sub"), LAST)},
      {.status = 200, .type = NDJSON, .pieces = PIECES(WORD("It"), WORD(" is 3."), LAST)}};
  Scene scene;
  Heard heard = {0};
  scene_open(&scene, plays, G_N_ELEMENTS(plays), "");
  ask(&scene, "hi", "s", &heard);
  g_assert_cmpint(heard.status, ==, 200);
  g_assert_cmpstr(heard.text->str, ==, "Let me see.\n\nIt is 3.");
  g_assert_cmpstr(heard.whole, ==, heard.text->str);
  g_assert_cmpstr(heard.tools->str, ==, "+add +sub -add -sub ");
  g_assert_cmpint(heard.usage.rounds, ==, 2);
  g_assert_cmpint(heard.usage.tool_calls, ==, 2);
  g_assert_cmpint(heard.usage.prompt_tokens, ==, 8);
  const char *body = model_server_body(scene.server);
  g_assert_nonnull(strstr(
      body,
      "{\"role\":\"assistant\",\"content\":\"Let me see.\",\"tool_calls\":[{\"function\":{\"name\":\"add\",\"arguments\":"
      "{\"a\":1}}},{\"function\":{\"name\":\"sub\",\"arguments\":{\"a\":1}}}]},{\"role\":\"tool\",\"content\":\""));
  g_assert_nonnull(strstr(body, "\"tool_name\":\"sub\"}]"));
  g_assert_cmpuint(sessions_get(scene.agent.sessions, "s", clock_boot_ms())->len, ==, 2);
  heard_clear(&heard);
  scene_close(&scene);
}

/* What a model thought goes back to it with its tool calls, under the name that it came in. */
static void test_reasoning(void)
{
#define CALL \
  "\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"add\",\"arguments\":\"{}\"}}]"
#define DONE "data: [DONE]\n\n"
  static const char *const keys[] = {"reasoning_content", "reasoning", "thinking"};
  for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
    bool ollama = i == 2;
    g_autofree char *thought =
        g_strdup_printf(ollama ? "{\"message\":{\"%s\":\"hm\"}}\n" WANTS("add") LAST
                               : "data: {\"choices\":[{\"delta\":{\"%s\":\"hm\"}}]}\n\n"
                                 "data: {\"choices\":[{\"delta\":{" CALL "}}]}\n\n" DONE,
                        keys[i]);
    g_autofree char *wanted = g_strdup_printf(
        "{\"role\":\"assistant\",\"content\":\"\",\"%s\":\"hm\",\"tool_calls\":[", keys[i]);
    const Play plays[] = {{.status = 200, .type = NDJSON, .pieces = PIECES(thought)},
                          {.status = 200, .type = NDJSON, .pieces = PIECES(ollama ? LAST : DONE)}};
    Scene scene;
    Heard heard = {0};
    scene_open(&scene, plays, G_N_ELEMENTS(plays), "");
    scene.agent.brain = ollama ? &ollama_brain : &openai_brain;
    ask(&scene, "hi", NULL, &heard);
    g_assert_cmpint(heard.status, ==, 200);
    g_assert_nonnull(strstr(model_server_body(scene.server), wanted));
    heard_clear(&heard);
    scene_close(&scene);
  }
}

/* A refusal of the model server is told as what it is. */
static void test_refusals(void)
{
  static const struct {
    int said, status;
    const char *header, *word;
    int64_t retry_after_s;
  } rows[] = {
      {400, 400, NULL, "brain-refused", 0}, {401, 401, NULL, "brain-refused", 0},
      {404, 404, NULL, "brain-refused", 0}, {413, 413, NULL, "brain-refused", 0},
      {422, 422, NULL, "brain-refused", 0}, {429, 429, "Retry-After: 45", "busy", 45},
      {407, 502, NULL, "brain-failed", 0},  {302, 502, NULL, "brain-failed", 0},
      {501, 502, NULL, "brain-failed", 0},  {503, 502, "Retry-After: 45", "brain-failed", 45}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    const Play play = {.status = rows[i].said,
                       .type = "application/json",
                       .header = rows[i].header,
                       .pieces = PIECES("{\"error\":\"too long\"}")};
    Scene scene;
    Heard heard = {0};
    scene_open(&scene, &play, 1, "");
    ask(&scene, "hi", NULL, &heard);
    g_assert_cmpint(heard.status, ==, rows[i].status);
    g_assert_cmpstr(heard.word, ==, rows[i].word);
    g_assert_cmpint(heard.retry_after_s, ==, rows[i].retry_after_s);
    g_assert_nonnull(strstr(heard.detail, "too long"));
    heard_clear(&heard);
    scene_close(&scene);
  }
}

/* What is too much for one round is not called, and the model hears so; calls without a name of
 * their own get one. */
static void test_many_tools(void)
{
  GString *many = g_string_new("data: {\"choices\":[{\"delta\":{\"tool_calls\":[");
  for (int i = 0; i < 20; i++)
    g_string_append_printf(many,
                           "%s{\"index\":%d,\"function\":{\"name\":\"t%d\",\"arguments\":\"{}\"}}",
                           i ? "," : "", i, i);
  g_string_append(many, "]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n");
  const Play plays[] = {
      {.status = 200, .type = "text/event-stream", .pieces = PIECES(many->str)},
      {.status = 200,
       .type = "text/event-stream",
       .pieces = PIECES(
           "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")}};
#define REFUSAL \
  "\"content\":\"not called: too many calls at once; call it again, with fewer others\",\"tool_call_id\":\"call_1_%d\""
  Scene scene;
  Heard heard = {0};
  scene_open(&scene, plays, G_N_ELEMENTS(plays), "");
  scene.agent.brain = &openai_brain;
  ask(&scene, "hi", NULL, &heard);
  g_assert_cmpint(heard.status, ==, 200);
  g_assert_cmpint(heard.usage.tool_calls, ==, 16);
  const char *body = model_server_body(scene.server);
  g_autofree char *last_called = g_strdup_printf(REFUSAL, 16),
                  *first_refused = g_strdup_printf(REFUSAL, 17);
  g_assert_nonnull(strstr(
      body,
      "{\"id\":\"call_1_20\",\"type\":\"function\",\"function\":{\"name\":\"t19\",\"arguments\":\"{}\"}}"));
  g_assert_null(strstr(body, last_called));
  g_assert_nonnull(strstr(body, first_refused));
  heard_clear(&heard);
  scene_close(&scene);
  g_string_free(many, TRUE);
}

static void test_endless_tools(void)
{
  const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES(WANTS("add"), LAST)};
  Scene scene;
  Heard heard = {0};
  scene_open(&scene, &play, 1, "");
  ask(&scene, "hi", "s", &heard);
  g_assert_cmpint(heard.status, ==, 502);
  g_assert_cmpstr(heard.detail, ==,
                  "the model wanted tools called in more than 8 rounds and gave no answer");
  g_assert_cmpuint(model_server_requests(scene.server), ==, 9);
  g_assert_cmpint(heard.usage.tool_calls, ==, 8);
  g_assert_cmpint(sessions_count(scene.agent.sessions), ==, 0);
  heard_clear(&heard);
  scene_close(&scene);
}

/* All rounds together have the time of one question. */
static void test_time(void)
{
  const Play play = {
      .status = 200, .type = NDJSON, .pieces = PIECES(WANTS("add"), LAST), .pause_ms = 400};
  Scene scene;
  Heard heard = {0};
  scene_open(&scene, &play, 1, "request_timeout = 2\n");
  ask(&scene, "hi", NULL, &heard);
  g_assert_cmpint(heard.status, ==, 504);
  g_assert_cmpstr(heard.word, ==, "timeout");
  g_assert_cmpint(heard.usage.rounds, >=, 2);
  heard_clear(&heard);
  scene_close(&scene);
}

static void test_cancel(void)
{
  const Play words = {.status = 200,
                      .type = NDJSON,
                      .pieces = PIECES(WORD("a") WORD("b") WORD("c")),
                      .end = PLAY_AGAIN};
  const Play tools = {
      .status = 200, .type = NDJSON, .pieces = PIECES(WANTS("add"), WANTS("sub"), LAST)};
  for (int i = 0; i < 2; i++) {
    Scene scene;
    Heard heard = {.cancel_after = 2, .cancel_in_tool = true};
    scene_open(&scene, i ? &tools : &words, 1, "");
    ask(&scene, "hi", "s", &heard);
    g_assert_cmpint(heard.calls, ==, 0);
    g_assert_cmpstr(i ? heard.tools->str : heard.text->str, ==, i ? "+add " : "ab");
    g_assert_cmpint(scene.agent.stats.errors, ==, 1);
    g_assert_cmpint(sessions_count(scene.agent.sessions), ==, 0);
    heard_clear(&heard);
    scene_close(&scene);
  }
}

/* One works, 64 wait, one is refused; one that waits is cancelled; the rest hears that the agent
 * stops. */
static void test_turns(void)
{
  const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES(WORD("a")), .end = PLAY_HANG};
  enum { N = ASKS_WAITING_MAX + 2 };
  Scene scene;
  Heard heard[N] = {0};
  scene_open(&scene, &play, 1, "concurrency = 1\n");
  for (int i = 0; i < N; i++)
    begin(&scene, "hi", NULL, NULL, &heard[i]);
  loop_run(scene.agent.loop);
  g_assert_cmpint(heard[N - 1].status, ==, 429);
  g_assert_cmpstr(heard[N - 1].word, ==, "busy");
  g_assert_cmpint(heard[N - 1].retry_after_s, >=, 1);
  g_assert_cmpuint(scene.agent.waiting.length, ==, ASKS_WAITING_MAX);
  ask_cancel(heard[5].ask);
  g_assert_cmpuint(scene.agent.waiting.length, ==, ASKS_WAITING_MAX - 1);
  ask_cancel(heard[0].ask);
  g_assert_cmpuint(scene.agent.waiting.length, ==, ASKS_WAITING_MAX - 2);
  g_assert_cmpuint(scene.agent.running.length, ==, 1);
  asks_give_up(&scene.agent);
  for (int i = 0; i < N; i++) {
    g_assert_cmpint(heard[i].status, ==, i == N - 1 ? 429 : i == 0 || i == 5 ? 0 : 503);
    heard_clear(&heard[i]);
  }
  scene_close(&scene);
}

static void test_metrics(void)
{
  const Play play = {.status = 200, .type = NDJSON, .pieces = PIECES(WORD("a"), LAST)};
  Scene scene;
  Heard heard = {0};
  scene_open(&scene, &play, 1, "");
  ask(&scene, "hi", "s", &heard);
  agent_stats_refused(&scene.agent.stats, "ollama", 422);
  g_autoptr(GString) text = g_string_new(NULL);
  agent_metrics(&scene.agent, text);
  static const char *const lines[] = {
      "reeve_agent_requests_total{door=\"prompt\",status=\"200\"} 1\n",
      "reeve_agent_requests_total{door=\"ollama\",status=\"422\"} 1\n",
      "reeve_agent_tokens_total{direction=\"in\"} 4\n",
      "reeve_agent_tokens_total{direction=\"out\"} 2\n",
      "reeve_agent_request_duration_seconds_count 1\n",
      "reeve_agent_in_flight 0\n",
      "reeve_agent_queued 0\n",
      "reeve_agent_sessions 1\n"};
  for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
    g_assert_nonnull(strstr(text->str, lines[i]));
  heard_clear(&heard);
  scene_close(&scene);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ask/answer", test_answer);
  g_test_add_func("/ask/model", test_model);
  g_test_add_func("/ask/system", test_system);
  g_test_add_func("/ask/session", test_session);
  g_test_add_func("/ask/reasoning", test_reasoning);
  g_test_add_func("/ask/refusals", test_refusals);
  g_test_add_func("/ask/tools", test_tools);
  g_test_add_func("/ask/many-tools", test_many_tools);
  g_test_add_func("/ask/endless-tools", test_endless_tools);
  g_test_add_func("/ask/time", test_time);
  g_test_add_func("/ask/cancel", test_cancel);
  g_test_add_func("/ask/turns", test_turns);
  g_test_add_func("/ask/metrics", test_metrics);
  return g_test_run();
}
