#pragma once
/* Talking to the server: over its control socket, or with --server URL over TCP with a token. */
#include "cli/cli.h"
#include "net/http_client.h"

enum { API_TIMEOUT_MS = 30000, API_REPLY_BYTES_MAX = 64 * 1024 * 1024, API_STREAMS_MAX = 1000 };

/* One request on its way to the server; the strings live as long as it does. */
typedef struct ApiCall {
  HttpCallSpec spec;
  char *url, *socket, *header;
  const char *headers[2];
} ApiCall;
/* Prepares a call of @path ("/api/deployments") at the server that @cli means. False with @error
 * when the URL or the token cannot be used.
 */
bool api_call_init(ApiCall *call, const Cli *cli, const char *path, GError **error);
void api_call_done(ApiCall *call);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ApiCall, api_call_done)
/* Says once that the token of a remote server goes there in clear: by http, and not to this
 * machine. */
void api_warn_in_clear(const Cli *cli);
/* URL of the server that --server or REEVE_SERVER names, NULL = the control socket. Borrowed. */
const char *api_remote(const Cli *cli);
/* Calls @method @path ("/api/deployments") with @body (JSON text or NULL). Returns the parsed
 * answer (caller's reference) and its status in
 * @status (may be NULL). A problem document becomes an error whose code is its type and whose
 * message is its detail and all problems; no answer is REEVE_ERROR_UNAVAILABLE and says how to
 * start a server. */
json_t *api_call(const Cli *cli, const char *method, const char *path, const char *body,
                 int *status, GError **error);
json_t *api_get(const Cli *cli, const char *path, GError **error);
/* DELETEs @collection ("/api/secrets/") and @name, escaped. */
bool api_delete(const Cli *cli, const char *collection, const char *name, GError **error);
/* GET /api/deployments/NAME with instances. */
json_t *api_deployment(const Cli *cli, const char *name, GError **error);
/* "/api/deployments/NAME" and @rest, NAME escaped. Caller frees. */
char *api_path(const char *name, const char *rest);
/* Who did something, for people: the name of the user instead of "uid:0", when the server is on
 * this machine. Caller frees. */
char *api_actor(const Cli *cli, const char *actor);
/* A copy of @text (NULL = ""), a cause or a reason, in which every "by uid:0" has the name instead.
 * Caller frees. */
char *api_named(const Cli *cli, const char *text);
/* The error that a problem document with @status stands for. */
void api_problem(const char *body, size_t length, int status, GError **error);
/* True when a server answers on the control socket. */
bool api_alive(const Cli *cli);

/* One server-sent event; @data parsed, borrowed. False = enough. */
typedef bool (*ApiEventFn)(const char *type, const json_t *data, void *user);

/* Cuts a stream of bytes into events. */
typedef struct ApiEvents {
  GString *line; /* not yet ended */
  GString *data;
  char *type;
  ApiEventFn event;
  void *user;
  bool enough; /* the callback said so */
} ApiEvents;
void api_events_init(ApiEvents *events, ApiEventFn event, void *user);
void api_events_done(ApiEvents *events);
/* The stream has ended and another begins: what was half read is void. The new one begins with a
 * snapshot (`reset`). */
void api_events_again(ApiEvents *events);
/* False as soon as the callback has enough. */
bool api_events_feed(ApiEvents *events, const char *bytes, size_t length);
/* Path of the event stream of @name (NULL = all). Caller frees. */
char *api_events_path(const char *name);
/* Follows events until @event has enough, the server is gone, or @timeout_ms (0 = none;
 * REEVE_ERROR_TIMEOUT). A stream that the server ended because we read too slowly is begun again,
 * with a snapshot. */
bool api_follow(const Cli *cli, const char *name, int64_t timeout_ms, ApiEventFn event, void *user,
                GError **error);
/* GETs @path as a stream for who reads our output; false without @error when nobody did before it
 * answered. */
bool api_stream(const Cli *cli, const char *path, HttpData data, void *user, GError **error);
/* POSTs @body to @path and streams the answer, also that of a refusal. Returns its status, 0 with
 * @error when there was no answer, and without when nobody read our output any more. */
int api_stream_post(const Cli *cli, const char *path, const char *body, HttpData data, void *user,
                    GError **error);
