#pragma once
/* Points in time as the pure rooms see them: given, never read. The clock itself is base/clock.h,
 * which only the left column includes. */
#include <stdint.h>

/* boot_ms: CLOCK_BOOTTIME, for durations and deadlines. wall_ms: Unix time in UTC, for people and
 * for stored starts. */
typedef struct Now {
  int64_t boot_ms;
  int64_t wall_ms;
} Now;

enum { ISO_TIME_BYTES = 25 }; /* 2026-11-21T04:30:00.123Z and NUL */

/* Writes @wall_ms as ISO 8601 UTC with milliseconds into @out. Years 0..9999. */
void time_iso(int64_t wall_ms, char out[ISO_TIME_BYTES]);
/* Parses a point in time of RFC 3339, as time_iso writes it: the fraction of the second is
 * optional, "Z" may be an offset as +02:00. Returns -1 on anything else. */
int64_t time_parse_iso(const char *text);
/* Parses a date of HTTP in the form that is sent today ("Sun, 06 Nov 1994 08:49:37 GMT"). Returns
 * -1 on anything else. */
int64_t time_parse_http(const char *text);
