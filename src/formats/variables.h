#pragma once
/* Variables in texts, the same in job files, env files and agent files: ${NAME} is replaced;
 * ${NAME:-text} gives the text when NAME is not set or empty, ${NAME-text} when it is not set;
 * ${NAME:?message} and ${NAME?message} are errors then. Only ${ is special: $${ stands for
 * ${ itself, and every other dollar sign is left alone, so that commands, passwords and hashes stay
 * as they were written. Pure: values come through a callback. */
#include "formats/job_reader.h"

/* What stands at a "${". */
typedef struct Variable {
  size_t length; /* bytes of it, from the dollar sign to the brace */
  char *value;   /* owned; NULL with @wrong */
  bool is_text;  /* @value is the text behind ":-" or "-" as it was written */
  char *wrong;   /* owned; what is wrong with it */
} Variable;

/* Reads the variable at @at, which begins with "${", among @left bytes. variable_clear() frees what
 * it holds. */
Variable variable_read(const char *at, size_t left, FormatVarFn lookup, void *data);
void variable_clear(Variable *variable);

/* @text with its variables replaced. Appends a message (char*) to @wrong for each that cannot be.
 * Caller frees. */
char *variables_expand(const char *text, FormatVarFn lookup, void *data, GPtrArray *wrong);
