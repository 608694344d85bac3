/* A resolved Job as JSON, both ways: what the CLI sends, what a revision stores. Keys are the field
 * names of job.h. */
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "model/cron.h"
#include "model/job.h"
#include "model/limit_words.h"
#include "model/spec_json.h"

#include <stddef.h>
#include <string.h>

/* Text members of an agent: key and place. */
static const struct {
  const char *key;
  size_t offset;
} agent_texts[] = {
    {"type", offsetof(AgentSpec, type)},
    {"module", offsetof(AgentSpec, module)},
    {"agent_file", offsetof(AgentSpec, agent_file)},
    {"agent_text", offsetof(AgentSpec, agent_text)},
    {"working_dir", offsetof(AgentSpec, working_dir)},
    {"user", offsetof(AgentSpec, user)},
    {"host", offsetof(AgentSpec, host)},
    {"ssh_user", offsetof(AgentSpec, ssh_user)},
    {"ssh_key", offsetof(AgentSpec, ssh_key)},
    {"python", offsetof(AgentSpec, python)},
    {"workdir", offsetof(AgentSpec, workdir)},
    {"image", offsetof(AgentSpec, image)},
    {"network", offsetof(AgentSpec, network)},
    {"container_name", offsetof(AgentSpec, container_name)},
    {"k8s_namespace", offsetof(AgentSpec, k8s_namespace)},
    {"service_type", offsetof(AgentSpec, service_type)},
};

static char **agent_text_at(const AgentSpec *agent, size_t row)
{
  return (char **)((char *)agent + agent_texts[row].offset);
}

/* What makes a running process of @agent what it is, with @health in place of its own; without its
 * id. */
static void job_write_agent_body(GString *out, const AgentSpec *agent, const HealthSpec *health)
{
  jw_int(out, "kind", agent->kind);
  jw_int(out, "target", agent->target);
  for (size_t i = 0; i < G_N_ELEMENTS(agent_texts); i++)
    if (*agent_text_at(agent, i))
      jw_str(out, agent_texts[i].key, *agent_text_at(agent, i));
  if (agent->command)
    spec_write_strv(out, "command", agent->command);
  jw_int(out, "port", agent->port);
  jw_int(out, "ssh_port", agent->ssh_port);
  spec_write_map(out, "config", &agent->config);
  spec_write_map(out, "environment", &agent->environment);
  spec_write_health(out, health);
  spec_write_restart(out, &agent->restart);
  spec_write_stop(out, &agent->stop);
  spec_write_resources(out, &agent->resources);
}

char *agent_spec_digest_text(const Job *job, const AgentSpec *agent)
{
  GString *out = g_string_new(NULL);
  HealthSpec health = agent->health;
  health.min_healthy_ms = MIN_HEALTHY_UNSET; /* it is about rollouts: what runs is the same */
  jw_open(out, NULL, '{');
  job_write_agent_body(out, agent, &health);
  spec_write_map(out, "job_environment", &job->environment);
  jw_str(out, "virtual_env", strmap_get(&job->caller, "VIRTUAL_ENV"));
  jw_str(out, "directory", job->directory);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

bool agent_spec_same(const Job *a_job, const AgentSpec *a, const Job *b_job, const AgentSpec *b)
{
  if (a == b)
    return true;
  g_autofree char *a_text = agent_spec_digest_text(a_job, a),
                  *b_text = agent_spec_digest_text(b_job, b);
  return strcmp(a_text, b_text) == 0;
}

static void job_write_topology(GString *out, const Topology *topology)
{
  jw_open(out, "topology", '{');
  jw_str(out, "type", topology_type_word(topology->type));
  jw_int(out, "hub", topology->hub);
  jw_bool(out, "is_tree", topology->is_tree);
  jw_open(out, "groups", '[');
  for (guint i = 0; i < topology->groups->len; i++) {
    const GArray *group = topology_group(topology, i);
    jw_open(out, NULL, '[');
    for (guint k = 0; k < group->len; k++)
      jw_int(out, NULL, g_array_index(group, guint, k));
    jw_close(out, ']');
  }
  jw_close(out, ']');
  jw_open(out, "connections", '[');
  for (guint i = 0; i < topology->connections->len; i++) {
    const Connection *edge = &g_array_index(topology->connections, Connection, i);
    jw_int(out, NULL, edge->from);
    jw_int(out, NULL, edge->to);
  }
  jw_close(out, ']');
  jw_close(out, '}');
}

/* Not part of what makes a process: another time needs no restart. */
static void job_write_schedule(GString *out, const ScheduleSpec *schedule)
{
  if (!schedule->set)
    return;
  jw_open(out, "schedule", '{');
  jw_str(out, "cron", schedule->cron);
  jw_int(out, "every_ms", schedule->every_ms);
  jw_str(out, "timezone", schedule->timezone);
  jw_str(out, "tz_rule", schedule->tz_rule);
  jw_int(out, "overlap", schedule->overlap);
  jw_close(out, '}');
}

static void job_write_notify(GString *out, const Job *job)
{
  jw_open(out, "notify", '[');
  for (guint i = 0; i < job->notify->len; i++) {
    const NotifySpec *spec = job->notify->pdata[i];
    jw_open(out, NULL, '{');
    jw_str(out, "url", spec->url);
    jw_int(out, "events", spec->events);
    if (spec->secret)
      jw_str(out, "secret", spec->secret);
    jw_close(out, '}');
  }
  jw_close(out, ']');
}

static char *job_write(const Job *job, bool with_caller)
{
  GString *out = g_string_sized_new(1024 + job->agents->len * 512);
  jw_open(out, NULL, '{');
  jw_str(out, "name", job->name);
  jw_str(out, "version", job->version);
  jw_str(out, "description", job->description);
  jw_open(out, "tags", '[');
  for (guint i = 0; i < job->tags->len; i++)
    jw_str(out, NULL, job->tags->pdata[i]);
  jw_close(out, ']');
  jw_open(out, "agents", '[');
  for (guint i = 0; i < job->agents->len; i++) {
    const AgentSpec *agent = job_agent(job, i);
    jw_open(out, NULL, '{');
    jw_str(out, "id", agent->id);
    jw_int(out, "replicas", agent->replicas);
    job_write_schedule(out, &agent->schedule);
    job_write_agent_body(out, agent, &agent->health);
    jw_close(out, '}');
  }
  jw_close(out, ']');
  job_write_topology(out, &job->topology);
  jw_int(out, "start_order", job->start_order);
  jw_int(out, "on_failure", job->on_failure);
  jw_int(out, "timeout_ms", job->timeout_ms);
  jw_int(out, "max_unavailable", job->update.max_unavailable);
  jw_int(out, "max_surge", job->update.max_surge);
  job_write_notify(out, job);
  jw_bool(out, "parallel", job->parallel);
  jw_str(out, "entry_point", job->entry_point);
  jw_bool(out, "auto_start", job->auto_start);
  spec_write_map(out, "environment", &job->environment);
  if (with_caller)
    spec_write_map(out, "caller", &job->caller);
  jw_str(out, "directory", job->directory);
  jw_open(out, "not_honoured", '[');
  for (guint i = 0; i < job->not_honoured->len; i++)
    jw_str(out, NULL, job->not_honoured->pdata[i]);
  jw_close(out, ']');
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

char *job_to_json(const Job *job)
{
  return job_write(job, true);
}

char *job_digest_text(const Job *job)
{
  return job_write(job, false);
}

static bool job_read_agent_body(const json_t *object, AgentSpec *agent, GError **error)
{
  for (size_t i = 0; i < G_N_ELEMENTS(agent_texts); i++)
    if (!spec_read_text(object, agent_texts[i].key, agent_text_at(agent, i), error))
      return false;
  int64_t kind = agent->kind, target = agent->target, port = agent->port,
          ssh_port = agent->ssh_port, replicas = agent->replicas;
  if (!spec_read_int(object, "kind", AGENT_SERVICE, AGENT_BATCH, &kind, error) ||
      !spec_read_int(object, "target", TARGET_LOCALHOST, TARGET_KUBERNETES, &target, error) ||
      !spec_read_int(object, "port", PORT_AUTO, 65535, &port, error) ||
      !spec_read_int(object, "ssh_port", 1, 65535, &ssh_port, error) ||
      !spec_read_int(object, "replicas", 1, JOB_REPLICAS_MAX, &replicas, error) ||
      !spec_read_strv(object, "command", &agent->command, error) ||
      !spec_read_map(object, "config", &agent->config, error) ||
      !spec_read_environment(object, "environment", &agent->environment, error) ||
      !spec_read_health(object, &agent->health, error) ||
      !spec_read_restart(object, &agent->restart, error) ||
      !spec_read_stop(object, &agent->stop, error) ||
      !spec_read_resources(object, &agent->resources, error))
    return false;
  agent->kind = (AgentKind)kind;
  agent->target = (AgentTarget)target;
  agent->port = (int)port;
  agent->ssh_port = (int)ssh_port;
  agent->replicas = (int)replicas;
  return true;
}

static bool job_read_schedule(const json_t *object, AgentSpec *agent, GError **error)
{
  ScheduleSpec *schedule = &agent->schedule;
  Cron cron;
  Zone zone;
  int64_t overlap = OVERLAP_SKIP;
  if (!object)
    return true;
  if (!json_is_object(object) || agent->kind != AGENT_BATCH || agent->replicas != 1 ||
      agent->port != PORT_NONE)
    return spec_bad(error, "schedule", "an object, of a batch agent with one replica and no port");
  if (!spec_read_text(object, "cron", &schedule->cron, error) ||
      !spec_read_text(object, "timezone", &schedule->timezone, error) ||
      !spec_read_text(object, "tz_rule", &schedule->tz_rule, error) ||
      !spec_read_int(object, "every_ms", 0, INT64_C(31536000000), &schedule->every_ms, error) ||
      !spec_read_int(object, "overlap", OVERLAP_SKIP, OVERLAP_REPLACE, &overlap, error))
    return false;
  if ((schedule->cron != NULL) == (schedule->every_ms >= SCHEDULE_EVERY_MIN_MS))
    return spec_bad(error, "schedule", "exactly one of cron and every_ms, at least 1000");
  if ((schedule->cron && !cron_parse(schedule->cron, &cron, error)) ||
      (schedule->tz_rule && !zone_parse(schedule->tz_rule, &zone, error)))
    return false;
  schedule->overlap = (ScheduleOverlap)overlap;
  schedule->set = true;
  return true;
}

/* A name, exactly one way to run, a port that the probe can ask, and a port range that exists. */
static bool job_check_agent(const AgentSpec *agent, GError **error)
{
  if (!text_is_name(agent->id))
    return spec_bad(error, "agents[].id",
                    "1 to 64 characters of A-Z a-z 0-9 . _ -, beginning with a letter or digit");
  if ((agent->health.kind == HEALTH_HTTP || agent->health.kind == HEALTH_TCP) &&
      agent->port == PORT_NONE)
    return spec_bad(error, "port", "one, since the agent is probed by http or tcp");
  int ways =
      (agent->module != NULL) + (agent->command && agent->command[0]) + (agent->agent_file != NULL);
  if (ways != 1) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "agent '%s': wanted exactly one of module, command, agent_file", agent->id);
    return false;
  }
  if (agent->port > 0 && agent->port + agent->replicas - 1 > 65535) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "agent '%s': port of the last replica is above 65535", agent->id);
    return false;
  }
  return true;
}

static bool job_read_agents(const json_t *list, Job *job, GError **error)
{
  if (!json_is_array(list) || json_array_size(list) == 0)
    return spec_bad(error, "agents", "a list of agents");
  if (!limit_require(LIMIT_JOB_AGENTS, (int64_t)json_array_size(list), "'agents'", error))
    return false;
  size_t i;
  json_t *item;
  json_array_foreach(list, i, item)
  {
    const char *id = jget_str(item, "id", NULL);
    if (!id || !id[0])
      return spec_bad(error, "agents[].id", "text");
    AgentSpec *agent = agent_spec_new(id);
    if (!job_read_agent_body(item, agent, error) ||
        !job_read_schedule(json_object_get(item, "schedule"), agent, error) ||
        !job_check_agent(agent, error)) {
      agent_spec_free(agent);
      return false;
    }
    if (!job_add_agent(job, agent)) {
      agent_spec_free(agent);
      g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "duplicate agent id '%s'", id);
      return false;
    }
  }
  return true;
}

/* Reads @list of agent indices into @out; every one must exist. */
static bool job_read_indices(const json_t *list, guint agents, GArray *out, GError **error)
{
  if (!json_is_array(list))
    return spec_bad(error, "topology", "lists of agent numbers");
  size_t i;
  json_t *item;
  json_array_foreach(list, i, item)
  {
    if (!json_is_integer(item) || json_integer_value(item) < 0 ||
        json_integer_value(item) >= (json_int_t)agents)
      return spec_bad(error, "topology", "numbers of existing agents");
    guint index = (guint)json_integer_value(item);
    g_array_append_val(out, index);
  }
  return true;
}

static bool job_read_topology(const json_t *object, Job *job, GError **error)
{
  Topology *topology = &job->topology;
  int type = topology_type_parse(jget_str(object, "type", NULL));
  if (type < 0)
    return spec_bad(error, "topology.type",
                    "hub-spoke, pipeline, dag, mesh, hierarchical or dynamic");
  int64_t hub = -1;
  if (!spec_read_int(object, "hub", -1, (int64_t)job->agents->len - 1, &hub, error))
    return false;
  topology->type = (TopologyType)type;
  topology->hub = (gint)hub;
  topology->is_tree = jget_flag(object, "is_tree", false);
  if ((type == TOPOLOGY_HUB_SPOKE || type == TOPOLOGY_HIERARCHICAL) && hub < 0)
    return spec_bad(error, "topology.hub", "the number of an agent");
  size_t i;
  json_t *item;
  json_array_foreach(json_object_get(object, "groups"), i, item)
  {
    g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint));
    if (!job_read_indices(item, job->agents->len, members, error))
      return false;
    topology_add_group(topology, (const guint *)(void *)members->data, members->len);
  }
  if ((type == TOPOLOGY_HUB_SPOKE || type == TOPOLOGY_MESH) && topology->groups->len != 1)
    return spec_bad(error, "topology.groups", "one group");
  g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(guint));
  const json_t *connections = json_object_get(object, "connections");
  if (connections && !job_read_indices(connections, job->agents->len, ends, error))
    return false;
  for (guint k = 0; k + 1 < ends->len; k += 2) {
    Connection edge = {.from = g_array_index(ends, guint, k),
                       .to = g_array_index(ends, guint, k + 1)};
    g_array_append_val(topology->connections, edge);
  }
  return true;
}

static bool job_read_texts(const json_t *list, GPtrArray *out, const char *key, GError **error)
{
  size_t i;
  json_t *item;
  json_array_foreach(list, i, item)
  {
    if (!json_is_string(item))
      return spec_bad(error, key, "a list of texts");
    g_ptr_array_add(out, g_strdup(json_string_value(item)));
  }
  return true;
}

static bool job_read_notify(const json_t *list, Job *job, GError **error)
{
  size_t i;
  json_t *item;
  if (!limit_require(LIMIT_JOB_NOTIFY, (int64_t)json_array_size(list), "'notify'", error))
    return false;
  json_array_foreach(list, i, item)
  {
    const char *url = jget_str(item, "url", NULL);
    int64_t events = (1 << NOTIFY_EVENT_N) - 1;
    if (!url || (!g_str_has_prefix(url, "http://") && !g_str_has_prefix(url, "https://")))
      return spec_bad(error, "notify[].url", "a URL with http or https");
    const char *secret = jget_str(item, "secret", NULL);
    if (secret && !text_is_name(secret))
      return spec_bad(error, "notify[].secret", "the name of a secret");
    if (!spec_read_int(item, "events", 1, events, &events, error))
      return false;
    NotifySpec *spec = notify_spec_new(url);
    spec->secret = g_strdup(secret);
    spec->events = (unsigned)events;
    g_ptr_array_add(job->notify, spec);
  }
  return true;
}

static bool job_read_settings(const json_t *object, Job *job, GError **error)
{
  int64_t order = START_TOPOLOGY, on_failure = ON_FAILURE_ROLLBACK;
  int64_t unavailable = job->update.max_unavailable, surge = job->update.max_surge;
  if (!spec_read_text(object, "version", &job->version, error) ||
      !spec_read_text(object, "description", &job->description, error) ||
      !spec_read_int(object, "start_order", START_TOPOLOGY, START_CALLEES_FIRST, &order, error) ||
      !spec_read_int(object, "on_failure", ON_FAILURE_ROLLBACK, ON_FAILURE_KEEP, &on_failure,
                     error) ||
      !spec_read_int(object, "timeout_ms", 1, INT64_C(31536000000), &job->timeout_ms, error) ||
      !spec_read_int(object, "max_unavailable", 1, JOB_REPLICAS_MAX, &unavailable, error) ||
      !spec_read_int(object, "max_surge", 0, JOB_REPLICAS_MAX, &surge, error) ||
      !spec_read_text(object, "entry_point", &job->entry_point, error) ||
      !spec_read_text(object, "directory", &job->directory, error) ||
      !spec_read_environment(object, "environment", &job->environment, error) ||
      !spec_read_map(object, "caller", &job->caller, error) ||
      !job_read_notify(json_object_get(object, "notify"), job, error) ||
      !job_read_texts(json_object_get(object, "tags"), job->tags, "tags", error) ||
      !job_read_texts(json_object_get(object, "not_honoured"), job->not_honoured, "not_honoured",
                      error))
    return false;
  job->start_order = (StartOrder)order;
  job->on_failure = (FailurePolicy)on_failure;
  job->update = (UpdateSpec){.max_unavailable = (int)unavailable, .max_surge = (int)surge};
  job->parallel = jget_flag(object, "parallel", false);
  job->auto_start = jget_flag(object, "auto_start", false);
  if (job->entry_point && job_find_agent(job, job->entry_point) < 0)
    return spec_bad(error, "entry_point", "the id of an agent");
  return true;
}

Job *job_from_object(const struct json_t *object, GError **error)
{
  g_autoptr(Job) job = job_new();
  bool ok = json_is_object(object) || spec_bad(error, "job", "an object");
  ok = ok && spec_read_text(object, "name", &job->name, error);
  ok = ok && (job->name || spec_bad(error, "name", "text"));
  ok = ok && job_read_agents(json_object_get(object, "agents"), job, error);
  ok = ok && job_read_topology(json_object_get(object, "topology"), job, error);
  ok = ok && job_read_settings(object, job, error);
  return ok ? g_steal_pointer(&job) : NULL;
}

Job *job_from_json(const char *text, size_t length, GError **error)
{
  json_t *object = json_parse(text, length, error);
  if (!object)
    return NULL;
  Job *job = job_from_object(object, error);
  json_decref(object);
  return job;
}
