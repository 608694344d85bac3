/* Lists of problems: order, bounds, text, what is nearest. */
#include "base/problems.h"

#include <string.h>

static SourcePos at(const char *file, int line, int column)
{
  return (SourcePos){.file = file, .line = line, .column = column};
}

static void check_text(const Problems *problems, const char *expected)
{
  g_autofree char *text = problems_text(problems);
  g_assert_cmpstr(text, ==, expected);
}

static void test_text_and_order(void)
{
  g_autoptr(Problems) problems = problems_new();
  check_text(problems, "");
  problems_add(problems, PROBLEM_WARNING, at("b.yaml", 2, 1), "third");
  problems_add(problems, PROBLEM_ERROR, at("a.yaml", 10, 1), "second %d", 2);
  problems_add(problems, PROBLEM_ERROR, at("a.yaml", 2, 5), "first");
  problems_add(problems, PROBLEM_ERROR, at("a.yaml", 10, 1), "second, again");
  problems_add(problems, PROBLEM_ERROR, at(NULL, 0, 0), "of no file");
  problems_add(problems, PROBLEM_ERROR, at("c.yaml", 0, 0), "of a whole file");
  problems_sort(problems);
  check_text(
      problems,
      "error: of no file\na.yaml:2:5: error: first\na.yaml:10:1: error: second 2\na.yaml:10:1: error: second, again\n"
      "b.yaml:2:1: warning: third\nc.yaml: error: of a whole file\n");
  g_assert_cmpint(problems->errors, ==, 5);
  g_assert_cmpint(problems->warnings, ==, 1);
  problems_make_strict(problems);
  g_assert_cmpint(problems->errors, ==, 6);
  g_assert_cmpint(problems->warnings, ==, 0);
}

/* Foreign text in a message is one line without control characters, and has an end. */
static void test_foreign_text(void)
{
  g_autoptr(Problems) problems = problems_new();
  problems_add(problems, PROBLEM_ERROR, at("a.yaml", 1, 1), "key '%s'",
               "x\na.yaml:2:2: error: forged\x1b[2J");
  check_text(problems, "a.yaml:1:1: error: key 'x a.yaml:2:2: error: forged\\x1b[2J'\n");
  g_autofree char *longest = g_strnfill(5000, 'x');
  problems_add(problems, PROBLEM_ERROR, at(NULL, 0, 0), "%s", longest);
  g_assert_cmpuint(strlen(((Problem *)problems->items->pdata[1])->message), ==, 1003);
}

static void test_bounded(void)
{
  g_autoptr(Problems) problems = problems_new();
  for (int i = 0; i < PROBLEMS_MAX + 7; i++)
    problems_add(problems, i % 2 ? PROBLEM_ERROR : PROBLEM_WARNING, at(NULL, 0, 0), "x");
  g_assert_cmpuint(problems->items->len, ==, PROBLEMS_MAX);
  g_assert_cmpint(problems->errors + problems->warnings, ==, PROBLEMS_MAX + 7);
  g_autofree char *text = problems_text(problems);
  g_assert_true(g_str_has_suffix(text, "\n... and 7 more problems\n"));
}

static void test_nearest(void)
{
  static const char *const words[] = {"hub-spoke",    "pipeline", "dag", "mesh",
                                      "hierarchical", "dynamic",  NULL};
  g_assert_cmpstr(problems_nearest("pipline", words), ==, "pipeline");
  g_assert_cmpstr(problems_nearest("Hub-Spoke", words), ==, "hub-spoke");
  g_assert_cmpstr(problems_nearest("dga", words), ==, "dag");
  g_assert_cmpstr(problems_nearest("x", words), ==, NULL);
  g_assert_cmpstr(problems_nearest("xyz", words), ==, NULL);
  g_assert_cmpstr(problems_nearest("dagg", words), ==, "dag");
  g_assert_cmpstr(problems_nearest("hierarchy", words), ==, "hierarchical");
  g_assert_cmpstr(problems_nearest("completely else", words), ==, NULL);
  g_assert_cmpstr(problems_nearest("", words), ==, NULL);
  /* other words, not slips */
  static const char *const verbs[] = {"wait", "up", "ps", "shop", NULL};
  static const char *const others[] = {"init", "edit", "top", "!ls", "nop"};
  for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
    g_assert_null(problems_nearest(others[i], verbs));
  g_assert_cmpstr(problems_nearest("wiat", verbs), ==, "wait");
  g_autofree char *longest = g_strnfill(5000, 'x');
  g_assert_null(problems_nearest(longest, words));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/base/problems/text-and-order", test_text_and_order);
  g_test_add_func("/base/problems/foreign-text", test_foreign_text);
  g_test_add_func("/base/problems/bounded", test_bounded);
  g_test_add_func("/base/problems/nearest", test_nearest);
  return g_test_run();
}
