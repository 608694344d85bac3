/* Words of states, both ways; see states.h. */
#include "model/states.h"

static int states_find(const char *const *words, int n, const char *word)
{
  for (int i = 0; i < n; i++)
    if (g_strcmp0(words[i], word) == 0)
      return i;
  return -1;
}

#define WORD_ITEM(id, word) word,
#define STATES_WORDS(name, Type, LIST, COUNT)                  \
  static const char *const name##_words[] = {LIST(WORD_ITEM)}; \
  const char *name##_word(Type value)                          \
  {                                                            \
    g_assert((int)value >= 0 && (int)value < (int)(COUNT));    \
    return name##_words[value];                                \
  }                                                            \
  int name##_parse(const char *word)                           \
  {                                                            \
    return states_find(name##_words, (int)(COUNT), word);      \
  }

STATES_WORDS(deployment_status, DeploymentStatus, DEPLOYMENT_STATUSES, DEPLOYMENT_N)
STATES_WORDS(rollout_outcome, RolloutOutcome, ROLLOUT_OUTCOMES, OUTCOME_N)
STATES_WORDS(rollout_kind, RolloutKind, ROLLOUT_KINDS, ROLLOUT_KIND_N)
STATES_WORDS(rollout_phase, RolloutPhase, ROLLOUT_PHASES, ROLLOUT_PHASE_N)
STATES_WORDS(instance_state, InstanceState, INSTANCE_STATES, INSTANCE_N)
STATES_WORDS(health, Health, HEALTHS, HEALTH_N)
STATES_WORDS(node_status, NodeStatus, NODE_STATUSES, NODE_N)
STATES_WORDS(role, Role, ROLES, ROLE_N)
