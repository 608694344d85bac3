/* What a request and a connection of the HTTP server are by themselves, and how each ends; and when
 * new connections are taken. Reading (http_server.c) and answering (http_reply.c) stand on it. */
#include "net/http_conn.h"

#include "base/clock.h"

#include <string.h>

enum {
  HTTP_IDLE_MS = 60000,
  HTTP_LINGER_MS = 1000, /* for the peer's end after our last byte */
  HTTP_STALL_MS = 10000, /* a peer that takes nothing of the last answer for so long has left */
};

/* ---- requests ---- */

static void header_clear(gpointer data)
{
  HttpHeader *header = data;
  g_free(header->name);
  g_free(header->value);
}

HttpRequest *request_new(Conn *conn)
{
  HttpRequest *request = g_new0(HttpRequest, 1);
  request->conn = conn;
  request->headers = g_array_new(FALSE, FALSE, sizeof(HttpHeader));
  g_array_set_clear_func(request->headers, header_clear);
  request->body = g_string_new(NULL);
  return request;
}

void request_free(HttpRequest *request)
{
  if (!request)
    return;
  g_free(request->method);
  g_free(request->path);
  g_free(request->query_text);
  g_free(request->query_wrong);
  g_array_unref(request->headers);
  if (request->query)
    g_hash_table_unref(request->query);
  explicit_bzero(request->body->str, request->body->allocated_len); /* it may have been a secret */
  g_string_free(request->body, TRUE);
  if (request->reply_headers)
    g_string_free(request->reply_headers, TRUE);
  g_free(request);
}

/* ---- connections ---- */

void server_resume(void *data)
{
  HttpServer *server = data;
  for (guint i = 0; !server->paused && i < server->listeners->len; i++)
    evconnlistener_enable(server->listeners->pdata[i]);
}

void conn_watch_cap(HttpServer *server)
{
  bool full = (int)g_queue_get_length(&server->conns) >= server->config.connections_max;
  if (full == server->paused)
    return;
  server->paused = full;
  for (guint i = 0; i < server->listeners->len; i++) {
    if (full)
      evconnlistener_disable(server->listeners->pdata[i]);
    else
      evconnlistener_enable(server->listeners->pdata[i]);
  }
}

void conn_free(Conn *conn)
{
  HttpServer *server = conn->server;
  HttpRequest *request = g_steal_pointer(&conn->request);
  if (conn->state == CONN_HANDLING || conn->state == CONN_STREAM) {
    server->open--;
    if (request->gone)
      request->gone(request->gone_data);
  }
  request_free(request);
  g_queue_unlink(&server->conns, &conn->link);
  conn_watch_cap(server);
  loop_timer_free(conn->timer);
  bufferevent_free(conn->bev);
  g_string_free(conn->url, TRUE);
  g_string_free(conn->name, TRUE);
  g_string_free(conn->value, TRUE);
  g_free(conn);
}

void conn_close_after_write(Conn *conn)
{
  conn->state = CONN_CLOSING;
  conn->unsent = evbuffer_get_length(bufferevent_get_output(conn->bev));
  conn->deadline_ms = clock_boot_ms() + (conn->unsent ? HTTP_STALL_MS : HTTP_LINGER_MS);
  loop_timer_set(conn->timer, conn->deadline_ms);
}

void conn_answered(Conn *conn)
{
  bool more = !conn->half_closed || evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0;
  bool again = conn->request->keep_alive && more && conn->server->listeners->len > 0;
  conn->server->open--;
  request_free(g_steal_pointer(&conn->request));
  conn->complete = false;
  if (!again) {
    conn_close_after_write(conn);
    return;
  }
  conn->state = CONN_READING;
  conn->deadline_ms = clock_boot_ms() + HTTP_IDLE_MS;
  if (!conn->in_parse && evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0)
    bufferevent_trigger(conn->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}
