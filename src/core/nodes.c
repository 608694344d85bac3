/* Nodes: hello, heartbeat, reports, silence. A node's list in its hello is compared with what
 * should be, and the difference is sent. */
#include "core/internal.h"

#include "base/error.h"

#include <string.h>

static void node_set_status(Core *core, NodeObject *node, NodeStatus status)
{
  if (node->status == status)
    return;
  node->status = status;
  touch_node(core, node, TOUCH_SEEN);
}

static GPtrArray *node_instances(const NodeObject *node)
{
  GPtrArray *list = g_ptr_array_sized_new(g_hash_table_size(node->instances));
  GHashTableIter iter;
  gpointer instance;
  g_hash_table_iter_init(&iter, node->instances);
  while (g_hash_table_iter_next(&iter, &instance, NULL))
    g_ptr_array_add(list, instance);
  return list;
}

static gint node_instance_compare(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Instance *const *)a)->id, (*(Instance *const *)b)->id);
}

static NodeObject *node_meet(Core *core, const char *id, const Frame *frame, bool *rebooted)
{
  NodeObject *node = core_node(core, id);
  *rebooted = node && node->boot_id && frame->boot_id && strcmp(node->boot_id, frame->boot_id) != 0;
  if (!node) {
    node = node_new_object(id);
    node->created_at_ms = core->now.wall_ms;
    core_add_node(core, node);
    touch_node(core, node, TOUCH_STORED);
  }
  if (g_strcmp0(node->boot_id, frame->boot_id) != 0 || g_strcmp0(node->name, frame->name) != 0) {
    text_set(&node->boot_id, frame->boot_id);
    text_set(&node->name, frame->name);
    touch_node(core, node, TOUCH_STORED);
  }
  return node;
}

/* Something runs there that no instance here stands for. What this store gave out and has no record
 * of any more was removed: the node ends it and its files go (a stop would be answered, and the
 * answer refused again, for ever). What it never gave out is somebody's work that we cannot
 * explain, such as after an older database file was put back: it is shown, and ended when nobody
 * has mended that for a while. A node that does not know yet whose agents it holds keeps all of it.
 */
static void node_refuse_instance(Core *core, NodeObject *node, const InstanceReport *report)
{
  UnknownInstance *unknown = g_hash_table_lookup(node->unknown, report->id);
  if (!unknown && node->confirmed && id_number(report->id) < core->next_id) {
    turn_send(core, node->id, FRAME_FORGET,
              instruction_new(report->id, report->epoch, report->generation));
    return;
  }
  if (!unknown) {
    unknown = g_new0(UnknownInstance, 1);
    unknown->since_boot_ms = core->now.boot_ms;
    g_hash_table_insert(node->unknown, g_strdup(report->id), unknown);
    touch_node(core, node, TOUCH_SEEN);
  }
  unknown->epoch = report->epoch;
  unknown->generation = report->generation;
  unknown->listed = true;
}

/* Forgets the unknown instances of @node whose time is up. */
static void node_end_unknown(Core *core, NodeObject *node)
{
  GHashTableIter iter;
  gpointer id, value;
  g_hash_table_iter_init(&iter, node->unknown);
  while (node->linked && node->confirmed && g_hash_table_iter_next(&iter, &id, &value)) {
    const UnknownInstance *unknown = value;
    if (core->now.boot_ms - unknown->since_boot_ms < core->config.unknown_ms)
      continue;
    turn_send(core, node->id, FRAME_FORGET,
              instruction_new(id, unknown->epoch, unknown->generation));
    g_hash_table_iter_remove(&iter);
    touch_node(core, node, TOUCH_SEEN);
  }
}

static gboolean node_is_unlisted(gpointer id, gpointer unknown, gpointer data)
{
  (void)id;
  (void)data;
  return !((const UnknownInstance *)unknown)->listed;
}

/* What we know to have ended lives there in a life that we do not know: it is not wanted, and no
 * start will replace it. */
static void node_end_unknown_life(Core *core, const NodeObject *node, Instance *instance,
                                  const InstanceReport *report)
{
  bool ended = report->state == INSTANCE_STOPPED || report->state == INSTANCE_COMPLETED ||
               report->state == INSTANCE_FAILED;
  bool other = report->epoch != instance->epoch || report->generation != instance->generation;
  if (ended || !other || !instance->desired_running || !instance->outcome || instance->sent_stop)
    return;
  turn_send(core, node->id, FRAME_STOP,
            instruction_new(instance->id, instance->epoch, instance->generation));
  instance->sent_stop = true;
}

#ifndef REEVE_BUG_NO_EPOCH_CHECK
/* What a former epoch did says nothing of the present one. But shims know generations only, so none
 * of it may come again. */
static void node_former_life(Core *core, Instance *instance, const InstanceReport *report)
{
  if (report->generation < instance->generation ||
      instance->sent_generation == instance->generation)
    return;
  instance->generation = report->generation + 1;
  touch_instance(core, instance, TOUCH_STORED);
}
#endif

static void node_report(Core *core, NodeObject *node, const InstanceReport *report)
{
  Instance *instance = g_hash_table_lookup(core->instances, report->id);
  if (!instance || g_strcmp0(instance->node, node->id) != 0) {
    node_refuse_instance(core, node, report);
    return;
  }
  instance->listed = true;
  if (report->epoch > node->epoch_seen) {
    node->epoch_seen = report->epoch;
    touch_node(core, node, TOUCH_STORED);
  }
  if (report->epoch > instance->epoch ||
      (report->epoch == instance->epoch && report->generation > instance->generation)) {
    /* The node knows a later life than we do: our records were restored from an older copy. */
    instance->epoch = instance_new_epoch(core, report->epoch);
    instance->generation = MAX(instance->generation, report->generation) + 1;
    instance->sent_generation = 0;
    instance->sent_stop = false;
    touch_instance(core, instance, TOUCH_STORED);
    /* only when its list is heard to the end are the ports known that a start may have */
    if (core->greeting)
      reserve_doubt(instance, report->port);
    else
      /* what was on its way is older than what the node has: it will not be taken */
      instance_reconcile(core, instance);
    node_end_unknown_life(core, node, instance, report);
    return;
  }
  node_end_unknown_life(core, node, instance, report);
#ifndef REEVE_BUG_NO_EPOCH_CHECK
  if (report->epoch < instance->epoch) {
    node_former_life(core, instance, report);
    return;
  }
#endif
  if (report->peers && report->generation == instance->generation)
    g_strlcpy(instance->peers_known, report->peers, sizeof instance->peers_known);
  instance_observe(core, instance, report);
  const Rollout *rollout = instance->deployment->rollout;
  /* it was still stopping when the list was told */
  if (!core->greeting && (!rollout || rollout->phase == ROLLOUT_PHASE_DONE))
    instance_start_unasked(core, instance);
}

static void node_reports(Core *core, NodeObject *node, const Frame *frame)
{
  for (guint i = 0; i < frame->reports->len; i++)
    node_report(core, node, frame->reports->pdata[i]);
}

/* What @node holds belongs to another store: its server has been mistaken for ours, or ours has
 * lost its database. Nothing of it is touched. */
static void node_refuse(Core *core, NodeObject *node, const char *store)
{
  g_free(node->problem);
  node->problem = g_strdup_printf(
      "what it holds belongs to another store (%.8s, this one is %.8s); it is left alone", store,
      core->store_id);
  node->linked = node->confirmed = false;
  if (node->status == NODE_ONLINE)
    node_set_status(core, node, NODE_SILENT);
  touch_node(core, node, TOUCH_SEEN);
  Frame *refuse = turn_frame(core, node->id, FRAME_REFUSE, 0);
  text_set(&refuse->store, core->store_id);
  text_set(&refuse->error, node->problem);
}

static void node_welcome(Core *core, const NodeObject *node)
{
  Frame *welcome = turn_frame(core, node->id, FRAME_WELCOME, 0);
  text_set(&welcome->store, core->store_id);
  welcome->protocol = PROTOCOL_VERSION;
  welcome->lease_ms = core->config.lease_ms;
  welcome->heartbeat_ms = core->config.heartbeat_ms;
  text_set(&welcome->version, core->config.version);
}

static void node_rebooted(Core *core, const NodeObject *node)
{
  g_autoptr(GPtrArray) affected = g_ptr_array_new();
  for (guint i = 0; i < core->deployments->len; i++) {
    const Deployment *deployment = core->deployments->pdata[i];
    for (guint k = 0; k < deployment->instances->len; k++)
      if (g_strcmp0(((const Instance *)deployment->instances->pdata[k])->node, node->id) == 0) {
        g_ptr_array_add(affected, core->deployments->pdata[i]);
        break;
      }
  }
  for (guint i = 0; i < affected->len; i++)
    rollout_after_reboot(core, affected->pdata[i], node->id);
}

/* Rollouts that wait for this node go on; their time was not theirs while it was away. */
static void node_pump_rollouts(Core *core)
{
  g_autoptr(GPtrArray) open = g_ptr_array_copy(core->open, NULL, NULL);
  for (guint i = 0; i < open->len; i++) {
    Rollout *rollout = open->pdata[i];
    int64_t least = core->now.boot_ms + MIN(rollout->duration_ms, 10000);
    if (rollout->deadline_boot_ms != INT64_MAX)
      rollout->deadline_boot_ms = MAX(rollout->deadline_boot_ms, least);
    rollout->request = 0;
    rollout_pump(core, rollout);
  }
}

/* What the node must hear of @instance, now that it has told. */
static void node_settle_instance(Core *core, Instance *instance)
{
  instance_reconcile(core, instance);
  instance_start_unasked(core, instance);
}

/* The list is whole: what ended before this core was loaded and is not in it is not there. A stop
 * would be answered by just that, and with years of stopped slots those are most of them. */
static void node_note_absent(Instance *instance)
{
  if (instance->listed || instance->desired_running || !instance->outcome || instance->sent_start)
    return;
  instance->present = true;
  instance->state = INSTANCE_STOPPED;
  instance->seen_generation = instance->generation;
  instance->since_ms = instance->ended_at_ms;
}

/* What was told of @instance over a former link counts no more: its node lists it anew. */
static void node_unhear(Instance *instance)
{
  instance->present = instance->listed = false;
  instance->peers_known[0] = '\0';
  instance->seen_generation = instance->sent_generation = 0;
  instance->sent_stop = false;
  instance->state = INSTANCE_PENDING;
  instance->pid = 0;
  instance_recount(instance);
}

/* The whole of what @node holds: an unknown instance that is not in it is gone. */
static void node_list(Core *core, NodeObject *node, const Frame *hello)
{
  GHashTableIter iter;
  gpointer unknown;
  g_hash_table_iter_init(&iter, node->unknown);
  while (g_hash_table_iter_next(&iter, NULL, &unknown))
    ((UnknownInstance *)unknown)->listed = false;
  core->greeting = true;
  node_reports(core, node, hello);
  core->greeting = false;
  g_hash_table_foreach_remove(node->unknown, node_is_unlisted, NULL);
}

/* Peers that changed while the node was away, or of which it was told by a link or a server that
 * broke. Those that a rollout is about to change are sent at its end. */
static void node_send_peers(Core *core, const GPtrArray *instances)
{
  for (guint i = 0; i < instances->len; i++) {
    Instance *instance = instances->pdata[i];
    const Rollout *rollout = instance->deployment->rollout;
    bool open = rollout && rollout_is_open(rollout);
    if (!open && instance->present && instance->desired_running)
      instance_send_peers(core, instance);
  }
}

static void node_hello(Core *core, const Command *command)
{
  bool rebooted;
  const char *store = command->frame->store;
  NodeObject *node = node_meet(core, command->node, command->frame, &rebooted);
  if (store && core->store_id && strcmp(store, core->store_id) != 0) {
    node_refuse(core, node, store);
    return;
  }
  node->linked = true;
  node->confirmed = store || !core->store_id;
  text_set(&node->problem, NULL);
  text_set(&node->cgroups, command->frame->cgroups);
  text_set(&node->unenforced, command->frame->unenforced);
  node->heard_boot_ms = core->now.boot_ms;
  node_set_status(core, node, NODE_ONLINE);
  node_welcome(core, node);
  g_autoptr(GPtrArray) instances = node_instances(node);
  g_ptr_array_sort(instances, node_instance_compare);
  for (guint i = 0; i < instances->len; i++)
    node_unhear(instances->pdata[i]);
  if (rebooted) {
    reserve_missing(core); /* nothing runs there: nothing has to be heard first */
    node_rebooted(core, node);
  }
  node_list(core, node, command->frame);
  reserve_missing(core);
  for (guint i = 0; i < instances->len; i++)
    node_note_absent(instances->pdata[i]);
  for (guint i = 0; i < instances->len; i++)
    if (((Instance *)instances->pdata[i])->present)
      rollout_instance_changed(core, instances->pdata[i]);
  for (guint i = 0; i < instances->len; i++)
    node_settle_instance(core, instances->pdata[i]);
  node_pump_rollouts(core);
  node_send_peers(core, instances);
  for (guint i = 0; i < core->deployments->len; i++)
    deployment_settle(core, core->deployments->pdata[i]);
}

/* It is heard of again over a link that never broke (the machine was suspended): it will not repeat
 * what it told before. */
static void node_found(Core *core, NodeObject *node)
{
  bool lost = node->status == NODE_LOST;
  node->heard_boot_ms = core->now.boot_ms;
  node_set_status(core, node, NODE_ONLINE);
  g_autoptr(GPtrArray) instances = lost ? node_instances(node) : g_ptr_array_new();
  g_ptr_array_sort(instances, node_instance_compare);
  for (guint i = 0; i < instances->len; i++) {
    Instance *instance = instances->pdata[i];
    if (instance->state != INSTANCE_LOST)
      continue;
    instance->state = instance->told_state;
    instance->health = instance->told_health;
    text_set(&instance->observed_reason, NULL);
    touch_instance(core, instance, TOUCH_SEEN);
    instance_recount(instance);
    node_settle_instance(core, instance);
    rollout_instance_changed(core, instance);
    deployment_settle(core, instance->deployment);
  }
}

static void node_heartbeat(Core *core, const Command *command)
{
  NodeObject *node = core_node(core, command->node);
  if (!node || !node->linked)
    return;
  node_found(core, node);
  turn_frame(core, node->id, FRAME_HEARTBEAT_ACK, 0)->seq = command->frame->seq;
}

static void node_on_report(Core *core, const Command *command)
{
  NodeObject *node = core_node(core, command->node);
  if (!node || !node->linked)
    return;
  node_found(core, node);
  node_reports(core, node, command->frame);
}

static void node_on_reserved(Core *core, const Command *command)
{
  if (core_node(core, command->node))
    reserve_answer(core, command->node, command->frame);
}

void command_node_frame(Core *core, const Command *command)
{
  static void (*const handlers[FRAME_N])(Core *, const Command *) = {
      [FRAME_HELLO] = node_hello,
      [FRAME_HEARTBEAT] = node_heartbeat,
      [FRAME_REPORT] = node_on_report,
      [FRAME_RESERVED] = node_on_reserved,
  };
  core_cover(core, "frame", (int)command->frame->type, 0);
  if (handlers[command->frame->type])
    handlers[command->frame->type](core, command);
}

void command_node_gone(Core *core, const Command *command)
{
  NodeObject *node = core_node(core, command->node);
  if (!node)
    return;
  node->linked = false;
  if (node->status != NODE_LOST)
    node_set_status(core, node, NODE_SILENT);
  for (guint i = 0; i < core->open->len; i++)
    ((Rollout *)core->open->pdata[i])->request = 0;
}

static void node_lost(Core *core, NodeObject *node)
{
  node_set_status(core, node, NODE_LOST);
  g_autoptr(GPtrArray) instances = node_instances(node);
  g_ptr_array_sort(instances, node_instance_compare);
  for (guint i = 0; i < instances->len; i++) {
    Instance *instance = instances->pdata[i];
    if (!instance->desired_running || instance->outcome)
      continue;
    instance->told_state = instance->state;
    instance->told_health = instance->health;
    instance->state = INSTANCE_LOST;
    instance->health = HEALTH_UNREACHABLE;
    text_set(&instance->observed_reason, "its node does not answer");
    touch_instance(core, instance, TOUCH_SEEN);
    instance_recount(instance);
    deployment_settle(core, instance->deployment);
  }
}

void nodes_tick(Core *core)
{
  for (guint i = 0; i < core->nodes->len; i++) {
    NodeObject *node = core->nodes->pdata[i];
    int64_t away = core->now.boot_ms - node->heard_boot_ms;
    if (node->status != NODE_LOST && away >= core->config.lost_ms)
      node_lost(core, node);
    else if (node->status == NODE_ONLINE && away >= core->config.lease_ms)
      node_set_status(core, node, NODE_SILENT);
    node_end_unknown(core, node);
  }
}

int64_t nodes_next_deadline(const Core *core)
{
  int64_t first = INT64_MAX;
  for (guint i = 0; i < core->nodes->len; i++) {
    const NodeObject *node = core->nodes->pdata[i];
    if (node->status != NODE_LOST)
      first =
          MIN(first, node->heard_boot_ms + (node->status == NODE_ONLINE ? core->config.lease_ms
                                                                        : core->config.lost_ms));
    GHashTableIter iter;
    gpointer unknown;
    g_hash_table_iter_init(&iter, node->unknown);
    while (node->linked && node->confirmed && g_hash_table_iter_next(&iter, NULL, &unknown))
      first =
          MIN(first, ((const UnknownInstance *)unknown)->since_boot_ms + core->config.unknown_ms);
  }
  return first;
}
