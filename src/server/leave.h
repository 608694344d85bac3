#pragma once
/* The orderly end of a server, whoever begins it. */
#include "server/state.h"

/* Begins to leave: no new connections; the loop stops once every answer and commit is through, at
 * the latest after 5 s. */
void server_leave(Server *server, int exit_code);
