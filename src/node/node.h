#pragma once
/* The node: carries out what supervise/ decides. Embedded in a server it is reached by the same
 * frames as a node process. */
#include "net/loop.h"

#include <glib.h>
#include <stddef.h>

typedef struct Node Node;

/* who an agent's user is must be known in so long */
enum { NODE_USER_MS = 10000 };

typedef struct NodeConfig {
  const char *state_dir;  /* its own; made when absent */
  const char *node_id;    /* "local" */
  const char *shim_path;  /* the reeve-shim program */
  const char *reeve_path; /* what @REEVE_BIN@ stands for */
  /* whom agents without a user of their own run as; NULL = as the node does */
  const char *agents_user;
  bool resets; /* for node_reset: an identity that cannot be read is no obstacle */
} NodeConfig;

/* Opens @config->state_dir, finds the shims that are alive, adopts them. Runs on @loop. NULL with
 * @error: directory unusable or held by another node; REEVE_ERROR_DENIED, NOT_FOUND or INVALID when
 * agents cannot run as @config->agents_user. */
Node *node_new(Loop *loop, const NodeConfig *config, GError **error);
/* Leaves every agent running, after what was to be written is. NULL is fine. */
void node_free(Node *node);

/* The link to the server, whatever carries it: gives away one line of JSON without line end. May
 * end the link by node_link_down. */
typedef void (*NodeSend)(const char *frame, void *data);
/* There is a link: a hello follows, and frames by @send until node_link_down. */
void node_link_up(Node *node, NodeSend send, void *data);
/* It is gone; agents go on. Nothing when there was none. */
void node_link_down(Node *node);
/* One frame from the server; @text need not end with a NUL. What is no frame is logged and dropped.
 */
void node_receive(Node *node, const char *text, size_t length);

/* How many instances it holds, whatever their state. */
guint node_size(const Node *node);
/* The highest term of a server that it has obeyed; 0 = none. */
int64_t node_term(const Node *node);

/* Called every now and then with how many instances are left. */
typedef void (*NodeResetTold)(guint left, void *data);
/* Frees the node of @config->state_dir, which must not run, from the store that it belongs to: ends
 * every agent that it holds, however long it takes, removes their directories with the logs, and
 * forgets store and term. *@ended: how many it held. @told may be NULL. False with @error: as
 * node_new; nothing is changed then. */
bool node_reset(const NodeConfig *config, NodeResetTold told, void *data, guint *ended,
                GError **error);

typedef struct NodeOptions {
  const char *data_dir;
  const char *server_socket; /* unix socket of the server's node hub */
  const char *shim_path;
  const char *reeve_path;
  const char *agents_user; /* as in NodeConfig */
  bool verbose;
} NodeOptions;

/* A node as a process of its own: dials, reconnects with jittered back-off, until SIGTERM or
 * SIGINT; agents stay. Returns an exit code. */
int node_main(const NodeOptions *options);
