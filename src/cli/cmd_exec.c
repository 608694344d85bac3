/* reeve exec: a command beside an agent; its output and exit code become ours. */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"
#include "cli/target.h"

#include <stdio.h>
#include <string.h>

enum { EXEC_LINE_MAX = 256 * 1024, EXEC_SIGNAL_BASE = 128 };

typedef struct Exec {
  const Cli *cli;
  GString *line; /* not yet ended; a problem document stays here */
  json_t *end;   /* the last record */
} Exec;

static bool exec_write(const json_t *record, const char *stream)
{
  FILE *out = g_str_equal(stream, "stderr") ? stderr : stdout;
  const json_t *text = json_object_get(record, "text");
  const char *base64 = jget_str(record, "base64", NULL);
  gsize length = json_string_length(text);
  g_autofree guchar *bytes = base64 ? g_base64_decode(base64, &length) : NULL;
  const void *data = base64 ? (const void *)bytes : json_string_value(text);
  return !data || (fwrite(data, 1, length, out) == length && fflush(out) == 0);
}

static bool exec_record(Exec *exec)
{
  json_t *record = json_parse(exec->line->str, exec->line->len, NULL);
  const char *stream = jget_str(record, "stream", NULL);
  bool ok = true;
  if (exec->cli->output == OUTPUT_JSON) {
    cli_put_json(exec->line->str);
    cli_print("\n");
  } else if (stream)
    ok = exec_write(record, stream);
  if (!stream && record) {
    json_decref(exec->end);
    exec->end = json_incref(record);
  }
  json_decref(record);
  return ok;
}

static bool exec_data(const char *bytes, size_t length, void *user)
{
  Exec *exec = user;
  for (const char *end = bytes + length; bytes < end;) {
    const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
    g_string_append_len(exec->line, bytes, (newline ? newline : end) - bytes);
    if (!newline)
      return exec->line->len <= EXEC_LINE_MAX;
    bytes = newline + 1;
    bool ok = exec_record(exec);
    g_string_truncate(exec->line, 0);
    if (!ok)
      return false; /* nobody reads our output: the server hears it and ends the command */
  }
  return true;
}

/* Our exit code, as the command ended. */
static int exec_code(const Exec *exec, const char *command, GError **error)
{
  const char *why = jget_str(exec->end, "error", NULL);
  int code = (int)jget_int(exec->end, "exit_code", 0),
      signal = (int)jget_int(exec->end, "exit_signal", 0);
  if (jget_flag(exec->end, "timed_out", false)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT, "run '%s': %s", command,
                why ? why : "timed out");
    return 1;
  }
  if (why && code == 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "run '%s': %s", command, why);
    return 1;
  }
  g_autofree char *told = why ? g_strdup_printf("run '%s': %s", command, why) : NULL;
  if (told)
    cli_report("exec", told);
  return signal ? EXEC_SIGNAL_BASE + signal : code;
}

/* @target and the words behind it as the body of the request. */
static char *exec_body(const Cli *cli, const Target *target)
{
  GString *body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  if (target->agent)
    jw_str(body, "agent", target->agent);
  jw_int(body, "replica", MAX(target->replica, 0));
  if (cli_flag(cli, OPT_TIMEOUT))
    jw_int(body, "timeout_ms", MAX(cli_ms(cli, OPT_TIMEOUT, 0), 1));
  jw_open(body, "argv", '[');
  for (guint i = 1; cli_word(cli, i); i++)
    jw_str(body, NULL, cli_word(cli, i));
  jw_close(body, ']');
  jw_close(body, '}');
  return g_string_free(body, FALSE);
}

int cmd_exec(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  if (!target_parse(&target, cli_word(cli, 0), NULL, error))
    return 1;
  g_autofree char *body = exec_body(cli, &target), *path = api_path(target.deployment, "/exec");
  Exec exec = {.cli = cli, .line = g_string_new(NULL)};
  int code = 1, status = api_stream_post(cli, path, body, exec_data, &exec, error);
  if (status >= 400)
    api_problem(exec.line->str, exec.line->len, status, error);
  else if (status && exec.end)
    code = exec_code(&exec, cli_word(cli, 1), error);
  else if (status && !cli_is_left())
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
                "run '%s': the server went away before the command ended", cli_word(cli, 1));
  json_decref(exec.end);
  g_string_free(exec.line, TRUE);
  return code;
}
