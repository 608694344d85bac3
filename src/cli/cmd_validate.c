/* reeve validate, reeve plan: what can be said about a job without a server. */
#include "base/error.h"
#include "base/json.h"
#include "cli/job_file.h"
#include "plan/plan.h"

#include <stdio.h>

static void validate_data(const Cli *cli, const JobFile *file)
{
  json_t *list = json_array();
  for (guint i = 0; i < file->problems->items->len; i++) {
    const Problem *p = g_ptr_array_index(file->problems->items, i);
    json_array_append_new(list, json_pack("{s:s?,s:i,s:i,s:s,s:s}", "file", p->file, "line", p->line, "column", p->column, "severity",
                                          p->severity == PROBLEM_ERROR ? "error" : "warning", "message", p->message));
  }
  json_t *value = json_pack("{s:b,s:i,s:i,s:o}", "valid", file->problems->errors == 0, "errors", file->problems->errors, "warnings",
                            file->problems->warnings, "problems", list);
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
    cli_print("%s: valid: job '%s', %u agents, %s\n", path, file.job->name, file.job->agents->len,
              topology_type_word(file.job->topology.type));
  job_file_done(&file);
  return ok ? 0 : 1;
}

static void plan_tables(const Cli *cli, const Plan *plan)
{
  g_autoptr(Table) table = table_new((const char *const[]){">STAGE", "AGENT", "URL", "CONNECTED TO", NULL});
  for (guint s = 0; s < plan->stages->len; s++) {
    const GArray *stage = g_ptr_array_index(plan->stages, s);
    for (guint k = 0; k < stage->len; k++) {
      guint agent = g_array_index(stage, guint, k);
      g_autofree char *url = plan_url(plan->job, agent, plan_declared_port(plan->job, agent, 0));
      g_autoptr(GString) names = g_string_new(NULL);
      const GArray *callees = g_ptr_array_index(plan->connections, agent);
      for (guint i = 0; callees && i < callees->len; i++)
        g_string_append_printf(names, "%s%s", i ? ", " : "", job_agent(plan->job, g_array_index(callees, guint, i))->id);
      table_cell_format(table, "%u", s + 1);
      table_cell(table, job_agent(plan->job, agent)->id);
      table_cell(table, url);
      table_cell(table, names->str);
    }
  }
  cli_note(cli, "%s: %u agents in %u stages", plan->job->name, plan->job->agents->len, plan->stages->len);
  cli_print_table(cli, table);
}

int cmd_plan(Cli *cli, GError **error)
{
  const char *path = cli_word(cli, 0);
  JobFile file;
  if (!job_file_read(cli, path, false, &file, error))
    return 1;
  g_autoptr(Plan) plan = job_file_accept(cli, path, &file, error) ? plan_new(file.job, error) : NULL;
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
