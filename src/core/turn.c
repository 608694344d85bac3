/* Owns what one turn leaves behind: the queues of its phases, and records, events, replies and
 * frames until they leave. */
#include "core/turn.h"

#include "base/error.h"
#include "base/id.h"
#include "core/records.h"
#include "core/struct.h"

#include <string.h>

void turn_begin(Core *core, Now now, Effects *effects)
{
  core->now = now;
  core->effects = effects;
}

void turn_end(Core *core)
{
  for (int i = 0; i < TURN_QUEUE_N; i++)
    g_assert(core->queues[i].objects->len == 0); /* Invariant: no phase leaves work for a turn */
  if (core->block_end != core->stored_block_end) {
    g_autofree char *end = g_strdup_printf("%" G_GUINT64_FORMAT, core->block_end);
    turn_store(core, record_of_meta(&(MetaEntry){"next_id", end}));
    core->stored_block_end = core->block_end;
  }
  core->effects = NULL;
}

bool turn_clock_was_set(Core *core)
{
  enum { CLOCK_SLEWS_MS = 1000 };
  int64_t clocks_ms = core->now.wall_ms - core->now.boot_ms;
  if (ABS(clocks_ms - core->clocks_ms) <= CLOCK_SLEWS_MS)
    return false;
  core->clocks_ms = clocks_ms;
  return true;
}

/* ---- queues ---- */

/* Where an object of each queue notes that it is in it. */
static const size_t turn_marks_at[TURN_QUEUE_N] = {
    [TURN_NEWS] = offsetof(Instance, marks),
    [TURN_RESUMED] = offsetof(Rollout, marks),
    [TURN_GREETED] = offsetof(Instance, marks),
    [TURN_UNASKED] = offsetof(Instance, marks),
    [TURN_ENDED] = offsetof(Instance, marks),
    [TURN_CLOSED] = offsetof(Rollout, marks),
    [TURN_SETTLED] = offsetof(Rollout, marks),
    [TURN_UNSETTLED] = offsetof(Deployment, marks),
    [TURN_NODES] = offsetof(NodeObject, marks),
    [TURN_INSTANCES] = offsetof(Instance, marks),
    [TURN_DOOMED] = offsetof(Instance, marks),
    [TURN_ROLLOUTS] = offsetof(Rollout, marks),
    [TURN_DEPLOYMENTS] = offsetof(Deployment, marks),
    [TURN_TIMED] = offsetof(Rollout, marks),
    [TURN_OUTBOX] = offsetof(NodeObject, marks),
};

static guint *turn_marks(TurnQueueId queue, gpointer object)
{
  return (guint *)(void *)((char *)object + turn_marks_at[queue]);
}

bool turn_is_marked(TurnQueueId queue, gconstpointer object)
{
  return *turn_marks(queue, (gpointer)(uintptr_t)object) & 1u << queue;
}

void turn_mark(Core *core, TurnQueueId queue, gpointer object)
{
  if (turn_is_marked(queue, object))
    return;
  *turn_marks(queue, object) |= 1u << queue;
  g_ptr_array_add(core->queues[queue].objects, object);
}

void turn_unmark(Core *core, TurnQueueId queue, gpointer object)
{
  if (!turn_is_marked(queue, object))
    return;
  *turn_marks(queue, object) &= ~(1u << queue);
  g_ptr_array_remove(core->queues[queue].objects, object);
}

gpointer turn_peek(const Core *core, TurnQueueId queue, guint i)
{
  const TurnQueue *line = &core->queues[queue];
  return line->next + i < line->objects->len ? line->objects->pdata[line->next + i] : NULL;
}

gpointer turn_next(Core *core, TurnQueueId queue)
{
  TurnQueue *line = &core->queues[queue];
  gpointer object = turn_peek(core, queue, 0);
  if (object) {
    *turn_marks(queue, object) &= ~(1u << queue);
    line->next++;
  } else {
    g_ptr_array_set_size(line->objects, 0);
    line->next = 0;
  }
  return object;
}

void touch_deployment(Core *core, Deployment *deployment, Touch touch)
{
  if (touch == TOUCH_STORED) {
    deployment->updated_at_ms = core->now.wall_ms;
    deployment->dirty = true;
  }
  turn_mark(core, TURN_DEPLOYMENTS, deployment);
}

void touch_rollout(Core *core, Rollout *rollout, Touch touch)
{
  rollout->dirty |= touch == TOUCH_STORED;
  turn_mark(core, TURN_ROLLOUTS, rollout);
}

void touch_instance(Core *core, Instance *instance, Touch touch)
{
  instance->dirty |= touch == TOUCH_STORED;
  turn_mark(core, TURN_INSTANCES, instance);
}

void touch_node(Core *core, NodeObject *node, Touch touch)
{
  node->dirty |= touch == TOUCH_STORED;
  turn_mark(core, TURN_NODES, node);
}

/* ---- records and events ---- */

void turn_store(Core *core, Record *record)
{
  g_ptr_array_add(core->effects->records, record);
}

void turn_remove(Core *core, TableId table, const char *id)
{
  Record *record = record_new(table);
  record_text(record, 0, id);
  record->deleted = true;
  g_ptr_array_add(core->removed, record);
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

/* ---- frames ---- */

Frame *turn_frame(Core *core, NodeObject *node, FrameType type, int64_t request)
{
  for (guint i = 0; i < node->outbox->len; i++) {
    Frame *frame = node->outbox->pdata[i];
    if (frame->type == type && frame->request == request)
      return frame;
  }
  Frame *frame = frame_new(type);
  frame->request = request;
  frame->term = core->term;
  g_ptr_array_add(node->outbox, frame);
  turn_mark(core, TURN_OUTBOX, node);
  return frame;
}

void turn_send(Core *core, NodeObject *node, FrameType type, Instruction *instruction)
{
  g_ptr_array_add(turn_frame(core, node, type, 0)->instructions, instruction);
}

void turn_unsend_start(const NodeObject *node, const char *instance)
{
  for (guint i = 0; i < node->outbox->len; i++) {
    const Frame *frame = node->outbox->pdata[i];
    for (guint k = frame->type == FRAME_START ? frame->instructions->len : 0; k > 0; k--)
      if (strcmp(((const Instruction *)frame->instructions->pdata[k - 1])->id, instance) == 0)
        g_ptr_array_remove_index(frame->instructions, k - 1);
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
  return turn_rank((*(Frame *const *)a)->type) - turn_rank((*(Frame *const *)b)->type);
}

void turn_flush(Core *core)
{
  NodeObject *node;
  while ((node = turn_next(core, TURN_OUTBOX))) {
    g_ptr_array_sort(node->outbox, turn_compare);
    for (guint i = 0; i < node->outbox->len; i++) {
      Frame *frame = node->outbox->pdata[i];
      g_autoptr(GPtrArray) pages = frame_pages(frame, core->config.page_bytes);
      g_ptr_array_set_free_func(pages, NULL); /* the texts move */
      for (guint k = 0; k < pages->len; k++) {
        Message *message = g_new0(Message, 1);
        message->node = g_strdup(node->id);
        message->frame = pages->pdata[k];
        message->of_link = frame->type != FRAME_PEERS;
        g_ptr_array_add(core->effects->messages, message);
      }
      frame_free(frame);
    }
    g_ptr_array_set_size(node->outbox, 0);
  }
  for (guint i = 0; i < core->removed->len; i++)
    turn_store(core, core->removed->pdata[i]);
  g_ptr_array_set_size(core->removed, 0);
}

/* ---- answers ---- */

static void turn_reply(Core *core, const Command *command, int code, int status, char *body)
{
  if (!command->reply_to) {
    g_free(body);
    return;
  }
  Reply *reply = g_new0(Reply, 1);
  *reply = (Reply){.to = command->reply_to, .code = code, .status = status, .body = body};
  g_ptr_array_add(core->effects->replies, reply);
}

void turn_refuse(Core *core, const Command *command, int code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  turn_reply(core, command, code, reeve_error_http(code), g_strdup_vprintf(format, args));
  va_end(args);
}

void turn_accept(Core *core, const Command *command, int status, const char *body)
{
  turn_reply(core, command, -1, status, g_strdup(body));
}

void turn_audit(Core *core, const Command *command, const char *action, const char *object,
                const char *detail)
{
  AuditEntry entry = {.at_ms = core->now.wall_ms,
                      .actor = command->actor,
                      .action = action,
                      .object = object,
                      .detail = detail};
  core_new_id(core, entry.id, "aud");
  turn_store(core, record_of_audit(&entry));
}
