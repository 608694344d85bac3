/* docs/job-file.md is what the rows of the schema say. With REEVE_WRITE_REFERENCE set, it is made
 * so. */
#include "formats/job_reader.h"

static const char *reference_path; /* given by the build */

static void test_reference_is_current(void)
{
  g_autofree char *text = NULL, *made = job_schema_markdown();
  if (g_getenv("REEVE_WRITE_REFERENCE"))
    g_assert_true(g_file_set_contents(reference_path, made, -1, NULL));
  g_assert_true(g_file_get_contents(reference_path, &text, NULL, NULL));
  if (g_strcmp0(text, made) != 0)
    g_error(
        "%s is not what the rows say; REEVE_WRITE_REFERENCE=1 build/tests/unit/formats/test_reference writes it",
        reference_path);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  reference_path = argc > 1 ? argv[1] : "docs/job-file.md";
  g_test_add_func("/formats/reference", test_reference_is_current);
  return g_test_run();
}
