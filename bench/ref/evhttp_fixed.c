/* evhttp answering fixed bytes on a unix socket: the reference for our own HTTP front. Usage:
 * evhttp_fixed SOCKET FILE (the body). */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char body[1 << 20];
static size_t body_length;

static void answer(struct evhttp_request *request, void *data)
{
  (void)data;
  struct evbuffer *out = evbuffer_new();
  evbuffer_add(out, body, body_length);
  evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "application/json");
  evhttp_send_reply(request, 200, "OK", out);
  evbuffer_free(out);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  FILE *file = fopen(argv[2], "r");
  if (!file)
    return 1;
  body_length = fread(body, 1, sizeof body, file);
  fclose(file);
  struct event_base *base = event_base_new();
  struct evhttp *http = evhttp_new(base);
  evhttp_set_gencb(http, answer, NULL);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
  unlink(argv[1]);
  struct evconnlistener *listener = evconnlistener_new_bind(
      base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, 128, (struct sockaddr *)&address, sizeof address);
  if (!listener || !evhttp_bind_listener(http, listener))
    return 1;
  event_base_dispatch(base);
  return 0;
}
