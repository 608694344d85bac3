#pragma once
/* The table of routes. */
#include "model/limits.h"
#include "server/route.h"

extern const Route routes[];
extern const guint routes_n;

/* What a path and method came to. */
typedef struct RouteMatch {
  const Route *route; /* NULL: no such method or path */
  char name[65];
  char allow[64]; /* methods of the path, for 405; empty: no such path */
} RouteMatch;
void route_match(const char *method, const char *path, RouteMatch *match);
/* HttpHandler of the server; @data: Server. */
void routes_handle(HttpRequest *request, void *data);
/* HttpServerConfig.body_limit. A job file and what it resolves to are one body. */
enum { ROUTE_BODY_LARGE = JOB_SEND_BYTES_MAX };
size_t routes_body_limit(HttpRequest *request, void *data);

/* Handlers, by file. */
void get_health(RouteCall *call);
void get_server(RouteCall *call);
void post_server_stop(RouteCall *call);
void get_metrics(RouteCall *call);
void get_openapi(RouteCall *call);
void get_nodes(RouteCall *call);
void get_events(RouteCall *call);
void get_tokens(RouteCall *call);
void post_tokens(RouteCall *call);
void delete_token(RouteCall *call);
void get_audit(RouteCall *call);
void get_secrets(RouteCall *call);
void get_key(RouteCall *call);
void post_secrets(RouteCall *call);
void delete_secret(RouteCall *call);
void get_deployments(RouteCall *call);
void post_deployments(RouteCall *call);
void get_deployment(RouteCall *call);
void delete_deployment(RouteCall *call);
void post_down(RouteCall *call);
void post_restart(RouteCall *call);
void post_cancel(RouteCall *call);
void post_rollback(RouteCall *call);
void post_scale(RouteCall *call);
void post_run(RouteCall *call);
void post_plan(RouteCall *call);
void get_diff(RouteCall *call);
void get_schedules(RouteCall *call);
void get_history(RouteCall *call);
void get_why(RouteCall *call);
void get_logs(RouteCall *call);
void post_exec(RouteCall *call);
void get_agents(RouteCall *call);
void get_agent(RouteCall *call);
void get_agents_health(RouteCall *call);
void get_agent_diagnostics(RouteCall *call);
void post_check(RouteCall *call);
void post_agent_start(RouteCall *call);
void post_agent_stop(RouteCall *call);
void post_agent_restart(RouteCall *call);
void post_start(RouteCall *call);
void post_stop(RouteCall *call);
void post_restart_agent(RouteCall *call);
void post_agents_deploy(RouteCall *call);
