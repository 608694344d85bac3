#pragma once
/* Log records as merged lines with a coloured prefix for each agent. */
#include "cli/cli.h"

typedef struct LogLines {
  const Cli *cli;
  bool terminal;      /* stdout is one */
  GString *line;      /* record that has not ended yet */
  GString *out;       /* to be printed */
  GHashTable *colors; /* agent -> index + 1 */
  GHashTable *names;  /* instance -> its name */
  int width;          /* of the widest prefix so far */
  char *open;         /* whose line has no end yet, "INSTANCE STREAM"; NULL = nobody's */
  int shown;          /* columns of the text of the open line */
  /* the open line was last left with a carriage return: what follows writes over it */
  bool returned;
  GHashTable *seen; /* instance -> its last record; NULL = not kept */
  bool again;       /* records come that were printed already */
} LogLines;

void log_lines_init(LogLines *lines, const Cli *cli);
/* Lines of the instances of @deployment will follow: their names are those of `ps`, and their texts
 * begin in one column. */
void log_lines_expect(LogLines *lines, const json_t *deployment);
void log_lines_done(LogLines *lines);
/* Keeps in mind what was printed, from now on: log_lines_again needs it. */
void log_lines_keep(LogLines *lines);
/* The same records come once more, from an earlier one on: those that were printed are passed over.
 * False when nothing was printed yet. */
bool log_lines_again(LogLines *lines);
/* Prints the NDJSON records in @bytes on stdout: "agent | text", or the record itself with -o json.
 * Parts of a line are joined while nobody else says something. False when stdout is gone. */
bool log_lines_feed(LogLines *lines, const char *bytes, size_t length);
/* @text as a terminal may be shown it: of control characters only tabs, of sequences only colours
 * (ESC [ ... m). Caller frees. */
char *log_lines_harmless(const char *text, size_t length);
