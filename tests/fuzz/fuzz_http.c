/* Any bytes as what a peer sends to the HTTP front, in one piece or cut after as many bytes as the
 * first one says; then its half of the connection ends. Every connection must end by itself, and
 * what it is answered begins as HTTP does. */
#include "base/error.h"
#include "net/http_server.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Front {
  Loop *loop;
  HttpServer *server;
  char path[64];
} Front;

static void front_gone(void *data)
{
  g_assert_nonnull(data);
}

/* Asks everything that a handler may ask. */
static void front_look(HttpRequest *request, void *data)
{
  g_assert_cmpint(http_request_peer_uid(request), ==, (int)getuid());
  g_assert_cmpstr(http_request_peer_address(request), ==, "");
  http_request_set_data(request, data);
  g_assert_true(http_request_data(request) == data);
  http_request_on_gone(request, front_gone, request);
}

/* Pieces that go at once, or with the turn of the loop. */
static void front_stream(HttpRequest *request, const char *body, size_t length, const char *query)
{
  if (query) {
    http_stream_chunk_now(request, body, length);
    http_stream_chunk_now(request, query, strlen(query));
    g_assert_cmpuint(http_stream_unread(request), >=, http_stream_backlog(request));
    return;
  }
  http_stream_chunk(request, body, length);
  http_stream_on_drained(request, front_gone, request);
  g_assert_cmpuint(http_stream_backlog(request), >, 0);
}

static void front_handle(HttpRequest *request, void *data)
{
  front_look(request, data);
  if (strcmp(http_request_method(request), "DELETE") == 0) {
    http_reply_problem(request, REEVE_ERROR_CONFLICT, NULL);
    return;
  }
  size_t length;
  g_assert_nonnull(http_request_method(request));
  g_assert_cmpint(http_request_path(request)[0], ==, '/');
  static const char *const known[] = {"q", NULL};
  g_autofree char *decoded = http_path_decode(http_request_path(request)),
                  *wrong = http_request_query_wrong(request, known);
  g_assert_nonnull(decoded);
  const char *query = http_request_query(request, "q"),
             *accept = http_request_header(request, "accept");
  const char *body = http_request_body(request, &length);
  g_assert_cmpint(body[length], ==, '\0');
  if (query)
    http_reply_header(request, "X-Query", query);
  if (wrong)
    http_reply_header(request, "X-Wrong", wrong);
  if (!accept) {
    http_reply(request, 200, "text/plain", body, length);
    return;
  }
  http_stream_start(request, 200, "text/plain");
  front_stream(request, body, length, query);
  http_stream_end(request);
}

/* What the front refuses after the head, in a shape of our own. */
static void front_refuse(HttpRequest *request, int status, const char *word, const char *detail,
                         void *data)
{
  front_look(request, data);
  g_assert_cmpint(status, >=, 400);
  g_autofree char *text = g_strdup_printf("%s: %s", word, detail);
  http_reply(request, status, "text/plain", text, strlen(text));
}

static Front *front_new(void)
{
  Front *front = g_new0(Front, 1);
  front->loop = loop_new();
  HttpServerConfig config = {
      .handler = front_handle, .refuse = front_refuse, .data = front, .body_bytes_max = 1000};
  front->server = http_server_new(front->loop, &config);
  g_snprintf(front->path, sizeof front->path, "/tmp/reeve-fuzz-%d.sock", (int)getpid());
  g_assert_true(http_server_listen_unix(front->server, front->path, NULL));
  return front;
}

static int front_connect(const Front *front)
{
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy(address.sun_path, front->path, sizeof address.sun_path);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

static void front_turn(const Front *front)
{
  event_base_loop(loop_base(front->loop), EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static Front *front;
  if (!front)
    front = front_new();
  if (size < 1)
    return 0;
  size_t cut = MIN((size_t)data[0], size - 1);
  int fd = front_connect(front);
  send(fd, data + 1, cut, MSG_DONTWAIT | MSG_NOSIGNAL);
  front_turn(front);
  send(fd, data + 1 + cut, size - 1 - cut, MSG_DONTWAIT | MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
  char bytes[4096], first[9] = "";
  size_t got = 0;
  ssize_t n = -1;
  for (int turn = 0; n != 0 && turn < 10000; turn++) {
    front_turn(front);
    n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    for (ssize_t i = 0; i < n && got < 8; i++)
      first[got++] = bytes[i];
  }
  g_assert_cmpint(n, ==, 0);
  g_assert_true(got == 0 || strcmp(first, "HTTP/1.1") == 0);
  close(fd);
  front_turn(front);
  return 0;
}
