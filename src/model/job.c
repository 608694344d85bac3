/* Construction, look-up and the words of a Job; its JSON is in job_json.c. */
#include "model/job.h"

#include <signal.h>

enum { PORT_NUMBER_MAX = 65535 };

static void job_group_free(gpointer data)
{
  g_array_unref(data);
}

static void job_agent_free(gpointer data)
{
  agent_spec_free(data);
}

static void notify_spec_free(gpointer data)
{
  NotifySpec *spec = data;
  g_free(spec->url);
  g_free(spec->secret);
  g_free(spec);
}

NotifySpec *notify_spec_new(const char *url)
{
  NotifySpec *spec = g_new0(NotifySpec, 1);
  spec->url = g_strdup(url);
  spec->events = (1u << NOTIFY_EVENT_N) - 1;
  return spec;
}

Job *job_new(void)
{
  Job *job = g_new0(Job, 1);
  job->tags = g_ptr_array_new_with_free_func(g_free);
  job->agents = g_ptr_array_new_with_free_func(job_agent_free);
  job->index = g_hash_table_new(g_str_hash, g_str_equal);
  job->topology.type = TOPOLOGY_DYNAMIC;
  job->topology.hub = -1;
  job->topology.groups = g_array_new(FALSE, FALSE, sizeof(GArray *));
  job->topology.connections = g_array_new(FALSE, FALSE, sizeof(Connection));
  job->timeout_ms = 60000;
  job->update = (UpdateSpec){.max_unavailable = 1, .max_surge = 1};
  job->notify = g_ptr_array_new_with_free_func(notify_spec_free);
  job->not_honoured = g_ptr_array_new_with_free_func(g_free);
  strmap_init(&job->environment);
  strmap_init(&job->caller);
  return job;
}

void job_free(Job *job)
{
  if (!job)
    return;
  for (guint i = 0; i < job->topology.groups->len; i++)
    job_group_free(g_array_index(job->topology.groups, GArray *, i));
  g_array_unref(job->topology.groups);
  g_array_unref(job->topology.connections);
  g_hash_table_unref(job->index);
  g_ptr_array_unref(job->agents);
  g_ptr_array_unref(job->tags);
  g_ptr_array_unref(job->not_honoured);
  g_ptr_array_unref(job->notify);
  strmap_done(&job->environment);
  strmap_done(&job->caller);
  g_free(job->name);
  g_free(job->version);
  g_free(job->description);
  g_free(job->entry_point);
  g_free(job->directory);
  g_free(job);
}

AgentSpec *agent_spec_new(const char *id)
{
  AgentSpec *agent = g_new0(AgentSpec, 1);
  agent->id = g_strdup(id);
  agent->replicas = 1;
  agent->ssh_port = 22;
  agent->health = (HealthSpec){.kind = HEALTH_DISCOVER,
                               .interval_ms = 30000,
                               .timeout_ms = 5000,
                               .retries = 3,
                               .min_healthy_ms = MIN_HEALTHY_UNSET};
  agent->restart = (RestartSpec){.policy = RESTART_ON_FAILURE,
                                 .max = 3,
                                 .delay_ms = 1000,
                                 .max_delay_ms = 60000,
                                 .stable_ms = 60000};
  agent->stop = (StopSpec){.signal = SIGTERM, .grace_ms = 10000};
  strmap_init(&agent->config);
  strmap_init(&agent->environment);
  return agent;
}

void agent_spec_free(AgentSpec *agent)
{
  if (!agent)
    return;
  char *texts[] = {agent->id,
                   agent->type,
                   agent->module,
                   agent->agent_file,
                   agent->agent_text,
                   agent->working_dir,
                   agent->user,
                   agent->host,
                   agent->ssh_user,
                   agent->ssh_key,
                   agent->python,
                   agent->workdir,
                   agent->image,
                   agent->network,
                   agent->container_name,
                   agent->k8s_namespace,
                   agent->service_type,
                   agent->health.path,
                   agent->schedule.cron,
                   agent->schedule.timezone,
                   agent->schedule.tz_rule};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  g_strfreev(agent->command);
  g_strfreev(agent->health.argv);
  strmap_done(&agent->config);
  strmap_done(&agent->environment);
  g_free(agent);
}

bool job_add_agent(Job *job, AgentSpec *agent)
{
  if (g_hash_table_contains(job->index, agent->id))
    return false;
  g_ptr_array_add(job->agents, agent);
  g_hash_table_insert(job->index, agent->id, GUINT_TO_POINTER(job->agents->len));
  return true;
}

int job_find_agent(const Job *job, const char *id)
{
  return id ? (int)GPOINTER_TO_UINT(g_hash_table_lookup(job->index, id)) - 1 : -1;
}

const AgentSpec *job_agent(const Job *job, guint index)
{
  g_assert(index < job->agents->len);
  return job->agents->pdata[index];
}

char *slot_key(const char *agent, int replica)
{
  return g_strdup_printf("%s/%d", agent, replica);
}

const AgentSpec *job_agent_named(const Job *job, const char *id)
{
  int index = job_find_agent(job, id);
  return index < 0 ? NULL : job_agent(job, (guint)index);
}

bool job_take_ports(const Job *job, guint index, GHashTable *taken, PortClash *clash)
{
  const AgentSpec *agent = job_agent(job, index);
  for (int replica = 0; agent->port > 0 && replica < agent->replicas; replica++) {
    int port = agent->port + replica;
    const char *other = g_hash_table_lookup(taken, GINT_TO_POINTER(port));
    if (other || port > PORT_NUMBER_MAX) {
      *clash = (PortClash){.replica = replica, .port = port, .other = other};
      return false;
    }
    g_hash_table_insert(taken, GINT_TO_POINTER(port), agent->id);
  }
  return true;
}

const char *job_entry_agent(const Job *job)
{
  if (job->entry_point)
    return job->entry_point;
  int hub = job->topology.hub;
  if (hub >= 0 && job_agent(job, (guint)hub)->port != PORT_NONE)
    return job_agent(job, (guint)hub)->id;
  for (guint i = 0; i < job->agents->len; i++)
    if (job_agent(job, i)->port != PORT_NONE)
      return job_agent(job, i)->id;
  return NULL;
}

bool job_has_registry(const Job *job)
{
  if (job->topology.type != TOPOLOGY_DYNAMIC || job->agents->len < 2)
    return false;
  bool port = false;
  for (guint i = 0; i < job->agents->len && !port; i++)
    port = job_agent(job, i)->port != PORT_NONE;
  return port;
}

void topology_add_group(Topology *topology, const guint *members, guint n)
{
  GArray *group = g_array_sized_new(FALSE, FALSE, sizeof(guint), n);
  if (n)
    g_array_append_vals(group, members, n);
  g_array_append_val(topology->groups, group);
}

const GArray *topology_group(const Topology *topology, guint i)
{
  g_assert(i < topology->groups->len);
  return g_array_index(topology->groups, GArray *, i);
}

static const char *const topology_words[] = {"hub-spoke", "pipeline",     "dag",
                                             "mesh",      "hierarchical", "dynamic"};

const char *topology_type_word(TopologyType type)
{
  g_assert((size_t)type < G_N_ELEMENTS(topology_words));
  return topology_words[type];
}

int topology_type_parse(const char *word)
{
  for (size_t i = 0; i < G_N_ELEMENTS(topology_words); i++)
    if (g_strcmp0(word, topology_words[i]) == 0)
      return (int)i;
  return -1;
}

char *job_config_variable(const char *key)
{
  char *variable = g_strconcat("AGENT_", key, NULL);
  for (char *p = variable; *p; p++)
    *p = g_ascii_isalnum(*p) ? g_ascii_toupper(*p) : '_';
  return variable;
}

const char *agent_target_word(AgentTarget target)
{
  static const char *const words[] = {"localhost", "remote", "container", "kubernetes"};
  g_assert((size_t)target < G_N_ELEMENTS(words));
  return words[target];
}

const char *restart_policy_word(RestartPolicy policy)
{
  static const char *const words[] = {"never", "on-failure", "always"};
  g_assert((size_t)policy < G_N_ELEMENTS(words));
  return words[policy];
}

const char *notify_event_word(NotifyEvent event)
{
  static const char *const words[] = {
      [NOTIFY_FAILED] = "failed", [NOTIFY_DEGRADED] = "degraded", [NOTIFY_RECOVERED] = "recovered"};
  return words[event];
}

const char *schedule_overlap_word(ScheduleOverlap overlap)
{
  static const char *const words[] = {
      [OVERLAP_SKIP] = "skip", [OVERLAP_QUEUE] = "queue", [OVERLAP_REPLACE] = "replace"};
  return words[overlap];
}

bool agent_is_probed(const AgentSpec *agent)
{
  if (agent->kind == AGENT_BATCH || agent->health.kind == HEALTH_NONE)
    return false;
  return agent->health.kind != HEALTH_DISCOVER || agent->port != PORT_NONE;
}

int64_t agent_min_healthy_ms(const AgentSpec *agent, bool replaces)
{
  if (agent->kind == AGENT_BATCH)
    return 0;
  if (agent->health.min_healthy_ms != MIN_HEALTHY_UNSET)
    return agent->health.min_healthy_ms;
  if (agent_is_probed(agent))
    return 0;
  return replaces ? MIN_HEALTHY_UPDATE_MS : MIN_HEALTHY_FIRST_MS;
}

int64_t restart_delay_ms(const RestartSpec *restart, int restarts)
{
  int64_t delay = restart->delay_ms;
  for (int i = 1; i < restarts && delay < restart->max_delay_ms; i++)
    delay *= 2;
  return MIN(delay, restart->max_delay_ms);
}
