#pragma once
/* A whole server without its process: for server_main, and for tests. */
#include "server/state.h"

/* Opens everything but the embedded node on @store (ownership moves on success): core loaded,
 * socket listening. NULL members of @server are set. False with @error: nothing stays. */
bool server_open(Server *server, const ServerOptions *options, Store *store, GError **error);
/* Ends streams, closes links, store and sockets. Agents stay. */
void server_close(Server *server);
