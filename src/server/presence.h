#pragma once
/* Looks now and then whether what the server lives by is still there and still its own: the data
 * directory with its lock, and the sockets that it listens on. */
#include "server/state.h"

/* @server has opened its store and listens. Runs on its loop until presence_free. */
Presence *presence_new(Server *server);
void presence_free(Presence *presence);
