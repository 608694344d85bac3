/* Routes on secrets: set, list by name, remove. A value comes in and never goes out by a route;
 * only the key of a deployment's own agents, which is derived and no secret of anybody's, is told
 * to who may change the deployment. */
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "core/objects.h"
#include "server/routes.h"
#include "server/seal.h"
#include "server/turn.h"

#include <string.h>

void post_secrets(RouteCall *call)
{
  const char *name = jget_str(call->body, "name", ""), *value = jget_str(call->body, "value", "");
  g_autoptr(GError) error = NULL;
  g_autofree char *sealed = seal_close(call->server->options->data_dir, name, value, &error);
  if (!sealed) {
    route_problem(call->server, call->request, error->code, error->message, NULL, NULL);
    return;
  }
  SecretAsk ask = {.name = name, .sealed = sealed};
  Command command = {.type = COMMAND_SECRET_SET, .actor = call->actor, .secret = &ask};
  turn_change(call->server, &command, call->request);
}

void get_secrets(RouteCall *call)
{
  GString *out = turn_scratch(call->server);
  const GPtrArray *secrets = core_secrets(engine_core(call->server->engine));
  jw_open(out, NULL, '{');
  jw_open(out, "secrets", '[');
  for (guint i = 0; i < secrets->len; i++) {
    const Secret *secret = g_ptr_array_index(secrets, i);
    jw_open(out, NULL, '{');
    jw_str(out, "name", secret->name);
    jw_int(out, "version", secret->version);
    jw_time(out, "created_at", secret->created_at_ms);
    jw_time(out, "updated_at", secret->updated_at_ms);
    jw_str(out, "actor", secret->actor);
    jw_close(out, '}');
  }
  jw_close(out, ']');
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

/* Does Reeve give the agents of @deployment their key? It does to those that it serves, unless the
 * job sets one. */
static bool deployment_has_key(const Deployment *deployment, const char *reference)
{
  for (guint i = 0; i < deployment->instances->len; i++) {
    g_auto(GStrv) references =
        core_instance_references(g_ptr_array_index(deployment->instances, i), NULL);
    if (references && g_strv_contains((const char *const *)references, reference))
      return true;
  }
  return false;
}

void get_key(RouteCall *call)
{
  const Deployment *deployment = route_deployment(call);
  if (!deployment)
    return;
  g_autofree char *purpose = g_strconcat("peer:", deployment->id, NULL),
                  *reference = g_strconcat("AGENT_PEER_KEY=", purpose, NULL);
  if (deployment->unreadable) { /* nobody knows whether they were given it */
    route_problem(call->server, call->request, REEVE_ERROR_CONFLICT, deployment->unreadable, NULL,
                  NULL);
    return;
  }
  if (!deployment_has_key(deployment, reference)) {
    g_autofree char *detail = g_strdup_printf(
        "deployment '%s' has no agent that was given a key by Reeve", deployment->name);
    route_problem(call->server, call->request, REEVE_ERROR_NOT_FOUND, detail, NULL, NULL);
    return;
  }
  g_autoptr(GError) error = NULL;
  char *key = seal_derive(call->server->options->data_dir, purpose, &error);
  if (!key) {
    route_problem(call->server, call->request, error->code, error->message, NULL, NULL);
    return;
  }
  log_info("key of agents told", "deployment=%s actor=%s", deployment->name, call->actor);
  g_autoptr(GString) out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "deployment", deployment->name);
  text_room(&out, 2 * strlen(key)); /* with what JSON needs around it */
  jw_str(out, "key", key);
  jw_close(out, '}');
  seal_wipe(key);
  http_reply_header(call->request, "Cache-Control", "no-store");
  turn_answer(call->server, call->request, 200, "application/json", out);
  explicit_bzero(out->str, out->len);
}

void delete_secret(RouteCall *call)
{
  SecretAsk ask = {.name = call->name};
  Command command = {.type = COMMAND_SECRET_REMOVE, .actor = call->actor, .secret = &ask};
  turn_change(call->server, &command, call->request);
}
