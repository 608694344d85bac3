/* The tools of an agent against MCP servers that misbehave (mcp_stand_in.py): what the model is
 * told, and what becomes of the server. */
#include "base/clock.h"
#include "base/fs.h"
#include "tools_bench.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static char *stand_in; /* path of mcp_stand_in.py: the argument of this program */

/* An agent with one server "s", the stand-in in @mode; @more: further lines of its section. */
static Bench *bench_server(const char *mode, const char *more)
{
  g_autofree char *toml = g_strdup_printf(
      "[mcp_servers.s]\ncommand = \"python3\"\nargs = [\"-S\", \"%s\", \"%s\"]\n%s\n", stand_in,
      mode, more ? more : "");
  return bench_new(toml);
}

static void test_plain(void)
{
  Bench *bench = bench_server("normal", NULL);
  g_assert_null(tools_json(bench->tools)); /* not yet */
  bench_wait(bench, has_tools);
  contains(
      tools_json(bench->tools),
      "{\"type\":\"function\",\"function\":{\"name\":\"s_echo\",\"description\":\"does echo\",\"parameters\":{\"type\":\"object\"");
  g_assert_cmpstr(bench_call(bench, "s_echo", "{\"text\":\"h\\u00e9llo\\nline\"}", 5000), ==,
                  "h\xc3\xa9llo\nline");
  g_assert_true(bench->ok);
  g_assert_cmpstr(bench_call(bench, "s_echo", "", 5000), ==, "echo");
  g_assert_cmpstr(bench_call(bench, "s_late", "{\"text\":\"x\"}", 5000), ==, "x");
  g_autoptr(GString) metrics = g_string_new(NULL);
  tools_metrics(bench->tools, metrics);
  contains(metrics->str, "reeve_agent_tool_calls_total{tool=\"s_echo\",outcome=\"ok\"} 2\n");
  bench_free(bench);
}

static void test_refusals(void)
{
  Bench *bench = bench_server("normal", NULL);
  bench_wait(bench, has_tools);
  g_assert_cmpstr(bench_call(bench, "nothing", "{}", 5000), ==, "there is no tool 'nothing'");
  g_assert_false(bench->ok);
  contains(bench_call(bench, "s_echo", "[1]", 5000), "no JSON object");
  contains(bench_call(bench, "s_echo", "{\"a\":", 5000), "no JSON object: JSON line 1");
  g_autofree char *wide = g_strnfill(TOOL_ARGUMENTS_MAX + 1, ' ');
  contains(bench_call(bench, "s_echo", wide, 5000), "larger than 65536 bytes");
  g_assert_cmpstr(bench_call(bench, "s_fail", "{}", 5000), ==, "the disk is full");
  g_assert_false(bench->ok);
  g_assert_cmpstr(bench_call(bench, "s_refuse", "{}", 5000), ==,
                  "the tool call was refused: unknown tool: refuse (code -32602)");
  g_assert_false(bench->ok);
  bench_free(bench);
}

static void test_content(void)
{
  Bench *bench = bench_server("normal", NULL);
  bench_wait(bench, has_tools);
  g_assert_cmpstr(
      bench_call(bench, "s_rich", "{}", 5000), ==,
      "first\n[image, image/png, about 300 bytes, not shown]\n[resource file:///a, text/plain]\ninside\n"
      "[link to resource file:///b: b]\n[content of a kind that is not known here]");
  contains(bench_call(bench, "s_big", "{}", 5000),
           "\n[cut: the output has 500000 bytes, this is its beginning]");
  g_assert_true(bench->ok);
  g_assert_cmpuint(bench->length, <=, TOOL_OUTPUT_MAX);
  g_assert_cmpuint(bench->length, >, TOOL_OUTPUT_MAX - 300);
  g_assert_true(g_utf8_validate(bench->text, -1, NULL));
  bench_free(bench);
}

/* What it prints beside messages is passed over; a line that is too long fails the calls that are
 * open, and only those. */
static void test_garbage(void)
{
  Bench *bench = bench_server("normal", NULL);
  bench_wait(bench, has_tools);
  g_assert_cmpstr(bench_call(bench, "s_garbage", "{\"text\":\"fine\"}", 5000), ==, "fine");
  /* at once, not after the time of a call */
  contains(bench_call(bench, "s_broken", "{}", 20000),
           "MCP server 's': its answer is not a valid message: ");
  g_assert_false(bench->ok);
  g_assert_cmpstr(bench_call(bench, "s_long", "{}", 20000), ==,
                  "MCP server 's': the MCP server wrote a line of more than 1 MiB");
  g_assert_false(bench->ok);
  g_assert_cmpstr(bench_call(bench, "s_echo", "{\"text\":\"still here\"}", 5000), ==, "still here");
  g_assert_cmpint(status_number(bench, "restarts"), ==, 0);
  bench_free(bench);
}

/* It dies in the middle of a call: the call fails at once, its tools are missing, it comes back. */
static void test_death(void)
{
  Bench *bench = bench_server("normal", NULL);
  bench_wait(bench, has_tools);
  g_assert_cmpstr(bench_call(bench, "s_die", "{}", 20000), ==,
                  "MCP server 's': it ended with code 7");
  g_assert_false(bench->ok);
  g_assert_null(tools_json(bench->tools));
  g_assert_true(status_has(bench, "\"status\":\"waiting\""));
  contains(bench_call(bench, "s_echo", "{}", 5000),
           "MCP server 's' is unavailable: it ended with code 7; retrying in 1 s");
  bench_wait(bench, has_tools);
  g_assert_cmpint(status_number(bench, "restarts"), ==, 1);
  g_assert_cmpstr(bench_call(bench, "s_echo", "{\"text\":\"back\"}", 5000), ==, "back");
  bench_free(bench);
}

/* It never answers, but lives: the call ends, the server stays and is told. */
static void test_never(void)
{
  Bench *bench = bench_server("heard", "timeout = 20");
  bench_wait(bench, has_tools);
  g_assert_cmpstr(bench_call(bench, "s_never", "{}", 100), ==, "no answer within 100 ms");
  g_assert_false(bench->ok);
  bench->calls = 0;
  ToolRun *run = tools_call(bench->tools, "s_never", "{}", 5000, 0, bench_on_done, bench);
  tool_run_cancel(run);
  const char *heard = bench_call(bench, "s_heard", "{}", 5000);
  g_assert_cmpint(bench->calls, ==, 1); /* the cancelled one said nothing */
  contains(heard, "notifications/initialized");
  contains(heard, "it took too long");
  contains(heard, "nobody waits for the answer any more");
  g_assert_cmpint(status_number(bench, "restarts"), ==, 0);
  g_autoptr(GString) metrics = g_string_new(NULL);
  tools_metrics(bench->tools, metrics);
  contains(metrics->str, "{tool=\"s_never\",outcome=\"timeout\"} 1\n");
  contains(metrics->str, "{tool=\"s_never\",outcome=\"cancelled\"} 1\n");
  bench_free(bench);
}

/* A call that takes too long and then silence to a ping: it hangs and is started again. */
static void test_hangs(void)
{
  Bench *bench = bench_server("deaf", "timeoutSeconds = 5");
  bench_wait(bench, has_tools);
  int before = status_number(bench, "restarts"); /* a slow machine may have needed a second start */
  g_assert_cmpstr(bench_call(bench, "s_never", "{}", 60000), ==, "no answer within 5000 ms");
  bench_wait(bench, has_no_tools);
  g_assert_true(status_has(bench, "it did not answer to 'ping'"));
  bench_wait(bench, has_tools);
  g_assert_cmpint(status_number(bench, "restarts"), >, before);
  bench_free(bench);
}

static bool has_fresh(Bench *bench)
{
  const char *json = tools_json(bench->tools);
  return json && strstr(json, "\"s_fresh\"");
}

static void test_list(void)
{
  Bench *bench = bench_server("normal", NULL);
  bench_wait(bench, has_tools);
  g_assert_false(has_fresh(bench));
  bench_call(bench, "s_change", "{}", 5000);
  bench_wait(bench, has_fresh);
  g_assert_cmpstr(bench_call(bench, "s_fresh", "{}", 5000), ==, "fresh");
  bench_free(bench);
  bench = bench_server("restless", NULL);
  bench_wait(bench, has_fresh);
  bench_free(bench);
  bench = bench_server("pages", NULL);
  bench_wait(bench, has_tools);
  g_assert_cmpint(status_number(bench, "restarts"), ==, 0);
  for (int i = 0; i < 5; i++) {
    g_autofree char *name = g_strdup_printf("\"s_page%d\"", i);
    contains(tools_json(bench->tools), name);
  }
  bench_free(bench);
}

static void test_versions(void)
{
  Bench *bench = bench_server("old", NULL);
  bench_wait(bench, has_tools);
  g_assert_cmpstr(bench_call(bench, "s_echo", "{\"text\":\"1\"}", 5000), ==, "1");
  bench_free(bench);
  bench = bench_server("alien", NULL);
  bench_wait(bench, has_no_tools);
  while (!status_has(bench, "it speaks protocol version '1999-01-01'"))
    bench_wait(bench, has_no_tools);
  bench_free(bench);
}

static void test_asked_back(void)
{
  Bench *bench = bench_server("heard", NULL);
  bench_wait(bench, has_tools);
  g_assert_cmpstr(bench_call(bench, "s_ping_me", "{\"text\":\"ok\"}", 9000), ==, "ok");
  const char *heard = bench_call(bench, "s_heard", "{}", 5000);
  contains(heard, "\"id\": \"from-server\", \"result\": {}");
  contains(heard, "\"id\": 99, \"error\": {\"code\": -32601");
  bench_free(bench);
}

static bool was_restarted_twice(Bench *bench)
{
  return status_number(bench, "restarts") == 2 && status_has(bench, "\"status\":\"waiting\"");
}

/* It ends at once, again and again: the status says why. */
static void test_ends_at_once(void)
{
  Bench *bench = bench_server("exit", NULL);
  bench_wait(bench, was_restarted_twice);
  g_assert_true(status_has(bench, "it ended with code 3: no licence found"));
  bench_free(bench);
}

/* Every further death makes the delay longer: 500 ms, 1 s, 2 s. */
static void test_delays(void)
{
  static const char *const seconds[] = {"in 1 s", "in 1 s", "in 2 s"};
  Bench *bench = bench_server("normal", NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(seconds); i++) {
    bench_wait(bench, has_tools);
    contains(bench_call(bench, "s_die", "{}", 20000), "it ended with code 7");
    contains(bench_call(bench, "s_echo", "{}", 5000), seconds[i]);
  }
  bench_free(bench);
}

static bool said_nothing(Bench *bench)
{
  return status_has(bench, "it did not answer to 'initialize'");
}

static void test_mute(void)
{
  Bench *bench = bench_server("mute", "timeout = 0.3");
  g_assert_true(status_has(bench, "\"status\":\"starting\""));
  bench_wait(bench, said_nothing);
  bench_free(bench);
}

static bool has_error(Bench *bench)
{
  return !status_has(bench, "\"error\":null");
}

/* What cannot be started is told and tried again; nothing of it stops the agent. */
static void test_cannot_start(void)
{
  Bench *bench = bench_new("[mcp_servers.a]\ncommand = \"/no/such/program\"\n");
  bench_wait(bench, has_error);
  g_assert_true(status_has(bench, "start '/no/such/program': No such file or directory"));
  bench_free(bench);
  bench = bench_new("[mcp_servers.a]\ncommand = \"cat\"\ncwd = \"/no/such/place\"\n");
  g_assert_true(status_has(bench, "cwd '/no/such/place': no such directory"));
  bench_free(bench);
  bench = bench_new("[mcp_servers.a]\ncommand = \"cat\"\nenvFile = \"/no/such/file\"\n");
  g_assert_true(status_has(bench, "envFile '/no/such/file'"));
  bench_free(bench);
}

static void test_environment(void)
{
  g_autofree char *directory = g_dir_make_tmp("reeve-tools-XXXXXX", NULL),
                  *env_file = g_build_filename(directory, "env", NULL);
  g_assert_true(
      g_file_set_contents(env_file, "# secrets\n\nexport FROM_FILE=\"a b\"\nOWN=lost\n", -1, NULL));
  g_setenv("AGENT_PEER_KEY", "secret of the job", TRUE);
  g_setenv("AGENT_API_KEY", "key of our doors", TRUE);
  g_autofree char *more = g_strdup_printf(
      "cwd = \"%s\"\nenvFile = \"%s\"\nenv = {OWN = \"$of itself!\"}", directory, env_file);
  Bench *bench = bench_server("normal", more);
  bench_wait(bench, has_tools);
  const char *said = bench_call(bench, "s_where", "{}", 5000);
  contains(said, directory);
  contains(said, "\"own\": \"$of itself!\"");
  contains(said, "\"file\": \"a b\"");
  contains(said, "\"keys\": [null, null]");
  contains(said, "\"leader\": true");
  contains(said, "\"fds\": 4"); /* the three, and the one that counts */
  bench_free(bench);
  g_unsetenv("AGENT_PEER_KEY");
  g_unsetenv("AGENT_API_KEY");
  fs_remove_tree(directory, NULL);
}

/* A server that ignores SIGTERM does not keep the agent, and is gone after it. */
static void test_stubborn(void)
{
  Bench *bench = bench_server("stubborn", NULL);
  bench_wait(bench, has_tools);
  g_autofree char *self = g_strdup_printf("/proc/self/task/%d/children", getpid()),
                  *children = NULL;
  g_assert_true(g_file_get_contents(self, &children, NULL, NULL));
  pid_t pid = (pid_t)g_ascii_strtoll(children, NULL, 10);
  g_assert_cmpint(pid, >, 0);
  int64_t began_ms = clock_boot_ms();
  bench_free(bench);
  g_assert_cmpint(clock_boot_ms() - began_ms, <, 20000);
  g_assert_cmpint(kill(pid, 0), !=, 0);
}

static void test_names(void)
{
  g_autofree char *toml = g_strdup_printf(
      "[mcp_servers.\"a.b\"]\ncommand = \"python3\"\nargs = [\"-S\", \"%s\", \"normal\"]\n"
      "[mcp_servers.a_b]\ncommand = \"python3\"\nargs = [\"-S\", \"%s\", \"normal\"]\n"
      "[mcp_servers.a-very-long-name-of-a-server-that-needs-nearly-all-of-the-room]\ncommand = \"python3\"\n"
      "args = [\"-S\", \"%s\", \"normal\"]\n",
      stand_in, stand_in, stand_in);
  Bench *bench = bench_new(toml);
  while (!has_tools(bench) || status_has(bench, "\"status\":\"starting\""))
    bench_wait(bench, has_tools);
  g_assert_true(is_ready(bench));
  const char *json = tools_json(bench->tools);
  contains(json, "\"a_b_echo\"");
  contains(json, "\"a_b_echo_2\"");
  contains(json, "\"a-very-long-name-of-a-server-that-needs-nearly-all-of-t_");
  g_assert_cmpstr(bench_call(bench, "a_b_echo_2", "{\"text\":\"second\"}", 5000), ==, "second");
  bench_free(bench);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 2);
  stand_in = argv[1];
  g_test_add_func("/agent/tools/plain", test_plain);
  g_test_add_func("/agent/tools/refusals", test_refusals);
  g_test_add_func("/agent/tools/content", test_content);
  g_test_add_func("/agent/tools/garbage", test_garbage);
  g_test_add_func("/agent/tools/death", test_death);
  g_test_add_func("/agent/tools/never", test_never);
  g_test_add_func("/agent/tools/hangs", test_hangs);
  g_test_add_func("/agent/tools/list", test_list);
  g_test_add_func("/agent/tools/versions", test_versions);
  g_test_add_func("/agent/tools/asked-back", test_asked_back);
  g_test_add_func("/agent/tools/ends-at-once", test_ends_at_once);
  g_test_add_func("/agent/tools/delays", test_delays);
  g_test_add_func("/agent/tools/mute", test_mute);
  g_test_add_func("/agent/tools/cannot-start", test_cannot_start);
  g_test_add_func("/agent/tools/environment", test_environment);
  g_test_add_func("/agent/tools/stubborn", test_stubborn);
  g_test_add_func("/agent/tools/names", test_names);
  return g_test_run();
}
