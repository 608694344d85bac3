/* Owns what only a whole job shows to be too large: how much its agents are given, which depends on
 * who is connected with whom. Counted, not built: text that is the same for many is measured once,
 * so that a mesh costs its edges and not their bytes. Every number is what the agent is given at
 * most: automatic ports have five digits. */
#include "plan/plan.h"

#include "base/json.h"
#include "model/limit_words.h"

#include <string.h>

/* Bytes of a list of variables. */
typedef struct Size {
  int64_t n;    /* variables */
  int64_t text; /* as the kernel counts them: "NAME=value" and the end of each */
  int64_t json; /* as they stand in a frame */
} Size;

enum { START_BYTES_REST = 600 }; /* of a start: ids, directory, numbers, what Reeve itself sets */

typedef struct Measure {
  const Plan *plan;
  const Job *job;
  Problems *problems;
  GString *scratch;
  GHashTable *common; /* names of @all -> their Size, owned */
  Size all;           /* what every agent is given: of the caller and the job */
  /* per agent: what CONNECTED_AGENTS and the peers file of another one say of it, in bytes */
  gint64 *urls, *peers;
  int64_t starts; /* bytes to start all instances that were looked at */
  /* the agents whose URLs were counted last, and what came out: groups share one list */
  PlanCallees callees;
  int64_t callees_urls, callees_peers;
} Measure;

static int measure_port(guint agent, int replica, void *data)
{
  int port = plan_declared_port(data, agent, replica);
  return port == PORT_AUTO ? 65535 : port;
}

/* Bytes of @text as a JSON text; 0 of NULL. */
static int64_t measure_json(Measure *measure, const char *text)
{
  if (!text)
    return 0;
  g_string_truncate(measure->scratch, 0);
  jw_quote(measure->scratch, text, strlen(text));
  return (int64_t)measure->scratch->len + 1;
}

/* The size of one variable; a problem at @pos when the kernel would not take it. */
static Size measure_variable(Measure *measure, SourcePos pos, const char *of, const char *name,
                             const char *value)
{
  size_t text = strlen(name) + 1 + strlen(value);
  limit_holds(LIMIT_AGENT_TEXT_BYTES, (int64_t)text, measure->problems, pos, "%s: variable '%s'",
              of, name);
  return (Size){1, (int64_t)text + 1, measure_json(measure, name) + measure_json(measure, value)};
}

/* Adds @size of the variable @name to @sum, in the place of what every agent is given by this
 * name. */
static void size_add(const Measure *measure, Size *sum, const char *name, Size size)
{
  const Size *hidden = g_hash_table_lookup(measure->common, name);
  sum->n += size.n - (hidden ? hidden->n : 0);
  sum->text += size.text - (hidden ? hidden->text : 0);
  sum->json += size.json - (hidden ? hidden->json : 0);
}

/* What every agent is given; the job's own variables hide those of the caller. */
static void measure_common(Measure *measure)
{
  const StrMap *maps[] = {&measure->job->caller, &measure->job->environment};
  SourcePos pos = {.file = job_agent(measure->job, 0)->pos.file, .line = 1, .column = 1};
  if (!pos.file)
    pos = (SourcePos){0};
  for (guint m = 0; m < G_N_ELEMENTS(maps); m++)
    for (guint i = 0; i < strmap_size(maps[m]); i++) {
      const StrPair *pair = strmap_at(maps[m], i);
      Size size = measure_variable(measure, pos, "'environment'", pair->key, pair->value);
      size_add(measure, &measure->all, pair->key, size);
      g_hash_table_replace(measure->common, pair->key, g_memdup2(&size, sizeof size));
    }
}

/* What others are told of each agent. */
static void measure_peers(Measure *measure)
{
  for (guint i = 0; i < measure->job->agents->len; i++) {
    g_autoptr(GString) peer = g_string_new(NULL);
    plan_peer_json(measure->plan, i, measure_port, (void *)(uintptr_t)measure->job, peer);
    measure->peers[i] = measure_json(measure, peer->str);
    for (int replica = 0; replica < job_agent(measure->job, i)->replicas; replica++) {
      int port = measure_port(i, replica, (void *)(uintptr_t)measure->job);
      g_autofree char *url = plan_url(measure->job, i, port);
      measure->urls[i] += url ? (int64_t)strlen(url) + 1 : 0;
    }
  }
}

static void measure_callees(Measure *measure, guint agent)
{
  PlanCallees callees = measure->plan->connections[agent];
  g_assert(callees.agents || !callees.n);
  if (callees.n && callees.agents == measure->callees.agents && callees.n == measure->callees.n)
    return;
  measure->callees = callees;
  measure->callees_urls = measure->callees_peers = 0;
  for (guint i = 0; i < callees.n; i++) {
    measure->callees_urls += measure->urls[callees.agents[i]];
    measure->callees_peers += measure->peers[callees.agents[i]];
  }
}

/* The variables of @agent, whose callees were measured; a problem for each that is too long. */
static Size measure_environment(Measure *measure, const AgentSpec *agent)
{
  static const char urls[] = "CONNECTED_AGENTS";
  g_autofree char *of = g_strdup_printf("agent '%s'", agent->id);
  Size sum = measure->all;
  for (guint i = 0; i < strmap_size(&agent->config); i++) {
    const StrPair *pair = strmap_at(&agent->config, i);
    g_autofree char *name = job_config_variable(pair->key);
    size_add(measure, &sum, name, measure_variable(measure, agent->pos, of, name, pair->value));
  }
  if (measure->callees_urls && !strmap_has(&agent->environment, urls)) {
    int64_t text = (int64_t)strlen(urls) + measure->callees_urls; /* one comma less, one '=' */
    limit_holds(LIMIT_AGENT_TEXT_BYTES, text, measure->problems, agent->pos, "%s: variable '%s'",
                of, urls);
    size_add(measure, &sum, urls, (Size){1, text + 1, text + 4});
  }
  for (guint i = 0; i < strmap_size(&agent->environment); i++) {
    const StrPair *pair = strmap_at(&agent->environment, i);
    size_add(measure, &sum, pair->key,
             measure_variable(measure, agent->pos, of, pair->key, pair->value));
  }
  return sum;
}

/* Adds the words of @argv, which is @what of @agent, to @text and @json. False after a problem. */
static bool measure_words(Measure *measure, const AgentSpec *agent, char *const *argv,
                          const char *what, int64_t *text, int64_t *json)
{
  bool fits = true;
  int n = 0;
  for (; argv && argv[n] && fits; n++) {
    int64_t bytes = (int64_t)strlen(argv[n]);
    fits = limit_holds(LIMIT_AGENT_TEXT_BYTES, bytes, measure->problems, agent->pos,
                       "agent '%s': word %d of '%s'", agent->id, n + 1, what);
    *text += bytes + 1;
    *json += measure_json(measure, argv[n]);
  }
  return fits && limit_holds(LIMIT_AGENT_WORDS, n, measure->problems, agent->pos,
                             "agent '%s': '%s'", agent->id, what);
}

static void measure_agent(Measure *measure, guint index)
{
  const AgentSpec *agent = job_agent(measure->job, index);
  int before = measure->problems->errors;
  measure_callees(measure, index);
  Size environment = measure_environment(measure, agent);
  int64_t command = 0, probe = 0, json = environment.json + measure->callees_peers;
  measure_words(measure, agent, agent->command, "command", &command, &json);
  measure_words(measure, agent, agent->health.argv, "health.exec", &probe, &json);
  const char *texts[] = {agent->agent_text, agent->working_dir, agent->user,
                         agent->module,     agent->python,      agent->health.path};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
    json += measure_json(measure, texts[i]);
  if (measure->problems->errors > before)
    return; /* the sums would say the same again */
  limit_holds(LIMIT_AGENT_VARIABLES, environment.n, measure->problems, agent->pos,
              "agent '%s': its environment", agent->id);
  limit_holds(LIMIT_AGENT_EXEC_BYTES, environment.text + MAX(command, probe), measure->problems,
              agent->pos, "agent '%s': its command and environment", agent->id);
  measure->starts += agent->replicas * (json + START_BYTES_REST);
  limit_holds(LIMIT_AGENT_START_BYTES, json, measure->problems, agent->pos,
              "agent '%s': what its node is told to start it", agent->id);
}

/* ---- what is looked at before there is a plan ---- */

static bool limits_instances(const Job *job, Problems *problems)
{
  int64_t n = 0;
  for (guint i = 0; i < job->agents->len; i++)
    n += job_agent(job, i)->replicas;
  return job->agents->len == 0 ||
         limit_holds(LIMIT_JOB_INSTANCES, n, problems, job_agent(job, 0)->pos, "'agents'");
}

static int64_t group_instances(const Job *job, const GArray *group)
{
  int64_t n = 0;
  for (guint i = 0; i < group->len; i++)
    n += job_agent(job, g_array_index(group, guint, i))->replicas;
  return n;
}

/* Of members of a mesh each is given all others, of groups in a row each member the next group. */
static int64_t limits_connections(const Job *job)
{
  const Topology *topology = &job->topology;
  int64_t sum = 0, hub = topology->hub >= 0 ? job_agent(job, (guint)topology->hub)->replicas : 0;
  for (guint i = 0; i < topology->connections->len; i++) {
    const Connection *edge = &g_array_index(topology->connections, Connection, i);
    sum += (int64_t)job_agent(job, edge->from)->replicas * job_agent(job, edge->to)->replicas;
  }
  int64_t former = hub; /* of hub or root; 0 = a pipeline begins */
  for (guint i = 0; i < topology->groups->len; i++) {
    const GArray *group = topology_group(topology, i);
    int64_t n = group_instances(job, group);
    sum += former * n;
    former = n;
    for (guint k = 0; topology->type == TOPOLOGY_MESH && k < group->len; k++) {
      int64_t own = job_agent(job, g_array_index(group, guint, k))->replicas;
      sum += own * (n - own);
    }
  }
  return sum;
}

void plan_check_limits(const Job *job, Problems *problems)
{
  if (!limits_instances(job, problems) || job->agents->len == 0 ||
      !limit_holds(LIMIT_JOB_CONNECTIONS, limits_connections(job), problems, job->topology.pos,
                   "'topology'"))
    return;
  g_autoptr(Plan) plan = plan_new(job, NULL);
  if (!plan)
    return; /* who asks for a plan is told why there is none */
  guint n = job->agents->len;
  g_autoptr(GHashTable) common = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  g_autoptr(GString) scratch = g_string_new(NULL);
  g_autofree gint64 *urls = g_new0(gint64, n), *peers = g_new0(gint64, n);
  Measure measure = {.plan = plan,
                     .job = job,
                     .problems = problems,
                     .scratch = scratch,
                     .common = common,
                     .urls = urls,
                     .peers = peers};
  int before = problems->errors;
  measure_common(&measure);
  if (problems->errors > before)
    return; /* every agent would have it */
  measure_peers(&measure);
  for (guint i = 0; i < n; i++)
    measure_agent(&measure, i);
  if (problems->errors == before)
    limit_holds(LIMIT_JOB_START_BYTES, measure.starts, problems, job_agent(job, 0)->pos,
                "what nodes are told to start all instances");
}
