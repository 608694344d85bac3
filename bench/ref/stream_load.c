/* STREAMS clients over TCP, each with one chat stream after the other, for SECONDS. Prints "P50 P99 TOKENS": milliseconds from the request
 * to the first token, and tokens/s of all. Usage: stream_load PORT STREAMS SECONDS */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRSTS_MAX = 1 << 20, STREAMS_MAX = 1024, MARK_BYTES = 9 };

static const char body[] = "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
static const char mark[] = "\"content\""; /* once in every token */

typedef struct Client {
  int fd;
  int waiting; /* for the first token */
  size_t matched;
  double asked_at;
} Client;

static double firsts[FIRSTS_MAX];
static long n_firsts, tokens, failed;
static struct sockaddr_in address = {.sin_family = AF_INET};

static double seconds_now(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void client_ask(Client *client, int epoll)
{
  char request[512];
  int on = 1, n = snprintf(request, sizeof request,
                           "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                           sizeof body - 1, body);
  *client = (Client){.fd = socket(AF_INET, SOCK_STREAM, 0), .waiting = 1};
  if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0)
    exit(1);
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  client->asked_at = seconds_now();
  if (write(client->fd, request, (size_t)n) != n)
    exit(1);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event);
}

/* Counts the marks in what came, also those that lie over the border of two reads. */
static void client_count(Client *client, const char *bytes, size_t n)
{
  const char *p = bytes, *end = bytes + n;
  while (p < end) {
    if (client->matched == 0) {
      p = memchr(p, mark[0], (size_t)(end - p));
      if (!p)
        return;
    }
    if (*p == mark[client->matched]) {
      client->matched++;
      p++;
    } else {
      client->matched = *p == mark[0];
      p++;
    }
    if (client->matched < MARK_BYTES)
      continue;
    client->matched = 0;
    tokens++;
    if (client->waiting && n_firsts < FIRSTS_MAX)
      firsts[n_firsts++] = (seconds_now() - client->asked_at) * 1000;
    client->waiting = 0;
  }
}

static void client_read(Client *client, int epoll)
{
  static char bytes[1 << 18];
  ssize_t n = read(client->fd, bytes, sizeof bytes);
  if (n > 0) {
    client_count(client, bytes, (size_t)n);
    return;
  }
  failed += client->waiting;
  close(client->fd);
  client_ask(client, epoll);
}

static int compare(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
  int n = argc == 4 ? atoi(argv[2]) : 0, epoll = epoll_create1(0);
  if (n < 1 || n > STREAMS_MAX)
    return 2;
  address.sin_port = htons((unsigned short)atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  static Client clients[STREAMS_MAX];
  double begun = seconds_now(), until = begun + atof(argv[3]);
  for (int i = 0; i < n; i++)
    client_ask(&clients[i], epoll);
  while (seconds_now() < until) {
    struct epoll_event events[64];
    int got = epoll_wait(epoll, events, 64, 100);
    for (int i = 0; i < got; i++)
      client_read(events[i].data.ptr, epoll);
  }
  if (!n_firsts || failed) {
    fprintf(stderr, "%ld answers began, %ld had no token\n", n_firsts, failed);
    return 1;
  }
  double took = seconds_now() - begun;
  qsort(firsts, (size_t)n_firsts, sizeof firsts[0], compare);
  printf("%.4f %.4f %.0f\n", firsts[n_firsts / 2], firsts[n_firsts * 99 / 100], (double)tokens / took);
  return 0;
}
