/* Owns the core's objects: its life, what is found by which key, and the numbers that ids come
 * from. */
#include "core/state.h"

#include "core/build.h"
#include "core/struct.h"

#include <string.h>

static int core_compare_deadline(const HeapNode *a, const HeapNode *b)
{
  int64_t x = HEAP_OWNER(a, Deadline, slot)->at_boot_ms,
          y = HEAP_OWNER(b, Deadline, slot)->at_boot_ms;
  return (x > y) - (x < y);
}

Core *core_new(const CoreConfig *config)
{
  static const GDestroyNotify frees[CORE_LIST_N] = {
      [CORE_TOKENS] = (GDestroyNotify)token_free,
      [CORE_SECRETS] = (GDestroyNotify)secret_free,
      [CORE_NOTICES] = (GDestroyNotify)notice_free,
  };
  Core *core = g_new0(Core, 1);
  core->config = config ? *config : (CoreConfig){0};
  if (!core->config.lease_ms)
    core->config.lease_ms = 35000;
  if (!core->config.lost_ms)
    core->config.lost_ms = 60000;
  if (!core->config.heartbeat_ms)
    core->config.heartbeat_ms = 10000;
  if (!core->config.unknown_ms)
    core->config.unknown_ms = 60000;
  if (!core->config.port_base)
    core->config.port_base = 8100;
  core->next_id = core->block_end = core->stored_block_end = 1;
  core->term = 1;
  core->deployments = g_ptr_array_new_with_free_func((GDestroyNotify)deployment_free);
  core->by_key = g_hash_table_new(g_str_hash, g_str_equal);
  core->instances = g_hash_table_new(g_str_hash, g_str_equal);
  core->loading = g_hash_table_new(g_str_hash, g_str_equal);
  core->nodes = g_ptr_array_new_with_free_func((GDestroyNotify)node_object_free);
  core->nodes_by_id = g_hash_table_new(g_str_hash, g_str_equal);
  for (int i = 0; i < CORE_LIST_N; i++)
    core->lists[i] = g_ptr_array_new_with_free_func(frees[i]);
  for (int i = 0; i < TURN_QUEUE_N; i++)
    core->queues[i].objects = g_ptr_array_new();
  for (int i = 0; i < DEADLINE_N; i++)
    heap_init(&core->deadlines[i], core_compare_deadline);
  core->removed = g_ptr_array_new();
  return core;
}

void core_free(Core *core)
{
  if (!core)
    return;
  for (int i = 0; i < TURN_QUEUE_N; i++)
    g_ptr_array_unref(core->queues[i].objects);
  for (int i = 0; i < CORE_LIST_N; i++)
    g_ptr_array_unref(core->lists[i]);
  for (int i = 0; i < DEADLINE_N; i++)
    heap_done(&core->deadlines[i]);
  g_ptr_array_unref(core->removed);
  g_ptr_array_unref(core->deployments);
  g_ptr_array_unref(core->nodes);
  g_hash_table_unref(core->by_key);
  g_hash_table_unref(core->nodes_by_id);
  g_hash_table_unref(core->instances);
  g_hash_table_unref(core->loading);
  g_free(core->store_id);
  g_free(core);
}

/* ---- what holds for all of it ---- */

Now core_now(const Core *core)
{
  return core->now;
}

const CoreConfig *core_config(const Core *core)
{
  return &core->config;
}

int64_t core_heartbeat_ms(const Core *core)
{
  return core->config.heartbeat_ms;
}

int64_t core_term(const Core *core)
{
  return core->term;
}

const char *core_store_id(const Core *core)
{
  return core->store_id;
}

GPtrArray *core_list(const Core *core, CoreList list)
{
  return core->lists[list];
}

uint64_t core_restarts(const Core *core)
{
  return core->restarts;
}

void core_count_restarts(Core *core, uint64_t n)
{
  core->restarts += n;
}

void core_set_coverage(Core *core, CoreCoverageFn fn, void *data)
{
  core->coverage = fn;
  core->coverage_data = data;
}

void core_cover(Core *core, const char *table, int state, int event)
{
  if (core->coverage)
    core->coverage(table, state, event, core->coverage_data);
}

/* ---- numbers ---- */

uint64_t core_next_number(Core *core)
{
  enum { BLOCK_NUMBERS = 4096 };
  if (core->next_id == core->block_end)
    core->block_end += BLOCK_NUMBERS;
  return core->next_id++;
}

void core_new_id(Core *core, char out[ID_BYTES], const char *prefix)
{
  id_format(out, prefix, core_next_number(core));
}

uint64_t core_numbers_end(const Core *core)
{
  return core->next_id;
}

uint64_t core_block_end(const Core *core)
{
  return core->block_end;
}

int64_t core_next_request(Core *core)
{
  return ++core->next_request;
}

/* ---- deadlines ---- */

void core_wake_at(Core *core, DeadlineKind kind, Deadline *deadline, int64_t at_boot_ms)
{
  Heap *heap = &core->deadlines[kind];
  deadline->at_boot_ms = at_boot_ms;
  if (at_boot_ms == INT64_MAX)
    heap_remove(heap, &deadline->slot);
  else if (heap_has(&deadline->slot))
    heap_update(heap, &deadline->slot);
  else
    heap_insert(heap, &deadline->slot);
}

Deadline *core_next_due(Core *core, DeadlineKind kind)
{
  HeapNode *first = heap_first(&core->deadlines[kind]);
  Deadline *deadline = first ? HEAP_OWNER(first, Deadline, slot) : NULL;
  if (!deadline || deadline->at_boot_ms > core->now.boot_ms)
    return NULL;
  heap_remove(&core->deadlines[kind], first);
  return deadline;
}

int64_t core_next_wake(const Core *core)
{
  int64_t first_ms = INT64_MAX;
  for (int i = 0; i < DEADLINE_N; i++) {
    const HeapNode *first = heap_first(&core->deadlines[i]);
    if (first)
      first_ms = MIN(first_ms, HEAP_OWNER(first, Deadline, slot)->at_boot_ms);
  }
  return first_ms;
}

/* ---- deployments ---- */

Deployment *core_find(const Core *core, const char *key)
{
  return key ? g_hash_table_lookup(core->by_key, key) : NULL;
}

const Deployment *core_deployment(const Core *core, const char *name)
{
  return core_find(core, name);
}

const GPtrArray *core_deployments(const Core *core)
{
  return core->deployments;
}

/* Where @name belongs among the deployments, which are sorted by it. */
static guint core_place_of(const Core *core, const char *name)
{
  guint low = 0, high = core->deployments->len;
  while (low < high) {
    guint middle = low + (high - low) / 2;
    if (strcmp(((const Deployment *)core->deployments->pdata[middle])->name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void core_add_deployment(Core *core, Deployment *deployment)
{
  g_ptr_array_insert(core->deployments, (gint)core_place_of(core, deployment->name), deployment);
  g_hash_table_insert(core->by_key, deployment->name, deployment);
  g_hash_table_insert(core->by_key, deployment->id, deployment);
}

void core_remove_deployment(Core *core, Deployment *deployment)
{
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    core_place_instance(core, instance, NULL);
    g_hash_table_remove(core->instances, instance->id);
  }
  for (guint i = 0; i < deployment->schedules->len; i++) {
    Schedule *schedule = deployment->schedules->pdata[i];
    core_wake_at(core, DEADLINE_SCHEDULE, &schedule->deadline, INT64_MAX);
    g_ptr_array_remove(core->lists[CORE_SCHEDULES], schedule);
  }
  g_hash_table_remove(core->by_key, deployment->name);
  g_hash_table_remove(core->by_key, deployment->id);
  /* frees */
  g_ptr_array_remove_index(core->deployments, core_place_of(core, deployment->name));
}

/* ---- instances ---- */

Instance *core_find_instance(const Core *core, const char *id)
{
  return g_hash_table_lookup(core->instances, id);
}

const Instance *core_instance(const Core *core, const char *id)
{
  return core_find_instance(core, id);
}

void core_add_instance(Core *core, Instance *instance)
{
  g_hash_table_insert(core->instances, instance->id, instance);
}

void core_remove_instance(Core *core, Instance *instance)
{
  Deployment *deployment = instance->deployment;
  core_place_instance(core, instance, NULL);
  deployment->degraded -= instance->degraded;
  deployment->ready -= instance->counts_ready;
  deployment->unknown -= instance->unknown;
  if (deployment->rollout)
    g_ptr_array_remove(deployment->rollout->leaving, instance);
  g_hash_table_remove(deployment->slots, instance);
  g_hash_table_remove(core->instances, instance->id);
  g_ptr_array_remove(deployment->instances, instance);
  instance_free(instance);
}

/* Counts @instance at @node, or no more. */
static void core_count_at(Instance *instance, NodeObject *node, bool there)
{
  GHashTable *nodes = instance->deployment->nodes;
  guint n = GPOINTER_TO_UINT(g_hash_table_lookup(nodes, node)) + (there ? 1 : -1u);
  if (n)
    g_hash_table_insert(nodes, node, GUINT_TO_POINTER(n));
  else
    g_hash_table_remove(nodes, node);
  if (there) {
    instance->node_index = node->instances->len;
    g_ptr_array_add(node->instances, instance);
    return;
  }
  Instance *last = node->instances->pdata[node->instances->len - 1];
  last->node_index = instance->node_index;
  g_ptr_array_remove_index_fast(node->instances, instance->node_index);
}

void core_place_instance(Core *core, Instance *instance, NodeObject *node)
{
  instance_unlist_port(instance);
  if (instance->node)
    core_count_at(instance, instance->node, false);
  instance->node = node;
  if (node)
    core_count_at(instance, node, true);
}

void core_set_unplaced(Core *core, Rollout *rollout, bool unplaced)
{
  if (rollout->unplaced == unplaced)
    return;
  rollout->unplaced = unplaced;
  if (unplaced)
    g_ptr_array_add(core->lists[CORE_UNPLACED], rollout);
  else
    g_ptr_array_remove(core->lists[CORE_UNPLACED], rollout);
}

/* ---- nodes ---- */

const GPtrArray *core_nodes(const Core *core)
{
  return core->nodes;
}

NodeObject *core_node(const Core *core, const char *id)
{
  return id ? g_hash_table_lookup(core->nodes_by_id, id) : NULL;
}

void core_add_node(Core *core, NodeObject *node)
{
  g_ptr_array_add(core->nodes, node);
  g_hash_table_insert(core->nodes_by_id, node->id, node);
}

/* ---- while rows are loaded ---- */

void core_load_meta(Core *core, const char *key, const char *value)
{
  if (strcmp(key, "next_id") == 0 && value)
    core->next_id = core->block_end = core->stored_block_end =
        MAX(1, g_ascii_strtoull(value, NULL, 10));
  if (strcmp(key, "term") == 0 && value)
    core->term = MAX(1, g_ascii_strtoll(value, NULL, 10));
  if (strcmp(key, "store") == 0)
    text_set(&core->store_id, value);
}

void core_load_deployment(Core *core, Deployment *deployment)
{
  g_ptr_array_add(core->deployments, deployment);
  g_hash_table_insert(core->by_key, deployment->name, deployment);
  g_hash_table_insert(core->by_key, deployment->id, deployment);
}

void core_load_schedule(Core *core, Schedule *schedule)
{
  g_hash_table_insert(core->loading, schedule->id, schedule);
}

Schedule *core_loaded_schedule(const Core *core, const char *id)
{
  return id ? g_hash_table_lookup(core->loading, id) : NULL;
}

static gint core_compare_deployment(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Deployment *const *)a)->name, (*(Deployment *const *)b)->name);
}

void core_load_sort(Core *core)
{
  g_ptr_array_sort(core->deployments, core_compare_deployment);
  g_hash_table_remove_all(core->loading);
}
