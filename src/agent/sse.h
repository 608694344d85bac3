#pragma once
/* Server-sent events out of bytes that come in any pieces (HTML Living Standard, section 9.2.6). */
#include "agent/line_reader.h"

typedef struct SseReader {
  LineReader lines;
  GString *event, *data; /* of the event being read */
  GString *id;           /* the last one that the stream gave, "" = none */
  /* so long a reader shall wait before it comes again, -1 = the stream did not say */
  int64_t retry_ms;
  bool has_data;
  size_t bytes_max; /* of the data of one event */
  bool too_long, began;
} SseReader;

/* @event: its type, "message" when it names none. @data: NUL-terminated. false = no more. */
typedef bool (*SseFn)(const char *event, const char *data, size_t length, void *user);

void sse_reader_init(SseReader *reader, size_t bytes_max);
void sse_reader_done(SseReader *reader);
/* As line_reader_feed, for events. */
LinesState sse_reader_feed(SseReader *reader, const char *bytes, size_t length, SseFn fn,
                           void *user);
/* The end: an event that no empty line closes counts, for some servers leave that out at the end.
 */
LinesState sse_reader_end(SseReader *reader, SseFn fn, void *user);
