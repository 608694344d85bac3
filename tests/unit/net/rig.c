/* See rig.h. */
#include "rig.h"

#include "base/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BIG = 64 * 1024 };

static void rig_on_gone(void *data)
{
  Rig *rig = data;
  rig->gone = true;
  rig->held = NULL;
}

static void rig_handle(HttpRequest *request, void *data)
{
  Rig *rig = data;
  rig->handled++;
  const char *path = http_request_path(request), *query = http_request_query(request, "q");
  if (strcmp(path, "/hold") == 0 || strcmp(path, "/stream") == 0) {
    rig->held = request;
    http_request_on_gone(request, rig_on_gone, rig);
    return;
  }
  if (strcmp(path, "/big") == 0) {
    g_autofree char *text = g_strnfill(BIG, 'x');
    http_reply(request, 200, "text/plain", text, BIG);
    return;
  }
  size_t length;
  const char *body = http_request_body(request, &length);
  g_autofree char *text = g_strdup_printf("%s %s q=%s %s", http_request_method(request), path,
                                          query ? query : "-", body);
  static const char *const asked[] = {"Host", "Transfer-Encoding", "Authorization", "X-Late"};
  for (size_t i = 0; strcmp(path, "/headers") == 0 && i < G_N_ELEMENTS(asked); i++) {
    const char *value = http_request_header(request, asked[i]);
    g_autofree char *before = text;
    text = value ? g_strdup_printf("%s%s[%s=%s]", before, i ? "" : " ", asked[i], value)
                 : g_strdup(before);
  }
  http_reply_header(request, "X-Two", "a\r\nX-Forged: b");
  http_reply(request, 200, "text/plain", text, strlen(text));
}

Rig *rig_new(const HttpServerConfig *limits)
{
  Rig *rig = g_new0(Rig, 1);
  HttpServerConfig config = limits ? *limits : (HttpServerConfig){0};
  config.handler = rig_handle;
  config.data = rig;
  rig->loop = loop_new();
  rig->server = http_server_new(rig->loop, &config);
  rig->dir = g_dir_make_tmp("reeve-net-XXXXXX", NULL);
  rig->path = g_build_filename(rig->dir, "s.sock", NULL);
  g_autoptr(GError) error = NULL;
  g_assert_true(http_server_listen_unix(rig->server, rig->path, &error));
  return rig;
}

void rig_free(Rig *rig)
{
  http_server_free(rig->server);
  loop_free(rig->loop);
  fs_remove_tree(rig->dir, NULL);
  g_free(rig->dir);
  g_free(rig->path);
  g_free(rig);
}

void rig_turn(Rig *rig)
{
  struct timeval longest = {0, 1000};
  event_base_loopexit(loop_base(rig->loop), &longest);
  event_base_loop(loop_base(rig->loop), EVLOOP_ONCE);
}

Peer *peer_new(Rig *rig)
{
  Peer *peer = g_new0(Peer, 1);
  peer->rig = rig;
  peer->got = g_string_new(NULL);
  peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy(address.sun_path, rig->path, sizeof address.sun_path);
  g_assert_cmpint(connect(peer->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return peer;
}

void peer_free(Peer *peer)
{
  close(peer->fd);
  g_string_free(peer->got, TRUE);
  g_free(peer);
}

size_t peer_send(Peer *peer, const char *bytes, size_t length)
{
  ssize_t n = send(peer->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  return n > 0 ? (size_t)n : 0;
}

void peer_say(Peer *peer, const char *text)
{
  size_t done = 0, length = strlen(text);
  RIG_UNTIL(peer->rig, (done += peer_send(peer, text + done, length - done)) == length);
}

void peer_take(Peer *peer)
{
  char bytes[65536];
  ssize_t n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n > 0)
    g_string_append_len(peer->got, bytes, n);
  else if (n == 0 || errno != EAGAIN)
    peer->ended = true;
}

int peer_answers(Peer *peer)
{
  int count = 0;
  size_t at = 0;
  peer_take(peer);
  for (;;) {
    const char *head = peer->got->str + at, *end = strstr(head, "\r\n\r\n"),
               *length = strstr(head, "Content-Length: ");
    if (!end)
      return count;
    at = (size_t)(end + 4 - peer->got->str) +
         (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
    if (at > peer->got->len)
      return count;
    count++;
  }
}

int peer_ask(Peer *peer, const char *text)
{
  g_string_truncate(peer->got, 0);
  peer_say(peer, text);
  RIG_UNTIL(peer->rig, peer_answers(peer) == 1 || peer->ended);
  return peer->got->len > 12 ? atoi(peer->got->str + 9) : 0;
}
