/* A deployment as a whole: its status follows from its rollout, what the last one left, and its instances. */
#include "core/internal.h"

static DeploymentStatus deployment_derive(const Deployment *deployment)
{
  const Rollout *rollout = deployment->rollout;
  if (rollout && rollout_is_open(rollout)) {
    bool ending = rollout->kind == ROLLOUT_KIND_DOWN || (rollout->phase == ROLLOUT_PHASE_PRUNE && rollout->verdict != OUTCOME_SUCCEEDED);
    return ending ? DEPLOYMENT_STOPPING : DEPLOYMENT_DEPLOYING;
  }
  if (deployment->settled == DEPLOYMENT_RUNNING && deployment->bad > 0)
    return DEPLOYMENT_DEGRADED;
  return deployment->settled;
}

int deployment_base(const Deployment *deployment)
{
  bool runs = deployment->settled == DEPLOYMENT_RUNNING;
  for (guint i = 0; i < deployment->instances->len && !runs; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    runs = deployment->settled == DEPLOYMENT_FAILED && instance->desired_running && !instance->outcome;
  }
  return runs ? deployment->revision : 0;
}

/* While the present revision runs, an earlier one; when it does not, it may be that one. */
int deployment_previous(const Deployment *deployment)
{
  int last = deployment->settled == DEPLOYMENT_FAILED ? deployment->revision : deployment->revision - 1;
  for (guint i = deployment->rollouts->len; i > 0; i--) {
    const Rollout *rollout = deployment->rollouts->pdata[i - 1];
    if (rollout->outcome == OUTCOME_SUCCEEDED && rollout->to > 0 && rollout->to <= last && revision_find(deployment, rollout->to))
      return rollout->to;
  }
  return 0;
}

char *deployment_way_up(const Deployment *deployment)
{
  const Revision *last = deployment->revisions->len ? deployment->revisions->pdata[deployment->revisions->len - 1] : NULL;
  const char *from = last && last->source_name && last->source_name[0] ? last->source_name : "FILE";
  bool agent_file = g_str_has_suffix(from, "/agent.toml") || g_str_has_suffix(from, "/agent.json"); /* no job may be called so */
  return agent_file ? g_strdup_printf("reeve deploy %s", deployment->name) : g_strdup_printf("reeve up %s", from);
}

bool instance_is_left_over(const Instance *instance)
{
  const Deployment *deployment = instance->deployment;
  int number = deployment->revision || !deployment->rollout ? deployment->revision : deployment->rollout->to;
  const AgentSpec *agent = revision_agent(deployment, number, instance->agent);
  return !instance->desired_running && instance->target == 0 && (!agent || instance->replica >= agent->replicas);
}

void deployment_settle(Core *core, Deployment *deployment)
{
  DeploymentStatus status = deployment_derive(deployment);
  if (status == deployment->status)
    return;
  deployment->status = status;
  touch_deployment(core, deployment, TOUCH_SEEN);
}
