/* The trivial supervised process of the benches: tells its own start (pid and CLOCK_MONOTONIC ns)
 * by one datagram to $BENCH_SOCKET, then sleeps for ever. Static, so that what is measured is the
 * supervisor. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const char *path = getenv("BENCH_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path && strlen(path) < sizeof address.sun_path) {
    strcpy(address.sun_path, path);
    char text[64];
    int n = snprintf(text, sizeof text, "%d %lld", (int)getpid(),
                     (long long)now.tv_sec * 1000000000LL + now.tv_nsec);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&address, sizeof address) < 0)
      perror("child: report");
    close(fd);
  }
  for (;;)
    pause();
}
