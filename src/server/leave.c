/* Owns the beginning of the end: nothing new comes in, what is under way is seen through; server.c
 * waits for that. */
#include "server/leave.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/agents.h"
#include "server/exec.h"
#include "server/logs.h"
#include "server/registry.h"

enum { DRAIN_MS = 5000 };

void server_leave(Server *server, int exit_code)
{
  if (server->leaving)
    return;
  server->leaving = true;
  server->exit_code = exit_code;
  server->drain_until_ms = clock_boot_ms() + DRAIN_MS;
  log_info("server leaves, agents stay", "exit=%d", exit_code);
  http_server_close_listeners(server->http);
  http_server_close_listeners(server->tcp);
  registry_leave(server->registry);
  events_end(server->events, "the server is shutting down");
  logs_end(server->logs);
  execs_end(server->execs);
  agents_continue(server->agents);
  /* from the loop: the request that asked for it is still being answered */
  loop_timer_set(server->drain, 0);
}
