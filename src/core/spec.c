/* What a node is told to run: an instance's spec from its revision's job, the plan and the ports of
 * its peers. */
#include "core/spec.h"

#include "core/build.h"
#include "core/state.h"

#include <string.h>

static int spec_port(guint agent, int replica, void *data)
{
  const Instance *instance = data;
  const Revision *revision = revision_find(instance->deployment, instance->revision);
  const AgentSpec *spec = job_agent(revision_job(revision), agent);
  const Instance *peer = deployment_slot(instance->deployment, spec->id, replica);
  int port =
      peer && peer->port ? peer->port : plan_declared_port(revision_job(revision), agent, replica);
  return port == PORT_AUTO ? PORT_NONE : port; /* nobody has it yet */
}

/* What stands in the environment as it is goes to @environment, what the node fetches to
 * @references. */
static void spec_take_map(InstanceSpec *spec, const StrMap *map)
{
  guint n = strmap_size(map), texts = 0, references = 0;
  spec->environment = g_new0(char *, n + 1);
  spec->references = g_new0(char *, n + 3); /* room for two of our own */
  for (guint i = 0; i < n; i++) {
    const StrPair *pair = strmap_at(map, i);
    if (pair->from == VALUE_TEXT)
      spec->environment[texts++] = g_strdup_printf("%s=%s", pair->key, pair->value);
    else
      spec->references[references++] = g_strdup_printf(
          "%s=%s:%s", pair->key, pair->from == VALUE_SECRET ? "secret" : "file", pair->value);
  }
}

/* What belongs to a user: an agent of another one is given that user's, which its node knows, and
 * not the caller's. */
static const char *const spec_of_user[] = {"HOME", "USER", "LOGNAME", "SHELL", NULL};

/* Without a user in the job it is the node that knows whether the agent runs as another one: it is
 * told what to replace then. */
static char **spec_of_caller(const Job *job, const AgentSpec *agent)
{
  GPtrArray *names = g_ptr_array_new();
  for (size_t i = 0; spec_of_user[i] && !agent->user; i++) {
    const char *name = spec_of_user[i];
    if (strmap_has(&job->caller, name) && !strmap_has(&job->environment, name) &&
        !strmap_has(&agent->environment, name))
      g_ptr_array_add(names, g_strdup(name));
  }
  g_ptr_array_add(names, NULL);
  return (char **)g_ptr_array_free(names, FALSE);
}

/* What the server derives for @deployment when the agent starts goes to the references, unless the
 * job sets @key itself. @kind begins with "peer": nodes of earlier builds know no other word for
 * it. */
static void spec_derive(InstanceSpec *spec, const StrMap *map, const char *key, const char *kind,
                        const Deployment *deployment)
{
  if (!strmap_has(map, key))
    spec->references[g_strv_length(spec->references)] =
        g_strdup_printf("%s=%s:%s", key, kind, deployment->id);
}

/* Later ones win: of the caller, of the job, of Reeve, of the config, what connects it with others,
 * and the agent's own, which may replace anything. docs/job-file.md tells the same order. */
static void spec_environment(InstanceSpec *spec, const Instance *instance, const Revision *revision,
                             guint index)
{
  const Plan *plan = revision_plan(revision);
  const Job *job = plan->job;
  const AgentSpec *agent = job_agent(job, index);
  StrMap map;
  strmap_init(&map);
  for (guint i = 0; i < strmap_size(&job->caller); i++) {
    const StrPair *pair = strmap_at(&job->caller, i);
    if (!agent->user || !g_strv_contains(spec_of_user, pair->key))
      strmap_set(&map, pair->key, pair->value);
  }
  strmap_merge(&map, &job->environment);
  /* hosts of the plan, this machine's names, and what the user allowed */
  const char *given = strmap_get(&map, "AGENT_ALLOWED_HOSTS");
  g_autofree char *hosts =
      g_strconcat(revision_hosts(revision), given && given[0] ? "," : NULL, given, NULL);
  g_autofree char *replica = g_strdup_printf("%d", instance->replica);
  g_autofree char *connected =
      plan_connected_agents(plan, index, spec_port, (void *)(uintptr_t)instance);
  strmap_set(&map, "AGENT_ID", agent->id);
  strmap_set(&map, "JOB_ID", instance->deployment->name);
  strmap_set(&map, "REEVE_REPLICA", replica);
  if (instance->port > 0) {
    g_autofree char *port = g_strdup_printf("%d", instance->port);
    strmap_set(&map, "AGENT_PORT", port);
  }
  for (guint i = 0; i < strmap_size(&agent->config); i++) {
    const StrPair *pair = strmap_at(&agent->config, i);
    g_autofree char *key = job_config_variable(pair->key);
    strmap_set(&map, key, pair->value);
  }
  strmap_set(&map, "AGENT_ALLOWED_HOSTS", hosts);
  if (connected && connected[0])
    strmap_set(&map, "CONNECTED_AGENTS", connected);
  strmap_set(&map, "AGENT_PEERS_FILE", "@REEVE_INSTANCE_DIR@/peers.json");
  strmap_merge(&map, &agent->environment);
  spec_take_map(spec, &map);
  spec->of_caller = spec_of_caller(job, agent);
  if (agent->agent_file) /* by it the agents of one deployment know each other */
    spec_derive(spec, &map, "AGENT_PEER_KEY", "peer", instance->deployment);
  if (job_has_registry(job)) /* where they find each other */
    spec_derive(spec, &map, "AGENT_REGISTRY_URL", "peer:registry", instance->deployment);
  strmap_done(&map);
}

static char **spec_argv(const Instance *instance, const Job *job, const AgentSpec *agent)
{
  if (agent->command)
    return g_strdupv(agent->command);
  if (agent->module) {
    const char *venv = strmap_get(&job->caller, "VIRTUAL_ENV");
    g_autofree char *python =
        venv && venv[0] ? g_strconcat(venv, "/bin/python3", NULL) : g_strdup("python3");
    const char *argv[] = {agent->python ? agent->python : python, "-m", agent->module, NULL};
    return g_strdupv((char **)(uintptr_t)argv);
  }
  g_autofree char *port = g_strdup_printf("%d", instance->port);
  const char *file = agent->agent_file && g_str_has_suffix(agent->agent_file, ".json")
                         ? "@REEVE_INSTANCE_DIR@/agent.json"
                         : "@REEVE_INSTANCE_DIR@/agent.toml";
  const char *argv[] = {"@REEVE_BIN@", "agent", "serve", "--port", port, "--agent", file, NULL};
  return g_strdupv((char **)(uintptr_t)argv);
}

static char *spec_directory(const Job *job, const AgentSpec *agent)
{
  if (agent->working_dir)
    return g_strdup(agent->working_dir);
  if (agent->agent_file)
    return g_path_get_dirname(agent->agent_file);
  return g_strdup(job->directory ? job->directory : "/");
}

char *instance_peers(const Instance *instance)
{
  const Revision *revision = revision_find(instance->deployment, instance->revision);
  const Plan *plan = revision_plan(revision);
  int index = plan ? job_find_agent(plan->job, instance->agent) : -1;
  if (index < 0)
    return g_strdup("[]");
  return plan_peers_json(plan, (guint)index, spec_port, (void *)(uintptr_t)instance);
}

char *instance_url(const Instance *instance)
{
  return instance->port > 0 ? g_strdup_printf("http://localhost:%d", instance->port) : NULL;
}

InstanceSpec *instance_make_spec(const Instance *instance)
{
  const Revision *revision = revision_find(instance->deployment, instance->revision);
  g_assert(revision);
  const Plan *plan = revision_plan(revision);
  g_assert(plan); /* instance_can_start says so */
  int index = job_find_agent(plan->job, instance->agent);
  g_assert(index >= 0);
  const AgentSpec *agent = job_agent(plan->job, (guint)index);
  InstanceSpec *spec = instance_spec_new();
  spec->deployment = g_strdup(instance->deployment->name);
  spec->agent = g_strdup(agent->id);
  spec->replica = instance->replica;
  spec->stage =
      agent->schedule.set ? -1 : instance->stage; /* runs are nobody's but ours to begin */
  spec->kind = agent->kind;
  spec->argv = spec_argv(instance, plan->job, agent);
  spec_environment(spec, instance, revision, (guint)index);
  spec->working_dir = spec_directory(plan->job, agent);
  spec->user = g_strdup(agent->user);
  spec->port = MAX(instance->port, 0);
  spec->agent_text = g_strdup(agent->agent_text);
  g_free(spec->peers);
  spec->peers = instance_peers(instance);
  spec->health = agent->health;
  spec->health.path = g_strdup(agent->health.path);
  spec->health.argv = g_strdupv(agent->health.argv);
  spec->restart = agent->restart;
  spec->stop = agent->stop;
  spec->resources = agent->resources;
  return spec;
}

/* What is asked about is the program. The words behind it are for who reads frames: with long ones
 * a frame of RESERVE_SLOTS_MAX slots, which is answered as one, would be too long to send. */
static void spec_shorten(char **argv)
{
  enum { SHOWN_BYTES_MAX = 4096 };
  size_t bytes = 0, i = 0;
  for (; argv && argv[i] && (i == 0 || bytes + strlen(argv[i]) <= SHOWN_BYTES_MAX); i++)
    bytes += strlen(argv[i]);
  for (; argv && argv[i]; i++)
    g_clear_pointer(&argv[i], g_free);
}

InstanceSpec *instance_make_outline(const Instance *instance)
{
  InstanceSpec *spec = instance_make_spec(instance);
  const char *path = g_environ_getenv(spec->environment, "PATH");
  char **environment = path ? g_environ_setenv(NULL, "PATH", path, TRUE) : g_new0(char *, 1);
  g_strfreev(spec->environment);
  spec->environment = environment;
  spec_shorten(spec->argv);
  spec_shorten(spec->health.argv);
  g_clear_pointer(&spec->references, g_strfreev);
  g_clear_pointer(&spec->of_caller, g_strfreev);
  g_clear_pointer(&spec->agent_text, g_free);
  g_free(spec->peers);
  spec->peers = g_strdup("[]");
  return spec;
}
