/* What a shim reads: the spec that it is born with, and the datagrams of nodes. */
#include "shim/shim.h"

#include <glib.h>
#include <string.h>

static ShimSpec spec; /* 64 KiB */
static char *spec_bytes;

/* What spec_parse says of @length bytes, which lie in a buffer of exactly that size. */
static const char *parse(const char *bytes, size_t length)
{
  memset(&spec, 0, sizeof spec);
  g_free(spec_bytes);
  spec_bytes = g_memdup2(bytes, length);
  return spec_parse(spec_bytes, length, &spec);
}

static const char *parse_text(const char *text)
{
  return parse(text, strlen(text));
}

static void test_spec(void)
{
  g_assert_null(parse_text(
      "argv:5:sleep\nargv:1:1\nenv:3:A=b\nenv:0:\ncwd:1:/\nuid:2:33\ngid:2:44\ngroup:1:5\ngroup:1:6\n"
      "nofile_soft:4:1024\nnofile_hard:4:4096\ncore_soft:2:-1\nlog_bytes:3:100\nlog_files:1:3\ngeneration:2:12\nattached:1:1\n"
      "cgroup:2:/x\nof a newer node:3:a\nb\n"));
  g_assert_cmpint(spec.n_argv, ==, 2);
  g_assert_cmpstr(spec.argv[0], ==, "sleep");
  g_assert_null(spec.argv[2]);
  g_assert_cmpint(spec.n_env, ==, 2);
  g_assert_cmpstr(spec.envp[0], ==, "A=b");
  g_assert_cmpstr(spec.cwd, ==, "/");
  g_assert_true(spec.uid == 33 && spec.gid == 44 && spec.n_groups == 2 && spec.groups[1] == 6);
  g_assert_true(spec.nofile_soft == 1024 && spec.nofile_hard == 4096 && spec.core_soft == -1 &&
                spec.log_bytes == 100 && spec.log_files == 3);
  g_assert_true(spec.generation == 12 && spec.attached == 1 && spec.n_cgroups == 1);
}

static void test_spec_defaults(void)
{
  g_assert_null(parse_text("argv:4:true\n"));
  g_assert_true(spec.uid == -1 && spec.gid == -1 && spec.nofile_soft == -1 &&
                spec.core_soft == -2 && spec.attached == 0);
  g_assert_true(spec.log_bytes == 10 * 1024 * 1024 && spec.log_files == 5);
}

static void test_spec_malformed(void)
{
  static const char *const texts[] = {"argv",
                                      "argv:",
                                      "argv:1",
                                      "argv:1:",
                                      "argv:1:a",
                                      "argv:1:ab",
                                      "argv::\n",
                                      "argv:-1:\n",
                                      "argv:x:a\n",
                                      "argv:2:a\n",
                                      "argv 1 a\n",
                                      "argv:99999999999999999999:a\n",
                                      "argv:1:a\nargv",
                                      "argv:1:a\n\n",
                                      "\n",
                                      ":",
                                      "::",
                                      "argv:8388608:a\n"};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_assert_cmpstr(parse_text(texts[i]), ==, "malformed");
  g_assert_cmpstr(parse_text(""), ==, "nothing to run");
  g_assert_cmpstr(parse_text("env:3:A=b\n"), ==, "nothing to run");
}

static void test_spec_bounds(void)
{
  g_autoptr(GString) text = g_string_new(NULL);
  for (int i = 0; i < SHIM_WORDS_MAX; i++)
    g_string_append(text, "argv:1:a\n");
  g_assert_null(parse_text(text->str));
  g_string_append(text, "argv:1:a\n");
  g_assert_cmpstr(parse_text(text->str), ==, "too many words");
  g_string_assign(text, "argv:1:a\n");
  for (int i = 0; i < SHIM_GROUPS_MAX + 10; i++)
    g_string_append(text, "group:1:7\n");
  g_assert_null(parse_text(text->str));
  g_assert_cmpint(spec.n_groups, ==, SHIM_GROUPS_MAX);
  for (int i = 0; i <= SHIM_CGROUPS_MAX; i++)
    g_string_append(text, "cgroup:1:/\n");
  g_assert_cmpstr(parse_text(text->str), ==, "too many words");
}

static void test_messages(void)
{
  Message message = message_parse("start attempt=7");
  g_assert_true(message.verb == MESSAGE_START && message.attempt == 7);
  message = message_parse("signal mood=bad sig=15 attempts=9");
  g_assert_true(message.verb == MESSAGE_SIGNAL && message.signal == 15 && message.attempt == 0);
  g_assert_true(message_parse("kill").verb == MESSAGE_KILL &&
                message_parse("end").verb == MESSAGE_END);
  g_assert_true(message_parse("query").verb == MESSAGE_QUERY);
}

static void test_messages_hostile(void)
{
  static const char *const unknown[] = {"",      " ",       "starts", "star",
                                        "START", "start\n", " start", "\xff\xfe"};
  for (size_t i = 0; i < G_N_ELEMENTS(unknown); i++)
    g_assert_cmpint(message_parse(unknown[i]).verb, ==, MESSAGE_UNKNOWN);
  static const char *const zero[] = {"start",
                                     "start attempt=",
                                     "start attempt=x",
                                     "start attempt=-1",
                                     "start attempt=1x",
                                     "start attempt=2147483648",
                                     "start attempt=99999999999999999999",
                                     "start xattempt=1"};
  for (size_t i = 0; i < G_N_ELEMENTS(zero); i++)
    g_assert_cmpint(message_parse(zero[i]).attempt, ==, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/spec/whole", test_spec);
  g_test_add_func("/spec/defaults", test_spec_defaults);
  g_test_add_func("/spec/malformed", test_spec_malformed);
  g_test_add_func("/spec/bounds", test_spec_bounds);
  g_test_add_func("/messages/known", test_messages);
  g_test_add_func("/messages/hostile", test_messages_hostile);
  int code = g_test_run();
  g_free(spec_bytes);
  return code;
}
