#pragma once
/* One instance's life on a node. Shared by the files of supervise/ and looked at by tests.
 *
 *   STORING -stored-> SHIM -up-> STARTING -started-> RUNNING -exited-> BACKOFF -due-> STARTING ...
 *                                                      |  \-> COMPLETED, FAILED
 *                                       stop, replace, unhealthy
 *                                                      v
 *   STOPPING -exited-> STOPPED, or STORING (a newer generation), or BACKOFF
 *   ADOPTING: read from disk, nothing known of its process yet. ORPHAN: its shim died or does not
 * answer; the shim and its tree are being ended. A passing failure to store, start the shim or exec
 * leads to BACKOFF, whatever `restart` says: nothing ran. */
#include "base/heap.h"
#include "supervise/coverage.h"
#include "supervise/supervise.h"

#define LIVES(X)          \
  X(ADOPTING, "adopting") \
  X(STORING, "storing")   \
  X(SHIM, "shim")         \
  X(STARTING, "starting") \
  X(RUNNING, "running")   \
  X(BACKOFF, "backoff")   \
  X(STOPPING, "stopping") \
  X(ORPHAN, "orphan") X(STOPPED, "stopped") X(COMPLETED, "completed") X(FAILED, "failed")
typedef enum Life {
#define X(id, word) LIFE_##id,
  LIVES(X)
#undef X
      LIFE_N
} Life;

typedef struct Held {
  Supervisor *supervisor;
  char *id;
  int64_t epoch, generation;
  bool desired_running;
  InstanceSpec *spec;
  Life life;
  Life outcome; /* ADOPTING: the final life that its file tells; LIFE_ADOPTING = none */
  int attempt, restarts;
  int64_t pid;
  ExitStatus last_exit;
  Health health;
  char *reason, *output;
  int64_t since_ms;        /* wall */
  int64_t silent_since_ms; /* wall: RUNNING, and its shim does not answer; 0 = it does */
  bool shim_up;            /* a shim with the present spec holds it */
  bool rebooted;           /* its last process belongs to another boot */
  bool forget;             /* remove once nothing lives */
  int stores;              /* files on their way to the disk */
  bool unhealthy_stop;     /* STOPPING because of its probes: start again */
  bool shim_wanted_away;   /* stop came while the shim was starting */
  /* what was found at start is of a former generation: its end says nothing about ours */
  bool unstarted;
  bool unstored;        /* BACKOFF: the disk did not take the file of this generation */
  int passing;          /* failures in a row of which each may pass */
  Instruction *pending; /* a newer start that waits for the old tree's end; owned */
  int64_t started_boot_ms;
  /* end of grace, of back-off, of settling, of waiting for a shim's answer; INT64_MAX = none */
  int64_t act_boot_ms;
  int64_t probe_boot_ms; /* next probe; INT64_MAX = none */
  int64_t probe_gap_ms;  /* grows to the interval until the first healthy answer */
  bool probing, was_healthy;
  bool killed; /* SIGKILL was sent */
  int failures;
  char *probe_path; /* that answered */
  HeapNode due;     /* in the supervisor's queue of deadlines */
  bool dirty;       /* to be reported */
} Held;

struct Supervisor {
  char *node_id, *node_name, *boot_id, *version, *cgroups, *unenforced;
  GHashTable *held; /* id -> Held*; owned */
  Heap queue;       /* of Held by deadline, then id: those that have one */
  GPtrArray *dirty; /* of Held* */
  /* every file was told; so were the shims' answers, or they took too long; the link is up */
  bool files_done, ready, link;
  guint adopting;        /* how many are ADOPTING */
  int64_t ready_boot_ms; /* when answers took too long */
  int64_t wake_at_ms;    /* that was asked for last */
  int64_t term;
  char *store; /* id of the store that what is held belongs to; NULL = not known */
  /* the server at the other end of this link has another store: nothing that it says counts */
  bool refused;
  int64_t heartbeat_ms, heartbeat_boot_ms, heartbeat_seq;
  Now now;
  NodeActions *actions;
  SuperviseCoverageFn coverage;
  void *coverage_data;
};

enum {
  HELD_SETTLE_MS = 50, /* an agent without a probe is healthy when it stayed up so long */
  /* an outcome that the disk did not take is written again after so long */
  HELD_STORE_AGAIN_MS = 10000,
  HELD_ANSWER_MS = 30000, /* for a shim's answer; then it and its tree are ended */
  /* for the end of a tree that its shim was told to kill; then the node does it */
  /* woken so much too late, we were away (a suspended machine): answers have their whole time again
   */
  HELD_KILLED_MS = 5000,
  HELD_PASSING_MS = 100,     /* at least, between two tries of what may pass */
  SUPERVISOR_HELLO_MS = 500, /* that the hello waits for shims to answer after a start */
  SUPERVISOR_LATE_MS = 5000
};

/* supervisor.c */
NodeAction *act(Supervisor *supervisor, NodeActionType type, const Held *held);
void held_changed(Held *held);
void held_schedule(Held *held); /* after act_boot_ms or probe_boot_ms moved */
void held_drop(Held *held);     /* out of the supervisor, freed */
void supervisor_send(Supervisor *supervisor, const Frame *frame);

/* instance.c */
/* Nothing of it runs (STOPPED), until its caller knows more. */
Held *held_new(Supervisor *supervisor, const char *id);
void held_free(Held *held);
void held_start(Held *held, const Instruction *instruction);
void held_stop(Held *held);
void held_forget(Held *held);
void held_event(Held *held, const NodeEvent *event);
void held_due(Held *held);
void held_set_life(Held *held, Life life, const char *reason);
void held_begin_stop(Held *held, const char *reason);
void held_store(Held *held);
const char *life_word(Life life);
/* its life, or while ADOPTING the final one that its file tells */
Life held_face(const Held *held);
/* A shim owes an answer from now on, or all of them do once more. */
void held_owes_answer(Held *held);
void held_owes_anew(Held *held);

/* restart.c: what follows when the main process of @held has ended. */
void held_ended(Held *held, const char *reason);
/* Starts the next attempt, in the present shim when there is one. */
void restart_now(Held *held);
/* Nothing ran, for @reason, which may pass: tries again with the delays of restarts. It does not
 * count as one. */
void restart_passing(Held *held, const char *reason);

/* probes.c */
void probes_begin(Held *held);
void probes_end(Held *held);
void probes_due(Held *held);
void probes_result(Held *held, const NodeEvent *event);

/* instance_file.c */
char *instance_file_write(const Held *held);
/* Fills @held from the text; REEVE_ERROR_INVALID. */
bool instance_file_parse(Held *held, const char *text, GError **error);
