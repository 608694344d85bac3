/* Owns the reading of a job file for validate, plan and up. */
#include "cli/job_file.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "formats/job_reader.h"
#include "model/limit_words.h"

#include <glib/gstdio.h>

#include <string.h>

enum { JOB_SEND_BYTES_REST = 512 }; /* members of the request that are always small */

static char *job_file_contents(const char *path, size_t max, size_t *length, void *data,
                               GError **error)
{
  JobFile *file = data;
  g_ptr_array_add(file->files, g_canonicalize_filename(path, NULL));
  return fs_read(path, max, length, error);
}

static const char *job_file_variable(const char *name, void *data)
{
  (void)data;
  return g_getenv(name);
}

/* The file and the resolved job travel to the server in one request. Measured as `up` writes it,
 * give or take its few other members. */
static void job_file_check_size(const JobFile *file, const char *path)
{
  g_autoptr(GString) body = g_string_new(NULL);
  g_autofree char *job = job_to_json(file->job);
  jw_str(body, NULL, path);
  jw_str(body, NULL, file->text);
  limit_holds(LIMIT_JOB_SEND_BYTES, (int64_t)(body->len + strlen(job) + JOB_SEND_BYTES_REST),
              file->problems, (SourcePos){g_intern_string(path), 1, 1},
              "the file and what it stands for, as they are sent to a server");
}

/* The text of the file. One that is too large is a problem of it like any other; NULL without an
 * error then. */
static char *job_file_text(JobFile *file, const char *path, size_t *length, GError **error)
{
  g_autoptr(GError) wrong = NULL;
  GStatBuf st;
  char *text = fs_read(path, JOB_FILE_BYTES_MAX, length, &wrong);
  bool large = g_error_matches(wrong, REEVE_ERROR, REEVE_ERROR_LIMIT) && g_stat(path, &st) == 0;
  if (large)
    limit_holds(LIMIT_JOB_FILE_BYTES, (int64_t)st.st_size, file->problems,
                (SourcePos){g_intern_string(path), 1, 1}, "the file");
  else if (wrong)
    g_propagate_error(error, g_steal_pointer(&wrong));
  return text;
}

bool job_file_read(const Cli *cli, const char *path, bool preflight, JobFile *file, GError **error)
{
  size_t length = 0;
  *file = (JobFile){.files = g_ptr_array_new_with_free_func(g_free), .problems = problems_new()};
  g_ptr_array_add(file->files, g_canonicalize_filename(path, NULL));
  file->text = job_file_text(file, path, &length, error);
  if (!file->text && !file->problems->errors) {
    job_file_done(file);
    return false;
  }
  g_autofree char *absolute = g_canonicalize_filename(path, NULL),
                  *directory = g_path_get_dirname(absolute);
  JobReadOptions options = {.file_name = g_intern_string(path),
                            .directory = directory,
                            .read_file = job_file_contents,
                            .variable = job_file_variable,
                            .data = file};
  if (file->text)
    file->job = job_read_all(file->text, length, &options, file->problems);
  if (file->job)
    module_places_set(file->job);
  if (file->job && preflight)
    preflight_check(file->job, file->problems);
  else if (file->job)
    preflight_limits(file->job, file->problems);
  if (file->job && !file->problems->errors)
    job_file_check_size(file, path);
  if (cli_flag(cli, OPT_STRICT))
    problems_make_strict(file->problems);
  return true;
}

void job_file_done(JobFile *file)
{
  g_clear_pointer(&file->text, g_free);
  g_clear_pointer(&file->files, g_ptr_array_unref);
  g_clear_pointer(&file->job, job_free);
  g_clear_pointer(&file->problems, problems_free);
}

bool job_file_accept(const Cli *cli, const char *path, JobFile *file, GError **error)
{
  problems_sort(file->problems);
  g_autofree char *text = problems_text(file->problems);
  if (file->problems->errors || !cli->quiet)
    cli_put_error(text);
  if (file->job && !file->problems->errors)
    return true;
  int n = file->problems->errors;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "%s: %d error%s", path, n, text_plural(n));
  return false;
}

json_t *job_file_preview(const Cli *cli, const JobFile *file, GError **error)
{
  g_autofree char *job = job_to_json(file->job);
  g_autofree char *body = g_strdup_printf("{\"job\":%s}", job);
  return api_call(cli, "POST", "/api/plan", body, NULL, error);
}
