/* Owns the tasks of the A2A door: a bounded memory, most recently changed first. Running tasks are
 * never forgotten. */
#include "agent/a2a.h"

#include "base/system.h"

#include <string.h>

enum { TASK_ID_DIGITS = 32 };

struct A2aTasks {
  GHashTable *by_id;
  GQueue order; /* most recently changed first */
  size_t bytes;
};

A2aTasks *a2a_tasks_new(void)
{
  A2aTasks *tasks = g_new0(A2aTasks, 1);
  tasks->by_id = g_hash_table_new(g_str_hash, g_str_equal);
  g_queue_init(&tasks->order);
  return tasks;
}

static void task_free(A2aTask *task)
{
  char *texts[] = {task->id, task->context_id, task->message_id, task->text, task->detail};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  g_string_free(task->answer, TRUE);
  g_ptr_array_unref(task->watchers);
  g_free(task);
}

static void tasks_forget(A2aTasks *tasks, A2aTask *task)
{
  g_hash_table_remove(tasks->by_id, task->id);
  g_queue_unlink(&tasks->order, &task->link);
  tasks->bytes -= task->kept_bytes;
  task_free(task);
}

void a2a_tasks_free(A2aTasks *tasks)
{
  if (!tasks)
    return;
  while (tasks->order.length)
    tasks_forget(tasks, tasks->order.head->data);
  g_hash_table_unref(tasks->by_id);
  g_free(tasks);
}

/* 36 characters as others write a UUID, from the kernel's randomness: who does not know it cannot
 * read the task. */
static char *task_new_id(void)
{
  char hex[TASK_ID_DIGITS + 1];
  system_random_hex(hex, TASK_ID_DIGITS);
  hex[12] = '4';
  hex[16] = "89ab"[g_ascii_xdigit_value(hex[16]) & 3];
  return g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static void tasks_count(A2aTasks *tasks, A2aTask *task)
{
  size_t now = sizeof *task + strlen(task->text) + task->answer->len;
  tasks->bytes += now - task->kept_bytes;
  task->kept_bytes = now;
}

/* Forgets ended tasks from the back: the too old, then as many as are too many or too large. */
static void tasks_tidy(A2aTasks *tasks, int64_t now_boot_ms)
{
  GList *at = tasks->order.tail;
  while (at) {
    A2aTask *task = at->data;
    at = at->prev;
    bool old = task->ended_ms && now_boot_ms - task->ended_ms >= A2A_EXPIRE_MS;
    bool much = tasks->order.length >= A2A_TASKS_MAX || tasks->bytes > A2A_TEXT_BYTES_MAX;
    if (!old && !much)
      /* those in front are younger; a running one may hide an older ended one until it ends */
      return;
    if (task->ended_ms && task->watchers->len == 0)
      tasks_forget(tasks, task);
  }
}

A2aTask *a2a_tasks_add(A2aTasks *tasks, const A2aCall *call, int64_t now_boot_ms,
                       int64_t now_wall_ms)
{
  tasks_tidy(tasks, now_boot_ms);
  if (tasks->order.length >= A2A_TASKS_MAX)
    return NULL;
  A2aTask *task = g_new0(A2aTask, 1);
  task->id = task_new_id();
  task->context_id = call->context_id ? g_strdup(call->context_id) : task_new_id();
  task->message_id = g_strdup(call->message_id);
  task->text = g_strdup(call->text);
  task->answer = g_string_new(NULL);
  task->watchers = g_ptr_array_new();
  task->changed_ms = now_wall_ms;
  task->link.data = task;
  g_hash_table_insert(tasks->by_id, task->id, task);
  g_queue_push_head_link(&tasks->order, &task->link);
  tasks_count(tasks, task);
  return task;
}

A2aTask *a2a_tasks_find(A2aTasks *tasks, const char *id, int64_t now_boot_ms)
{
  A2aTask *task = g_hash_table_lookup(tasks->by_id, id);
  bool old = task && task->ended_ms && now_boot_ms - task->ended_ms >= A2A_EXPIRE_MS;
  return old ? NULL : task;
}

A2aTask *a2a_tasks_find_message(A2aTasks *tasks, const A2aCall *call, int64_t now_boot_ms)
{
  for (GList *at = tasks->order.head; at; at = at->next) {
    A2aTask *task = at->data;
    bool same_context = !call->context_id || g_str_equal(call->context_id, task->context_id);
    bool fresh = !task->ended_ms || now_boot_ms - task->ended_ms < A2A_RETRY_MS;
    if (fresh && same_context && g_str_equal(task->message_id, call->message_id) &&
        g_str_equal(task->text, call->text))
      return task;
  }
  return NULL;
}

void a2a_tasks_move(A2aTasks *tasks, A2aTask *task, A2aState state, int64_t now_boot_ms,
                    int64_t now_wall_ms)
{
  g_assert(!a2a_state_ends(task->state));
  task->state = state;
  task->changed_ms = now_wall_ms;
  task->ended_ms = a2a_state_ends(state) ? MAX(now_boot_ms, 1) : 0;
  g_queue_unlink(&tasks->order, &task->link);
  g_queue_push_head_link(&tasks->order, &task->link);
  tasks_count(tasks, task);
}

A2aTask *a2a_tasks_first(A2aTasks *tasks)
{
  return tasks->order.head ? tasks->order.head->data : NULL;
}

A2aTask *a2a_tasks_next(A2aTask *task)
{
  return task->link.next ? task->link.next->data : NULL;
}

guint a2a_tasks_count(const A2aTasks *tasks)
{
  return tasks->order.length;
}
