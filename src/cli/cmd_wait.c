/* reeve wait */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"

typedef struct WaitFor {
  const char *name, *status; /* wanted */
  bool completed;            /* every instance is */
  bool reached, hopeless;
  GHashTable *open; /* ids of instances that have not completed */
} WaitFor;

static void wait_status(WaitFor *wait, const char *status)
{
  wait->reached |= !wait->completed && g_str_equal(status, wait->status);
  wait->hopeless |= g_str_equal(status, "failed") || (!g_str_equal(wait->status, "stopped") && g_str_equal(status, "stopped"));
}

static void wait_instance(WaitFor *wait, const json_t *instance)
{
  const char *id = jget_str(instance, "id", "");
  if (g_strcmp0(jget_str(instance, "state", NULL), "completed") == 0)
    g_hash_table_remove(wait->open, id);
  else
    g_hash_table_add(wait->open, g_strdup(id));
}

static void wait_deployment(WaitFor *wait, const json_t *deployment)
{
  if (g_strcmp0(jget_str(deployment, "name", NULL), wait->name) != 0)
    return;
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance) wait_instance(wait, instance);
  wait_status(wait, jget_str(deployment, "status", ""));
}

static bool wait_event(const char *type, const json_t *data, void *user)
{
  WaitFor *wait = user;
  size_t i;
  const json_t *deployment;
  if (g_str_equal(type, "reset")) {
    json_array_foreach(json_object_get(data, "deployments"), i, deployment) wait_deployment(wait, deployment);
  } else if (g_str_equal(type, "deployment")) {
    wait_deployment(wait, data);
  } else if (g_str_equal(type, "instance") && g_strcmp0(jget_str(data, "deployment", NULL), wait->name) == 0) {
    wait_instance(wait, data);
  }
  if (wait->completed && g_hash_table_size(wait->open) == 0)
    wait->reached = true;
  return !wait->reached && !wait->hopeless;
}

/* As data: what was waited for. */
static int wait_done(const Cli *cli, const char *name, GError **error)
{
  json_t *deployment = cli_is_data(cli) ? api_deployment(cli, name, error) : NULL;
  if (deployment)
    cli_print_data(cli, deployment);
  json_decref(deployment);
  return deployment || !cli_is_data(cli) ? 0 : 1;
}

int cmd_wait(Cli *cli, GError **error)
{
  const char *state = cli_flag(cli, OPT_FOR) ? cli->options.text[OPT_FOR] : "running", *name = cli_word(cli, 0);
  json_t *deployment = api_deployment(cli, name, error);
  if (!deployment)
    return 1;
  json_decref(deployment);
  g_autoptr(GHashTable) open = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  WaitFor wait = {.name = name, .status = state, .completed = g_str_equal(state, "completed"), .open = open};
  g_autoptr(GError) failed = NULL;
  bool ok = api_follow(cli, name, cli_ms(cli, OPT_TIMEOUT, 0), wait_event, &wait, &failed);
  if (wait.reached)
    return wait_done(cli, name, error);
  if (wait.hopeless)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "'%s' will not be %s; ask: reeve why %s", name, state, name);
  else if (ok)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "the server ended meanwhile");
  else
    g_propagate_error(error, g_steal_pointer(&failed));
  return 1;
}
