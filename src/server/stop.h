#pragma once
/* POST /api/server/stop: with the agents, one deployment after another. */
#include "server/state.h"

/* Appends "deployment/agent" of every instance that runs, or is meant to, as a JSON list. Returns
 * how many. */
guint stop_running_agents(const Server *server, GString *out, const char *key);
/* Something left: the orderly stop goes on. */
void stop_continue(Server *server);
void stop_free(Stopping *stopping);
