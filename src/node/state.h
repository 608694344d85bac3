#pragma once
/* What the files of node/ share: the node, and what it keeps of each instance beside its driver.
 * They stand on each other in this order: dispatch, state, users, access, secrets, writer, ports,
 * reserve, run, probe, exec, logs, equip, adopt, node. */
#include "net/http_client.h"
#include "net/loop.h"
#include "node/dispatch.h"
#include "node/node.h"

typedef struct Writer Writer;
typedef struct PortBook PortBook;
typedef struct NodeLogs NodeLogs;
typedef struct NodeExecs NodeExecs;
typedef struct Users Users;
typedef struct UserAsk UserAsk;
typedef struct ProbeRun ProbeRun;

struct Node {
  Loop *loop;
  char *state_dir, *instances_dir, *shim_path, *reeve_path, *node_id, *agents_user;
  int lock; /* descriptor: one node a state directory; -1 = not locked */
  Dispatch *dispatch;
  Driver *driver; /* the one that there is: driver_of */
  /* in node_free: nothing begins any more, but handles whose agents have ended are released */
  bool leaving;
  int64_t term; /* that it had obeyed when it started */
  LoopTimer *wake;
  GHashTable *runners; /* id -> Runner*; owned */
  HttpClient *http;
  Writer *writer;
  PortBook *ports;
  NodeLogs *logs;
  NodeExecs *execs;
  Users *users;
  GPtrArray *reserving; /* of Reserving*: they wait for what users.c finds */
  NodeSend send;        /* NULL = no link */
  void *send_data;
  guint adopting; /* instances whose files were not told yet */
};

/* What carries one instance out beside its driver: its directory, what a start waits for, a probe
 * on its way. There is one for each instance that the supervisor holds, from its first action (or
 * its directory at start) until REMOVE. */
typedef struct Runner {
  Node *node;
  char *id;
  char *directory;
  LoopTimer *timer; /* adoption: its file's next try */
  int adopt_tries;
  ProbeRun *probe;       /* at most one is on its way */
  InstanceSpec *waiting; /* to be prepared once its secrets are here, and then its user; or NULL */
  int64_t waiting_generation;
  UserAsk *asking; /* who the user is that it runs as */
  /* "K=V" that the present handle was given, for commands beside the agent; NULL = none, or not
   * known since the node restarted */
  char **secrets;
} Runner;

/* Who runs @spec. With one driver there is nothing to choose; a second one is chosen here. */
Driver *driver_of(const Node *node, const InstanceSpec *spec);
/* As dispatch_event. May free any Runner. */
void node_event(Node *node, const NodeEvent *event, Frame *frame);
/* The runner of instance @id, made when @make; else NULL when there is none. Borrowed: valid until
 * its REMOVE. */
Runner *node_runner(Node *node, const char *id, bool make);
/* To the server; dropped when there is no link. */
void node_send_frame(Node *node, const Frame *frame);
/* The user that an instance of @spec runs as; NULL = as this node does. Borrowed. */
const char *node_user_of(const Node *node, const InstanceSpec *spec);
