/* reeve wait */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"

typedef struct WaitFor {
  const char *name, *status; /* wanted */
  bool completed;            /* every instance is */
  bool reached, hopeless, gone;
  char *now;                 /* the status of the deployment, as last heard */
  GHashTable *open, *failed; /* ids of instances that have not completed; that failed for good */
} WaitFor;

/* A state that somebody has to act for does not come by waiting. An agent that its node gave up is
 * not started again by itself. */
static void wait_judge(WaitFor *wait)
{
  const char *now = wait->now ? wait->now : "";
  bool given_up = g_str_equal(now, "degraded") && g_hash_table_size(wait->failed) > 0;
  wait->reached =
      wait->completed ? g_hash_table_size(wait->open) == 0 : g_str_equal(now, wait->status);
  bool stopped = g_str_equal(now, "stopped"), stops = g_str_equal(wait->status, "stopped");
  wait->hopeless = wait->gone || g_str_equal(now, "failed") || (!stops && (stopped || given_up));
}

static void wait_instance(WaitFor *wait, const json_t *instance)
{
  const char *id = jget_str(instance, "id", ""), *state = jget_str(instance, "state", "");
  bool counts = !jget_flag(instance, "left_over", false);
  if (!counts || g_str_equal(state, "completed"))
    g_hash_table_remove(wait->open, id);
  else
    g_hash_table_add(wait->open, g_strdup(id));
  if (counts && g_str_equal(state, "failed") && !jget_flag(instance, "scheduled", false))
    g_hash_table_add(wait->failed, g_strdup(id));
  else
    g_hash_table_remove(wait->failed, id);
}

static void wait_deployment(WaitFor *wait, const json_t *deployment)
{
  if (g_strcmp0(jget_str(deployment, "name", NULL), wait->name) != 0)
    return;
  size_t i;
  const json_t *instance;
  json_array_foreach(json_object_get(deployment, "instances"), i, instance)
      wait_instance(wait, instance);
  g_free(wait->now);
  wait->now = g_strdup(jget_str(deployment, "status", ""));
}

static bool wait_event(const char *type, const json_t *data, void *user)
{
  WaitFor *wait = user;
  size_t i;
  const json_t *deployment;
  if (g_str_equal(type, "reset")) {
    json_array_foreach(json_object_get(data, "deployments"), i, deployment)
        wait_deployment(wait, deployment);
  } else if (g_str_equal(type, "deployment")) {
    wait_deployment(wait, data);
  } else if (g_str_equal(type, "instance") &&
             g_strcmp0(jget_str(data, "deployment", NULL), wait->name) == 0) {
    wait_instance(wait, data);
  } else if (g_str_equal(type, "forgotten") &&
             g_strcmp0(jget_str(data, "name", NULL), wait->name) == 0) {
    wait->gone = true;
  }
  if (wait->now || wait->gone)
    wait_judge(wait);
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

/* Why the state was not reached. @failed: of the stream, or NULL when the server ended it. */
static void wait_explain(const WaitFor *wait, int64_t timeout_ms, GError *failed, GError **error)
{
  const char *name = wait->name, *now = wait->now ? wait->now : "unknown";
  if (wait->gone)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED, "%s was forgotten meanwhile", name);
  else if (wait->hopeless)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_FAILED,
                "%s is %s%s and will not be %s by itself; ask: reeve why %s", name, now,
                g_hash_table_size(wait->failed) ? ", with an agent that is not started again," : "",
                wait->status, name);
  else if (g_error_matches(failed, REEVE_ERROR, REEVE_ERROR_TIMEOUT))
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT,
                "%s is still %s after %.4g s; waited for: %s", name, now, (double)timeout_ms / 1000,
                wait->status);
  else if (failed)
    g_propagate_error(error, g_error_copy(failed));
  else
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "the server ended meanwhile");
}

int cmd_wait(Cli *cli, GError **error)
{
  const char *state = cli_flag(cli, OPT_FOR) ? cli->options.text[OPT_FOR] : "running",
             *name = cli_word(cli, 0);
  json_t *deployment = api_deployment(cli, name, error);
  if (!deployment)
    return 1;
  json_decref(deployment);
  g_autoptr(GHashTable) open = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) given_up = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  WaitFor wait = {.name = name,
                  .status = state,
                  .completed = g_str_equal(state, "completed"),
                  .open = open,
                  .failed = given_up};
  g_autoptr(GError) failed = NULL;
  int64_t timeout_ms = cli_ms(cli, OPT_TIMEOUT, 0);
  api_follow(cli, name, timeout_ms, wait_event, &wait, &failed);
  if (!wait.reached)
    wait_explain(&wait, timeout_ms, failed, error);
  g_free(wait.now);
  return wait.reached ? wait_done(cli, name, error) : 1;
}
