/* Owns the way from an agent file to a deployment: a job with one agent, what stands against it,
 * and the automatic starts. */
#include "base/error.h"
#include "base/log.h"
#include "server/agents.h"

#include <string.h>

bool agents_owns(const Agents *agents, const Deployment *deployment)
{
  /* it says where a deployment came from */
  const Revision *revision = deployment_last_revision(deployment);
  const char *from = revision ? revision->source_name : NULL;
  size_t n = strlen(agents->config->directory);
  return from && strncmp(from, agents->config->directory, n) == 0 && from[n] == '/' &&
         (g_str_has_suffix(from, "/agent.toml") || g_str_has_suffix(from, "/agent.json"));
}

static bool agents_is_up(const Deployment *deployment)
{
  const Rollout *rollout = deployment->rollout;
  if (rollout && rollout->phase != ROLLOUT_PHASE_DONE)
    return rollout->kind != ROLLOUT_KIND_DOWN;
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (instance->desired_running && !instance->outcome)
      return true;
  }
  return false;
}

/* How many deployments of the directory are up or coming up, @but (may be NULL) not counted. */
static int agents_count_up(const Agents *agents, const Deployment *but)
{
  const GPtrArray *all = core_deployments(engine_core(agents->server->engine));
  int n = 0;
  for (guint i = 0; i < all->len; i++)
    n += all->pdata[i] != but && agents_is_up(all->pdata[i]) && agents_owns(agents, all->pdata[i]);
  return n;
}

/* ---- the job ---- */

const char *agents_variable(const char *name, void *data)
{
  const AgentsConfig *config = data;
  return agents_config_may_read(config, name) ? g_getenv(name) : NULL;
}

/* What the server is configured to do, then what the file says over it. */
static void agents_job_rules(const Agents *agents, const AgentFile *file, AgentSpec *agent)
{
  const AgentsConfig *config = agents->config;
  agent->health.interval_ms = config->health_interval_ms;
  agent->restart.max = config->max_restarts;
  agent->restart.delay_ms = AGENTS_RESTART_DELAY_MS;
  agent_file_fold(file, false, false, agent);
  if (!config->restart_on_failure)
    agent->restart.policy = RESTART_NEVER;
}

/* Nobody writes a job for it, so the keys that its file names come from here: variables of the
 * server, and secrets by their names. */
static void agents_job_keys(const Agents *agents, const AgentFile *file, StrMap *environment)
{
  const char *const variables[] = {file->api_key_env, file->server_key_env};
  for (guint i = 0; i < G_N_ELEMENTS(variables); i++) {
    const char *value = variables[i] ? agents_variable(variables[i], (void *)agents->config) : NULL;
    if (value)
      strmap_set(environment, variables[i], value);
  }
  if (file->api_key_secret)
    strmap_set_from(environment, file->api_key_secret, VALUE_SECRET, file->api_key_secret);
}

/* The brain of agents whose file names none: what the configuration says, else the environment of
 * the server. */
static void agents_job_brain(const AgentsConfig *config, const AgentFile *file, StrMap *environment)
{
  const char *model = config->default_model ? config->default_model : g_getenv("REEVE_MODEL");
  const char *url =
      config->default_model_url ? config->default_model_url : g_getenv("REEVE_MODEL_URL");
  if (file->default_model && model && model[0])
    strmap_set(environment, "REEVE_MODEL", model);
  if (file->default_url && url && url[0])
    strmap_set(environment, "REEVE_MODEL_URL", url);
}

/* The job that deploys @entry, which has no problem. Caller frees. */
static Job *agents_make_job(const Agents *agents, const AgentEntry *entry)
{
  static const char *const caller[] = {"HOME", "USER", "LOGNAME", "SHELL",
                                       "LANG", "TZ",   "PATH",    "VIRTUAL_ENV"};
  const AgentDef *def = entry->def;
  Job *job = job_new();
  AgentSpec *agent = agent_spec_new(def->file->name);
  job->name = g_strdup(def->file->name);
  job->version = g_strdup(def->file->version);
  job->description = g_strdup(def->file->description);
  job->directory = g_path_get_dirname(entry->path);
  for (guint i = 0; i < G_N_ELEMENTS(caller); i++)
    if (g_getenv(caller[i]))
      strmap_set(&job->caller, caller[i], g_getenv(caller[i]));
  for (guint i = 0; i < def->file->not_honoured->len; i++)
    g_ptr_array_add(job->not_honoured, g_strdup(def->file->not_honoured->pdata[i]));
  agent->agent_file = g_strdup(entry->path);
  agent->agent_text = g_strdup(def->text);
  agents_job_rules(agents, def->file, agent);
  for (guint i = 0; i < strmap_size(&def->variables); i++)
    strmap_set(&agent->environment, strmap_at(&def->variables, i)->key,
               strmap_at(&def->variables, i)->value);
  agents_job_keys(agents, def->file, &agent->environment);
  agents_job_brain(agents->config, def->file, &agent->environment);
  job_add_agent(job, agent);
  return job;
}

void agents_deploy_init(AgentsDeploy *deploy, const Agents *agents, const AgentEntry *entry,
                        const char *actor)
{
  deploy->job = agents_make_job(agents, entry);
  deploy->job_json = job_to_json(deploy->job);
  deploy->command = (Command){.type = COMMAND_DEPLOY,
                              .actor = actor,
                              .deployment = deploy->job->name,
                              .job = deploy->job,
                              .source_name = entry->path,
                              .source = entry->def->text,
                              .job_json = deploy->job_json};
}

void agents_deploy_done(AgentsDeploy *deploy)
{
  job_free(deploy->job);
  g_free(deploy->job_json);
}

/* ---- what stands against it ---- */

static void agents_unknown(const Agents *agents, const char *name, GError **error)
{
  g_autofree const char **names = g_new0(const char *, agents->sorted->len + 1);
  for (guint i = 0; i < agents->sorted->len; i++)
    names[i] = ((const AgentEntry *)agents->sorted->pdata[i])->name;
  const char *nearest = problems_nearest(name, names);
  g_autofree char *hint = nearest ? g_strdup_printf("; did you mean '%s'?", nearest) : g_strdup("");
  g_autofree char *limit =
      agents->left_out
          ? g_strdup_printf("; of its directories only %d are looked at, and there are more",
                            AGENTS_ENTRIES_MAX)
          : g_strdup("");
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "no agent '%s' in '%s'%s%s", name,
              agents->config->directory, hint, limit);
}

const AgentEntry *agents_deployable(const Agents *agents, const char *name, GError **error)
{
  const AgentEntry *entry = agents_find(agents, name);
  const Deployment *deployment = core_deployment(engine_core(agents->server->engine), name);
  const Revision *revision = deployment ? deployment_last_revision(deployment) : NULL;
  int max = agents->config->max_agents;
  if (!entry)
    agents_unknown(agents, name, error);
  else if (!entry->def)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "agent '%s' cannot be deployed; nothing was changed:\n%s", name, entry->problem);
  else if (deployment && !agents_owns(agents, deployment))
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_CONFLICT,
        "a deployment '%s' exists that was made from '%s'; forget it, or give the agent in '%s' another name",
        name, revision ? revision->source_name : "elsewhere", entry->path);
  else if (agents_count_up(agents, deployment) >= max)
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_CONFLICT,
        "max_agents is %d and so many agents are deployed; undeploy one or raise max_agents", max);
  else
    return entry;
  return NULL;
}

/* ---- automatic starts ---- */

/* One that a person has stopped stays stopped: only a name that was never deployed is started. */
static void agents_auto_one(Agents *agents, const char *name)
{
  g_autoptr(GError) error = NULL;
  const AgentEntry *entry = agents_deployable(agents, name, &error);
  if (!entry) {
    log_warn("agent is not started automatically", "agent=%s reason=\"%s\"", name, error->message);
    return;
  }
  AgentsDeploy deploy;
  agents_deploy_init(&deploy, agents, entry, "server:auto-start");
  log_info("agent is started automatically", "agent=%s file=%s", name, entry->path);
  engine_apply(agents->server->engine, &deploy.command);
  agents_deploy_done(&deploy);
}

void agents_auto_start(Agents *agents)
{
  Server *server = agents->server;
  if (!agents->auto_pending || server->leaving || server->stopping ||
      engine_store_state(server->engine) != STORE_STATE_OK)
    return;
  for (guint i = 0; i < agents->sorted->len; i++) {
    AgentEntry *entry = agents->sorted->pdata[i];
    bool wanted = entry->fresh && entry->def && entry->def->auto_start && !entry->taken_by;
    if (wanted && engine_full(server->engine))
      return; /* the rest when something has been committed */
    entry->fresh = false;
    if (wanted && !core_deployment(engine_core(server->engine), entry->name))
      agents_auto_one(agents, entry->name);
  }
  agents->auto_pending = false;
}
