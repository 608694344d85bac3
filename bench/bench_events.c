/* The events room alone: SOCKET STREAMS RATE SECONDS. Waits until STREAMS watchers follow,
 * publishes RATE events a second for SECONDS to all of them, ends the streams and prints the CPU
 * seconds that it took since the first event. */
#include "base/clock.h"
#include "server/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

typedef struct Bench {
  Loop *loop;
  HttpServer *http;
  Events *events;
  LoopTimer *timer;
  int streams, rate, followers;
  int64_t begin_ms, end_ms, sent;
  double cpu;
} Bench;

static double cpu_seconds(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void publish(void *data)
{
  Bench *bench = data;
  int64_t now = clock_boot_ms(), due = (now - bench->begin_ms) * bench->rate / 1000;
  if (now >= bench->end_ms) {
    printf("%.3f %lld\n", cpu_seconds() - bench->cpu, (long long)events_dropped(bench->events));
    fflush(stdout);
    loop_stop(bench->loop);
    return;
  }
  for (; bench->sent < due; bench->sent++) {
    char json[256];
    snprintf(
        json, sizeof json,
        "{\"id\":\"ins_%06lld\",\"deployment\":\"bench\",\"agent\":\"worker\",\"state\":\"running\",\"health\":\"healthy\",\"port\":8100}",
        (long long)bench->sent);
    char type[] = "instance", deployment[] = "bench", object[] = "ins";
    Event event = {.type = type, .deployment = deployment, .object = object, .data = json};
    events_publish(bench->events, &event);
  }
  loop_timer_set(bench->timer, now + 1);
}

static void handle(HttpRequest *request, void *data)
{
  Bench *bench = data;
  events_follow(bench->events, request, &(EventsQuery){.caller = "bench"}, "{}");
  if (++bench->followers < bench->streams)
    return;
  bench->cpu = cpu_seconds();
  bench->begin_ms = clock_boot_ms();
  bench->end_ms += bench->begin_ms;
  loop_timer_set(bench->timer, bench->begin_ms + 1);
}

int main(int argc, char **argv)
{
  if (argc != 5)
    return 2;
  Bench bench = {.loop = loop_new(),
                 .streams = atoi(argv[2]),
                 .rate = atoi(argv[3]),
                 .end_ms = atoi(argv[4]) * 1000};
  bench.http = http_server_new(
      bench.loop, &(HttpServerConfig){.handler = handle, .data = &bench, .connections_max = 4096});
  bench.events = events_new(bench.loop, "bench");
  bench.timer = loop_timer_new(bench.loop, publish, &bench);
  g_autoptr(GError) error = NULL;
  if (!http_server_listen_unix(bench.http, argv[1], &error)) {
    fprintf(stderr, "%s\n", error->message);
    return 1;
  }
  loop_run(bench.loop);
  return 0;
}
