/* The HTTP/1.1 server behind our front: llhttp parses, libevent's bufferevents carry. Strict where
 * smuggling begins, bounded everywhere. */
#include "net/http_server.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "net/http_conn.h"

#include <event2/listener.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  HTTP_HEAD_MAX = 16 * 1024,
  HTTP_BODY_MAX = 1024 * 1024,
  HTTP_HEADERS_MAX = 100,
  HTTP_REQUEST_MS = 10000,
  HTTP_BODY_BYTES_PER_MS = 100, /* a large body has more time, as long as it comes */
  HTTP_REPLY_MS = 30000,
  HTTP_CONNECTIONS = 1000,
  HTTP_READ_AHEAD = 256 * 1024,
  /* answers that the peer has not taken: beyond, its next request waits */
  HTTP_UNREAD_MAX = 256 * 1024
};

/* ---- parsing ---- */

static int conn_bad(Conn *conn, int status, const char *detail)
{
  conn->error_status = status;
  conn->error_detail = detail;
  return HPE_USER;
}

static int conn_too_large(Conn *conn)
{
  g_snprintf(conn->error_text, sizeof conn->error_text, "body larger than %zu bytes",
             conn->request->body_max);
  return conn_bad(conn, 413, conn->error_text);
}

static Conn *conn_of(llhttp_t *parser)
{
  return (Conn *)(void *)((char *)parser - offsetof(Conn, parser));
}

/* Trailers are counted like the head and dropped: what decides about a request stands before its
 * body. */
static int conn_take_head(Conn *conn, GString *into, const char *at, size_t length)
{
  conn->head_bytes += length;
  if (conn->head_bytes > HTTP_HEAD_MAX)
    return conn_bad(conn, 431, "request head larger than 16 KiB");
  if (!conn->trailers)
    g_string_append_len(into, at, (gssize)length);
  return 0;
}

static int on_message_begin(llhttp_t *parser)
{
  Conn *conn = conn_of(parser);
  conn->request = request_new(conn);
  conn->head_bytes = 0;
  conn->header_lines = 0;
  conn->complete = conn->trailers = false;
  g_string_truncate(conn->url, 0);
  conn->deadline_ms = clock_boot_ms() + conn->server->config.request_ms_max;
  return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t length)
{
  return conn_take_head(conn_of(parser), conn_of(parser)->url, at, length);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t length)
{
  return conn_take_head(conn_of(parser), conn_of(parser)->name, at, length);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t length)
{
  return conn_take_head(conn_of(parser), conn_of(parser)->value, at, length);
}

/* What may stand in a head once only, since two readers could believe another one of two. */
static bool header_stands_alone(const char *name)
{
  static const char *const names[] = {"content-length", "host", "transfer-encoding"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    if (strcasecmp(name, names[i]) == 0)
      return true;
  return false;
}

static int on_header_end(llhttp_t *parser)
{
  Conn *conn = conn_of(parser);
  HttpRequest *request = conn->request;
  if (++conn->header_lines > HTTP_HEADERS_MAX)
    return conn_bad(conn, 431, "more than 100 header lines");
  if (conn->trailers)
    return 0;
  if (header_stands_alone(conn->name->str) && http_request_header(request, conn->name->str))
    return conn_bad(conn, 400, "more than one Content-Length, Host or Transfer-Encoding");
  HttpHeader header = {.name = g_strdup(conn->name->str),
                       .value = g_strchomp(g_strdup(conn->value->str))};
  g_array_append_val(request->headers, header);
  g_string_truncate(conn->name, 0);
  g_string_truncate(conn->value, 0);
  return 0;
}

/* Splits the target. Its path stays as it was sent, so that an escaped slash never becomes one;
 * broken escapes and NUL are refused. */
static bool request_take_url(HttpRequest *request, const char *url)
{
  if (url[0] != '/')
    return false;
  const char *mark = strchr(url, '?');
  request->path = mark ? g_strndup(url, (gsize)(mark - url)) : g_strdup(url);
  request->query_text = g_strdup(mark ? mark + 1 : "");
  g_autofree char *decoded = strchr(request->path, '%') ? http_path_decode(request->path) : NULL;
  return decoded || !strchr(request->path, '%');
}

/* How the body comes, before any of it is read: by one length or in chunks, or not at all. 0, or
 * the refusal of @conn. */
static int conn_check_framing(Conn *conn, const llhttp_t *parser)
{
  const char *coding = http_request_header(conn->request, "transfer-encoding");
  bool length = http_request_header(conn->request, "content-length") != NULL;
  bool wants_body =
      parser->method == HTTP_POST || parser->method == HTTP_PUT || parser->method == HTTP_PATCH;
  if (length && coding)
    return conn_bad(conn, 400, "both Content-Length and Transfer-Encoding");
  if (coding && parser->http_minor == 0)
    return conn_bad(conn, 400, "Transfer-Encoding in HTTP/1.0");
  if (coding && strcasecmp(coding, "chunked") != 0)
    return conn_bad(conn, 501, "the only transfer coding that is understood is 'chunked'");
  if (wants_body && !length && !coding)
    return conn_bad(conn, 411, "a body needs its length");
  const HttpServerConfig *config = &conn->server->config;
  size_t own = config->body_limit && (length || coding)
                   ? config->body_limit(conn->request, config->data)
                   : 0;
  conn->request->body_max = own ? own : config->body_bytes_max;
  if (length && parser->content_length > conn->request->body_max)
    return conn_too_large(conn);
  return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
  Conn *conn = conn_of(parser);
  HttpRequest *request = conn->request;
  if (conn->scan.place != HEAD_OVER)
    /* llhttp sees its end where there is none */
    return conn_bad(conn, 400, "malformed request head");
  request->method = g_strdup(llhttp_method_name((llhttp_method_t)parser->method));
  request->head = parser->method == HTTP_HEAD;
  if (parser->http_major != 1 || parser->http_minor > 1)
    return conn_bad(conn, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
  if (parser->method == HTTP_CONNECT)
    return conn_bad(conn, 405, "this server is no proxy");
  if (!request_take_url(request, conn->url->str))
    return conn_bad(conn, 400, "malformed request target");
  if (parser->http_minor >= 1 && !http_request_header(request, "host"))
    return conn_bad(conn, 400, "no Host");
  int refused = conn_check_framing(conn, parser);
  if (refused)
    return refused;
  /* h2c, WebSocket: no route upgrades, so the offer is passed over and HTTP/1.1 goes on */
  parser->upgrade = 0;
  const char *expect = http_request_header(request, "expect");
  if (expect && strcasecmp(expect, "100-continue") == 0)
    bufferevent_write(conn->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
  return 0;
}

/* Behind the last chunk come trailers, line by line as in a head. */
static int on_chunk_header(llhttp_t *parser)
{
  Conn *conn = conn_of(parser);
  if (parser->content_length > 0)
    return 0;
  conn->trailers = true;
  conn->scan = (HeadScan){HEAD_LINE};
  return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
  Conn *conn = conn_of(parser);
  if (conn->request->body->len + length > conn->request->body_max)
    return conn_too_large(conn);
  text_room(&conn->request->body, length); /* it may be a secret */
  g_string_append_len(conn->request->body, at, (gssize)length);
  conn->deadline_ms += (int64_t)(conn->request->body->len / HTTP_BODY_BYTES_PER_MS -
                                 (conn->request->body->len - length) / HTTP_BODY_BYTES_PER_MS);
  return 0;
}

static int on_message_complete(llhttp_t *parser)
{
  Conn *conn = conn_of(parser);
  conn->request->keep_alive = llhttp_should_keep_alive(parser);
  conn->request->chunked = parser->http_major == 1 && parser->http_minor >= 1;
  conn->complete = true;
  conn->scan = (HeadScan){HEAD_BEFORE};
  return HPE_PAUSED; /* one request at a time: the next is parsed after the answer */
}

static const llhttp_settings_t conn_settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_end,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static void conn_dispatch(Conn *conn)
{
  HttpServer *server = conn->server;
  conn->state = CONN_HANDLING;
  server->open++;
  conn->deadline_ms = clock_boot_ms() + server->config.reply_ms_max;
  server->config.handler(conn->request, server->config.data);
}

/* What an error of llhttp means for whoever sent the request. */
static int parse_error_status(llhttp_errno_t code)
{
  return code == HPE_INVALID_METHOD || code == HPE_INVALID_TRANSFER_ENCODING ? 501 : 400;
}

/* Parses one block of what has come. Returns how much was used; stops at the end of a head, of a
 * request and at errors. */
static size_t conn_parse_block(Conn *conn, const char *bytes, size_t length)
{
  const char *wrong = NULL;
  bool scanned = conn->scan.place != HEAD_OVER;
  if (scanned)
    length = head_scan(&conn->scan, bytes, length, &wrong);
  llhttp_errno_t code = llhttp_execute(&conn->parser, bytes, length);
  size_t used = code == HPE_OK ? length : (size_t)(llhttp_get_error_pos(&conn->parser) - bytes);
  if (wrong && !conn->error_status)
    conn_bad(conn, 400, wrong);
  if (code == HPE_PAUSED)
    llhttp_resume(&conn->parser);
  else if (code != HPE_OK && !conn->error_status)
    conn_bad(conn, parse_error_status(code), llhttp_get_error_reason(&conn->parser));
  /* llhttp sees no end where there is one */
  bool open = conn->trailers || !conn->request || !conn->request->method;
  if (!conn->error_status && scanned && conn->scan.place == HEAD_OVER && open)
    conn_bad(conn, 400, "malformed request head");
  return used;
}

/* Does the peer read what it asked for? */
static bool conn_is_read(const Conn *conn)
{
  return evbuffer_get_length(bufferevent_get_output(conn->bev)) <= HTTP_UNREAD_MAX;
}

static void conn_parse(Conn *conn)
{
  struct evbuffer *input = bufferevent_get_input(conn->bev);
  conn->in_parse = true;
  while (conn->state == CONN_READING && evbuffer_get_length(input) > 0 && conn_is_read(conn)) {
    struct evbuffer_iovec block;
    evbuffer_peek(input, -1, NULL, &block, 1);
    size_t used = conn_parse_block(conn, block.iov_base, block.iov_len);
    evbuffer_drain(input, used);
    if (conn->error_status)
      reply_front_error(conn, conn->error_status, conn->error_detail);
    else if (conn->complete)
      conn_dispatch(conn);
  }
  conn->in_parse = false;
  if (conn->state == CONN_CLOSING)
    evbuffer_drain(input, evbuffer_get_length(input));
  if (conn->state == CONN_READING && conn->half_closed && conn_is_read(conn))
    conn_close_after_write(conn); /* what came last is no whole request */
  else if (conn->request) /* still coming, or its answer is: only now a timer is worth its price */
    loop_timer_set(conn->timer, conn->deadline_ms);
}

/* ---- connections ---- */

static void conn_on_timer(void *data)
{
  Conn *conn = data;
  if (clock_boot_ms() < conn->deadline_ms) {
    loop_timer_set(conn->timer, conn->deadline_ms);
    return;
  }
  if (conn->state == CONN_HANDLING) {
    HttpRequest *request = conn->request;
    if (request->gone)
      /* whoever wanted to answer must know that it is too late */
      request->gone(request->gone_data);
    request->gone = NULL;
    http_reply_problem(request, REEVE_ERROR_UNAVAILABLE, "no answer within the time limit");
  } else if (conn->state == CONN_READING && conn->request) {
    reply_front_error(conn, 408, "the request did not come within the time limit");
  } else if (conn->state == CONN_CLOSING &&
             evbuffer_get_length(bufferevent_get_output(conn->bev)) < conn->unsent) {
    conn_close_after_write(conn); /* slow, but it reads */
  } else if (conn->state != CONN_STREAM) {
    conn_free(conn);
  }
}

static void conn_on_read(struct bufferevent *bev, void *data)
{
  Conn *conn = data;
  if (conn->state == CONN_READING)
    conn_parse(conn);
  else if (conn->state == CONN_CLOSING)
    evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
}

static void conn_drained(HttpRequest *request)
{
  LoopFn drained = request->drained;
  request->drained = NULL;
  drained(request->drained_data);
}

static void conn_on_write(struct bufferevent *bev, void *data)
{
  Conn *conn = data;
  if (conn->state == CONN_CLOSING && conn->half_closed) {
    conn_free(conn);
    return;
  }
  if (conn->state == CONN_CLOSING) {
    /* the peer reads our answer before it sees the end */
    shutdown(bufferevent_getfd(bev), SHUT_WR);
    conn_close_after_write(conn);
    return;
  }
  if (conn->state == CONN_READING && evbuffer_get_length(bufferevent_get_input(bev)) > 0)
    conn_parse(conn); /* it took its answers: on with what it asked meanwhile */
  else if (conn->state == CONN_STREAM && conn->request->drained)
    conn_drained(conn->request);
}

static void conn_on_event(struct bufferevent *bev, short what, void *data)
{
  Conn *conn = data;
  bool ended = (what & BEV_EVENT_EOF) && !(what & BEV_EVENT_WRITING);
  bool unsent = evbuffer_get_length(bufferevent_get_output(bev)) > 0;
  bool waits = conn->state == CONN_HANDLING ? !conn->server->config.eof_is_gone
                                            : conn->state != CONN_STREAM && unsent;
  if (!ended || !waits) {
    conn_free(conn);
    return;
  }
  conn->half_closed = true; /* it may still read */
  bufferevent_disable(bev, EV_READ);
  if (conn->state == CONN_READING)
    conn_parse(conn);
}

static int conn_peer_uid(int fd)
{
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  struct sockaddr_storage address = {0};
  socklen_t address_length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &address_length) != 0 ||
      address.ss_family != AF_UNIX)
    return -1;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 ? (int)credentials.uid
                                                                             : -1;
}

void server_on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *data)
{
  HttpServer *server = data;
  evutil_make_socket_nonblocking(fd);
  Conn *conn = g_new0(Conn, 1);
  conn->server = server;
  conn->link.data = conn;
  conn->peer_uid = conn_peer_uid(fd);
  if (conn->peer_uid >= 0 && server->config.peer_kind)
    conn->peer_kind = server->config.peer_kind(fd, server->config.data);
  if (conn->peer_uid < 0)
    getnameinfo(address, (socklen_t)length, conn->peer_address, sizeof conn->peer_address, NULL, 0,
                NI_NUMERICHOST);
  conn->url = g_string_new(NULL);
  conn->name = g_string_new(NULL);
  conn->value = g_string_new(NULL);
  conn->bev = bufferevent_socket_new(loop_base(server->loop), fd, BEV_OPT_CLOSE_ON_FREE);
  conn->timer = loop_timer_new(server->loop, conn_on_timer, conn);
  conn->deadline_ms = clock_boot_ms() + server->config.request_ms_max;
  loop_timer_set(conn->timer, conn->deadline_ms);
  llhttp_init(&conn->parser, HTTP_REQUEST, &conn_settings);
  bufferevent_setcb(conn->bev, conn_on_read, conn_on_write, conn_on_event, conn);
  bufferevent_setwatermark(conn->bev, EV_READ, 0, HTTP_READ_AHEAD);
  bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
  g_queue_push_tail_link(&server->conns, &conn->link);
  conn_watch_cap(server);
}

/* ---- life ---- */

HttpServer *http_server_new(Loop *loop, const HttpServerConfig *config)
{
  HttpServer *server = g_new0(HttpServer, 1);
  server->loop = loop;
  server->config = *config;
  if (!server->config.body_bytes_max)
    server->config.body_bytes_max = HTTP_BODY_MAX;
  if (!server->config.request_ms_max)
    server->config.request_ms_max = HTTP_REQUEST_MS;
  if (!server->config.reply_ms_max)
    server->config.reply_ms_max = HTTP_REPLY_MS;
  if (!server->config.connections_max)
    server->config.connections_max = HTTP_CONNECTIONS;
  server->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)evconnlistener_free);
  server->resume = loop_timer_new(loop, server_resume, server);
  g_queue_init(&server->conns);
  return server;
}

void http_server_free(HttpServer *server)
{
  if (!server)
    return;
  http_server_close_listeners(server);
  while (!g_queue_is_empty(&server->conns))
    conn_free(g_queue_peek_head(&server->conns));
  g_ptr_array_unref(server->listeners);
  loop_timer_free(server->resume);
  g_free(server);
}

void http_server_close_listeners(HttpServer *server)
{
  g_ptr_array_set_size(server->listeners, 0);
}

size_t http_server_backlog(const HttpServer *server)
{
  size_t bytes = 0;
  for (const GList *link = server->conns.head; link; link = link->next) {
    const Conn *conn = link->data;
    bytes += evbuffer_get_length(bufferevent_get_output(conn->bev));
  }
  return bytes;
}

int http_server_open(const HttpServer *server)
{
  return server->open;
}
