/* The node as a whole: which instances it holds, frames in and out, heartbeats, one queue of
 * deadlines. */
#include "base/error.h"
#include "supervise/instance.h"

#include <string.h>

static void action_clear(gpointer data)
{
  NodeAction *action = data;
  g_free(action->instance);
  g_free(action->text);
  g_free(action->path);
}

NodeActions *node_actions_new(void)
{
  NodeActions *actions = g_new0(NodeActions, 1);
  actions->items = g_array_new(FALSE, TRUE, sizeof(NodeAction));
  g_array_set_clear_func(actions->items, action_clear);
  actions->wake_at_ms = INT64_MAX;
  return actions;
}

void node_actions_free(NodeActions *actions)
{
  if (!actions)
    return;
  g_array_unref(actions->items);
  g_free(actions);
}

void node_actions_clear(NodeActions *actions)
{
  g_array_set_size(actions->items, 0);
}

NodeAction *act(Supervisor *supervisor, NodeActionType type, const Held *held)
{
  GArray *items = supervisor->actions->items;
  NodeAction action = {.type = type, .instance = held ? g_strdup(held->id) : NULL};
  if (held) {
    action.attempt = held->attempt;
    action.generation = held->generation;
    action.port = held->spec ? held->spec->port : 0;
  }
  g_array_append_val(items, action);
  return &g_array_index(items, NodeAction, items->len - 1);
}

/* ---- the queue of deadlines ---- */

static int64_t held_deadline(const Held *held)
{
  return MIN(held->act_boot_ms, held->probe_boot_ms);
}

/* Two that are due in the same millisecond are worked off in id order, so that one history gives
 * one run. */
static int held_compare(const HeapNode *a, const HeapNode *b)
{
  const Held *x = HEAP_OWNER(a, Held, due), *y = HEAP_OWNER(b, Held, due);
  int64_t dx = held_deadline(x), dy = held_deadline(y);
  return dx != dy ? (dx < dy ? -1 : 1) : strcmp(x->id, y->id);
}

static Held *supervisor_first_due(const Supervisor *supervisor)
{
  HeapNode *first = heap_first(&supervisor->queue);
  return first ? HEAP_OWNER(first, Held, due) : NULL;
}

void held_schedule(Held *held)
{
  Heap *queue = &held->supervisor->queue;
  if (held_deadline(held) == INT64_MAX)
    heap_remove(queue, &held->due);
  else if (heap_has(&held->due))
    heap_update(queue, &held->due);
  else
    heap_insert(queue, &held->due);
}

void held_changed(Held *held)
{
  if (held->dirty)
    return;
  held->dirty = true;
  g_ptr_array_add(held->supervisor->dirty, held);
}

/* ---- reports ---- */

static InstanceState held_state(const Held *held)
{
  static const InstanceState states[LIFE_N] = {
      [LIFE_ADOPTING] = INSTANCE_STARTING, [LIFE_STORING] = INSTANCE_STARTING,
      [LIFE_SHIM] = INSTANCE_STARTING,     [LIFE_STARTING] = INSTANCE_STARTING,
      [LIFE_RUNNING] = INSTANCE_RUNNING,   [LIFE_BACKOFF] = INSTANCE_BACKOFF,
      [LIFE_STOPPING] = INSTANCE_STOPPING, [LIFE_ORPHAN] = INSTANCE_STOPPING,
      [LIFE_STOPPED] = INSTANCE_STOPPED,   [LIFE_COMPLETED] = INSTANCE_COMPLETED,
      [LIFE_FAILED] = INSTANCE_FAILED};
  bool unwanted = held->life == LIFE_ADOPTING && !held->outcome && !held->desired_running;
  /* it will be stopped as soon as its shim answers */
  return unwanted ? INSTANCE_STOPPING : states[held_face(held)];
}

/* The limits that @held asks for and that this node cannot enforce, separated by blanks, or NULL.
 */
static char *held_unenforced(const Held *held)
{
  if (!held->spec || !held->supervisor->unenforced)
    return NULL;
  const ResourceSpec *asked = &held->spec->resources;
  const struct {
    const char *word;
    bool asked;
  } limits[] = {
      {"memory", asked->memory_bytes > 0}, {"cpu", asked->cpu > 0}, {"pids", asked->pids > 0}};
  g_auto(GStrv) missing = g_strsplit(held->supervisor->unenforced, " ", -1);
  g_autoptr(GString) text = g_string_new(NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
    if (limits[i].asked && g_strv_contains((const char *const *)missing, limits[i].word))
      g_string_append_printf(text, "%s%s", text->len ? " " : "", limits[i].word);
  return text->len ? g_strdup(text->str) : NULL;
}

/* Why it is in its state: what is not known of it comes first. */
static char *held_reason(const Held *held)
{
  if (held->life == LIFE_ADOPTING && !held->outcome)
    return g_strdup("its shim has not answered since the node started");
  if (!held->silent_since_ms)
    return g_strdup(held->reason);
  char since[ISO_TIME_BYTES];
  time_iso(held->silent_since_ms, since);
  return g_strdup_printf("its shim has not answered since %s: how its agent does is not known",
                         since);
}

static InstanceReport *held_report(const Held *held)
{
  InstanceReport *report = instance_report_new(held->id);
  report->epoch = held->epoch;
  report->generation = held->generation;
  report->state = held_state(held);
  report->health = held->health;
  report->attempt = held->attempt;
  report->restarts = held->restarts;
  report->pid = held->pid;
  report->port = held->spec ? held->spec->port : 0;
  report->last_exit = held->last_exit;
  report->since_ms = held->since_ms;
  report->reason = held_reason(held);
  report->output = g_strdup(held->output);
  report->unenforced = held_unenforced(held);
  return report;
}

void supervisor_send(Supervisor *supervisor, const Frame *frame)
{
  if (supervisor->link)
    act(supervisor, NODE_ACTION_SEND, NULL)->text = frame_write(frame);
}

static gint supervisor_compare_held(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Held *const *)a)->id, (*(Held *const *)b)->id);
}

/* Everything that it holds, in id order: two runs of one history send the same text. */
static GPtrArray *supervisor_sorted(const Supervisor *supervisor)
{
  GPtrArray *all = g_ptr_array_sized_new(g_hash_table_size(supervisor->held));
  GHashTableIter iter;
  gpointer held;
  g_hash_table_iter_init(&iter, supervisor->held);
  while (g_hash_table_iter_next(&iter, NULL, &held))
    g_ptr_array_add(all, held);
  g_ptr_array_sort(all, supervisor_compare_held);
  return all;
}

static void supervisor_clear_dirty(Supervisor *supervisor)
{
  for (guint i = 0; i < supervisor->dirty->len; i++)
    ((Held *)supervisor->dirty->pdata[i])->dirty = false;
  g_ptr_array_set_size(supervisor->dirty, 0);
}

static void supervisor_hello(Supervisor *supervisor)
{
  if (!supervisor->link || !supervisor->ready)
    return;
  g_autoptr(Frame) hello = frame_new(FRAME_HELLO);
  hello->protocol = PROTOCOL_VERSION;
  hello->node = g_strdup(supervisor->node_id);
  hello->name = g_strdup(supervisor->node_name);
  hello->boot_id = g_strdup(supervisor->boot_id);
  hello->version = g_strdup(supervisor->version);
  hello->cgroups = g_strdup(supervisor->cgroups);
  hello->unenforced = g_strdup(supervisor->unenforced);
  /* else there is nothing to be mistaken about */
  hello->store = g_hash_table_size(supervisor->held) ? g_strdup(supervisor->store) : NULL;
  g_autoptr(GPtrArray) all = supervisor_sorted(supervisor);
  for (guint i = 0; i < all->len; i++) {
    const Held *held = all->pdata[i];
    InstanceReport *report = held_report(held);
    if (held->desired_running && held->spec) {
      report->peers = g_malloc(PEERS_DIGEST_BYTES);
      instance_peers_digest(held->spec->peers, report->peers);
    }
    g_ptr_array_add(hello->reports, report);
  }
  supervisor_send(supervisor, hello);
  supervisor_clear_dirty(supervisor);
}

static void supervisor_flush(Supervisor *supervisor)
{
  if (!supervisor->dirty->len)
    return;
  if (supervisor->link && supervisor->ready) {
    g_autoptr(Frame) report = frame_new(FRAME_REPORT);
    for (guint i = 0; i < supervisor->dirty->len; i++)
      g_ptr_array_add(report->reports, held_report(supervisor->dirty->pdata[i]));
    supervisor_send(supervisor, report);
  }
  supervisor_clear_dirty(supervisor);
}

void held_drop(Held *held)
{
  Supervisor *supervisor = held->supervisor;
  held->act_boot_ms = held->probe_boot_ms = INT64_MAX;
  held_schedule(held);
  if (held->dirty)
    g_ptr_array_remove(supervisor->dirty, held);
  act(supervisor, NODE_ACTION_REMOVE, held);
  g_hash_table_steal(supervisor->held, held->id);
  held_free(held);
}

/* ---- instructions ---- */

static void supervisor_on_start(Supervisor *supervisor, const Frame *frame)
{
  for (guint i = 0; i < frame->instructions->len; i++) {
    const Instruction *instruction = frame->instructions->pdata[i];
    if (!instruction->spec)
      continue;
    Held *held = g_hash_table_lookup(supervisor->held, instruction->id);
    if (!held) {
      held = held_new(supervisor, instruction->id);
    }
    int64_t epoch = held->pending ? held->pending->epoch : held->epoch;
    int64_t generation = held->pending ? held->pending->generation : held->generation;
    bool newer = instruction->epoch > epoch ||
                 (instruction->epoch == epoch && instruction->generation > generation);
    if (newer)
      held_start(held, instruction);
    else
      held_changed(held); /* heard before: say how it stands */
  }
}

/* Somebody wants something stopped that is not here: it is stopped. */
static void supervisor_report_absent(Supervisor *supervisor, const Instruction *instruction)
{
  g_autoptr(Frame) frame = frame_new(FRAME_REPORT);
  InstanceReport *report = instance_report_new(instruction->id);
  report->epoch = instruction->epoch;
  report->generation = instruction->generation;
  report->state = INSTANCE_STOPPED;
  report->since_ms = supervisor->now.wall_ms;
  g_ptr_array_add(frame->reports, report);
  supervisor_send(supervisor, frame);
}

static void supervisor_on_stop(Supervisor *supervisor, const Frame *frame)
{
  for (guint i = 0; i < frame->instructions->len; i++) {
    const Instruction *instruction = frame->instructions->pdata[i];
    Held *held = g_hash_table_lookup(supervisor->held, instruction->id);
    if (!held)
      supervisor_report_absent(supervisor, instruction);
    else if (instruction->epoch >= held->epoch) {
      /* after a restored backup the server counts from a later epoch than ours */
      held->epoch = instruction->epoch;
      held->generation = MAX(held->generation, instruction->generation);
      held_stop(held);
    } else
      held_changed(held);
  }
}

static void supervisor_on_forget(Supervisor *supervisor, const Frame *frame)
{
  for (guint i = 0; i < frame->instructions->len; i++) {
    const Instruction *instruction = frame->instructions->pdata[i];
    Held *held = g_hash_table_lookup(supervisor->held, instruction->id);
    if (held && instruction->epoch >= held->epoch)
      held_forget(held);
  }
}

static bool supervisor_set_peers(InstanceSpec *spec, const char *peers)
{
  if (strcmp(spec->peers, peers) == 0)
    return false;
  g_free(spec->peers);
  spec->peers = g_strdup(peers);
  return true;
}

static void supervisor_on_peers(Supervisor *supervisor, const Frame *frame)
{
  for (guint i = 0; i < frame->instructions->len; i++) {
    const Instruction *instruction = frame->instructions->pdata[i];
    Held *held = g_hash_table_lookup(supervisor->held, instruction->id);
    if (!held || !instruction->peers)
      continue;
    if (held->pending && held->pending->spec) /* it starts when its predecessor has ended */
      supervisor_set_peers(held->pending->spec, instruction->peers);
    if (!held->spec || !supervisor_set_peers(held->spec, instruction->peers))
      continue;
    NodeAction *action = act(supervisor, NODE_ACTION_PEERS, held);
    action->text = g_strdup(instruction->peers);
    action->spec = held->spec;
    if (held->life != LIFE_STORING)
      held_store(held);
  }
}

static void supervisor_on_ack(Supervisor *supervisor, const Frame *frame)
{
  (void)supervisor;
  (void)frame; /* the lease of a remote node is counted from it, later */
}

static void supervisor_pass(Supervisor *supervisor, NodeActionType type, const Frame *frame)
{
  act(supervisor, type, NULL)->frame = frame;
}

static void supervisor_on_refuse(Supervisor *supervisor, const Frame *frame)
{
  supervisor->refused = true;
  act(supervisor, NODE_ACTION_REFUSED, NULL)->text =
      g_strdup(frame->error ? frame->error : "no reason is given");
}

/* True when the server of a welcome is not ours. Without an id it is one of an older release. What
 * holds nothing goes with any server. */
static bool supervisor_is_foreign(Supervisor *supervisor, const Frame *frame)
{
  if (!frame->store || g_strcmp0(frame->store, supervisor->store) == 0)
    return false;
  if (supervisor->store && g_hash_table_size(supervisor->held)) {
    supervisor->refused = true;
    act(supervisor, NODE_ACTION_REFUSED, NULL)->text =
        g_strdup_printf("what is held here belongs to another store (%.8s, the server's is %.8s)",
                        supervisor->store, frame->store);
    return true;
  }
  g_free(supervisor->store);
  supervisor->store = g_strdup(frame->store);
  supervisor->term = 0; /* of the former store */
  act(supervisor, NODE_ACTION_KEEP_STORE, NULL)->text = g_strdup(frame->store);
  return false;
}

static void supervisor_on_welcome(Supervisor *supervisor, const Frame *frame)
{
  /* those who asked over the former link do not know it any more */
  supervisor_pass(supervisor, NODE_ACTION_RELEASE_PORTS, frame);
  supervisor->heartbeat_ms = frame->heartbeat_ms ? frame->heartbeat_ms : 10000;
  supervisor->heartbeat_boot_ms = supervisor->now.boot_ms + supervisor->heartbeat_ms;
}

static void supervisor_on_reserve(Supervisor *supervisor, const Frame *frame)
{
  supervisor_pass(supervisor, NODE_ACTION_RESERVE_PORTS, frame);
}

static void supervisor_on_release(Supervisor *supervisor, const Frame *frame)
{
  supervisor_pass(supervisor, NODE_ACTION_RELEASE_PORTS, frame);
}

static void supervisor_on_log(Supervisor *supervisor, const Frame *frame)
{
  supervisor_pass(supervisor, NODE_ACTION_LOG, frame);
}

/* What is stopped has nothing to look at; what failed or backs off has. */
static void supervisor_on_exec(Supervisor *supervisor, const Frame *frame)
{
  const Held *held =
      frame->instance ? g_hash_table_lookup(supervisor->held, frame->instance) : NULL;
  NodeAction *action = act(supervisor, NODE_ACTION_EXEC, NULL);
  action->frame = frame;
  if (frame->type != FRAME_EXEC)
    return;
  if (held && held->spec && held->desired_running)
    action->spec = held->spec;
  else
    action->text = g_strdup(held ? "the agent is stopped; exec needs one that runs"
                                 : "its node does not hold it");
}

static void supervisor_on_unknown(Supervisor *supervisor, const Frame *frame)
{
  g_autoptr(Frame) answer = frame_new(FRAME_UNKNOWN_TYPE);
  answer->data = g_strdup(frame->data);
  supervisor_send(supervisor, answer);
}

static void supervisor_on_frame(Supervisor *supervisor, const Frame *frame)
{
  static void (*const handlers[FRAME_N])(Supervisor *, const Frame *) = {
      [FRAME_UNKNOWN] = supervisor_on_unknown,   [FRAME_WELCOME] = supervisor_on_welcome,
      [FRAME_HEARTBEAT_ACK] = supervisor_on_ack, [FRAME_RESERVE] = supervisor_on_reserve,
      [FRAME_RELEASE] = supervisor_on_release,   [FRAME_START] = supervisor_on_start,
      [FRAME_STOP] = supervisor_on_stop,         [FRAME_FORGET] = supervisor_on_forget,
      [FRAME_PEERS] = supervisor_on_peers,       [FRAME_LOG_READ] = supervisor_on_log,
      [FRAME_LOG_CREDIT] = supervisor_on_log,    [FRAME_LOG_CANCEL] = supervisor_on_log,
      [FRAME_EXEC] = supervisor_on_exec,         [FRAME_EXEC_CREDIT] = supervisor_on_exec,
      [FRAME_EXEC_CANCEL] = supervisor_on_exec};
  if (frame->type == FRAME_REFUSE)
    supervisor_on_refuse(supervisor, frame);
  if (!handlers[frame->type] || supervisor->refused ||
      (frame->type == FRAME_WELCOME && supervisor_is_foreign(supervisor, frame)))
    return; /* the term of another store's server is not looked at: it says nothing here */
  if (frame->type != FRAME_UNKNOWN && frame->term < supervisor->term)
    return; /* a server that was replaced */
  supervisor->term = MAX(supervisor->term, frame->term);
  handlers[frame->type](supervisor, frame);
}

/* ---- events ---- */

static void supervisor_on_file(Supervisor *supervisor, const NodeEvent *event)
{
  Held *held = held_new(supervisor, event->instance);
  held->life = LIFE_ADOPTING;
  held->since_ms = supervisor->now.wall_ms;
  supervisor->adopting++;
  held_owes_answer(held);
  g_autoptr(GError) error = NULL;
  if (event->text && instance_file_parse(held, event->text, &error))
    return;
  /* unreadable: end what may run, keep the logs, let the server start it anew */
  held->desired_running = false;
  held->outcome = LIFE_FAILED;
  g_clear_pointer(&held->spec, instance_spec_free);
  g_free(held->reason);
  held->reason = g_strdup_printf("instance file: %s", error          ? error->message
                                                      : event->found ? event->found
                                                                     : "cannot be read");
}

static void supervisor_tick(Supervisor *supervisor)
{
  for (Held *first = supervisor_first_due(supervisor);
       first && held_deadline(first) <= supervisor->now.boot_ms;
       first = supervisor_first_due(supervisor))
    held_due(first);
  if (!supervisor->link || !supervisor->heartbeat_ms ||
      supervisor->heartbeat_boot_ms > supervisor->now.boot_ms)
    return;
  g_autoptr(Frame) heartbeat = frame_new(FRAME_HEARTBEAT);
  heartbeat->seq = ++supervisor->heartbeat_seq;
  supervisor_send(supervisor, heartbeat);
  supervisor->heartbeat_boot_ms = supervisor->now.boot_ms + supervisor->heartbeat_ms;
}

static void supervisor_whole(Supervisor *supervisor, const NodeEvent *event)
{
  switch (event->type) {
  case NODE_EVENT_LINK_UP:
    supervisor->link = true;
    supervisor->refused = false;
    supervisor_hello(supervisor);
    break;
  case NODE_EVENT_LINK_DOWN:
    supervisor->link = false;
    supervisor->heartbeat_ms = 0;
    break;
  case NODE_EVENT_FRAME:
    supervisor_on_frame(supervisor, event->frame);
    break;
  case NODE_EVENT_FILE:
    supervisor_on_file(supervisor, event);
    break;
  case NODE_EVENT_FILES_DONE:
    supervisor->files_done = true;
    supervisor->ready_boot_ms = supervisor->now.boot_ms + SUPERVISOR_HELLO_MS;
    break;
  case NODE_EVENT_RESERVED:
    supervisor_send(supervisor, event->frame);
    break;
  default:
    break;
  }
}

/* The list that the hello carries is whole once every shim has answered. One that does not answer
 * must not keep the node away. */
static void supervisor_try_ready(Supervisor *supervisor)
{
  bool waits = supervisor->adopting > 0 && supervisor->now.boot_ms < supervisor->ready_boot_ms;
  if (supervisor->ready || !supervisor->files_done || waits)
    return;
  supervisor->ready = true;
  supervisor_hello(supervisor);
}

/* We were away - suspended, or stopped - and so may have been the shims: none of them is late yet.
 */
static void supervisor_was_away(Supervisor *supervisor)
{
  GHashTableIter iter;
  gpointer held;
  g_hash_table_iter_init(&iter, supervisor->held);
  while (g_hash_table_iter_next(&iter, NULL, &held))
    held_owes_anew(held);
}

static int64_t supervisor_wake_at(const Supervisor *supervisor)
{
  const Held *first = supervisor_first_due(supervisor);
  int64_t at_ms = first ? held_deadline(first) : INT64_MAX;
  if (supervisor->link && supervisor->heartbeat_ms)
    at_ms = MIN(at_ms, supervisor->heartbeat_boot_ms);
  if (supervisor->files_done && !supervisor->ready)
    at_ms = MIN(at_ms, supervisor->ready_boot_ms);
  return at_ms;
}

void node_apply(Supervisor *supervisor, const NodeEvent *event, Now now, NodeActions *actions)
{
  supervisor->now = now;
  supervisor->actions = actions;
  if (now.boot_ms - SUPERVISOR_LATE_MS > supervisor->wake_at_ms)
    supervisor_was_away(supervisor);
  Held *held = event->instance && event->type != NODE_EVENT_FILE
                   ? g_hash_table_lookup(supervisor->held, event->instance)
                   : NULL;
  if (held)
    held_event(held, event);
  else
    supervisor_whole(supervisor, event);
  supervisor_tick(supervisor);
  supervisor_try_ready(supervisor);
  supervisor_flush(supervisor);
  actions->wake_at_ms = supervisor->wake_at_ms = supervisor_wake_at(supervisor);
  supervisor->actions = NULL;
}

/* ---- life ---- */

static void supervisor_held_free(gpointer data)
{
  held_free(data);
}

Supervisor *supervisor_new(const SupervisorConfig *config)
{
  Supervisor *supervisor = g_new0(Supervisor, 1);
  supervisor->node_id = g_strdup(config->node_id);
  supervisor->node_name = g_strdup(config->node_name);
  supervisor->boot_id = g_strdup(config->boot_id);
  supervisor->version = g_strdup(config->version);
  supervisor->cgroups = g_strdup(config->cgroups);
  supervisor->unenforced =
      config->unenforced && config->unenforced[0] ? g_strdup(config->unenforced) : NULL;
  supervisor->store = g_strdup(config->store);
  supervisor->held = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, supervisor_held_free);
  heap_init(&supervisor->queue, held_compare);
  supervisor->wake_at_ms = INT64_MAX;
  supervisor->dirty = g_ptr_array_new();
  return supervisor;
}

void supervisor_free(Supervisor *supervisor)
{
  if (!supervisor)
    return;
  heap_done(&supervisor->queue);
  g_hash_table_unref(supervisor->held);
  g_ptr_array_unref(supervisor->dirty);
  g_free(supervisor->node_id);
  g_free(supervisor->node_name);
  g_free(supervisor->boot_id);
  g_free(supervisor->version);
  g_free(supervisor->cgroups);
  g_free(supervisor->unenforced);
  g_free(supervisor->store);
  g_free(supervisor);
}

void supervisor_set_coverage(Supervisor *supervisor, SuperviseCoverageFn fn, void *data)
{
  supervisor->coverage = fn;
  supervisor->coverage_data = data;
}

const char *supervise_life_name(int life)
{
  return life_word((Life)life);
}

const char *supervise_event_name(int event)
{
  static const char *const names[NODE_EVENT_N] = {[NODE_EVENT_LINK_UP] = "link-up",
                                                  [NODE_EVENT_LINK_DOWN] = "link-down",
                                                  [NODE_EVENT_FRAME] = "frame",
                                                  [NODE_EVENT_FILE] = "file",
                                                  [NODE_EVENT_SHIM_FOUND] = "shim-found",
                                                  [NODE_EVENT_SHIM_ABSENT] = "shim-absent",
                                                  [NODE_EVENT_FILES_DONE] = "files-done",
                                                  [NODE_EVENT_STORED] = "stored",
                                                  [NODE_EVENT_STORE_FAILED] = "store-failed",
                                                  [NODE_EVENT_SHIM_SPAWNED] = "shim-spawned",
                                                  [NODE_EVENT_SHIM_UP] = "shim-up",
                                                  [NODE_EVENT_SHIM_FAILED] = "shim-failed",
                                                  [NODE_EVENT_STARTED] = "started",
                                                  [NODE_EVENT_START_FAILED] = "start-failed",
                                                  [NODE_EVENT_EXITED] = "exited",
                                                  [NODE_EVENT_SHIM_GONE] = "shim-gone",
                                                  [NODE_EVENT_SHIM_SILENT] = "shim-silent",
                                                  [NODE_EVENT_SHIM_HEARD] = "shim-heard",
                                                  [NODE_EVENT_ORPHAN_ENDED] = "orphan-ended",
                                                  [NODE_EVENT_PROBE] = "probe",
                                                  [NODE_EVENT_RESERVED] = "reserved",
                                                  [NODE_EVENT_TICK] = "tick"};
  return names[event];
}

guint supervisor_size(const Supervisor *supervisor)
{
  return g_hash_table_size(supervisor->held);
}

const InstanceSpec *supervisor_spec(const Supervisor *supervisor, const char *instance)
{
  const Held *held = g_hash_table_lookup(supervisor->held, instance);
  return held ? held->spec : NULL;
}

InstanceReport *supervisor_report(const Supervisor *supervisor, const char *instance)
{
  const Held *held = g_hash_table_lookup(supervisor->held, instance);
  return held ? held_report(held) : NULL;
}
