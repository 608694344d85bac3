/* Construction, look-up and order of the core's objects; see objects.h. */
#include "core/build.h"

#include "base/order.h"

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
  g_free(revision->hosts);
  g_free(revision->source_name);
  g_clear_pointer(&revision->source, g_ref_string_release);
  g_clear_pointer(&revision->job_json, g_ref_string_release);
  g_free(revision->actor);
  g_free(revision->cause);
  g_free(revision);
}

void registration_free(Registration *registration)
{
  if (!registration)
    return;
  g_free(registration->said);
  g_free(registration);
}

void instance_free(Instance *instance)
{
  char *texts[] = {instance->reason, instance->observed_reason, instance->output,
                   instance->unenforced};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  registration_free(instance->registration);
  if (instance->agent != instance->short_agent)
    g_free(instance->agent);
  pool_give_back(&instance->deployment->slot_pool, instance);
}

Reserve *reserve_new(Rollout *rollout, NodeObject *node, int64_t request)
{
  Reserve *reserve = g_new0(Reserve, 1);
  *reserve = (Reserve){.rollout = rollout, .node = node, .request = request, .fresh = true};
  g_ptr_array_add(rollout->reserves, reserve);
  g_hash_table_add(node->reserves, reserve);
  return reserve;
}

static void reserve_free(gpointer data)
{
  Reserve *reserve = data;
  g_hash_table_remove(reserve->node->reserves, reserve);
  g_free(reserve);
}

static void rollout_free(gpointer data)
{
  Rollout *rollout = data;
  g_ptr_array_unref(rollout->reserves);
  g_ptr_array_unref(rollout->leaving);
  g_free(rollout->cause);
  g_free(rollout->actor);
  g_free(rollout->failed);
  g_free(rollout->agent);
  g_free(rollout);
}

static guint slot_hash(gconstpointer key)
{
  const Instance *instance = key;
  return g_str_hash(instance->agent) * 33 + (guint)instance->replica;
}

static gboolean slot_equal(gconstpointer a, gconstpointer b)
{
  const Instance *x = a, *y = b;
  return x->replica == y->replica && strcmp(x->agent, y->agent) == 0;
}

Deployment *deployment_new(const char *id, const char *name)
{
  Deployment *deployment = g_new0(Deployment, 1);
  g_strlcpy(deployment->id, id, sizeof deployment->id);
  deployment->name = g_strdup(name);
  deployment->settled = deployment->status = DEPLOYMENT_STOPPED;
  deployment->revisions = g_ptr_array_new_with_free_func(revision_free);
  deployment->rollouts = g_ptr_array_new_with_free_func(rollout_free);
  pool_init(&deployment->slot_pool, sizeof(Instance));
  deployment->instances = g_ptr_array_new();
  deployment->schedules = g_ptr_array_new_with_free_func((GDestroyNotify)schedule_free);
  deployment->nodes = g_hash_table_new(NULL, NULL);
  deployment->slots = g_hash_table_new(slot_hash, slot_equal);
  return deployment;
}

void deployment_free(Deployment *deployment)
{
  if (!deployment)
    return;
  g_hash_table_unref(deployment->slots);
  g_hash_table_unref(deployment->nodes);
  for (guint i = 0; i < deployment->instances->len; i++)
    instance_free(deployment->instances->pdata[i]);
  g_ptr_array_unref(deployment->instances);
  pool_done(&deployment->slot_pool);
  g_ptr_array_unref(deployment->schedules);
  g_ptr_array_unref(deployment->rollouts);
  g_ptr_array_unref(deployment->revisions);
  g_free(deployment->name);
  g_free(deployment->reason);
  g_free(deployment->unreadable);
  g_free(deployment);
}

int instance_order(const Instance *a, const Instance *b)
{
  int order = a->deployment == b->deployment ? 0 : strcmp(a->deployment->name, b->deployment->name);
  if (!order)
    order = a->stage - b->stage;
  return order ? order : strcmp(a->id, b->id);
}

static gint instance_compare(gconstpointer a, gconstpointer b)
{
  return instance_order(*(Instance *const *)a, *(Instance *const *)b);
}

void deployment_sort(Deployment *deployment)
{
  order_sort(deployment->instances, instance_compare);
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
  g_clear_pointer(&revision->hosts, g_free);
  revision->grace_end_ms = 0;
}

const AgentSpec *revision_agent(const Deployment *deployment, int number, const char *id)
{
  const Revision *revision = revision_find(deployment, number);
  const Job *job = revision_job(revision);
  return job ? job_agent_named(job, id) : NULL;
}

const char *revision_hosts(const Revision *revision)
{
  const Job *job = revision_job(revision);
  Revision *cache = (Revision *)(uintptr_t)revision;
  if (revision->hosts)
    return revision->hosts;
  GString *hosts = g_string_new("localhost,127.0.0.1");
  for (guint i = 0; i < job->agents->len; i++) {
    const AgentSpec *agent = job_agent(job, i);
    if (agent->target == TARGET_REMOTE && agent->host && !strstr(hosts->str, agent->host))
      g_string_append_printf(hosts, ",%s", agent->host);
  }
  return cache->hosts = g_string_free(hosts, FALSE);
}

int64_t revision_grace_ms(const Revision *revision)
{
  const Job *job = revision_job(revision);
  Revision *cache = (Revision *)(uintptr_t)revision;
  int64_t longest_ms = 0;
  for (guint i = 0; i < job->agents->len && !revision->grace_end_ms; i++)
    longest_ms = MAX(longest_ms, job_agent(job, i)->stop.grace_ms);
  if (!revision->grace_end_ms)
    cache->grace_end_ms = longest_ms + 1;
  return revision->grace_end_ms - 1;
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
  Instance *instance = pool_new(&deployment->slot_pool);
  g_strlcpy(instance->id, id, sizeof instance->id);
  instance->deployment = deployment;
  bool fits = g_strlcpy(instance->short_agent, agent, sizeof instance->short_agent) <
              sizeof instance->short_agent;
  instance->agent = fits ? instance->short_agent : g_strdup(agent);
  instance->replica = replica;
  instance->last_exit.code = -1;
  g_ptr_array_add(deployment->instances, instance);
  g_hash_table_add(deployment->slots, instance);
  return instance;
}

Instance *deployment_slot(const Deployment *deployment, const char *agent, int replica)
{
  const Instance key = {.agent = (char *)(uintptr_t)agent, .replica = replica};
  return g_hash_table_lookup(deployment->slots, &key);
}

/* ---- what processes have ---- */

bool instance_live(const Instance *instance)
{
  static const bool live[INSTANCE_N] = {
      [INSTANCE_PENDING] = true, [INSTANCE_STARTING] = true, [INSTANCE_RUNNING] = true,
      [INSTANCE_BACKOFF] = true, [INSTANCE_STOPPING] = true, [INSTANCE_LOST] = true};
  InstanceState state = instance->state == INSTANCE_LOST ? instance->told_state : instance->state;
  return instance->sight.seen_generation > 0 && live[state];
}

void instance_unlist_port(Instance *instance)
{
  if (!instance->live_at)
    return;
  GHashTable *live = instance->live_at->live;
  gpointer key = GINT_TO_POINTER(instance->live_port);
  Instance *first = g_hash_table_lookup(live, key), **link = &first;
  while (*link != instance)
    link = &(*link)->live_next;
  *link = instance->live_next;
  if (first)
    g_hash_table_insert(live, key, first);
  else
    g_hash_table_remove(live, key);
  instance->live_at = NULL;
  instance->live_next = NULL;
}

Rollout *rollout_new(Deployment *deployment, const char *id, RolloutKind kind)
{
  Rollout *rollout = g_new0(Rollout, 1);
  g_strlcpy(rollout->id, id, sizeof rollout->id);
  rollout->deployment = deployment;
  rollout->reserves = g_ptr_array_new_with_free_func(reserve_free);
  rollout->leaving = g_ptr_array_new();
  rollout->kind = kind;
  rollout->outcome = OUTCOME_OPEN;
  rollout->verdict = OUTCOME_SUCCEEDED;
  rollout->deadline_boot_ms = rollout->settle_boot_ms = INT64_MAX;
  g_ptr_array_add(deployment->rollouts, rollout);
  return rollout;
}

bool rollout_is_open(const Rollout *rollout)
{
  return rollout->phase != ROLLOUT_PHASE_DONE;
}

bool deployment_changes(const Deployment *deployment)
{
  return deployment->rollout && rollout_is_open(deployment->rollout);
}

const char *deployment_reason(const Deployment *deployment)
{
  return deployment->unreadable ? deployment->unreadable : deployment->reason;
}

int deployment_base(const Deployment *deployment)
{
  bool runs = deployment->settled == DEPLOYMENT_RUNNING;
  for (guint i = 0; i < deployment->instances->len && !runs; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    runs =
        deployment->settled == DEPLOYMENT_FAILED && instance->desired_running && !instance->outcome;
  }
  return runs ? deployment->revision : 0;
}

/* While the present revision runs, an earlier one; when it does not, it may be that one. */
int deployment_previous(const Deployment *deployment)
{
  int last =
      deployment->settled == DEPLOYMENT_FAILED ? deployment->revision : deployment->revision - 1;
  for (guint i = deployment->rollouts->len; i > 0; i--) {
    const Rollout *rollout = deployment->rollouts->pdata[i - 1];
    if (rollout->outcome == OUTCOME_SUCCEEDED && rollout->to > 0 && rollout->to <= last &&
        revision_find(deployment, rollout->to))
      return rollout->to;
  }
  return 0;
}

char *deployment_way_up(const Deployment *deployment)
{
  const Revision *last = deployment_last_revision(deployment);
  const char *from = last && last->source_name && last->source_name[0] ? last->source_name : "FILE";
  /* no job may be called so */
  bool agent_file = g_str_has_suffix(from, "/agent.toml") || g_str_has_suffix(from, "/agent.json");
  return agent_file ? g_strdup_printf("reeve deploy %s", deployment->name)
                    : g_strdup_printf("reeve up %s", from);
}

/* ---- schedules ---- */

static void schedule_run_free(gpointer data)
{
  ScheduleRun *run = data;
  g_free(run->outcome);
  g_free(run->reason);
  g_free(run->actor);
  g_free(run);
}

Schedule *schedule_new(Deployment *deployment, const char *id, const char *agent)
{
  Schedule *schedule = g_new0(Schedule, 1);
  g_strlcpy(schedule->id, id, sizeof schedule->id);
  schedule->deployment = deployment;
  schedule->agent = g_strdup(agent);
  schedule->runs = g_ptr_array_new_with_free_func(schedule_run_free);
  schedule->next_at_ms = schedule->every_boot_ms = INT64_MAX;
  g_ptr_array_add(deployment->schedules, schedule);
  return schedule;
}

void schedule_free(Schedule *schedule)
{
  g_ptr_array_unref(schedule->runs);
  g_free(schedule->agent);
  g_free(schedule->spec);
  g_free(schedule);
}

ScheduleRun *schedule_add_run(Schedule *schedule, const char *id)
{
  ScheduleRun *run = g_new0(ScheduleRun, 1);
  g_strlcpy(run->id, id, sizeof run->id);
  run->schedule = schedule;
  g_ptr_array_add(schedule->runs, run);
  return run;
}

const ScheduleSpec *schedule_spec(const Schedule *schedule)
{
  const AgentSpec *agent =
      revision_agent(schedule->deployment, schedule->deployment->revision, schedule->agent);
  return agent && agent->schedule.set ? &agent->schedule : NULL;
}

bool instance_is_scheduled(const Instance *instance)
{
  const AgentSpec *agent =
      revision_agent(instance->deployment, instance->revision, instance->agent);
  return agent && agent->schedule.set;
}

/* ---- nodes, and what belongs to nothing ---- */

NodeObject *node_object_new(const char *id)
{
  NodeObject *node = g_new0(NodeObject, 1);
  node->id = g_strdup(id);
  node->status = NODE_SILENT;
  node->instances = g_ptr_array_new();
  node->live = g_hash_table_new(NULL, NULL);
  node->outbox = g_ptr_array_new();
  node->reserves = g_hash_table_new(NULL, NULL);
  node->unknown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return node;
}

void node_object_free(NodeObject *node)
{
  g_ptr_array_unref(node->instances);
  g_hash_table_unref(node->live);
  g_ptr_array_unref(node->outbox);
  g_hash_table_unref(node->reserves);
  g_hash_table_unref(node->unknown);
  g_free(node->problem);
  g_free(node->id);
  g_free(node->name);
  g_free(node->boot_id);
  g_free(node->incarnation);
  g_free(node->cgroups);
  g_free(node->unenforced);
  g_free(node);
}

const char *notice_told(const char *word)
{
  static const char *const told[] = {"failed", "degraded"};
  for (size_t i = 0; i < G_N_ELEMENTS(told); i++)
    if (g_strcmp0(word, told[i]) == 0)
      return told[i];
  return NULL;
}

void token_free(Token *token)
{
  g_free(token->name);
  g_free(token->hash);
  g_free(token->actor);
  g_free(token);
}

void secret_free(Secret *secret)
{
  g_free(secret->name);
  g_free(secret->sealed);
  g_free(secret->actor);
  g_free(secret);
}

void notice_free(Notice *notice)
{
  g_free(notice->deployment);
  g_free(notice->url);
  g_free(notice->event);
  g_free(notice->body);
  g_free(notice);
}
