#pragma once
/* The words of every noun with a life: one list each for enum, JSON word and reader. The meaning of
 * the words: docs/architecture.md "Words". */
#include <glib.h>

#define DEPLOYMENT_STATUSES(X) \
  X(DEPLOYING, "deploying")    \
  X(RUNNING, "running")        \
  X(DEGRADED, "degraded") X(FAILED, "failed") X(STOPPING, "stopping") X(STOPPED, "stopped")

#define ROLLOUT_OUTCOMES(X) \
  X(OPEN, "open")           \
  X(SUCCEEDED, "succeeded") \
  X(FAILED, "failed") X(ROLLED_BACK, "rolled-back") X(CANCELLED, "cancelled")

/* Why a rollout runs. */
#define ROLLOUT_KINDS(X) \
  X(DEPLOY, "deploy")    \
  X(UPDATE, "update")    \
  X(DOWN, "down") X(RESTART, "restart") X(ROLLBACK, "rollback") X(RECOVER, "recover")

/* Where a rollout stands. RESERVE: the node binds ports and checks commands. APPLY: stage by stage,
 * instances get their target revision. PRUNE: stages in reverse, instances without a target are
 * stopped. DONE: outcome fixed. */
#define ROLLOUT_PHASES(X) X(RESERVE, "reserve") X(APPLY, "apply") X(PRUNE, "prune") X(DONE, "done")

#define INSTANCE_STATES(X) \
  X(PENDING, "pending")    \
  X(STARTING, "starting")  \
  X(RUNNING, "running")    \
  X(BACKOFF, "backoff")    \
  X(STOPPING, "stopping")  \
  X(STOPPED, "stopped") X(COMPLETED, "completed") X(FAILED, "failed") X(LOST, "lost")

#define HEALTHS(X)      \
  X(UNKNOWN, "unknown") \
  X(HEALTHY, "healthy") X(UNHEALTHY, "unhealthy") X(UNREACHABLE, "unreachable")

#define NODE_STATUSES(X) \
  X(ONLINE, "online")    \
  X(SILENT, "silent") X(LOST, "lost") X(DRAINING, "draining") X(CORDONED, "cordoned")

/* What a caller may do, least first; a token has one of the last three. PUBLIC: anybody who reaches
 * the server, without a token. */
#define ROLES(X) X(PUBLIC, "public") X(VIEWER, "viewer") X(OPERATOR, "operator") X(ADMIN, "admin")

#define STATES_ENUM(Type, PREFIX, LIST) \
  typedef enum Type { LIST(PREFIX##_ENUM_ITEM) PREFIX##_N } Type
#define DEPLOYMENT_ENUM_ITEM(id, word)    DEPLOYMENT_##id,
#define OUTCOME_ENUM_ITEM(id, word)       OUTCOME_##id,
#define ROLLOUT_KIND_ENUM_ITEM(id, word)  ROLLOUT_KIND_##id,
#define ROLLOUT_PHASE_ENUM_ITEM(id, word) ROLLOUT_PHASE_##id,
#define INSTANCE_ENUM_ITEM(id, word)      INSTANCE_##id,
#define HEALTH_ENUM_ITEM(id, word)        HEALTH_##id,
#define NODE_ENUM_ITEM(id, word)          NODE_##id,
#define ROLE_ENUM_ITEM(id, word)          ROLE_##id,
STATES_ENUM(DeploymentStatus, DEPLOYMENT, DEPLOYMENT_STATUSES);
STATES_ENUM(RolloutOutcome, OUTCOME, ROLLOUT_OUTCOMES);
STATES_ENUM(RolloutKind, ROLLOUT_KIND, ROLLOUT_KINDS);
STATES_ENUM(RolloutPhase, ROLLOUT_PHASE, ROLLOUT_PHASES);
STATES_ENUM(InstanceState, INSTANCE, INSTANCE_STATES);
STATES_ENUM(Health, HEALTH, HEALTHS);
STATES_ENUM(NodeStatus, NODE, NODE_STATUSES);
STATES_ENUM(Role, ROLE, ROLES);

/* The words of one list, by the value of its enum. */
typedef struct Words {
  int n;
  const char *const *words;
} Words;
extern const Words deployment_status_words, rollout_outcome_words, rollout_kind_words,
    rollout_phase_words, instance_state_words, health_words, node_status_words, role_words;

/* The word of @value; out of range is a defect (g_assert). */
const char *words_at(const Words *words, int value);
/* The value whose word is @word, or -1. */
int words_find(const Words *words, const char *word);

/* The JSON word of a state; static. Out of range is a defect (g_assert). */
const char *deployment_status_word(DeploymentStatus status);
const char *rollout_outcome_word(RolloutOutcome outcome);
const char *rollout_kind_word(RolloutKind kind);
const char *rollout_phase_word(RolloutPhase phase);
const char *instance_state_word(InstanceState state);
const char *health_word(Health health);
const char *node_status_word(NodeStatus status);
const char *role_word(Role role);

/* The state whose word is @word, or -1. */
int deployment_status_parse(const char *word);
int rollout_outcome_parse(const char *word);
int rollout_kind_parse(const char *word);
int rollout_phase_parse(const char *word);
int instance_state_parse(const char *word);
int health_parse(const char *word);
int node_status_parse(const char *word);
int role_parse(const char *word);
