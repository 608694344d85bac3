/* reeve audit: who did what, the newest last, as in a log. */
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"

enum { AUDIT_ROWS = 100, AUDIT_ROWS_MAX = 1000 };

static void audit_parameter(GString *path, const char *name, const char *value)
{
  g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
  g_string_append_printf(path, "&%s=%s", name, escaped);
}

/* "5m" or a time, as logs --since has it. */
static bool audit_since(const Cli *cli, GString *path, GError **error)
{
  const char *text = cli->options.text[OPT_SINCE];
  double seconds = text ? options_seconds(text) : -1;
  int64_t at_ms = !text ? 0 : seconds >= 0 ? clock_wall_ms() - (int64_t)(seconds * 1000) : time_parse_iso(text);
  if (!text)
    return true;
  if (at_ms < 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "option '--since' wants 5m, 2h, 1d or a time like 2026-01-31T12:00:00Z");
    return false;
  }
  char iso[ISO_TIME_BYTES];
  time_iso(at_ms, iso);
  audit_parameter(path, "since", iso);
  return true;
}

static void audit_row(const Cli *cli, Table *table, const json_t *entry)
{
  g_autofree char *actor = api_actor(cli, jget_str(entry, "actor", NULL));
  table_cell(table, jget_str(entry, "at", NULL));
  table_cell(table, actor);
  cli_text_cells(table, entry, (const char *const[]){"action", "object", "detail", NULL});
}

static void audit_table(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table = table_new((const char *const[]){"TIME", "WHO", "DID", "TO", "DETAIL", NULL});
  const json_t *entries = json_object_get(answer, "entries");
  for (size_t i = json_array_size(entries); i > 0; i--)
    audit_row(cli, table, json_array_get(entries, i - 1));
  cli_print_table(cli, table);
  if (!table_rows(table))
    cli_note(cli, "no entry");
}

int cmd_audit(Cli *cli, GError **error)
{
  int rows = cli_flag(cli, OPT_TAIL) ? (int)cli->options.number[OPT_TAIL] : AUDIT_ROWS;
  g_autoptr(GString) path = g_string_new(NULL);
  g_string_printf(path, "/api/audit?limit=%d", CLAMP(rows, 1, AUDIT_ROWS_MAX));
  if (cli_word(cli, 0))
    audit_parameter(path, "object", cli_word(cli, 0));
  return audit_since(cli, path, error) ? cli_show(cli, api_get(cli, path->str, error), audit_table) : 1;
}
