/* Owns the reading of one log record; see log_line.h. */
#include "server/log_line.h"

#include "base/time.h"

#include <string.h>

/* Length of the word at @at; 0 when it is empty or no space follows it. */
static size_t log_word(const char *at, size_t left)
{
  const char *space = memchr(at, ' ', left);
  return space ? (size_t)(space - at) : 0;
}

static const char *log_stream_word(const char *word, size_t length)
{
  static const char *const words[] = {"stdout", "stderr", "reeve"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i]) == length && memcmp(words[i], word, length) == 0)
      return words[i];
  return NULL;
}

void log_line_parse(const char *line, size_t length, LogLine *out)
{
  *out = (LogLine){.stream = "reeve", .text = line, .length = length};
  char when[ISO_TIME_BYTES];
  size_t n = log_word(line, length);
  if (n == 0 || n >= sizeof when)
    return;
  memcpy(when, line, n);
  when[n] = '\0';
  const char *at = line + n + 1, *end = line + length;
  n = log_word(at, (size_t)(end - at));
  const char *stream = log_stream_word(at, n);
  int64_t time_ms = time_parse_iso(when);
  at += n + 1;
  if (!stream || time_ms < 0 || end - at < 2 || (*at != 'F' && *at != 'P') || at[1] != ' ')
    return;
  *out = (LogLine){.time_ms = time_ms,
                   .stream = stream,
                   .partial = *at == 'P',
                   .text = at + 2,
                   .length = (size_t)(end - at - 2)};
}
