/* The node's life and its one cycle: an event goes to the supervisor, its actions are carried out,
 * what they cause are events again. */
#include "node/node.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "drivers/tree.h"
#include "node/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { NODE_ASK_MS = 30000 };

/* ---- runners ---- */

static void runner_free(gpointer data)
{
  Runner *runner = data;
  runner_drop_probe(runner);
  instance_spec_free(runner->waiting);
  users_forget(runner->asking);
  secrets_drop(runner);
  end_forget(runner->end);
  shim_free(runner->shim);
  loop_timer_free(runner->timer);
  g_free(runner->id);
  g_free(runner->directory);
  g_free(runner);
}

Runner *node_runner(Node *node, const char *id, bool make)
{
  Runner *runner = g_hash_table_lookup(node->runners, id);
  if (runner || !make)
    return runner;
  runner = g_new0(Runner, 1);
  runner->node = node;
  runner->id = g_strdup(id);
  runner->directory = g_build_filename(node->instances_dir, id, NULL);
  g_hash_table_insert(node->runners, runner->id, runner);
  return runner;
}

FailureClass node_failure(const GError *error)
{
  bool passing = error->domain == REEVE_ERROR &&
                 (error->code == REEVE_ERROR_UNAVAILABLE || error->code == REEVE_ERROR_STORE_FULL);
  return passing ? FAILURE_PASSING : FAILURE_FINAL;
}

/* ---- actions ---- */

void node_send_frame(Node *node, const Frame *frame)
{
  g_autofree char *text = frame_write(frame);
  if (node->send)
    node->send(text, node->send_data);
}

static void do_send(Node *node, const NodeAction *action)
{
  fs_crash_point("frame to server");
  if (node->send)
    node->send(action->text, node->send_data);
}

static void do_store(Node *node, const NodeAction *action)
{
  const Runner *runner = node_runner(node, action->instance, true);
  writer_store(node->writer, runner->id, runner->directory, action->generation, action->text);
}

static void do_prepare(Node *node, const NodeAction *action)
{
  runner_prepare(node_runner(node, action->instance, true), action);
}

/* The agent binds its port itself, so ours is closed first. */
static void do_start(Node *node, const NodeAction *action)
{
  Runner *runner = node_runner(node, action->instance, true);
  port_book_release_instance(node->ports, runner->id);
  if (runner->shim) {
    runner->oom_kills = runner->limited ? cgroups_oom_kills(node->cgroups, runner->id) : 0;
    shim_start(runner->shim, action->attempt);
    return;
  }
  /* it has died since, and this start must not be waited for */
  NodeEvent gone = {.type = NODE_EVENT_VANISHED, .instance = runner->id, .tree_lives = true};
  node_event(node, &gone, NULL);
}

static void do_signal(Node *node, const NodeAction *action)
{
  const Runner *runner = node_runner(node, action->instance, true);
  if (runner->shim)
    shim_signal(runner->shim, action->signal);
}

static void do_kill(Node *node, const NodeAction *action)
{
  const Runner *runner = node_runner(node, action->instance, true);
  if (runner->shim)
    shim_kill(runner->shim);
}

static void do_release(Node *node, const NodeAction *action)
{
  Runner *runner = node_runner(node, action->instance, true);
  runner_drop_probe(runner);
  port_book_release_instance(node->ports, runner->id);
  runner_release(runner);
  groups_remove(node->groups, runner->id);
}

static void do_clear(Node *node, const NodeAction *action)
{
  runner_clear_tree(node_runner(node, action->instance, true));
}

static void do_probe(Node *node, const NodeAction *action)
{
  probe_start(node_runner(node, action->instance, true), action);
}

static void do_reserve_ports(Node *node, const NodeAction *action)
{
  node_reserve(node, action->frame);
}

static void do_release_ports(Node *node, const NodeAction *action)
{
  node_reserve_release(node, action->frame->request);
}

static void do_peers(Node *node, const NodeAction *action)
{
  const Runner *runner = node_runner(node, action->instance, true);
  g_autoptr(GError) error = NULL;
  if (runner->waiting) { /* it writes the file when it is started */
    g_free(runner->waiting->peers);
    runner->waiting->peers = g_strdup(action->text);
  }
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

static void do_remove(Node *node, const NodeAction *action)
{
  Runner *runner = node_runner(node, action->instance, true);
  writer_do(node->writer, node_remove_directory, g_free, g_strdup(runner->directory));
  port_book_release_instance(node->ports, runner->id);
  g_hash_table_remove(node->runners, action->instance);
  groups_remove(node->groups, action->instance);
}

static void do_log(Node *node, const NodeAction *action)
{
  node_logs_frame(node->logs, action->frame);
}

static void do_exec(Node *node, const NodeAction *action)
{
  node_execs_frame(node->execs, action->frame, action->spec, action->text);
}

static void do_keep_store(Node *node, const NodeAction *action)
{
  g_autofree char *path = g_build_filename(node->state_dir, NODE_STORE_FILE, NULL);
  g_autoptr(GError) error = NULL;
  if (!fs_write(path, action->text, strlen(action->text), 0600, true, &error))
    log_warn("store id not kept", "error=\"%s\"", error->message);
}

static void do_refused(Node *node, const NodeAction *action)
{
  log_error("server not obeyed, agents go on as they are", "node=%s reason=\"%s\"", node->node_id,
            action->text);
}

/* While the node leaves only what ends something is carried out: an agent that runs stays, a shim
 * whose agent has ended does not. */
static void node_carry_out(Node *node, const NodeAction *action)
{
  static void (*const table[NODE_ACTION_N])(Node *, const NodeAction *) = {
      [NODE_ACTION_SEND] = do_send,
      [NODE_ACTION_STORE] = do_store,
      [NODE_ACTION_PREPARE] = do_prepare,
      [NODE_ACTION_START] = do_start,
      [NODE_ACTION_SIGNAL] = do_signal,
      [NODE_ACTION_KILL] = do_kill,
      [NODE_ACTION_RELEASE] = do_release,
      [NODE_ACTION_CLEAR] = do_clear,
      [NODE_ACTION_PROBE] = do_probe,
      [NODE_ACTION_RESERVE_PORTS] = do_reserve_ports,
      [NODE_ACTION_RELEASE_PORTS] = do_release_ports,
      [NODE_ACTION_PEERS] = do_peers,
      [NODE_ACTION_REMOVE] = do_remove,
      [NODE_ACTION_LOG] = do_log,
      [NODE_ACTION_EXEC] = do_exec,
      [NODE_ACTION_KEEP_STORE] = do_keep_store,
      [NODE_ACTION_REFUSED] = do_refused,
  };
  bool ends = action->type == NODE_ACTION_RELEASE || action->type == NODE_ACTION_SIGNAL ||
              action->type == NODE_ACTION_KILL;
  if (!node->leaving || ends)
    table[action->type](node, action);
}

/* ---- the cycle ---- */

static void queued_free(QueuedEvent *queued)
{
  g_free(queued->instance);
  g_free(queued->text);
  g_free(queued->found);
  frame_free(queued->frame);
  g_free(queued);
}

/* One event at a time: what its actions cause is queued behind it. */
static void node_work(Node *node)
{
  node->working = true;
  while (!g_queue_is_empty(&node->events)) {
    QueuedEvent *queued = g_queue_pop_head(&node->events);
    node_apply(node->supervisor, &queued->event, clock_now(), node->actions);
    for (guint i = 0; i < node->actions->items->len; i++)
      node_carry_out(node, &g_array_index(node->actions->items, NodeAction, i));
    node_actions_clear(node->actions);
    queued_free(queued);
  }
  node->working = false;
  loop_timer_set(node->wake, node->actions->wake_at_ms);
}

void node_event(Node *node, const NodeEvent *event, Frame *frame)
{
  QueuedEvent *queued = g_new0(QueuedEvent, 1);
  queued->event = *event;
  queued->event.instance = queued->instance = g_strdup(event->instance);
  queued->event.text = queued->text = g_strdup(event->text);
  queued->event.found = queued->found = g_strdup(event->found);
  queued->event.frame = queued->frame = frame;
  g_queue_push_tail(&node->events, queued);
  if (!node->working)
    node_work(node);
}

static void node_on_wake(void *data)
{
  NodeEvent tick = {.type = NODE_EVENT_TICK};
  node_event(data, &tick, NULL);
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
    secrets_frame(node, frame);
    frame_free(frame);
    return;
  }
  bool welcome = frame->type == FRAME_WELCOME;
  NodeEvent event = {.type = NODE_EVENT_FRAME};
  node_event(node, &event, frame);
  if (welcome)
    secrets_welcome(node);
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

/* The id of the store that what is held belongs to; NULL = none was kept. False when it cannot be
 * read now. */
static bool node_read_store(const Node *node, char **store, GError **error)
{
  g_autofree char *path = g_build_filename(node->state_dir, NODE_STORE_FILE, NULL);
  g_autoptr(GError) cause = NULL;
  *store = fs_read(path, NODE_STORE_BYTES_MAX, NULL, &cause);
  if (*store)
    g_strstrip(*store);
  if (*store || cause->code == REEVE_ERROR_NOT_FOUND)
    return true;
  g_propagate_error(error, g_steal_pointer(&cause));
  return false;
}

Node *node_new(Loop *loop, const NodeConfig *config, GError **error)
{
  Node *node = g_new0(Node, 1);
  node->loop = loop;
  node->lock = -1;
  node->state_dir = g_strdup(config->state_dir);
  node->instances_dir = g_build_filename(config->state_dir, "instances", NULL);
  node->runs_dir = g_build_filename(config->state_dir, "runs", NULL);
  node->shim_path = g_strdup(config->shim_path);
  node->reeve_path = g_strdup(config->reeve_path);
  node->node_id = g_strdup(config->node_id);
  node->agents_user = g_strdup(config->agents_user);
  node->runners = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, runner_free);
  g_queue_init(&node->events);
  g_queue_init(&node->departing);
  g_autofree char *store = NULL;
  if (!fs_mkdirs(node->instances_dir, 0700, error) || !node_lock(node, error) ||
      !node_open_to_user(node, error) || !node_read_store(node, &store, error)) {
    node_free(node);
    return NULL;
  }
  node->cgroups = cgroups_new(NULL, NULL);
  char mark[TREE_MARK_BYTES];
  tree_mark(node->state_dir, mark);
  cgroups_prepare(node->cgroups, mark);
  SupervisorConfig supervisor = {.node_id = node->node_id,
                                 .node_name = g_get_host_name(),
                                 .boot_id = clock_boot_id(),
                                 .version = REEVE_VERSION,
                                 .cgroups = cgroups_describe(node->cgroups),
                                 .unenforced = cgroups_unenforced(node->cgroups),
                                 .store = store};
  node->supervisor = supervisor_new(&supervisor);
  node->actions = node_actions_new();
  node->wake = loop_timer_new(loop, node_on_wake, node);
  node->reaper = reaper_new(loop);
  node->http = http_client_new(loop);
  node->writer = writer_new(node);
  node->ports = port_book_new();
  node->logs = node_logs_new(node);
  node->execs = node_execs_new(node);
  node->keep = keep_new(node);
  node->groups = groups_new(node);
  node->asks = asks_new(node, NODE_ASK_MS);
  node->ends = ends_new(loop);
  node->users = users_new(loop, NODE_USER_MS);
  node->reserving = g_ptr_array_new();
  exec_runs_sweep(node);
  adopt_begin(node);
  return node;
}

void node_free(Node *node)
{
  if (!node)
    return;
  node->send = NULL;
  node->leaving = true;
  if (node->writer)
    writer_finish(node->writer); /* an outcome that is durable now needs its shim no more */
  node_reserve_free(node);
  node_execs_free(node->execs);
  asks_free(node->asks);
  groups_free(node->groups);
  g_hash_table_unref(node->runners); /* both look at it */
  node_logs_free(node->logs);
  keep_free(node->keep);
  ends_free(node->ends);
  users_free(node->users);
  departures_free(node);
  port_book_free(node->ports);
  writer_free(node->writer);
  http_client_free(node->http);
  reaper_free(node->reaper);
  cgroups_free(node->cgroups);
  loop_timer_free(node->wake);
  g_queue_clear_full(&node->events, (GDestroyNotify)queued_free);
  node_actions_free(node->actions);
  supervisor_free(node->supervisor);
  if (node->lock >= 0)
    close(node->lock);
  g_free(node->state_dir);
  g_free(node->instances_dir);
  g_free(node->runs_dir);
  g_free(node->shim_path);
  g_free(node->reeve_path);
  g_free(node->node_id);
  g_free(node->agents_user);
  g_free(node);
}
