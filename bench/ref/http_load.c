/* Keep-alive GETs over a unix socket: CONNECTIONS clients, each asks again when it was answered,
 * for SECONDS. Prints requests/s. Usage: http_load SOCKET PATH CONNECTIONS SECONDS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

typedef struct Client {
  int fd;
  size_t have;
  char buffer[65536];
} Client;

static double seconds_now(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Length of a complete answer at the start of the buffer, or 0. */
static size_t answer_length(Client *client)
{
  client->buffer[client->have] = '\0';
  char *end = strstr(client->buffer, "\r\n\r\n");
  char *length = strcasestr(client->buffer, "content-length:");
  if (!end || !length || length > end)
    return 0;
  size_t whole = (size_t)(end + 4 - client->buffer) + strtoul(length + 15, NULL, 10);
  return client->have >= whole ? whole : 0;
}

int main(int argc, char **argv)
{
  if (argc != 5)
    return 2;
  int n = atoi(argv[3]), epoll = epoll_create1(0);
  double until = seconds_now() + atof(argv[4]), started = seconds_now();
  char request[1024];
  int request_length =
      snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[2]);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
  Client *clients = calloc((size_t)n, sizeof *clients);
  for (int i = 0; i < n; i++) {
    clients[i].fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(clients[i].fd, (struct sockaddr *)&address, sizeof address) != 0)
      return 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
    epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
    if (write(clients[i].fd, request, (size_t)request_length) != request_length)
      return 1;
  }
  long done = 0;
  while (seconds_now() < until) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll, events, 64, 100);
    for (int i = 0; i < ready; i++) {
      Client *client = events[i].data.ptr;
      ssize_t got =
          read(client->fd, client->buffer + client->have, sizeof client->buffer - 1 - client->have);
      if (got <= 0)
        return 1;
      client->have += (size_t)got;
      size_t length = answer_length(client);
      if (!length)
        continue;
      if (strncmp(client->buffer, "HTTP/1.1 200", 12) != 0)
        return 3;
      client->have = 0;
      done++;
      if (write(client->fd, request, (size_t)request_length) != request_length)
        return 1;
    }
  }
  printf("%.0f\n", (double)done / (seconds_now() - started));
  free(clients);
  return 0;
}
