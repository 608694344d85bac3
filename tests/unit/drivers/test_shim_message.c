/* What shims say, of this release and of others, and what nobody should say. */
#include "drivers/shim_message.h"

static void test_hello(void)
{
  ShimMessage m = shim_message_parse(
      "hello version=1 generation=12 attempt=3 pid=0 start=77 state=ended code=3 signal=0 output=120");
  g_assert_cmpint(m.news, ==, SHIM_HELLO);
  g_assert_cmpint(m.generation, ==, 12);
  g_assert_cmpint(m.attempt, ==, 3);
  g_assert_cmpint(m.pid, ==, 0);
  g_assert_true(m.ended);
  g_assert_cmpint(m.exit.code, ==, 3);
  g_assert_cmpint(m.exit.signal, ==, 0);
  g_assert_cmpint(m.output, ==, 120);
}

static void test_an_older_shim(void)
{
  ShimMessage m = shim_message_parse("exited attempt=2 code=-1 signal=9");
  g_assert_cmpint(m.news, ==, SHIM_EXITED);
  g_assert_cmpint(m.exit.code, ==, -1);
  g_assert_cmpint(m.exit.signal, ==, 9);
  g_assert_cmpint(m.output, ==, -1);
  m = shim_message_parse(
      "hello version=1 generation=1 attempt=0 pid=0 start=0 state=idle code=-1 signal=0");
  g_assert_false(m.ended);
}

static void test_a_newer_shim(void)
{
  ShimMessage m =
      shim_message_parse("started mood=fine attempt=1 pid=42 start=9 pids=7 attempts=8");
  g_assert_cmpint(m.news, ==, SHIM_STARTED);
  g_assert_cmpint(m.pid, ==, 42);
  g_assert_cmpint(m.attempt, ==, 1);
  g_assert_cmpint(shim_message_parse("sang song=1").news, ==, SHIM_NEWS_UNKNOWN);
  m = shim_message_parse("start-failed attempt=1 errno=2 step=cwd more=1");
  g_assert_cmpstr(m.step, ==, "cwd");
  g_assert_cmpstr(shim_message_parse("start-failed attempt=1 errno=2").step, ==, "");
  g_assert_cmpint(
      (int)strlen(shim_message_parse("start-failed step=a-word-that-is-far-too-long").step), ==,
      (int)sizeof m.step - 1);
}

static void test_hostile(void)
{
  ShimMessage m = shim_message_parse(
      "exited attempt=4294967297 pid=-1 code=256 signal=65 errno=-2 output=-9 generation=99999999999999999999");
  g_assert_cmpint(m.attempt, ==, 0);
  g_assert_cmpint(m.pid, ==, 0);
  g_assert_cmpint(m.exit.code, ==, -1);
  g_assert_cmpint(m.exit.signal, ==, 0);
  g_assert_cmpint(m.error_number, ==, 0);
  g_assert_cmpint(m.output, ==, -1);
  g_assert_cmpint(m.generation, ==, 0);
  static const char *const texts[] = {
      "",  " ",         "hello", "hello ", "helloo attempt=1", "exited attempt= code=x signal=1x",
      "=", " attempt=1"};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_assert_cmpint(shim_message_parse(texts[i]).attempt, ==, i == 7 ? 1 : i == 4 ? 1 : 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/shim-message/hello", test_hello);
  g_test_add_func("/shim-message/older", test_an_older_shim);
  g_test_add_func("/shim-message/newer", test_a_newer_shim);
  g_test_add_func("/shim-message/hostile", test_hostile);
  return g_test_run();
}
