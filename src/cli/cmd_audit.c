/* reeve audit: who did what, the newest last, as in a log. */
#include "base/json.h"
#include "base/time.h"
#include "cli/api.h"

enum { AUDIT_ROWS = 100, AUDIT_ROWS_MAX = 1000 };

static void audit_parameter(GString *path, const char *name, const char *value)
{
  g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
  g_string_append_printf(path, "&%s=%s", name, escaped);
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
  g_autoptr(Table) table =
      table_new((const char *const[]){"TIME", "WHO", "DID", "TO", "DETAIL", NULL});
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
  if (cli_flag(cli, OPT_SINCE)) {
    char since[ISO_TIME_BYTES];
    time_iso((int64_t)cli->options.number[OPT_SINCE], since);
    audit_parameter(path, "since", since);
  }
  return cli_show(cli, api_get(cli, path->str, error), audit_table);
}
