/* Formats and parses points in time without a clock and without locale. */
#include "base/time.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void time_iso(int64_t wall_ms, char out[ISO_TIME_BYTES])
{
  int64_t seconds = wall_ms / 1000;
  int millis = (int)(wall_ms % 1000);
  if (millis < 0) {
    millis += 1000;
    seconds--;
  }
  struct tm tm = {0};
  time_t t = (time_t)seconds;
  gmtime_r(&t, &tm);
  unsigned year = (unsigned)(tm.tm_year + 1900) % 10000U;
  char buffer[80];
  snprintf(buffer, sizeof buffer, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year,
           (unsigned)(tm.tm_mon + 1) % 100U, (unsigned)tm.tm_mday % 100U,
           (unsigned)tm.tm_hour % 100U, (unsigned)tm.tm_min % 100U, (unsigned)tm.tm_sec % 100U,
           (unsigned)millis % 1000U);
  for (int i = 0; i < ISO_TIME_BYTES; i++)
    out[i] = buffer[i];
  out[ISO_TIME_BYTES - 1] = '\0';
}

/* Seconds east of UTC of "Z" or "+hh:mm", which must be all of @text; INT_MAX when it is neither.
 */
static int offset_parse(const char *text)
{
  int h, m;
  if (strcmp(text, "Z") == 0)
    return 0;
  if ((text[0] != '+' && text[0] != '-') || strlen(text) != strlen("+hh:mm") || text[3] != ':' ||
      strspn(text + 1, "0123456789") != 2 || strspn(text + 4, "0123456789") != 2 ||
      sscanf(text + 1, "%2d:%2d", &h, &m) != 2 || h > 23 || m > 59)
    return INT_MAX;
  return (text[0] == '-' ? -1 : 1) * (h * 3600 + m * 60);
}

int64_t time_parse_iso(const char *text)
{
  static const char shape[] = "dddd-dd-ddTdd:dd:dd";
  int y, mo, d, h, mi, s, millis = 0;
  for (size_t i = 0; shape[i]; i++) /* sscanf alone would take blanks and signs, and fewer digits */
    if (!text || (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i]))
      return -1;
  if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &y, &mo, &d, &h, &mi, &s) != 6)
    return -1;
  text += sizeof shape - 1;
  if (*text == '.') {
    int scale = 100;
    for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
      millis += (*text - '0') * scale;
  }
  int offset = offset_parse(text);
  if (offset == INT_MAX || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60)
    return -1;
  struct tm tm = {
      .tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d, .tm_hour = h, .tm_min = mi, .tm_sec = s};
  time_t seconds = timegm(&tm);
  /* 30 February became a day of March */
  return tm.tm_mday == d || s == 60 ? ((int64_t)seconds - offset) * 1000 + millis : -1;
}

int64_t time_parse_http(const char *text)
{
  static const char shape[] = "aaa, dd aaa dddd dd:dd:dd GMT",
                    months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  int y, d, h, mi, s;
  char month[4];
  for (size_t i = 0; i < sizeof shape; i++) { /* its end too */
    char c = text ? text[i] : '\0';
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (shape[i] == 'd' ? c < '0' || c > '9' : shape[i] == 'a' ? !letter : c != shape[i])
      return -1;
  }
  if (sscanf(text + 5, "%2d %3s %4d %2d:%2d:%2d", &d, month, &y, &h, &mi, &s) != 6)
    return -1;
  const char *found = strstr(months, month);
  if (!found || (found - months) % 3 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60)
    return -1;
  struct tm tm = {.tm_year = y - 1900,
                  .tm_mon = (int)(found - months) / 3,
                  .tm_mday = d,
                  .tm_hour = h,
                  .tm_min = mi,
                  .tm_sec = s};
  time_t seconds = timegm(&tm);
  return tm.tm_mday == d || s == 60 ? (int64_t)seconds * 1000 : -1;
}
