/* Owns how log records are shown. */
#include "cli/log_lines.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { LOG_RECORD_MAX = 1024 * 1024 };

void log_lines_init(LogLines *lines, const Cli *cli)
{
  *lines = (LogLines){.cli = cli, .line = g_string_new(NULL)};
  lines->colors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void log_lines_done(LogLines *lines)
{
  g_string_free(lines->line, TRUE);
  g_hash_table_unref(lines->colors);
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

/* A terminal is shown no control characters of a stranger but colours and tabs; a pipe gets the text as it is. */
static char *log_lines_text(const LogLines *lines, const char *text, size_t length)
{
  char *copy = g_strndup(text, length);
  for (char *p = copy; lines->cli->color_out && *p; p++)
    if ((unsigned char)*p < 0x20 && *p != '\t' && !(*p == '\033' && p[1] == '['))
      *p = '?';
  return copy;
}

static void log_lines_record(LogLines *lines)
{
  json_t *record = json_parse(lines->line->str, lines->line->len, NULL);
  const json_t *value = json_object_get(record, "text");
  const char *agent = jget_str(record, "agent", "?");
  int replica = (int)jget_int(record, "replica", 0);
  g_autofree char *prefix = replica > 0 ? g_strdup_printf("%s/%d", agent, replica) : g_strdup(agent);
  if (json_is_string(value)) {
    g_autofree char *text = log_lines_text(lines, json_string_value(value), json_string_length(value));
    lines->width = MAX(lines->width, table_width(prefix));
    int pad = lines->width - table_width(prefix);
    const char *sgr = lines->cli->color_out ? log_lines_color(lines, prefix) : NULL;
    cli_print("%s%s%s%s%*s |%s %s\n", sgr ? "\033[" : "", sgr ? sgr : "", sgr ? "m" : "", prefix, pad, "", sgr ? "\033[0m" : "", text);
  }
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
    if (lines->cli->output == OUTPUT_JSON)
      cli_print("%s\n", lines->line->str);
    else
      log_lines_record(lines);
    g_string_truncate(lines->line, 0);
  }
  return ferror(stdout) == 0;
}
