#pragma once
/* The loop that changes what runs; its diagram stands in rollout.c. */
#include "core/objects.h"

/* Begins a change of @deployment to revision @to, whose job must be readable; 0 = nothing of it is
 * to run. One that is open is cancelled for it. @command: who asks; NULL = we do. */
Rollout *rollout_begin(Core *core, Deployment *deployment, RolloutKind kind, int to,
                       const Command *command);
/* Who asked for it wants it no more (@cause): it turns back, or ends where there is no way back. */
void rollout_cancel(Core *core, Rollout *rollout, const char *cause);
/* @node was started anew: what ran there is started again. */
void rollout_after_reboot(Core *core, Deployment *deployment, const NodeObject *node);
/* @node (linked) answers a reserve. */
void rollout_on_reserved(Core *core, NodeObject *node, const Frame *frame);
/* A node can be given slots again: the rollouts that have some without a node look for one. Marks
 * TURN_RESUMED. */
void rollouts_place_again(Core *core);
/* @node is there again, with slots of @deployments (of Deployment*): what waited for it has time
 * again, and asks anew. Marks TURN_RESUMED. */
void rollouts_resume(Core *core, const NodeObject *node, const GPtrArray *deployments);

/* The phase of the turn for TURN_NEWS and TURN_RESUMED. */
void rollouts_run(Core *core);
/* The phase for TURN_TIMED: when each wants to be looked at. */
void rollouts_arm(Core *core);
/* Those whose time has come: what was healthy for long enough, what has taken too long. */
void rollouts_tick(Core *core);
/* They were loaded, with their deadlines. */
void rollouts_loaded(Core *core);
