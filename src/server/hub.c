/* Owns the node links: who is linked, frames in become commands, messages go out. What arrives
 * while a turn runs, or while the release queue is full, waits in order. */
#include "server/hub.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

/* of frames not yet handled; a node that sends more loses its link */
enum { HUB_WAITING_BYTES_MAX = 64 * 1024 * 1024 };

struct HubPeer {
  Hub *hub;
  const HubCarrier *carrier;
  void *link;
  char *node; /* NULL until hello when the carrier does not vouch */
  bool vouched;
  /* of its last hello: one process has both, at most one at a time (its directory is locked) */
  char *incarnation, *boot_id;
  int64_t heard_boot_ms; /* its last line */
  bool greeted;          /* hello was handled: messages may go out */
  bool overrun;          /* sent more than we hold: its link ends at the next chance */
  char *refused;         /* what the log said last of why it is refused; or NULL */
  FrameJoin join;
};

typedef struct HubFrame {
  HubPeer *peer;
  char *text;
  size_t length;
} HubFrame;

struct Hub {
  Server *server;
  const HubNews *news;
  GPtrArray *peers;
  GQueue waiting; /* of HubFrame* */
  size_t waiting_bytes;
  bool paused;
  bool sending; /* inside a carrier's send: what comes back is handled later */
  bool draining;
  bool posted; /* a drain is on its way */
};

typedef void (*HubFrameFn)(HubPeer *peer, const Frame *frame);

Hub *hub_new(Server *server, const HubNews *news)
{
  Hub *hub = g_new0(Hub, 1);
  hub->server = server;
  hub->news = news;
  hub->peers = g_ptr_array_new();
  g_queue_init(&hub->waiting);
  return hub;
}

static void hub_frame_free(HubFrame *frame)
{
  g_free(frame->text);
  g_free(frame);
}

/* Drops what @peer (NULL = anybody) sent and nobody has handled. */
static void hub_drop_waiting(Hub *hub, const HubPeer *peer)
{
  for (GList *at = hub->waiting.head, *next; at; at = next) {
    next = at->next;
    HubFrame *frame = at->data;
    if (peer && frame->peer != peer)
      continue;
    hub->waiting_bytes -= frame->length;
    hub_frame_free(frame);
    g_queue_delete_link(&hub->waiting, at);
  }
}

static void hub_peer_free(HubPeer *peer)
{
  hub_drop_waiting(peer->hub, peer);
  g_ptr_array_remove_fast(peer->hub->peers, peer);
  frame_join_clear(&peer->join);
  g_free(peer->node);
  g_free(peer->incarnation);
  g_free(peer->boot_id);
  g_free(peer->refused);
  g_free(peer);
}

static void hub_close_peer(HubPeer *peer)
{
  const HubCarrier *carrier = peer->carrier;
  void *link = peer->link;
  hub_peer_free(peer);
  carrier->close(link);
}

static HubPeer *hub_find(const Hub *hub, const char *node)
{
  for (guint i = 0; i < hub->peers->len; i++) {
    HubPeer *peer = g_ptr_array_index(hub->peers, i);
    if (peer->greeted && g_strcmp0(peer->node, node) == 0)
      return peer;
  }
  return NULL;
}

static void hub_send_peer(HubPeer *peer, const char *frame)
{
  Hub *hub = peer->hub;
  bool outer = hub->sending;
  hub->sending = true;
  hub->server->metrics.frames_out++;
  peer->carrier->send(peer->link, frame);
  hub->sending = outer;
}

bool hub_send(Hub *hub, const char *node, const char *frame)
{
  HubPeer *peer = hub_find(hub, node);
  if (peer)
    hub_send_peer(peer, frame);
  return peer != NULL;
}

bool hub_linked(const Hub *hub, const char *node)
{
  return hub_find(hub, node) != NULL;
}

static void hub_on_core(HubPeer *peer, const Frame *frame)
{
  engine_apply(peer->hub->server->engine, &(Command){.type = COMMAND_NODE_FRAME,
                                                     .actor = peer->node,
                                                     .node = peer->node,
                                                     .frame = frame});
}

/* The log says what the core cannot: that @id is refused - once for each reason, @former was the
 * last one - or that it holds what is not this server's. */
static void hub_note_strange(const Hub *hub, const char *id, const char *former)
{
  const NodeObject *node = core_node(engine_core(hub->server->engine), id);
  guint unknown = node ? g_hash_table_size(node->unknown) : 0;
  if (node && node->problem && g_strcmp0(node->problem, former) != 0)
    log_error("node refused", "node=%s reason=\"%s\"", id, node->problem);
  if (unknown)
    log_warn("node holds instances that no record explains", "node=%s instances=%u", id, unknown);
}

/* Is the process behind @peer alive, as far as can be known? It is until it misses a heartbeat. */
static bool hub_lives(const HubPeer *peer)
{
  int64_t heartbeat_ms = core_heartbeat_ms(engine_core(peer->hub->server->engine));
  return clock_boot_ms() - peer->heard_boot_ms < heartbeat_ms + heartbeat_ms / 2;
}

/* May the process that says @hello take the link of @other, which has the same id? The same process
 * may at once: it dialled anew before we noticed. Another one, such as a copied machine, only when
 * that one is dead. */
static bool hub_may_replace(const HubPeer *other, const Frame *hello)
{
  bool same = g_strcmp0(other->incarnation, hello->incarnation) == 0 &&
              g_strcmp0(other->boot_id, hello->boot_id) == 0;
  return same || !hub_lives(other);
}

/* Its agents go on as they are; it asks again after a while. */
static void hub_refuse(HubPeer *peer, const Frame *hello)
{
  g_autoptr(Frame) refuse = frame_new(FRAME_REFUSE);
  refuse->error = g_strdup_printf(
      "another process is linked as node '%s' (this one is incarnation %.8s, boot %.8s); stop one of "
      "them, or give it an id of its own",
      peer->node, hello->incarnation ? hello->incarnation : "?",
      hello->boot_id ? hello->boot_id : "?");
  if (g_strcmp0(peer->refused, refuse->error) != 0)
    log_warn("node refused", "node=%s reason=\"%s\"", peer->node, refuse->error);
  g_free(peer->refused);
  peer->refused = g_strdup(refuse->error);
  g_autofree char *text = frame_write(refuse);
  hub_send_peer(peer, text);
}

/* The first frame of a link, or the answer to a relist: the engine asks for another one when it
 * does not take it. */
static void hub_on_hello(HubPeer *peer, const Frame *frame)
{
  Hub *hub = peer->hub;
  if (!peer->vouched && text_is_name(frame->node ? frame->node : "")) {
    g_free(peer->node);
    peer->node = g_strdup(frame->node);
  }
  if (!peer->node) {
    log_warn("node without a valid id refused", "%s", "");
    hub_close_peer(peer);
    return;
  }
  bool greeted = peer->greeted;
  peer->greeted = false;
  HubPeer *other = hub_find(hub, peer->node);
  if (other && !hub_may_replace(other, frame)) {
    hub_refuse(peer, frame);
    return;
  }
  g_free(peer->incarnation);
  peer->incarnation = g_strdup(frame->incarnation);
  g_free(peer->boot_id);
  peer->boot_id = g_strdup(frame->boot_id);
  if (other) {
    hub->news->gone(hub->server, peer->node);
    hub_close_peer(other);
  }
  peer->greeted = true;
  if (!greeted)
    log_info("node linked", "node=%s boot=%s", peer->node, frame->boot_id ? frame->boot_id : "?");
  const NodeObject *known = core_node(engine_core(hub->server->engine), peer->node);
  g_autofree char *node = g_strdup(peer->node), *former = g_strdup(known ? known->problem : NULL);
  hub_on_core(peer, frame);
  if (engine_hears(hub->server->engine))
    hub_note_strange(hub, node, former);
}

/* The core and the streams hear that @node (NULL = it never said hello) has no link any more. */
static void hub_tell_gone(Hub *hub, const char *node)
{
  if (!node)
    return;
  log_info("node link gone", "node=%s", node);
  hub->news->gone(hub->server, node);
  engine_apply(hub->server->engine,
               &(Command){.type = COMMAND_NODE_GONE, .actor = node, .node = node});
}

/* One of an earlier release cannot be asked for its list: it tells it when it dials anew. */
static void hub_on_relist_unknown(HubPeer *peer)
{
  Hub *hub = peer->hub;
  g_autofree char *node = g_strdup(peer->node);
  hub_close_peer(peer);
  hub_tell_gone(hub, node);
}

static void hub_on_unknown_type(HubPeer *peer, const Frame *frame)
{
  g_autofree char *type = text_escape(frame->data ? frame->data : "", 40);
  log_debug("node does not know a frame type", "node=%s type=%s", peer->node, type);
  if (g_strcmp0(frame->data, frame_type_word(FRAME_RELIST)) == 0)
    hub_on_relist_unknown(peer);
  else
    peer->hub->news->unknown(peer->hub->server, peer->node, frame->data ? frame->data : "");
}

/* What is somebody else's. Or a type that this release does not know, or that only a server sends:
 * the node is told, and the link goes on. */
static void hub_on_other(HubPeer *peer, const Frame *frame)
{
  const Hub *hub = peer->hub;
  if (hub->news->frames[frame->type]) {
    hub->news->frames[frame->type](hub->server, peer->node, frame);
    return;
  }
  g_autoptr(Frame) answer = frame_new(FRAME_UNKNOWN_TYPE);
  answer->data = g_strdup(frame->type != FRAME_UNKNOWN ? frame_type_word(frame->type)
                          : frame->data                ? frame->data
                                                       : "");
  g_autofree char *text = frame_write(answer);
  hub_send_peer(peer, text);
}

/* Empty: hub_on_other. */
static const HubFrameFn hub_handlers[FRAME_N] = {
    [FRAME_HELLO] = hub_on_hello,
    [FRAME_HEARTBEAT] = hub_on_core,
    [FRAME_REPORT] = hub_on_core,
    [FRAME_RESERVED] = hub_on_core,
    [FRAME_UNKNOWN_TYPE] = hub_on_unknown_type,
};

/* A hello of several pages is one: what it lists counts when all of it is there. A page that does
 * not follow ends the link: the node dials anew and begins again. */
static Frame *hub_whole(HubPeer *peer, Frame *frame, size_t length)
{
  g_autoptr(GError) error = NULL;
  Frame *whole = frame_join_feed(&peer->join, frame, length, &error);
  if (error) {
    log_warn("list of a node dropped", "node=%s reason=\"%s\"", peer->node ? peer->node : "?",
             error->message);
    peer->overrun = true;
  }
  return whole;
}

static void hub_handle(HubPeer *peer, const char *text, size_t length)
{
  g_autoptr(GError) error = NULL;
  Frame *parsed = frame_parse(text, length, &error);
  peer->hub->server->metrics.frames_in++;
  if (!parsed) {
    g_autofree char *why = text_escape(error->message, 200);
    log_warn("frame of a node dropped", "node=%s error=\"%s\"", peer->node ? peer->node : "?", why);
    return;
  }
  g_autoptr(Frame) frame = hub_whole(peer, parsed, length);
  if (!frame)
    return;
  HubFrameFn handler = hub_handlers[frame->type] ? hub_handlers[frame->type] : hub_on_other;
  if (peer->greeted || handler == hub_on_hello)
    handler(peer, frame);
  else
    log_debug("frame before hello dropped", "type=%s", frame_type_word(frame->type));
}

static void hub_set_paused(Hub *hub, bool paused)
{
  if (hub->paused == paused)
    return;
  hub->paused = paused;
  for (guint i = 0; i < hub->peers->len; i++) {
    HubPeer *peer = g_ptr_array_index(hub->peers, i);
    if (peer->carrier->pause)
      peer->carrier->pause(peer->link, paused);
  }
}

void hub_drain(Hub *hub)
{
  if (hub->draining || hub->sending || engine_busy(hub->server->engine))
    return;
  hub->draining = true;
  while (!g_queue_is_empty(&hub->waiting) && !engine_full(hub->server->engine)) {
    HubFrame *frame = g_queue_pop_head(&hub->waiting);
    hub->waiting_bytes -= frame->length;
    hub_handle(frame->peer, frame->text, frame->length);
    hub_frame_free(frame);
  }
  hub->draining = false;
  hub_set_paused(hub, engine_full(hub->server->engine));
}

static void hub_drain_later(void *data)
{
  Hub *hub = data;
  hub->posted = false;
  for (guint i = hub->peers->len; i-- > 0;) {
    HubPeer *peer = i < hub->peers->len ? g_ptr_array_index(hub->peers, i) : NULL;
    if (!peer || !peer->overrun)
      continue;
    g_autofree char *node = peer->greeted ? g_strdup(peer->node) : NULL;
    log_warn("node sends faster than the store takes, link closed", "node=%s",
             peer->node ? peer->node : "?");
    hub_close_peer(peer);
    hub_tell_gone(hub, node);
  }
  hub_drain(hub);
}

void hub_receive(HubPeer *peer, const char *text, size_t length)
{
  Hub *hub = peer->hub;
  peer->heard_boot_ms = clock_boot_ms();
  peer->overrun = peer->overrun || hub->waiting_bytes + length > HUB_WAITING_BYTES_MAX;
  if (!peer->overrun) {
    HubFrame *frame = g_new0(HubFrame, 1);
    *frame = (HubFrame){.peer = peer, .text = g_strndup(text, length), .length = length};
    g_queue_push_tail(&hub->waiting, frame);
    hub->waiting_bytes += length;
  }
  if (hub->posted)
    return;
  hub->posted = true; /* never from here: the carrier may be in the middle of a send of ours */
  loop_post(hub->server->loop, hub_drain_later, hub);
}

HubPeer *hub_attach(Hub *hub, const HubCarrier *carrier, void *link, const char *node)
{
  HubPeer *peer = g_new0(HubPeer, 1);
  *peer = (HubPeer){.hub = hub,
                    .carrier = carrier,
                    .link = link,
                    .node = g_strdup(node),
                    .vouched = node != NULL};
  g_ptr_array_add(hub->peers, peer);
  return peer;
}

void hub_detach(HubPeer *peer)
{
  Hub *hub = peer->hub;
  g_autofree char *node = peer->greeted ? g_strdup(peer->node) : NULL;
  hub_peer_free(peer);
  hub_tell_gone(hub, node);
}

void hub_relist(Hub *hub)
{
  g_autoptr(Frame) relist = frame_new(FRAME_RELIST);
  relist->term = core_term(engine_core(hub->server->engine));
  g_autofree char *text = frame_write(relist);
  for (guint i = 0; i < hub->peers->len; i++) {
    HubPeer *peer = g_ptr_array_index(hub->peers, i);
    if (peer->greeted)
      hub_send_peer(peer, text);
  }
}

void hub_free(Hub *hub)
{
  if (!hub)
    return;
  while (hub->peers->len)
    hub_close_peer(g_ptr_array_index(hub->peers, 0));
  loop_post_cancel(hub->server->loop, hub);
  g_ptr_array_unref(hub->peers);
  g_free(hub);
}
