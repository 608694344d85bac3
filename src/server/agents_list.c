/* Owns the looking up in what was found in the agents directory. */
#include "server/agents.h"

void agents_continue(Agents *agents)
{
  if (agents && (agents->auto_pending || agents->waits->len))
    loop_timer_set(agents->later, 0);
}

const AgentEntry *agents_find(const Agents *agents, const char *name)
{
  return g_hash_table_lookup(agents->by_name, name);
}

const char *agents_name_of(const Agents *agents, const char *word)
{
  const AgentEntry *entry = g_hash_table_lookup(agents->entries, word);
  bool other =
      agents_find(agents, word) || core_deployment(engine_core(agents->server->engine), word);
  return entry && !other && !entry->taken_by ? entry->name : word;
}
