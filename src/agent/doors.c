/* Owns the table of all doors, who may open one, and the small doors that are no protocol: health,
 * status, metrics, sessions, shutdown. */
#include "agent/door.h"

#include "agent/a2a.h"
#include "base/json.h"
#include "base/log.h"
#include "net/browser.h"

#include <string.h>

/* ---- the small doors ---- */

static void open_status(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autofree char *text = card_status_text(agent);
  door_reply(request, 200, text, strlen(text));
}

static void open_health(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "status", "healthy");
  jw_str(body, "agent", agent->file->name);
  jw_close(body, '}');
  door_reply(request, 200, body->str, body->len);
}

static void open_card(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autofree char *text = card_text(agent);
  door_reply(request, 200, text, strlen(text));
}

static void open_shutdown(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  static const char text[] = "{\"status\":\"stopping\"}";
  door_reply(request, 202, text, sizeof text - 1);
  if (!agent->draining)
    agent_drain(agent);
}

static void open_metrics(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autoptr(GString) out = g_string_new(NULL);
  agent_metrics(agent, out);
  http_reply(request, 200, "text/plain; version=0.0.4", out->str, out->len);
}

static void open_sessions(Agent *agent, HttpRequest *request, const char *rest)
{
  (void)rest;
  g_autoptr(GString) out = g_string_new("{");
  jw_int(out, "active_sessions", sessions_count(agent->sessions));
  jw_int(out, "max_sessions", SESSIONS_MAX);
  jw_int(out, "timeout_minutes", SESSION_TTL_MS / 60000);
  jw_close(out, '}');
  door_reply(request, 200, out->str, out->len);
}

static void open_session(Agent *agent, HttpRequest *request, const char *rest)
{
  if (sessions_remove(agent->sessions, rest))
    http_reply(request, 204, "application/json", "", 0);
  else
    door_refuse(door_refuse_problem, request, 404, "not-found", "no such session",
                "there is no session of this name (any more)");
}

static const DoorRow small[] = {
    {"GET", "/health", open_health, door_refuse_problem, true},
    {"GET", "/.well-known/agent-configuration", open_card, door_refuse_problem, true},
    {"GET", "/status", open_status, door_refuse_problem, false},
    {"GET", "/metrics", open_metrics, door_refuse_problem, false},
    {"GET", "/api/sessions", open_sessions, door_refuse_problem, false},
    {"DELETE", "/api/sessions/", open_session, door_refuse_problem, false},
    {"POST", "/shutdown", open_shutdown, door_refuse_problem, false},
};
static const DoorRows small_rows = {small, G_N_ELEMENTS(small)};
static const DoorRows *const all_rows[] = {&small_rows, &prompt_rows, &ollama_rows, &openai_rows,
                                           &a2a_rows};

/* ---- the way in ---- */

/* @path as doors are named: clients that join a base URL and a path carelessly send `//v1/models`
 * and `/v1/models/`. Caller frees. */
static char *path_plain(const char *path)
{
  GString *plain = g_string_new(NULL);
  for (const char *p = path; *p; p++)
    if (p[0] != '/' || p[1] != '/')
      g_string_append_c(plain, *p);
  if (plain->len > 1 && plain->str[plain->len - 1] == '/')
    g_string_truncate(plain, plain->len - 1);
  return g_string_free(plain, FALSE);
}

/* What came in @path after a row's path, or NULL when they do not match. */
static const char *row_rest(const DoorRow *row, const char *path)
{
  size_t n = strlen(row->path);
  if (n > 1 && row->path[n - 1] == '/')
    return g_str_has_prefix(path, row->path) && path[n] ? path + n : NULL;
  return g_str_equal(row->path, path) ? "" : NULL;
}

static bool row_has(const DoorRow *row, const char *method)
{
  return g_str_equal(row->method, method) ||
         (g_str_equal(method, "HEAD") && g_str_equal(row->method, "GET"));
}

/* The row for @path and, if there is one, @method; @rest is what came after its path. NULL when the
 * path is none of ours. */
static const DoorRow *door_find(const char *method, const char *path, const char **rest)
{
  const DoorRow *found = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(all_rows); i++) {
    for (size_t k = 0; k < all_rows[i]->n; k++) {
      const DoorRow *row = &all_rows[i]->rows[k];
      const char *after = row_rest(row, path);
      if (!after)
        continue;
      found = row;
      *rest = after;
      if (row_has(row, method))
        return row;
    }
  }
  return found;
}

static void refuse_method(const DoorRow *row, HttpRequest *request)
{
  http_reply_header(request, "Allow", g_str_equal(row->method, "GET") ? "GET, HEAD" : row->method);
  g_autofree char *detail = g_strdup_printf("allowed: %s", row->method);
  door_refuse(row->refuse, request, 405, "method", "the path does not have this method", detail);
}

/* False after an answer. */
static bool door_knows(Agent *agent, HttpRequest *request, DoorRefuse refuse)
{
  DoorKeyState state = door_keys_check(agent->doors->keys, request);
  if (state == DOOR_KEY_GOOD)
    return true;
  if (state == DOOR_KEY_LIMITED) {
    AskResult no = {.status = 429,
                    .word = "rate-limited",
                    .title = "too many wrong keys",
                    .detail = "too many wrong keys came from this address; wait a second",
                    .retry_after_s = 1};
    door_refuse_result(refuse, request, &no);
    return false;
  }
  if (state == DOOR_KEY_WRONG)
    log_warn("key refused", "peer=%s", http_request_peer_address(request));
  http_reply_header(request, "WWW-Authenticate",
                    state == DOOR_KEY_WRONG ? "Bearer realm=\"agent\", error=\"invalid_token\""
                                            : "Bearer realm=\"agent\"");
  door_refuse(refuse, request, 401, "unauthorized", "a key is required",
              "send the key of this agent as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'");
  return false;
}

/* A page in somebody's browser may send requests to loopback under a name of its own: only names
 * that are ours are answered there. */
static bool door_is_ours(const Agent *agent, const HttpRequest *request)
{
  const char *host = http_request_header(request, "host");
  /* HTTP/1.0 sends none, a browser always does */
  return agent->beyond || !host || browser_host_is(host, (const char *const *)agent->hosts, 0);
}

/* Where everybody needs a key, a name that somebody bound to our address does no harm. */
static BrowserRules door_rules(const Agent *agent)
{
  bool any = agent->beyond && door_keys_wanted(agent->doors->keys);
  return (BrowserRules){.origins = (const char *const *)agent->origins,
                        .hosts = any ? NULL : (const char *const *)agent->hosts};
}

/* False after an answer: a request for another host, a preflight, or one that a page may not send.
 */
static bool door_admits(const Agent *agent, HttpRequest *request, DoorRefuse refuse)
{
  BrowserRules rules = door_rules(agent);
  const char *why = NULL;
  if (!door_is_ours(agent, request)) {
    door_refuse(refuse, request, 403, "denied", "the request is for another host",
                "the Host of the request is none of this agent's names");
    return false;
  }
  if (browser_preflight(request, &rules))
    return false;
  int status = browser_refuse(request, &rules, &why);
  if (status)
    door_refuse(refuse, request, status, status == 415 ? "media-type" : "denied",
                "a web page may not send this", why);
  return status == 0;
}

/* While the agent drains, what others began may still be looked at and ended. */
static bool row_takes_new(const DoorRow *row)
{
  return g_str_equal(row->method, "POST") && !g_str_equal(row->path, "/a2a") &&
         !g_str_equal(row->path, "/shutdown");
}

/* How a path says no where there is no door: clients of a protocol show nothing of an answer in
 * another shape. */
static DoorRefuse path_refuse(const char *path)
{
  return g_str_has_prefix(path, "/v1/")    ? openai_refuse
         : g_str_has_prefix(path, "/api/") ? ollama_refuse
                                           : door_refuse_problem;
}

static bool is_compressed(const HttpRequest *request)
{
  const char *coding = http_request_header(request, "content-encoding");
  return coding && coding[0] && g_ascii_strcasecmp(coding, "identity") != 0;
}

static void door_open(Agent *agent, HttpRequest *request)
{
  const char *method = http_request_method(request), *after = "";
  g_autofree char *path = path_plain(http_request_path(request));
  const DoorRow *row = door_find(method, path, &after);
  g_autofree char *rest = http_path_decode(after);
  DoorRefuse refuse = row ? row->refuse : path_refuse(path);
  BrowserRules rules = door_rules(agent);
  browser_share(request, &rules);
  if (!door_admits(agent, request, refuse))
    return;
  if (!row)
    door_refuse(refuse, request, 404, "not-found", "no such path",
                "this agent has no such path; see docs/agent.md");
  else if (!row->is_public && !door_knows(agent, request, refuse))
    return;
  else if (!row_has(row, method))
    refuse_method(row, request);
  else if (is_compressed(request))
    door_refuse(refuse, request, 415, "usage", "the body is compressed",
                "send the body as it is, without Content-Encoding");
  else if (agent->draining && row_takes_new(row))
    door_refuse(refuse, request, 503, "unavailable", "the agent is stopping",
                "the agent is stopping and takes nothing new");
  else
    row->open(agent, request, rest);
}

void doors_handle(HttpRequest *request, void *data)
{
  Agent *agent = data;
  door_open(agent, request);
  agent_settle(agent);
}

void doors_refuse(HttpRequest *request, int status, const char *word, const char *detail,
                  void *data)
{
  Agent *agent = data;
  const char *rest;
  g_autofree char *path = path_plain(http_request_path(request));
  const DoorRow *row = door_find(http_request_method(request), path, &rest);
  BrowserRules rules = door_rules(agent);
  browser_share(request, &rules);
  door_refuse(row ? row->refuse : path_refuse(path), request, status, word,
              "the request is not as it should be", detail);
  agent_settle(agent);
}

Doors *doors_new(const AgentFile *file, bool beyond, GError **error)
{
  DoorKeys *keys = door_keys_new(file, beyond, error);
  if (!keys)
    return NULL;
  Doors *doors = g_new(Doors, 1);
  *doors = (Doors){.keys = keys, .tasks = a2a_tasks_new()};
  return doors;
}

void doors_free(Doors *doors)
{
  if (!doors)
    return;
  door_keys_free(doors->keys);
  a2a_tasks_free(doors->tasks);
  g_free(doors);
}
