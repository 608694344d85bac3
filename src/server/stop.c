/* Owns the orderly end asked for by POST /api/server/stop: refuse while agents run, keep them, or
 * bring every deployment down in reverse order of creation first. */
#include "server/stop.h"
#include "base/error.h"
#include "base/log.h"
#include "server/leave.h"
#include "server/routes.h"

#include <string.h>

struct Stopping {
  GPtrArray *names; /* of char*: deployments still to stop, the last is next */
  bool busy;        /* stop_continue runs: its own turns must not enter it again */
  bool asked;       /* the last of @names got its down command */
};

/* Alive now, or meant to be. */
static bool stop_is_running(const Instance *instance)
{
  switch (instance->state) {
  case INSTANCE_STARTING:
  case INSTANCE_RUNNING:
  case INSTANCE_BACKOFF:
  case INSTANCE_STOPPING:
    return true;
  case INSTANCE_COMPLETED:
  case INSTANCE_FAILED:
  case INSTANCE_STOPPED:
    return false;
  default:
    return instance->desired_running;
  }
}

guint stop_running_agents(const Server *server, GString *out, const char *key)
{
  guint n = 0;
  const GPtrArray *all = core_deployments(engine_core(server->engine));
  jw_open(out, key, '[');
  for (guint i = 0; i < all->len; i++) {
    const Deployment *deployment = g_ptr_array_index(all, i);
    /* agents: each once, however many replicas */
    g_autoptr(GHashTable) named = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint k = 0; k < deployment->instances->len; k++) {
      const Instance *instance = g_ptr_array_index(deployment->instances, k);
      if (!stop_is_running(instance) || !g_hash_table_add(named, instance->agent))
        continue;
      g_autofree char *name = g_strdup_printf("%s/%s", deployment->name, instance->agent);
      jw_str(out, NULL, name);
      n++;
    }
  }
  jw_close(out, ']');
  return n;
}

static int stop_by_creation(gconstpointer a, gconstpointer b)
{
  const Deployment *first = *(const Deployment *const *)a, *second = *(const Deployment *const *)b;
  return strcmp(first->id, second->id); /* ids grow with creation */
}

static void stop_begin_down(Server *server)
{
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  const GPtrArray *all = core_deployments(engine_core(server->engine));
  for (guint i = 0; i < all->len; i++)
    g_ptr_array_add(sorted, g_ptr_array_index(all, i));
  g_ptr_array_sort(sorted, stop_by_creation);
  server->stopping = g_new0(Stopping, 1);
  server->stopping->names = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < sorted->len; i++)
    g_ptr_array_add(server->stopping->names,
                    g_strdup(((const Deployment *)g_ptr_array_index(sorted, i))->name));
}

void stop_free(Stopping *stopping)
{
  if (!stopping)
    return;
  g_ptr_array_unref(stopping->names);
  g_free(stopping);
}

static bool stop_is_quiet(const Deployment *deployment)
{
  for (guint i = 0; i < deployment->instances->len; i++)
    if (stop_is_running(g_ptr_array_index(deployment->instances, i)))
      return false;
  return !deployment->rollout || deployment->rollout->phase == ROLLOUT_PHASE_DONE;
}

/* One look at the deployment that is next. True when it is done with and the following one may be
 * looked at. */
static bool stop_step(Server *server, const char *name)
{
  Stopping *stopping = server->stopping;
  const Deployment *deployment = core_deployment(engine_core(server->engine), name);
  if (!deployment || stop_is_quiet(deployment))
    return true;
  const Rollout *rollout = deployment->rollout;
  /* such a one has no way back: it is stopped at once */
  if (rollout && rollout->phase != ROLLOUT_PHASE_DONE && !deployment->unreadable) {
    if (rollout->kind != ROLLOUT_KIND_DOWN && !stopping->asked) {
      stopping->asked = true;
      engine_apply(server->engine,
                   &(Command){.type = COMMAND_CANCEL, .deployment = name, .actor = "server:stop"});
    }
    return false;
  }
  if (rollout && rollout->kind == ROLLOUT_KIND_DOWN && stopping->asked) {
    log_warn("deployment did not come down, leaving its agents", "deployment=%s", name);
    return true;
  }
  stopping->asked = true;
  engine_apply(server->engine,
               &(Command){.type = COMMAND_DOWN, .deployment = name, .actor = "server:stop"});
  return false;
}

void stop_continue(Server *server)
{
  Stopping *stopping = server->stopping;
  if (!stopping || stopping->busy || server->leaving || engine_busy(server->engine) ||
      engine_store_state(server->engine) != STORE_STATE_OK)
    return;
  stopping->busy = true;
  while (stopping->names->len &&
         stop_step(server, g_ptr_array_index(stopping->names, stopping->names->len - 1))) {
    g_ptr_array_set_size(stopping->names, (gint)stopping->names->len - 1);
    stopping->asked = false;
  }
  stopping->busy = false;
  if (!stopping->names->len)
    server_leave(server, 0);
}

static void stop_refuse(RouteCall *call, const GString *agents)
{
  g_autofree char *list = g_strndup(agents->str + 1, agents->len - 2);
  g_autofree char *detail = g_strdup_printf(
      "agents are running: %s; stop them with mode 'down' or leave them running with mode 'keep'",
      list);
  for (char *p = detail; *p; p++)
    if (*p == '"')
      *p = '\''; /* the list came as JSON; names hold no quotes */
  route_problem(call->server, call->request, REEVE_ERROR_CONFLICT, detail, NULL, NULL);
}

void post_server_stop(RouteCall *call)
{
  Server *server = call->server;
  const char *mode = jget_str(call->body, "mode", "refuse");
  g_autoptr(GString) agents = g_string_new(NULL);
  guint running = stop_running_agents(server, agents, NULL);
  if (g_str_equal(mode, "refuse") && running) {
    stop_refuse(call, agents);
    return;
  }
  bool down = g_str_equal(mode, "down") && running;
  if (down && engine_store_state(server->engine) != STORE_STATE_OK) {
    route_problem(server, call->request,
                  engine_store_state(server->engine) == STORE_STATE_FULL ? REEVE_ERROR_STORE_FULL
                                                                         : REEVE_ERROR_STORE_FAILED,
                  engine_store_reason(server->engine), NULL, NULL);
    return;
  }
  log_info("stop asked for", "mode=%s actor=%s running=%u", mode, call->actor, running);
  g_autofree char *body =
      g_strdup_printf("{\"mode\":\"%s\",\"running_agents\":%s}", mode, agents->str);
  route_reply(server, call->request, 202, "application/json", body, strlen(body));
  if (!down)
    server_leave(server, 0);
  else if (!server->stopping)
    stop_begin_down(server);
  stop_continue(server);
}
