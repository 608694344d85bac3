/* Owns how verbs print: formats, colours, notes. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/system.h"
#include "base/text.h"
#include "cli/yaml.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *cli_word(const Cli *cli, guint index)
{
  return index < cli->options.words->len ? g_ptr_array_index(cli->options.words, index) : NULL;
}

bool cli_flag(const Cli *cli, OptionId id)
{
  return cli->options.text[id] != NULL;
}

int64_t cli_ms(const Cli *cli, OptionId id, int64_t fallback_ms)
{
  return cli_flag(cli, id) ? (int64_t)(cli->options.number[id] * 1000) : fallback_ms;
}

bool cli_is_data(const Cli *cli)
{
  return cli->output == OUTPUT_JSON || cli->output == OUTPUT_YAML;
}

/* ---- what goes to a terminal ---- */

/* Length of a colour at @text as we write it ourselves, 0 = it is none. */
static size_t cli_own_color(const char *text)
{
  static const char *const ours[] = {"\033[0m",  "\033[1m",  "\033[31m",
                                     "\033[32m", "\033[33m", "\033[36m"};
  for (guint i = 0; i < G_N_ELEMENTS(ours); i++)
    if (g_str_has_prefix(text, ours[i]))
      return strlen(ours[i]);
  return 0;
}

char *cli_harmless(const char *text, bool colors)
{
  GString *out = g_string_new(NULL);
  while (*text) {
    size_t own = colors ? cli_own_color(text) : 0;
    g_string_append_len(out, text, (gssize)own);
    text += own;
    /* up to what may be the next colour */
    size_t n = !own && *text ? 1 + strcspn(text + 1, "\033") : strcspn(text, "\033");
    g_autofree char *foreign = g_strndup(text, n), *safe = text_escape(foreign, G_MAXSIZE);
    g_string_append(out, safe);
    text += n;
  }
  return g_string_free(out, FALSE);
}

void cli_put_error(const char *text)
{
  g_autofree char *safe = cli_harmless(text, false);
  fputs(safe, stderr);
}

void cli_report(const char *verb, const char *message)
{
  g_autofree char *line =
      g_strdup_printf("reeve%s%s: %s\n", verb ? " " : "", verb ? verb : "", message);
  cli_put_error(line);
}

char *cli_harmless_json(const char *text)
{
  GString *out = g_string_sized_new(strlen(text) + 1);
  for (const char *p = text; *p;) {
    gunichar c = g_utf8_get_char_validated(p, -1);
    bool valid = c != (gunichar)-1 && c != (gunichar)-2;
    const char *next = valid ? g_utf8_next_char(p) : p + 1;
    /* controls below a blank stand between values only */
    if (!valid || text_is_shown(c) || c < 0x20)
      g_string_append_len(out, p, next - p);
    else
      g_string_append_printf(out, "\\u%04x", c);
    p = next;
  }
  return g_string_free(out, FALSE);
}

void cli_put_json(const char *text)
{
  g_autofree char *safe = cli_harmless_json(text);
  fputs(safe, stdout);
}

void cli_print_data(const Cli *cli, const json_t *value)
{
  if (cli->output == OUTPUT_YAML) {
    g_autofree char *text = yaml_text(value);
    cli_put_json(text); /* what is quoted there is quoted as in JSON */
    return;
  }
  char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
  cli_put_json(text);
  putchar('\n');
  free(text);
}

void cli_print_json_text(const Cli *cli, const char *text)
{
  json_t *value = json_parse(text, strlen(text), NULL);
  if (value) {
    cli_print_data(cli, value);
  } else { /* larger than our reader takes: it is JSON all the same */
    cli_put_json(text);
    putchar('\n');
  }
  json_decref(value);
}

void cli_print_table(const Cli *cli, const Table *table)
{
  struct winsize window = {0};
  bool fit = cli->output != OUTPUT_WIDE && isatty(STDOUT_FILENO) &&
             ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0;
  g_autofree char *text = table_text(table, cli->color_out, fit ? window.ws_col : 0);
  fputs(text, stdout);
  fflush(stdout);
}

bool cli_is_left(void)
{
  return system_poll_now(STDOUT_FILENO, POLLOUT) & POLLERR;
}

void cli_print(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *safe = cli_harmless(text, isatty(STDOUT_FILENO));
  fputs(safe, stdout);
  fflush(stdout);
}

G_GNUC_PRINTF(2, 0) static void cli_vnote(const Cli *cli, const char *format, va_list arguments)
{
  if (cli->quiet)
    return;
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  g_autofree char *safe = cli_harmless(text, cli->color_err);
  fprintf(stderr, "%s\n", safe);
}

void cli_note(const Cli *cli, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  cli_vnote(cli, format, arguments);
  va_end(arguments);
}

void cli_done(const Cli *cli, const char *name, const char *outcome, const char *format, ...)
{
  if (cli_is_data(cli)) {
    g_autoptr(GString) out = g_string_new(NULL);
    jw_open(out, NULL, '{');
    jw_str(out, "name", name);
    jw_str(out, "outcome", outcome);
    jw_close(out, '}');
    cli_print_json_text(cli, out->str);
  }
  va_list arguments;
  va_start(arguments, format);
  cli_vnote(cli, format, arguments);
  va_end(arguments);
}

char *cli_since(const char *iso)
{
  int64_t at_ms = iso ? time_parse_iso(iso) : -1;
  return at_ms < 0 ? g_strdup("-") : cli_duration(MAX(clock_wall_ms() - at_ms, 0));
}

char *cli_duration(int64_t ms)
{
  int64_t seconds = ms / 1000;
  if (seconds < 60)
    return g_strdup_printf("%ds", (int)seconds);
  if (seconds < 3600)
    return g_strdup_printf("%dm %ds", (int)(seconds / 60), (int)(seconds % 60));
  if (seconds < 86400)
    return g_strdup_printf("%dh %dm", (int)(seconds / 3600), (int)(seconds / 60 % 60));
  return g_strdup_printf("%dd %dh", (int)(seconds / 86400), (int)(seconds / 3600 % 24));
}

const char *cli_state_color(const char *state)
{
  static const struct {
    const char *word, *sgr;
  } colors[] = {{"running", "32"},   {"healthy", "32"},   {"succeeded", "32"},
                {"completed", "32"}, {"online", "32"},    {"ok", "32"},
                {"deploying", "36"}, {"starting", "36"},  {"waiting", "36"},
                {"pending", "36"},   {"stopping", "36"},  {"backoff", "33"},
                {"degraded", "33"},  {"warning", "33"},   {"silent", "33"},
                {"failed", "31"},    {"unhealthy", "31"}, {"unreachable", "31"},
                {"lost", "31"},      {"problem", "31"},   {"full", "31"}};
  for (guint i = 0; state && i < G_N_ELEMENTS(colors); i++)
    if (g_str_equal(colors[i].word, state))
      return colors[i].sgr;
  return NULL;
}

int cli_dispatch(Cli *cli, const SubVerb *rows, guint n, GError **error)
{
  const char *word = cli_word(cli, 0), *name = cli_word(cli, 1);
  for (guint i = 0; i < n; i++) {
    if (!g_str_equal(rows[i].word, word))
      continue;
    if (rows[i].named == (name != NULL))
      return rows[i].run(cli, name, error);
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "usage: reeve %s %s%s", cli->verb->name,
                word, rows[i].named ? " NAME" : "");
    return 1;
  }
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "unknown word '%s'; usage: reeve %s %s", word,
              cli->verb->name, cli->verb->words);
  return 1;
}

int cli_show(const Cli *cli, json_t *answer, void (*show)(const Cli *cli, const json_t *answer))
{
  if (!answer)
    return 1;
  if (cli_is_data(cli))
    cli_print_data(cli, answer);
  else
    show(cli, answer);
  json_decref(answer);
  return 0;
}

void cli_text_cells(Table *table, const json_t *object, const char *const *keys)
{
  for (; *keys; keys++)
    table_cell(table, jget_str(object, *keys, NULL));
}
