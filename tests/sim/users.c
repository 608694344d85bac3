/* What people ask for: jobs of every shape, and every command at any moment. */
#include "sim.h"

enum { USER_AGENTS_MAX = 20 };

/* ---- jobs ---- */

static int user_port(Sim *sim, const char *name, int i, int variant)
{
  if (sim_chance(sim, 30))
    return PORT_AUTO;
  int base = name[0] == 'r' || sim_chance(sim, 10) ? 9000 : 9500;
  return base + i * 10 + (sim_chance(sim, 15) ? variant : 0);
}

static void user_schedule(Sim *sim, AgentSpec *agent)
{
  agent->schedule.set = true;
  agent->schedule.overlap = (ScheduleOverlap)sim_below(sim, 3);
  agent->replicas = 1;
  if (sim_below(sim, 2))
    agent->schedule.cron = g_strdup("* * * * *");
  else
    agent->schedule.every_ms = 1000 + sim_below(sim, 20000);
}

/* Every field that a process is made of depends on @variant, so that a field of the wrong revision
 * is seen. */
static AgentSpec *user_agent(Sim *sim, const char *name, int i, int variant)
{
  g_autofree char *id = g_strdup_printf("a%d", i), *word = g_strdup_printf("v%d", variant),
                  *path = g_strdup_printf("/health/%d", variant);
  AgentSpec *agent = agent_spec_new(id);
  char *argv[] = {(char *)(uintptr_t)(sim_chance(sim, 5) ? "tool" : "run"), word, NULL};
  agent->command = g_strdupv(argv);
  agent->kind = sim_chance(sim, 15) ? AGENT_BATCH : AGENT_SERVICE;
  agent->port = agent->kind == AGENT_SERVICE && !sim_chance(sim, 15)
                    ? user_port(sim, name, i, variant)
                    : PORT_NONE;
  agent->replicas = 1 + (sim_chance(sim, 25) ? sim_below(sim, 4) : 0);
  if (agent->kind == AGENT_BATCH && sim_chance(sim, 50))
    user_schedule(sim, agent);
  agent->working_dir = g_strdup_printf("/srv/%d", variant);
  strmap_set(&agent->environment, "VARIANT", word);
  agent->health.kind = agent->port == PORT_NONE ? HEALTH_DISCOVER
                       : sim_chance(sim, 80)    ? HEALTH_HTTP
                                                : HEALTH_TCP;
  agent->health.path = agent->health.kind == HEALTH_HTTP ? g_steal_pointer(&path) : NULL;
  agent->health.interval_ms = 2000 + variant * 1000;
  agent->health.timeout_ms = 1000 + variant;
  if (sim_chance(sim, 30))
    agent->health.min_healthy_ms = sim_below(sim, 4) * 1000;
  agent->restart.policy = (RestartPolicy)sim_below(sim, 3);
  agent->restart.max = sim_below(sim, 5) - 1;
  agent->restart.delay_ms = sim_below(sim, 3) * 200;
  agent->restart.max_delay_ms = 2000;
  agent->restart.stable_ms = 3000 + sim_below(sim, 3) * 20000;
  agent->stop.grace_ms = 500 + variant;
  return agent;
}

static void user_topology(Sim *sim, Job *job)
{
  Topology *topology = &job->topology;
  guint n = job->agents->len;
  topology->type = (TopologyType)sim_below(sim, 6);
  topology->hub =
      topology->type == TOPOLOGY_HUB_SPOKE || topology->type == TOPOLOGY_HIERARCHICAL ? 0 : -1;
  guint first = topology->hub >= 0 ? 1 : 0, members[USER_AGENTS_MAX];
  for (guint i = 1; topology->type == TOPOLOGY_DAG && i < n; i++) {
    Connection edge = {.from = (guint)sim_below(sim, (int)i), .to = i};
    g_array_append_val(topology->connections, edge);
  }
  if (topology->type == TOPOLOGY_DAG || topology->type == TOPOLOGY_DYNAMIC)
    return;
  bool levels = topology->type == TOPOLOGY_PIPELINE || topology->type == TOPOLOGY_HIERARCHICAL;
  guint most = levels ? 1 + (guint)sim_below(sim, 4) : n;
  for (guint i = first; i < n; i += most) {
    guint count = MIN(most, n - i);
    for (guint k = 0; k < count; k++)
      members[k] = i + k;
    topology_add_group(topology, members, count);
  }
}

static Job *user_job(Sim *sim, const char *name)
{
  Job *job = job_new();
  job->name = g_strdup(name);
  job->timeout_ms = 20000;
  job->on_failure = (FailurePolicy)sim_below(sim, 3);
  job->update.max_unavailable = 1 + sim_below(sim, 3);
  job->update.max_surge = sim_below(sim, 3);
  job->start_order = sim_chance(sim, 25) ? START_CALLEES_FIRST : START_TOPOLOGY;
  int n = sim_chance(sim, 15) ? 2 + sim_below(sim, USER_AGENTS_MAX - 1) : 2 + sim_below(sim, 6),
      variant = 1 + sim_below(sim, 3);
  for (int i = 0; i < n; i++)
    job_add_agent(job, user_agent(sim, name, i, sim_chance(sim, 50) ? 0 : variant));
  user_topology(sim, job);
  for (int i = 0; i < 2; i++)
    if (sim_chance(sim, 40))
      g_ptr_array_add(job->notify,
                      notify_spec_new(i ? "http://hooks.sim/1" : "http://hooks.sim/0"));
  return job;
}

/* ---- commands ---- */

/* "It was wrong, put the old one back": the job that the open rollout turns back to, sent anew in
 * its place. NULL when none turns back; else the caller's. */
static Job *user_old_job(const Sim *sim, const char *name)
{
  const Deployment *deployment = core_deployment(sim_core(sim), name);
  const Rollout *rollout = deployment ? deployment->rollout : NULL;
  bool back = rollout && rollout->phase != ROLLOUT_PHASE_DONE &&
              rollout->verdict != OUTCOME_SUCCEEDED && rollout->from > 0;
  const Revision *revision = back ? deployment_revision(deployment, rollout->from) : NULL;
  Job *job = revision
                 ? job_from_json(revision->job_json, g_ref_string_length(revision->job_json), NULL)
                 : NULL;
  if (job) {
    g_free(job->version);
    job->version = g_strdup_printf("after %s", rollout->id);
  }
  return job;
}

static void user_send(Sim *sim, Command *command, const Job *job, bool replace)
{
  g_autofree char *json = job_to_json(job);
  command->type = COMMAND_DEPLOY;
  command->job = job;
  command->job_json = json;
  command->source = "";
  command->source_name = "sim.yaml";
  command->replace = replace;
  sim_apply(sim, command);
}

/* What people do most: one agent of what runs is changed, often to what does not work. NULL when
 * nothing runs; else the caller's. */
static Job *user_changed_job(Sim *sim, const char *name)
{
  static const char *const words[] = {"bad", "good", "better"};
  const Deployment *deployment = core_deployment(sim_core(sim), name);
  const Revision *revision =
      deployment ? deployment_revision(deployment, deployment->revision) : NULL;
  Job *job = revision
                 ? job_from_json(revision->job_json, g_ref_string_length(revision->job_json), NULL)
                 : NULL;
  if (!job)
    return NULL;
  AgentSpec *agent = job->agents->pdata[sim_below(sim, (int)job->agents->len)];
  char *argv[] = {(char *)(uintptr_t) "run",
                  (char *)(uintptr_t)words[sim_below(sim, G_N_ELEMENTS(words))], NULL};
  g_strfreev(agent->command);
  agent->command = g_strdupv(argv);
  return job;
}

static void user_deploy(Sim *sim, Command *command)
{
  g_autoptr(Job) job = sim_chance(sim, 40) ? user_changed_job(sim, command->deployment) : NULL;
  if (!job)
    job = user_job(sim, command->deployment);
  user_send(sim, command, job, sim_chance(sim, 40));
}

static void user_restart(Sim *sim, Command *command)
{
  g_autofree char *agent = sim_chance(sim, 40) ? g_strdup_printf("a%d", sim_below(sim, 4)) : NULL;
  command->agent = agent;
  command->rolling = sim_chance(sim, 50);
  sim_apply(sim, command);
}

static void user_scale(Sim *sim, Command *command)
{
  g_autofree char *agent = g_strdup_printf("a%d", sim_below(sim, 4));
  command->agent = agent;
  command->number = sim_below(sim, 5);
  sim_apply(sim, command);
}

static void user_run(Sim *sim, Command *command)
{
  g_autofree char *agent = g_strdup_printf("a%d", sim_below(sim, 6));
  command->agent = agent;
  sim_apply(sim, command);
}

static void user_token(Sim *sim, Command *command)
{
  g_autofree char *name = g_strdup_printf("t%d", sim_below(sim, 3)),
                  *hash = g_strnfill(64, (char)('0' + sim_below(sim, 10)));
  TokenAsk ask = {.name = name,
                  .role = ROLE_VIEWER,
                  .hash = hash,
                  .shown = "shown",
                  .lifetime_ms = sim_below(sim, 2) * 1000};
  command->type = sim_below(sim, 2) ? COMMAND_TOKEN_CREATE : COMMAND_TOKEN_REVOKE;
  command->token = &ask;
  sim_apply(sim, command);
}

static void user_secret(Sim *sim, Command *command)
{
  g_autofree char *name = g_strdup_printf("s%d", sim_below(sim, 3));
  SecretAsk ask = {.name = name, .sealed = "sealed"};
  command->type = sim_below(sim, 2) ? COMMAND_SECRET_SET : COMMAND_SECRET_REMOVE;
  command->secret = &ask;
  sim_apply(sim, command);
}

/* What agents tell the registry of themselves: by their port, by their id, of somebody else's port.
 */
static void user_registry(Sim *sim, Command *command)
{
  g_autofree char *id = g_strdup_printf("a%d", sim_below(sim, 4)),
                  *said = g_strdup_printf("{\"name\":\"v%d\"}", sim_below(sim, 3));
  RegistrationAsk ask = {
      .id = id, .port = sim_below(sim, 2) ? 9000 + sim_below(sim, 60) * 10 : 0, .said = said};
  command->type = sim_below(sim, 3) ? COMMAND_REGISTER : COMMAND_DEREGISTER;
  command->registration = &ask;
  sim_apply(sim, command);
}

static void user_rollback(Sim *sim, Command *command)
{
  command->number = sim_chance(sim, 50) ? 0 : 1 + sim_below(sim, 4);
  sim_apply(sim, command);
}

static void user_plain(Sim *sim, Command *command)
{
  sim_apply(sim, command);
}

static void user_look(Sim *sim, Command *command)
{
  sim_look(sim, command->deployment);
}

typedef struct UserWish {
  int weight;
  CommandType type;
  const char *word;
  void (*ask)(Sim *sim, Command *command);
} UserWish;

static const UserWish wishes[] = {
    {28, COMMAND_DEPLOY, "deploy", user_deploy},
    {6, COMMAND_N, "look at", user_look},
    {10, COMMAND_DOWN, "down", user_plain},
    {12, COMMAND_RESTART, "restart", user_restart},
    {10, COMMAND_CANCEL, "cancel", user_plain},
    {10, COMMAND_ROLLBACK, "rollback", user_rollback},
    {6, COMMAND_FORGET, "forget", user_plain},
    {10, COMMAND_SCALE, "scale", user_scale},
    {4, COMMAND_RUN, "run", user_run},
    {2, COMMAND_REGISTER, "registry", user_registry},
    {1, COMMAND_TOKEN_CREATE, "token", user_token},
    {1, COMMAND_SECRET_SET, "secret", user_secret},
};

void sim_user(Sim *sim)
{
  static const char *const names[] = {"red", "blue"};
  if (!sim->server_up || sim_is_other(sim))
    return;
  const char *name = names[sim_below(sim, G_N_ELEMENTS(names))];
  Command command = {.reply_to = ++sim->next_token, .actor = "uid:0", .deployment = name};
  int kind = sim_below(sim, 100);
  g_autoptr(Job) old = user_old_job(sim, name);
  if (old && sim_chance(sim, 30)) {
    sim_say(sim, "user: put back %s", name);
    user_send(sim, &command, old, true);
    return;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(wishes); i++) {
    if (kind < wishes[i].weight) {
      command.type = wishes[i].type;
      sim_say(sim, "user: %s %s", wishes[i].word, name);
      wishes[i].ask(sim, &command);
      return;
    }
    kind -= wishes[i].weight;
  }
}
