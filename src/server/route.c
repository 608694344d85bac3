/* Owns how one request is answered: replies that are counted, problem documents, and what many
 * handlers read from a path or a query. */
#include "server/route.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

static guint route_index(const Server *server, HttpRequest *request)
{
  const Route *route = http_request_data(request);
  return route ? (guint)(route - server->routes) : METRICS_ROUTES_MAX;
}

void route_reply(Server *server, HttpRequest *request, int status, const char *content_type,
                 const char *body, size_t length)
{
  metrics_count(&server->metrics, route_index(server, request), status);
  http_reply(request, status, content_type, body, length);
}

void route_count_stream(Server *server, HttpRequest *request)
{
  metrics_count(&server->metrics, route_index(server, request), 200);
}

void route_problem_status(Server *server, HttpRequest *request, int status, const char *word,
                          const char *title, const char *detail, const GPtrArray *problems,
                          const char *rollout)
{
  g_autoptr(GString) body = g_string_new(NULL);
  g_autofree char *type = g_strconcat("urn:reeve:problem:", word, NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "type", type);
  jw_str(body, "title", title);
  jw_int(body, "status", status);
  jw_str(body, "code", word);
  jw_str(body, "detail", detail);
  if (rollout)
    jw_str(body, "rollout", rollout);
  if (problems) {
    jw_open(body, "problems", '[');
    for (guint i = 0; i < problems->len; i++)
      jw_str(body, NULL, g_ptr_array_index(problems, i));
    jw_close(body, ']');
  }
  jw_close(body, '}');
  route_reply(server, request, status, "application/problem+json", body->str, body->len);
}

void route_problem(Server *server, HttpRequest *request, int code, const char *detail,
                   const GPtrArray *problems, const char *rollout)
{
  if (code == REEVE_ERROR_UNAVAILABLE)
    http_reply_header(request, "Retry-After", "1");
  const char *meaning = reeve_error_meaning(code);
  route_problem_status(server, request, reeve_error_http(code), reeve_error_word(code), meaning,
                       detail ? detail : meaning, problems, rollout);
}

const Deployment *route_deployment(RouteCall *call)
{
  const Deployment *deployment = core_deployment(engine_core(call->server->engine), call->name);
  if (!deployment) {
    g_autofree char *detail =
        g_strdup_printf("find deployment '%s': no such deployment", call->name);
    route_problem(call->server, call->request, REEVE_ERROR_NOT_FOUND, detail, NULL, NULL);
  }
  return deployment;
}

bool route_query_int(RouteCall *call, const char *name, int64_t min, int64_t max, int64_t fallback,
                     int64_t *out)
{
  const char *text = http_request_query(call->request, name);
  *out = fallback;
  if (!text || g_ascii_string_to_signed(text, 10, min, max, out, NULL))
    return true;
  g_autofree char *detail = g_strdup_printf(
      "query parameter '%s' wants a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
      name, min, max);
  route_problem(call->server, call->request, REEVE_ERROR_USAGE, detail, NULL, NULL);
  return false;
}

bool route_query_since(RouteCall *call, int64_t *wall_ms)
{
  const char *text = http_request_query(call->request, "since");
  *wall_ms = text ? time_parse_iso(text) : 0;
  if (*wall_ms >= 0)
    return true;
  route_problem(call->server, call->request, REEVE_ERROR_USAGE,
                "query parameter 'since' wants a time like 2026-01-31T12:00:00Z", NULL, NULL);
  return false;
}
