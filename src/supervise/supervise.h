#pragma once
/* The node as a pure state machine: what it holds, the life of each instance, adoption, restarts.
 * node/ carries the actions out and feeds the events; the simulator does the same with a model.
 * Nothing here reads a clock or touches a file. Public state for tests: supervise/instance.h.
 *
 * What an instance runs in is its driver's business. The driver prepares a handle for it (the
 * process driver: a shim), starts one attempt after another in it, signals and kills them, and
 * releases the handle when it is not needed any more. A handle outlives the node, which finds it
 * again at its next start. When the handle is lost and processes may be left, the driver clears
 * what is left by other means.
 *
 * Invariant: a successor starts only when the driver has said that nothing of its predecessor lives
 * (EXITED, CLEARED, or VANISHED before anything ran), never because time has passed. */
#include "base/time.h"
#include "model/failure.h"
#include "model/frame.h"
#include "model/identity.h"

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
  NodeIdentity identity; /* as it was kept */
  size_t page_bytes;     /* of frames to the server, see frame_pages; 0 = the default */
} SupervisorConfig;

/* What happened; see NodeEvent for the members that are named here. @attempt guards against news of
 * an attempt that is over. */
typedef enum NodeEventType {
  NODE_EVENT_LINK_UP,   /* a server is at the other end: send hello */
  NODE_EVENT_LINK_DOWN, /* and now it is not */
  NODE_EVENT_FRAME,     /* @frame from the server */
  /* at start, one for each instance directory found: @text of the file, in the format of
     instance_file_write; NULL: it is there and cannot be read, @found says why */
  NODE_EVENT_FILE,
  /* at start, after FILE: a live handle of an earlier life of the node; @generation that it was
     prepared for, @pid and @attempt of the running attempt (pid 0: ended with @exit) */
  NODE_EVENT_FOUND,
  /* at start, after FILE: no handle; @attempt and @generation: what was begun last, 0 = none;
     @tree_lives: its main process was seen alive */
  NODE_EVENT_ABSENT,
  /* at start: every FILE was told. What is FOUND or ABSENT may come later, or never */
  NODE_EVENT_FILES_DONE,
  NODE_EVENT_STORED,       /* the instance file of @generation is durable (answers STORE) */
  NODE_EVENT_STORE_FAILED, /* ... could not be written: @text says why, @failure */
  NODE_EVENT_CREATED,      /* PREPARE: the handle exists now and owes its first word */
  NODE_EVENT_PREPARED,     /* the handle is ready to start (answers PREPARE) */
  /* there is no handle: @text says why, @failure (answers PREPARE, before or after CREATED) */
  NODE_EVENT_PREPARE_FAILED,
  NODE_EVENT_STARTED,      /* attempt @attempt runs as @pid */
  NODE_EVENT_START_FAILED, /* exec failed: @text says why, @failure */
  /* main process of @attempt ended with @exit and its whole tree is gone; @text: last output lines
   */
  NODE_EVENT_EXITED,
  /* the handle is gone without our asking; @tree_lives: something of the agent's tree may live */
  NODE_EVENT_VANISHED,
  NODE_EVENT_UNREACHABLE, /* the handle was asked @up_ms ago and has not answered */
  NODE_EVENT_REACHABLE,   /* ... and now it has */
  /* nothing of the tree is left (answers CLEAR); @generation and @attempt of what was ended, as far
     as they are known */
  NODE_EVENT_CLEARED,
  /* result of the probe of @attempt: @ok, @text: what was seen ("HTTP 503", "connection refused");
     @found: the path that answered */
  NODE_EVENT_PROBE,
  NODE_EVENT_RESERVED, /* answers RESERVE_PORTS: @frame is the RESERVED frame ready to send */
  NODE_EVENT_TICK,     /* it is wake_at_ms */
  NODE_EVENT_N
} NodeEventType;

/* One event; members that its type does not name are zero. Pointers are borrowed for the call. */
typedef struct NodeEvent {
  NodeEventType type;
  const char *instance; /* id; NULL = of the node as a whole */
  const Frame *frame;
  const char *text;  /* for people, or of a file: as the type says */
  const char *found; /* as the type says */
  int attempt;       /* 1.. */
  int64_t generation;
  int64_t pid;   /* of the main process, as the driver counts; 0 = nothing runs */
  int64_t up_ms; /* found: how long @pid has been running; unreachable: without an answer */
  ExitStatus exit;
  bool ok;              /* probe */
  bool tree_lives;      /* absent, vanished: processes of the last attempt may be alive */
  FailureClass failure; /* store-failed, prepare-failed, start-failed */
  /* exited, found: the kernel killed one of its processes for want of memory */
  bool out_of_memory;
} NodeEvent;

/* What the caller is to do, in order. Where "then EVENT" stands, one of those answers, unless the
 * handle or the attempt is over before. */
typedef enum NodeActionType {
  NODE_ACTION_SEND,    /* @text: frame JSON, to the server */
  NODE_ACTION_STORE,   /* write and sync the instance file @text, then STORED or STORE_FAILED */
  NODE_ACTION_PREPARE, /* @spec: make the instance's handle, then PREPARED or PREPARE_FAILED */
  /* release the instance's ports, start attempt @attempt in its handle, then STARTED or
   * START_FAILED
   */
  NODE_ACTION_START,
  NODE_ACTION_SIGNAL,  /* @signal to the main process group of the attempt */
  NODE_ACTION_KILL,    /* SIGKILL the whole tree; EXITED follows */
  NODE_ACTION_RELEASE, /* the handle may go (nothing runs in it); its end is no news then */
  /* end the handle, should there be one, and then all of the agent's tree, by identity, however
     long it takes; then CLEARED */
  NODE_ACTION_CLEAR,
  /* probe once: @spec, @health, @port, @path (remembered discover path or NULL); then PROBE */
  NODE_ACTION_PROBE,
  NODE_ACTION_RESERVE_PORTS, /* @frame is the RESERVE frame: bind, check commands, then RESERVED */
  NODE_ACTION_RELEASE_PORTS, /* @frame RELEASE: of its request; any other, or none: all */
  NODE_ACTION_PEERS,         /* rewrite the peers file of the instance with @text, atomically */
  NODE_ACTION_REMOVE,        /* remove the instance directory with its logs */
  NODE_ACTION_LOG, /* @frame: LOG_READ, LOG_CREDIT, LOG_CANCEL pass through to node/logs */
  /* @frame: EXEC, EXEC_CREDIT, EXEC_CANCEL; an EXEC with @spec of its instance, or @text: why it is
     refused */
  NODE_ACTION_EXEC,
  /* @text: the node's identity file as it is from now on, to be durable before what follows is
   * carried out */
  NODE_ACTION_KEEP_IDENTITY,
  NODE_ACTION_REFUSED, /* @text: why the server at the other end is not obeyed, for the log */
  NODE_ACTION_N
} NodeActionType;

/* Pointers are owned by the action, except @frame and @spec, which are borrowed until the next
 * node_apply. */
typedef struct NodeAction {
  NodeActionType type;
  char *instance; /* id; NULL = of the node as a whole */
  char *text;
  char *path;
  const Frame *frame;
  const InstanceSpec *spec;
  const HealthSpec *health; /* part of @spec; lives as long as the attempt */
  int attempt;
  int64_t generation;
  int64_t timeout_ms; /* probe */
  int signal;
  int port; /* of the instance; 0 = none */
} NodeAction;

typedef struct NodeActions {
  GArray *items;      /* of NodeAction, in order */
  int64_t wake_at_ms; /* boot clock; INT64_MAX = no need */
} NodeActions;
/* An empty list; caller frees. */
NodeActions *node_actions_new(void);
/* Frees the list and what its actions own; NULL is fine. */
void node_actions_free(NodeActions *actions);
/* Empties the list for the next node_apply; wake_at_ms stays. */
void node_actions_clear(NodeActions *actions);

/* A node that holds nothing yet; @config is copied. FILE events come next, then FILES_DONE. Caller
 * frees. */
Supervisor *supervisor_new(const SupervisorConfig *config);
/* NULL is fine. Nothing that runs is touched. */
void supervisor_free(Supervisor *supervisor);
/* Applies one event; appends to @actions, which the caller carries out in order, and sets its
 * wake_at_ms.
 * @now  boot_ms never goes back between two calls; wall_ms may */
void node_apply(Supervisor *supervisor, const NodeEvent *event, Now now, NodeActions *actions);

/* Number of instances held, whatever their state: for `server stop`. */
guint supervisor_size(const Supervisor *supervisor);
/* What the instance @id was last started with, or NULL; borrowed until the next node_apply. */
const InstanceSpec *supervisor_spec(const Supervisor *supervisor, const char *id);
/* Report of the instance @id as it is now, or NULL when it is not held; caller frees. */
InstanceReport *supervisor_report(const Supervisor *supervisor, const char *id);
