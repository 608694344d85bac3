/* See tools_bench.h. */
#include "tools_bench.h"

#include "base/clock.h"

#include <string.h>

enum { DEADLINE_MS = 120000, LOOK_MS = 2 };

static void bench_look(void *data)
{
  Bench *bench = data;
  if (bench->wanted(bench))
    loop_stop(bench->loop);
  else if (clock_boot_ms() > bench->until_ms)
    g_error("not within the deadline of the test");
  else
    loop_timer_set(bench->timer, clock_boot_ms() + LOOK_MS);
}

void bench_wait(Bench *bench, bool (*wanted)(Bench *bench))
{
  bench->wanted = wanted;
  bench->until_ms = clock_boot_ms() + DEADLINE_MS;
  loop_timer_set(bench->timer, clock_boot_ms());
  loop_run(bench->loop);
}

Bench *bench_new_on(Loop *loop, const char *toml)
{
  Bench *bench = g_new0(Bench, 1);
  g_autoptr(Problems) problems = problems_new();
  g_autofree char *text =
      g_strconcat("[agent]\nname = \"a\"\n[llm]\ncommand = [\"cat\"]\n", toml, NULL);
  bench->file = agent_file_read(text, strlen(text), "agent.toml", problems);
  g_autofree char *said = problems_text(problems);
  g_assert_cmpstr(said, ==, "");
  bench->loop = loop;
  bench->client = http_client_new(bench->loop);
  bench->timer = loop_timer_new(bench->loop, bench_look, bench);
  bench->tools = tools_new(bench->loop, bench->client, bench->file);
  return bench;
}

Bench *bench_new(const char *toml)
{
  return bench_new_on(loop_new(), toml);
}

void bench_free(Bench *bench)
{
  tools_free(bench->tools);
  http_client_free(bench->client);
  loop_timer_free(bench->timer);
  loop_free(bench->loop);
  agent_file_free(bench->file);
  g_free(bench->text);
  g_free(bench);
}

bool has_tools(Bench *bench)
{
  return tools_json(bench->tools) != NULL;
}

bool has_no_tools(Bench *bench)
{
  return !has_tools(bench);
}

static bool has_answer(Bench *bench)
{
  return bench->calls > 0;
}

void bench_on_done(const ToolResult *result, void *data)
{
  Bench *bench = data;
  bench->calls++;
  bench->ok = result->ok;
  bench->length = result->length;
  g_assert_cmpuint(strlen(result->text), ==, result->length);
  g_assert_cmpint(result->duration_ms, >=, 0);
  g_free(bench->text);
  bench->text = g_strdup(result->text);
}

static const char *bench_end(Bench *bench, const ToolRun *run)
{
  g_assert_nonnull(run);
  g_assert_cmpint(bench->calls, ==, 0); /* never from within */
  bench_wait(bench, has_answer);
  return bench->text;
}

const char *bench_call(Bench *bench, const char *name, const char *arguments, int64_t timeout_ms)
{
  bench->calls = 0;
  return bench_end(bench,
                   tools_call(bench->tools, name, arguments, timeout_ms, 0, bench_on_done, bench));
}

const char *bench_call_at(Bench *bench, const char *name, const char *arguments, int depth)
{
  bench->calls = 0;
  return bench_end(bench,
                   tools_call(bench->tools, name, arguments, 10000, depth, bench_on_done, bench));
}

int status_number(Bench *bench, const char *key)
{
  g_autoptr(GString) out = g_string_new("{");
  g_autofree char *needle = g_strdup_printf("\"%s\":", key);
  tools_status(bench->tools, out);
  const char *at = strstr(out->str, needle);
  g_assert_nonnull(at);
  return (int)g_ascii_strtoll(at + strlen(needle), NULL, 10);
}

bool status_has(Bench *bench, const char *text)
{
  g_autoptr(GString) out = g_string_new("{");
  tools_status(bench->tools, out);
  return strstr(out->str, text) != NULL;
}

bool is_ready(Bench *bench)
{
  return status_has(bench, "\"status\":\"ready\"");
}

void contains(const char *text, const char *part)
{
  if (!strstr(text, part))
    g_error("'%.300s' does not have '%s'", text, part);
}
