#pragma once
/* One record of an agent's log as nodes send it: "TIME STREAM FLAG TEXT" with TIME in ISO 8601 UTC,
 * STREAM stdout, stderr or reeve, FLAG F (whole line) or P (goes on in the next record);
 * docs/protocol.md "Log files". */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct LogLine {
  int64_t time_ms;    /* wall; 0 = the line has no valid time */
  const char *stream; /* "stdout", "stderr", "reeve"; static */
  bool partial;       /* goes on in the next record */
  const char *text;   /* borrowed from the line, not terminated */
  size_t length;
} LogLine;

/* Reads @length bytes without line end. A line that is not in the format becomes text of the stream
 * "reeve" without a time. */
void log_line_parse(const char *line, size_t length, LogLine *out);
