/* reeve up: sends a job, shows its rollout, then stays with its logs. One loop: the event stream,
 * the log stream and signals. */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"
#include "cli/file_watch.h"
#include "cli/job_file.h"
#include "cli/launch.h"
#include "cli/log_lines.h"
#include "cli/monitor.h"
#include "cli/progress.h"
#include "cli/rollout.h"
#include "cli/show.h"
#include "cli/show_diff.h"

#include <signal.h>
#include <stdio.h>

enum { LAST_LINES_MAX = 1000 };

/* What a foreground `up` is doing. */
typedef enum UpPhase {
  UP_ROLLOUT,
  UP_STAY,
  UP_STOPPING,
  UP_LAST_WORDS,
  UP_DETACHED,
  UP_ENDED
} UpPhase;

typedef struct Up {
  Cli *cli;
  const char *name;
  const char *path;    /* of the job file */
  FileWatch *files;    /* --watch, else NULL */
  bool again;          /* it is not the first rollout that runs: --timeout is about that */
  bool stale;          /* files changed while a rollout was running */
  HttpCall *logs_call; /* NULL = not open */
  char *since;         /* logs from then on: what older agents of this name wrote is no news */
  Loop *loop;
  HttpClient *http;
  Progress progress;
  ApiEvents events;
  LogLines logs;
  Monitor monitor; /* --monitor */
  UpPhase phase;
  char *down_rollout;
  int streams; /* of events, one after the other */
  int code;
  GError *error;
} Up;

static bool up_log_data(const char *bytes, size_t length, void *data)
{
  return log_lines_feed(&((Up *)data)->logs, bytes, length);
}

static void up_end(Up *up, UpPhase phase)
{
  up->phase = phase;
  loop_stop(up->loop);
}

/* Logs end with the server or the deployment; the event stream is what decides, except at the end.
 */
static void up_logs_end(const HttpResult *result, void *data)
{
  Up *up = data;
  up->logs_call = NULL;
  if (up->phase == UP_LAST_WORDS)
    up_end(up, UP_ENDED);
}

/* Starts a stream from the server. */
static HttpCall *up_call(Up *up, const char *path, HttpData data, HttpDone done)
{
  g_auto(ApiCall) call = {0};
  if (!api_call_init(&call, up->cli, path, up->error ? NULL : &up->error)) {
    up_end(up, UP_ENDED);
    return NULL;
  }
  call.spec.stream = true;
  return http_client_call(up->http, &call.spec, data, done, up);
}

/* What runs already may have written for days: of that, nothing. */
static void up_logs_begin(Up *up, const json_t *deployment)
{
  const json_t *rollout = json_object_get(deployment, "rollout");
  bool ours =
      up->progress.rollout && g_strcmp0(jget_str(rollout, "id", NULL), up->progress.rollout) == 0;
  const char *since = ours ? jget_str(rollout, "started_at", NULL) : NULL;
  g_autofree char *rest =
      since ? g_strdup_printf("/logs?follow=1&since=%s", since) : g_strdup("/logs?follow=1&tail=0");
  g_autofree char *path = api_path(up->name, rest);
  up->since = g_strdup(since);
  log_lines_expect(&up->logs, deployment);
  log_lines_keep(&up->logs);
  up->logs_call = up_call(up, path, up_log_data, up_logs_end);
}

/* Everything is stopped. What was written to the end, or before the stream of logs had begun, is
 * read once more; a job whose agents are done at once would say nothing else. */
static void up_stopped(Up *up, const char *reason)
{
  cli_note(up->cli, "%s is stopped%s%s", up->name, reason ? ": " : "", reason ? reason : "");
  if (!up->logs_call || !up->since) {
    up_end(up, UP_ENDED);
    return;
  }
  http_call_cancel(up->logs_call);
  int64_t tail = log_lines_again(&up->logs) ? LAST_LINES_MAX : G_MAXINT32;
  g_autofree char *rest = g_strdup_printf("/logs?since=%s&tail=%d", up->since, (int)tail);
  g_autofree char *path = api_path(up->name, rest);
  up->phase = UP_LAST_WORDS;
  up->logs_call = up_call(up, path, up_log_data, up_logs_end);
}

static void up_stay(Up *up)
{
  json_t *deployment = api_deployment(up->cli, up->name, NULL);
  up->phase = UP_STAY;
  if (!cli_flag(up->cli, OPT_MONITOR) && !up->logs_call)
    up_logs_begin(up, deployment);
  if (g_strcmp0(jget_str(deployment, "status", NULL), "stopped") == 0)
    /* its agents were done before we looked: no event tells that any more */
    up_stopped(up, jget_str(deployment, "reason", NULL));
  json_decref(deployment);
}

static void up_table(Cli *cli, const char *name)
{
  json_t *deployment = api_deployment(cli, name, NULL);
  if (!deployment)
    return;
  if (cli_is_data(cli)) {
    cli_print_data(cli, deployment);
  } else {
    g_autoptr(Table) table = show_instances_table(cli, false);
    show_instances(cli, table, deployment, false);
    cli_print_table(cli, table);
  }
  if (!show_is_well(deployment)) /* an update does not wait for who was down before it */
    cli_note(cli, "not everything is well; see: reeve why %s", name);
  json_decref(deployment);
}

/* Whoever edits goes on editing, also after a failure. */
static void up_settled_watching(Up *up)
{
  if (up->code == 0)
    up_stay(up);
  else
    up->phase = UP_STAY;
  if (up->stale)
    file_watch_touch(up->files);
  else
    cli_note(up->cli, "waiting for changes of '%s' and the files that it names; Ctrl-C stops %s",
             up->path, up->name);
  up->stale = false;
}

/* The rollout has an outcome. */
static void up_settled(Up *up)
{
  progress_end(&up->progress);
  up->code = rollout_outcome_exit(up->progress.outcome);
  if (up->files) {
    up_settled_watching(up);
    return;
  }
  if (up->code != 0 || cli_flag(up->cli, OPT_DETACH)) {
    up_end(up, UP_ENDED);
    return;
  }
  up_table(up->cli, up->name);
  cli_note(up->cli, "Ctrl-C stops %s; Ctrl-C twice leaves it running", up->name);
  up_stay(up);
}

/* Somebody, here or elsewhere, brought the deployment down. */
static bool up_is_stopped(const Up *up, const char *type, const json_t *data)
{
  return g_str_equal(type, "deployment") &&
         g_strcmp0(jget_str(data, "name", NULL), up->name) == 0 &&
         g_strcmp0(jget_str(data, "status", NULL), "stopped") == 0;
}

/* A snapshot that comes late: what happened meanwhile is in it. */
static bool up_is_stopped_since(const Up *up, const char *type, const json_t *data)
{
  size_t i;
  const json_t *deployment;
  json_array_foreach(g_str_equal(type, "reset") ? json_object_get(data, "deployments") : NULL, i,
                     deployment)
  {
    if (up_is_stopped(up, "deployment", deployment))
      return true;
  }
  return false;
}

static bool up_event(const char *type, const json_t *data, void *user)
{
  Up *up = user;
  if (up->phase == UP_ROLLOUT) {
    progress_event(&up->progress, type, data);
    if (up->progress.outcome)
      up_settled(up);
  } else if (up->phase == UP_LAST_WORDS) {
    return true;
  } else if (up_is_stopped(up, type, data) || up_is_stopped_since(up, type, data)) {
    up_stopped(up, g_str_equal(type, "deployment") ? jget_str(data, "reason", NULL) : NULL);
  } else if (cli_flag(up->cli, OPT_MONITOR) && !g_str_equal(type, "reset")) {
    monitor_event(&up->monitor, type, data);
  }
  return up->phase != UP_ENDED;
}

static bool up_events_data(const char *bytes, size_t length, void *data)
{
  return api_events_feed(&((Up *)data)->events, bytes, length);
}

static void up_events_begin(Up *up);

static void up_events_end(const HttpResult *result, void *data)
{
  Up *up = data;
  if (up->phase == UP_ENDED || up->phase == UP_LAST_WORDS)
    return;
  /* we read too slowly: from a snapshot on */
  if (!result->error && ++up->streams < API_STREAMS_MAX && api_alive(up->cli)) {
    up_events_begin(up);
    return;
  }
  g_set_error(&up->error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
              "the server went away (%s); agents keep running",
              result->error ? result->error : "end of stream");
  up_end(up, UP_ENDED);
}

static void up_events_begin(Up *up)
{
  g_autofree char *path = api_events_path(up->name);
  api_events_again(&up->events);
  up_call(up, path, up_events_data, up_events_end);
}

/* First Ctrl-C: down, and wait for it. Second: leave everything as it is. */
static void up_interrupt(void *data)
{
  Up *up = data;
  if (up->phase == UP_STOPPING || up->phase == UP_LAST_WORDS) {
    up_end(up, up->phase == UP_STOPPING ? UP_DETACHED : UP_ENDED);
    return;
  }
  up->phase = UP_STOPPING;
  cli_note(up->cli, "\nstopping %s; Ctrl-C again leaves it to the server", up->name);
  g_autofree char *path = api_path(up->name, "/down");
  json_t *answer = api_call(up->cli, "POST", path, "{}", NULL, &up->error);
  if (!answer)
    up_end(up, UP_ENDED);
  json_decref(answer);
}

/* A lost terminal stops nobody's agents. */
static void up_hangup(void *data)
{
  up_end(data, UP_DETACHED);
}

static void up_timeout(void *data)
{
  Up *up = data;
  if (up->phase != UP_ROLLOUT || up->again)
    return;
  g_set_error(&up->error, REEVE_ERROR, REEVE_ERROR_TIMEOUT,
              "'%s' is not up yet; the rollout goes on: reeve wait %s", up->name, up->name);
  up_end(up, UP_ENDED);
}

/* Detached, Ctrl-C only ends the watching, as in every other verb. */
static void up_watch(Up *up)
{
  bool stays = !cli_flag(up->cli, OPT_DETACH);
  LoopWatch *interrupt = stays ? loop_signal_new(up->loop, SIGINT, up_interrupt, up) : NULL;
  LoopWatch *terminate = stays ? loop_signal_new(up->loop, SIGTERM, up_interrupt, up) : NULL;
  LoopWatch *hangup = loop_signal_new(up->loop, SIGHUP, up_hangup, up);
  LoopTimer *timer = loop_timer_new(up->loop, up_timeout, up);
  int64_t timeout_ms = cli_ms(up->cli, OPT_TIMEOUT, 0);
  if (timeout_ms)
    loop_timer_set(timer, up->progress.start_ms + timeout_ms);
  up_events_begin(up);
  loop_run(up->loop);
  http_client_free(up->http);
  loop_timer_free(timer);
  loop_watch_free(hangup);
  g_clear_pointer(&interrupt, loop_watch_free);
  g_clear_pointer(&terminate, loop_watch_free);
}

static char *up_body(const Cli *cli, const char *path, const JobFile *file)
{
  g_autofree char *job = job_to_json(file->job);
  GString *body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "source_name", path);
  jw_str(body, "source", file->text);
  jw_raw(body, "job", job);
  jw_bool(body, "replace", cli_flag(cli, OPT_REPLACE));
  if (cli_flag(cli, OPT_PLAN))
    jw_str(body, "plan", cli->options.text[OPT_PLAN]);
  jw_close(body, '}');
  return g_string_free(body, FALSE);
}

/* Sends what the files say now. False when nothing changes. */
static bool up_send_again(Up *up, const JobFile *file, GError **error)
{
  if (g_strcmp0(file->job->name, up->name) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "the job is called '%s' now; nothing was changed: stop this and bring that one up",
                file->job->name);
    return false;
  }
  g_autofree char *body = up_body(up->cli, up->path, file);
  json_t *answer = api_call(up->cli, "POST", "/api/deployments", body, NULL, error);
  g_autofree char *rollout = answer && jget_flag(answer, "changed", true)
                                 ? g_strdup(jget_str(answer, "rollout", NULL))
                                 : NULL;
  json_decref(answer);
  if (!rollout)
    return false;
  progress_done(&up->progress);
  progress_init(&up->progress, up->cli, up->name, rollout);
  up->phase = UP_ROLLOUT;
  up->again = true;
  return true;
}

/* As job_file_accept, and says that all stays as it is: other verbs change nothing anyway. */
static bool up_accept(const Cli *cli, const char *path, JobFile *file, GError **error)
{
  g_autoptr(GError) refused = NULL;
  if (job_file_accept(cli, path, file, &refused))
    return true;
  g_set_error(error, REEVE_ERROR, refused->code, "%s; nothing was changed", refused->message);
  return false;
}

/* The files have changed and been left alone. One that is broken is told, and everything stays as
 * it is. */
static void up_files_changed(void *data)
{
  Up *up = data;
  g_autoptr(GError) error = NULL;
  JobFile file;
  if (up->phase != UP_STAY) {
    up->stale = up->phase == UP_ROLLOUT;
    return;
  }
  if (job_file_read(up->cli, up->path, true, &file, &error)) {
    file_watch_add(up->files, file.files);
    if (up_accept(up->cli, up->path, &file, &error) && !up_send_again(up, &file, &error) && !error)
      cli_note(up->cli, "%s is up to date; nothing to change", up->name);
    job_file_done(&file);
  }
  if (error)
    cli_report("up", error->message);
}

static bool up_watch_files(Up *up, const JobFile *file, GError **error)
{
  if (!cli_flag(up->cli, OPT_WATCH))
    return true;
  up->files = file_watch_new(up->loop, up_files_changed, up, error);
  if (!up->files)
    return false;
  file_watch_add(up->files, file->files);
  return true;
}

static int up_follow(Cli *cli, const JobFile *file, const char *rollout, GError **error)
{
  const char *name = file->job->name;
  Up up = {.cli = cli, .name = name, .path = cli_word(cli, 0), .loop = loop_new()};
  up.http = http_client_new(up.loop);
  progress_init(&up.progress, cli, name, rollout);
  api_events_init(&up.events, up_event, &up);
  log_lines_init(&up.logs, cli);
  monitor_init(&up.monitor, cli, NULL);
  if (rollout)
    up.phase = UP_ROLLOUT;
  else
    up_stay(&up);
  if (up.phase != UP_ENDED && up_watch_files(&up, file, &up.error))
    up_watch(&up);
  else
    http_client_free(up.http);
  file_watch_free(up.files);
  if (up.phase == UP_DETACHED)
    cli_note(cli, "%s keeps running; stop it with: reeve down %s", name, name);
  if (up.error)
    g_propagate_error(error, up.error);
  log_lines_done(&up.logs);
  monitor_done(&up.monitor);
  api_events_done(&up.events);
  progress_done(&up.progress);
  loop_free(up.loop);
  g_free(up.since);
  return up.code;
}

/* What a dry run says: the plan and its id on stdout. */
static int up_show_plan(Cli *cli, json_t *preview)
{
  if (cli_is_data(cli)) {
    cli_print_data(cli, preview);
    return 0;
  }
  g_autofree char *text = show_diff_text(preview, cli->color_out);
  g_autoptr(Table) table = table_new((const char *const[]){"AGENT", "ACTION", ">REPLICAS", NULL});
  size_t i;
  const json_t *action;
  cli_print("%s", text);
  json_array_foreach(json_object_get(preview, "actions"), i, action)
  {
    table_cell(table, jget_str(action, "agent", NULL));
    table_cell(table, g_str_equal(jget_str(action, "action", ""), "run-again")
                          ? "run again"
                          : jget_str(action, "action", NULL));
    int from = (int)jget_int(action, "from", 0), to = (int)jget_int(action, "to", 0);
    table_cell_format(table, from == to ? "%d" : "%d -> %d", from, to);
  }
  cli_print_table(cli, table);
  cli_print("%s\n", jget_str(preview, "plan", ""));
  json_t *server = api_get(cli, "/api/server", NULL);
  if (server && !jget_str(server, "agents_user", NULL))
    cli_note(
        cli,
        "agents that name no 'user' run as the user of the server and can read its files, its secrets too; see: reeve doctor");
  json_decref(server);
  cli_note(cli, "nothing was changed; reeve up --plan %s %s does exactly this",
           jget_str(preview, "plan", ""), cli_word(cli, 0));
  return 0;
}

/* Before an update: what it changes. A server that cannot say it is no reason to stop. */
static void up_announce(Cli *cli, const JobFile *file)
{
  g_autofree char *path = api_path(file->job->name, "/history");
  /* what is new has no difference: the job need not go to the server twice */
  json_t *before = api_get(cli, path, NULL);
  json_t *preview = before ? job_file_preview(cli, file, NULL) : NULL;
  json_decref(before);
  if (jget_int(preview, "from", 0) > 0) {
    g_autofree char *text = show_diff_text(preview, cli->color_err);
    if (text[0])
      cli_note(cli, "%s: from revision %d:\n%s", file->job->name, (int)jget_int(preview, "from", 0),
               g_strchomp(text));
  }
  json_decref(preview);
}

static int up_dry_run(Cli *cli, const JobFile *file, GError **error)
{
  json_t *preview = launch_server(cli, NULL, error) ? job_file_preview(cli, file, error) : NULL;
  int code = preview ? up_show_plan(cli, preview) : 1;
  json_decref(preview);
  return code;
}

static int up_deploy(Cli *cli, const char *path, const JobFile *file, GError **error)
{
  g_autofree char *body = up_body(cli, path, file), *name = g_strdup(file->job->name);
  if (!launch_server(cli, NULL, error))
    return 1;
  if (!cli->quiet)
    up_announce(cli, file);
  json_t *answer = api_call(cli, "POST", "/api/deployments", body, NULL, error);
  if (!answer)
    return 1;
  bool changed = jget_flag(answer, "changed", true);
  g_autofree char *rollout = changed ? g_strdup(jget_str(answer, "rollout", NULL)) : NULL;
  json_decref(answer);
  if (!changed)
    cli_note(cli, "%s is up to date; nothing to change", name);
  bool detach = cli_flag(cli, OPT_DETACH);
  int code = changed || !detach ? up_follow(cli, file, rollout, error) : 0;
  if (detach && !*error && code == 0)
    up_table(cli, name);
  return code;
}

static bool up_watch_allowed(const Cli *cli, GError **error)
{
  static const OptionId others[] = {OPT_DETACH, OPT_DRY_RUN, OPT_PLAN};
  for (guint i = 0; cli_flag(cli, OPT_WATCH) && i < G_N_ELEMENTS(others); i++)
    if (cli_flag(cli, others[i])) {
      g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                  "options '--watch' and '--%s' exclude each other", option_specs[others[i]].name);
      return false;
    }
  return true;
}

int cmd_up(Cli *cli, GError **error)
{
  const char *path = cli_word(cli, 0);
  JobFile file;
  if (!up_watch_allowed(cli, error))
    return 1;
  if (!job_file_read(cli, path, true, &file, error))
    return 1;
  int code = 1;
  if (up_accept(cli, path, &file, error))
    code = cli_flag(cli, OPT_DRY_RUN) ? up_dry_run(cli, &file, error)
                                      : up_deploy(cli, path, &file, error);
  job_file_done(&file);
  return code;
}
