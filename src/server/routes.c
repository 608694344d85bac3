/* Owns the one table of routes, who may use them, and how a request is refused. Deny by default:
 * what is not in the table does not exist, and who is not the server's own user or root, or is an
 * agent, has no role without a token. */
#include "server/routes.h"

#include "base/error.h"
#include "server/reload.h"
#include "server/seal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const BodyMember body_deploy[] = {
    {.name = "source_name", .type = BODY_TEXT, .required = true, .min = 1, .max = 4096},
    {.name = "source", .type = BODY_TEXT, .required = true},
    {.name = "job", .type = BODY_OBJECT, .required = true},
    {.name = "replace", .type = BODY_BOOL},
    {.name = "plan", .type = BODY_TEXT, .min = 1, .max = 64},
    {NULL}};
static const BodyMember body_plan[] = {{.name = "job", .type = BODY_OBJECT, .required = true},
                                       {NULL}};
static const BodyMember body_scale[] = {
    {.name = "agent", .type = BODY_TEXT, .required = true, .min = 1, .max = 64},
    {.name = "replicas", .type = BODY_INT, .required = true, .min = 1, .max = JOB_REPLICAS_MAX},
    {NULL}};
static const BodyMember body_run[] = {
    {.name = "agent", .type = BODY_TEXT, .required = true, .min = 1, .max = 64}, {NULL}};
static const BodyMember body_restart[] = {{.name = "agent", .type = BODY_TEXT, .min = 1, .max = 80},
                                          {.name = "rolling", .type = BODY_BOOL},
                                          {NULL}};
static const BodyMember body_rollback[] = {
    {.name = "number", .type = BODY_INT, .min = 1, .max = INT32_MAX}, {NULL}};
static const BodyMember body_exec[] = {
    {.name = "agent", .type = BODY_TEXT, .min = 1, .max = 64},
    {.name = "replica", .type = BODY_INT, .min = 0, .max = INT32_MAX},
    {.name = "argv", .type = BODY_TEXTS, .required = true, .min = 1, .max = 1024},
    {.name = "timeout_ms", .type = BODY_INT, .min = 1, .max = 86400000},
    {NULL}};
static const BodyMember body_agent[] = {
    {.name = "agent_name", .type = BODY_TEXT, .required = true, .min = 1, .max = 64}, {NULL}};
static const char *const stop_modes[] = {"refuse", "keep", "down", NULL};
static const BodyMember body_stop[] = {{.name = "mode", .type = BODY_TEXT, .words = stop_modes},
                                       {NULL}};

static const char *const token_roles[] = {"admin", "operator", "viewer", NULL};
static const BodyMember body_token[] = {
    {.name = "name", .type = BODY_TEXT, .required = true, .min = 1, .max = 64},
    {.name = "role", .type = BODY_TEXT, .required = true, .words = token_roles},
    {.name = "expires_s", .type = BODY_INT, .min = 1, .max = 3650 * 86400},
    {NULL}};

static const BodyMember body_secret[] = {
    {.name = "name", .type = BODY_TEXT, .required = true, .min = 1, .max = 64},
    {.name = "value", .type = BODY_TEXT, .required = true, .min = 1, .max = SEAL_VALUE_MAX},
    {NULL}};

/* Parameters of the query, by route. */
static const char *const query_deployments[] = {"status", NULL};
static const char *const query_diff[] = {"from", "to", NULL};
static const char *const query_logs[] = {"agent", "follow", "since", "tail", NULL};
static const char *const query_events[] = {"deployment", NULL};
static const char *const query_wait[] = {"wait", NULL};
static const char *const query_check[] = {"checksum", NULL};
static const char *const query_audit[] = {"action", "actor", "before", "limit",
                                          "object", "since", NULL};

/* The most used route stands first; otherwise the order means nothing. */
const Route routes[] = {
    {.method = "GET",
     .pattern = "/api/deployments/{name}",
     .role = ROLE_VIEWER,
     .handler = get_deployment},
    {.method = "GET",
     .pattern = "/api/deployments",
     .role = ROLE_VIEWER,
     .handler = get_deployments,
     .query = query_deployments},
    {.method = "POST",
     .pattern = "/api/deployments",
     .role = ROLE_OPERATOR,
     .handler = post_deployments,
     .has_body = true,
     .large = true,
     .body = body_deploy},
    {.method = "DELETE",
     .pattern = "/api/deployments/{name}",
     .role = ROLE_OPERATOR,
     .handler = delete_deployment},
    {.method = "POST",
     .pattern = "/api/deployments/{name}/down",
     .role = ROLE_OPERATOR,
     .handler = post_down,
     .has_body = true},
    {.method = "POST",
     .pattern = "/api/deployments/{name}/restart",
     .role = ROLE_OPERATOR,
     .handler = post_restart,
     .has_body = true,
     .body = body_restart},
    {.method = "POST",
     .pattern = "/api/deployments/{name}/cancel",
     .role = ROLE_OPERATOR,
     .handler = post_cancel,
     .has_body = true},
    {.method = "POST",
     .pattern = "/api/deployments/{name}/rollback",
     .role = ROLE_OPERATOR,
     .handler = post_rollback,
     .has_body = true,
     .body = body_rollback},
    {.method = "POST",
     .pattern = "/api/deployments/{name}/scale",
     .role = ROLE_OPERATOR,
     .handler = post_scale,
     .has_body = true,
     .body = body_scale},
    {.method = "POST",
     .pattern = "/api/deployments/{name}/run",
     .role = ROLE_OPERATOR,
     .handler = post_run,
     .has_body = true,
     .body = body_run},
    {.method = "GET",
     .pattern = "/api/deployments/{name}/diff",
     .role = ROLE_VIEWER,
     .handler = get_diff,
     .query = query_diff},
    {.method = "POST",
     .pattern = "/api/plan",
     .role = ROLE_OPERATOR,
     .handler = post_plan,
     .has_body = true,
     .large = true,
     .body = body_plan},
    {.method = "GET", .pattern = "/api/schedules", .role = ROLE_VIEWER, .handler = get_schedules},
    {.method = "POST",
     .pattern = "/api/deployments/{name}/exec",
     .role = ROLE_OPERATOR,
     .handler = post_exec,
     .has_body = true,
     .body = body_exec,
     .stream = true},
    {.method = "GET",
     .pattern = "/api/deployments/{name}/history",
     .role = ROLE_VIEWER,
     .handler = get_history},
    {.method = "GET",
     .pattern = "/api/deployments/{name}/key",
     .role = ROLE_OPERATOR,
     .handler = get_key},
    {.method = "GET",
     .pattern = "/api/deployments/{name}/why",
     .role = ROLE_VIEWER,
     .handler = get_why},
    {.method = "GET",
     .pattern = "/api/deployments/{name}/logs",
     .role = ROLE_VIEWER,
     .handler = get_logs,
     .query = query_logs,
     .stream = true},
    /* the agents directory, in both spellings of its clients */
    {.method = "GET", .pattern = "/agents", .role = ROLE_VIEWER, .handler = get_agents},
    {.method = "GET", .pattern = "/agents/{name}", .role = ROLE_VIEWER, .handler = get_agent},
    {.method = "GET", .pattern = "/status/{name}", .role = ROLE_VIEWER, .handler = get_agent},
    {.method = "GET",
     .pattern = "/agents/{name}/diagnostics",
     .role = ROLE_VIEWER,
     .handler = get_agent_diagnostics},
    {.method = "POST",
     .pattern = "/agents/{name}/start",
     .role = ROLE_OPERATOR,
     .handler = post_agent_start,
     .query = query_wait,
     .has_body = true},
    {.method = "POST",
     .pattern = "/agents/{name}/stop",
     .role = ROLE_OPERATOR,
     .handler = post_agent_stop,
     .query = query_wait,
     .has_body = true},
    {.method = "POST",
     .pattern = "/agents/{name}/restart",
     .role = ROLE_OPERATOR,
     .handler = post_agent_restart,
     .query = query_wait,
     .has_body = true},
    {.method = "POST",
     .pattern = "/start",
     .role = ROLE_OPERATOR,
     .handler = post_start,
     .query = query_wait,
     .has_body = true,
     .body = body_agent},
    {.method = "POST",
     .pattern = "/stop",
     .role = ROLE_OPERATOR,
     .handler = post_stop,
     .query = query_wait,
     .has_body = true,
     .body = body_agent},
    {.method = "POST",
     .pattern = "/restart",
     .role = ROLE_OPERATOR,
     .handler = post_restart_agent,
     .query = query_wait,
     .has_body = true,
     .body = body_agent},
    {.method = "POST",
     .pattern = "/check",
     .role = ROLE_VIEWER,
     .handler = post_check,
     .query = query_check,
     .has_body = true},
    {.method = "POST", .pattern = "/deploy", .role = ROLE_OPERATOR, .handler = post_agents_deploy},
    {.method = "POST",
     .pattern = "/agents/deploy",
     .role = ROLE_OPERATOR,
     .handler = post_agents_deploy},
    {.method = "GET", .pattern = "/health", .role = ROLE_PUBLIC, .handler = get_agents_health},
    {.method = "GET", .pattern = "/api/nodes", .role = ROLE_VIEWER, .handler = get_nodes},
    {.method = "GET",
     .pattern = "/api/events",
     .role = ROLE_VIEWER,
     .handler = get_events,
     .query = query_events,
     .stream = true},
    {.method = "GET", .pattern = "/api/server", .role = ROLE_VIEWER, .handler = get_server},
    {.method = "POST",
     .pattern = "/api/server/stop",
     .role = ROLE_ADMIN,
     .handler = post_server_stop,
     .has_body = true,
     .body = body_stop},
    {.method = "GET", .pattern = "/api/tokens", .role = ROLE_ADMIN, .handler = get_tokens},
    {.method = "POST",
     .pattern = "/api/tokens",
     .role = ROLE_ADMIN,
     .handler = post_tokens,
     .has_body = true,
     .body = body_token},
    {.method = "DELETE",
     .pattern = "/api/tokens/{name}",
     .role = ROLE_ADMIN,
     .handler = delete_token},
    {.method = "GET",
     .pattern = "/api/audit",
     .role = ROLE_OPERATOR,
     .handler = get_audit,
     .query = query_audit},
    {.method = "GET", .pattern = "/api/secrets", .role = ROLE_OPERATOR, .handler = get_secrets},
    {.method = "POST",
     .pattern = "/api/secrets",
     .role = ROLE_ADMIN,
     .handler = post_secrets,
     .has_body = true,
     .body = body_secret},
    {.method = "DELETE",
     .pattern = "/api/secrets/{name}",
     .role = ROLE_ADMIN,
     .handler = delete_secret},
    {.method = "GET", .pattern = "/api/openapi.yaml", .role = ROLE_VIEWER, .handler = get_openapi},
    {.method = "GET",
     .pattern = "/healthz",
     .role = ROLE_PUBLIC,
     .handler = get_health,
     .always = true},
    {.method = "GET", .pattern = "/metrics", .role = ROLE_VIEWER, .handler = get_metrics},
};
const guint routes_n = G_N_ELEMENTS(routes);
G_STATIC_ASSERT(G_N_ELEMENTS(routes) <= METRICS_ROUTES_MAX);

/* Walks pattern and path, which is as it was sent, together; the text of {name} goes to @name,
 * decoded: what is escaped in it separates nothing. */
static bool route_path_fits(const char *pattern, const char *path, char name[65])
{
  while (*pattern && *path) {
    if (*pattern != '{') {
      if (*pattern++ != *path++)
        return false;
      continue;
    }
    size_t n = strcspn(path, "/");
    g_autofree char *segment = g_strndup(path, n), *decoded = http_path_decode(segment);
    if (!decoded || !decoded[0] || strlen(decoded) > 64 || strchr(decoded, '/'))
      return false;
    g_strlcpy(name, decoded, 65);
    path += n;
    pattern = strchr(pattern, '}') + 1;
  }
  return *pattern == '\0' && *path == '\0';
}

static void route_allow(RouteMatch *match, const char *method)
{
  g_strlcat(match->allow, match->allow[0] ? ", " : "", sizeof match->allow);
  g_strlcat(match->allow, method, sizeof match->allow);
}

void route_match(const char *method, const char *path, RouteMatch *match)
{
  bool head = g_str_equal(method, "HEAD");
  match->route = NULL;
  match->allow[0] = '\0';
  for (guint i = 0; i < routes_n; i++) {
    const Route *route = &routes[i];
    char name[65] = "";
    if (!route_path_fits(route->pattern, path, name))
      continue;
    bool get = g_str_equal(route->method, "GET");
    if (g_str_equal(route->method, method) || (head && get && !route->stream)) {
      match->route = route;
      g_strlcpy(match->name, name, sizeof match->name);
      return;
    }
    route_allow(match, route->method);
    if (get && !route->stream)
      route_allow(match, "HEAD");
  }
}

static void route_unknown(Server *server, HttpRequest *request, const RouteMatch *match)
{
  if (!match->allow[0]) {
    route_problem(server, request, REEVE_ERROR_NOT_FOUND, "no such path; see /api/openapi.yaml",
                  NULL, NULL);
    return;
  }
  http_reply_header(request, "Allow", match->allow);
  g_autofree char *detail =
      g_strdup_printf("this path has no such method; allowed: %s", match->allow);
  route_problem_status(server, request, 405, "method", "the path does not have this method", detail,
                       NULL, NULL);
}

/* Reads the body; NULL after an answer. */
static json_t *route_body(const Route *route, Server *server, HttpRequest *request)
{
  size_t length;
  const char *text = http_request_body(request, &length);
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  json_t *body = body_parse(route->body, text, length, problems, &error);
  if (!body)
    route_problem(server, request, error->code, error->message, problems->len ? problems : NULL,
                  NULL);
  return body;
}

size_t routes_body_limit(HttpRequest *request, void *data)
{
  RouteMatch match;
  route_match(http_request_method(request), http_request_path(request), &match);
  return match.route && match.route->large && auth_role(data, request) >= (int)match.route->role
             ? ROUTE_BODY_LARGE
             : 0;
}

/* True when there is no core to answer from; @request has its answer then. Who asks is not known
 * either. */
static bool route_refuse_all(Server *server, HttpRequest *request, const RouteMatch *match)
{
  if (engine_core_state(server->engine) == CORE_STATE_UNREADABLE)
    route_problem(server, request, REEVE_ERROR_STORE_FAILED,
                  "the stored state cannot be read; the server is shutting down", NULL, NULL);
  else if (engine_core_state(server->engine) == CORE_STATE_LOADING &&
           !(match->route && match->route->always))
    route_problem(server, request, REEVE_ERROR_UNAVAILABLE,
                  "the stored state is being read; try again", NULL, NULL);
  else
    return false;
  return true;
}

void routes_handle(HttpRequest *request, void *data)
{
  Server *server = data;
  RouteMatch match;
  http_request_set_data(request, NULL);
  route_match(http_request_method(request), http_request_path(request), &match);
  if (!(match.route && match.route->always) && reload_holds(server, request))
    return;
  Caller caller;
  if (!auth_browser(server, request) || !auth_caller(server, request, &caller) ||
      route_refuse_all(server, request, &match))
    return;
  if (!match.route && caller.role == ROLE_PUBLIC) { /* strangers learn nothing of what there is */
    auth_refuse(server, request, &caller, ROLE_VIEWER);
    return;
  }
  if (!match.route) {
    route_unknown(server, request, &match);
    return;
  }
  http_request_set_data(request, (void *)match.route);
  if (caller.role < match.route->role) {
    auth_refuse(server, request, &caller, match.route->role);
    return;
  }
  g_autofree char *wrong = http_request_query_wrong(request, match.route->query);
  if (wrong) {
    route_problem(server, request, REEVE_ERROR_USAGE, wrong, NULL, NULL);
    return;
  }
  RouteCall call = {.server = server, .request = request, .name = match.name, .role = caller.role};
  json_t *body = NULL;
  if (match.route->has_body) {
    body = route_body(match.route, server, request);
    if (!body)
      return;
  }
  call.body = body;
  g_strlcpy(call.actor, caller.actor, sizeof call.actor);
  match.route->handler(&call);
  json_decref(body);
}
