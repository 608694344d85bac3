/* A deployment as a whole: its status follows from its rollout, what the last one left, and its
 * instances. */
#include "core/internal.h"

static DeploymentStatus deployment_derive(const Deployment *deployment)
{
  const Rollout *rollout = deployment->rollout;
  if (deployment->unreadable)
    return DEPLOYMENT_FAILED;
  if (rollout && rollout_is_open(rollout)) {
    bool ending = rollout->kind == ROLLOUT_KIND_DOWN ||
                  (rollout->phase == ROLLOUT_PHASE_PRUNE && rollout->verdict != OUTCOME_SUCCEEDED);
    return ending ? DEPLOYMENT_STOPPING : DEPLOYMENT_DEPLOYING;
  }
  if (deployment->settled == DEPLOYMENT_RUNNING && deployment->bad > 0)
    return DEPLOYMENT_DEGRADED;
  return deployment->settled;
}

const char *deployment_reason(const Deployment *deployment)
{
  return deployment->unreadable ? deployment->unreadable : deployment->reason;
}

/* The revision that @instance needs: what the open rollout wants of it, or what it is to run; 0 =
 * none. */
static int deployment_needs_for(const Instance *instance, bool open)
{
  if (open)
    return instance->target;
  return instance->desired_running ? instance->revision : 0;
}

/* Why revision @number cannot be used, or NULL; caller frees. */
static char *deployment_problem_of(const Deployment *deployment, int number)
{
  const Revision *revision = number > 0 ? revision_find(deployment, number) : NULL;
  if (revision)
    return revision_unreadable(deployment, revision);
  return number > 0 ? g_strdup_printf("revision %d of deployment '%s' is not in the store", number,
                                      deployment->name)
                    : NULL;
}

/* What is being stopped, or is stopped, needs no job. */
void deployment_look_at_jobs(Deployment *deployment)
{
  bool open = deployment->rollout && rollout_is_open(deployment->rollout),
       runs = !open && deployment->settled != DEPLOYMENT_STOPPED;
  int looked_at = runs ? deployment->revision : 0;
  g_autofree char *problem = deployment_problem_of(deployment, looked_at);
  for (guint i = 0; i < deployment->instances->len && !problem; i++) {
    int number = deployment_needs_for(deployment->instances->pdata[i], open);
    if (number == looked_at)
      continue; /* mostly they all need the same */
    looked_at = number;
    problem = deployment_problem_of(deployment, number);
  }
  g_autofree char *told =
      problem
          ? g_strdup_printf(
                "%s; what runs of it is left alone; deploy it anew with 'reeve up FILE', or stop it with 'reeve down %s'",
                problem, deployment->name)
          : NULL;
  text_set(&deployment->unreadable, told);
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

bool instance_is_left_over(const Instance *instance)
{
  const Deployment *deployment = instance->deployment;
  int number =
      deployment->revision || !deployment->rollout ? deployment->revision : deployment->rollout->to;
  const Revision *revision = revision_find(deployment, number);
  const AgentSpec *agent = revision_agent(deployment, number, instance->agent);
  if (instance->desired_running || instance->target > 0)
    return false;
  if (revision && !revision_job(revision))
    /* what it wants is not known, but it runs without the slot */
    return deployment->settled != DEPLOYMENT_STOPPED;
  return !agent || instance->replica >= agent->replicas;
}

static void deployment_tell_peers(Core *core, Deployment *deployment)
{
  bool open = deployment->rollout && rollout_is_open(deployment->rollout);
  if (!deployment->peers_moved || open || core->greeting)
    return;
  deployment->peers_moved = false;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (instance->desired_running)
      instance_send_peers(core, instance);
  }
}

void deployment_settle(Core *core, Deployment *deployment)
{
  deployment_tell_peers(core, deployment);
  DeploymentStatus status = deployment_derive(deployment);
  if (status == deployment->status)
    return;
  deployment->status = status;
  touch_deployment(core, deployment, TOUCH_SEEN);
}
