#pragma once
/* The control plane process: it joins core, store, HTTP front and node links on one loop. */
#include <stdbool.h>

#define SERVER_KEPT_FILE                                                                         \
  "server.options" /* in the state directory: with which options the next server is started when \
                    * nobody gives any                                                           \
                    */
#define SERVER_LISTEN_DEFAULT "127.0.0.1:7373"

typedef struct ServerOptions {
  const char *data_dir;    /* state directory; made when absent; held by one server at a time */
  const char *socket_path; /* control socket (HTTP); its directory is made when absent */
  /* "HOST:PORT" of the API over TCP; NULL or "none" = only the control socket */
  const char *listen;
  bool listen_optional; /* a taken @listen is only a warning */
  char **origins;   /* pages of other origins that may call the API (net/browser.h); NULL = none */
  int listen_tries; /* how many further ports are tried when that of @listen is taken */
  /* NULL = the node runs embedded, in DATA/node; else listen there for a node process */
  const char *node_socket;
  /* of the embedded node; NULL = no embedded node either (tests attach their own) */
  const char *shim_path;
  const char *reeve_path; /* of the embedded node: what runs `reeve agent serve` */
  /* whom agents without a user of their own run as; NULL = as the server does. Needs root */
  const char *agents_user;
  /* one byte is written and the descriptor closed once the server serves; -1 = nobody waits */
  int ready_fd;
  /* what SERVER_KEPT_FILE says once this server serves; "" = it is removed, NULL = left alone */
  const char *kept;
  bool verbose; /* debug lines on stderr */
  /* agents directory and what goes with it; NULL = defaults and no directory */
  const struct AgentsConfig *agents;
} ServerOptions;

/* Runs a server until SIGTERM, SIGINT or POST /api/server/stop; agents are kept running unless
 * asked otherwise. Returns the exit code: 0 after an orderly end, 5 when another server holds the
 * directory or the socket, 11 or 12 when the store is full or cannot be used, 3 when the store is
 * newer than this program, 1 for the rest. Errors are reported on stderr. */
int server_main(const ServerOptions *options);
