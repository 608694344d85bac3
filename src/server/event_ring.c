/* Owns the last events of this run as text ready for the wire; see events.h. */
#include "server/events.h"

#include <string.h>

typedef struct RingItem {
  char *text;
  char *deployment; /* interned by the ring: GRefString, NULL for node events */
} RingItem;

struct EventRing {
  char *run;
  GArray *items; /* of RingItem; grows up to size, then wraps: event n is at (n - 1) % size */
  guint size;
  gint64 last;
};

EventRing *event_ring_new(const char *run, guint size)
{
  g_assert(size > 0 && size <= EVENTS_RING_MAX);
  EventRing *ring = g_new0(EventRing, 1);
  ring->run = g_strdup(run);
  ring->items = g_array_new(FALSE, TRUE, sizeof(RingItem));
  ring->size = size;
  return ring;
}

static void ring_item_done(RingItem *item)
{
  g_free(item->text);
  if (item->deployment)
    g_ref_string_release(item->deployment);
}

void event_ring_free(EventRing *ring)
{
  if (!ring)
    return;
  for (guint i = 0; i < ring->items->len; i++)
    ring_item_done(&g_array_index(ring->items, RingItem, i));
  g_array_unref(ring->items);
  g_free(ring->run);
  g_free(ring);
}

const char *event_ring_add(EventRing *ring, const Event *event)
{
  gint64 seq = ++ring->last;
  RingItem item = {.text =
                       g_strdup_printf("event: %s\nid: %s-%" G_GINT64_FORMAT "\ndata: %s\n\n", event->type, ring->run, seq, event->data),
                   .deployment = event->deployment ? g_ref_string_new_intern(event->deployment) : NULL};
  guint at = (guint)((seq - 1) % ring->size);
  if (at < ring->items->len) {
    RingItem *old = &g_array_index(ring->items, RingItem, at);
    ring_item_done(old);
    *old = item;
  } else {
    g_array_append_val(ring->items, item);
  }
  return item.text;
}

gint64 event_ring_last(const EventRing *ring)
{
  return ring->last;
}

gint64 event_ring_resume(const EventRing *ring, const char *id)
{
  size_t n = strlen(ring->run);
  if (!id || strncmp(id, ring->run, n) != 0 || id[n] != '-')
    return -1;
  guint64 seq;
  if (!g_ascii_string_to_unsigned(id + n + 1, 10, 0, (guint64)ring->last, &seq, NULL))
    return -1;
  gint64 oldest = ring->last - (gint64)ring->items->len + 1;
  return (gint64)seq >= oldest - 1 ? (gint64)seq : -1;
}

const char *event_ring_at(const EventRing *ring, gint64 seq, const char *deployment)
{
  if (seq < 1 || seq > ring->last || seq <= ring->last - (gint64)ring->items->len)
    return NULL;
  const RingItem *item = &g_array_index(ring->items, RingItem, (guint)((seq - 1) % ring->size));
  return !deployment || g_strcmp0(deployment, item->deployment) == 0 ? item->text : NULL;
}

char *event_ring_id(const EventRing *ring)
{
  return g_strdup_printf("%s-%" G_GINT64_FORMAT, ring->run, ring->last);
}
