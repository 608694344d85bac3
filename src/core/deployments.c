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

void deployment_settle(Core *core, Deployment *deployment)
{
  DeploymentStatus status = deployment_derive(deployment);
  if (status == deployment->status)
    return;
  deployment->status = status;
  touch_deployment(core, deployment, TOUCH_SEEN);
}
