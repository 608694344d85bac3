/* The release queue: what a turn wants leaves only after everything that it could have seen is
 * durable; see release.h. */
#include "core/release.h"

#include "base/error.h"

#include <string.h>

typedef struct Batch {
  GPtrArray *turns;   /* of Effects*; their records moved to @records */
  GPtrArray *records; /* of Record* */
  size_t bytes;
} Batch;

struct ReleaseQueue {
  ReleaseFn leave;
  void *data;
  Batch *open;       /* gathers */
  Batch *committing; /* handed out, or NULL */
};

static void release_turn_free(gpointer data)
{
  effects_free(data);
}

static Batch *batch_new(void)
{
  Batch *batch = g_new0(Batch, 1);
  batch->turns = g_ptr_array_new_with_free_func(release_turn_free);
  batch->records = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
  return batch;
}

static void batch_free(Batch *batch)
{
  if (!batch)
    return;
  g_ptr_array_unref(batch->turns);
  g_ptr_array_unref(batch->records);
  g_free(batch);
}

ReleaseQueue *release_new(ReleaseFn leave, void *data)
{
  ReleaseQueue *queue = g_new0(ReleaseQueue, 1);
  queue->leave = leave;
  queue->data = data;
  queue->open = batch_new();
  return queue;
}

void release_free(ReleaseQueue *queue)
{
  if (!queue)
    return;
  batch_free(queue->open);
  batch_free(queue->committing);
  g_free(queue);
}

void release_depth(const ReleaseQueue *queue, guint *records, size_t *bytes)
{
  const Batch *committing = queue->committing;
  *records = queue->open->records->len + (committing ? committing->records->len : 0);
  *bytes = queue->open->bytes + (committing ? committing->bytes : 0);
}

bool release_idle(const ReleaseQueue *queue)
{
  return !queue->committing && queue->open->records->len == 0 && queue->open->turns->len == 0;
}

#ifdef REEVE_BUG_REPLY_BEFORE_COMMIT
/* The planted bug: the answers of @effects leave at once, everything else waits. */
static void release_replies_early(ReleaseQueue *queue, Effects *effects)
{
  Effects *early = effects_new();
  GPtrArray *none = early->replies;
  early->replies = effects->replies;
  effects->replies = none;
  queue->leave(early, queue->data);
}
#endif

void release_add(ReleaseQueue *queue, Effects *effects)
{
  if (release_idle(queue) && effects->records->len == 0) {
    queue->leave(effects, queue->data);
    return;
  }
#ifdef REEVE_BUG_REPLY_BEFORE_COMMIT
  release_replies_early(queue, effects);
#endif
  for (guint i = 0; i < effects->records->len; i++) {
    Record *record = effects->records->pdata[i];
    queue->open->bytes += record_bytes(record);
    g_ptr_array_add(queue->open->records, record);
  }
  g_ptr_array_set_free_func(effects->records, NULL);
  g_ptr_array_set_size(effects->records, 0);
  g_ptr_array_set_free_func(effects->records, (GDestroyNotify)record_free);
  g_ptr_array_add(queue->open->turns, effects);
}

static void batch_drop_messages(Batch *batch, const char *node)
{
  for (guint i = 0; batch && i < batch->turns->len; i++) {
    GPtrArray *messages = ((Effects *)batch->turns->pdata[i])->messages;
    for (guint k = messages->len; k > 0; k--) {
      const Message *message = messages->pdata[k - 1];
      if (message->of_link && strcmp(message->node, node) == 0)
        g_ptr_array_remove_index(messages, k - 1);
    }
  }
}

void release_new_link(ReleaseQueue *queue, const char *node)
{
  batch_drop_messages(queue->committing, node);
  batch_drop_messages(queue->open, node);
}

bool release_ready(const ReleaseQueue *queue)
{
  return !queue->committing && queue->open->records->len > 0;
}

bool release_full(const ReleaseQueue *queue)
{
  return queue->open->bytes >= RELEASE_BYTES_MAX ||
         queue->open->records->len >= RELEASE_RECORDS_MAX;
}

const GPtrArray *release_take(ReleaseQueue *queue)
{
  g_assert(release_ready(queue));
  queue->committing = queue->open;
  queue->open = batch_new();
  return queue->committing->records;
}

static void release_leave(ReleaseQueue *queue, Batch *batch)
{
  g_ptr_array_set_free_func(batch->turns, NULL); /* each turn now belongs to the callee */
  for (guint i = 0; i < batch->turns->len; i++)
    queue->leave(batch->turns->pdata[i], queue->data);
  batch_free(batch);
}

void release_committed(ReleaseQueue *queue)
{
  g_assert(queue->committing);
  Batch *done = g_steal_pointer(&queue->committing);
  release_leave(queue, done);
  if (queue->open->records->len > 0 || queue->open->turns->len == 0)
    return;
  Batch *waiting = queue->open; /* reads that waited for what is now durable */
  queue->open = batch_new();
  release_leave(queue, waiting);
}

/* Of a turn that never happened only its waiting callers hear. */
static void release_refuse(ReleaseQueue *queue, Batch *batch, int code, const char *detail)
{
  for (guint i = 0; i < batch->turns->len; i++) {
    const Effects *turn = batch->turns->pdata[i];
    Effects *refusal = effects_new();
#ifdef REEVE_BUG_FAILED_LEAVES
    for (guint k = 0; k < turn->messages->len; k++)
      g_ptr_array_add(refusal->messages, turn->messages->pdata[k]);
    g_ptr_array_set_free_func(turn->messages, NULL);
#endif
    for (guint k = 0; k < turn->replies->len; k++) {
      const Reply *waiting = turn->replies->pdata[k];
      Reply *reply = g_new0(Reply, 1);
      *reply = (Reply){.to = waiting->to,
                       .code = code,
                       .status = reeve_error_http(code),
                       .body = g_strdup(detail)};
      g_ptr_array_add(refusal->replies, reply);
    }
    queue->leave(refusal, queue->data);
  }
  batch_free(batch);
}

void release_failed(ReleaseQueue *queue, int code, const char *detail)
{
  g_assert(queue->committing);
  Batch *failed = g_steal_pointer(&queue->committing), *later = queue->open;
  queue->open = batch_new();
  release_refuse(queue, failed, code, detail);
  release_refuse(queue, later, code, detail);
}
