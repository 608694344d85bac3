/* The node's life, and its hands: what the dispatcher has done of its actions besides the driver's
 * part. */
#include "node/node.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "drivers/process.h"
#include "node/access.h"
#include "node/adopt.h"
#include "node/equip.h"
#include "node/exec.h"
#include "node/identity.h"
#include "node/logs.h"
#include "node/ports.h"
#include "node/probe.h"
#include "node/reserve.h"
#include "node/users.h"
#include "node/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- runners ---- */

static void runner_free(gpointer data)
{
  Runner *runner = data;
  probe_drop(runner);
  equip_drop(runner);
  loop_timer_free(runner->timer);
  g_free(runner->id);
  g_free(runner->directory);
  g_free(runner);
}

/* ---- hands ---- */

static void do_send(void *data, const NodeAction *action)
{
  const Node *node = data;
  fs_crash_point("frame to server");
  if (node->send)
    node->send(action->text, node->send_data);
}

static void do_store(void *data, const NodeAction *action)
{
  Node *node = data;
  const Runner *runner = node_runner(node, action->instance, true);
  writer_store(node->writer, runner->id, runner->directory, action->generation, action->text);
}

static void do_prepare(void *data, const NodeAction *action)
{
  equip_begin(node_runner(data, action->instance, true), action);
}

static void do_probe(void *data, const NodeAction *action)
{
  probe_start(node_runner(data, action->instance, true), action);
}

static void do_reserve_ports(void *data, const NodeAction *action)
{
  node_reserve(data, action->frame);
}

static void do_release_ports(void *data, const NodeAction *action)
{
  node_reserve_release(data, action->frame ? action->frame->request : 0);
}

static void do_peers(void *data, const NodeAction *action)
{
  const Runner *runner = node_runner(data, action->instance, true);
  g_autoptr(GError) error = NULL;
  equip_peers(runner, action->text);
  if (!runner_write_file_again(runner, "peers.json", action->text, &error))
    log_warn("peers file not written", "instance=%s error=\"%s\"", runner->id, error->message);
}

/* On the writer's thread: there may be 50 MB of logs. A file of the same instance that is stored
 * later comes after it. */
static void node_remove_directory(void *directory)
{
  g_autoptr(GError) error = NULL;
  if (!fs_remove_tree(directory, &error))
    log_warn("instance directory not removed", "error=\"%s\"", error->message);
}

static void do_remove(void *data, const NodeAction *action)
{
  Node *node = data;
  const Runner *runner = node_runner(node, action->instance, true);
  writer_do(node->writer, node_remove_directory, g_free, g_strdup(runner->directory));
  g_hash_table_remove(node->runners, action->instance);
}

static void do_log(void *data, const NodeAction *action)
{
  const Node *node = data;
  node_logs_frame(node->logs, action->frame);
}

static void do_exec(void *data, const NodeAction *action)
{
  const Node *node = data;
  node_execs_frame(node->execs, action->frame, action->spec, action->text);
}

/* Where it cannot be kept it holds for this life of the node: what it obeys now, it may not
 * remember. */
static void do_keep_identity(void *data, const NodeAction *action)
{
  const Node *node = data;
  g_autoptr(GError) error = NULL;
  fs_crash_point("node identity");
  if (!node_identity_keep(node->state_dir, action->text, &error))
    log_error("node identity not kept", "error=\"%s\"", error->message);
}

static void do_refused(void *data, const NodeAction *action)
{
  const Node *node = data;
  log_error("server not obeyed, agents go on as they are", "node=%s reason=\"%s\"", node->node_id,
            action->text);
}

static Now hand_now(void *data)
{
  (void)data;
  return clock_now();
}

static void hand_wake_at(void *data, int64_t boot_ms)
{
  loop_timer_set(((const Node *)data)->wake, boot_ms);
}

/* While the node leaves only what ends something is carried out: an agent that runs stays, a handle
 * whose agent has ended does not. */
static bool hand_allows(void *data, const NodeAction *action)
{
  bool ends = action->type == NODE_ACTION_RELEASE || action->type == NODE_ACTION_SIGNAL ||
              action->type == NODE_ACTION_KILL;
  return ends || !((const Node *)data)->leaving;
}

static Driver *hand_driver(void *data, const char *id)
{
  const Node *node = data;
  return driver_of(node, supervisor_spec(dispatch_supervisor(node->dispatch), id));
}

static void hand_free_port(void *data, const char *id)
{
  port_book_release_instance(((const Node *)data)->ports, id);
}

static void hand_drop_probe(void *data, const char *id)
{
  Runner *runner = node_runner(data, id, false);
  if (runner)
    probe_drop(runner);
}

static const DispatchHands node_hands = {.now = hand_now,
                                         .wake_at = hand_wake_at,
                                         .allows = hand_allows,
                                         .driver = hand_driver,
                                         .free_port = hand_free_port,
                                         .drop_probe = hand_drop_probe,
                                         .actions = {
                                             [NODE_ACTION_SEND] = do_send,
                                             [NODE_ACTION_STORE] = do_store,
                                             [NODE_ACTION_PREPARE] = do_prepare,
                                             [NODE_ACTION_PROBE] = do_probe,
                                             [NODE_ACTION_RESERVE_PORTS] = do_reserve_ports,
                                             [NODE_ACTION_RELEASE_PORTS] = do_release_ports,
                                             [NODE_ACTION_PEERS] = do_peers,
                                             [NODE_ACTION_REMOVE] = do_remove,
                                             [NODE_ACTION_LOG] = do_log,
                                             [NODE_ACTION_EXEC] = do_exec,
                                             [NODE_ACTION_KEEP_IDENTITY] = do_keep_identity,
                                             [NODE_ACTION_REFUSED] = do_refused,
                                         }};

static void node_on_wake(void *data)
{
  NodeEvent tick = {.type = NODE_EVENT_TICK};
  node_event(data, &tick, NULL);
}

/* ---- what the driver gets of us ---- */

static void world_background(void *data, void (*work)(void *item), void (*done)(void *item),
                             void *item)
{
  const Node *node = data;
  writer_do(node->writer, work, done, item);
}

static const InstanceSpec *world_spec_of(void *data, const char *id)
{
  const Node *node = data;
  return supervisor_spec(dispatch_supervisor(node->dispatch), id);
}

static void world_tell(void *data, const DriverNews *news)
{
  const Node *node = data;
  dispatch_tell(node->dispatch, news);
}

/* ---- the link ---- */

void node_link_up(Node *node, NodeSend send, void *data)
{
  node->send = send;
  node->send_data = data;
  NodeEvent up = {.type = NODE_EVENT_LINK_UP};
  node_event(node, &up, NULL);
}

void node_link_down(Node *node)
{
  if (!node->send)
    return;
  node->send = NULL;
  node_logs_link_down(node->logs);
  node_execs_link_down(node->execs);
  NodeEvent down = {.type = NODE_EVENT_LINK_DOWN};
  node_event(node, &down, NULL);
}

void node_receive(Node *node, const char *text, size_t length)
{
  g_autoptr(GError) error = NULL;
  Frame *frame = frame_parse(text, length, &error);
  if (!frame) {
    log_warn("frame from the server refused", "error=\"%s\"", error->message);
    return;
  }
  if (frame->type == FRAME_SECRETS) { /* not for the supervisor, whose state is written down */
    equip_secrets(node, frame);
    frame_free(frame);
    return;
  }
  bool welcome = frame->type == FRAME_WELCOME;
  NodeEvent event = {.type = NODE_EVENT_FRAME};
  node_event(node, &event, frame);
  if (welcome)
    equip_welcome(node);
}

/* ---- life ---- */

/* Two nodes with one directory would start everything twice. Released by the kernel, so that a dead
 * node is in nobody's way. */
static bool node_lock(Node *node, GError **error)
{
  g_autofree char *path = g_build_filename(node->state_dir, "lock", NULL);
  node->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (node->lock >= 0 && flock(node->lock, LOCK_EX | LOCK_NB) == 0)
    return true;
  int e = errno;
  g_set_error(error, REEVE_ERROR, e == EWOULDBLOCK ? REEVE_ERROR_CONFLICT : REEVE_ERROR_INTERNAL,
              "node directory '%s': %s", node->state_dir,
              e == EWOULDBLOCK ? "another node runs there" : g_strerror(e));
  return false;
}

Node *node_new(Loop *loop, const NodeConfig *config, GError **error)
{
  Node *node = g_new0(Node, 1);
  node->loop = loop;
  node->lock = -1;
  node->state_dir = g_strdup(config->state_dir);
  node->instances_dir = g_build_filename(config->state_dir, "instances", NULL);
  node->shim_path = g_strdup(config->shim_path);
  node->reeve_path = g_strdup(config->reeve_path);
  node->node_id = g_strdup(config->node_id);
  node->agents_user = g_strdup(config->agents_user);
  node->runners = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, runner_free);
  NodeIdentity identity;
  if (!fs_mkdirs(node->instances_dir, 0700, error) || !node_lock(node, error) ||
      !node_open_to_user(node, error) ||
      !node_identity_open(node->state_dir, config->resets, &identity, error)) {
    node_free(node);
    return NULL;
  }
  node->term = identity.term;
  node->writer = writer_new(node);
  DriverWorld world = {.loop = loop,
                       .state_dir = node->state_dir,
                       .instances_dir = node->instances_dir,
                       .shim_path = node->shim_path,
                       .reeve_path = node->reeve_path,
                       .background = world_background,
                       .spec_of = world_spec_of,
                       .tell = world_tell,
                       .data = node};
  node->driver = driver_open(&process_driver, &world, error);
  if (!node->driver) {
    node_free(node);
    return NULL;
  }
  SupervisorConfig supervisor = {.node_id = node->node_id,
                                 .node_name = g_get_host_name(),
                                 .boot_id = clock_boot_id(),
                                 .version = REEVE_VERSION,
                                 .identity = identity};
  supervisor.cgroups = node->driver->ops->limits(node->driver, &supervisor.unenforced);
  node->dispatch = dispatch_new(&supervisor, &node_hands, node);
  node->wake = loop_timer_new(loop, node_on_wake, node);
  node->http = http_client_new(loop);
  node->ports = port_book_new();
  node->logs = node_logs_new(node);
  node->execs = node_execs_new(node);
  node->users = users_new(loop, NODE_USER_MS);
  node->reserving = g_ptr_array_new();
  adopt_begin(node);
  return node;
}

guint node_size(const Node *node)
{
  return supervisor_size(dispatch_supervisor(node->dispatch));
}

int64_t node_term(const Node *node)
{
  return node->term;
}

void node_free(Node *node)
{
  if (!node)
    return;
  node->send = NULL;
  node->leaving = true;
  if (node->writer)
    writer_finish(node->writer); /* an outcome that is durable now needs its handle no more */
  node_reserve_free(node);
  node_execs_free(node->execs);
  node_logs_free(node->logs);
  g_hash_table_unref(node->runners); /* with the probes that are on their way */
  if (node->driver)
    node->driver->ops->close(node->driver);
  users_free(node->users);
  port_book_free(node->ports);
  writer_free(node->writer);
  http_client_free(node->http);
  loop_timer_free(node->wake);
  dispatch_free(node->dispatch);
  if (node->lock >= 0)
    close(node->lock);
  g_free(node->state_dir);
  g_free(node->instances_dir);
  g_free(node->shim_path);
  g_free(node->reeve_path);
  g_free(node->node_id);
  g_free(node->agents_user);
  g_free(node);
}
