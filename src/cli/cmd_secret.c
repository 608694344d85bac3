/* reeve secret: set, list and remove secrets. A value comes from stdin or a file, never from the
 * command line, where everybody could read it. */
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* SECRET_AROUND: what may stand around a value, a byte order mark and CRLF, and one byte more to
 * see too much. */
enum { SECRET_BYTES_MAX = 64 * 1024, SECRET_AROUND = 3 + 2 + 1 };

/* Reads stdin to its end; on a terminal without echo, to the end of the line. */
static char *secret_from_stdin(const Cli *cli, size_t *length, GError **error)
{
  struct termios before, quiet;
  bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
  if (terminal) {
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    cli_note(cli, "value (not shown), then Enter:");
  }
  char *text = g_malloc0(SECRET_BYTES_MAX + SECRET_AROUND + 1);
  size_t n = 0;
  ssize_t got;
  do {
    got = read(STDIN_FILENO, text + n, SECRET_BYTES_MAX + SECRET_AROUND - n);
    n += got > 0 ? (size_t)got : 0;
  } while ((got > 0 && n < SECRET_BYTES_MAX + SECRET_AROUND &&
            !(terminal && n && text[n - 1] == '\n')) ||
           (got < 0 && errno == EINTR));
  if (terminal)
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  *length = n;
  if (got >= 0)
    return text;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "read the value from stdin: %s",
              g_strerror(errno));
  g_free(text);
  return NULL;
}

/* Takes a byte order mark and one line end off; what no environment can hold is refused. */
static bool secret_check(const char *name, char *value, size_t length, GError **error)
{
  length = text_take_value(value, length);
  if (length > SECRET_BYTES_MAX)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT,
                "set secret '%s': the value has more than %d bytes", name, SECRET_BYTES_MAX);
  else if (!length)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "set secret '%s': the value is empty; give it on stdin or with --from-file", name);
  else if (strlen(value) != length || !g_utf8_validate(value, (gssize)length, NULL))
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "set secret '%s': the value is no text (UTF-8 without NUL); encode it, as base64",
                name);
  else
    return true;
  return false;
}

static int secret_send(const Cli *cli, const char *name, const char *value, GError **error)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "name", name);
  jw_str(body, "value", value);
  jw_close(body, '}');
  int status = 0;
  json_t *answer = api_call(cli, "POST", "/api/secrets", body->str, &status, error);
  explicit_bzero(body->str, body->len);
  if (!answer)
    return 1;
  json_decref(answer);
  if (status == 201)
    cli_done(cli, name, "set", "secret '%s' is set", name);
  else
    cli_done(
        cli, name, "changed",
        "secret '%s' is changed; agents that run with it keep the old value until they restart",
        name);
  return 0;
}

static int secret_set(Cli *cli, const char *name, GError **error)
{
  size_t length = 0;
  const char *file = cli->options.text[OPT_FROM_FILE];
  char *value = file ? fs_read(file, SECRET_BYTES_MAX + SECRET_AROUND, &length, error)
                     : secret_from_stdin(cli, &length, error);
  if (!value)
    return 1;
  int code = secret_check(name, value, length, error) ? secret_send(cli, name, value, error) : 1;
  explicit_bzero(value, length);
  g_free(value);
  return code;
}

static void secret_table(const Cli *cli, const json_t *answer)
{
  static const char *const keys[] = {"name", "created_at", "updated_at", "actor", NULL};
  g_autoptr(Table) table =
      table_new((const char *const[]){"NAME", "CREATED", "CHANGED", "BY", NULL});
  size_t i;
  const json_t *secret;
  json_array_foreach(json_object_get(answer, "secrets"), i, secret)
      cli_text_cells(table, secret, keys);
  cli_print_table(cli, table);
  if (!table_rows(table))
    cli_note(cli, "no secret is kept; set one with: reeve secret set NAME < FILE");
}

static int secret_list(Cli *cli, const char *name, GError **error)
{
  (void)name;
  return cli_show(cli, api_get(cli, "/api/secrets", error), secret_table);
}

static int secret_remove(Cli *cli, const char *name, GError **error)
{
  if (!api_delete(cli, "/api/secrets/", name, error))
    return 1;
  cli_done(cli, name, "removed", "secret '%s' is removed", name);
  return 0;
}

int cmd_secret(Cli *cli, GError **error)
{
  static const SubVerb rows[] = {
      {"set", true, secret_set}, {"list", false, secret_list}, {"rm", true, secret_remove}};
  return cli_dispatch(cli, rows, G_N_ELEMENTS(rows), error);
}
