/* Routes on the server itself: health, state, metrics, nodes, events, the API's description. */
#include "base/clock.h"
#include "base/error.h"
#include "core/render.h"
#include "server/metrics_text.h"
#include "server/openapi.h"
#include "server/registry.h"
#include "server/routes.h"
#include "server/stop.h"
#include "server/turn.h"

#include <unistd.h>

static const char *const store_words[] = {
    [STORE_STATE_OK] = "ok", [STORE_STATE_FULL] = "full", [STORE_STATE_FAILED] = "failed"};

void get_health(RouteCall *call)
{
  Server *server = call->server;
  GString *out = turn_scratch(server);
  jw_open(out, NULL, '{');
  jw_str(out, "status", engine_store_state(server->engine) == STORE_STATE_OK ? "ok" : "degraded");
  jw_str(out, "version", REEVE_VERSION);
  jw_str(out, "store", store_words[engine_store_state(server->engine)]);
  jw_int(out, "pid", getpid());
  jw_close(out, '}');
  /* Says nothing that could be uncommitted, and must answer when the store hangs. */
  route_reply(server, call->request, 200, "application/json", out->str, out->len);
}

void get_server(RouteCall *call)
{
  Server *server = call->server;
  GString *out = turn_scratch(server);
  jw_open(out, NULL, '{');
  jw_int(out, "pid", getpid());
  jw_str(out, "version", REEVE_VERSION);
  jw_int(out, "uptime_ms", clock_boot_ms() - server->started_boot_ms);
  jw_str(out, "data_dir", server->options->data_dir);
  jw_str(out, "listen", server->listen_text);
  jw_str(out, "listen_note", server->listen_note);
  jw_str(out, "registry", registry_address(server->registry));
  jw_str(out, "registry_problem", registry_problem(server->registry));
  jw_str(out, "store", store_words[engine_store_state(server->engine)]);
  jw_str(out, "store_reason", engine_store_reason(server->engine));
  stop_running_agents(server, out, "running_agents");
  jw_str(out, "boot_id", clock_boot_id());
  jw_str(out, "agents_user", server->options->agents_user);
  jw_close(out, '}');
  turn_answer(server, call->request, 200, "application/json", out);
}

void get_metrics(RouteCall *call)
{
  GString *out = turn_scratch(call->server);
  metrics_render(call->server, out);
  turn_answer(call->server, call->request, 200, "text/plain; version=0.0.4; charset=utf-8", out);
}

void get_openapi(RouteCall *call)
{
  route_reply(call->server, call->request, 200, "application/yaml", openapi_text, openapi_length);
}

void get_nodes(RouteCall *call)
{
  GString *out = turn_scratch(call->server);
  const GPtrArray *nodes = core_nodes(engine_core(call->server->engine));
  jw_open(out, NULL, '{');
  jw_open(out, "nodes", '[');
  for (guint i = 0; i < nodes->len; i++)
    render_node(out, g_ptr_array_index(nodes, i));
  jw_close(out, ']');
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

/* What a watcher asked for, until its snapshot may leave. */
typedef struct EventsCall {
  char *deployment, *last_id, *caller;
} EventsCall;

static void events_leave(Server *server, HttpRequest *request, const char *body, void *data)
{
  EventsCall *wanted = data;
  if (request && !server->leaving) {
    route_count_stream(server, request);
    EventsQuery query = {
        .deployment = wanted->deployment, .last_id = wanted->last_id, .caller = wanted->caller};
    events_follow(server->events, request, &query, body);
  } else if (request) {
    route_problem(server, request, REEVE_ERROR_UNAVAILABLE, "the server is stopping", NULL, NULL);
  }
  g_free(wanted->deployment);
  g_free(wanted->last_id);
  g_free(wanted->caller);
  g_free(wanted);
}

static void events_snapshot(GString *out, const Core *core, const char *name)
{
  const GPtrArray *all = core_deployments(core);
  jw_open(out, NULL, '{');
  jw_open(out, "deployments", '[');
  for (guint i = 0; i < all->len; i++) {
    const Deployment *deployment = g_ptr_array_index(all, i);
    if (!name || g_str_equal(name, deployment->name))
      render_deployment(out, deployment, RENDER_INSTANCES);
  }
  jw_close(out, ']');
  jw_close(out, '}');
}

void get_events(RouteCall *call)
{
  Server *server = call->server;
  bool own = events_streams_of(server->events, call->actor) >= EVENTS_CALLER_MAX;
  if (own || events_streams(server->events) >= EVENTS_STREAMS_MAX ||
      http_server_backlog(server->http) + http_server_backlog(server->tcp) > EVENTS_UNREAD_MAX) {
    route_problem(server, call->request, REEVE_ERROR_UNAVAILABLE,
                  own ? "this caller has too many event streams open"
                      : "too many event streams are open, or too much of them is not read",
                  NULL, NULL);
    return;
  }
  EventsCall *wanted = g_new0(EventsCall, 1);
  wanted->deployment = g_strdup(http_request_query(call->request, "deployment"));
  wanted->caller = g_strdup(call->actor);
  wanted->last_id = g_strdup(http_request_header(call->request, "Last-Event-ID"));
  GString *out = turn_scratch(server);
  /* The snapshot is taken even for one who resumes: by the time it may leave, the ring may have
   * moved on. It is cheap beside that. */
  events_snapshot(out, engine_core(server->engine), wanted->deployment);
  turn_leave_later(server, call->request, out, events_leave, wanted);
}
