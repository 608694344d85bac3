#pragma once
/* Env files: lines NAME=value as shells, dotenv and Compose read them. Pure. */
#include "formats/job_reader.h"

/* Told of what is wrong with line @line (from 1). */
typedef void (*EnvFileWrongFn)(int line, const char *what, void *data);

typedef struct EnvFileReader {
  /* of ${NAME}; names set further up in the file count first. NULL: a dollar sign means nothing */
  FormatVarFn variable;
  EnvFileWrongFn wrong;
  void *data; /* of both */
} EnvFileReader;

/* Sets every pair of @text in @out; of equal names the last counts. Empty lines, comment lines, a
 * byte order mark, CRLF and `export` are known. A value without quotes ends at its line or at a #
 * behind a blank; in '...' everything is literal; "..." knows \n \r \t \" \\ \$; both kinds of
 * quotes may go over several lines. ${NAME} is replaced as variables.h says, not in '...'. Ends
 * when @out has more than JOB_FILE_MAP_MAX pairs. */
void env_file_read(const char *text, const EnvFileReader *reader, StrMap *out);
