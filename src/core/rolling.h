#pragma once
/* How gently a running deployment is changed. */
#include "core/objects.h"

/* The count of what is out among the slots of one stage. */
typedef struct Rolling Rolling;

/* Of slots @first to @end - 1 of @rollout's deployment, which must not change meanwhile. */
Rolling *rolling_new(const Rollout *rollout, guint first, guint end);
void rolling_free(Rolling *rolling);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rolling, rolling_free)
/* May @instance be replaced now? Counts it as out when it may. */
bool rolling_take(Rolling *rolling, const Instance *instance);
/* A slot beyond the replicas of both revisions: it covers for those that are being replaced, and
 * goes when the rollout ends. */
bool rolling_is_extra(const Rollout *rollout, const Instance *instance);
/* How many of them @agent of @job gets, once its own slots have steps. */
int rolling_extra_slots(const Rollout *rollout, const Job *job, const AgentSpec *agent);
/* Replica number of the first of them. */
int rolling_first_extra(const Rollout *rollout, const AgentSpec *agent);
