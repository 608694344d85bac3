/* Words of the states of a task in both versions, and which of them end it. */
#include "agent/a2a.h"

static const struct {
  const char *old, *new;
  bool ends;
} a2a_states[] = {
#define X(id, old, new, ends) {old, new, ends},
    A2A_STATES(X)
#undef X
};

const char *a2a_state_word(A2aState state, A2aVersion version)
{
  return version == A2A_0_3 ? a2a_states[state].old : a2a_states[state].new;
}

bool a2a_state_ends(A2aState state)
{
  return a2a_states[state].ends;
}
