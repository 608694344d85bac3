#pragma once
/* Names of unix sockets that we want to listen on. */
#include <glib.h>
#include <stdbool.h>

/* Makes @name in the directory @dir_fd free to be bound: removes a socket that nobody listens on
 * any more. Never waits for a listener that does not accept, and never removes what is no socket.
 * @path: the same for messages. False with @error (not NULL) REEVE_ERROR_CONFLICT when somebody
 * listens there, or another file has the name; it is as it was then. */
bool unix_socket_free_name(int dir_fd, const char *name, const char *path, GError **error);
