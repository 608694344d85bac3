/* reeve schedules and reeve run: agents that run by the clock. */
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"
#include "cli/show.h"

#include <string.h>

static char *schedule_words(const json_t *schedule)
{
  const char *cron = jget_str(schedule, "cron", NULL),
             *zone = jget_str(schedule, "timezone", "UTC");
  if (cron)
    return g_strdup_printf("%s %s", cron, zone);
  return g_strdup_printf("every %g s", (double)jget_int(schedule, "every_ms", 0) / 1000);
}

/* How far @iso is from now, "in 1h 10m" or "2m 5s ago"; with -o wide the point in time itself. NULL
 * for none. Caller frees. */
static char *schedule_time(const Cli *cli, const char *iso)
{
  int64_t at_ms = iso ? time_parse_iso(iso) : -1, now_ms = clock_wall_ms();
  if (at_ms < 0 || cli->output == OUTPUT_WIDE)
    return g_strdup(iso);
  g_autofree char *far = cli_duration(ABS(at_ms - now_ms));
  return at_ms > now_ms ? g_strdup_printf("in %s", far) : g_strdup_printf("%s ago", far);
}

/* When the next run comes: one that waits for the end of the present run is the next, and was due
 * before. Caller frees. */
static char *schedule_next(const Cli *cli, const json_t *schedule)
{
  g_autofree char *due = schedule_time(cli, jget_str(schedule, "queued_due_at", NULL));
  return due ? g_strdup_printf("waits, due %s", due)
             : schedule_time(cli, jget_str(schedule, "next_at", NULL));
}

static void schedule_row(const Cli *cli, Table *table, const json_t *schedule)
{
  const json_t *last = json_array_get(json_object_get(schedule, "runs"), 0);
  g_autofree char *words = schedule_words(schedule), *next = schedule_next(cli, schedule);
  g_autofree char *started = schedule_time(cli, jget_str(last, "started_at", NULL));
  table_cell(table, jget_str(schedule, "deployment", NULL));
  table_cell(table, jget_str(schedule, "agent", NULL));
  table_cell(table, words);
  if (cli->output == OUTPUT_WIDE)
    table_cell(table, jget_str(schedule, "overlap", NULL));
  table_cell(table, next);
  table_cell(table, started);
  table_cell(table, jget_str(last, "outcome", NULL));
  table_color(table, cli_state_color(jget_str(last, "outcome", NULL)));
  table_cell(table, jget_str(last, "reason", NULL));
}

static void schedule_runs(const Cli *cli, const json_t *schedules)
{
  g_autoptr(Table) table = table_new((const char *const[]){
      "RUN", "DEPLOYMENT", "AGENT", "DUE", "STARTED", "ENDED", "OUTCOME", "BY", "REASON", NULL});
  size_t i, k;
  const json_t *schedule, *run;
  json_array_foreach(schedules, i, schedule)
  {
    json_array_foreach(json_object_get(schedule, "runs"), k, run)
    {
      g_autofree char *actor = api_actor(cli, jget_str(run, "actor", NULL));
      cli_text_cells(table, run,
                     (const char *const[]){"id", "deployment", "agent", "due_at", "started_at",
                                           "ended_at", "outcome", NULL});
      table_cell(table, actor);
      table_cell(table, jget_str(run, "reason", NULL));
    }
  }
  cli_print_table(cli, table);
}

static void schedules_tables(const Cli *cli, const json_t *answer)
{
  const char *name = cli_word(cli, 0);
  const json_t *schedules = json_object_get(answer, "schedules"), *schedule;
  static const char *const columns[] = {"DEPLOYMENT", "AGENT",   "SCHEDULE", "NEXT",
                                        "LAST RUN",   "OUTCOME", "REASON",   NULL};
  static const char *const wide[] = {"DEPLOYMENT", "AGENT",   "SCHEDULE", "OVERLAP", "NEXT",
                                     "LAST RUN",   "OUTCOME", "REASON",   NULL};
  g_autoptr(Table) table = table_new(cli->output == OUTPUT_WIDE ? wide : columns);
  size_t i;
  json_array_foreach(schedules, i, schedule) schedule_row(cli, table, schedule);
  cli_print_table(cli, table);
  if (!table_rows(table))
    cli_note(
        cli,
        "no agent runs by the clock; a batch agent does that has a schedule, as {cron: \"30 6 * * *\"} or {every: 3600}");
  if (!table_rows(table) || (cli->output != OUTPUT_WIDE && !name))
    return;
  cli_print("\n");
  schedule_runs(cli, schedules);
}

static void schedules_filter(const Target *target, json_t *answer)
{
  json_t *kept = json_array(), *schedule;
  size_t i;
  json_array_foreach(json_object_get(answer, "schedules"), i, schedule)
  {
    bool here = !target->deployment ||
                g_strcmp0(target->deployment, jget_str(schedule, "deployment", NULL)) == 0;
    if (here && target_has(target, schedule))
      json_array_append(kept, schedule);
  }
  json_object_set_new(answer, "schedules", kept);
}

int cmd_schedules(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  if (!target_of(cli, &target, error) || !show_is_there(cli, &target, error))
    return 1;
  json_t *answer = api_get(cli, "/api/schedules", error);
  if (answer)
    schedules_filter(&target, answer);
  return cli_show(cli, answer, schedules_tables);
}

/* ---- run ---- */

typedef struct RunWait {
  const Cli *cli;
  const char *run;
  char *outcome, *reason;
} RunWait;

static void run_seen(RunWait *wait, const json_t *run)
{
  const char *outcome = jget_str(run, "outcome", "");
  if (g_strcmp0(jget_str(run, "id", NULL), wait->run) != 0 || g_str_equal(outcome, "running") ||
      wait->outcome)
    return;
  wait->outcome = g_strdup(outcome);
  wait->reason = g_strdup(jget_str(run, "reason", NULL));
}

/* The end may have come before the stream began: it is looked up once, when the stream opens. */
static bool run_event(const char *type, const json_t *data, void *user)
{
  RunWait *wait = user;
  size_t i, k;
  const json_t *schedule, *run;
  if (g_str_equal(type, "schedule"))
    run_seen(wait, data);
  if (!g_str_equal(type, "reset"))
    return !wait->outcome;
  json_t *answer = api_get(wait->cli, "/api/schedules", NULL);
  json_array_foreach(json_object_get(answer, "schedules"), i, schedule)
      json_array_foreach(json_object_get(schedule, "runs"), k, run) run_seen(wait, run);
  json_decref(answer);
  return !wait->outcome;
}

static int run_wait(Cli *cli, const char *name, const char *agent, const char *run, GError **error)
{
  RunWait wait = {.cli = cli, .run = run};
  g_autoptr(GError) failed = NULL;
  int64_t timeout_ms = cli_ms(cli, OPT_TIMEOUT, 0);
  bool ok = api_follow(cli, name, timeout_ms, run_event, &wait, &failed);
  int code = wait.outcome && g_str_equal(wait.outcome, "completed") ? 0 : 6;
  if (wait.outcome)
    cli_note(cli, "run %s %s%s%s; see: reeve logs %s/%s", run, wait.outcome,
             wait.reason ? ": " : "", wait.reason ? wait.reason : "", name, agent);
  else if (g_error_matches(failed, REEVE_ERROR, REEVE_ERROR_TIMEOUT))
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT,
                "run %s still goes after %.4g s; see: reeve schedules %s, reeve logs %s/%s", run,
                (double)timeout_ms / 1000, name, name, agent);
  else if (failed)
    g_propagate_error(error, g_steal_pointer(&failed));
  g_free(wait.outcome);
  g_free(wait.reason);
  return ok ? code : 1;
}

int cmd_run(Cli *cli, GError **error)
{
  g_auto(Target) target = {0};
  if (!target_of(cli, &target, error))
    return 1;
  if (!target.agent || target.replica > 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "which agent? usage: reeve run NAME/AGENT; see: reeve schedules %s",
                target.deployment);
    return 1;
  }
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "agent", target.agent);
  jw_close(body, '}');
  g_autofree char *path = api_path(target.deployment, "/run");
  json_t *answer = api_call(cli, "POST", path, body->str, NULL, error);
  if (!answer)
    return 1;
  g_autofree char *run = g_strdup(jget_str(answer, "run", NULL));
  if (cli_is_data(cli))
    cli_print_data(cli, answer);
  json_decref(answer);
  if (!run) {
    cli_note(cli, "a run still goes; the next one waits for its end");
    return 0;
  }
  if (cli_flag(cli, OPT_DETACH)) {
    cli_note(cli, "run %s has begun", run);
    return 0;
  }
  return run_wait(cli, target.deployment, target.agent, run, error);
}
