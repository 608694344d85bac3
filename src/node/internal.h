#pragma once
/* What the files of node/ share. */
#include "drivers/identity.h"
#include "drivers/process.h"
#include "net/http_client.h"
#include "node/node.h"
#include "supervise/supervise.h"

typedef struct Writer Writer;
typedef struct Ports Ports;
typedef struct NodeLogs NodeLogs;

/* One instance as node/ sees it: its directory, its shim's connection, a probe on its way. */
typedef struct Hold {
  Node *node;
  char *id;
  char *directory;
  Shim *shim;
  bool shim_starting; /* spawned, its hello has not come */
  bool adopting;      /* found at start, its hello has not come */
  int adopt_tries;
  LoopTimer *timer; /* orphan's end, adoption's next try */
  ProcessIdentity orphan;
  struct ProbeRun *probe;
} Hold;

/* An event that waits for its turn; owns copies. */
typedef struct QueuedEvent {
  NodeEvent event;
  char *instance, *text, *found;
  Frame *frame;
} QueuedEvent;

struct Node {
  Loop *loop;
  char *state_dir, *instances_dir, *shim_path, *reeve_path, *node_id;
  int lock;
  Supervisor *supervisor;
  NodeActions *actions;
  GQueue events; /* of QueuedEvent* */
  bool working;  /* inside node_work: events wait */
  LoopTimer *wake;
  GHashTable *holds; /* id -> Hold*; owned */
  Reaper *reaper;
  HttpClient *http;
  Writer *writer;
  Ports *ports;
  NodeLogs *logs;
  NodeSend send;
  void *send_data;
  guint adopting; /* instances whose shims have not answered yet */
  bool adopted;
};

/* node.c: queues an event (texts are copied, @frame's ownership moves) and works it off unless that is under way. */
void node_event(Node *node, const NodeEvent *event, Frame *frame);
Hold *node_hold(Node *node, const char *id, bool make);
void node_send_frame(Node *node, const Frame *frame);

/* adopt.c */
void adopt_begin(Node *node);
void adopt_orphan_end(Hold *hold);
void adopt_told(Node *node);
/* shims.c */
extern const ShimEvents hold_shim_events;
void hold_start_shim(Hold *hold, const NodeAction *action);
void hold_drop_probe(Hold *hold);

/* writer.c: writes instance files on a thread; one sync for all that wait. */
Writer *writer_new(Node *node);
void writer_free(Writer *writer);
void writer_store(Writer *writer, const char *id, const char *directory, int64_t generation, const char *text);

/* probe.c */
void probe_start(Hold *hold, const NodeAction *action);
void probe_cancel(struct ProbeRun *run);

/* ports.c */
Ports *ports_new(void);
void ports_free(Ports *ports);
/* Answers a RESERVE frame. Caller owns the result. */
Frame *ports_reserve(Ports *ports, const Frame *reserve);
void ports_release_request(Ports *ports, int64_t request);
void ports_release_instance(Ports *ports, const char *id);

/* check.c: why @spec could not be started here, or NULL; caller frees. */
char *check_spec(const InstanceSpec *spec);

/* logs.c */
NodeLogs *node_logs_new(Node *node);
void node_logs_free(NodeLogs *logs);
void node_logs_frame(NodeLogs *logs, const Frame *frame);
void node_logs_link_down(NodeLogs *logs);
