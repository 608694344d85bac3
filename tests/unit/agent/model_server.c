/* Owns the stand-in model server of the tests. */
#include "model_server.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

typedef struct Visit {
  ModelServer *server;
  struct bufferevent *bev;
  LoopTimer *timer;
  const Play *play; /* NULL = the request is still coming */
  guint piece;
} Visit;

struct ModelServer {
  Loop *loop;
  struct evconnlistener *listener;
  const Play *plays;
  guint n_plays, requests;
  char *head, *body; /* of the last request */
  GPtrArray *visits; /* of Visit* */
};

static void visit_free(void *data)
{
  Visit *visit = data;
  loop_timer_free(visit->timer);
  bufferevent_free(visit->bev);
  g_free(visit);
}

static void visit_leave(Visit *visit)
{
  g_ptr_array_remove(visit->server->visits, visit);
}

static void visit_on_event(struct bufferevent *bev, short what, void *data)
{
  (void)bev;
  if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
    visit_leave(data);
}

static void visit_on_written(struct bufferevent *bev, void *data)
{
  Visit *visit = data;
  const Play *play = visit->play;
  bool all = play && (!play->status || (!play->pieces[visit->piece] && play->end == PLAY_CUT));
  if (all && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
    visit_leave(visit);
}

static void visit_piece(Visit *visit, const char *piece)
{
  g_autofree char *size = g_strdup_printf("%zx\r\n", strlen(piece));
  struct evbuffer *out = bufferevent_get_output(visit->bev);
  evbuffer_add(out, size, strlen(size));
  evbuffer_add(out, piece, strlen(piece));
  evbuffer_add(out, "\r\n", 2);
}

static void visit_go_on(void *data)
{
  Visit *visit = data;
  const Play *play = visit->play;
  if (!play->pieces[visit->piece] && play->end == PLAY_AGAIN)
    visit->piece = 0;
  const char *piece = play->pieces[visit->piece];
  if (piece) {
    visit->piece++;
    visit_piece(visit, piece);
    loop_timer_set(visit->timer, clock_boot_ms() + play->pause_ms);
    return;
  }
  if (play->end == PLAY_END)
    evbuffer_add(bufferevent_get_output(visit->bev), "0\r\n\r\n", 5);
  else
    visit_on_written(visit->bev, visit);
}

static void visit_answer(Visit *visit)
{
  ModelServer *server = visit->server;
  const Play *play = visit->play = &server->plays[MIN(server->requests, server->n_plays - 1)];
  server->requests++;
  if (!play->status) {
    visit_leave(visit);
    return;
  }
  visit->piece = 0;
  evbuffer_add_printf(
      bufferevent_get_output(visit->bev),
      "HTTP/1.1 %d Stand-in\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n%s%s\r\n",
      play->status, play->type, play->header ? play->header : "", play->header ? "\r\n" : "");
  loop_timer_set(visit->timer, clock_boot_ms() + play->pause_ms);
}

static void visit_on_read(struct bufferevent *bev, void *data)
{
  Visit *visit = data;
  ModelServer *server = visit->server;
  struct evbuffer *in = bufferevent_get_input(bev);
  size_t length = evbuffer_get_length(in);
  g_autofree char *text = g_malloc0(length + 1);
  evbuffer_copyout(in, text, length);
  char *end = strstr(text, "\r\n\r\n");
  const char *header = end ? strcasestr(text, "content-length:") : NULL;
  if (!header || length < (size_t)(end + 4 - text) + (size_t)atol(header + 15))
    return;
  g_free(server->head);
  g_free(server->body);
  server->head = g_strndup(text, (gsize)(end - text));
  server->body = g_strdup(end + 4);
  evbuffer_drain(in, length);
  visit_answer(visit);
}

static void server_on_visit(struct evconnlistener *listener, evutil_socket_t fd,
                            struct sockaddr *address, int length, void *data)
{
  (void)listener;
  (void)address;
  (void)length;
  ModelServer *server = data;
  Visit *visit = g_new0(Visit, 1);
  *visit =
      (Visit){.server = server,
              .bev = bufferevent_socket_new(loop_base(server->loop), fd, BEV_OPT_CLOSE_ON_FREE)};
  visit->timer = loop_timer_new(server->loop, visit_go_on, visit);
  g_ptr_array_add(server->visits, visit);
  bufferevent_setcb(visit->bev, visit_on_read, visit_on_written, visit_on_event, visit);
  bufferevent_enable(visit->bev, EV_READ | EV_WRITE);
}

ModelServer *model_server_new(Loop *loop, const Play *plays, guint n_plays)
{
  ModelServer *server = g_new0(ModelServer, 1);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  *server = (ModelServer){.loop = loop,
                          .plays = plays,
                          .n_plays = n_plays,
                          .visits = g_ptr_array_new_with_free_func(visit_free)};
  server->listener = evconnlistener_new_bind(loop_base(loop), server_on_visit, server,
                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1,
                                             (struct sockaddr *)&at, sizeof at);
  g_assert_nonnull(server->listener);
  return server;
}

void model_server_free(ModelServer *server)
{
  evconnlistener_free(server->listener);
  g_ptr_array_unref(server->visits);
  g_free(server->head);
  g_free(server->body);
  g_free(server);
}

int model_server_port(const ModelServer *server)
{
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  g_assert_cmpint(
      getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&at, &size), ==, 0);
  return ntohs(at.sin_port);
}

guint model_server_requests(const ModelServer *server)
{
  return server->requests;
}

const char *model_server_body(const ModelServer *server)
{
  return server->body;
}

const char *model_server_head(const ModelServer *server)
{
  return server->head;
}

guint model_server_open(const ModelServer *server)
{
  return server->visits->len;
}

size_t model_server_unsent(const ModelServer *server)
{
  size_t bytes = 0;
  for (guint i = 0; i < server->visits->len; i++)
    bytes += evbuffer_get_length(
        bufferevent_get_output(((const Visit *)g_ptr_array_index(server->visits, i))->bev));
  return bytes;
}
