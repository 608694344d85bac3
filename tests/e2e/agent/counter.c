/* An agent that can be checked afterwards: prints numbered lines, each with its own name, and keeps
 * the number of those that it has written in a file that is mapped, so that the count outlives a
 * kill -9. With AGENT_PORT it listens there and answers every request with its revision. usage:
 * counter DIRECTORY MS-BETWEEN-LINES */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static int listen_on(int port)
{
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0) {
    perror("listen");
    exit(4);
  }
  return fd;
}

static void answer(int listener, const char *revision)
{
  char head[256], request[2048];
  int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (peer < 0)
    return;
  struct timeval patience = {.tv_usec = 50000};
  setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (recv(peer, request, sizeof request, 0) > 0) {
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          strlen(revision), revision);
    send(peer, head, (size_t)length, MSG_NOSIGNAL);
  }
  close(peer);
}

int main(int argc, char **argv)
{
  const char *port = getenv("AGENT_PORT"), *revision = getenv("REV");
  int64_t between_ms = atoll(argv[2]), next_ms = now_ms();
  char path[512], line[128];
  struct timespec at;
  clock_gettime(CLOCK_BOOTTIME, &at);
  snprintf(line, sizeof line, "%d-%lld", (int)getpid(),
           (long long)at.tv_sec * 1000000000 + at.tv_nsec);
  snprintf(path, sizeof path, "%s/%s~%s~%s~%s", argv[1], getenv("JOB_ID"), getenv("AGENT_ID"),
           getenv("REEVE_REPLICA"), line);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 || ftruncate(fd, 8) < 0) {
    perror(path);
    return 5;
  }
  volatile uint64_t *written = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  int listener = port ? listen_on(atoi(port)) : -1;
  for (;;) {
    struct pollfd poller = {.fd = listener, .events = POLLIN};
    int64_t left_ms = next_ms - now_ms();
    if (poll(&poller, listener >= 0, left_ms < 0 ? 0 : (int)left_ms) > 0)
      answer(listener, revision ? revision : "");
    if (now_ms() < next_ms)
      continue;
    next_ms += between_ms;
    char text[192];
    int length =
        snprintf(text, sizeof text, "L %s %llu\n", line, (unsigned long long)(*written + 1));
    if (write(STDOUT_FILENO, text, (size_t)length) == length)
      *written += 1;
  }
}
