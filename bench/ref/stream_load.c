/* STREAMS clients over TCP, each with one chat stream after the other, for SECONDS. For each PORT
 * it prints a line "P50 P99 TOKENS": milliseconds from the request to the first token, and tokens/s
 * of all. With two ports every client asks them in turn, so that both are measured at the same time
 * under the same load. The clients begin SPREAD_MS apart, all of them together; with keep they hold
 * on to their connections, with close each stream has one of its own. Usage: stream_load STREAMS
 * SECONDS SPREAD_MS keep|close PORT [PORT] */
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

enum { FIRSTS_MAX = 1 << 20, STREAMS_MAX = 1024, PORTS_MAX = 2, MARK_BYTES = 9, END_BYTES = 7 };

static const char body[] =
    "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
static const char mark[] = "\"content\""; /* once in every token */
static const char end_mark[] = "\r\n0\r\n\r\n";

/* One connection to one port. */
typedef struct Link {
  int fd; /* -1 = none */
  int port;
  int waiting; /* for the first token */
  int open;    /* for the end of its stream */
  size_t matched, matched_end;
  double asked_at;
  struct Client *client;
} Link;

typedef struct Client {
  Link links[PORTS_MAX];
  int turn;
} Client;

typedef struct Port {
  struct sockaddr_in address;
  double firsts[FIRSTS_MAX];
  long n_firsts, tokens;
} Port;

static Port ports[PORTS_MAX];
static Client clients[STREAMS_MAX];
static int n_ports, keep, epoll;
static long failed;

static double seconds_now(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void link_connect(Link *link)
{
  int on = 1;
  link->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(link->fd, (struct sockaddr *)&ports[link->port].address,
              sizeof(struct sockaddr_in)) != 0)
    exit(1);
  setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
  epoll_ctl(epoll, EPOLL_CTL_ADD, link->fd, &event);
}

/* Asks the port whose turn it is. */
static void client_ask(Client *client)
{
  char request[512];
  int n = snprintf(
      request, sizeof request,
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
      keep ? "" : "Connection: close\r\n", sizeof body - 1, body);
  Link *link = &client->links[client->turn];
  client->turn = (client->turn + 1) % n_ports;
  link->waiting = link->open = 1;
  link->matched = link->matched_end = 0;
  link->asked_at = seconds_now();
  if (link->fd < 0)
    link_connect(link);
  if (write(link->fd, request, (size_t)n) != n)
    exit(1);
}

/* Counts the marks in what came, also those that lie over the border of two reads. */
static void link_count(Link *link, const char *bytes, size_t n)
{
  Port *port = &ports[link->port];
  const char *p = bytes, *end = bytes + n;
  while (p < end) {
    if (link->matched == 0) {
      p = memchr(p, mark[0], (size_t)(end - p));
      if (!p)
        return;
    }
    if (*p == mark[link->matched]) {
      link->matched++;
      p++;
    } else {
      link->matched = *p == mark[0];
      p++;
    }
    if (link->matched < MARK_BYTES)
      continue;
    link->matched = 0;
    port->tokens++;
    if (link->waiting && port->n_firsts < FIRSTS_MAX)
      port->firsts[port->n_firsts++] = (seconds_now() - link->asked_at) * 1000;
    link->waiting = 0;
  }
}

/* Is the last chunk the end of what came? Only the last few bytes can be, and what they continue.
 */
static int link_ends(Link *link, const char *bytes, size_t n)
{
  for (size_t i = n > END_BYTES ? n - END_BYTES : 0; i < n; i++) {
    if (n > END_BYTES && i == n - END_BYTES)
      link->matched_end = 0;
    if (bytes[i] == end_mark[link->matched_end])
      link->matched_end++;
    else
      link->matched_end = bytes[i] == end_mark[0];
  }
  return link->matched_end == END_BYTES;
}

static void link_read(Link *link)
{
  static char bytes[1 << 18];
  ssize_t n = read(link->fd, bytes, sizeof bytes);
  if (n > 0) {
    link_count(link, bytes, (size_t)n);
    if (!keep || !link_ends(link, bytes, (size_t)n))
      return;
  } else {
    close(link->fd);
    link->fd = -1;
  }
  failed += link->waiting || (keep && n <= 0 && link->open);
  link->open = 0;
  client_ask(link->client);
}

static int compare(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int port_print(Port *port, double took)
{
  if (!port->n_firsts || failed) {
    fprintf(stderr, "%ld answers began, %ld had no token or no end\n", port->n_firsts, failed);
    return 1;
  }
  qsort(port->firsts, (size_t)port->n_firsts, sizeof port->firsts[0], compare);
  printf("%.4f %.4f %.0f\n", port->firsts[port->n_firsts / 2],
         port->firsts[port->n_firsts * 99 / 100], (double)port->tokens / took);
  return 0;
}

static void run(int n, double seconds, double spread_s)
{
  double begun = seconds_now();
  int asked = 0;
  while (seconds_now() < begun + seconds) {
    struct epoll_event events[64];
    for (; asked < n && seconds_now() >= begun + asked * spread_s / n; asked++)
      client_ask(&clients[asked]);
    int got = epoll_wait(epoll, events, 64, asked < n ? 1 : 100);
    for (int i = 0; i < got; i++)
      link_read(events[i].data.ptr);
  }
}

int main(int argc, char **argv)
{
  int n = argc > 5 ? atoi(argv[1]) : 0, code = 0;
  n_ports = argc - 5;
  if (n < 1 || n > STREAMS_MAX || n_ports > PORTS_MAX)
    return 2;
  epoll = epoll_create1(0);
  keep = strcmp(argv[4], "keep") == 0;
  for (int i = 0; i < n_ports; i++)
    ports[i].address = (struct sockaddr_in){.sin_family = AF_INET,
                                            .sin_port = htons((unsigned short)atoi(argv[5 + i])),
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int i = 0; i < n; i++) {
    clients[i].turn = i % n_ports;
    for (int j = 0; j < n_ports; j++)
      clients[i].links[j] = (Link){.fd = -1, .port = j, .client = &clients[i]};
  }
  run(n, atof(argv[2]), atof(argv[3]) / 1000);
  for (int i = 0; i < n_ports; i++)
    code |= port_print(&ports[i], atof(argv[2]));
  return code;
}
