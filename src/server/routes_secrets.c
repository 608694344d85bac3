/* Routes on secrets: set, list by name, remove. A value comes in and never goes out by a route. */
#include "base/error.h"
#include "base/json.h"
#include "server/routes.h"
#include "server/seal.h"

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
  const GPtrArray *secrets = core_secrets(call->server->core);
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

void delete_secret(RouteCall *call)
{
  SecretAsk ask = {.name = call->name};
  Command command = {.type = COMMAND_SECRET_REMOVE, .actor = call->actor, .secret = &ask};
  turn_change(call->server, &command, call->request);
}
