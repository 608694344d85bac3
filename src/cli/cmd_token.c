/* reeve token: make, list and revoke tokens of the API. A token is printed once, alone on stdout,
 * so that it can be piped into a file. */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"

static int token_create(Cli *cli, const char *name, GError **error)
{
  if (!cli_flag(cli, OPT_ROLE)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "create token '%s': option '--role' is needed: admin, operator or viewer", name);
    return 1;
  }
  int64_t expires_s = cli_ms(cli, OPT_EXPIRES, 0) / 1000;
  if (cli_flag(cli, OPT_EXPIRES) && expires_s < 1) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "create token '%s': option '--expires' wants at least one second", name);
    return 1;
  }
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "name", name);
  jw_str(body, "role", cli->options.text[OPT_ROLE]);
  if (expires_s)
    jw_int(body, "expires_s", expires_s);
  jw_close(body, '}');
  json_t *answer = api_call(cli, "POST", "/api/tokens", body->str, NULL, error);
  if (!answer)
    return 1;
  if (cli_is_data(cli)) {
    cli_print_data(cli, answer);
  } else {
    cli_print("%s\n", jget_str(answer, "token", ""));
    const char *expires = jget_str(answer, "expires_at", NULL);
    cli_note(cli, "token '%s' has the role %s%s%s; it is not shown again", name,
             cli->options.text[OPT_ROLE], expires ? " until " : "", expires ? expires : "");
  }
  json_decref(answer);
  return 0;
}

static void token_table(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table =
      table_new((const char *const[]){"NAME", "ROLE", "CREATED", "EXPIRES", "BY", NULL});
  size_t i;
  const json_t *token;
  json_array_foreach(json_object_get(answer, "tokens"), i, token)
  {
    cli_text_cells(table, token, (const char *const[]){"name", "role", "created_at", NULL});
    table_cell_format(table, "%s%s", jget_str(token, "expires_at", "never"),
                      jget_flag(token, "expired", false) ? " (over)" : "");
    table_cell(table, jget_str(token, "actor", NULL));
  }
  cli_print_table(cli, table);
  if (!table_rows(table))
    cli_note(cli, "there is no token; make one with: reeve token create NAME --role viewer");
}

static int token_list(Cli *cli, const char *name, GError **error)
{
  (void)name;
  return cli_show(cli, api_get(cli, "/api/tokens", error), token_table);
}

static int token_revoke(Cli *cli, const char *name, GError **error)
{
  if (!api_delete(cli, "/api/tokens/", name, error))
    return 1;
  cli_done(cli, name, "revoked", "token '%s' is revoked", name);
  return 0;
}

int cmd_token(Cli *cli, GError **error)
{
  static const SubVerb rows[] = {
      {"create", true, token_create}, {"list", false, token_list}, {"revoke", true, token_revoke}};
  return cli_dispatch(cli, rows, G_N_ELEMENTS(rows), error);
}
