#pragma once
/* What watchers see: a ring of the last events of this server run, and the streams (SSE) that
 * follow it. Resumable by "RUN-SEQ" (requirement C7); one who comes with an older or foreign id, or
 * with none, gets `reset` and a snapshot first. */
#include "core/core.h"
#include "net/http_server.h"

enum {
  EVENTS_RING_MAX = 100000,
  EVENTS_PAGE_BYTES = 64 * 1024,    /* that are handed to a connection ahead of its peer */
  EVENTS_BACKLOG_MAX = 1024 * 1024, /* a watcher that is further behind is dropped */
  /* a line that keeps connections and proxies awake, and shows who left */
  /* bytes of answers that nobody has taken, of all connections: above it no stream begins */
  EVENTS_COMMENT_MS = 15000,
  EVENTS_STREAMS_MAX = 2048,
  EVENTS_CALLER_MAX = 512, /* of them for one caller: nobody takes them all */
  EVENTS_UNREAD_MAX = 128 * 1024 * 1024
};

/* The last events as they go over the wire. Pure; numbered from 1 in each run. */
typedef struct EventRing EventRing;
/* @run: 1..40 characters without '-', another one for each run of the server; copied.
 * @size: 1..EVENTS_RING_MAX. */
EventRing *event_ring_new(const char *run, guint size);
void event_ring_free(EventRing *ring);
/* Keeps @event (copied) under the next number; the oldest goes when the ring is full. Returns its
 * text "event: ..\nid: ..\ndata: ..\n\n", valid until the ring is next changed. */
const char *event_ring_add(EventRing *ring, const Event *event);
/* Number of the oldest event that may still be read. */
gint64 event_ring_oldest(const EventRing *ring);
/* Number of the newest event; 0 = none yet. */
gint64 event_ring_last(const EventRing *ring);
/* The number after which a watcher with Last-Event-ID @id goes on, or -1 when it must begin with
 * `reset`. */
gint64 event_ring_resume(const EventRing *ring, const char *id);
/* Text of event @seq when it is still there and concerns @deployment (NULL = all), else NULL. Valid
 * until the ring is next read or changed: past events lie packed. */
const char *event_ring_at(const EventRing *ring, gint64 seq, const char *deployment);
/* "RUN-SEQ" of the newest event; caller frees. */
char *event_ring_id(const EventRing *ring);

typedef struct Events Events;
Events *events_new(Loop *loop, const char *run);
void events_free(Events *events);
/* Sends @event to every watcher that wants it. */
void events_publish(Events *events, const Event *event);
/* What a watcher asks for; copied. */
typedef struct EventsQuery {
  const char *deployment; /* name, NULL = all */
  const char *last_id;    /* of the last event that it has, or NULL */
  const char *caller;     /* "token:NAME", "uid:0" */
} EventsQuery;
/* Starts a stream on @request. @snapshot: JSON data of a `reset` event, sent unless @query->last_id
 * can be resumed. The stream lives until the peer leaves, falls too far behind, or events_end. */
void events_follow(Events *events, HttpRequest *request, const EventsQuery *query,
                   const char *snapshot);
/* Ends every stream with @reason. */
void events_end(Events *events, const char *reason);
guint events_streams(const Events *events);
guint events_streams_of(const Events *events, const char *caller);
gint64 events_dropped(const Events *events);
