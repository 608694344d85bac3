/* GET /api/audit: what people did, from the history. */
#include "base/error.h"
#include "base/time.h"
#include "server/routes.h"
#include "store/history.h"

#include <string.h>

/* A question on its way; @request is NULL once the peer has gone. */
typedef struct AuditCall {
  Server *server;
  HttpRequest *request;
} AuditCall;

static void audit_gone(void *data)
{
  ((AuditCall *)data)->request = NULL;
}

static void audit_done(const char *body, const GError *error, void *data)
{
  AuditCall *waiting = data;
  if (waiting->request) {
    http_request_on_gone(waiting->request, NULL, NULL);
    if (error)
      route_problem(waiting->server, waiting->request, error->code, error->message, NULL, NULL);
    else
      route_reply(waiting->server, waiting->request, 200, "application/json", body, strlen(body));
  }
  g_free(waiting);
}

void get_audit(RouteCall *call)
{
  Server *server = call->server;
  int64_t limit, since_ms;
  if (!route_query_int(call, "limit", 1, HISTORY_ROWS_MAX, 100, &limit) ||
      !route_query_since(call, &since_ms))
    return;
  AuditQuery query = {.actor = http_request_query(call->request, "actor"),
                      .action = http_request_query(call->request, "action"),
                      .object = http_request_query(call->request, "object"),
                      .before = http_request_query(call->request, "before"),
                      .since_ms = since_ms,
                      .limit = (int)limit};
  AuditCall *waiting = g_new0(AuditCall, 1);
  *waiting = (AuditCall){.server = server, .request = call->request};
  if (!server->leaving && history_audit(server->history, &query, audit_done, waiting)) {
    http_request_on_gone(call->request, audit_gone, waiting);
    return;
  }
  g_free(waiting);
  route_problem(server, call->request, REEVE_ERROR_UNAVAILABLE,
                "too many questions about the past wait, or the server is stopping", NULL, NULL);
}
