/* Owns the calls to the server: requests, problem documents, event streams. */
#include "cli/api.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "net/address.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum {
  API_TOKEN_BYTES_MAX = 4096,
  API_CLOCKS_MS = 50 /* so much earlier than by our clock libcurl may find that the time is up */
};

const char *api_remote(const Cli *cli)
{
  const char *url =
      cli->options.text[OPT_SERVER] ? cli->options.text[OPT_SERVER] : g_getenv("REEVE_SERVER");
  return url && *url ? url : NULL;
}

static void api_unavailable(const Cli *cli, const char *reason, GError **error)
{
  if (api_remote(cli))
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE, "no server answers on '%s': %s",
                api_remote(cli), reason);
  else if (access(cli->paths.socket, W_OK) != 0 && errno == EACCES)
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_DENIED,
        "you may not use the socket '%s': it is its owner's alone; be that user, or use --server URL with a token",
        cli->paths.socket);
  else
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
        "no server answers on '%s': %s; start one with 'reeve server start' or 'reeve up FILE'",
        cli->paths.socket, reason);
}

/* The token in the file @path, which nobody but its owner may read. */
static char *api_token_file(const char *path, GError **error)
{
  char *text = fs_read_value(path, API_TOKEN_BYTES_MAX, error);
  if (!text)
    g_prefix_error(error, "token: ");
  return text ? g_strstrip(text) : NULL;
}

/* The token of a remote server; NULL with @error unset when there is none. */
static char *api_token(GError **error)
{
  const char *token = g_getenv("REEVE_TOKEN"), *file = g_getenv("REEVE_TOKEN_FILE");
  if (token && *token)
    return g_strdup(token);
  if (file && *file)
    return api_token_file(file, error);
  g_autofree char *usual = g_build_filename(g_get_user_config_dir(), "reeve", "token", NULL);
  return access(usual, F_OK) == 0 ? api_token_file(usual, error) : NULL;
}

static bool api_call_remote(ApiCall *call, const char *base, const char *path, GError **error)
{
  if (!g_str_has_prefix(base, "http://") && !g_str_has_prefix(base, "https://")) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "server '%s': wanted http://HOST:PORT or https://HOST:PORT", base);
    return false;
  }
  GError *failed = NULL;
  g_autofree char *token = api_token(&failed);
  if (failed || (token && strpbrk(token, "\r\n"))) {
    if (failed)
      g_propagate_error(error, failed);
    else
      g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "the token has more than one line");
    return false;
  }
  g_autofree char *stem = g_strdup(base);
  while (g_str_has_suffix(stem, "/"))
    stem[strlen(stem) - 1] = '\0';
  call->url = g_strconcat(stem, path, NULL);
  call->header = token ? g_strconcat("Authorization: Bearer ", token, NULL) : NULL;
  call->headers[0] = call->header;
  return true;
}

void api_warn_in_clear(const Cli *cli)
{
  const char *base = api_remote(cli);
  g_autofree char *host =
      base && g_ascii_strncasecmp(base, "http://", 7) == 0 ? address_of_url(base) : NULL;
  g_autofree char *token = host && !address_is_loopback(host) ? api_token(NULL) : NULL;
  if (token)
    cli_note(
        cli,
        "warning: the token goes to '%s' in clear, over http; whoever is on the way can read it and use it: put TLS in front (https://)",
        host);
}

bool api_call_init(ApiCall *call, const Cli *cli, const char *path, GError **error)
{
  const char *base = api_remote(cli);
  *call = (ApiCall){0};
  if (base && !api_call_remote(call, base, path, error))
    return false;
  if (!base) {
    /* of an agent, which the socket gives no role; nobody else's counts there */
    const char *token = g_getenv("REEVE_TOKEN");
    call->header = token && *token && !strpbrk(token, "\r\n")
                       ? g_strconcat("Authorization: Bearer ", token, NULL)
                       : NULL;
    call->headers[0] = call->header;
    call->url = g_strconcat("http://reeve", path, NULL);
    call->socket = paths_short_socket(cli->paths.socket);
  }
  call->spec = (HttpCallSpec){.url = call->url,
                              .unix_socket = call->socket,
                              .headers = call->header ? call->headers : NULL};
  return true;
}

void api_call_done(ApiCall *call)
{
  g_free(call->url);
  g_free(call->socket);
  g_free(call->header);
}

static void api_append_problem(GString *text, const json_t *problem)
{
  if (json_is_string(problem)) {
    g_string_append_printf(text, "\n  %s", json_string_value(problem));
    return;
  }
  g_string_append(text, "\n  ");
  if (jget_str(problem, "file", NULL))
    g_string_append_printf(text, "%s:%d:%d: ", jget_str(problem, "file", ""),
                           (int)jget_int(problem, "line", 0), (int)jget_int(problem, "column", 0));
  g_string_append_printf(text, "%s: %s", jget_str(problem, "severity", "error"),
                         jget_str(problem, "message", ""));
}

void api_problem(const char *body, size_t length, int status, GError **error)
{
  json_t *problem = json_parse(body, length, NULL);
  if (!json_is_object(problem)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL,
                "the server answered %d without saying why", status);
    json_decref(problem);
    return;
  }
  const char *type = jget_str(problem, "type", "internal");
  const char *slash = strrchr(type, '/'), *colon = strrchr(type, ':');
  const char *word = slash ? slash + 1 : colon ? colon + 1 : type;
  g_autoptr(GString) text =
      g_string_new(jget_str(problem, "detail", jget_str(problem, "title", "refused")));
  size_t i;
  const json_t *item;
  json_array_foreach(json_object_get(problem, "problems"), i, item) api_append_problem(text, item);
  if (jget_str(problem, "rollout", NULL))
    g_string_append_printf(text, " (rollout %s)", jget_str(problem, "rollout", ""));
  g_set_error_literal(error, REEVE_ERROR, (int)reeve_error_from_word(word), text->str);
  json_decref(problem);
}

json_t *api_call(const Cli *cli, const char *method, const char *path, const char *body,
                 int *status, GError **error)
{
  g_auto(ApiCall) call = {0};
  g_autoptr(GString) reply = g_string_new(NULL);
  g_autoptr(GError) failed = NULL;
  if (!api_call_init(&call, cli, path, error))
    return NULL;
  call.spec.method = method;
  call.spec.content_type = body ? "application/json" : NULL;
  call.spec.body = body;
  call.spec.body_length = body ? strlen(body) : 0;
  call.spec.timeout_ms = API_TIMEOUT_MS;
  call.spec.reply_bytes_max = API_REPLY_BYTES_MAX;
  int got = http_fetch(&call.spec, reply, &failed);
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

bool api_delete(const Cli *cli, const char *collection, const char *name, GError **error)
{
  g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
  g_autofree char *path = g_strconcat(collection, escaped, NULL);
  json_t *answer = api_call(cli, "DELETE", path, NULL, NULL, error);
  json_decref(answer);
  return answer != NULL;
}

char *api_actor(const Cli *cli, const char *actor)
{
  guint64 uid;
  bool user = actor && g_str_has_prefix(actor, "uid:") &&
              g_ascii_string_to_unsigned(actor + 4, 10, 0, G_MAXUINT32 - 1, &uid, NULL);
  const struct passwd *entry = user && !api_remote(cli) ? getpwuid((uid_t)uid) : NULL;
  return g_strdup(entry ? entry->pw_name : actor);
}

char *api_named(const Cli *cli, const char *text)
{
  GString *out = g_string_new(NULL);
  const char *rest = text ? text : "";
  for (const char *at; (at = strstr(rest, "by uid:")) != NULL;) {
    const char *actor = at + strlen("by ");
    size_t n = strlen("uid:") + strspn(actor + strlen("uid:"), "0123456789");
    g_autofree char *id = g_strndup(actor, n), *name = api_actor(cli, id);
    g_string_append_len(out, rest, actor - rest);
    g_string_append(out, name);
    rest = actor + n;
  }
  g_string_append(out, rest);
  return g_string_free(out, FALSE);
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
  g_auto(ApiCall) call = {0};
  g_autoptr(GString) reply = g_string_new(NULL);
  if (!api_call_init(&call, cli, "/healthz", NULL))
    return false;
  call.spec.timeout_ms = 5000;
  return http_fetch(&call.spec, reply, NULL) != 0;
}

void api_events_init(ApiEvents *events, ApiEventFn event, void *user)
{
  *events = (ApiEvents){
      .line = g_string_new(NULL), .data = g_string_new(NULL), .event = event, .user = user};
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
  events->enough |= !more;
  return more;
}

void api_events_again(ApiEvents *events)
{
  g_string_truncate(events->line, 0);
  g_string_truncate(events->data, 0);
  g_clear_pointer(&events->type, g_free);
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
    g_string_append_printf(events->data, "%s%s", events->data->len ? "\n" : "",
                           line + (line[5] == ' ' ? 6 : 5));
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

/* The error that a bare status stands for. */
static ReeveError api_status_code(int status)
{
  static const ReeveError codes[] = {REEVE_ERROR_NOT_FOUND, REEVE_ERROR_UNAUTHENTICATED,
                                     REEVE_ERROR_DENIED, REEVE_ERROR_RATE_LIMITED};
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++)
    if (reeve_error_http((int)codes[i]) == status)
      return codes[i];
  return REEVE_ERROR_INTERNAL;
}

/* @read: the stream is for who reads our output, and ends when nobody does. */
static bool api_get_stream(const Cli *cli, const char *path, int64_t timeout_ms, bool read,
                           HttpData data, void *user, GError **error)
{
  g_auto(ApiCall) call = {0};
  g_autoptr(GError) failed = NULL;
  if (!api_call_init(&call, cli, path, error))
    return false;
  call.spec.timeout_ms = timeout_ms;
  call.spec.stream = true;
  call.spec.left = read ? cli_is_left : NULL;
  int64_t start_ms = clock_boot_ms();
  int status = http_fetch_stream(&call.spec, data, user, &failed);
  if (status >= 400)
    g_set_error(error, REEVE_ERROR, (int)api_status_code(status), "the server answered %d", status);
  else if (status == 0 && timeout_ms && clock_boot_ms() - start_ms >= timeout_ms - API_CLOCKS_MS)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT, "not reached within %.1f s",
                (double)timeout_ms / 1000);
  else if (status == 0 && (failed || !read))
    api_unavailable(cli, failed ? failed->message : "no answer", error);
  return status > 0 && status < 400;
}

bool api_stream(const Cli *cli, const char *path, HttpData data, void *user, GError **error)
{
  return api_get_stream(cli, path, 0, true, data, user, error);
}

int api_stream_post(const Cli *cli, const char *path, const char *body, HttpData data, void *user,
                    GError **error)
{
  g_auto(ApiCall) call = {0};
  g_autoptr(GError) failed = NULL;
  if (!api_call_init(&call, cli, path, error))
    return 0;
  call.spec.method = "POST";
  call.spec.content_type = "application/json";
  call.spec.body = body;
  call.spec.body_length = strlen(body);
  call.spec.left = cli_is_left;
  int status = http_fetch_stream(&call.spec, data, user, &failed);
  if (status == 0 && failed)
    api_unavailable(cli, failed->message, error);
  return status;
}

static bool api_follow_data(const char *bytes, size_t length, void *user)
{
  ApiEvents *events = user;
  /* the stream says something at least every 15 s */
  bool more = api_events_feed(events, bytes, length) && !cli_is_left();
  events->enough |= !more;
  return more;
}

bool api_follow(const Cli *cli, const char *name, int64_t timeout_ms, ApiEventFn event, void *user,
                GError **error)
{
  ApiEvents events;
  api_events_init(&events, event, user);
  g_autofree char *path = api_events_path(name);
  bool ok = true;
  for (int streams = 0;
       ok && !events.enough && streams < API_STREAMS_MAX && (streams == 0 || api_alive(cli));
       streams++) {
    api_events_again(&events);
    ok = api_get_stream(cli, path, timeout_ms, false, api_follow_data, &events, error);
  }
  api_events_done(&events);
  return ok;
}
