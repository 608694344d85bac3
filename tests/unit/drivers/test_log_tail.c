/* The last lines of a log, bounded by what one attempt wrote. */
#include "base/fs.h"
#include "drivers/shim.h"

#include <string.h>

#define AT "2026-01-01T00:00:00.000Z "

static char *directory_with(const char *log, const char *older)
{
  char *directory = g_dir_make_tmp("reeve-tail-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(directory, "log", NULL);
  g_autofree char *path_older = g_build_filename(directory, "log.1", NULL);
  g_assert_true(!log || g_file_set_contents(path, log, -1, NULL));
  g_assert_true(!older || g_file_set_contents(path_older, older, -1, NULL));
  return directory;
}

static void tail_is(const char *log, const char *older, int64_t written, const char *wanted)
{
  g_autofree char *directory = directory_with(log, older);
  g_autofree char *got = shim_log_tail(directory, 4000, written);
  g_assert_cmpstr(got, ==, wanted);
  fs_remove_tree(directory, NULL);
}

static void test_lines(void)
{
  tail_is(NULL, NULL, -1, NULL);
  tail_is("", NULL, -1, NULL);
  tail_is(AT "stdout F one\n" AT "stderr F two\n", NULL, -1, "one\ntwo");
}

static void test_only_of_the_attempt(void)
{
  const char *log = AT "stdout F of the first\n" AT "stdout F of the second\n";
  tail_is(log, NULL, (int64_t)strlen(AT "stdout F of the second\n"), "of the second");
  tail_is(log, NULL, 0, NULL);
  tail_is(log, NULL, (int64_t)strlen(log), "of the first\nof the second");
}

static void test_over_a_rotation(void)
{
  const char *older = AT "stdout F old\n" AT "stdout F one\n", *log = AT "stdout F two\n";
  tail_is(log, older, (int64_t)strlen(log) * 2, "one\ntwo");
  tail_is("", older, (int64_t)strlen(log), "one");
  tail_is(NULL, older, (int64_t)strlen(log), "one");
}

static void test_parts_join(void)
{
  tail_is(AT "stdout P a\n" AT "stdout P b\n" AT "stdout F c\n" AT "stdout F d\n", NULL, -1,
          "abc\nd");
  tail_is(AT "stdout P a\n" AT "stderr F b\n", NULL, -1, "a\nb");
  tail_is(AT "stdout P prompt> \n", NULL, -1, "prompt> ");
}

static void test_bounds(void)
{
  g_autoptr(GString) log = g_string_new(NULL);
  for (int i = 0; i < 1000; i++)
    g_string_append_printf(log, AT "stdout F line %d %0100d\n", i, 0);
  g_autofree char *directory = directory_with(log->str, NULL);
  g_autofree char *got = shim_log_tail(directory, 4000, -1);
  g_auto(GStrv) lines = g_strsplit(got, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 20);
  g_assert_true(g_str_has_prefix(lines[0], "line 980 "));
  g_autofree char *less = shim_log_tail(directory, 100, -1);
  g_assert_cmpuint(strlen(less), ==, 100);
  fs_remove_tree(directory, NULL);
}

static void test_what_is_no_log(void)
{
  static const char bytes[] = AT "stdout F a\0b\n\n \n  \nnonsense\n";
  g_autofree char *directory = directory_with("x", NULL);
  g_autofree char *path = g_build_filename(directory, "log", NULL);
  g_assert_true(g_file_set_contents(path, bytes, sizeof bytes - 1, NULL));
  g_autofree char *got = shim_log_tail(directory, 4000, -1);
  g_assert_true(g_str_has_prefix(got, "a.b"));
  fs_remove_tree(directory, NULL);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/log-tail/lines", test_lines);
  g_test_add_func("/log-tail/only-of-the-attempt", test_only_of_the_attempt);
  g_test_add_func("/log-tail/over-a-rotation", test_over_a_rotation);
  g_test_add_func("/log-tail/parts-join", test_parts_join);
  g_test_add_func("/log-tail/bounds", test_bounds);
  g_test_add_func("/log-tail/what-is-no-log", test_what_is_no_log);
  return g_test_run();
}
