#pragma once
/* One request on its way through a handler, and how it is answered. */
#include "server/auth.h"
#include "server/body.h"
#include "server/state.h"

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
