/* The only place that writes log lines; see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/system.h"
#include "base/text.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* a line fits into PIPE_BUF, so that a pipe with room takes it whole */
enum { LOG_FIELDS_MAX = 3800 };

static LogLevel log_level = LOG_LEVEL_INFO; /* set once by main */
static guint log_lost; /* lines since the last one that was written; by any thread */
static const char *const log_words[] = {"error", "warn", "info", "debug"};

void log_set_level(LogLevel level)
{
  log_level = level;
}

/* Appends @value so that nobody takes a part of it for a field: in quotes when it holds what
 * separates fields, with quotes inside escaped.
 * @quoted: the format has quotes around it already. */
static void log_value(GString *out, const char *value, bool quoted)
{
  const char *text = value ? value : "(null)";
  bool quote = !quoted && ((!*text && out->len) || strpbrk(text, " \t\r\n=\"\\"));
  if (quote)
    g_string_append_c(out, '"');
  for (const char *p = text; *p; p++) {
    if ((quote || quoted) && (*p == '"' || *p == '\\'))
      g_string_append_c(out, '\\');
    g_string_append_c(out, *p);
  }
  if (quote)
    g_string_append_c(out, '"');
}

/* One conversion that is no plain %s; its length modifiers say what is taken from @args. */
static void log_number(GString *out, const char *spec, va_list *args)
{
  size_t n = strlen(spec);
  if (n > 2 && spec[n - 2] == 'l') /* l and ll, of one size here */
    g_string_append_printf(out, strchr("di", spec[n - 1]) ? "%ld" : "%lu", va_arg(*args, long));
  else if (n > 2 && spec[n - 2] == 'z')
    g_string_append_printf(out, "%zu", va_arg(*args, size_t));
  else
    g_string_append_printf(out,
                           spec[n - 1] == 'o'          ? "%o"
                           : strchr("di", spec[n - 1]) ? "%d"
                                                       : "%u",
                           va_arg(*args, int));
}

char *log_fields(const char *format, va_list *args)
{
  GString *out = g_string_new(NULL);
  for (const char *p = format; *p;) {
    size_t n = p[0] == '%' ? 1 + strspn(p + 1, "lz") + 1 : 0;
    g_autofree char *spec = g_strndup(p, n);
    if (!n)
      g_string_append_c(out, *p++);
    else if (strcmp(spec, "%s") == 0)
      log_value(out, va_arg(*args, const char *), p > format && p[-1] == '"');
    else if (strcmp(spec, "%%") == 0)
      g_string_append_c(out, '%');
    else {
      /* fields are texts and whole numbers; tools/check_shape.py looks */
      g_assert(strchr("diuo", spec[n - 1]));
      log_number(out, spec, args);
    }
    p += n;
  }
  return g_string_free(out, FALSE);
}

/* Room for a line without waiting: a pipe or terminal that nobody reads must not hold up the loop.
 */
static bool log_has_room(void)
{
  return system_poll_now(STDERR_FILENO, POLLOUT) & POLLOUT;
}

static void log_put(LogLevel level, const char *phrase, const char *fields)
{
  char when[ISO_TIME_BYTES];
  time_iso(clock_wall_ms(), when);
  g_autofree char *line = g_strdup_printf("%s %-5s %s%s%s\n", when, log_words[level], phrase,
                                          fields[0] ? " " : "", fields);
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
  g_autofree char *raw = log_fields(fields, &args);
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
