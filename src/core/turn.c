/* The end of a turn: every changed object becomes one record and one event, every instruction joins
 * one frame per node and type. */
#include "core/internal.h"

#include "core/render.h"

#include <string.h>

typedef struct Outgoing {
  char *node;
  Frame *frame;
} Outgoing;

#define TOUCH(core, list, object, touch)        \
  do {                                          \
    if (!(object)->touched && !(object)->dirty) \
      g_ptr_array_add((core)->list, object);    \
    (object)->touched = true;                   \
    if ((touch) == TOUCH_STORED)                \
      (object)->dirty = true;                   \
  } while (0)

void touch_deployment(Core *core, Deployment *deployment, Touch touch)
{
  if (touch == TOUCH_STORED)
    deployment->updated_at_ms = core->now.wall_ms;
  TOUCH(core, touched_deployments, deployment, touch);
}

void touch_rollout(Core *core, Rollout *rollout, Touch touch)
{
  TOUCH(core, touched_rollouts, rollout, touch);
}

void touch_instance(Core *core, Instance *instance, Touch touch)
{
  TOUCH(core, touched_instances, instance, touch);
}

void touch_node(Core *core, NodeObject *node, Touch touch)
{
  TOUCH(core, touched_nodes, node, touch);
}

Frame *turn_frame(Core *core, const char *node, FrameType type, int64_t request)
{
  for (guint i = 0; i < core->outbox->len; i++) {
    Outgoing *outgoing = core->outbox->pdata[i];
    if (outgoing->frame->type == type && outgoing->frame->request == request &&
        strcmp(outgoing->node, node) == 0)
      return outgoing->frame;
  }
  Outgoing *outgoing = g_new0(Outgoing, 1);
  outgoing->node = g_strdup(node);
  outgoing->frame = frame_new(type);
  outgoing->frame->request = request;
  outgoing->frame->term = core->term;
  g_ptr_array_add(core->outbox, outgoing);
  return outgoing->frame;
}

void turn_send(Core *core, const char *node, FrameType type, Instruction *instruction)
{
  g_ptr_array_add(turn_frame(core, node, type, 0)->instructions, instruction);
}

void turn_unsend_start(Core *core, const char *node, const char *instance)
{
  for (guint i = 0; i < core->outbox->len; i++) {
    const Outgoing *outgoing = core->outbox->pdata[i];
    if (outgoing->frame->type != FRAME_START || strcmp(outgoing->node, node) != 0)
      continue;
    for (guint k = outgoing->frame->instructions->len; k > 0; k--)
      if (strcmp(((const Instruction *)outgoing->frame->instructions->pdata[k - 1])->id,
                 instance) == 0)
        g_ptr_array_remove_index(outgoing->frame->instructions, k - 1);
  }
}

/* Order on the link: what frees things goes before what needs them. */
static int turn_rank(FrameType type)
{
  return type == FRAME_WELCOME   ? 0
         : type == FRAME_REFUSE  ? 0
         : type == FRAME_RELEASE ? 1
         : type == FRAME_STOP    ? 2
         : type == FRAME_FORGET  ? 3
         : type == FRAME_RESERVE ? 4
                                 : 5;
}

static gint turn_compare(gconstpointer a, gconstpointer b)
{
  const Outgoing *x = *(Outgoing *const *)a, *y = *(Outgoing *const *)b;
  return turn_rank(x->frame->type) - turn_rank(y->frame->type);
}

static void turn_flush_outbox(Core *core)
{
  g_ptr_array_sort(core->outbox, turn_compare);
  for (guint i = 0; i < core->outbox->len; i++) {
    Outgoing *outgoing = core->outbox->pdata[i];
    Message *message = g_new0(Message, 1);
    message->node = g_steal_pointer(&outgoing->node);
    message->frame = frame_write(outgoing->frame);
    message->of_link = outgoing->frame->type != FRAME_PEERS;
    g_ptr_array_add(core->effects->messages, message);
    frame_free(outgoing->frame);
    g_free(outgoing);
  }
  g_ptr_array_set_size(core->outbox, 0);
}

void turn_event(Core *core, const char *type, const char *deployment, const char *object,
                GString *data)
{
  Event *event = g_new0(Event, 1);
  event->type = g_strdup(type);
  event->deployment = g_strdup(deployment);
  event->object = g_strdup(object);
  event->data = g_string_free(data, FALSE);
  g_ptr_array_add(core->effects->events, event);
}

static void turn_flush_deployments(Core *core)
{
  for (guint i = 0; i < core->touched_deployments->len; i++) {
    Deployment *deployment = core->touched_deployments->pdata[i];
    notices_look(core, deployment);
    if (deployment->dirty)
      g_ptr_array_add(core->effects->records, record_of_deployment(deployment));
    GString *data = g_string_new(NULL);
    render_deployment(data, deployment, RENDER_BRIEF);
    turn_event(core, "deployment", deployment->name, deployment->id, data);
    deployment->dirty = deployment->touched = false;
  }
  g_ptr_array_set_size(core->touched_deployments, 0);
}

static void turn_flush_instances(Core *core)
{
  for (guint i = 0; i < core->touched_instances->len; i++) {
    Instance *instance = core->touched_instances->pdata[i];
    if (instance->deployment->told)
      notices_look(core, instance->deployment);
    if (instance->dirty)
      g_ptr_array_add(core->effects->records, record_of_instance(instance));
    GString *data = g_string_new(NULL);
    render_instance(data, instance);
    turn_event(core, "instance", instance->deployment->name, instance->id, data);
    instance->dirty = instance->touched = false;
  }
  g_ptr_array_set_size(core->touched_instances, 0);
}

void instance_doom(Core *core, Instance *instance)
{
  if (instance->doomed)
    return;
  instance->doomed = true;
  g_ptr_array_add(core->doomed, instance);
}

void instance_spare(Core *core, Instance *instance)
{
  if (!instance->doomed)
    return;
  instance->doomed = false;
  g_ptr_array_remove(core->doomed, instance);
}

void turn_remove(Core *core, TableId table, const char *id)
{
  Record *record = record_new(table);
  record_text(record, 0, id);
  record->deleted = true;
  g_ptr_array_add(core->removed, record);
}

/* After their last word was announced. */
static void turn_flush_doomed(Core *core)
{
  for (guint i = 0; i < core->doomed->len; i++) {
    Instance *instance = core->doomed->pdata[i];
    const NodeObject *node = core_node(core, instance->node);
    if (node && node->linked)
      turn_send(core, node->id, FRAME_FORGET,
                instruction_new(instance->id, instance->epoch, instance->generation));
    registration_drop(core, instance);
    turn_remove(core, TABLE_INSTANCES, instance->id);
    core_remove_instance(core, instance);
  }
  g_ptr_array_set_size(core->doomed, 0);
}

static void turn_flush_rollouts(Core *core)
{
  for (guint i = 0; i < core->touched_rollouts->len; i++) {
    Rollout *rollout = core->touched_rollouts->pdata[i];
    if (rollout->dirty)
      g_ptr_array_add(core->effects->records, record_of_rollout(rollout));
    GString *data = g_string_new(NULL);
    render_rollout(data, rollout);
    turn_event(core, "rollout", rollout->deployment->name, rollout->id, data);
    rollout->dirty = rollout->touched = false;
  }
  g_ptr_array_set_size(core->touched_rollouts, 0);
}

static void turn_flush_nodes(Core *core)
{
  for (guint i = 0; i < core->touched_nodes->len; i++) {
    NodeObject *node = core->touched_nodes->pdata[i];
    if (node->dirty)
      g_ptr_array_add(core->effects->records, record_of_node(node));
    GString *data = g_string_new(NULL);
    render_node(data, node);
    turn_event(core, "node", NULL, node->id, data);
    node->dirty = node->touched = false;
  }
  g_ptr_array_set_size(core->touched_nodes, 0);
}

void turn_flush(Core *core)
{
  turn_flush_nodes(core);
  turn_flush_instances(core);
  turn_flush_doomed(core);
  /* before deployments: watchers learn the outcome with its cause first */
  turn_flush_rollouts(core);
  turn_flush_deployments(core);
  turn_flush_outbox(core);
  for (guint i = 0; i < core->removed->len; i++)
    g_ptr_array_add(core->effects->records, core->removed->pdata[i]);
  g_ptr_array_set_size(core->removed, 0);
  if (core->next_id != core->stored_next_id) {
    g_autofree char *next = g_strdup_printf("%" G_GUINT64_FORMAT, core->next_id);
    g_ptr_array_add(core->effects->records, record_of_meta(&(MetaEntry){"next_id", next}));
    core->stored_next_id = core->next_id;
  }
}
