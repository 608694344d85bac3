/* How differences speak: texts line by line, keys and values as in the job file. */
#include "plan/diff_words.h"

#include <string.h>

static void text_is(const char *before, const char *after, const char *wanted)
{
  g_autofree char *got = diff_words_text(before, after);
  g_assert_cmpstr(got, ==, wanted);
}

static void test_text(void)
{
  text_is("a\nb\n", "a\nb\n", "");
  text_is("a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
  text_is("", "a\n", "@@ -0,0 +1,1 @@\n+a\n");
  text_is("a\n", "", "@@ -1,1 +0,0 @@\n-a\n");
  text_is("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nx\n5\n6\n7\n8\n",
          "@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+x\n 5\n 6\n 7\n");
  text_is("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
          "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
  text_is("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
          "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
}

/* @before as @patch changes it; whatever the patch does not show must be as it was. */
static char *patched(const char *before, const char *patch)
{
  g_auto(GStrv) lines = g_strsplit(before, "\n", -1), hunks = g_strsplit(patch, "\n", -1);
  guint at = 0, from, olds;
  GString *out = g_string_new(NULL);
  for (guint i = 0; hunks[i] && *hunks[i]; i++) {
    if (sscanf(hunks[i], "@@ -%u,%u", &from, &olds) == 2) {
      for (from -= olds > 0; at < from; at++)
        g_string_append_printf(out, "%s\n", lines[at]);
      continue;
    }
    if (hunks[i][0] != '+')
      g_assert_cmpstr(lines[at++], ==, hunks[i] + 1);
    if (hunks[i][0] != '-')
      g_string_append_printf(out, "%s\n", hunks[i] + 1);
  }
  for (; lines[at] && *lines[at]; at++)
    g_string_append_printf(out, "%s\n", lines[at]);
  return g_string_free(out, FALSE);
}

static void test_any_text(void)
{
  for (int round = 0; round < 3000; round++) {
    g_autoptr(GString) before = g_string_new(NULL), after = g_string_new(NULL);
    for (int i = g_test_rand_int_range(0, 30); i > 0; i--)
      g_string_append_printf(before, "%c\n", 'a' + g_test_rand_int_range(0, 5));
    for (const char *p = before->str; *p; p += 2) {
      int what = g_test_rand_int_range(0, 8);
      if (what == 0)
        g_string_append_printf(after, "%c\n", 'a' + g_test_rand_int_range(0, 5));
      if (what != 1)
        g_string_append_printf(after, "%c\n", *p);
    }
    g_autofree char *patch = diff_words_text(before->str, after->str),
                    *got = patched(before->str, patch);
    g_assert_cmpstr(got, ==, after->str);
  }
}

static void test_large_texts_are_one_change(void)
{
  g_autoptr(GString) before = g_string_new(NULL), after = g_string_new(NULL);
  for (int i = 0; i < 5000; i++) {
    g_string_append_printf(before, "old %d\n", i);
    g_string_append_printf(after, "new %d\n", i);
  }
  g_autofree char *patch = diff_words_text(before->str, after->str),
                  *got = patched(before->str, patch);
  g_assert_cmpstr(got, ==, after->str);
}

static void words_are(const char *key, int64_t number, const char *name, const char *value)
{
  json_t *json = json_integer(number);
  g_autofree char *got_name = diff_words_key(key), *got = diff_words_value(key, json);
  g_assert_cmpstr(got_name, ==, name);
  g_assert_cmpstr(got, ==, value);
  json_decref(json);
}

static void test_words(void)
{
  words_are("kind", 1, "kind", "batch");
  words_are("port", -1, "port", "auto");
  words_are("port", 8080, "port", NULL);
  words_are("health.interval_ms", 1500, "health.interval", "1.5 s");
  words_are("timeout_ms", 60000, "deployment.timeout", "60 s");
  words_are("resources.memory_bytes", 512 * 1024 * 1024, "resources.memory", "512 MiB");
  words_are("config.port_ms", 5, "config.port_ms", NULL);
  words_are("restart.policy", 2, "restart.policy", "always");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/diff/text", test_text);
  g_test_add_func("/diff/any-text", test_any_text);
  g_test_add_func("/diff/large-texts", test_large_texts_are_one_change);
  g_test_add_func("/diff/words", test_words);
  return g_test_run();
}
