/* Construction, look-up and order of the core's objects; see objects.h. */
#include "core/internal.h"

#include <string.h>

#define STEP_WORD(id, word) word,
const Words instance_step_words = {STEP_N, (const char *const[]){INSTANCE_STEPS(STEP_WORD)}};

const char *instance_step_word(InstanceStep step)
{
  return words_at(&instance_step_words, (int)step);
}

void text_set(char **slot, const char *text)
{
  if (g_strcmp0(*slot, text) == 0)
    return;
  char *copy = g_strdup(text); /* @text may lie inside *slot */
  g_free(*slot);
  *slot = copy;
}

static void revision_free(gpointer data)
{
  Revision *revision = data;
  plan_free(revision->plan);
  job_free(revision->job);
  g_free(revision->problem);
  g_free(revision->source_name);
  g_clear_pointer(&revision->source, g_ref_string_release);
  g_clear_pointer(&revision->job_json, g_ref_string_release);
  g_free(revision->actor);
  g_free(revision->cause);
  g_free(revision);
}

static void instance_free(gpointer data)
{
  Instance *instance = data;
  char *texts[] = {
      instance->agent,           instance->node,   instance->outcome,   instance->reason,
      instance->observed_reason, instance->output, instance->unenforced};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  registration_free(instance->registration);
  g_free(instance);
}

static void rollout_free(gpointer data)
{
  Rollout *rollout = data;
  g_free(rollout->cause);
  g_free(rollout->actor);
  g_free(rollout->failed);
  g_free(rollout->agent);
  g_free(rollout);
}

Deployment *deployment_new(const char *id, const char *name)
{
  Deployment *deployment = g_new0(Deployment, 1);
  g_strlcpy(deployment->id, id, sizeof deployment->id);
  deployment->name = g_strdup(name);
  deployment->settled = deployment->status = DEPLOYMENT_STOPPED;
  deployment->revisions = g_ptr_array_new_with_free_func(revision_free);
  deployment->rollouts = g_ptr_array_new_with_free_func(rollout_free);
  deployment->instances = g_ptr_array_new_with_free_func(instance_free);
  deployment->schedules = g_ptr_array_new_with_free_func((GDestroyNotify)schedule_free);
  deployment->slots = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return deployment;
}

void deployment_free(Deployment *deployment)
{
  if (!deployment)
    return;
  g_hash_table_unref(deployment->slots);
  g_ptr_array_unref(deployment->instances);
  g_ptr_array_unref(deployment->schedules);
  g_ptr_array_unref(deployment->rollouts);
  g_ptr_array_unref(deployment->revisions);
  g_free(deployment->name);
  g_free(deployment->reason);
  g_free(deployment->unreadable);
  g_free(deployment);
}

/* Stage, then declaration (ids grow with it inside a deployment's revision), then replica. */
static gint instance_compare(gconstpointer a, gconstpointer b)
{
  const Instance *x = *(Instance *const *)a, *y = *(Instance *const *)b;
  if (x->stage != y->stage)
    return x->stage - y->stage;
  return strcmp(x->id, y->id);
}

void deployment_sort(Deployment *deployment)
{
  g_ptr_array_sort(deployment->instances, instance_compare);
}

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

const Instance *core_instance(const Core *core, const char *id)
{
  return g_hash_table_lookup(core->instances, id);
}

const GPtrArray *core_nodes(const Core *core)
{
  return core->nodes;
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
    NodeObject *node = core_node(core, instance->node);
    if (node)
      g_hash_table_remove(node->instances, instance);
    g_hash_table_remove(core->instances, instance->id);
  }
  for (guint i = 0; i < deployment->schedules->len; i++)
    g_ptr_array_remove(core->schedules, deployment->schedules->pdata[i]);
  g_hash_table_remove(core->by_key, deployment->name);
  g_hash_table_remove(core->by_key, deployment->id);
  g_ptr_array_remove_index(core->deployments, core_place_of(core, deployment->name)); /* frees */
}

void core_remove_instance(Core *core, Instance *instance)
{
  Deployment *deployment = instance->deployment;
  NodeObject *node = core_node(core, instance->node);
  g_autofree char *key = slot_key(instance->agent, instance->replica);
  if (node)
    g_hash_table_remove(node->instances, instance);
  deployment->bad -= instance->bad;
  deployment->healthy -= instance->fine;
  deployment->coming -= instance->coming;
  g_hash_table_remove(deployment->slots, key);
  g_hash_table_remove(core->instances, instance->id);
  g_ptr_array_remove(deployment->instances, instance); /* frees */
}

Revision *revision_find(const Deployment *deployment, int number)
{
  for (guint i = deployment->revisions->len; i > 0; i--) {
    Revision *revision = deployment->revisions->pdata[i - 1];
    if (revision->number == number)
      return revision;
  }
  return NULL;
}

const Revision *deployment_revision(const Deployment *deployment, int number)
{
  return revision_find(deployment, number);
}

const Job *revision_job(const Revision *revision)
{
  if (!revision)
    return NULL;
  if (!revision->job && !revision->problem) {
    Revision *cache = (Revision *)(uintptr_t)revision; /* the cache is not part of its value */
    g_autoptr(GError) error = NULL;
    cache->job = job_from_json(revision->job_json, g_ref_string_length(revision->job_json), &error);
    cache->problem = cache->job ? NULL : g_strdup(error->message);
  }
  return revision->problem ? NULL : revision->job;
}

void revision_forget_cache(Revision *revision)
{
  g_clear_pointer(&revision->plan, plan_free);
  g_clear_pointer(&revision->job, job_free);
  g_clear_pointer(&revision->problem, g_free);
}

const AgentSpec *revision_agent(const Deployment *deployment, int number, const char *id)
{
  const Revision *revision = revision_find(deployment, number);
  const Job *job = revision_job(revision);
  return job ? job_agent_named(job, id) : NULL;
}

const Plan *revision_plan(const Revision *revision)
{
  const Job *job = revision_job(revision);
  if (job && !revision->plan) {
    Revision *cache = (Revision *)(uintptr_t)revision;
    g_autoptr(GError) error = NULL;
    cache->plan = plan_new(job, &error);
    cache->problem = cache->plan ? NULL : g_strdup(error->message);
  }
  return job && !revision->problem ? revision->plan : NULL;
}

Revision *deployment_last_revision(const Deployment *deployment)
{
  return deployment->revisions->len ? deployment->revisions->pdata[deployment->revisions->len - 1]
                                    : NULL;
}

char *revision_unreadable(const Deployment *deployment, const Revision *revision)
{
  if (revision_plan(revision))
    return NULL;
  return g_strdup_printf("the stored job of revision %d of deployment '%s' cannot be read: %s",
                         revision->number, deployment->name, revision->problem);
}

Instance *instance_new(Deployment *deployment, const char *id, const char *agent, int replica)
{
  Instance *instance = g_new0(Instance, 1);
  g_strlcpy(instance->id, id, sizeof instance->id);
  instance->deployment = deployment;
  instance->agent = g_strdup(agent);
  instance->replica = replica;
  instance->last_exit.code = -1;
  g_ptr_array_add(deployment->instances, instance);
  g_hash_table_insert(deployment->slots, slot_key(agent, replica), instance);
  return instance;
}

Instance *deployment_slot(const Deployment *deployment, const char *agent, int replica)
{
  g_autofree char *key = slot_key(agent, replica);
  return g_hash_table_lookup(deployment->slots, key);
}

char *instance_name(const Instance *instance)
{
  const Instance *second = deployment_slot(instance->deployment, instance->agent, 1);
  bool several = instance->replica > 0 || (second && !instance_is_left_over(second));
  return several ? slot_key(instance->agent, instance->replica) : g_strdup(instance->agent);
}

char *instance_short_name(const Instance *instance)
{
  return instance->replica > 0 ? slot_key(instance->agent, instance->replica)
                               : g_strdup(instance->agent);
}

Rollout *rollout_new(Deployment *deployment, const char *id, RolloutKind kind)
{
  Rollout *rollout = g_new0(Rollout, 1);
  g_strlcpy(rollout->id, id, sizeof rollout->id);
  rollout->deployment = deployment;
  rollout->kind = kind;
  rollout->outcome = OUTCOME_OPEN;
  rollout->verdict = OUTCOME_SUCCEEDED;
  rollout->deadline_boot_ms = rollout->settle_boot_ms = INT64_MAX;
  g_ptr_array_add(deployment->rollouts, rollout);
  return rollout;
}

NodeObject *node_new_object(const char *id)
{
  NodeObject *node = g_new0(NodeObject, 1);
  node->id = g_strdup(id);
  node->status = NODE_SILENT;
  node->instances = g_hash_table_new(NULL, NULL);
  node->unknown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return node;
}

void core_add_node(Core *core, NodeObject *node)
{
  g_ptr_array_add(core->nodes, node);
  g_hash_table_insert(core->nodes_by_id, node->id, node);
}

NodeObject *core_node(const Core *core, const char *id)
{
  return id ? g_hash_table_lookup(core->nodes_by_id, id) : NULL;
}
