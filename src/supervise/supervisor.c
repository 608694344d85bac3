/* The node as a whole: which instances it holds, frames in and out, heartbeats, one queue of
 * deadlines. */
#include "base/error.h"
#include "supervise/alone.h"
#include "supervise/instance_file.h"
#include "supervise/life.h"
#include "supervise/obey.h"
#include "supervise/steps.h"

#include <string.h>

/* ---- reports ---- */

/* What the server is told of a life: it knows nothing of files and handles. */
static InstanceState node_instance_state(const NodeInstance *instance)
{
  static const InstanceState states[LIFE_N] = {
      [LIFE_ADOPTING] = INSTANCE_STARTING,  [LIFE_STORING] = INSTANCE_STARTING,
      [LIFE_PREPARING] = INSTANCE_STARTING, [LIFE_STARTING] = INSTANCE_STARTING,
      [LIFE_RUNNING] = INSTANCE_RUNNING,    [LIFE_BACKOFF] = INSTANCE_BACKOFF,
      [LIFE_STOPPING] = INSTANCE_STOPPING,  [LIFE_CLEARING] = INSTANCE_STOPPING,
      [LIFE_STOPPED] = INSTANCE_STOPPED,    [LIFE_COMPLETED] = INSTANCE_COMPLETED,
      [LIFE_FAILED] = INSTANCE_FAILED};
  bool unwanted =
      instance->life == LIFE_ADOPTING && !instance->outcome && !instance->desired_running;
  /* it will be stopped as soon as its handle answers */
  return unwanted ? INSTANCE_STOPPING : states[node_instance_shown_life(instance)];
}

/* The limits that @instance asks for and that this node cannot enforce, separated by blanks, or
 * NULL.
 */
static char *node_instance_unenforced(const NodeInstance *instance)
{
  if (!instance->spec || !instance->supervisor->unenforced)
    return NULL;
  const ResourceSpec *asked = &instance->spec->resources;
  const struct {
    const char *word;
    bool asked;
  } limits[] = {
      {"memory", asked->memory_bytes > 0}, {"cpu", asked->cpu > 0}, {"pids", asked->pids > 0}};
  g_auto(GStrv) missing = g_strsplit(instance->supervisor->unenforced, " ", -1);
  g_autoptr(GString) text = g_string_new(NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
    if (limits[i].asked && g_strv_contains((const char *const *)missing, limits[i].word))
      g_string_append_printf(text, "%s%s", text->len ? " " : "", limits[i].word);
  return text->len ? g_strdup(text->str) : NULL;
}

/* Why it is in its state: what is not known of it comes first. */
static char *node_instance_reason(const NodeInstance *instance)
{
  if (instance->life == LIFE_ADOPTING && !instance->outcome)
    return g_strdup("its shim has not answered since the node started");
  char since[ISO_TIME_BYTES];
  if (instance->life == LIFE_CLEARING && instance->clear_late) {
    time_iso(instance->since_ms, since);
    return g_strdup_printf("%s; processes of it have been killed since %s and do not end",
                           instance->reason ? instance->reason : "it is being ended", since);
  }
  if (!instance->unreachable_since_ms)
    return g_strdup(instance->reason);
  time_iso(instance->unreachable_since_ms, since);
  return g_strdup_printf("its shim has not answered since %s: how its agent does is not known",
                         since);
}

static InstanceReport *node_instance_report(const NodeInstance *instance)
{
  InstanceReport *report = instance_report_new(instance->id);
  report->epoch = instance->epoch;
  report->generation = instance->generation;
  report->state = node_instance_state(instance);
  report->health = instance->health;
  report->attempt = instance->attempt;
  report->restarts = instance->restarts;
  report->pid = instance->pid;
  report->port = instance->spec ? instance->spec->port : 0;
  report->last_exit = instance->last_exit;
  report->since_ms = instance->since_ms;
  report->reason = node_instance_reason(instance);
  report->output = g_strdup(instance->output);
  report->unenforced = node_instance_unenforced(instance);
  return report;
}

/* Sends @frame, or drops it when there is no link: a hello tells everything anew. */
static void supervisor_send(Supervisor *supervisor, const Frame *frame)
{
  if (!supervisor->link)
    return;
  g_autoptr(GPtrArray) pages = frame_pages(frame, supervisor->page_bytes);
  g_ptr_array_set_free_func(pages, NULL); /* the texts move */
  for (guint i = 0; i < pages->len; i++)
    act(supervisor, NODE_ACTION_SEND, NULL)->text = pages->pdata[i];
}

/* Everything that was to be reported was, or will be by a hello. */
static void supervisor_clear_dirty(Supervisor *supervisor)
{
  for (guint i = 0; i < supervisor->dirty->len; i++)
    ((NodeInstance *)supervisor->dirty->pdata[i])->dirty = false;
  g_ptr_array_set_size(supervisor->dirty, 0);
}

/* The whole list: what the server does not find in it, the node does not hold. So it is not sent
 * before every file was told (ready). */
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
  hello->incarnation = g_strdup(supervisor->identity.incarnation);
  hello->store = supervisor->identity.store[0] ? g_strdup(supervisor->identity.store) : NULL;
  hello->term = supervisor->identity.term;
  g_autoptr(GPtrArray) all = supervisor_sorted(supervisor);
  for (guint i = 0; i < all->len; i++) {
    const NodeInstance *instance = all->pdata[i];
    InstanceReport *report = node_instance_report(instance);
    if (instance->desired_running && instance->spec) {
      report->peers = g_malloc(PEERS_DIGEST_BYTES);
      instance_peers_digest(instance->spec->peers, report->peers);
    }
    g_ptr_array_add(hello->reports, report);
  }
  supervisor_send(supervisor, hello);
  supervisor_clear_dirty(supervisor);
}

/* One frame for all that changed in this event; without a link the next hello tells it. */
static void supervisor_flush(Supervisor *supervisor)
{
  if (!supervisor->dirty->len)
    return;
  if (supervisor->link && supervisor->ready) {
    g_autoptr(Frame) report = frame_new(FRAME_REPORT);
    for (guint i = 0; i < supervisor->dirty->len; i++)
      g_ptr_array_add(report->reports, node_instance_report(supervisor->dirty->pdata[i]));
    supervisor_send(supervisor, report);
  }
  supervisor_clear_dirty(supervisor);
}

/* ---- instructions ---- */

/* Instructions are idempotent and may come twice or late: only a newer (epoch, generation) than the
 * one that is followed, or waits, is one to follow. */
static void supervisor_on_start(Supervisor *supervisor, const Frame *frame)
{
  for (guint i = 0; i < frame->instructions->len; i++) {
    const Instruction *instruction = frame->instructions->pdata[i];
    if (!instruction->spec)
      continue;
    NodeInstance *instance = g_hash_table_lookup(supervisor->instances, instruction->id);
    if (!instance)
      instance = node_instance_new(supervisor, instruction->id);
    int64_t epoch = instance->pending ? instance->pending->epoch : instance->epoch;
    int64_t generation = instance->pending ? instance->pending->generation : instance->generation;
    bool newer = instruction->epoch > epoch ||
                 (instruction->epoch == epoch && instruction->generation > generation);
    if (newer)
      node_instance_start(instance, instruction);
    else
      node_instance_changed(instance); /* heard before: say how it stands */
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
    NodeInstance *instance = g_hash_table_lookup(supervisor->instances, instruction->id);
    if (!instance)
      supervisor_report_absent(supervisor, instruction);
    else if (instruction->epoch >= instance->epoch) {
      /* after a restored backup the server counts from a later epoch than ours */
      instance->epoch = instruction->epoch;
      instance->generation = MAX(instance->generation, instruction->generation);
      node_instance_stop(instance);
    } else
      node_instance_changed(instance);
  }
}

/* Of an older epoch it is about an instance that is not this one any more. */
static void supervisor_on_forget(Supervisor *supervisor, const Frame *frame)
{
  for (guint i = 0; i < frame->instructions->len; i++) {
    const Instruction *instruction = frame->instructions->pdata[i];
    NodeInstance *instance = g_hash_table_lookup(supervisor->instances, instruction->id);
    if (instance && instruction->epoch >= instance->epoch)
      node_instance_forget(instance);
  }
}

/* False when @spec had them already. */
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
    NodeInstance *instance = g_hash_table_lookup(supervisor->instances, instruction->id);
    if (!instance || !instruction->peers)
      continue;
    if (instance->pending && instance->pending->spec) /* it starts when its predecessor has ended */
      supervisor_set_peers(instance->pending->spec, instruction->peers);
    if (!instance->spec || !supervisor_set_peers(instance->spec, instruction->peers))
      continue;
    NodeAction *action = act(supervisor, NODE_ACTION_PEERS, instance);
    action->text = g_strdup(instruction->peers);
    action->spec = instance->spec;
    if (instance->life != LIFE_STORING)
      node_instance_store(instance);
  }
}

static void supervisor_on_ack(Supervisor *supervisor, const Frame *frame)
{
  (void)supervisor;
  (void)frame; /* the lease of a remote node is counted from it, later */
}

/* What node/ answers by itself, without a decision of ours. */
static void supervisor_pass(Supervisor *supervisor, NodeActionType type, const Frame *frame)
{
  act(supervisor, type, NULL)->frame = frame;
}

static void supervisor_on_welcome(Supervisor *supervisor, const Frame *frame)
{
  /* those who asked over the former link do not know it any more */
  supervisor_pass(supervisor, NODE_ACTION_RELEASE_PORTS, frame);
  supervisor->heartbeat_ms = frame->heartbeat_ms ? frame->heartbeat_ms : 10000;
  supervisor->heartbeat_boot_ms = supervisor->now.boot_ms + supervisor->heartbeat_ms;
  alone_end(supervisor);
}

/* The server knows nothing any more of what it was told over this link, nor of what it asked: no
 * answer to that may come behind the hello. */
static void supervisor_on_relist(Supervisor *supervisor, const Frame *frame)
{
  supervisor_pass(supervisor, NODE_ACTION_RELEASE_PORTS, frame);
  supervisor_hello(supervisor);
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
  const NodeInstance *instance =
      frame->instance ? g_hash_table_lookup(supervisor->instances, frame->instance) : NULL;
  NodeAction *action = act(supervisor, NODE_ACTION_EXEC, NULL);
  action->frame = frame;
  if (frame->type != FRAME_EXEC)
    return;
  if (instance && instance->spec && instance->desired_running)
    action->spec = instance->spec;
  else
    action->text = g_strdup(instance ? "the agent is stopped; exec needs one that runs"
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
      [FRAME_EXEC_CANCEL] = supervisor_on_exec,  [FRAME_RELIST] = supervisor_on_relist};
  if (frame->type == FRAME_REFUSE)
    obey_refused(supervisor, frame->error);
  else if (handlers[frame->type] && obey_frame(supervisor, frame))
    handlers[frame->type](supervisor, frame);
}

/* ---- events ---- */

static void supervisor_on_file(Supervisor *supervisor, const NodeEvent *event)
{
  NodeInstance *instance = node_instance_new(supervisor, event->instance);
  instance->life = LIFE_ADOPTING;
  instance->since_ms = supervisor->now.wall_ms;
  supervisor->adopting++;
  node_instance_await_answer(instance);
  g_autoptr(GError) error = NULL;
  if (event->text && instance_file_parse(instance, event->text, &error))
    return;
  /* unreadable: end what may run, keep the logs, let the server start it anew */
  instance->desired_running = false;
  instance->outcome = LIFE_FAILED;
  g_clear_pointer(&instance->spec, instance_spec_free);
  g_free(instance->reason);
  instance->reason = g_strdup_printf("instance file: %s", error          ? error->message
                                                          : event->found ? event->found
                                                                         : "cannot be read");
}

/* Works off what is due, in the order of the queue, and the heartbeat. */
static void supervisor_tick(Supervisor *supervisor)
{
  for (NodeInstance *first = supervisor_first_due(supervisor);
       first && node_instance_deadline(first) <= supervisor->now.boot_ms;
       first = supervisor_first_due(supervisor))
    node_instance_due(first);
  alone_tick(supervisor);
  if (obey_asks_again(supervisor))
    supervisor_hello(supervisor);
  if (!supervisor->link || !supervisor->heartbeat_ms ||
      supervisor->heartbeat_boot_ms > supervisor->now.boot_ms)
    return;
  g_autoptr(Frame) heartbeat = frame_new(FRAME_HEARTBEAT);
  heartbeat->seq = ++supervisor->heartbeat_seq;
  supervisor_send(supervisor, heartbeat);
  supervisor->heartbeat_boot_ms = supervisor->now.boot_ms + supervisor->heartbeat_ms;
}

/* Events of the node as a whole; those of an instance that is not held are over. */
static void supervisor_whole(Supervisor *supervisor, const NodeEvent *event)
{
  switch (event->type) {
  case NODE_EVENT_LINK_UP:
    supervisor->link = true;
    supervisor->refused = false;
    supervisor_hello(supervisor);
    alone_wait(supervisor);
    break;
  case NODE_EVENT_LINK_DOWN:
    supervisor->link = false;
    supervisor->heartbeat_ms = 0;
    /* an answer that is still looked for would go to the next server, whose numbers are its own */
    act(supervisor, NODE_ACTION_RELEASE_PORTS, NULL);
    alone_begin(supervisor);
    break;
  case NODE_EVENT_FRAME:
    supervisor_on_frame(supervisor, event->frame);
    break;
  case NODE_EVENT_FILE:
    supervisor_on_file(supervisor, event);
    break;
  case NODE_EVENT_FILES_DONE:
    supervisor->files_done = true;
    alone_begin(supervisor);
    supervisor->ready_boot_ms = supervisor->now.boot_ms + SUPERVISOR_HELLO_MS;
    break;
  case NODE_EVENT_RESERVED:
    supervisor_send(supervisor, event->frame);
    break;
  default:
    break;
  }
}

/* The list that the hello carries is whole once every handle has answered. One that does not answer
 * must not keep the node away. */
static void supervisor_try_ready(Supervisor *supervisor)
{
  bool waits = supervisor->adopting > 0 && supervisor->now.boot_ms < supervisor->ready_boot_ms;
  if (supervisor->ready || !supervisor->files_done || waits)
    return;
  supervisor->ready = true;
  supervisor_hello(supervisor);
}

/* We were away - suspended, or stopped - and so may have been the handles: none is late yet. */
static void supervisor_was_away(Supervisor *supervisor)
{
  GHashTableIter iter;
  gpointer instance;
  g_hash_table_iter_init(&iter, supervisor->instances);
  while (g_hash_table_iter_next(&iter, NULL, &instance))
    node_instance_await_anew(instance);
  alone_anew(supervisor);
}

static int64_t supervisor_wake_at(const Supervisor *supervisor)
{
  const NodeInstance *first = supervisor_first_due(supervisor);
  int64_t at_ms = first ? node_instance_deadline(first) : INT64_MAX;
  if (supervisor->link && supervisor->heartbeat_ms)
    at_ms = MIN(at_ms, supervisor->heartbeat_boot_ms);
  if (supervisor->files_done && !supervisor->ready)
    at_ms = MIN(at_ms, supervisor->ready_boot_ms);
  if (supervisor->link && supervisor->refused)
    at_ms = MIN(at_ms, supervisor->refused_boot_ms);
  at_ms = MIN(at_ms, supervisor->alone_boot_ms);
  return at_ms;
}

void node_apply(Supervisor *supervisor, const NodeEvent *event, Now now, NodeActions *actions)
{
  supervisor->now = now;
  supervisor->actions = actions;
  /* the boot clock counts a suspend, so that deadlines pass in it */
  if (now.boot_ms - SUPERVISOR_LATE_MS > supervisor->wake_at_ms)
    supervisor_was_away(supervisor);
  NodeInstance *instance = event->instance && event->type != NODE_EVENT_FILE
                               ? g_hash_table_lookup(supervisor->instances, event->instance)
                               : NULL;
  if (instance)
    node_instance_event(instance, event);
  else
    supervisor_whole(supervisor, event);
  supervisor_tick(supervisor);
  supervisor_try_ready(supervisor);
  supervisor_flush(supervisor);
  actions->wake_at_ms = supervisor->wake_at_ms = supervisor_wake_at(supervisor);
  supervisor->actions = NULL;
}

/* ---- life ---- */

static void supervisor_instance_free(gpointer data)
{
  node_instance_free(data);
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
  supervisor->identity = config->identity;
  supervisor->alone_boot_ms = INT64_MAX;
  supervisor->page_bytes = config->page_bytes;
  supervisor->instances =
      g_hash_table_new_full(g_str_hash, g_str_equal, NULL, supervisor_instance_free);
  supervisor_queue_init(supervisor);
  supervisor->wake_at_ms = INT64_MAX;
  supervisor->dirty = g_ptr_array_new();
  return supervisor;
}

void supervisor_free(Supervisor *supervisor)
{
  if (!supervisor)
    return;
  heap_done(&supervisor->queue);
  g_hash_table_unref(supervisor->instances);
  g_ptr_array_unref(supervisor->dirty);
  g_free(supervisor->node_id);
  g_free(supervisor->node_name);
  g_free(supervisor->boot_id);
  g_free(supervisor->version);
  g_free(supervisor->cgroups);
  g_free(supervisor->unenforced);
  g_free(supervisor->refusal);
  g_free(supervisor);
}

void supervisor_set_coverage(Supervisor *supervisor, SuperviseCoverageFn fn, void *data)
{
  supervisor->coverage = fn;
  supervisor->coverage_data = data;
}

G_STATIC_ASSERT(SUPERVISE_LIVES == (int)LIFE_N);
G_STATIC_ASSERT(SUPERVISE_EVENTS == (int)NODE_EVENT_N);

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
                                                  [NODE_EVENT_FOUND] = "found",
                                                  [NODE_EVENT_ABSENT] = "absent",
                                                  [NODE_EVENT_FILES_DONE] = "files-done",
                                                  [NODE_EVENT_STORED] = "stored",
                                                  [NODE_EVENT_STORE_FAILED] = "store-failed",
                                                  [NODE_EVENT_CREATED] = "created",
                                                  [NODE_EVENT_PREPARED] = "prepared",
                                                  [NODE_EVENT_PREPARE_FAILED] = "prepare-failed",
                                                  [NODE_EVENT_STARTED] = "started",
                                                  [NODE_EVENT_START_FAILED] = "start-failed",
                                                  [NODE_EVENT_EXITED] = "exited",
                                                  [NODE_EVENT_VANISHED] = "vanished",
                                                  [NODE_EVENT_UNREACHABLE] = "unreachable",
                                                  [NODE_EVENT_REACHABLE] = "reachable",
                                                  [NODE_EVENT_CLEARED] = "cleared",
                                                  [NODE_EVENT_PROBE] = "probe",
                                                  [NODE_EVENT_RESERVED] = "reserved",
                                                  [NODE_EVENT_TICK] = "tick"};
  return names[event];
}

guint supervisor_size(const Supervisor *supervisor)
{
  return g_hash_table_size(supervisor->instances);
}

const InstanceSpec *supervisor_spec(const Supervisor *supervisor, const char *id)
{
  const NodeInstance *instance = g_hash_table_lookup(supervisor->instances, id);
  return instance ? instance->spec : NULL;
}

InstanceReport *supervisor_report(const Supervisor *supervisor, const char *id)
{
  const NodeInstance *instance = g_hash_table_lookup(supervisor->instances, id);
  return instance ? node_instance_report(instance) : NULL;
}
