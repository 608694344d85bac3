/* The only place that writes log lines; see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static LogLevel log_level = LOG_LEVEL_INFO; /* set once by main */
static const char *const log_words[] = {"error", "warn", "info", "debug"};

void log_set_level(LogLevel level)
{
  log_level = level;
}

void log_write(LogLevel level, const char *phrase, const char *fields, ...)
{
  if (level > log_level)
    return;
  char when[ISO_TIME_BYTES];
  time_iso(clock_wall_ms(), when);
  va_list args;
  va_start(args, fields);
  g_autofree char *raw = g_strdup_vprintf(fields, args);
  va_end(args);
  g_autofree char *safe = text_escape(raw, 4000);
  g_strdelimit(safe, "\n", ' ');
  g_autofree char *line = g_strdup_printf("%s %-5s %s%s%s\n", when, log_words[level], phrase, safe[0] ? " " : "", safe);
  ssize_t n = write(STDERR_FILENO, line, strlen(line));
  (void)n; /* nothing is left to tell it to */
}
