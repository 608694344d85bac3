/* Requests to the registries of dynamic deployments. Whoever does not show the key of one learns
 * nothing, not even whether there is one; web pages are refused before anybody looks at the key,
 * since they may well have read it somewhere. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "core/objects.h"
#include "net/address.h"
#include "server/registry.h"
#include "server/reload.h"
#include "server/routes.h"
#include "server/turn.h"

#include <stdlib.h>
#include <string.h>

enum { REGISTRY_ID_MAX = 256 };

static const BodyMember body_register[] = {
    {.name = "id", .type = BODY_TEXT, .required = true, .min = 1, .max = REGISTRY_ID_MAX},
    {.name = "name", .type = BODY_TEXT, .required = true, .min = 1, .max = 256},
    {.name = "url", .type = BODY_TEXT, .required = true, .min = 1, .max = 2048},
    {.name = "description", .type = BODY_TEXT},
    {.name = "skills", .type = BODY_LIST},
    {.name = "tags", .type = BODY_TEXTS},
    {.name = "metadata", .type = BODY_OBJECT},
    {NULL}};
static const char *const query_list[] = {"healthy_only", NULL};
static const char *const query_search[] = {"healthy_only", "name", "skill", "tag", NULL};

/* One request that has shown the key of @deployment. @id: the decoded rest of a path /agents/ID. */
typedef struct RegistryCall {
  Server *server;
  HttpRequest *request;
  const Deployment *deployment;
  const char *id;
} RegistryCall;

/* ---- registering ---- */

/* The port of @url into @port, 0 = it names none. False with @error: it is no http URL of this
 * machine. */
static bool registry_url_port(const char *url, int *port, GError **error)
{
  /* where many agents listen, and what they then say of themselves */
  static const char *const any[] = {"0.0.0.0", "::", NULL};
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  const char *host = uri ? g_uri_get_host(uri) : NULL;
  if (!host || strcmp(g_uri_get_scheme(uri), "http") != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "member 'url' is no URL of the form http://localhost:PORT");
    return false;
  }
  if (!address_is_loopback(host) && !g_strv_contains(any, host)) {
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_INVALID,
        "member 'url' names another machine; agents of this registry run on this one: http://localhost:PORT");
    return false;
  }
  *port = MAX(g_uri_get_port(uri), 0);
  return true;
}

/* Text or an object with a text 'name', 'id' or 'description': what search looks at. */
static bool registry_skills_fit(const json_t *skills)
{
  size_t i;
  const json_t *skill;
  json_array_foreach(skills, i,
                     skill) if (!json_is_string(skill) && !json_is_object(skill)) return false;
  return true;
}

static void registry_register(RegistryCall *call)
{
  size_t length;
  int port;
  const char *text = http_request_body(call->request, &length);
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  json_t *body = body_parse(body_register, text, length, problems, &error);
  if (body && !registry_skills_fit(json_object_get(body, "skills")))
    g_set_error(&error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "member 'skills' holds something else than texts and objects");
  if (error || !registry_url_port(jget_str(body, "url", ""), &port, &error)) {
    route_problem(call->server, call->request, error->code, error->message,
                  problems->len ? problems : NULL, NULL);
    json_decref(body);
    return;
  }
  g_autofree char *id = g_strdup(jget_str(body, "id", ""));
  json_object_del(body, "url"); /* ours counts */
  char *said = json_dumps(body, JSON_COMPACT);
  json_decref(body);
  RegistrationAsk ask = {.id = id, .port = port, .said = said};
  Command command = {
      .type = COMMAND_REGISTER, .deployment = call->deployment->id, .registration = &ask};
  turn_change(call->server, &command, call->request);
  free(said);
}

static void registry_deregister(RegistryCall *call)
{
  RegistrationAsk ask = {.id = call->id};
  Command command = {
      .type = COMMAND_DEREGISTER, .deployment = call->deployment->id, .registration = &ask};
  turn_change(call->server, &command, call->request);
}

/* ---- looking ---- */

/* @healthy_only as the request says, else as it is; false after a 422. */
static bool registry_flag(const RegistryCall *call, bool *healthy_only)
{
  static const char *const yes[] = {"true", "1", "yes", "on", NULL}, *const no[] = {"false", "0",
                                                                                    "no", "off",
                                                                                    NULL};
  const char *text = http_request_query(call->request, "healthy_only");
  g_autofree char *lower = text ? g_ascii_strdown(text, -1) : NULL;
  if (lower && !g_strv_contains(yes, lower) && !g_strv_contains(no, lower)) {
    route_problem(call->server, call->request, REEVE_ERROR_INVALID,
                  "query parameter 'healthy_only' wants true or false", NULL, NULL);
    return false;
  }
  *healthy_only = lower ? g_strv_contains(yes, lower) : *healthy_only;
  return true;
}

static void registry_answer(RegistryCall *call, const GString *out)
{
  turn_answer(call->server, call->request, 200, "application/json", out);
}

static void registry_get_list(RegistryCall *call)
{
  RegistryQuery query = {0};
  GString *out = turn_scratch(call->server);
  if (!registry_flag(call, &query.healthy_only))
    return;
  registry_list(out, engine_core(call->server->engine), call->deployment, &query,
                engine_now(call->server->engine));
  registry_answer(call, out);
}

/* Clients that look for one thing send the others empty. */
static const char *registry_part(const RegistryCall *call, const char *name)
{
  const char *text = http_request_query(call->request, name);
  return text && text[0] ? text : NULL;
}

static void registry_get_found(RegistryCall *call)
{
  RegistryQuery query = {.skill = registry_part(call, "skill"),
                         .tag = registry_part(call, "tag"),
                         .name = registry_part(call, "name"),
                         .healthy_only = true};
  GString *out = turn_scratch(call->server);
  if (!registry_flag(call, &query.healthy_only))
    return;
  registry_list(out, engine_core(call->server->engine), call->deployment, &query,
                engine_now(call->server->engine));
  registry_answer(call, out);
}

static void registry_get_one(RegistryCall *call)
{
  GString *out = turn_scratch(call->server);
  if (registry_entry(out, engine_core(call->server->engine), call->deployment, call->id,
                     engine_now(call->server->engine))) {
    registry_answer(call, out);
    return;
  }
  g_autofree char *safe = text_escape(call->id, REGISTRY_ID_MAX);
  g_autofree char *detail = g_strdup_printf("no agent '%s' in the registry of deployment '%s'",
                                            safe, call->deployment->name);
  route_problem(call->server, call->request, REEVE_ERROR_NOT_FOUND, detail, NULL, NULL);
}

static void registry_get_health(RegistryCall *call)
{
  GString *out = turn_scratch(call->server);
  registry_health(out, call->deployment);
  registry_answer(call, out);
}

/* The first that fits counts. A path that ends in "/" has the id of an agent behind it. */
static const struct {
  const char *method, *path;
  void (*handle)(RegistryCall *call);
  const char *const *query;
} registry_routes[] = {{"GET", "/agents", registry_get_list, query_list},
                       {"GET", "/agents/search", registry_get_found, query_search},
                       {"POST", "/agents/register", registry_register, NULL},
                       {"GET", "/agents/", registry_get_one, NULL},
                       {"DELETE", "/agents/", registry_deregister, NULL},
                       {"GET", "/health", registry_get_health, NULL}};

static bool registry_path_fits(const char *pattern, const char *path)
{
  return g_str_has_suffix(pattern, "/") ? g_str_has_prefix(path, pattern) && path[strlen(pattern)]
                                        : strcmp(pattern, path) == 0;
}

static void registry_route(RegistryCall *call, const char *path)
{
  const char *method = strcmp(http_request_method(call->request), "HEAD") == 0
                           ? "GET"
                           : http_request_method(call->request);
  for (size_t i = 0; i < G_N_ELEMENTS(registry_routes); i++) {
    if (strcmp(registry_routes[i].method, method) != 0 ||
        !registry_path_fits(registry_routes[i].path, path))
      continue;
    g_autofree char *wrong = http_request_query_wrong(call->request, registry_routes[i].query);
    g_autofree char *id = http_path_decode(path + MIN(strlen(path), strlen("/agents/")));
    call->id = id;
    if (wrong || !id || strlen(id) > REGISTRY_ID_MAX)
      route_problem(call->server, call->request, REEVE_ERROR_USAGE,
                    wrong ? wrong : "the id in the path is broken or too long", NULL, NULL);
    else
      registry_routes[i].handle(call);
    return;
  }
  route_problem(
      call->server, call->request, REEVE_ERROR_NOT_FOUND,
      "the registry has GET /agents, /agents/search, /agents/ID and /health, POST /agents/register, DELETE /agents/ID",
      NULL, NULL);
}

/* ---- who may ask ---- */

/* Nothing else is told to strangers. */
static void registry_turn_away(HttpRequest *request, int status)
{
  http_reply(request, status, "text/plain", "", 0);
}

/* A page in somebody's browser, or a name that somebody has bound to our address. */
static bool registry_is_foreign(const RegistryDoor *door, HttpRequest *request)
{
  const char *site = http_request_header(request, "sec-fetch-site");
  return http_request_header(request, "origin") || (site && strcmp(site, "none") != 0) ||
         !auth_host_is_local(http_request_header(request, "host"), door->port);
}

static void registry_stranger(const RegistryDoor *door, HttpRequest *request)
{
  const char *address = http_request_peer_address(request);
  bool limited = !limiter_count(door->limiter, address, clock_boot_ms());
  if (limited)
    http_reply_header(request, "Retry-After", "1");
  else
    log_warn("registry refused a key", "peer=%s", address);
  registry_turn_away(request, limited ? 429 : 404);
}

void registry_handle(HttpRequest *request, void *data)
{
  const RegistryDoor *door = data;
  const char *path = http_request_path(request);
  const char *rest = g_str_has_prefix(path, "/r/") ? strchr(path + 3, '/') : NULL;
  g_autofree char *key = rest ? g_strndup(path + 3, (gsize)(rest - path - 3)) : NULL;
  g_autoptr(GError) error = NULL;
  if (registry_is_foreign(door, request)) {
    registry_turn_away(request, 403);
    return;
  }
  if (reload_holds(door->server, request))
    return;
  if (engine_core_state(door->server->engine) != CORE_STATE_READY) {
    registry_turn_away(request, 503);
    return;
  }
  const Deployment *deployment = key ? registry_deployment_of(door->registry, key, &error) : NULL;
  if (error) {
    log_error("keys of registries cannot be derived", "error=\"%s\"", error->message);
    registry_turn_away(request, 503);
    return;
  }
  if (!deployment) {
    registry_stranger(door, request);
    return;
  }
  RegistryCall call = {.server = door->server, .request = request, .deployment = deployment};
  registry_route(&call, rest);
}
