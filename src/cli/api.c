/* Owns the calls to the server: requests, problem documents, event streams. */
#include "cli/api.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/progress.h"

#include <string.h>

static void api_unavailable(const Cli *cli, const char *reason, GError **error)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
              "no server answers on '%s': %s; start one with 'reeve server start' or 'reeve up FILE'", cli->paths.socket, reason);
}

static void api_append_problem(GString *text, const json_t *problem)
{
  if (json_is_string(problem)) {
    g_string_append_printf(text, "\n  %s", json_string_value(problem));
    return;
  }
  g_string_append(text, "\n  ");
  if (jget_str(problem, "file", NULL))
    g_string_append_printf(text, "%s:%d:%d: ", jget_str(problem, "file", ""), (int)jget_int(problem, "line", 0),
                           (int)jget_int(problem, "column", 0));
  g_string_append_printf(text, "%s: %s", jget_str(problem, "severity", "error"), jget_str(problem, "message", ""));
}

void api_problem(const char *body, size_t length, int status, GError **error)
{
  json_t *problem = json_parse(body, length, NULL);
  if (!json_is_object(problem)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "the server answered %d without saying why", status);
    json_decref(problem);
    return;
  }
  const char *type = jget_str(problem, "type", "internal");
  const char *slash = strrchr(type, '/'), *colon = strrchr(type, ':');
  const char *word = slash ? slash + 1 : colon ? colon + 1 : type;
  g_autoptr(GString) text = g_string_new(jget_str(problem, "detail", jget_str(problem, "title", "refused")));
  size_t i;
  const json_t *item;
  json_array_foreach(json_object_get(problem, "problems"), i, item) api_append_problem(text, item);
  if (jget_str(problem, "rollout", NULL))
    g_string_append_printf(text, " (rollout %s)", jget_str(problem, "rollout", ""));
  g_set_error_literal(error, REEVE_ERROR, (int)reeve_error_from_word(word), text->str);
  json_decref(problem);
}

json_t *api_call(const Cli *cli, const char *method, const char *path, const char *body, int *status, GError **error)
{
  g_autofree char *url = g_strconcat("http://reeve", path, NULL);
  g_autofree char *socket = paths_short_socket(cli->paths.socket);
  g_autoptr(GString) reply = g_string_new(NULL);
  g_autoptr(GError) failed = NULL;
  HttpCallSpec spec = {.method = method,
                       .url = url,
                       .unix_socket = socket,
                       .content_type = body ? "application/json" : NULL,
                       .body = body,
                       .body_length = body ? strlen(body) : 0,
                       .timeout_ms = API_TIMEOUT_MS,
                       .reply_bytes_max = API_REPLY_BYTES_MAX};
  int got = http_fetch(&spec, reply, &failed);
  if (got == 0) {
    api_unavailable(cli, failed ? failed->message : "no answer", error);
    return NULL;
  }
  if (got >= 400) {
    api_problem(reply->str, reply->len, got, error);
    return NULL;
  }
  if (status)
    *status = got;
  return reply->len ? json_parse(reply->str, reply->len, error) : json_object();
}

json_t *api_get(const Cli *cli, const char *path, GError **error)
{
  return api_call(cli, "GET", path, NULL, NULL, error);
}

char *api_path(const char *name, const char *rest)
{
  g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
  return g_strconcat("/api/deployments/", escaped, rest, NULL);
}

json_t *api_deployment(const Cli *cli, const char *name, GError **error)
{
  g_autofree char *path = api_path(name, "");
  return api_get(cli, path, error);
}

bool api_alive(const Cli *cli)
{
  g_autofree char *socket = paths_short_socket(cli->paths.socket);
  g_autoptr(GString) reply = g_string_new(NULL);
  HttpCallSpec spec = {.url = "http://reeve/healthz", .unix_socket = socket, .timeout_ms = 5000};
  return http_fetch(&spec, reply, NULL) != 0;
}

void api_events_init(ApiEvents *events, ApiEventFn event, void *user)
{
  *events = (ApiEvents){.line = g_string_new(NULL), .data = g_string_new(NULL), .event = event, .user = user};
}

void api_events_done(ApiEvents *events)
{
  if (!events->line)
    return;
  g_string_free(events->line, TRUE);
  g_string_free(events->data, TRUE);
  g_clear_pointer(&events->type, g_free);
  events->line = events->data = NULL;
}

/* An empty line ends an event. */
static bool api_events_dispatch(ApiEvents *events)
{
  bool more = true;
  json_t *data = events->data->len ? json_parse(events->data->str, events->data->len, NULL) : NULL;
  if (data)
    more = events->event(events->type ? events->type : "message", data, events->user);
  json_decref(data);
  g_string_truncate(events->data, 0);
  g_clear_pointer(&events->type, g_free);
  return more;
}

static bool api_events_line(ApiEvents *events)
{
  char *line = events->line->str;
  size_t length = events->line->len;
  if (length && line[length - 1] == '\r')
    line[--length] = '\0';
  if (!length)
    return api_events_dispatch(events);
  if (g_str_has_prefix(line, "event:")) {
    g_free(events->type);
    events->type = g_strdup(g_strstrip(line + 6));
  } else if (g_str_has_prefix(line, "data:")) {
    g_string_append_printf(events->data, "%s%s", events->data->len ? "\n" : "", line + (line[5] == ' ' ? 6 : 5));
  }
  return true;
}

bool api_events_feed(ApiEvents *events, const char *bytes, size_t length)
{
  for (const char *end = bytes + length; bytes < end;) {
    const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
    g_string_append_len(events->line, bytes, (newline ? newline : end) - bytes);
    if (events->line->len + events->data->len > API_REPLY_BYTES_MAX)
      return false;
    if (!newline)
      return true;
    bytes = newline + 1;
    bool more = api_events_line(events);
    g_string_truncate(events->line, 0);
    if (!more)
      return false;
  }
  return true;
}

char *api_events_path(const char *name)
{
  if (!name)
    return g_strdup("/api/events");
  g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
  return g_strconcat("/api/events?deployment=", escaped, NULL);
}

bool api_stream(const Cli *cli, const char *path, int64_t timeout_ms, HttpData data, void *user, GError **error)
{
  g_autofree char *url = g_strconcat("http://reeve", path, NULL);
  g_autofree char *socket = paths_short_socket(cli->paths.socket);
  g_autoptr(GError) failed = NULL;
  HttpCallSpec spec = {.url = url, .unix_socket = socket, .timeout_ms = timeout_ms, .stream = true};
  int64_t start_ms = clock_boot_ms();
  int status = http_fetch_stream(&spec, data, user, &failed);
  if (status >= 400)
    g_set_error(error, REEVE_ERROR, status == 404 ? REEVE_ERROR_NOT_FOUND : REEVE_ERROR_INTERNAL, "the server answered %d", status);
  else if (status == 0 && timeout_ms && clock_boot_ms() - start_ms >= timeout_ms)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT, "not reached within %.1f s", (double)timeout_ms / 1000);
  else if (status == 0)
    api_unavailable(cli, failed ? failed->message : "no answer", error);
  return status > 0 && status < 400;
}

static bool api_follow_data(const char *bytes, size_t length, void *user)
{
  return api_events_feed(user, bytes, length);
}

bool api_follow(const Cli *cli, const char *name, int64_t timeout_ms, ApiEventFn event, void *user, GError **error)
{
  ApiEvents events;
  api_events_init(&events, event, user);
  g_autofree char *path = api_events_path(name);
  bool ok = api_stream(cli, path, timeout_ms, api_follow_data, &events, error);
  api_events_done(&events);
  return ok;
}

int api_outcome_exit(const char *outcome)
{
  if (g_strcmp0(outcome, "succeeded") == 0)
    return 0;
  return reeve_error_exit(outcome ? (int)reeve_error_from_word(outcome) : REEVE_ERROR_INTERNAL);
}

static bool api_wait_event(const char *type, const json_t *data, void *user)
{
  Progress *progress = user;
  progress_event(progress, type, data);
  return !progress->outcome;
}

int api_wait_rollout(const Cli *cli, const char *name, const char *rollout, int64_t timeout_ms, GError **error)
{
  Progress progress;
  progress_init(&progress, cli, name, rollout);
  g_autoptr(GError) failed = NULL;
  bool ok = api_follow(cli, name, timeout_ms, api_wait_event, &progress, &failed);
  int code = progress.outcome ? api_outcome_exit(progress.outcome) : 1;
  if (progress.outcome)
    progress_end(&progress);
  else if (ok)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "the server ended before the rollout did; it goes on with the next start");
  else
    g_propagate_error(error, g_steal_pointer(&failed));
  progress_done(&progress);
  return code;
}

int api_change(const Cli *cli, const char *name, const char *verb, const char *body, GError **error)
{
  g_autofree char *path = api_path(name, verb);
  json_t *answer = api_call(cli, "POST", path, body, NULL, error);
  if (!answer)
    return 1;
  g_autofree char *rollout = g_strdup(jget_str(answer, "rollout", NULL));
  json_decref(answer);
  return rollout ? api_wait_rollout(cli, name, rollout, cli_ms(cli, OPT_TIMEOUT, 0), error) : 0;
}
