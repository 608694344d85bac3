/* reeve logs */
#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "cli/api.h"
#include "cli/log_lines.h"
#include "cli/show.h"

static bool logs_data(const char *bytes, size_t length, void *user)
{
  return log_lines_feed(user, bytes, length);
}

/* The stream cannot say why it was refused: who is asked for must be there. Tells @lines how wide
 * the names are. */
static bool logs_look(const Cli *cli, const Target *target, LogLines *lines, GError **error)
{
  json_t *deployment = show_fetch_one(cli, target, error);
  if (!deployment)
    return false;
  log_lines_expect(lines, deployment);
  json_decref(deployment);
  return true;
}

int cmd_logs(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  if (!target_of(cli, &target, error))
    return 1;
  g_autofree char *agent = target_agent(&target), *path = api_path(target.deployment, "/logs");
  g_autoptr(GString) query = g_string_new(path);
  g_string_append_printf(query, "?follow=%d", cli_flag(cli, OPT_FOLLOW));
  if (cli_flag(cli, OPT_SINCE)) {
    char since[ISO_TIME_BYTES];
    time_iso((int64_t)cli->options.number[OPT_SINCE], since);
    g_string_append_printf(query, "&since=%s", since);
  }
  if (cli_flag(cli, OPT_TAIL))
    g_string_append_printf(query, "&tail=%d", (int)cli->options.number[OPT_TAIL]);
  if (agent) {
    g_autofree char *escaped = g_uri_escape_string(agent, NULL, FALSE);
    g_string_append_printf(query, "&agent=%s", escaped);
  }
  LogLines lines;
  log_lines_init(&lines, cli);
  bool ok = logs_look(cli, &target, &lines, error) &&
            api_stream(cli, query->str, logs_data, &lines, error);
  log_lines_done(&lines);
  return ok && !cli_is_left() ? 0 : 1;
}
