#pragma once
/* The core that is read from the store, and the requests that wait for it. */
#include "server/state.h"

/* At the start, on the loop. */
bool reload_first(Server *server, GError **error);
/* Hands of the engine: both on the store's thread, and answered by it. */
void reload_load(Server *server, int64_t absent_ms);
void reload_drop(Server *server, Core *core);
/* There is a core, or there will be none: whoever waits is answered. */
void reload_answer_held(Server *server);
/* @request, of which nothing was answered, goes to its handler once more when there is a core; when
 * its peer leaves before, it is forgotten. */
void reload_hold(Server *server, HttpRequest *request);
/* The same for a request that has just come. False when it can be answered now, one way or another:
 * the core is not LOADING, or too many wait. */
bool reload_holds(Server *server, HttpRequest *request);
/* The server ends: a load need not come to its end. */
void reload_end(Server *server);
/* After the store's thread, before the connections of those who wait. */
void reload_close(Server *server);
