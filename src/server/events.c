/* Owns the event streams (SSE): who watches what, and who is too slow. The ring of past events is event_ring.c. */
#include "server/events.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

typedef struct Watcher {
  Events *events;
  HttpRequest *request;
  char *deployment; /* NULL = all */
  size_t grace;     /* bytes of snapshot and replay that it was given at once: not counted as being slow until taken */
} Watcher;

struct Events {
  EventRing *ring;
  GPtrArray *watchers; /* of Watcher* */
  LoopTimer *comment;
  gint64 dropped;
};

static void watcher_free(Watcher *watcher)
{
  g_free(watcher->deployment);
  g_free(watcher);
}

/* Runs on the loop; the timer is armed only while somebody watches. */
static void events_comment(void *data)
{
  Events *events = data;
  for (guint i = 0; i < events->watchers->len; i++) {
    Watcher *watcher = g_ptr_array_index(events->watchers, i);
    if (http_stream_backlog(watcher->request) == 0)
      http_stream_chunk(watcher->request, ": alive\n\n", 9);
  }
  if (events->watchers->len)
    loop_timer_set(events->comment, clock_boot_ms() + EVENTS_COMMENT_MS);
}

Events *events_new(Loop *loop, const char *run)
{
  Events *events = g_new0(Events, 1);
  events->ring = event_ring_new(run, EVENTS_RING_MAX);
  events->watchers = g_ptr_array_new_with_free_func((GDestroyNotify)watcher_free);
  events->comment = loop_timer_new(loop, events_comment, events);
  return events;
}

void events_free(Events *events)
{
  if (!events)
    return;
  events_end(events, "the server is shutting down");
  loop_timer_free(events->comment);
  g_ptr_array_unref(events->watchers);
  event_ring_free(events->ring);
  g_free(events);
}

static void watcher_gone(void *data)
{
  Watcher *watcher = data;
  g_ptr_array_remove_fast(watcher->events->watchers, watcher);
}

static void watcher_drained(void *data)
{
  Watcher *watcher = data;
  watcher->grace = 0;
}

/* Last words, then the end; @watcher is gone after it. */
static void watcher_end(Watcher *watcher, const char *reason)
{
  g_autofree char *text = g_strdup_printf("event: end\ndata: {\"reason\":\"%s\"}\n\n", reason);
  HttpRequest *request = watcher->request;
  http_request_on_gone(request, NULL, NULL);
  http_stream_on_drained(request, NULL, NULL);
  g_ptr_array_remove_fast(watcher->events->watchers, watcher);
  http_stream_chunk(request, text, strlen(text));
  http_stream_end(request);
}

void events_publish(Events *events, const Event *event)
{
  const char *text = event_ring_add(events->ring, event);
  size_t length = strlen(text);
  for (guint i = events->watchers->len; i-- > 0;) {
    Watcher *watcher = g_ptr_array_index(events->watchers, i);
    if (watcher->deployment && g_strcmp0(watcher->deployment, event->deployment) != 0)
      continue;
    if (http_stream_backlog(watcher->request) <= EVENTS_BACKLOG_MAX + watcher->grace) {
      http_stream_chunk(watcher->request, text, length);
      continue;
    }
    events->dropped++;
    log_warn("event stream dropped", "backlog_bytes=%zu", http_stream_backlog(watcher->request));
    watcher_end(watcher, "too slow: more than 1 MiB of events waited");
  }
}

/* What a new watcher is sent before anything else. */
static void watcher_begin(Watcher *watcher, const char *last_id, const char *snapshot)
{
  EventRing *ring = watcher->events->ring;
  gint64 seq = event_ring_resume(ring, last_id);
  g_autoptr(GString) text = g_string_new(NULL);
  if (seq < 0) {
    g_autofree char *id = event_ring_id(ring);
    g_string_append_printf(text, "event: reset\nid: %s\ndata: ", id);
    g_string_append(text, snapshot);
    g_string_append(text, "\n\n");
  } else {
    for (seq++; seq <= event_ring_last(ring); seq++) {
      const char *item = event_ring_at(ring, seq, watcher->deployment);
      if (item)
        g_string_append(text, item);
    }
  }
  if (!text->len)
    g_string_assign(text, ": alive\n\n"); /* the peer sees its stream begin */
  watcher->grace = text->len;
  http_stream_chunk(watcher->request, text->str, text->len);
}

void events_follow(Events *events, HttpRequest *request, const char *deployment, const char *last_id, const char *snapshot)
{
  Watcher *watcher = g_new0(Watcher, 1);
  *watcher = (Watcher){.events = events, .request = request, .deployment = g_strdup(deployment)};
  http_reply_header(request, "Cache-Control", "no-store");
  http_stream_start(request, 200, "text/event-stream");
  http_request_on_gone(request, watcher_gone, watcher);
  http_stream_on_drained(request, watcher_drained, watcher);
  g_ptr_array_add(events->watchers, watcher);
  if (events->watchers->len == 1)
    loop_timer_set(events->comment, clock_boot_ms() + EVENTS_COMMENT_MS);
  watcher_begin(watcher, last_id, snapshot);
}

void events_end(Events *events, const char *reason)
{
  while (events->watchers->len)
    watcher_end(g_ptr_array_index(events->watchers, 0), reason);
  loop_timer_set(events->comment, INT64_MAX);
}

guint events_streams(const Events *events)
{
  return events->watchers->len;
}

gint64 events_dropped(const Events *events)
{
  return events->dropped;
}
