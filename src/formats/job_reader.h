#pragma once
/* Reads a job file (YAML 1.2, or the same as JSON) into a resolved Job and says everything that is
 * wrong with it at once. Pure: contents of other files and the caller's variables come through
 * callbacks. The keys are rows of tables in job_schema.c: they make the reader, the messages and
 * docs/job-file.md. */
#include "base/problems.h"
#include "model/job.h"

/* Contents of @path, at most @max bytes, NUL-terminated; caller frees. NULL with @error. */
typedef char *(*FormatFileFn)(const char *path, size_t max, size_t *length, void *data,
                              GError **error);
/* Value of the caller's variable @name, or NULL. */
typedef const char *(*FormatVarFn)(const char *name, void *data);

typedef struct JobReadOptions {
  const char *file_name; /* for messages; interned or longer-lived than the job */
  const char *directory; /* absolute; relative paths of the file are taken from here */
  FormatFileFn read_file;
  FormatVarFn variable;
  void *data;
  bool strict; /* warnings are errors */
} JobReadOptions;

/* The job of @text (@length bytes), resolved: ${VAR}, env_file and agent files folded in, paths
 * absolute. Appends every problem to
 * @problems; NULL when there is an error among them. */
Job *job_read(const char *text, size_t length, const JobReadOptions *options, Problems *problems);

/* The same, but with errors it returns what could be read, for checks that say still more; NULL
 * only when there is no document. Agents have an id, but maybe no way to run; names that others
 * refer to may be missing. */
Job *job_read_all(const char *text, size_t length, const JobReadOptions *options,
                  Problems *problems);

/* The reference of the job file, made from the rows. Caller frees. */
char *job_schema_markdown(void);
