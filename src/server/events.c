/* Owns the event streams (SSE): who watches what, and who is too slow. The ring of past events is
 * event_ring.c. */
#include "server/events.h"

#include "base/clock.h"
#include "base/log.h"

#include <malloc.h>
#include <string.h>

enum { EVENTS_TRIM_MS = 1000 };

/* What a watcher has not taken lies in the ring, which all share, and not in a buffer of its own:
 * of that there is a page at most. */
typedef struct Watcher {
  Events *events;
  HttpRequest *request;
  char *deployment; /* NULL = all */
  char *caller;
  gint64 next; /* number of the first event that was not handed to its connection yet */
  /* number of the last event when it came: what was before is replayed, and not counted as being
   * slow */
  gint64 joined;
  size_t behind; /* bytes of events since then that were not handed over */
  bool waits;    /* for its connection to take what it has */
} Watcher;

struct Events {
  EventRing *ring;
  GPtrArray *watchers; /* of Watcher* */
  LoopTimer *comment, *trim;
  gint64 dropped;
};

static void watcher_free(Watcher *watcher)
{
  loop_timer_set(watcher->events->trim, clock_boot_ms() + EVENTS_TRIM_MS);
  g_free(watcher->deployment);
  g_free(watcher->caller);
  g_free(watcher);
}

/* Streams have come to their end: what they used goes back to the system, once for all of them. */
static void events_trim(void *data)
{
  (void)data;
  malloc_trim(0);
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
  events->trim = loop_timer_new(loop, events_trim, events);
  return events;
}

void events_free(Events *events)
{
  if (!events)
    return;
  events_end(events, "the server is shutting down");
  loop_timer_free(events->comment);
  loop_timer_free(events->trim);
  g_ptr_array_unref(events->watchers);
  event_ring_free(events->ring);
  g_free(events);
}

static void watcher_gone(void *data)
{
  Watcher *watcher = data;
  g_ptr_array_remove_fast(watcher->events->watchers, watcher);
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

static void watcher_drop(Watcher *watcher, const char *reason)
{
  watcher->events->dropped++;
  log_warn("event stream dropped", "caller=%s behind_bytes=%zu", watcher->caller, watcher->behind);
  watcher_end(watcher, reason);
}

static void watcher_feed(void *data);

static void watcher_wait(Watcher *watcher)
{
  watcher->waits = true;
  http_stream_on_drained(watcher->request, watcher_feed, watcher);
}

/* Its connection has taken what it had: the next page of the ring. */
static void watcher_feed(void *data)
{
  Watcher *watcher = data;
  const EventRing *ring = watcher->events->ring;
  g_autoptr(GString) page = g_string_new(NULL);
  if (watcher->next < event_ring_oldest(ring)) {
    watcher_drop(watcher, "too slow: events that were not read yet are gone");
    return;
  }
  for (; watcher->next <= event_ring_last(ring) && page->len < EVENTS_PAGE_BYTES; watcher->next++) {
    const char *item = event_ring_at(ring, watcher->next, watcher->deployment);
    size_t length = item ? strlen(item) : 0;
    g_string_append_len(page, item, (gssize)length);
    if (watcher->next > watcher->joined)
      watcher->behind -= MIN(length, watcher->behind);
  }
  watcher->waits = false;
  if (page->len)
    http_stream_chunk(watcher->request, page->str, page->len);
  if (watcher->next <= event_ring_last(ring))
    watcher_wait(watcher);
}

void events_publish(Events *events, const Event *event)
{
  const char *text = event_ring_add(events->ring, event);
  size_t length = strlen(text);
  for (guint i = events->watchers->len; i-- > 0;) {
    Watcher *watcher = g_ptr_array_index(events->watchers, i);
    bool wanted = !watcher->deployment || g_strcmp0(watcher->deployment, event->deployment) == 0;
    if (!watcher->waits &&
        (!wanted || http_stream_backlog(watcher->request) <= EVENTS_PAGE_BYTES)) {
      watcher->next = event_ring_last(events->ring) + 1;
      if (wanted)
        http_stream_chunk(watcher->request, text, length);
      continue;
    }
    watcher->behind += wanted ? length : 0;
    if (watcher->behind > EVENTS_BACKLOG_MAX)
      watcher_drop(watcher, "too slow: more than 1 MiB of events waited");
    else if (!watcher->waits)
      watcher_wait(watcher);
  }
}

/* What a new watcher is sent before anything else: its first page, or the snapshot; the peer sees
 * its stream begin in any case. */
static void watcher_begin(Watcher *watcher, const char *last_id, const char *snapshot)
{
  EventRing *ring = watcher->events->ring;
  gint64 seq = event_ring_resume(ring, last_id);
  watcher->joined = event_ring_last(ring);
  watcher->next = (seq < 0 ? watcher->joined : seq) + 1;
  g_autoptr(GString) text = g_string_new(NULL);
  if (seq < 0) {
    g_autofree char *id = event_ring_id(ring);
    g_string_append_printf(text, "event: reset\nid: %s\ndata: ", id);
    g_string_append(text, snapshot);
    g_string_append(text, "\n\n");
  } else {
    g_string_assign(text, ": alive\n\n");
  }
  http_stream_chunk(watcher->request, text->str, text->len);
  watcher_feed(watcher);
}

void events_follow(Events *events, HttpRequest *request, const EventsQuery *query,
                   const char *snapshot)
{
  Watcher *watcher = g_new0(Watcher, 1);
  *watcher = (Watcher){.events = events,
                       .request = request,
                       .deployment = g_strdup(query->deployment),
                       .caller = g_strdup(query->caller)};
  http_stream_start(request, 200, "text/event-stream");
  http_request_on_gone(request, watcher_gone, watcher);
  g_ptr_array_add(events->watchers, watcher);
  if (events->watchers->len == 1)
    loop_timer_set(events->comment, clock_boot_ms() + EVENTS_COMMENT_MS);
  watcher_begin(watcher, query->last_id, snapshot);
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

guint events_streams_of(const Events *events, const char *caller)
{
  guint n = 0;
  for (guint i = 0; i < events->watchers->len; i++)
    n += g_str_equal(((const Watcher *)g_ptr_array_index(events->watchers, i))->caller, caller);
  return n;
}

gint64 events_dropped(const Events *events)
{
  return events->dropped;
}
