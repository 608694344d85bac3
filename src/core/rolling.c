/* How gently a running deployment is changed: how many slots of a stage may be out at once, and
 * which extra slots an agent without port gets so that none of it is missing meanwhile. A slot that
 * is not ready now is never held back: nothing is lost by starting it. */
#include "core/rolling.h"

#include "core/build.h"
#include "core/instance.h"

#include <string.h>

/* One agent of the stage. */
typedef struct RollingAgent {
  bool surge;  /* has extra slots in this rollout */
  guint ready; /* of them */
  guint out;   /* own slots that are being replaced */
} RollingAgent;

struct Rolling {
  const Rollout *rollout;
  bool free;          /* no limits */
  guint allowed, out; /* for agents without extra slots, all of them together */
  GHashTable *agents; /* id -> RollingAgent* */
};

static int rolling_replicas(const Instance *instance, int revision)
{
  const AgentSpec *agent = revision_agent(instance->deployment, revision, instance->agent);
  return agent ? agent->replicas : 0;
}

bool rolling_is_extra(const Rollout *rollout, const Instance *instance)
{
  return instance->replica >=
         MAX(rolling_replicas(instance, rollout->from), rolling_replicas(instance, rollout->to));
}

/* Recoveries, and restarts that nobody asked to be gentle, have no limit. */
static bool rolling_is_free(const Rollout *rollout)
{
  return rollout->kind == ROLLOUT_KIND_RECOVER ||
         (rollout->kind == ROLLOUT_KIND_RESTART && !rollout->rolling);
}

static const Job *rolling_job(const Rollout *rollout)
{
  const Revision *revision =
      revision_find(rollout->deployment, rollout->to ? rollout->to : rollout->from);
  return revision_job(revision);
}

/* Does the rollout replace something of which we know how many there are? */
static bool rolling_knows_former(const Rollout *rollout)
{
  const Revision *former = revision_find(rollout->deployment, rollout->from);
  return former && revision_job(former);
}

static RollingAgent *rolling_of(Rolling *rolling, const Instance *instance)
{
  RollingAgent *agent = g_hash_table_lookup(rolling->agents, instance->agent);
  if (!agent) {
    agent = g_new0(RollingAgent, 1);
    g_hash_table_insert(rolling->agents, instance->agent, agent);
  }
  return agent;
}

Rolling *rolling_new(const Rollout *rollout, guint first, guint end)
{
  Rolling *rolling = g_new0(Rolling, 1);
  const Job *job = rolling_job(rollout);
  rolling->rollout = rollout;
  rolling->free = !job || rolling_is_free(rollout);
  if (rolling->free)
    return rolling;
  rolling->allowed = (guint)job->update.max_unavailable;
  rolling->agents = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  for (guint i = first; i < end; i++) {
    const Instance *instance = rollout->deployment->instances->pdata[i];
    bool extra = instance->target > 0 && rolling_is_extra(rollout, instance);
    RollingAgent *of = rolling_of(rolling, instance);
    of->surge |= extra;
    of->ready += extra && instance->step == STEP_READY && instance_ready(instance);
    of->out += !extra && instance->step == STEP_STARTING;
  }
  /* an agent that was given extra slots is held back by these, and not by the stage */
  GHashTableIter iter;
  gpointer agent;
  g_hash_table_iter_init(&iter, rolling->agents);
  while (g_hash_table_iter_next(&iter, NULL, &agent))
    if (!((RollingAgent *)agent)->surge)
      rolling->out += ((RollingAgent *)agent)->out;
  return rolling;
}

void rolling_free(Rolling *rolling)
{
  if (rolling->agents)
    g_hash_table_unref(rolling->agents);
  g_free(rolling);
}

/* Does it serve, as far as anybody knows? After a restart of its node an agent is unknown until its
 * next probe, and one whose node is silent may well go on. */
static bool rolling_serves(const Instance *instance)
{
  bool unknown = instance->state == INSTANCE_RUNNING && instance->health == HEALTH_UNKNOWN;
  bool lost = instance->state == INSTANCE_LOST && instance->told_state == INSTANCE_RUNNING;
  bool may = (unknown || lost) && instance->sight.seen_generation == instance->generation;
  return instance->desired_running && instance->sight.present &&
         (may || instance_ready(instance)) && !instance_is_batch(instance);
}

bool rolling_take(Rolling *rolling, const Instance *instance)
{
  if (rolling->free || !rolling_serves(instance))
    return true;
  RollingAgent *agent = rolling_of(rolling, instance);
  if (agent->surge ? agent->out >= agent->ready : rolling->out >= rolling->allowed)
    return false;
  agent->out++;
  rolling->out += !agent->surge;
  return true;
}

/* How many slots of @agent would be taken from a ready service. */
static int rolling_ready_slots(const Deployment *deployment, const AgentSpec *agent)
{
  int n = 0;
  for (int replica = 0; replica < agent->replicas; replica++) {
    const Instance *instance = deployment_slot(deployment, agent->id, replica);
    n += instance && instance->step == STEP_WAITING && instance->desired_running &&
         instance->sight.present && instance_ready(instance);
  }
  return n;
}

int rolling_extra_slots(const Rollout *rollout, const Job *job, const AgentSpec *agent)
{
  bool fits = agent->port == PORT_NONE && agent->kind == AGENT_SERVICE && !agent->schedule.set;
  if (!fits || rolling_is_free(rollout) || rollout->verdict != OUTCOME_SUCCEEDED ||
      !rolling_knows_former(rollout))
    return 0;
  return MIN(job->update.max_surge, rolling_ready_slots(rollout->deployment, agent));
}

int rolling_first_extra(const Rollout *rollout, const AgentSpec *agent)
{
  const AgentSpec *from = revision_agent(rollout->deployment, rollout->from, agent->id);
  return from ? MAX(agent->replicas, from->replicas) : agent->replicas;
}
