#pragma once
/* A deployment as a whole: its status follows from its rollout, what the last one left, and its
 * instances; what is too old of it goes. */
#include "core/objects.h"

/* The status as it is now. */
DeploymentStatus deployment_derive(const Deployment *deployment);
/* Sets Deployment.unreadable. Called when it was loaded, and when another revision is needed:
 * targets are given, a rollout has ended. */
void deployment_look_at_jobs(Deployment *deployment);
/* The phase of the turn for TURN_CLOSED, which become TURN_SETTLED, and TURN_UNSETTLED: which
 * schedules are in force, what is kept of the past, the status, and what agents hear of their
 * peers. */
void deployments_run(Core *core);
