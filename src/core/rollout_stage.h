#pragma once
/* What a stage of a rollout waits for, and for how long. */
#include "core/objects.h"

/* Index of the first slot of @stage or later: those of one stage lie side by side. */
guint rollout_first(const Deployment *deployment, int stage);
/* How many stages the slots have. */
int rollout_stages(const Deployment *deployment);
/* Does a slot with its step keep its stage from ending, in the present phase? */
bool rollout_waits_for(const Rollout *rollout, const Instance *instance);
/* Counts what the present stage waits for: Rollout.waiting, queued and blocked. Also after it was
 * loaded. */
void rollout_recount(Rollout *rollout);
/* So many milliseconds the present stage has. */
int64_t rollout_duration(const Rollout *rollout);
/* A rollout one of whose nodes is merely silent has not failed: it goes on or is judged when the
 * node is back or lost. */
bool rollout_deadline_counts(const Rollout *rollout);

/* Has the present generation ended before it was ready? A recovery leaves restarts to the node and
 * gives up only with it. */
bool rollout_start_failed(const Rollout *rollout, const Instance *instance);
/* So many milliseconds a slot must stay healthy before @rollout takes it for ready. */
int64_t rollout_min_healthy(const Rollout *rollout, const Instance *instance);
/* Is the slot ready, and has it been so for long enough? When only the time is missing, the rollout
 * wakes for it. */
bool rollout_is_ready(Core *core, Rollout *rollout, const Instance *instance);
/* What its stage waits for is healthy, and only not yet for long enough. */
bool rollout_only_settles(const Rollout *rollout);

/* What is done when it fails with @verdict. */
FailurePolicy rollout_policy(const Rollout *rollout, RolloutOutcome verdict);
/* What the deployment is after a rollout of this kind ended so. */
DeploymentStatus rollout_settled_status(const Rollout *rollout);
/* Why its stage has taken too long, for people. Caller frees. */
char *rollout_late_cause(const Core *core, const Rollout *rollout);
/* Why @instance failed it: "agent 'a' @when: exit status 1; last output: ...". Caller frees. */
char *rollout_start_cause(const Instance *instance, const char *when);
/* Of a rollout that failed, and whose way back fails by @cause. Caller frees. */
char *rollout_both_causes(const Rollout *rollout, const char *cause);
