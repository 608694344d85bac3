/* Nodes: hello, heartbeat, reports, silence. A node's list in its hello is compared with what
 * should be, and the difference is sent. */
#include "core/node.h"

#include "base/error.h"
#include "base/order.h"
#include "core/build.h"
#include "core/command.h"
#include "core/instance.h"
#include "core/reserve.h"
#include "core/rollout.h"
#include "core/state.h"
#include "core/turn.h"

#include <string.h>

static gint node_compare_deployment(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Deployment *const *)a)->name, (*(Deployment *const *)b)->name);
}

/* When its lease is over, or its silence, or the time of what runs there unexplained. */
static void node_arm(Core *core, NodeObject *node)
{
  const CoreConfig *config = core_config(core);
  int64_t at_boot_ms = INT64_MAX;
  if (node->status != NODE_LOST)
    at_boot_ms =
        node->heard_boot_ms + (node->status == NODE_ONLINE ? config->lease_ms : config->lost_ms);
  GHashTableIter iter;
  gpointer unknown;
  g_hash_table_iter_init(&iter, node->unknown);
  while (node->linked && node->confirmed && g_hash_table_iter_next(&iter, NULL, &unknown))
    at_boot_ms =
        MIN(at_boot_ms, ((const UnknownInstance *)unknown)->since_boot_ms + config->unknown_ms);
  core_wake_at(core, DEADLINE_NODE, &node->deadline, at_boot_ms);
}

/* The deployments that have slots at @node (of Deployment*), sorted by name; caller unrefs. */
static GPtrArray *node_deployments(const NodeObject *node)
{
  g_autoptr(GHashTable) set = g_hash_table_new(NULL, NULL);
  GPtrArray *deployments = g_ptr_array_new();
  const Deployment *last = NULL;
  for (guint i = 0; i < node->instances->len; i++) {
    Deployment *deployment = ((const Instance *)node->instances->pdata[i])->deployment;
    if (deployment != last && g_hash_table_add(set, deployment))
      g_ptr_array_add(deployments, deployment);
    last = deployment;
  }
  g_ptr_array_sort(deployments, node_compare_deployment);
  return deployments;
}

/* Rollouts that have slots there are judged anew: no time runs out while a node is silent. */
static void node_set_status(Core *core, NodeObject *node, NodeStatus status)
{
  if (node->status == status)
    return;
  node->status = status;
  touch_node(core, node, TOUCH_SEEN);
  g_autoptr(GPtrArray) deployments = node_deployments(node);
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    if (deployment_changes(deployment))
      turn_mark(core, TURN_TIMED, deployment->rollout);
  }
}

static gint node_instance_compare(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Instance *const *)a)->id, (*(Instance *const *)b)->id);
}

/* The slots at @node in order of their ids (of Instance*); caller unrefs. */
static GPtrArray *node_instances(const NodeObject *node)
{
  GPtrArray *list = g_ptr_array_copy(node->instances, NULL, NULL);
  order_sort(list, node_instance_compare);
  return list;
}

static NodeObject *node_meet(Core *core, const char *id)
{
  NodeObject *node = core_node(core, id);
  if (node)
    return node;
  node = node_object_new(id);
  node->created_at_ms = core_now(core).wall_ms;
  core_add_node(core, node);
  touch_node(core, node, TOUCH_STORED);
  return node;
}

/* Who it is from now on, by its @hello. True when its machine was restarted since the last one. */
static bool node_take_in(Core *core, NodeObject *node, const Frame *hello)
{
  bool rebooted = node->boot_id && hello->boot_id && strcmp(node->boot_id, hello->boot_id) != 0;
  if (g_strcmp0(node->boot_id, hello->boot_id) != 0 || g_strcmp0(node->name, hello->name) != 0 ||
      g_strcmp0(node->incarnation, hello->incarnation) != 0) {
    text_set(&node->boot_id, hello->boot_id);
    text_set(&node->name, hello->name);
    text_set(&node->incarnation, hello->incarnation);
    touch_node(core, node, TOUCH_STORED);
  }
  return rebooted;
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
  if (!unknown && node->confirmed && id_number(report->id) < core_numbers_end(core)) {
    turn_send(core, node, FRAME_FORGET,
              instruction_new(report->id, report->epoch, report->generation));
    return;
  }
  if (!unknown) {
    unknown = g_new0(UnknownInstance, 1);
    unknown->since_boot_ms = core_now(core).boot_ms;
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
    if (core_now(core).boot_ms - unknown->since_boot_ms < core_config(core)->unknown_ms)
      continue;
    turn_send(core, node, FRAME_FORGET, instruction_new(id, unknown->epoch, unknown->generation));
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
static void node_end_unknown_life(Core *core, NodeObject *node, Instance *instance,
                                  const InstanceReport *report)
{
  bool ended = report->state == INSTANCE_STOPPED || report->state == INSTANCE_COMPLETED ||
               report->state == INSTANCE_FAILED;
  bool other = report->epoch != instance->epoch || report->generation != instance->generation;
  if (ended || !other || !instance->desired_running || !instance->outcome ||
      instance->sight.sent_stop)
    return;
  turn_send(core, node, FRAME_STOP,
            instruction_new(instance->id, instance->epoch, instance->generation));
  instance->sight.sent_stop = true;
}

#ifndef REEVE_BUG_NO_EPOCH_CHECK
/* What a former epoch did says nothing of the present one. But shims know generations only, so none
 * of it may come again. */
static void node_former_life(Core *core, Instance *instance, const InstanceReport *report)
{
  if (report->generation < instance->generation ||
      instance->sight.sent_generation == instance->generation)
    return;
  instance->generation = report->generation + 1;
  touch_instance(core, instance, TOUCH_STORED);
}
#endif

/* @listing: it is part of the list of a hello, which is heard to its end before anything follows
 * from it. */
static void node_report(Core *core, NodeObject *node, const InstanceReport *report, bool listing)
{
  Instance *instance = core_find_instance(core, report->id);
  if (!instance || instance->node != node) {
    node_refuse_instance(core, node, report);
    return;
  }
  instance->sight.listed = true;
  if (report->epoch > instance->epoch ||
      (report->epoch == instance->epoch && report->generation > instance->generation)) {
    /* The node knows a later life than we do: our records were restored from an older copy. */
    instance->epoch = instance_new_epoch(core, report->epoch);
    instance->generation = MAX(instance->generation, report->generation) + 1;
    instance->sight.sent_generation = 0;
    instance->sight.sent_stop = false;
    touch_instance(core, instance, TOUCH_STORED);
    /* only when its list is heard to the end are the ports known that a start may have */
    if (listing)
      reserve_doubt(core, instance, report->port);
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
    g_strlcpy(instance->sight.peers_known, report->peers, sizeof instance->sight.peers_known);
  bool news = instance_observe(core, instance, report);
  if (listing)
    return;
  if (news)
    turn_mark(core, TURN_NEWS, instance);
  turn_mark(core, TURN_UNASKED, instance); /* it was still stopping when the list was told */
}

static void node_reports(Core *core, NodeObject *node, const Frame *frame, bool listing)
{
  for (guint i = 0; i < frame->reports->len; i++)
    node_report(core, node, frame->reports->pdata[i], listing);
}

/* Why the node of @hello must be left alone, or NULL; caller frees. Nothing of it is touched then.
 * Its server may have been mistaken for ours, ours may have lost its database or be a copy of it
 * that was replaced; or the process is not the one whose agents we know. */
static char *node_objection(const Core *core, const NodeObject *node, const Frame *hello)
{
  bool known = hello->store && core_store_id(core);
  bool foreign = known && strcmp(hello->store, core_store_id(core)) != 0;
  if (hello->protocol != PROTOCOL_VERSION)
    return g_strdup_printf("it speaks version %" G_GINT64_FORMAT
                           " of the node protocol and this server version %d; run the same release "
                           "of Reeve on both",
                           hello->protocol, PROTOCOL_VERSION);
  if (foreign && hello->reports->len)
    return g_strdup_printf(
        "what it holds belongs to another store (%.8s, this one is %.8s); it is left alone. Where "
        "that store is gone for good, stop the node and run 'reeve node reset'",
        hello->store, core_store_id(core));
  if (!foreign && hello->term > core_term(core))
    return g_strdup_printf("it has obeyed a server of term %" G_GINT64_FORMAT
                           " and this one has term %" G_GINT64_FORMAT
                           ": its database is an older copy; use 'reeve restore' to go back to one",
                           hello->term, core_term(core));
  if (node->incarnation && hello->incarnation && node->status != NODE_LOST &&
      strcmp(node->incarnation, hello->incarnation) != 0 && node->instances->len)
    return g_strdup_printf(
        "it comes with another state directory (incarnation %.8s) than the one that is known "
        "(%.8s), whose agents may still run; it is taken in when that has not been heard of for "
        "%" G_GINT64_FORMAT " s",
        hello->incarnation, node->incarnation, core_config(core)->lost_ms / 1000);
  return NULL;
}

/* @problem moves. */
static void node_refuse(Core *core, NodeObject *node, char *problem)
{
  g_free(node->problem);
  node->problem = problem;
  node->linked = node->confirmed = false;
  if (node->status == NODE_ONLINE)
    node_set_status(core, node, NODE_SILENT);
  node_arm(core, node);
  touch_node(core, node, TOUCH_SEEN);
  Frame *refuse = turn_frame(core, node, FRAME_REFUSE, 0);
  text_set(&refuse->store, core_store_id(core));
  text_set(&refuse->error, node->problem);
}

static void node_welcome(Core *core, NodeObject *node)
{
  Frame *welcome = turn_frame(core, node, FRAME_WELCOME, 0);
  text_set(&welcome->store, core_store_id(core));
  welcome->protocol = PROTOCOL_VERSION;
  welcome->lease_ms = core_config(core)->lease_ms;
  welcome->heartbeat_ms = core_config(core)->heartbeat_ms;
  text_set(&welcome->version, core_config(core)->version);
}

/* The list is whole: what ended before this core was loaded and is not in it is not there. A stop
 * would be answered by just that, and with years of stopped slots those are most of them. */
static void node_note_absent(Instance *instance)
{
  if (instance->sight.listed || instance->desired_running || !instance->outcome ||
      instance->sent_start)
    return;
  instance->sight.present = true;
  instance->state = INSTANCE_STOPPED;
  instance->sight.seen_generation = instance->generation;
  instance->since_ms = instance->ended_at_ms;
  ports_seen(instance);
}

/* The whole of what @node holds: an unknown instance that is not in it is gone. */
static void node_list(Core *core, NodeObject *node, const Frame *hello)
{
  GHashTableIter iter;
  gpointer unknown;
  g_hash_table_iter_init(&iter, node->unknown);
  while (g_hash_table_iter_next(&iter, NULL, &unknown))
    ((UnknownInstance *)unknown)->listed = false;
  node_reports(core, node, hello, true);
  g_hash_table_foreach_remove(node->unknown, node_is_unlisted, NULL);
}

static void node_hello(Core *core, const Command *command)
{
  const Frame *hello = command->frame;
  NodeObject *node = node_meet(core, command->node);
  char *objection = node_objection(core, node, hello);
  if (objection) {
    node_refuse(core, node, objection);
    return;
  }
  bool rebooted = node_take_in(core, node, hello);
  node->linked = true;
  node->confirmed = g_strcmp0(hello->store, core_store_id(core)) == 0 || !core_store_id(core);
  text_set(&node->problem, NULL);
  text_set(&node->cgroups, hello->cgroups);
  text_set(&node->unenforced, hello->unenforced);
  node->heard_boot_ms = core_now(core).boot_ms;
  node_set_status(core, node, NODE_ONLINE);
  node_welcome(core, node);
  g_autoptr(GPtrArray) instances = node_instances(node);
  for (guint i = 0; i < instances->len; i++)
    instance_unhear(instances->pdata[i]);
  node_list(core, node, hello);
  reserve_missing(core, node);
  g_autoptr(GPtrArray) deployments = node_deployments(node);
  for (guint i = 0; rebooted && i < deployments->len; i++)
    /* what it has started by itself since is in its list */
    rollout_after_reboot(core, deployments->pdata[i], node);
  for (guint i = 0; i < instances->len; i++) {
    Instance *instance = instances->pdata[i];
    node_note_absent(instance);
    if (instance->sight.present)
      turn_mark(core, TURN_NEWS, instance);
    turn_mark(core, TURN_GREETED, instance);
  }
  for (guint i = 0; i < deployments->len; i++)
    turn_mark(core, TURN_UNSETTLED, deployments->pdata[i]);
  rollouts_resume(core, node, deployments);
  node_arm(core, node);
}

/* It is heard of again over a link that never broke (the machine was suspended): it will not repeat
 * what it told before. */
static void node_found(Core *core, NodeObject *node)
{
  NodeStatus former = node->status;
  node->heard_boot_ms = core_now(core).boot_ms;
  node_set_status(core, node, NODE_ONLINE);
  if (former != NODE_ONLINE)
    rollouts_place_again(core);
  if (former != NODE_LOST)
    return;
  g_autoptr(GPtrArray) instances = node_instances(node);
  for (guint i = 0; i < instances->len; i++) {
    Instance *instance = instances->pdata[i];
    if (instance->state != INSTANCE_LOST)
      continue;
    instance->state = instance->told_state;
    instance->health = instance->told_health;
    text_set(&instance->observed_reason, NULL);
    touch_instance(core, instance, TOUCH_SEEN);
    instance_recount(instance);
    turn_mark(core, TURN_NEWS, instance);
    turn_mark(core, TURN_GREETED, instance);
    turn_mark(core, TURN_UNSETTLED, instance->deployment);
  }
}

static void node_on_heartbeat(Core *core, NodeObject *node, const Frame *frame)
{
  turn_frame(core, node, FRAME_HEARTBEAT_ACK, 0)->seq = frame->seq;
}

static void node_on_report(Core *core, NodeObject *node, const Frame *frame)
{
  node_reports(core, node, frame, false);
}

/* Whatever a linked node says is a sign of life. */
void command_node_frame(Core *core, const Command *command)
{
  static void (*const handlers[FRAME_N])(Core *, NodeObject *, const Frame *) = {
      [FRAME_HEARTBEAT] = node_on_heartbeat,
      [FRAME_REPORT] = node_on_report,
      [FRAME_RESERVED] = rollout_on_reserved,
  };
  const Frame *frame = command->frame;
  core_cover(core, "frame", (int)frame->type, 0);
  if (frame->type == FRAME_HELLO)
    node_hello(core, command);
  NodeObject *node = handlers[frame->type] ? core_node(core, command->node) : NULL;
  if (!node || !node->linked)
    return;
  node_found(core, node);
  handlers[frame->type](core, node, frame);
  node_arm(core, node);
}

void command_node_gone(Core *core, const Command *command)
{
  NodeObject *node = core_node(core, command->node);
  if (!node)
    return;
  node->linked = false;
  if (node->status != NODE_LOST)
    node_set_status(core, node, NODE_SILENT);
  reserve_forget_all(node); /* without a word: it forgets when its link breaks */
  node_arm(core, node);
}

static void node_lost(Core *core, NodeObject *node)
{
  node_set_status(core, node, NODE_LOST);
  g_autoptr(GPtrArray) instances = node_instances(node);
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
    turn_mark(core, TURN_UNSETTLED, instance->deployment);
  }
}

static void node_due(Core *core, NodeObject *node)
{
  int64_t away_ms = core_now(core).boot_ms - node->heard_boot_ms;
  if (node->status != NODE_LOST && away_ms >= core_config(core)->lost_ms)
    node_lost(core, node);
  else if (node->status == NODE_ONLINE && away_ms >= core_config(core)->lease_ms)
    node_set_status(core, node, NODE_SILENT);
  node_end_unknown(core, node);
  node_arm(core, node);
}

void nodes_tick(Core *core)
{
  Deadline *deadline;
  while ((deadline = core_next_due(core, DEADLINE_NODE)))
    node_due(core, HEAP_OWNER(deadline, NodeObject, deadline));
}

void nodes_loaded(Core *core)
{
  for (guint i = 0; i < core_nodes(core)->len; i++) {
    NodeObject *node = core_nodes(core)->pdata[i];
    node->heard_boot_ms = core_now(core).boot_ms; /* our absence is nobody's fault */
    node_arm(core, node);
  }
}
