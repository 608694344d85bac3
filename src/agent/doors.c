/* The routes of an agent server: one table. */
#include "agent/internal.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static void door_json(HttpRequest *request, int status, const char *body)
{
  http_reply(request, status, "application/json", body, strlen(body));
}

static char *render_prompt(const Agent *agent, const char *text, const char *session, int64_t duration_ms)
{
  (void)session;
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "response", text);
  jw_str(out, "agent", agent->file->name);
  jw_int(out, "duration_ms", duration_ms);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

static char *render_query(const Agent *agent, const char *text, const char *session, int64_t duration_ms)
{
  (void)agent;
  (void)duration_ms;
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "response", text);
  jw_str(out, "session_id", session);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

/* Why @body is not {@member: text, session_id?: text, context?: object}, or NULL; caller frees. */
static char *door_check(const json_t *body, const char *member)
{
  if (!json_is_object(body))
    return g_strdup("wanted a JSON object");
  if (!json_is_string(json_object_get(body, member)))
    return g_strdup_printf("member '%s': wanted text", member);
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)body, key, value)
  {
    bool session = strcmp(key, "session_id") == 0, context = strcmp(key, "context") == 0;
    if (strcmp(key, member) != 0 && !session && !context)
      return g_strdup_printf("unknown member '%s'", key);
    if (session && !json_is_string(value) && !json_is_null(value))
      return g_strdup("member 'session_id': wanted text");
    if (context && !json_is_object(value) && !json_is_null(value))
      return g_strdup("member 'context': wanted an object");
  }
  return NULL;
}

static void door_ask(Agent *agent, HttpRequest *request, const char *member, AskRender render)
{
  size_t length;
  const char *text = http_request_body(request, &length);
  g_autoptr(GError) error = NULL;
  json_t *body = json_parse(text, length, &error);
  g_autofree char *wrong = body ? door_check(body, member) : g_strdup(error->message);
  if (wrong)
    http_reply_problem(request, REEVE_ERROR_INVALID, wrong);
  else
    agent_ask(agent, request, jget_str(body, member, ""), jget_str(body, "session_id", NULL), render);
  json_decref(body);
}

static void door_prompt(Agent *agent, HttpRequest *request)
{
  door_ask(agent, request, "prompt", render_prompt);
}

static void door_query(Agent *agent, HttpRequest *request)
{
  door_ask(agent, request, "query", render_query);
}

static void door_health(Agent *agent, HttpRequest *request)
{
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "status", "healthy");
  jw_str(out, "agent", agent->file->name);
  jw_close(out, '}');
  door_json(request, 200, out->str);
  g_string_free(out, TRUE);
}

static void door_status(Agent *agent, HttpRequest *request)
{
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "name", agent->file->name);
  jw_str(out, "version", agent->file->version ? agent->file->version : "1.0.0");
  jw_str(out, "status", agent->draining ? "draining" : "running");
  jw_int(out, "uptime_ms", clock_boot_ms() - agent->started_boot_ms);
  jw_int(out, "requests", agent->requests);
  jw_int(out, "errors", agent->errors);
  jw_int(out, "in_flight", agent->in_flight);
  jw_int(out, "queued", g_queue_get_length(&agent->queue));
  jw_open(out, "peers", '[');
  g_auto(GStrv) peers = g_strsplit(g_getenv("CONNECTED_AGENTS") ? g_getenv("CONNECTED_AGENTS") : "", ",", -1);
  for (size_t i = 0; peers[i]; i++)
    if (peers[i][0])
      jw_str(out, NULL, peers[i]);
  jw_close(out, ']');
  jw_close(out, '}');
  door_json(request, 200, out->str);
  g_string_free(out, TRUE);
}

static void door_card(Agent *agent, HttpRequest *request)
{
  g_autofree char *card = agent_card(agent);
  door_json(request, 200, card);
}

static void door_shutdown(Agent *agent, HttpRequest *request)
{
  door_json(request, 202, "{\"status\":\"draining\"}");
  agent_drain(agent);
}

static const struct {
  const char *method, *path;
  void (*open)(Agent *agent, HttpRequest *request);
} doors[] = {
    {"POST", "/prompt", door_prompt}, {"POST", "/query", door_query},       {"GET", "/status", door_status},
    {"GET", "/health", door_health},  {"POST", "/shutdown", door_shutdown}, {"GET", "/.well-known/agent-configuration", door_card},
};

void doors_handle(HttpRequest *request, void *data)
{
  const char *method = http_request_method(request), *path = http_request_path(request), *allowed = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(doors); i++) {
    if (strcmp(doors[i].path, path) != 0)
      continue;
    if (strcmp(doors[i].method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(doors[i].method, "GET") == 0)) {
      doors[i].open(data, request);
      return;
    }
    allowed = doors[i].method;
  }
  g_autofree char *detail =
      allowed ? g_strdup_printf("'%s' allows %s, not %s", path, allowed, method) : g_strdup_printf("no door '%s'", path);
  if (!allowed) {
    http_reply_problem(request, REEVE_ERROR_NOT_FOUND, detail);
    return;
  }
  http_reply_header(request, "Allow", allowed);
  static const char *const form =
      "{\"type\":\"urn:reeve:problem:usage\",\"title\":\"Method Not Allowed\",\"status\":405,\"code\":\"usage\",\"detail\":";
  GString *body = g_string_new(form);
  jw_quote(body, detail, strlen(detail));
  g_string_append_c(body, '}');
  http_reply(request, 405, "application/problem+json", body->str, body->len);
  g_string_free(body, TRUE);
}
