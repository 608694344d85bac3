/* The world of the job file tests; see reading.h. */
#include "reading.h"

#include "base/error.h"

#include <string.h>

static const char *const variables[][2] = {
    {"HOME", "/home/ann"}, {"USER", "ann"}, {"GREETING", "hello"}, {"EMPTY", ""}};

static const struct {
  const char *path, *text;
  size_t length; /* 0 = up to the NUL */
} files[] = {
    {"/srv/jobs/plain.env",
     "# comment\n\nA=1\nB = two words \nC=\"quoted\"\nD='single'\nE=a=b\nF=\n", 0},
    {"/srv/jobs/broken.env", "A=1\nno equals sign\n=nothing\n", 0},
    {"/srv/jobs/latin.env", "A=\xe9\n", 0},
    {"/home/ann/own.env", "A=own\n", 0},
    {"/srv/jobs/ok.toml",
     "[agent]\nname = \"ok\"\nversion = \"1\"\ndescription = \"d\"\n[llm]\nprovider = \"command\"\ncommand = [\"cat\"]\n",
     0},
    {"/srv/jobs/bad.toml", "[agent\n", 0},
};

static const char *world_variable(const char *name, void *data)
{
  for (size_t i = 0; i < G_N_ELEMENTS(variables); i++)
    if (strcmp(variables[i][0], name) == 0)
      return variables[i][1];
  return NULL;
}

static char *world_file(const char *path, size_t max, size_t *length, void *data, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
    if (strcmp(files[i].path, path) == 0) {
      *length = files[i].length ? files[i].length : strlen(files[i].text);
      return g_memdup2(files[i].text, *length + 1);
    }
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "open '%s': No such file", path);
  return NULL;
}

Job *read_text(const char *text, size_t length, bool strict, Problems *problems)
{
  JobReadOptions options = {.file_name = "job.yaml",
                            .directory = "/srv/jobs",
                            .read_file = world_file,
                            .variable = world_variable,
                            .strict = strict};
  return job_read(text, length, &options, problems);
}

Job *read_expecting(const char *text, const char *expected)
{
  g_autoptr(Problems) problems = problems_new();
  Job *job = read_text(text, strlen(text), false, problems);
  problems_sort(problems);
  g_autofree char *said = problems_text(problems);
  if (g_strcmp0(said, expected) != 0)
    g_error("this job:\n%s\nsays: %s\nnot:  %s", text, said, expected);
  g_assert_true((job == NULL) == (problems->errors > 0));
  return job;
}

void read_refused(const char *text, size_t length, const char *part)
{
  g_autoptr(Problems) problems = problems_new();
  g_assert_null(read_text(text, length, false, problems));
  g_autofree char *said = problems_text(problems);
  if (!strstr(said, part))
    g_error("wanted '%s' in: %s", part, said);
}
