#pragma once
/* What is wrong with a document, all of it at once: a list of problems with their places. Readers
 * and checkers append and go on; the caller decides at the end. Bounded: after PROBLEMS_MAX entries
 * further ones are only counted. */
#include <glib.h>
#include <stdbool.h>

enum { PROBLEMS_MAX = 200 };

typedef enum ProblemSeverity { PROBLEM_ERROR, PROBLEM_WARNING } ProblemSeverity;

/* A place in a document. @file is borrowed (lives as long as the list's user needs it; usually
 * interned); line and column count from 1, 0 = unknown. */
typedef struct SourcePos {
  const char *file;
  int line;
  int column;
} SourcePos;

typedef struct Problem {
  ProblemSeverity severity;
  char *file; /* owned, may be NULL */
  int line;
  int column;
  /* "unknown topology 'ring'; allowed: hub-spoke, pipeline, ...; did you mean 'mesh'?" */
  char *message;
} Problem;

typedef struct Problems {
  GPtrArray *items; /* of Problem*, in the order found */
  int errors;       /* all, also those beyond PROBLEMS_MAX */
  int warnings;
} Problems;

/* None yet. Caller frees. */
Problems *problems_new(void);
/* NULL is fine. */
void problems_free(Problems *problems);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Problems, problems_free)

/* Appends one problem at @pos (printf format, no line end). Control characters of foreign text are
 * escaped. */
void problems_add(Problems *problems, ProblemSeverity severity, SourcePos pos, const char *format,
                  ...) G_GNUC_PRINTF(4, 5);
/* Sorts by file, line, column; equal places keep their order. */
void problems_sort(Problems *problems);
/* Moves every warning to an error: what --strict means. */
void problems_make_strict(Problems *problems);
/* "file:line:column: error: message" lines, one per problem, then how many more there were. Caller
 * frees. */
char *problems_text(const Problems *problems);
/* Nearest of the NULL-terminated @candidates to @word by edit distance (a third of its letters and
 * one more may differ, never all), or NULL; borrowed. */
const char *problems_nearest(const char *word, const char *const *candidates);
