/* evhttp writing the bytes of an event stream to many: SOCKET STREAMS RATE SECONDS, as
 * bench_events. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX = 8192 };
static struct evhttp_request *followers[MAX];
static struct event_base *base;
static struct event *timer;
static int streams, rate, n;
static long long begin_ms, end_ms, sent;
static double cpu;

static long long now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static double cpu_seconds(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void publish(evutil_socket_t fd, short what, void *data)
{
  (void)fd, (void)what, (void)data;
  long long now = now_ms(), due = (now - begin_ms) * rate / 1000;
  if (now >= end_ms) {
    printf("%.3f 0\n", cpu_seconds() - cpu);
    fflush(stdout);
    event_base_loopbreak(base);
    return;
  }
  for (; sent < due; sent++)
    for (int i = 0; i < n; i++) {
      struct evbuffer *out = evbuffer_new();
      evbuffer_add_printf(
          out,
          "event: instance\nid: bench-%lld\ndata: {\"id\":\"ins_%06lld\",\"deployment\":\"bench\",\"agent\":\"worker\","
          "\"state\":\"running\",\"health\":\"healthy\",\"port\":8100}\n\n",
          sent, sent);
      evhttp_send_reply_chunk(followers[i], out);
      evbuffer_free(out);
    }
  event_add(timer, &(struct timeval){.tv_usec = 1000});
}

static void follow(struct evhttp_request *request, void *data)
{
  (void)data;
  evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                    "text/event-stream");
  evhttp_send_reply_start(request, 200, "OK");
  followers[n++] = request;
  if (n < streams)
    return;
  cpu = cpu_seconds();
  begin_ms = now_ms();
  end_ms += begin_ms;
  event_add(timer, &(struct timeval){.tv_usec = 1000});
}

int main(int argc, char **argv)
{
  if (argc != 5 || atoi(argv[2]) > MAX)
    return 2;
  streams = atoi(argv[2]);
  rate = atoi(argv[3]);
  end_ms = atoi(argv[4]) * 1000LL;
  struct event_config *config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
  base = event_base_new_with_config(config);
  timer = event_new(base, -1, 0, publish, NULL);
  struct evhttp *http = evhttp_new(base);
  evhttp_set_gencb(http, follow, NULL);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
  unlink(argv[1]);
  struct evconnlistener *listener = evconnlistener_new_bind(
      base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, 2048, (struct sockaddr *)&address, sizeof address);
  if (!listener || !evhttp_bind_listener(http, listener))
    return 1;
  event_base_dispatch(base);
  return 0;
}
