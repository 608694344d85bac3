/* docs/job-file.md is what the rows of the schema say. */
#include "formats/job_reader.h"

static const char *reference_path; /* given by the build */

static void test_reference_is_current(void)
{
  g_autofree char *text = NULL, *made = job_schema_markdown();
  g_assert_true(g_file_get_contents(reference_path, &text, NULL, NULL));
  g_assert_cmpstr(text, ==, made);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  reference_path = argc > 1 ? argv[1] : "docs/job-file.md";
  g_test_add_func("/formats/reference", test_reference_is_current);
  return g_test_run();
}
