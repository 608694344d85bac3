#pragma once
/* Job files of a few lines, read in a world of a few variables and files. */
#include "formats/job_reader.h"

/* The caller has HOME=/home/ann, USER=ann, GREETING=hello, EMPTY= ; the files are reading_files[]
 * of reading.c. Directory: /srv/jobs. */
Job *read_text(const char *text, size_t length, bool strict, Problems *problems);
/* Reads @text and asserts that problems_text is @expected ("" = none). Returns the job, NULL after
 * errors. */
Job *read_expecting(const char *text, const char *expected);
/* Reads @text and asserts that it has errors and that @part is somewhere in what they say. */
void read_refused(const char *text, size_t length, const char *part);
