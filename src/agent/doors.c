/* Owns the table of all doors, who may open one, and the small doors that are no protocol: health, status, metrics, sessions, shutdown. */
#include "agent/door.h"

#include "agent/a2a.h"
#include "agent/peers.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/system.h"

#include <string.h>

/* ---- refusals ---- */

void door_problem_members(GString *out, const AskResult *no)
{
  g_autofree char *type = g_strconcat("urn:reeve:problem:", no->word, NULL);
  jw_str(out, "type", type);
  jw_str(out, "title", no->title);
  jw_int(out, "status", no->status);
  jw_str(out, "code", no->word);
  jw_str(out, "detail", no->detail);
}

void door_refuse_problem(HttpRequest *request, const AskResult *no)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  door_problem_members(body, no);
  jw_close(body, '}');
  http_reply(request, no->status, "application/problem+json", body->str, body->len);
}

int door_depth(const HttpRequest *request)
{
  const char *text = http_request_header(request, "x-reeve-depth");
  gint64 depth = 0;
  return text && g_ascii_string_to_signed(text, 10, 0, PEER_DEPTH_MAX, &depth, NULL) ? (int)depth : text ? PEER_DEPTH_MAX : 0;
}

void door_refuse_result(DoorRefuse refuse, HttpRequest *request, const AskResult *no)
{
  char seconds[24];
  g_snprintf(seconds, sizeof seconds, "%" G_GINT64_FORMAT, no->retry_after_s);
  if (no->retry_after_s > 0)
    http_reply_header(request, "Retry-After", seconds);
  refuse(request, no);
}

void door_refuse(DoorRefuse refuse, HttpRequest *request, int status, const char *word, const char *title, const char *detail)
{
  AskResult no = {.status = status, .word = word, .title = title, .detail = detail};
  refuse(request, &no);
}

/* ---- what every door needs ---- */

void door_reply(HttpRequest *request, int status, const char *json, size_t length)
{
  http_reply(request, status, "application/json", json, length);
}

void door_id(char out[DOOR_ID_BYTES])
{
  system_random_hex(out, DOOR_ID_BYTES - 1);
}

static void usage_count(GString *out, const char *key, int64_t count)
{
  if (count >= 0)
    jw_int(out, key, count);
  else
    jw_null(out, key);
}

void door_usage(GString *out, const AskUsage *usage)
{
  usage_count(out, "prompt_tokens", usage->prompt_tokens);
  usage_count(out, "completion_tokens", usage->completion_tokens);
  jw_int(out, "rounds", usage->rounds);
  jw_int(out, "tool_calls", usage->tool_calls);
}

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
    door_refuse(door_refuse_problem, request, 404, "not-found", "no such session", "there is no session of this name (any more)");
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
static const DoorRows *const all_rows[] = {&small_rows, &prompt_rows, &ollama_rows, &openai_rows, &a2a_rows};

/* ---- the way in ---- */

/* What came in @path after a row's path, or NULL when they do not match. */
static const char *row_rest(const DoorRow *row, const char *path)
{
  size_t n = strlen(row->path);
  if (row->path[n - 1] == '/' && n > 1)
    return g_str_has_prefix(path, row->path) && path[n] ? path + n : NULL;
  return g_str_equal(row->path, path) ? "" : NULL;
}

static bool row_has(const DoorRow *row, const char *method)
{
  return g_str_equal(row->method, method) || (g_str_equal(method, "HEAD") && g_str_equal(row->method, "GET"));
}

/* The row for @path and, if there is one, @method; @rest is what came after its path. NULL when the path is none of ours. */
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

static void refuse_key(const DoorRow *row, HttpRequest *request)
{
  http_reply_header(request, "WWW-Authenticate", "Bearer realm=\"agent\"");
  door_refuse(row->refuse, request, 401, "unauthorized", "a key is required",
              "send the key of this agent as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'");
}

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

/* While the agent drains, what others began may still be looked at and ended. */
static bool row_takes_new(const DoorRow *row)
{
  return g_str_equal(row->method, "POST") && !g_str_equal(row->path, "/a2a") && !g_str_equal(row->path, "/shutdown");
}

/* How the protocol says no whose path this would be. */
static DoorRefuse door_refuse_at(const char *path)
{
  return g_str_has_prefix(path, "/v1/") ? openai_refuse : g_str_has_prefix(path, "/api/") ? ollama_refuse : door_refuse_problem;
}

static bool is_compressed(const HttpRequest *request)
{
  const char *coding = http_request_header(request, "content-encoding");
  return coding && coding[0] && g_ascii_strcasecmp(coding, "identity") != 0;
}

static void door_open(Agent *agent, HttpRequest *request)
{
  const char *method = http_request_method(request), *rest = "";
  const DoorRow *row = door_find(method, http_request_path(request), &rest);
  DoorRefuse refuse = row ? row->refuse : door_refuse_at(http_request_path(request));
  if (!door_is_ours(agent, request))
    door_refuse(refuse, request, 403, "denied", "the request is for another host", "the Host of the request is none of this agent's names");
  else if (!row)
    door_refuse(refuse, request, 404, "not-found", "no such path", "this agent has no such path; see docs/agent.md");
  else if (!row->is_public && !door_keys_allow(agent->doors->keys, request))
    refuse_key(row, request);
  else if (!row_has(row, method))
    refuse_method(row, request);
  else if (is_compressed(request))
    door_refuse(refuse, request, 415, "usage", "the body is compressed", "send the body as it is, without Content-Encoding");
  else if (agent->draining && row_takes_new(row))
    door_refuse(refuse, request, 503, "unavailable", "the agent is stopping", "the agent is stopping and takes nothing new");
  else
    row->open(agent, request, rest);
}

void doors_handle(HttpRequest *request, void *data)
{
  Agent *agent = data;
  door_open(agent, request);
  agent_settle(agent);
}

char *doors_front_error(const char *path, int status, const char *detail, void *data)
{
  (void)data;
  AskResult no = {.status = status, .word = status == 413 || status == 431 ? "limit" : "usage", .detail = detail};
  DoorRefuse refuse = door_refuse_at(path);
  GString *out = g_string_new(NULL);
  if (refuse == openai_refuse)
    openai_write_refusal(out, &no);
  else if (refuse == ollama_refuse)
    ollama_write_refusal(out, &no);
  return g_string_free(out, out->len == 0);
}

Doors *doors_new(const AgentFile *file, GError **error)
{
  DoorKeys *keys = door_keys_new(file, error);
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
