#pragma once
/* The TCP listener of the API. */
#include "server/state.h"

/* "HOST:PORT", "[v6]:PORT" or "PORT" (of 127.0.0.1) into @host (caller frees) and @port (0 = any).
 * False with REEVE_ERROR_USAGE. */
bool listen_parse(const char *text, char **host, int *port, GError **error);
/* Listens as the options say. A taken port is an error when it was asked for, and a note in @server
 * (listen_note) when it is the default.
 */
bool listen_open(Server *server, GError **error);
