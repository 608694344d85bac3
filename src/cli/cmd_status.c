/* reeve status */
#include "base/error.h"
#include "base/json.h"
#include "cli/agents.h"
#include "cli/api.h"
#include "cli/show.h"

/* An agent of the agents directory that was never deployed. */
static int status_agent(Cli *cli, const char *name, GError **error)
{
  json_t *agent = (*error)->code == REEVE_ERROR_NOT_FOUND ? agents_look(cli, name, NULL) : NULL;
  if (!agent)
    return 1;
  g_clear_error(error);
  return cli_show(cli, agent, agents_show);
}

/* What the agents directory has to say of a deployment that was made from it. */
static void status_file(Cli *cli, const char *name)
{
  json_t *agent = agents_look(cli, name, NULL);
  const char *path = jget_str(agent, "config_path", NULL),
             *error = jget_str(agent, "error_message", NULL);
  if (path && !g_str_equal(jget_str(agent, "status", ""), "discovered"))
    cli_print("\nagent file: %s\n", path);
  if (path && error)
    cli_note(cli, "%s", error);
  json_decref(agent);
}

static int status_one(Cli *cli, const Target *target, GError **error)
{
  const char *name = target->deployment;
  json_t *deployment = show_fetch_one(cli, target, error);
  if (!deployment)
    return target->agent ? 1 : status_agent(cli, name, error);
  bool well = target->agent ? show_instances_well(deployment) : show_is_well(deployment);
  int code = well ? 0 : reeve_error_exit(REEVE_ERROR_UNHEALTHY);
  cli_show(cli, deployment, show_status);
  if (!cli_is_data(cli))
    status_file(cli, name);
  return code;
}

/* Why a degraded deployment is so, when the server gives no reason: the first instance that is not
 * well. Caller frees; NULL = unknown. */
static char *status_reason(const Cli *cli, const json_t *summary)
{
  bool degraded = g_strcmp0(jget_str(summary, "status", NULL), "degraded") == 0;
  if (!degraded || jget_str(summary, "reason", NULL))
    return api_named(cli, jget_str(summary, "reason", NULL));
  json_t *deployment = api_deployment(cli, jget_str(summary, "name", ""), NULL);
  const json_t *instance;
  char *reason = NULL;
  size_t i;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
  {
    const char *state = jget_str(instance, "state", "?"),
               *health = jget_str(instance, "health", "?"),
               *said = jget_str(instance, "reason", NULL);
    bool running = g_str_equal(state, "running");
    g_autofree char *name = target_name(instance);
    if (reason || (running && g_str_equal(health, "healthy")) || g_str_equal(state, "completed") ||
        g_str_equal(state, "stopped"))
      continue;
    reason = g_strdup_printf("%s %s%s%s", name, running ? health : state, said ? ": " : "",
                             said ? said : "");
  }
  json_decref(deployment);
  return reason;
}

static void status_row(const Cli *cli, Table *table, const json_t *deployment)
{
  g_autofree char *reason = status_reason(cli, deployment);
  const char *status = jget_str(deployment, "status", NULL);
  g_autofree char *since = cli_since(jget_str(deployment, "updated_at", NULL));
  table_cell(table, jget_str(deployment, "name", NULL));
  table_cell(table, status);
  table_color(table, cli_state_color(status));
  table_cell_format(table, "%d", (int)jget_int(deployment, "revision", 0));
  table_cell_format(table, "%d/%d", (int)jget_int(deployment, "healthy", 0),
                    (int)jget_int(deployment, "agents", 0));
  table_cell(table, since);
  table_cell(table, reason);
}

/* A full disk is everybody's business: it is said wherever somebody looks. */
static void status_store(const Cli *cli)
{
  json_t *health = api_get(cli, "/healthz", NULL);
  const char *store = jget_str(health, "store", "ok");
  if (!g_str_equal(store, "ok"))
    cli_note(
        cli,
        "warning: the store is %s; changes are refused until it can be written again, agents keep running",
        store);
  json_decref(health);
}

static void status_table(const Cli *cli, const json_t *answer)
{
  g_autoptr(Table) table = table_new(
      (const char *const[]){"NAME", "STATUS", ">REV", ">HEALTHY", "CHANGED", "REASON", NULL});
  size_t i;
  const json_t *deployment;
  json_array_foreach(json_object_get(answer, "deployments"), i, deployment)
      status_row(cli, table, deployment);
  cli_print_table(cli, table);
  if (!table_rows(table))
    cli_note(cli, "nothing is deployed; try: reeve up FILE");
}

int cmd_status(Cli *cli, GError **error)
{
  status_store(cli);
  g_auto(Target) target = {0};
  if (!target_of(cli, &target, error))
    return 1;
  if (target.deployment)
    return status_one(cli, &target, error);
  return cli_show(cli, api_get(cli, "/api/deployments", error), status_table);
}
