#pragma once
/* The bytes of a request head, and of the trailers behind a chunked body, looked at before llhttp
 * sees them. llhttp 8.1 takes a bare CR for the end of a line or of a head in places
 * (CVE-2023-30589, CVE-2025-23167) and joins folded lines; here a line ends with CR LF and with
 * nothing else, so that whoever stands before us has read the same request. Pure. */
#include <stdbool.h>
#include <stddef.h>

typedef enum HeadPlace {
  HEAD_BEFORE,    /* before the request line: empty lines are passed over */
  HEAD_REQUEST,   /* in the request line */
  HEAD_LINE,      /* at the begin of a header line */
  HEAD_IN_LINE,   /* within one */
  HEAD_LAST_LINE, /* in the line end of the empty line, which ends it all */
  HEAD_OVER,
} HeadPlace;

typedef struct HeadScan {
  HeadPlace place;
  bool after_cr;
} HeadScan;

/* Looks at @bytes, which follow what it was shown before. Returns how many of them belong to the
 * head (or the trailers): all, or those up to the end of the empty line, after which @scan->place
 * is HEAD_OVER. Sets @wrong to what is not allowed there (static), else leaves it. A new head
 * begins with {HEAD_BEFORE}, trailers with {HEAD_LINE}. */
size_t head_scan(HeadScan *scan, const char *bytes, size_t length, const char **wrong);
