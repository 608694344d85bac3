#pragma once
/* Where state and sockets live: XDG directories for a user, the system's for root. */
#include <glib.h>

typedef struct Paths {
  char *data_dir; /* absolute */
  char *socket;   /* control socket */
} Paths;

/* @data_dir, @socket: what the options say, or NULL. Then REEVE_DATA_DIR, then the defaults. An
 * explicit data directory carries its own socket, so that two of them never meet. */
void paths_init(Paths *paths, const char *data_dir, const char *socket);
void paths_done(Paths *paths);
/* @socket in a form that fits sun_path (107 bytes): itself, or by way of /proc/self/fd. Caller
 * frees; the descriptor stays open until the process ends. */
char *paths_short_socket(const char *socket);
/* The program that runs, and the shim beside it or in ../libexec/reeve or ../lib/reeve. Caller
 * frees; the shim is NULL when there is none.
 */
char *paths_self(void);
char *paths_shim(void);
