/* Owns how an agent begins to leave, and when it looks whether it may; serve.c does the leaving. */
#include "agent/internal.h"

#include "base/clock.h"
#include "base/log.h"

enum { DRAIN_MS = 10000 };

bool agent_is_busy(const Agent *agent)
{
  return agent->running.length || agent->waiting.length || agent->ending.length;
}

void agent_settle(Agent *agent)
{
  if (agent->draining && !agent_is_busy(agent))
    loop_timer_set(agent->leave, clock_boot_ms() + AGENT_LINGER_MS);
}

void agent_drain(Agent *agent)
{
  bool again = agent->draining;
  agent->draining = true;
  log_info("draining", "agent=%s in_flight=%u queued=%u", agent->file->name, agent->running.length,
           agent->waiting.length);
  http_server_close_listeners(agent->http);
  agent->leave_by_ms = clock_boot_ms() + (again ? 0 : DRAIN_MS);
  loop_timer_set(agent->leave, agent->leave_by_ms);
  if (!again)
    agent_settle(agent);
}
