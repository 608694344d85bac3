/* reeve agents: the table of the agents directory, and what `reeve status` says of one that is not
 * deployed. */
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/agents.h"
#include "cli/api.h"

#include <string.h>

enum { AGENTS_LINE_MAX = 2000 };

/* What a person is told of the health of @agent: nothing while nobody asks how it is. Borrowed from
 * it; NULL = nothing. */
static const char *agents_health(const json_t *agent)
{
  bool asked = json_is_integer(json_object_get(agent, "pid"));
  return asked ? jget_str(agent, "health_status", NULL) : NULL;
}

static void agents_row(Table *table, const json_t *agent)
{
  const char *status = jget_str(agent, "status", NULL), *health = agents_health(agent);
  const json_t *numbers[] = {json_object_get(agent, "port"), json_object_get(agent, "pid")};
  table_cell(table, jget_str(agent, "name", "?"));
  table_cell(table, status);
  table_color(table, cli_state_color(status));
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
    if (json_is_integer(numbers[i]))
      table_cell_format(table, "%d", (int)json_integer_value(numbers[i]));
    else
      table_cell(table, NULL);
  }
  table_cell(table, health);
  table_color(table, cli_state_color(health));
  table_cell_format(table, "%d", (int)jget_int(agent, "restart_count", 0));
  const char *error = jget_str(agent, "error_message", NULL);
  /* the others stand below the table */
  g_auto(GStrv) lines = g_strsplit(error ? error : "", "\n", 2);
  table_cell(table, lines[0]);
}

/* GET /agents; NULL with REEVE_ERROR_NOT_FOUND when the server watches no directory. */
static json_t *agents_fetch(const Cli *cli, GError **error)
{
  json_t *answer = api_get(cli, "/agents", error);
  if (!answer || jget_str(answer, "directory", NULL))
    return answer;
  json_decref(answer);
  g_set_error(
      error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
      "the server watches no agents directory; start it with 'reeve server --agents-dir DIR'");
  return NULL;
}

/* What does not fit into the table of an agent that has more than one thing wrong: each on a line.
 */
static void agents_errors(const json_t *agent)
{
  const char *error = jget_str(agent, "error_message", NULL);
  if (!error || !strchr(error, '\n'))
    return;
  g_auto(GStrv) lines = g_strsplit(error, "\n", -1);
  cli_print("\n%s:\n", jget_str(agent, "name", "?"));
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *line = text_escape(lines[i], AGENTS_LINE_MAX);
    cli_print("  %s\n", line);
  }
}

static void agents_table(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table = table_new((const char *const[]){"NAME", "STATUS", ">PORT", ">PID",
                                                           "HEALTH", ">RESTARTS", "ERROR", NULL});
  size_t i;
  const json_t *agent;
  json_array_foreach(json_object_get(answer, "agents"), i, agent) agents_row(table, agent);
  cli_print("Managed Agent Instances (%d total):\n", (int)jget_int(answer, "count", 0));
  cli_print_table(cli, table);
  json_array_foreach(json_object_get(answer, "agents"), i, agent) agents_errors(agent);
  cli_note(cli, "in '%s'; deploy one with: reeve deploy NAME", jget_str(answer, "directory", "?"));
}

int cmd_agents(Cli *cli, GError **error)
{
  return cli_show(cli, agents_fetch(cli, error), agents_table);
}

char *agents_path(const char *name, const char *rest)
{
  g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
  return g_strconcat("/agents/", escaped, rest, NULL);
}

json_t *agents_look(const Cli *cli, const char *name, GError **error)
{
  g_autofree char *path = agents_path(name, "");
  return api_get(cli, path, error);
}

static void agents_line(const char *label, const json_t *agent, const char *key)
{
  const json_t *value = json_object_get(agent, key);
  if (json_is_integer(value))
    cli_print("%s%d\n", label, (int)json_integer_value(value));
  else
    cli_print("%s%s\n", label,
              json_is_string(value) && *json_string_value(value) ? json_string_value(value) : "-");
}

void agents_show(const Cli *cli, const json_t *agent)
{
  (void)cli;
  static const struct {
    const char *label, *key;
  } lines[] = {{"Agent: ", "name"},
               {"Status: ", "status"},
               {"Port: ", "port"},
               {"PID: ", "pid"},
               {"Started: ", "start_time"},
               {"Health: ", "health_status"},
               {"Restarts: ", "restart_count"},
               {"Config: ", "config_path"},
               {"Error: ", "error_message"}};
  for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
    if (g_str_equal(lines[i].key, "health_status") && !agents_health(agent))
      cli_print("%s-\n", lines[i].label);
    else
      agents_line(lines[i].label, agent, lines[i].key);
}
