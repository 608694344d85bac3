/* Words of states, both ways; see states.h. */
#include "model/states.h"

#include <string.h>

const char *words_at(const Words *words, int value)
{
  g_assert(value >= 0 && value < words->n);
  return words->words[value];
}

int words_find(const Words *words, const char *word)
{
  for (int i = 0; word && i < words->n; i++)
    if (words->words[i][0] == word[0] && strcmp(words->words[i], word) == 0)
      return i;
  return -1;
}

#define WORD_ITEM(id, word) word,
#define STATES_WORDS(name, Type, LIST, COUNT)                                        \
  const Words name##_words = {(int)(COUNT), (const char *const[]){LIST(WORD_ITEM)}}; \
  const char *name##_word(Type value)                                                \
  {                                                                                  \
    return words_at(&name##_words, (int)value);                                      \
  }                                                                                  \
  int name##_parse(const char *word)                                                 \
  {                                                                                  \
    return words_find(&name##_words, word);                                          \
  }

STATES_WORDS(deployment_status, DeploymentStatus, DEPLOYMENT_STATUSES, DEPLOYMENT_N)
STATES_WORDS(rollout_outcome, RolloutOutcome, ROLLOUT_OUTCOMES, OUTCOME_N)
STATES_WORDS(rollout_kind, RolloutKind, ROLLOUT_KINDS, ROLLOUT_KIND_N)
STATES_WORDS(rollout_phase, RolloutPhase, ROLLOUT_PHASES, ROLLOUT_PHASE_N)
STATES_WORDS(instance_state, InstanceState, INSTANCE_STATES, INSTANCE_N)
STATES_WORDS(health, Health, HEALTHS, HEALTH_N)
STATES_WORDS(node_status, NodeStatus, NODE_STATUSES, NODE_N)
STATES_WORDS(role, Role, ROLES, ROLE_N)
