/* Owns the last events of this run as text ready for the wire; see events.h. Events come in blocks;
 * all but the open one are packed, so that the 100,000 events that a watcher may ask for cost a few
 * megabytes and a server whose agents flap does not grow by what it tells. */
#include "server/events.h"

#include <string.h>
#include <zlib.h>

enum { BLOCK_EVENTS = 64 };

typedef struct RingBlock {
  GString *text; /* each event and a NUL; NULL once packed */
  Bytef *packed;
  uLong packed_bytes, text_bytes;
  guint32 start[BLOCK_EVENTS];    /* of each event in the text */
  char *deployment[BLOCK_EVENTS]; /* GRefString, NULL for node events */
  guint n;
} RingBlock;

typedef struct Unpacked {
  gint64 block; /* -1 = none */
  char *text;
} Unpacked;

/* Event n is in block (n - 1) / BLOCK_EVENTS; that block is at its number modulo the blocks that
 * are kept. */
struct EventRing {
  char *run;
  GPtrArray *blocks; /* of RingBlock* */
  guint size, keep;
  gint64 last;
  Unpacked *unpacked; /* the block that was read last */
};

static void ring_block_free(gpointer data)
{
  RingBlock *block = data;
  for (guint i = 0; i < block->n; i++)
    g_clear_pointer(&block->deployment[i], g_ref_string_release);
  if (block->text)
    g_string_free(block->text, TRUE);
  g_free(block->packed);
  g_free(block);
}

EventRing *event_ring_new(const char *run, guint size)
{
  g_assert(size > 0 && size <= EVENTS_RING_MAX);
  EventRing *ring = g_new0(EventRing, 1);
  ring->run = g_strdup(run);
  ring->blocks = g_ptr_array_new_with_free_func(ring_block_free);
  ring->size = size;
  /* the oldest may be half out of sight */
  ring->keep = (size + BLOCK_EVENTS - 1) / BLOCK_EVENTS + 1;
  ring->unpacked = g_new0(Unpacked, 1);
  ring->unpacked->block = -1;
  return ring;
}

void event_ring_free(EventRing *ring)
{
  if (!ring)
    return;
  g_ptr_array_unref(ring->blocks);
  g_free(ring->unpacked->text);
  g_free(ring->unpacked);
  g_free(ring->run);
  g_free(ring);
}

static void ring_block_pack(RingBlock *block)
{
  uLong bound = compressBound(block->text->len), bytes = bound;
  g_autofree Bytef *packed = g_malloc(bound);
  if (compress2(packed, &bytes, (const Bytef *)block->text->str, block->text->len, Z_BEST_SPEED) !=
      Z_OK)
    return; /* it has no memory for its own state: the text stays as it is */
  block->packed = g_memdup2(packed, bytes);
  block->packed_bytes = bytes;
  block->text_bytes = block->text->len;
  g_string_free(g_steal_pointer(&block->text), TRUE);
}

/* The block that takes event @seq; a new one begins where the last is full. */
static RingBlock *ring_open_block(EventRing *ring, gint64 seq)
{
  gint64 number = (seq - 1) / BLOCK_EVENTS;
  guint at = (guint)(number % ring->keep);
  if ((seq - 1) % BLOCK_EVENTS)
    return ring->blocks->pdata[at];
  if (number > 0)
    ring_block_pack(ring->blocks->pdata[(number - 1) % ring->keep]);
  RingBlock *block = g_new0(RingBlock, 1);
  block->text = g_string_new(NULL);
  if (at < ring->blocks->len) {
    ring_block_free(ring->blocks->pdata[at]);
    ring->blocks->pdata[at] = block;
  } else {
    g_ptr_array_add(ring->blocks, block);
  }
  return block;
}

const char *event_ring_add(EventRing *ring, const Event *event)
{
  gint64 seq = ++ring->last;
  RingBlock *block = ring_open_block(ring, seq);
  guint32 start = (guint32)block->text->len;
  g_string_append_printf(block->text, "event: %s\nid: %s-%" G_GINT64_FORMAT "\ndata: %s\n\n",
                         event->type, ring->run, seq, event->data);
  g_string_append_c(block->text, '\0');
  block->deployment[block->n] =
      event->deployment ? g_ref_string_new_intern(event->deployment) : NULL;
  block->start[block->n++] = start;
  return block->text->str + start;
}

gint64 event_ring_last(const EventRing *ring)
{
  return ring->last;
}

gint64 event_ring_oldest(const EventRing *ring)
{
  return MAX(ring->last - (gint64)ring->size, 0) + 1;
}

gint64 event_ring_resume(const EventRing *ring, const char *id)
{
  size_t n = strlen(ring->run);
  if (!id || strncmp(id, ring->run, n) != 0 || id[n] != '-')
    return -1;
  guint64 seq;
  if (!g_ascii_string_to_unsigned(id + n + 1, 10, 0, (guint64)ring->last, &seq, NULL))
    return -1;
  return (gint64)seq >= event_ring_oldest(ring) - 1 ? (gint64)seq : -1;
}

/* Text of @block, whose number is @number; the next call may free it. */
static const char *ring_block_text(const EventRing *ring, const RingBlock *block, gint64 number)
{
  Unpacked *unpacked = ring->unpacked;
  if (block->text)
    return block->text->str;
  if (unpacked->block != number) {
    g_free(unpacked->text);
    unpacked->text = g_malloc(block->text_bytes);
    uLongf bytes = block->text_bytes;
    int done = uncompress((Bytef *)unpacked->text, &bytes, block->packed, block->packed_bytes);
    g_assert(done == Z_OK && bytes == block->text_bytes); /* nobody else writes our memory */
    unpacked->block = number;
  }
  return unpacked->text;
}

const char *event_ring_at(const EventRing *ring, gint64 seq, const char *deployment)
{
  if (seq < event_ring_oldest(ring) || seq > ring->last)
    return NULL;
  gint64 number = (seq - 1) / BLOCK_EVENTS;
  const RingBlock *block = ring->blocks->pdata[number % ring->keep];
  guint i = (guint)((seq - 1) % BLOCK_EVENTS);
  if (deployment && g_strcmp0(deployment, block->deployment[i]) != 0)
    return NULL;
  return ring_block_text(ring, block, number) + block->start[i];
}

char *event_ring_id(const EventRing *ring)
{
  return g_strdup_printf("%s-%" G_GINT64_FORMAT, ring->run, ring->last);
}
