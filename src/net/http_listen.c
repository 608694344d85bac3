/* Where the HTTP server listens: unix sockets, of names of any length, and TCP; and how it waits
 * when descriptors are out. */
#include "base/clock.h"
#include "base/error.h"
#include "net/http_conn.h"
#include "net/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HTTP_EMFILE_PAUSE_MS = 100 };

/* No descriptors left: a listener that stays enabled would spin. */
static void server_on_accept_error(struct evconnlistener *listener, void *data)
{
  HttpServer *server = data;
  evconnlistener_disable(listener);
  loop_timer_set(server->resume, clock_boot_ms() + HTTP_EMFILE_PAUSE_MS);
}

static bool server_add_listener(HttpServer *server, int fd, GError **error)
{
  evutil_make_socket_nonblocking(fd);
  unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;
  struct evconnlistener *listener =
      evconnlistener_new(loop_base(server->loop), server_on_accept, server, flags, SOMAXCONN, fd);
  if (!listener) {
    int e = errno;
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "listen: %s", g_strerror(e));
    close(fd);
    return false;
  }
  evconnlistener_set_error_cb(listener, server_on_accept_error);
  g_ptr_array_add(server->listeners, listener);
  return true;
}

bool http_server_listen_unix(HttpServer *server, const char *path, GError **error)
{
  g_autofree char *directory = g_path_get_dirname(path);
  g_autofree char *name = g_path_get_basename(path);
  int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
      fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  /* sun_path ends at 107 bytes */
  g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, name);
  if (dir >= 0 && fd >= 0 && !unix_socket_free_name(dir, name, path, error)) {
    close(fd);
    close(dir);
    return false;
  }
  mode_t old = umask(0177);
  bool ok = dir >= 0 && fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  int e = errno;
  umask(old);
  if (dir >= 0)
    close(dir);
  if (ok)
    return server_add_listener(server, fd, error);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "listen on '%s': %s", path, g_strerror(e));
  if (fd >= 0)
    close(fd);
  return false;
}

static int server_bind(const struct addrinfo *at)
{
  int on = 1, fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
  if (fd < 0)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* inherited by what is accepted */
  if (bind(fd, at->ai_addr, at->ai_addrlen) == 0)
    return fd;
  int e = errno;
  close(fd);
  errno = e;
  return -1;
}

static int server_port(int fd)
{
  union {
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
  } address = {.v6 = {0}};
  socklen_t length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
    return -1;
  return ntohs(address.v6.sin6_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

int http_server_listen_tcp(HttpServer *server, const char *host, int port, GError **error)
{
  char service[16];
  g_snprintf(service, sizeof service, "%d", port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                  *found = NULL;
  int code = getaddrinfo(host, service, &hints, &found);
  int fd = -1;
  for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
    fd = server_bind(at);
  int e = errno;
  if (found)
    freeaddrinfo(found);
  if (fd < 0) {
    g_set_error(error, REEVE_ERROR, e == EADDRINUSE ? REEVE_ERROR_CONFLICT : REEVE_ERROR_INTERNAL,
                "listen on %s:%d: %s", host, port, code ? gai_strerror(code) : g_strerror(e));
    return -1;
  }
  return server_add_listener(server, fd, error) ? server_port(fd) : -1;
}
