#pragma once
/* Lines out of bytes that come in any pieces. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct LineReader {
  GString *part;    /* the line that is not over yet */
  size_t bytes_max; /* of one line */
  bool cr_ends;     /* does a lone CR end a line, as in server-sent events; CR LF always does */
  bool after_cr;    /* the last line ended with CR: a LF now belongs to it */
} LineReader;

typedef enum LinesState {
  LINES_MORE,
  LINES_STOPPED, /* the caller's function wanted no more */
  LINES_TOO_LONG /* a line is longer than allowed */
} LinesState;

/* @line has no line end and is not NUL-terminated; false = no more. */
typedef bool (*LineFn)(const char *line, size_t length, void *data);

void line_reader_init(LineReader *reader, size_t bytes_max, bool cr_ends);
void line_reader_done(LineReader *reader);
/* Calls @fn for each line that ends in @bytes. After another state than LINES_MORE nothing more may
 * be fed. */
LinesState line_reader_feed(LineReader *reader, const char *bytes, size_t length, LineFn fn,
                            void *data);
/* The end: a last line without line end is a line too, unless it is empty. */
LinesState line_reader_end(LineReader *reader, LineFn fn, void *data);
