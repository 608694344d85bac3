#pragma once
/* The table of routes, and how requests are answered. */
#include "model/limits.h"
#include "server/auth.h"
#include "server/body.h"
#include "server/internal.h"

/* One request on its way through a handler. @name: the {name} of the path; @body: parsed and
 * checked, NULL without a body table. */
typedef struct RouteCall {
  Server *server;
  HttpRequest *request;
  const char *name;
  const json_t *body;
  char actor[AUTH_ACTOR_BYTES];
  Role role; /* of who asks; at least that of the route */
} RouteCall;

typedef void (*RouteHandler)(RouteCall *call);

typedef struct Route {
  const char *method;
  const char *pattern; /* segments; "{name}" matches one segment of 1..64 characters */
  Role role;           /* least role that may use it; PUBLIC: nobody is asked for a token */
  RouteHandler handler;
  bool has_body;          /* a JSON body is read and checked against @body */
  const BodyMember *body; /* NULL with has_body: only {} */
  bool always;            /* answers also while there is no core: it must not look at it */
  bool stream;            /* answers by a stream: no HEAD */
  /* its body may have ROUTE_BODY_LARGE bytes when the caller may send it at all; else 1 MiB */
  bool large;
  /* parameters that it takes, NULL-terminated; every other one is refused. NULL = none */
  const char *const *query;
} Route;

extern const Route routes[];
extern const guint routes_n;

/* What a path and method came to. */
typedef struct RouteMatch {
  const Route *route; /* NULL: no such method or path */
  char name[65];
  char allow[64]; /* methods of the path, for 405; empty: no such path */
} RouteMatch;
void route_match(const char *method, const char *path, RouteMatch *match);
/* The role that the peer with @uid (-1 = not a local socket) has in a server of user @server_uid;
 * -1 = none. */
int route_role(int peer_uid, int server_uid);

/* HttpHandler of the server; @data: Server. */
void routes_handle(HttpRequest *request, void *data);
/* HttpServerConfig.body_limit. A job file and what it resolves to are one body. */
enum { ROUTE_BODY_LARGE = JOB_SEND_BYTES_MAX };
size_t routes_body_limit(HttpRequest *request, void *data);

/* Answers at once and counts. */
void route_reply(Server *server, HttpRequest *request, int status, const char *content_type,
                 const char *body, size_t length);
/* A problem document (RFC 9457) for a ReeveError @code. @problems (of char*) and @rollout become
 * members of their own; both may be NULL. */
void route_problem(Server *server, HttpRequest *request, int code, const char *detail,
                   const GPtrArray *problems, const char *rollout);
/* The document of @status, which no ReeveError stands for; @word is the word of its type. */
void route_problem_status(Server *server, HttpRequest *request, int status, const char *word,
                          const char *title, const char *detail, const GPtrArray *problems,
                          const char *rollout);
/* Counts a stream that begins. */
void route_count_stream(Server *server, HttpRequest *request);
/* The deployment named in the path, or NULL after a 404. */
const Deployment *route_deployment(RouteCall *call);
/* Query parameter @name as a whole number of @min..@max, or @fallback when absent; false after a
 * 400. */
bool route_query_int(RouteCall *call, const char *name, int64_t min, int64_t max, int64_t fallback,
                     int64_t *out);

/* Query parameter "since" as a point in time, 0 when absent; false after a 400. */
bool route_query_since(RouteCall *call, int64_t *wall_ms);

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
