/* Any bytes as a job file: problems or a job that survives the way to JSON and back. */
#include "base/error.h"
#include "formats/job_reader.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses the pieces of a single-quoted text that is nothing but escaped quotes; only
 * the short-lived CLI reads YAML. */
const char *__lsan_default_suppressions(void)
{
  return "leak:libfyaml.so\n";
}

/* A caller who has a home and a greeting, and three files. */
static const char *world_variable(const char *name, void *data)
{
  return strcmp(name, "HOME") == 0       ? "/home/ann"
         : strcmp(name, "GREETING") == 0 ? "hello"
         : strcmp(name, "EMPTY") == 0    ? ""
                                         : NULL;
}

static char *world_file(const char *path, size_t max, size_t *length, void *data, GError **error)
{
  const char *text = g_str_has_suffix(path, "plain.env")    ? "# remark\nA=1\nB='2'\n"
                     : g_str_has_suffix(path, "broken.env") ? "no\n=x\n"
                     : g_str_has_suffix(path, "ok.toml")
                         ? "[agent]\nname = \"ok\"\n[llm]\ncommand = [\"cat\"]\n"
                         : NULL;
  if (!text) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "open '%s': no such file", path);
    return NULL;
  }
  *length = strlen(text);
  return g_strdup(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(Problems) problems = problems_new();
  g_autofree char *text = g_strndup("", size);
  memcpy(text, data, size);
  JobReadOptions options = {.file_name = "fuzz.yaml",
                            .directory = "/",
                            .read_file = world_file,
                            .variable = world_variable};
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
