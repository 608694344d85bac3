/* A healthy agent at the least cost: answers every connection on 127.0.0.1:$AGENT_PORT with a fixed
 * 200. Static. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
  static const char answer[] =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{\"status\":\"healthy\"}";
  const char *port = getenv("AGENT_PORT");
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(port ? port : "0")),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 64) != 0)
    return 1;
  for (;;) {
    char request[4096];
    int peer = accept(fd, NULL, NULL);
    if (peer < 0)
      continue;
    if (read(peer, request, sizeof request) > 0 && write(peer, answer, sizeof answer - 1) < 0)
      _exit(1);
    close(peer);
  }
}
