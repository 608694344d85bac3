/* What a handler can ask of a request, and every way to answer it. */
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "net/http_conn.h"

#include <linux/sockios.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

enum { QUERY_PARTS_MAX = 100 };

/* ---- the request ---- */

const char *http_request_method(const HttpRequest *request)
{
  return request->method;
}

const char *http_request_path(const HttpRequest *request)
{
  return request->path;
}

const char *http_request_header(const HttpRequest *request, const char *name)
{
  for (guint i = 0; i < request->headers->len; i++) {
    const HttpHeader *header = &g_array_index(request->headers, HttpHeader, i);
    if (strcasecmp(header->name, name) == 0)
      return header->value;
  }
  return NULL;
}

const char *http_request_credential(const HttpRequest *request)
{
  const char *key = http_request_header(request, "x-api-key"),
             *bearer = http_request_header(request, "authorization");
  if (key || !bearer)
    return key;
  return strncasecmp(bearer, "Bearer ", 7) == 0 ? bearer + 7 + strspn(bearer + 7, " ") : "";
}

char *http_path_decode(const char *text)
{
  return g_uri_unescape_string(text, NULL);
}

static char *request_query_twice(const char *key)
{
  g_autofree char *safe = text_escape(key, 64);
  return g_strdup_printf("query parameter '%s' is given twice", safe);
}

/* Takes "name=value" of the query; what is wrong with it goes to @request->query_wrong, where the
 * first one stays. */
static void request_take_parameter(HttpRequest *request, char *part)
{
  char *equals = strchr(part, '=');
  if (equals)
    *equals = '\0';
  g_strdelimit(equals ? equals + 1 : part, "+", ' ');
  char *key = http_path_decode(part), *value = http_path_decode(equals ? equals + 1 : "");
  bool whole =
      key && key[0] && value && g_utf8_validate(key, -1, NULL) && g_utf8_validate(value, -1, NULL);
  bool twice = whole && g_hash_table_contains(request->query, key);
  if (!request->query_wrong && !whole)
    request->query_wrong = g_strdup("the query has a part that is no NAME=VALUE");
  else if (!request->query_wrong && twice)
    request->query_wrong = request_query_twice(key);
  if (whole) {
    g_hash_table_replace(request->query, key, value);
  } else {
    g_free(key);
    g_free(value);
  }
}

static GHashTable *request_query_table(HttpRequest *request)
{
  if (request->query)
    return request->query;
  request->query = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_auto(GStrv) parts = g_strsplit(request->query_text, "&", QUERY_PARTS_MAX + 1);
  if (g_strv_length(parts) > QUERY_PARTS_MAX)
    request->query_wrong =
        g_strdup_printf("the query has more than %d parameters", QUERY_PARTS_MAX);
  for (size_t i = 0; i < QUERY_PARTS_MAX && parts[i]; i++)
    if (parts[i][0])
      request_take_parameter(request, parts[i]);
  return request->query;
}

const char *http_request_query(HttpRequest *request, const char *name)
{
  return g_hash_table_lookup(request_query_table(request), name);
}

char *http_request_query_wrong(HttpRequest *request, const char *const *known)
{
  static const char *const none[] = {NULL};
  GHashTableIter iter;
  gpointer key;
  if (!request->query_text[0])
    return NULL;
  g_hash_table_iter_init(&iter, request_query_table(request));
  if (request->query_wrong)
    return g_strdup(request->query_wrong);
  known = known ? known : none;
  while (g_hash_table_iter_next(&iter, &key, NULL)) {
    if (g_strv_contains(known, key))
      continue;
    g_autofree char *names = g_strjoinv(", ", (char **)(uintptr_t)known),
                    *safe = text_escape(key, 64);
    return g_strdup_printf("unknown query parameter '%s'; this path takes %s", safe,
                           names[0] ? names : "none");
  }
  return NULL;
}

const char *http_request_body(const HttpRequest *request, size_t *length)
{
  if (length)
    *length = request->body->len;
  return request->body->str;
}

int http_request_peer_uid(const HttpRequest *request)
{
  return request->conn->peer_uid;
}

int http_request_peer_kind(const HttpRequest *request)
{
  return request->conn->peer_kind;
}

const char *http_request_peer_address(const HttpRequest *request)
{
  return request->conn->peer_address;
}

void http_request_set_data(HttpRequest *request, void *data)
{
  request->data = data;
}

void *http_request_data(const HttpRequest *request)
{
  return request->data;
}

void http_request_again(HttpRequest *request)
{
  const HttpServerConfig *config = &request->conn->server->config;
  if (request->reply_headers)
    g_string_truncate(request->reply_headers, 0); /* the handler says them again */
  config->handler(request, config->data);
}

void http_request_on_gone(HttpRequest *request, LoopFn fn, void *data)
{
  request->gone = fn;
  request->gone_data = data;
}

/* ---- answers ---- */

static const char *reply_phrase(int status)
{
  static const struct {
    int status;
    const char *phrase;
  } rows[] = {{200, "OK"},
              {201, "Created"},
              {202, "Accepted"},
              {204, "No Content"},
              {304, "Not Modified"},
              {400, "Bad Request"},
              {401, "Unauthorized"},
              {403, "Forbidden"},
              {404, "Not Found"},
              {405, "Method Not Allowed"},
              {408, "Request Timeout"},
              {409, "Conflict"},
              {411, "Length Required"},
              {413, "Content Too Large"},
              {415, "Unsupported Media Type"},
              {422, "Unprocessable Content"},
              {429, "Too Many Requests"},
              {431, "Request Header Fields Too Large"},
              {500, "Internal Server Error"},
              {501, "Not Implemented"},
              {502, "Bad Gateway"},
              {503, "Service Unavailable"},
              {504, "Gateway Timeout"},
              {505, "HTTP Version Not Supported"},
              {507, "Insufficient Storage"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].status == status)
      return rows[i].phrase;
  return "Status";
}

static const char *server_date(HttpServer *server)
{
  time_t now = (time_t)(clock_wall_ms() / 1000);
  struct tm tm;
  if (now != server->date_s) {
    gmtime_r(&now, &tm);
    strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    server->date_s = now;
  }
  return server->date;
}

static void reply_head(Conn *conn, const HttpRequest *request, int status, const char *content_type,
                       const char *framing)
{
  bool keep = request && request->keep_alive && !conn->half_closed;
  evbuffer_add_printf(bufferevent_get_output(conn->bev),
                      "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n%s%s%s\r\n", status,
                      reply_phrase(status), server_date(conn->server), content_type, framing,
                      keep ? "" : "Connection: close\r\n",
                      request && request->reply_headers ? request->reply_headers->str : "");
}

void http_reply_header(HttpRequest *request, const char *name, const char *value)
{
  if (!request->reply_headers)
    request->reply_headers = g_string_new(NULL);
  g_autofree char *safe = g_strdelimit(g_strdup(value), "\r\n", ' ');
  g_string_append_printf(request->reply_headers, "%s: %s\r\n", name, safe);
}

void http_reply(HttpRequest *request, int status, const char *content_type, const char *body,
                size_t length)
{
  Conn *conn = request->conn;
  char framing[64] = "";
  bool bare = status == 204 || status == 304;
  if (!bare)
    g_snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", length);
  reply_head(conn, request, status, content_type, framing);
  if (!request->head && !bare)
    evbuffer_add(bufferevent_get_output(conn->bev), body, length);
  conn_answered(conn);
}

static char *reply_problem_text(int status, const char *word, const char *detail)
{
  GString *out = g_string_new(NULL);
  g_autofree char *type = g_strconcat("urn:reeve:problem:", word, NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "type", type);
  jw_str(out, "title", reply_phrase(status));
  jw_int(out, "status", status);
  jw_str(out, "code", word);
  jw_str(out, "detail", detail);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

void http_reply_problem(HttpRequest *request, int code, const char *detail)
{
  int status = reeve_error_http(code);
  g_autofree char *body = reply_problem_text(status, reeve_error_word(code),
                                             detail ? detail : reeve_error_meaning(code));
  http_reply(request, status, "application/problem+json", body, strlen(body));
}

/* The front's own refusals: the request never reached a handler, and the connection ends with it.
 */
void reply_front_error(Conn *conn, int status, const char *detail)
{
  const char *word = status == 413 || status == 431 ? "limit"
                     : status == 408                ? "timeout"
                     : status == 405                ? "method"
                                                    : "usage";
  HttpRequest *request = conn->request;
  if (request && request->path && conn->server->config.refuse) {
    conn->state = CONN_HANDLING;
    conn->server->open++;
    request->keep_alive = false;
    conn->server->config.refuse(request, status, word, detail, conn->server->config.data);
    return;
  }
  g_autofree char *body = reply_problem_text(status, word, detail ? detail : "malformed request");
  char framing[96];
  g_snprintf(framing, sizeof framing, "Content-Length: %zu\r\n%s", strlen(body),
             status == 405 ? "Allow: GET, HEAD, POST, DELETE\r\n" : "");
  reply_head(conn, NULL, status, "application/problem+json", framing);
  evbuffer_add(bufferevent_get_output(conn->bev), body, strlen(body));
  request_free(g_steal_pointer(&conn->request));
  conn_close_after_write(conn);
}

/* ---- streams ---- */

enum { CHUNK_LINE = 2 * sizeof(size_t) + 2 };

void http_stream_start(HttpRequest *request, int status, const char *content_type)
{
  Conn *conn = request->conn;
  if (!request->chunked)
    request->keep_alive = false; /* HTTP/1.0 ends a body by closing */
  http_reply_header(request, "Cache-Control", "no-store");
  request->head_waits = evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0;
  reply_head(conn, request, status, content_type,
             request->chunked ? "Transfer-Encoding: chunked\r\n" : "");
  conn->state = CONN_STREAM;
  conn->deadline_ms = INT64_MAX;
}

/* @length in hex and a line end into @line: without a format, for streams are made of many small
 * chunks. Returns how many bytes. */
static size_t chunk_length(char line[CHUNK_LINE], size_t length)
{
  size_t n = 1;
  for (size_t rest = length >> 4; rest; rest >>= 4)
    n++;
  for (size_t i = n; i-- > 0; length >>= 4)
    line[i] = "0123456789abcdef"[length & 15];
  line[n] = '\r';
  line[n + 1] = '\n';
  return n + 2;
}

/* Hands @parts to the kernel when nothing waits before them: a piece then costs one call, no copy
 * and no turn of the loop. Returns how many bytes it took; the rest, and errors, are the buffer's
 * business. */
static size_t stream_write_now(const HttpRequest *request, const struct iovec *parts, int n)
{
  struct bufferevent *bev = request->conn->bev;
  if (request->drained || evbuffer_get_length(bufferevent_get_output(bev)) > 0)
    return 0; /* who waits for an empty buffer is told by it */
  ssize_t sent = writev(bufferevent_getfd(bev), parts, n);
  return sent > 0 ? (size_t)sent : 0;
}

/* The head and the first piece leave together, at once. */
static void stream_flush_head(HttpRequest *request)
{
  struct evbuffer *out = bufferevent_get_output(request->conn->bev);
  evbuffer_unfreeze(out, 1);
  evbuffer_write(out, bufferevent_getfd(request->conn->bev));
  evbuffer_freeze(out, 1);
}

/* Adds what is left of @parts after @sent bytes. */
static void stream_add(HttpRequest *request, const struct iovec *parts, int n, size_t sent)
{
  struct evbuffer *out = bufferevent_get_output(request->conn->bev);
  for (int i = 0; i < n; i++) {
    size_t skip = MIN(sent, parts[i].iov_len);
    sent -= skip;
    if (parts[i].iov_len > skip)
      evbuffer_add(out, (const char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
  }
}

static void stream_chunk(HttpRequest *request, const char *data, size_t length, bool now)
{
  char line[CHUNK_LINE];
  if (length == 0 || request->head)
    return;
  size_t before = request->chunked ? chunk_length(line, length) : 0;
  const struct iovec parts[] = {{line, before},
                                {(void *)(uintptr_t)data, length},
                                {(void *)(uintptr_t) "\r\n", request->chunked ? 2 : 0}};
  size_t sent = now ? stream_write_now(request, parts, G_N_ELEMENTS(parts)) : 0;
  stream_add(request, parts, G_N_ELEMENTS(parts), sent);
  if (now && request->head_waits)
    stream_flush_head(request);
  request->head_waits = false;
}

void http_stream_chunk(HttpRequest *request, const char *data, size_t length)
{
  stream_chunk(request, data, length, false);
}

void http_stream_chunk_now(HttpRequest *request, const char *data, size_t length)
{
  stream_chunk(request, data, length, true);
}

size_t http_stream_backlog(const HttpRequest *request)
{
  return evbuffer_get_length(bufferevent_get_output(request->conn->bev));
}

size_t http_stream_unread(const HttpRequest *request)
{
  int queued = 0;
  if (ioctl(bufferevent_getfd(request->conn->bev), SIOCOUTQ, &queued) != 0 || queued < 0)
    queued = 0;
  return http_stream_backlog(request) + (size_t)queued;
}

void http_stream_on_drained(HttpRequest *request, LoopFn fn, void *data)
{
  request->drained = fn;
  request->drained_data = data;
}

void http_stream_end(HttpRequest *request)
{
  Conn *conn = request->conn;
  if (request->chunked && !request->head)
    evbuffer_add(bufferevent_get_output(conn->bev), "0\r\n\r\n", 5);
  conn->state = CONN_HANDLING;
  conn_answered(conn);
  loop_timer_set(conn->timer, conn->deadline_ms); /* it did not run while the stream did */
}
