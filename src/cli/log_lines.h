#pragma once
/* Log records as merged lines with a coloured prefix for each agent. */
#include "cli/cli.h"

typedef struct LogLines {
  const Cli *cli;
  GString *line;      /* record that has not ended yet */
  GHashTable *colors; /* agent -> index + 1 */
  int width;          /* of the widest prefix so far */
} LogLines;

void log_lines_init(LogLines *lines, const Cli *cli);
void log_lines_done(LogLines *lines);
/* Prints the NDJSON records in @bytes on stdout: "agent | text", or the record itself with -o json. False when stdout is gone. */
bool log_lines_feed(LogLines *lines, const char *bytes, size_t length);
