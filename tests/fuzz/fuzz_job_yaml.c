/* Any bytes as a job file: problems or a job that survives the way to JSON and back. */
#include "formats/job_reader.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses the pieces of a single-quoted text that is nothing but escaped quotes; only the short-lived CLI reads YAML. */
const char *__lsan_default_suppressions(void)
{
  return "leak:libfyaml.so\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(Problems) problems = problems_new();
  g_autofree char *text = g_strndup("", size);
  memcpy(text, data, size);
  JobReadOptions options = {.file_name = "fuzz.yaml", .directory = "/"};
  g_autoptr(Job) job = job_read(text, size, &options, problems);
  g_assert(job || problems->errors > 0);
  if (!job)
    return 0;
  g_autofree char *json = job_to_json(job);
  g_autoptr(GError) error = NULL;
  g_autoptr(Job) again = job_from_json(json, strlen(json), &error);
  g_assert_no_error(error);
  g_autofree char *twice = job_to_json(again);
  g_assert_cmpstr(json, ==, twice);
  return 0;
}
