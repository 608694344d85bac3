/* Carries node links: the unix socket where node processes dial in (frames are lines of JSON, at
 * most FRAME_BYTES_MAX; the socket's mode, 0600, is the authority, the node's id comes from its
 * hello), or the memory link to the embedded node, which gets and gives the same lines. */
#include "server/hub_link.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "net/unix_socket.h"
#include "node/node.h"
#include "node/peer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct HubLink {
  Hub *hub;
  struct event_base *base;
  struct evconnlistener *listener; /* NULL = no node processes */
  char *path;
  Loop *loop;
  Node *node;    /* embedded, or NULL */
  HubPeer *peer; /* of the embedded node while it is linked */
  /* of char*: frames on their way; delivered by a post, so that neither end is re-entered */
  GQueue to_node;
  bool posted;
};

/* One connection; owned by itself until it is closed from either side. */
typedef struct NodeConn {
  Loop *loop;
  struct bufferevent *stream;
  HubPeer *peer;
  bool full; /* it does not read: its link ends at the next chance, and nothing more is added */
} NodeConn;

static void node_conn_lost(NodeConn *conn, const char *why);

static void node_conn_free(NodeConn *conn)
{
  loop_post_cancel(conn->loop, conn);
  bufferevent_free(conn->stream);
  g_free(conn);
}

static void node_conn_on_full(void *data)
{
  log_warn("node does not read, link closed", "unread_bytes=%d", LINK_UNREAD_BYTES_MAX);
  node_conn_lost(data, "does not read");
}

static void node_conn_send(void *link, const char *frame)
{
  NodeConn *conn = link;
  struct evbuffer *out = bufferevent_get_output(conn->stream);
  if (conn->full)
    return;
  if (evbuffer_get_length(out) > LINK_UNREAD_BYTES_MAX) {
    conn->full = true;
    /* not from here: the hub is in the middle of something */
    loop_post(conn->loop, node_conn_on_full, conn);
    return;
  }
  evbuffer_add(out, frame, strlen(frame));
  evbuffer_add(out, "\n", 1);
}

static void node_conn_close(void *link)
{
  node_conn_free(link);
}

static void node_conn_pause(void *link, bool paused)
{
  struct bufferevent *stream = ((NodeConn *)link)->stream;
  if (paused)
    bufferevent_disable(stream, EV_READ);
  else
    bufferevent_enable(stream, EV_READ);
}

static const HubCarrier node_conn_carrier = {
    .send = node_conn_send, .close = node_conn_close, .pause = node_conn_pause};

static void node_conn_lost(NodeConn *conn, const char *why)
{
  HubPeer *peer = conn->peer;
  log_debug("node connection over", "why=\"%s\"", why);
  node_conn_free(conn);
  hub_detach(peer);
}

static void node_conn_read(struct bufferevent *stream, void *data)
{
  NodeConn *conn = data;
  struct evbuffer *in = bufferevent_get_input(stream);
  size_t length;
  for (char *line; (line = evbuffer_readln(in, &length, EVBUFFER_EOL_LF)) != NULL; free(line))
    hub_receive(conn->peer, line, length);
  if (evbuffer_get_length(in) > FRAME_BYTES_MAX)
    node_conn_lost(conn, "frame too long");
}

static void node_conn_event(struct bufferevent *stream, short what, void *data)
{
  node_conn_lost(data, what & BEV_EVENT_EOF ? "closed by the node" : g_strerror(errno));
}

static void hub_link_accept(struct evconnlistener *listener, evutil_socket_t fd,
                            struct sockaddr *address, int length, void *data)
{
  HubLink *link = data;
  if (peer_origin_of_socket(fd, NULL) != PEER_FREE) { /* it would be given the secrets of others */
    log_warn("an agent dialled in as a node; refused", "socket=%s", link->path);
    close(fd);
    return;
  }
  NodeConn *conn = g_new0(NodeConn, 1);
  conn->loop = link->loop;
  conn->peer = hub_attach(link->hub, &node_conn_carrier, conn, NULL);
  conn->stream = bufferevent_socket_new(link->base, fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(conn->stream, node_conn_read, NULL, node_conn_event, conn);
  bufferevent_enable(conn->stream, EV_READ | EV_WRITE);
}

/* Removes a socket that is left over from a server that was killed. */
static bool hub_link_free_name(const char *path, GError **error)
{
  g_autofree char *directory = g_path_get_dirname(path), *name = g_path_get_basename(path);
  if (!fs_mkdirs(directory, 0700, error))
    return false;
  int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  bool ok = dir < 0 || unix_socket_free_name(dir, name, path, error);
  if (dir >= 0)
    close(dir);
  return ok;
}

static bool hub_link_listen(HubLink *link, GError **error)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (g_strlcpy(address.sun_path, link->path, sizeof address.sun_path) >= sizeof address.sun_path) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "listen on '%s': path longer than %zu bytes",
                link->path, sizeof address.sun_path - 1);
    return false;
  }
  if (!hub_link_free_name(link->path, error))
    return false;
  mode_t old = umask(0177); /* no moment in which others may connect */
  link->listener = evconnlistener_new_bind(link->base, hub_link_accept, link,
                                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
                                           (struct sockaddr *)&address, sizeof address);
  int reason = errno;
  umask(old);
  if (!link->listener)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "listen on '%s': %s", link->path,
                g_strerror(reason));
  return link->listener != NULL;
}

void hub_link_look(HubLink *link)
{
  struct stat status;
  g_autoptr(GError) error = NULL;
  if (!link->listener || stat(link->path, &status) == 0 || errno != ENOENT)
    return;
  struct evconnlistener *former = g_steal_pointer(&link->listener);
  if (hub_link_listen(link, &error)) {
    log_warn("socket of node processes was removed, bound again", "path=%s", link->path);
    evconnlistener_free(former);
  } else {
    link->listener = former; /* it is tried again */
    log_error("socket of node processes was removed and cannot be bound again", "error=\"%s\"",
              error->message);
  }
}

/* ---- the embedded node ---- */

static void memory_deliver(void *data)
{
  HubLink *link = data;
  link->posted = false;
  while (!g_queue_is_empty(&link->to_node)) {
    char *frame = g_queue_pop_head(&link->to_node);
    node_receive(link->node, frame, strlen(frame));
    text_wipe(frame); /* secrets go this way */
  }
}

static void memory_send(void *data, const char *frame)
{
  HubLink *link = data;
  g_queue_push_tail(&link->to_node, g_strdup(frame));
  if (link->posted)
    return;
  link->posted = true;
  loop_post(link->loop, memory_deliver, link);
}

static void memory_close(void *data)
{
  HubLink *link = data;
  link->peer = NULL;
  g_queue_clear_full(&link->to_node, (GDestroyNotify)text_wipe);
  node_link_down(link->node);
}

static const HubCarrier memory_carrier = {.send = memory_send, .close = memory_close};

static void memory_from_node(const char *frame, void *data)
{
  HubLink *link = data;
  if (link->peer)
    hub_receive(link->peer, frame, strlen(frame));
}

static bool memory_start(HubLink *link, const Server *server, GError **error)
{
  g_autofree char *directory = g_build_filename(server->options->data_dir, "node", NULL);
  NodeConfig config = {.state_dir = directory,
                       .node_id = "local",
                       .shim_path = server->options->shim_path,
                       .reeve_path = server->options->reeve_path,
                       .agents_user = server->options->agents_user};
  link->node = node_new(server->loop, &config, error);
  if (!link->node)
    return false;
  link->peer = hub_attach(link->hub, &memory_carrier, link, "local");
  node_link_up(link->node, memory_from_node, link);
  return true;
}

HubLink *hub_link_new(Hub *hub, Server *server, GError **error)
{
  HubLink *link = g_new0(HubLink, 1);
  *link = (HubLink){.hub = hub,
                    .base = loop_base(server->loop),
                    .loop = server->loop,
                    .path = g_strdup(server->options->node_socket)};
  g_queue_init(&link->to_node);
  bool embedded = !link->path && server->options->shim_path;
  if (embedded ? memory_start(link, server, error) : !link->path || hub_link_listen(link, error))
    return link;
  g_clear_pointer(&link->path, g_free); /* not ours: leave the file */
  hub_link_free(link);
  return NULL;
}

void hub_link_free(HubLink *link)
{
  if (!link)
    return;
  node_free(link->node);
  loop_post_cancel(link->loop, link);
  g_queue_clear_full(&link->to_node, (GDestroyNotify)text_wipe);
  if (link->listener)
    evconnlistener_free(link->listener);
  if (link->path)
    unlink(link->path);
  g_free(link->path);
  g_free(link);
}
