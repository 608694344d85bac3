#pragma once
/* The core's objects by themselves: made, freed, put in order, and what their revisions say. No
 * function here knows a core. An object belongs to the one that it was made for. */
#include "core/objects.h"
#include "plan/plan.h"

/* Copies @text (NULL = none) into @slot, whose former text is freed; @text may lie inside it. */
void text_set(char **slot, const char *text);

/* A stopped deployment without revisions; texts are copied. Free with deployment_free. */
Deployment *deployment_new(const char *id, const char *name);
void deployment_free(Deployment *deployment);
/* Below 0 when @a comes before @b: by deployment, stage, then declaration and replica, since ids
 * grow with these inside a revision. */
int instance_order(const Instance *a, const Instance *b);
/* Puts the slots into that order. */
void deployment_sort(Deployment *deployment);
/* The slot, or NULL. */
Instance *deployment_slot(const Deployment *deployment, const char *agent, int replica);
/* Is something of it being changed? */
bool deployment_changes(const Deployment *deployment);

/* The revision that a change starts from, and goes back to when it fails: the present one while all
 * or some of it runs; 0 = there is none. */
int deployment_base(const Deployment *deployment);
/* The last good revision, which a rollback without a number goes to; 0 = there is none. */
int deployment_previous(const Deployment *deployment);
/* The command that starts @deployment: "reeve up FILE" of its last revision, "reeve deploy NAME"
 * for one of the agents directory. Caller frees. */
char *deployment_way_up(const Deployment *deployment);

/* NULL when there is none. */
Revision *revision_find(const Deployment *deployment, int number);
/* NULL when its job cannot be read, and of NULL. Borrowed; cached inside. */
const Plan *revision_plan(const Revision *revision);
/* Its text has changed: what was made of it is made again when it is asked for. */
void revision_forget_cache(Revision *revision);
/* What stands in every agent's AGENT_ALLOWED_HOSTS: this machine's names and the hosts of the job,
 * which must be readable. Borrowed; cached, since every start of thousands asks. */
const char *revision_hosts(const Revision *revision);
/* The longest grace period of its agents, whose job must be readable. Cached. */
int64_t revision_grace_ms(const Revision *revision);
/* Agent @id as revision @number has it; NULL when there is no such revision, it cannot be read, or
 * it has no such agent. */
const AgentSpec *revision_agent(const Deployment *deployment, int number, const char *id);

/* A slot that has not run yet, owned by @deployment. */
Instance *instance_new(Deployment *deployment, const char *id, const char *agent, int replica);
/* Nothing points to it any more. */
void instance_free(Instance *instance);
/* Does it run by the clock, as the job of its revision says? */
bool instance_is_scheduled(const Instance *instance);
/* A process may be alive, as far as its node has told. */
bool instance_live(const Instance *instance);
/* Takes it out of the index of live ports that it is in: see core/ports.h. */
void instance_unlist_port(Instance *instance);
void registration_free(Registration *registration);

/* An open rollout, owned by @deployment. */
Rollout *rollout_new(Deployment *deployment, const char *id, RolloutKind kind);
bool rollout_is_open(const Rollout *rollout);
/* What @node is asked for @rollout with the frame @request, which is being filled: the last of its
 * reserves, which owns it. Both outlive it. */
Reserve *reserve_new(Rollout *rollout, NodeObject *node, int64_t request);

/* A schedule that is not in force, owned by @deployment. */
Schedule *schedule_new(Deployment *deployment, const char *id, const char *agent);
void schedule_free(Schedule *schedule);
/* A run, the last of @schedule, which owns it. */
ScheduleRun *schedule_add_run(Schedule *schedule, const char *id);

/* A silent node. */
NodeObject *node_object_new(const char *id);
void node_object_free(NodeObject *node);

/* NULL is not allowed in these; what an object owns goes with it. */
void token_free(Token *token);
void secret_free(Secret *secret);
void notice_free(Notice *notice);
/* The static text that Deployment.told may be, for one that is equal; NULL when it is none. */
const char *notice_told(const char *word);
