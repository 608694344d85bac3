/* reeve validate, reeve plan: what can be said about a job without a server. */
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/job_file.h"
#include "plan/plan.h"

#include <stdio.h>

static void validate_data(const Cli *cli, const JobFile *file)
{
  json_t *list = json_array();
  for (guint i = 0; i < file->problems->items->len; i++) {
    const Problem *p = g_ptr_array_index(file->problems->items, i);
    json_array_append_new(list, json_pack("{s:s?,s:i,s:i,s:s,s:s}", "file", p->file, "line",
                                          p->line, "column", p->column, "severity",
                                          p->severity == PROBLEM_ERROR ? "error" : "warning",
                                          "message", p->message));
  }
  json_t *value =
      json_pack("{s:b,s:i,s:i,s:o}", "valid", file->problems->errors == 0, "errors",
                file->problems->errors, "warnings", file->problems->warnings, "problems", list);
  cli_print_data(cli, value);
  json_decref(value);
}

int cmd_validate(Cli *cli, GError **error)
{
  const char *path = cli_word(cli, 0);
  JobFile file;
  if (!job_file_read(cli, path, true, &file, error))
    return 1;
  bool ok = job_file_accept(cli, path, &file, error);
  if (cli_is_data(cli))
    validate_data(cli, &file);
  else if (ok)
    cli_print("%s: valid: job '%s', %u agent%s, %s\n", path, file.job->name, file.job->agents->len,
              text_plural(file.job->agents->len), topology_type_word(file.job->topology.type));
  job_file_done(&file);
  return ok ? 0 : 1;
}

/* "service", "service x3", "batch", "batch at 0 3 * * * Europe/Berlin", "batch every 60 s". Caller
 * frees. */
static char *plan_kind(const AgentSpec *agent)
{
  const ScheduleSpec *schedule = &agent->schedule;
  const char *kind = agent->kind == AGENT_BATCH ? "batch" : "service";
  if (schedule->cron)
    return g_strdup_printf("%s at %s%s%s", kind, schedule->cron, schedule->timezone ? " " : "",
                           schedule->timezone ? schedule->timezone : "");
  if (schedule->set)
    return g_strdup_printf("%s every %g s", kind, (double)schedule->every_ms / 1000);
  return agent->replicas > 1 ? g_strdup_printf("%s x%d", kind, agent->replicas) : g_strdup(kind);
}

static char *plan_url_text(const Plan *plan, guint agent)
{
  int port = plan_declared_port(plan->job, agent, 0);
  if (port == PORT_AUTO)
    return g_strdup("on a port that is chosen");
  return port == PORT_NONE ? g_strdup("") : plan_url(plan->job, agent, port);
}

/* Agents that @agent is given, by name. */
static char *plan_callees(const Plan *plan, guint agent)
{
  PlanCallees callees = plan->connections[agent];
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < callees.n; i++)
    g_string_append_printf(names, "%s%s", i ? ", " : "",
                           job_agent(plan->job, callees.agents[i])->id);
  return g_string_free(names, FALSE);
}

static const char *plan_directory(const Plan *plan, guint agent)
{
  const char *directory = job_agent(plan->job, agent)->working_dir;
  return directory ? directory : plan->job->directory;
}

static void plan_tables(const Cli *cli, const Plan *plan)
{
  static const char *const columns[] = {">STAGE", "AGENT", "KIND", "URL", "CONNECTED TO", NULL},
                           *const wide[] = {">STAGE",       "AGENT",     "KIND", "URL",
                                            "CONNECTED TO", "DIRECTORY", NULL};
  bool is_wide = cli->output == OUTPUT_WIDE;
  g_autoptr(Table) table = table_new(is_wide ? wide : columns);
  for (guint s = 0; s < plan->stages->len; s++) {
    const GArray *stage = g_ptr_array_index(plan->stages, s);
    for (guint k = 0; k < stage->len; k++) {
      guint agent = g_array_index(stage, guint, k);
      g_autofree char *kind = plan_kind(job_agent(plan->job, agent)),
                      *url = plan_url_text(plan, agent), *names = plan_callees(plan, agent);
      table_cell_format(table, "%u", s + 1);
      table_cell(table, job_agent(plan->job, agent)->id);
      table_cell(table, kind);
      table_cell(table, url);
      table_cell(table, names);
      if (is_wide)
        table_cell(table, plan_directory(plan, agent));
    }
  }
  cli_note(cli, "%s: %u agent%s in %u stage%s", plan->job->name, plan->job->agents->len,
           text_plural(plan->job->agents->len), plan->stages->len, text_plural(plan->stages->len));
  cli_print_table(cli, table);
  for (guint i = 0; i < plan->job->agents->len && !is_wide; i++) {
    const AgentSpec *agent = job_agent(plan->job, i);
    if (agent->module && g_strcmp0(plan_directory(plan, i), plan->job->directory) != 0)
      cli_note(cli, "%s: module %s runs in %s", agent->id, agent->module, agent->working_dir);
  }
}

int cmd_plan(Cli *cli, GError **error)
{
  const char *path = cli_word(cli, 0);
  JobFile file;
  if (!job_file_read(cli, path, false, &file, error))
    return 1;
  g_autoptr(Plan) plan =
      job_file_accept(cli, path, &file, error) ? plan_new(file.job, error) : NULL;
  if (plan && (cli_is_data(cli) || cli->output == OUTPUT_DOT)) {
    g_autofree char *text = cli->output == OUTPUT_DOT ? plan_to_dot(plan) : plan_to_json(plan);
    if (cli->output == OUTPUT_DOT)
      fputs(text, stdout);
    else
      cli_print_json_text(cli, text);
  } else if (plan) {
    plan_tables(cli, plan);
  }
  bool ok = plan != NULL;
  g_clear_pointer(&plan, plan_free);
  job_file_done(&file);
  return ok ? 0 : 1;
}
