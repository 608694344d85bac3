/* The only place that writes log lines; see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/text.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum { LOG_FIELDS_MAX = 3800 }; /* a line fits into PIPE_BUF, so that a pipe with room takes it whole */

static LogLevel log_level = LOG_LEVEL_INFO; /* set once by main */
static guint log_lost;                      /* lines since the last one that was written; by any thread */
static const char *const log_words[] = {"error", "warn", "info", "debug"};

void log_set_level(LogLevel level)
{
  log_level = level;
}

/* Room for a line without waiting: a pipe or terminal that nobody reads must not hold up the loop. */
static bool log_has_room(void)
{
  struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
  return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & POLLOUT;
}

static void log_put(LogLevel level, const char *phrase, const char *fields)
{
  char when[ISO_TIME_BYTES];
  time_iso(clock_wall_ms(), when);
  g_autofree char *line = g_strdup_printf("%s %-5s %s%s%s\n", when, log_words[level], phrase, fields[0] ? " " : "", fields);
  ssize_t n = write(STDERR_FILENO, line, strlen(line));
  (void)n; /* nothing is left to tell it to */
}

void log_write(LogLevel level, const char *phrase, const char *fields, ...)
{
  if (level > log_level)
    return;
  if (!log_has_room()) {
    __atomic_add_fetch(&log_lost, 1, __ATOMIC_RELAXED);
    return;
  }
  va_list args;
  va_start(args, fields);
  g_autofree char *raw = g_strdup_vprintf(fields, args);
  va_end(args);
  g_autofree char *safe = text_escape(raw, LOG_FIELDS_MAX);
  g_strdelimit(safe, "\n", ' ');
  guint lost = __atomic_exchange_n(&log_lost, 0, __ATOMIC_RELAXED);
  g_autofree char *lines = lost ? g_strdup_printf("lines=%u", lost) : NULL;
  if (lost)
    log_put(LOG_LEVEL_WARN, "log lines lost, nobody read them", lines);
  if (!lost || log_has_room())
    log_put(level, phrase, safe);
  else
    __atomic_add_fetch(&log_lost, 1, __ATOMIC_RELAXED);
}
