/* An instance and what every file of the supervisor does with it: its place in the queue of
 * deadlines, its life, what is to be reported of it, and the actions of the event that is being
 * applied. */
#include "supervise/instance.h"

#include <string.h>

static const char *const life_words[LIFE_N] = {
#define X(id, word) [LIFE_##id] = word,
    LIVES(X)
#undef X
};

const char *life_word(Life life)
{
  return life_words[life];
}

/* ---- actions ---- */

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

NodeAction *act(Supervisor *supervisor, NodeActionType type, const NodeInstance *instance)
{
  GArray *items = supervisor->actions->items;
  NodeAction action = {.type = type, .instance = instance ? g_strdup(instance->id) : NULL};
  if (instance) {
    action.attempt = instance->attempt;
    action.generation = instance->generation;
    action.port = instance->spec ? instance->spec->port : 0;
  }
  g_array_append_val(items, action);
  return &g_array_index(items, NodeAction, items->len - 1);
}

/* ---- one instance ---- */

NodeInstance *node_instance_new(Supervisor *supervisor, const char *id)
{
  NodeInstance *instance = g_new0(NodeInstance, 1);
  instance->supervisor = supervisor;
  instance->id = g_strdup(id);
  instance->last_exit.code = -1;
  instance->act_boot_ms = instance->probe_boot_ms = INT64_MAX;
  instance->life = LIFE_STOPPED;
  g_hash_table_insert(supervisor->instances, instance->id, instance);
  return instance;
}

void node_instance_free(NodeInstance *instance)
{
  if (!instance)
    return;
  instance_spec_free(instance->spec);
  instruction_free(instance->pending);
  g_free(instance->id);
  g_free(instance->reason);
  g_free(instance->output);
  g_free(instance->probe_path);
  g_free(instance);
}

bool node_instance_alive(const NodeInstance *instance)
{
  static const bool alive[LIFE_N] = {
      [LIFE_ADOPTING] = true, [LIFE_PREPARING] = true, [LIFE_STARTING] = true,
      [LIFE_RUNNING] = true,  [LIFE_STOPPING] = true,  [LIFE_CLEARING] = true};
  return alive[instance->life];
}

Life node_instance_shown_life(const NodeInstance *instance)
{
  return instance->life == LIFE_ADOPTING ? instance->outcome : instance->life;
}

bool node_instance_is_final(const NodeInstance *instance)
{
  Life shown = node_instance_shown_life(instance);
  return shown == LIFE_COMPLETED || shown == LIFE_FAILED || shown == LIFE_STOPPED;
}

void node_instance_changed(NodeInstance *instance)
{
  if (instance->dirty)
    return;
  instance->dirty = true;
  g_ptr_array_add(instance->supervisor->dirty, instance);
}

static gint supervisor_compare_ids(gconstpointer a, gconstpointer b)
{
  return strcmp((*(NodeInstance *const *)a)->id, (*(NodeInstance *const *)b)->id);
}

GPtrArray *supervisor_sorted(const Supervisor *supervisor)
{
  GPtrArray *all = g_ptr_array_sized_new(g_hash_table_size(supervisor->instances));
  GHashTableIter iter;
  gpointer instance;
  g_hash_table_iter_init(&iter, supervisor->instances);
  while (g_hash_table_iter_next(&iter, NULL, &instance))
    g_ptr_array_add(all, instance);
  g_ptr_array_sort(all, supervisor_compare_ids);
  return all;
}

/* ---- the queue of deadlines ---- */

int64_t node_instance_deadline(const NodeInstance *instance)
{
  return MIN(instance->act_boot_ms, instance->probe_boot_ms);
}

/* Two that are due in the same millisecond are worked off in id order, so that one history gives
 * one run. */
static int node_instance_compare(const HeapNode *a, const HeapNode *b)
{
  const NodeInstance *x = HEAP_OWNER(a, NodeInstance, due), *y = HEAP_OWNER(b, NodeInstance, due);
  int64_t dx = node_instance_deadline(x), dy = node_instance_deadline(y);
  return dx != dy ? (dx < dy ? -1 : 1) : strcmp(x->id, y->id);
}

void supervisor_queue_init(Supervisor *supervisor)
{
  heap_init(&supervisor->queue, node_instance_compare);
}

NodeInstance *supervisor_first_due(const Supervisor *supervisor)
{
  HeapNode *first = heap_first(&supervisor->queue);
  return first ? HEAP_OWNER(first, NodeInstance, due) : NULL;
}

void node_instance_schedule(NodeInstance *instance)
{
  Heap *queue = &instance->supervisor->queue;
  if (node_instance_deadline(instance) == INT64_MAX)
    heap_remove(queue, &instance->due);
  else if (heap_has(&instance->due))
    heap_update(queue, &instance->due);
  else
    heap_insert(queue, &instance->due);
}

void node_instance_await_answer(NodeInstance *instance)
{
  int64_t within_ms = instance->life == LIFE_CLEARING ? INSTANCE_CLEAR_MS
                      : instance->killed              ? INSTANCE_KILLED_MS
                                                      : INSTANCE_ANSWER_MS;
  instance->act_boot_ms = instance->supervisor->now.boot_ms + within_ms;
  node_instance_schedule(instance);
}

void node_instance_await_anew(NodeInstance *instance)
{
  bool owes = instance->life == LIFE_ADOPTING || instance->life == LIFE_PREPARING ||
              instance->life == LIFE_STARTING || instance->life == LIFE_CLEARING ||
              instance->killed;
  if (owes && instance->act_boot_ms != INT64_MAX)
    node_instance_await_answer(instance);
}

/* ---- lives ---- */

void node_instance_set_life(NodeInstance *instance, Life life, const char *reason)
{
  if (instance->life == LIFE_ADOPTING && life != LIFE_ADOPTING)
    instance->supervisor->adopting--;
  if (life != instance->life) { /* what it had to do in its former life has no deadline any more */
    instance->act_boot_ms = INT64_MAX;
    instance->unreachable_since_ms = 0;
    node_instance_schedule(instance);
  }
  if (instance->life != life)
    instance->since_ms = instance->supervisor->now.wall_ms;
  instance->life = life;
  if (instance->reason != reason) { /* it may be its own: copied before it is freed */
    char *copy = g_strdup(reason);
    g_free(instance->reason);
    instance->reason = copy;
  }
  node_instance_changed(instance);
}

void node_instance_drop(NodeInstance *instance)
{
  Supervisor *supervisor = instance->supervisor;
  instance->act_boot_ms = instance->probe_boot_ms = INT64_MAX;
  node_instance_schedule(instance);
  if (instance->dirty)
    g_ptr_array_remove(supervisor->dirty, instance);
  act(supervisor, NODE_ACTION_REMOVE, instance);
  g_hash_table_steal(supervisor->instances, instance->id);
  node_instance_free(instance);
}
