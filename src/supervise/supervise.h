#pragma once
/* The node as a pure state machine: what it holds, the life of each instance, ports, adoption,
 * restarts. node/ carries the actions out and feeds the events; the simulator does the same with a
 * model. Nothing here reads a clock or touches a file. Public state for tests:
 * supervise/instance.h. */
#include "base/time.h"
#include "model/frame.h"

typedef struct Supervisor Supervisor;

typedef struct SupervisorConfig {
  const char *node_id;   /* "local" */
  const char *node_name; /* host name */
  const char *boot_id;
  const char *version;
  const char *cgroups; /* what limits are enforced with, for people; NULL = nothing to say */
  /* of "memory", "cpu", "pids", those that cannot be enforced here, separated by blanks; NULL =
   * none */
  const char *unenforced;
  const char *store; /* id of the store that what is held belongs to; NULL = not known yet */
} SupervisorConfig;

/* What happened. Pointers are borrowed for the call. @instance: id. @attempt guards against news of
 * an attempt that is over. */
typedef enum NodeEventType {
  NODE_EVENT_LINK_UP, /* send hello */
  NODE_EVENT_LINK_DOWN,
  NODE_EVENT_FRAME, /* @frame from the server */
  /* at start, one for each instance directory found: @text of the file, in the format of
     instance_file_write; NULL: it is there and cannot be read, @found says why */
  NODE_EVENT_FILE,
  /* at start, after FILE: a live shim holds it; @pid and @attempt of the running attempt (pid 0:
     ended with @exit) */
  NODE_EVENT_SHIM_FOUND,
  /* at start, after FILE: no shim; @attempt: that was begun last, 0 = none; @orphan: its main
     process still lives */
  NODE_EVENT_SHIM_ABSENT,
  /* at start: every FILE was told. What their shims say may come later, or never */
  NODE_EVENT_FILES_DONE,
  NODE_EVENT_STORED, /* the instance file of @attempt/@generation is durable (answers STORE) */
  NODE_EVENT_STORE_FAILED, /* ... could not be written: @text says why, @passing */
  NODE_EVENT_SHIM_SPAWNED, /* START_SHIM: it is there now and owes its first word */
  NODE_EVENT_SHIM_UP,      /* shim ready (answers START_SHIM) */
  NODE_EVENT_SHIM_FAILED,  /* could not start: @text, @passing */
  NODE_EVENT_STARTED,      /* attempt @attempt runs as @pid */
  NODE_EVENT_START_FAILED, /* exec failed: @text, @passing */
  /* main process of @attempt ended with @exit and its whole tree is gone; @text: last output lines
   */
  NODE_EVENT_EXITED,
  /* the shim died itself; @orphan: something of the agent's tree may still live */
  NODE_EVENT_SHIM_GONE,
  NODE_EVENT_SHIM_SILENT, /* it was asked @up_ms ago and has not answered */
  NODE_EVENT_SHIM_HEARD,  /* ... and now it has */
  /* answers END_ORPHAN; @generation and @attempt of what was ended, as far as they are known */
  NODE_EVENT_ORPHAN_ENDED,
  /* result of the probe of @attempt: @ok, @text: what was seen ("HTTP 503", "connection refused");
     @found: the path that answered */
  NODE_EVENT_PROBE,
  NODE_EVENT_RESERVED, /* answers RESERVE_PORTS: @frame is the RESERVED frame ready to send */
  NODE_EVENT_TICK,
  NODE_EVENT_N
} NodeEventType;

typedef struct NodeEvent {
  NodeEventType type;
  const char *instance;
  const Frame *frame;
  const char *text;
  const char *found;
  int attempt;
  int64_t generation;
  int64_t pid;
  int64_t up_ms; /* shim-found: how long @pid has been running */
  ExitStatus exit;
  bool ok;
  bool orphan;
  /* store-failed, shim-failed, start-failed: the machine had no room or was busy, and soon it may
   * not be */
  bool passing;
  /* exited, shim-found: the kernel killed one of its processes for want of memory */
  bool out_of_memory;
} NodeEvent;

typedef enum NodeActionType {
  NODE_ACTION_SEND,       /* @text: frame JSON, to the server */
  NODE_ACTION_STORE,      /* write and sync the instance file @text, then STORED */
  NODE_ACTION_START_SHIM, /* @spec: spawn the shim of the instance, then SHIM_UP or SHIM_FAILED */
  /* release the instance's ports, have the shim fork attempt @attempt, then STARTED or START_FAILED
   */
  NODE_ACTION_START,
  NODE_ACTION_SIGNAL,   /* @signal to the main process group of the attempt */
  NODE_ACTION_KILL,     /* SIGKILL the whole tree; EXITED follows */
  NODE_ACTION_END_SHIM, /* the shim may leave (nothing runs in it) */
  /* kill the shim, should there be one, and then all of the agent's tree, by identity; then
     ORPHAN_ENDED */
  NODE_ACTION_END_ORPHAN,
  /* probe once: @spec, @health, @port, @path (remembered discover path or NULL); then PROBE */
  NODE_ACTION_PROBE,
  NODE_ACTION_RESERVE_PORTS, /* @frame is the RESERVE frame: bind, check commands, then RESERVED */
  NODE_ACTION_RELEASE_PORTS, /* @frame RELEASE: of its request; WELCOME: all */
  NODE_ACTION_PEERS,         /* rewrite the peers file of the instance with @text, atomically */
  NODE_ACTION_REMOVE,        /* remove the instance directory with its logs */
  NODE_ACTION_LOG, /* @frame: LOG_READ, LOG_CREDIT, LOG_CANCEL pass through to node/logs */
  /* @frame: EXEC, EXEC_CREDIT, EXEC_CANCEL; an EXEC with @spec of its instance, or @text: why it is
     refused */
  NODE_ACTION_EXEC,
  /* @text: id of the store that the node belongs to from now on, to be kept for its next life */
  NODE_ACTION_KEEP_STORE,
  NODE_ACTION_REFUSED, /* @text: why the server at the other end is not obeyed, for the log */
  NODE_ACTION_N
} NodeActionType;

/* Pointers are owned by the action, except @frame and @spec, which are borrowed until the next
 * node_apply. */
typedef struct NodeAction {
  NodeActionType type;
  char *instance;
  char *text;
  char *path;
  const Frame *frame;
  const InstanceSpec *spec;
  const HealthSpec *health;
  int attempt;
  int64_t generation;
  int64_t timeout_ms;
  int signal;
  int port;
} NodeAction;

typedef struct NodeActions {
  GArray *items;      /* of NodeAction, in order */
  int64_t wake_at_ms; /* boot clock; INT64_MAX = no need */
} NodeActions;
NodeActions *node_actions_new(void);
void node_actions_free(NodeActions *actions);
void node_actions_clear(NodeActions *actions);

Supervisor *supervisor_new(const SupervisorConfig *config);
void supervisor_free(Supervisor *supervisor);
/* Applies one event; appends to @actions and sets its wake_at_ms. */
void node_apply(Supervisor *supervisor, const NodeEvent *event, Now now, NodeActions *actions);

/* The file that a node keeps for an instance: JSON
 * {"id","epoch","generation","desired","attempt","restarts","boot_id","last_exit","spec"}.
 */
/* Number of instances held, and whether any process may still be alive: for `server stop`. */
guint supervisor_size(const Supervisor *supervisor);
/* What @instance was last started with, or NULL; borrowed until the next node_apply. */
const InstanceSpec *supervisor_spec(const Supervisor *supervisor, const char *instance);
/* Report of one instance as it is now, or NULL; caller frees. */
InstanceReport *supervisor_report(const Supervisor *supervisor, const char *instance);
