/* Many readers of event streams: SOCKET COUNT. Opens COUNT connections to a unix socket, asks for
 * the stream on each, reads until all are closed and prints the bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int join(const char *path)
{
  static const char ask[] = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
      write(fd, ask, sizeof ask - 1) != (ssize_t)sizeof ask - 1) {
    perror("join");
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int open = atoi(argv[2]), epoll = epoll_create1(0);
  for (int i = 0; i < open; i++) {
    int fd = join(argv[1]);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  long long bytes = 0;
  static char buffer[1 << 16];
  while (open > 0) {
    struct epoll_event ready[256];
    int n = epoll_wait(epoll, ready, 256, -1);
    for (int i = 0; i < n; i++) {
      ssize_t got = read(ready[i].data.fd, buffer, sizeof buffer);
      if (got > 0) {
        bytes += got;
        continue;
      }
      close(ready[i].data.fd);
      open--;
    }
  }
  printf("%lld\n", bytes);
  return 0;
}
