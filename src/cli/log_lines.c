/* Owns how log records are shown. */
#include "cli/log_lines.h"

#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "cli/target.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOG_RECORD_MAX = 1024 * 1024, LOG_NAME_MAX = 200 };

void log_lines_init(LogLines *lines, const Cli *cli)
{
  *lines = (LogLines){.cli = cli,
                      .terminal = isatty(STDOUT_FILENO),
                      .line = g_string_new(NULL),
                      .out = g_string_new(NULL)};
  lines->colors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  lines->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void log_lines_expect(LogLines *lines, const json_t *deployment)
{
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    char *name = target_name(instance);
    lines->width = MAX(lines->width, table_width(name));
    g_hash_table_replace(lines->names, g_strdup(jget_str(instance, "id", "")), name);
  }
}

/* The name of whoever wrote @record. Caller frees. */
static char *log_lines_prefix(const LogLines *lines, const json_t *record)
{
  const char *name = g_hash_table_lookup(lines->names, jget_str(record, "instance", ""));
  g_autofree char *own = name ? NULL : target_name(record);
  return text_escape(name ? name : own, LOG_NAME_MAX);
}

/* Ends the line that is open. */
static void log_lines_close(LogLines *lines)
{
  if (lines->open)
    g_string_append(lines->out, lines->cli->color_out ? "\033[0m\n" : "\n");
  g_clear_pointer(&lines->open, g_free);
}

static void log_lines_print(LogLines *lines)
{
  fwrite(lines->out->str, 1, lines->out->len, stdout);
  fflush(stdout);
  g_string_truncate(lines->out, 0);
}

void log_lines_done(LogLines *lines)
{
  log_lines_close(lines);
  log_lines_print(lines);
  g_string_free(lines->line, TRUE);
  g_string_free(lines->out, TRUE);
  g_hash_table_unref(lines->colors);
  g_hash_table_unref(lines->names);
  g_clear_pointer(&lines->seen, g_hash_table_unref);
}

/* The last record of an instance that was printed. */
typedef struct LogSeen {
  char time[ISO_TIME_BYTES];
  guint count, passed; /* records of that time: printed, and passed over when they came again */
} LogSeen;

void log_lines_keep(LogLines *lines)
{
  lines->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

bool log_lines_again(LogLines *lines)
{
  lines->again = true;
  g_string_truncate(lines->line, 0);
  return g_hash_table_size(lines->seen) > 0;
}

/* True when @record was printed before; else it is kept as the last of its instance. */
static bool log_lines_was_seen(LogLines *lines, const json_t *record)
{
  const char *instance = jget_str(record, "instance", ""), *when = jget_str(record, "time", "");
  LogSeen *seen = g_hash_table_lookup(lines->seen, instance);
  if (!seen) {
    seen = g_new0(LogSeen, 1);
    g_hash_table_insert(lines->seen, g_strdup(instance), seen);
  }
  int order = strcmp(when, seen->time);
  if (lines->again && (order < 0 || (order == 0 && seen->passed < seen->count))) {
    seen->passed += order == 0;
    return true;
  }
  if (order != 0)
    seen->count = seen->passed = 0;
  g_strlcpy(seen->time, when, sizeof seen->time);
  seen->count++;
  seen->passed += lines->again;
  return false;
}

static const char *log_lines_color(LogLines *lines, const char *prefix)
{
  static const char *const colors[] = {"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"};
  guint index = GPOINTER_TO_UINT(g_hash_table_lookup(lines->colors, prefix));
  if (!index) {
    index = g_hash_table_size(lines->colors) + 1;
    g_hash_table_insert(lines->colors, g_strdup(prefix), GUINT_TO_POINTER(index));
  }
  return colors[(index - 1) % G_N_ELEMENTS(colors)];
}

/* Length of a sequence at @text that only sets colours: ESC [ digits ; : m. 0 = it is something
 * else. */
static size_t log_lines_sgr(const char *text)
{
  if (text[0] != '\033' || text[1] != '[')
    return 0;
  size_t n = 2 + strspn(text + 2, "0123456789;:");
  return text[n] == 'm' ? n + 1 : 0;
}

char *log_lines_harmless(const char *text, size_t length)
{
  g_autofree char *copy = g_strndup(text, length);
  GString *out = g_string_sized_new(length);
  for (const char *p = copy; *p;) {
    size_t n = log_lines_sgr(p);
    gunichar c = g_utf8_get_char_validated(p, -1);
    if (!n && (text_is_shown(c) || *p == '\t'))
      n = (size_t)(g_utf8_next_char(p) - p);
    if (n)
      g_string_append_len(out, p, (gssize)n);
    else
      g_string_append_c(out, '?');
    p += n ? n : c == (gunichar)-1 || c == (gunichar)-2 ? 1 : (size_t)(g_utf8_next_char(p) - p);
  }
  return g_string_free(out, FALSE);
}

/* Begins the line of a record, unless it goes on with the one that is open. @key: whose line it is.
 */
static void log_lines_begin(LogLines *lines, const char *prefix, const char *key)
{
  if (lines->open && g_str_equal(lines->open, key))
    return;
  log_lines_close(lines);
  lines->shown = 0;
  lines->returned = false;
  lines->width = MAX(lines->width, table_width(prefix));
  int pad = lines->width - table_width(prefix);
  const char *sgr = lines->cli->color_out ? log_lines_color(lines, prefix) : NULL;
  g_string_append_printf(lines->out, "%s%s%s%s%*s |%s ", sgr ? "\033[" : "", sgr ? sgr : "",
                         sgr ? "m" : "", prefix, pad, "", sgr ? "\033[0m" : "");
  lines->open = g_strdup(key);
}

/* Adds @text, @length bytes of a record as they came, to the open line of a terminal. A carriage
 * return goes back to its begin: of a bar that was drawn over and over the last state is shown, in
 * the place of the one before; at the end of a line it says nothing. */
static void log_lines_draw(LogLines *lines, const char *prefix, const char *key, const char *text,
                           size_t length)
{
  size_t n = length;
  while (n && text[n - 1] == '\r')
    n--;
  const char *back = n ? memrchr(text, '\r', n) : NULL, *from = back ? back + 1 : text;
  g_autofree char *state = log_lines_harmless(from, n - (size_t)(from - text));
  bool over = lines->open && g_str_equal(lines->open, key) && n && (back || lines->returned);
  int width = table_width(state), before = over ? lines->shown : 0;
  if (over) {
    g_string_append_c(lines->out, '\r');
    g_clear_pointer(&lines->open, g_free);
  }
  log_lines_begin(lines, prefix, key);
  g_string_append_printf(lines->out, "%s%*s", state, MAX(before - width, 0), "");
  lines->shown = over ? MAX(width, before) : lines->shown + width;
  lines->returned = n < length || (lines->returned && !n);
}

static void log_lines_text(LogLines *lines, const json_t *record)
{
  const json_t *value = json_object_get(record, "text");
  g_autofree char *prefix = log_lines_prefix(lines, record);
  g_autofree char *key = g_strdup_printf("%s %s", jget_str(record, "instance", prefix),
                                         jget_str(record, "stream", ""));
  if (!json_is_string(value))
    return;
  if (lines->terminal) {
    log_lines_draw(lines, prefix, key, json_string_value(value), json_string_length(value));
  } else {
    log_lines_begin(lines, prefix, key);
    g_string_append_len(lines->out, json_string_value(value), (gssize)json_string_length(value));
  }
  if (!jget_flag(record, "partial", false))
    log_lines_close(lines);
}

static void log_lines_record(LogLines *lines)
{
  bool raw = lines->cli->output == OUTPUT_JSON;
  g_autofree char *harmless = raw ? cli_harmless_json(lines->line->str) : NULL;
  json_t *record =
      raw && !lines->seen ? NULL : json_parse(lines->line->str, lines->line->len, NULL);
  if (lines->seen && record && log_lines_was_seen(lines, record))
    ; /* not twice */
  else if (raw)
    g_string_append_printf(lines->out, "%s\n", harmless ? harmless : lines->line->str);
  else
    log_lines_text(lines, record);
  json_decref(record);
}

bool log_lines_feed(LogLines *lines, const char *bytes, size_t length)
{
  for (const char *end = bytes + length; bytes < end;) {
    const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
    if (lines->line->len < LOG_RECORD_MAX)
      g_string_append_len(lines->line, bytes, (newline ? newline : end) - bytes);
    if (!newline)
      break;
    bytes = newline + 1;
    log_lines_record(lines);
    g_string_truncate(lines->line, 0);
  }
  log_lines_print(lines);
  return ferror(stdout) == 0;
}
