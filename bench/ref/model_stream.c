/* A model server as fast as one can be: every POST is answered with a stream of
 * chat.completion.chunk events. It prints its port first. Usage: model_stream TOKENS PAUSE_MS
 * [keep]; 0 ms sends as fast as the reader takes it, else the first token comes at once. With keep
 * the connection stays, and every token is a chunk of its own, as model servers do it; else the
 * answer ends with the connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#define TOKEN                                                                                                         \
  "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0," \
  "\"delta\":{\"content\":\"word \"},\"finish_reason\":null}]}\n\n"
#define LAST                                                                                                          \
  "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0," \
  "\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

enum { BLOCK_TOKENS = 256, PEERS_MAX = 4096 };

/* How an answer is framed: all of it is known before the first is asked for. */
static const char *head;
static char token[512], last[512];
static size_t head_bytes, token_bytes, last_bytes, block_bytes;
static int keep;

static void frame_answer(void)
{
  head = keep ? HEAD "Transfer-Encoding: chunked\r\n\r\n" : HEAD "Connection: close\r\n\r\n";
  head_bytes = strlen(head);
  if (keep) {
    token_bytes = (size_t)snprintf(token, sizeof token, "%zx\r\n%s\r\n", sizeof TOKEN - 1, TOKEN);
    last_bytes =
        (size_t)snprintf(last, sizeof last, "%zx\r\n%s\r\n0\r\n\r\n", sizeof LAST - 1, LAST);
  } else {
    token_bytes = (size_t)snprintf(token, sizeof token, "%s", TOKEN);
    last_bytes = (size_t)snprintf(last, sizeof last, "%s", LAST);
  }
}

typedef struct Peer {
  int fd; /* -1 = free */
  int answering;
  long sent;      /* bytes of tokens */
  size_t in_last; /* bytes of the end that are sent */
  double next_at; /* of a paced stream: when the next token is due */
} Peer;

static Peer peers[PEERS_MAX];
static int n_peers; /* the highest that was ever used, and one */
static char block[BLOCK_TOKENS * sizeof token];
static long tokens_all;
static double pause_s;

static double seconds_now(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void peer_close(Peer *peer)
{
  close(peer->fd);
  peer->fd = -1;
}

/* Writes what is due, or what the socket takes. */
static void peer_write(Peer *peer)
{
  long all = tokens_all * (long)token_bytes;
  while (peer->sent < all) {
    size_t at = (size_t)(peer->sent % (long)block_bytes), left = block_bytes - at;
    if (pause_s > 0) {
      if (seconds_now() < peer->next_at)
        return;
      left = token_bytes;
      peer->next_at += pause_s;
    }
    if ((long)left > all - peer->sent)
      left = (size_t)(all - peer->sent);
    ssize_t n = write(peer->fd, block + at, left);
    if (n < 0 && errno == EAGAIN)
      return;
    if (n < 0) {
      peer_close(peer);
      return;
    }
    peer->sent += n;
  }
  ssize_t n = write(peer->fd, last + peer->in_last, last_bytes - peer->in_last);
  if (n > 0)
    peer->in_last += (size_t)n;
  if (peer->in_last == last_bytes && keep)
    *peer = (Peer){.fd = peer->fd};
  else if (peer->in_last == last_bytes || (n < 0 && errno != EAGAIN))
    peer_close(peer);
}

/* The request is whole when its JSON object is: the bench sends "}" as its last byte and nothing
 * behind it. */
static void peer_read(Peer *peer)
{
  char bytes[16384];
  ssize_t n = read(peer->fd, bytes, sizeof bytes);
  if (n == 0 || (n < 0 && errno != EAGAIN)) {
    peer_close(peer);
    return;
  }
  if (n < 0 || peer->answering || bytes[n - 1] != '}')
    return;
  peer->answering = 1;
  peer->next_at = seconds_now();
  if (write(peer->fd, head, head_bytes) != (ssize_t)head_bytes)
    peer_close(peer);
  else
    peer_write(peer);
}

static void take_peer(int epoll, int listener)
{
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
  for (int i = 0; fd >= 0 && i < PEERS_MAX; i++) {
    if (peers[i].fd >= 0)
      continue;
    peers[i] = (Peer){.fd = fd};
    n_peers = i < n_peers ? n_peers : i + 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &peers[i]};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    return;
  }
  close(fd);
}

static int listen_any(void)
{
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0)
    exit(1);
  getsockname(fd, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv)
{
  if (argc < 3 || argc > 4)
    return 2;
  signal(SIGPIPE, SIG_IGN);
  tokens_all = atol(argv[1]);
  pause_s = atof(argv[2]) / 1000;
  keep = argc == 4;
  frame_answer();
  for (; block_bytes < BLOCK_TOKENS * token_bytes; block_bytes += token_bytes)
    memcpy(block + block_bytes, token, token_bytes);
  for (int i = 0; i < PEERS_MAX; i++)
    peers[i].fd = -1;
  int listener = listen_any(), epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  while (1) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll, events, 256, pause_s > 0 ? 1 : -1);
    for (int i = 0; i < n; i++) {
      Peer *peer = events[i].data.ptr;
      if (!peer)
        take_peer(epoll, listener);
      else if (peer->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        peer_read(peer);
      if (peer && peer->fd >= 0 && peer->answering && (events[i].events & EPOLLOUT))
        peer_write(peer);
    }
    for (int i = 0; pause_s > 0 && i < n_peers; i++)
      if (peers[i].fd >= 0 && peers[i].answering)
        peer_write(&peers[i]);
  }
}
