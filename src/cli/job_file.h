#pragma once
/* A job file as the command line reads it: parsed, checked, resolved on the caller's side. */
#include "cli/cli.h"
#include "model/job.h"

typedef struct JobFile {
  char *text;
  Job *job; /* with errors, what could be read of it; NULL when that is nothing */
  Problems *problems;
  /* of char*, absolute: the file itself, and those that it names and that were read with it */
  GPtrArray *files;
} JobFile;

/* Reads @path and checks it, also against this machine when @preflight. False with @error when it
 * cannot be read at all; problems of the document are in @file. */
bool job_file_read(const Cli *cli, const char *path, bool preflight, JobFile *file, GError **error);
void job_file_done(JobFile *file);
/* Prints all problems on stderr; with --strict warnings count as errors. False with
 * REEVE_ERROR_INVALID when there are errors. */
bool job_file_accept(const Cli *cli, const char *path, JobFile *file, GError **error);
/* Asks the server what a deploy of @file would do (POST /api/plan). Returns its answer (caller's
 * reference), or NULL with @error. */
json_t *job_file_preview(const Cli *cli, const JobFile *file, GError **error);
/* What this machine lacks for @job: commands, directories, users, key files, modules. */
void preflight_check(const Job *job, Problems *problems);
/* Gives every agent that runs a Python module and names no working_dir the directory in which that
 * module lies: that of the job file (then nothing is set), the nearest above it, or the current one
 * (module_place.c). */
void module_places_set(Job *job);
/* The directories in which the module of @agent was looked for, in quotes. Caller frees. */
char *module_places_text(const Job *job, const AgentSpec *agent);
/* Only whether the limits that @job asks for can be enforced. */
void preflight_limits(const Job *job, Problems *problems);
