/* Owns the table of routes of an agent, and how a request is refused. */
#include "agent/internal.h"

#include "agent/peers.h"
#include "base/json.h"

#include <string.h>

typedef struct Door {
  const char *method, *path;
  void (*open)(Agent *agent, HttpRequest *request);
} Door;

void door_problem(HttpRequest *request, int status, const char *word, const char *title, const char *detail)
{
  g_autoptr(GString) body = g_string_new(NULL);
  g_autofree char *type = g_strconcat("urn:reeve:problem:", word, NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "type", type);
  jw_str(body, "title", title);
  jw_int(body, "status", status);
  jw_str(body, "code", word);
  jw_str(body, "detail", detail);
  jw_close(body, '}');
  http_reply(request, status, "application/problem+json", body->str, body->len);
}

int door_depth(const HttpRequest *request)
{
  const char *text = http_request_header(request, "x-reeve-depth");
  gint64 depth = 0;
  return text && g_ascii_string_to_signed(text, 10, 0, PEER_DEPTH_MAX, &depth, NULL) ? (int)depth : text ? PEER_DEPTH_MAX : 0;
}

static void door_reply(HttpRequest *request, int status, const char *text)
{
  http_reply(request, status, "application/json", text, strlen(text));
}

static void door_status(Agent *agent, HttpRequest *request)
{
  g_autofree char *text = card_status_text(agent);
  door_reply(request, 200, text);
}

static void door_health(Agent *agent, HttpRequest *request)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "status", "healthy");
  jw_str(body, "agent", agent->file->name);
  jw_close(body, '}');
  door_reply(request, 200, body->str);
}

static void door_card(Agent *agent, HttpRequest *request)
{
  g_autofree char *text = card_text(agent);
  door_reply(request, 200, text);
}

static void door_shutdown(Agent *agent, HttpRequest *request)
{
  door_reply(request, 202, "{\"status\":\"stopping\"}");
  if (!agent->draining)
    agent_drain(agent);
}

static const Door doors[] = {
    {"POST", "/prompt", door_prompt},
    {"POST", "/query", door_query},
    {"GET", "/status", door_status},
    {"GET", "/health", door_health},
    {"GET", "/.well-known/agent-configuration", door_card},
    {"POST", "/shutdown", door_shutdown},
};

/* A page in somebody's browser may send requests to loopback under a name of its own: only names that are ours are answered. */
static bool door_is_ours(const Agent *agent, const HttpRequest *request)
{
  const char *host = http_request_header(request, "host");
  if (!agent->hosts || !host)
    return true; /* HTTP/1.0 sends none, a browser always does */
  size_t n = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
  g_autofree char *name = g_strndup(host[0] == '[' ? host + 1 : host, host[0] == '[' ? n - 1 : n);
  for (guint i = 0; agent->hosts[i]; i++)
    if (g_ascii_strcasecmp(agent->hosts[i], name) == 0)
      return true;
  return false;
}

static void door_open(Agent *agent, HttpRequest *request)
{
  const char *method = http_request_method(request), *path = http_request_path(request), *allowed = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(doors); i++) {
    if (!g_str_equal(doors[i].path, path))
      continue;
    bool head = g_str_equal(method, "HEAD") && g_str_equal(doors[i].method, "GET");
    if (head || g_str_equal(doors[i].method, method)) {
      doors[i].open(agent, request);
      return;
    }
    allowed = doors[i].method;
  }
  if (!allowed) {
    door_problem(request, 404, "not-found", "no such path", "this agent has no such path; see docs/agent.md");
    return;
  }
  http_reply_header(request, "Allow", g_str_equal(allowed, "GET") ? "GET, HEAD" : allowed);
  g_autofree char *detail = g_strdup_printf("allowed: %s", allowed);
  door_problem(request, 405, "method", "the path does not have this method", detail);
}

void doors_handle(HttpRequest *request, void *data)
{
  Agent *agent = data;
  if (!door_is_ours(agent, request))
    door_problem(request, 403, "denied", "the request is for another host", "the Host of the request is none of this agent's names");
  else if (agent->draining && g_str_equal(http_request_method(request), "POST"))
    door_problem(request, 503, "unavailable", "the agent is stopping", "the agent is stopping and takes nothing new");
  else
    door_open(agent, request);
  agent_settle(agent);
}
