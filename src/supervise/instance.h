#pragma once
/* One instance on a node, the supervisor that holds it, and the lives that it goes through. Shared
 * by the files of supervise/ and looked at by tests.
 *
 *   STORING -stored-> PREPARING -prepared-> STARTING -started-> RUNNING -exited-> BACKOFF
 *                                              ^                   |  \-> COMPLETED, FAILED
 *                                              '--due-- BACKOFF    | stop, replace, unhealthy
 *                                                                  v
 *         STOPPED, STORING (a newer generation) or BACKOFF <-exited- STOPPING
 *
 * ADOPTING: read from disk, nothing known of its process yet. CLEARING: its handle vanished or does
 * not answer; the handle and its tree are being ended. A passing failure to store, prepare or exec
 * leads to BACKOFF, whatever `restart` says: nothing ran.
 *
 * Invariants:
 * - One handle at a time. PREPARE is wanted only while `prepared` is false, in STORING, BACKOFF and
 *   ADOPTING; RELEASE only when nothing runs in the handle.
 * - The file of a generation is durable before anything of that generation starts.
 * - The outcome is durable before the handle, which remembers it, is released. */
#include "base/heap.h"
#include "supervise/coverage.h"
#include "supervise/supervise.h"

/* Final lives come last, from STOPPED on: instance_file.c counts on it, and their words are on
 * disk. All other words are for people who look at coverage. */
#define LIVES(X)            \
  X(ADOPTING, "adopting")   \
  X(STORING, "storing")     \
  X(PREPARING, "preparing") \
  X(STARTING, "starting")   \
  X(RUNNING, "running")     \
  X(BACKOFF, "backoff")     \
  X(STOPPING, "stopping")   \
  X(CLEARING, "clearing")   \
  X(STOPPED, "stopped")     \
  X(COMPLETED, "completed") \
  X(FAILED, "failed")
typedef enum Life {
#define X(id, word) LIFE_##id,
  LIVES(X)
#undef X
      LIFE_N
} Life;

typedef struct NodeInstance {
  Supervisor *supervisor;
  char *id;
  int64_t epoch, generation; /* of the instruction that it follows */
  bool desired_running;      /* what the last instruction wants */
  InstanceSpec *spec;        /* owned; NULL = its file could not be read */
  Life life;
  Life outcome; /* ADOPTING: the final life that its file tells; LIFE_ADOPTING = none */
  int attempt;  /* of this generation, the present or last one; 0 = none */
  int restarts; /* since it was stable last */
  int64_t pid;  /* 0 = nothing runs */
  ExitStatus last_exit;
  Health health;
  char *reason, *output;        /* for people; output: what its last attempt said last */
  int64_t since_ms;             /* wall */
  int64_t unreachable_since_ms; /* wall: RUNNING, and its handle does not answer; 0 = it does */
  bool prepared;                /* the driver has a handle with the present spec for it */
  bool rebooted; /* its last process belongs to another boot, or to who this was copied from */
  /* when the node began to start it by itself (alone.h); 0 = it did not */
  int64_t alone_boot_ms;
  bool forget;         /* remove once nothing lives */
  int stores;          /* files on their way to the disk */
  bool unhealthy_stop; /* STOPPING because of its probes: start again */
  bool release_wanted; /* stop came while the handle was being prepared */
  /* what was found at start is of a former generation: its end says nothing about ours */
  bool unstarted;
  bool unstored;        /* BACKOFF: the disk did not take the file of this generation */
  int passing_failures; /* FAILURE_PASSING in a row */
  Instruction *pending; /* a newer start that waits for the old tree's end; owned */
  /* when its attempt was seen to run; 0 = it was not */
  int64_t started_boot_ms;
  /* end of grace, of back-off, of settling, of waiting for an answer, by its life; INT64_MAX = none
   */
  int64_t act_boot_ms;
  int64_t probe_boot_ms; /* next probe; INT64_MAX = none */
  int64_t probe_gap_ms;  /* grows to the interval until the first healthy answer */
  bool probing;          /* an answer is on its way */
  bool was_healthy;      /* this attempt, at least once */
  bool killed;           /* SIGKILL was sent */
  bool clear_late;       /* CLEARING: that has not helped for INSTANCE_CLEAR_MS */
  int failures;          /* of probes, in a row */
  char *probe_path;      /* that answered */
  HeapNode due;          /* in the supervisor's queue of deadlines */
  bool dirty;            /* to be reported */
} NodeInstance;

struct Supervisor {
  char *node_id, *node_name, *boot_id, *version, *cgroups, *unenforced;
  size_t page_bytes;     /* of frames to the server, see frame_pages; 0 = the default */
  GHashTable *instances; /* id -> NodeInstance*; owned */
  Heap queue;            /* of NodeInstance by deadline, then id: those that have one */
  GPtrArray *dirty;      /* of NodeInstance* */
  /* every file was told; so were the handles' answers, or they took too long; the link is up */
  bool files_done, ready, link;
  guint adopting;        /* how many are ADOPTING */
  int64_t ready_boot_ms; /* when answers took too long */
  int64_t wake_at_ms;    /* that was asked for last */
  NodeIdentity identity; /* whom we obey: obey.h */
  /* the server at the other end does not take us, or is not ours: nothing that it says counts until
   * it is asked again at @refused_boot_ms */
  bool refused;
  int64_t refused_boot_ms;
  char *refusal;         /* what was told of it last; NULL = we were welcome last */
  int64_t alone_boot_ms; /* next look at what can be started without a server; INT64_MAX = none */
  int64_t heartbeat_ms, heartbeat_boot_ms, heartbeat_seq;
  /* of the node_apply that is under way; @actions is NULL outside of one */
  Now now;
  NodeActions *actions;
  SuperviseCoverageFn coverage;
  void *coverage_data;
};

enum {
  INSTANCE_SETTLE_MS = 50, /* an agent without a probe is healthy when it stayed up so long */
  /* an outcome that the disk did not take is written again after so long */
  INSTANCE_STORE_AGAIN_MS = 10000,
  INSTANCE_ANSWER_MS =
      30000,                 /* for the driver's answer; then the handle and its tree are cleared */
  INSTANCE_KILLED_MS = 5000, /* for the end of a tree that was killed; then it is cleared */
  /* for the end of what is being cleared; then people are told, and it is cleared again */
  INSTANCE_CLEAR_MS = 30000,
  INSTANCE_RETRY_MS = 100,       /* at least, between two tries of what may pass */
  SUPERVISOR_REFUSED_MS = 10000, /* until a server that refused us is asked again */
  SUPERVISOR_LEASE_MS = 35000,   /* when no server has ever told one */
  ALONE_ANSWER_MS = 10000,       /* for the answer to a hello, before the node goes on by itself */
  ALONE_LOOK_MS = 100,           /* between two looks whether a stage is up */
  ALONE_STAGE_MS = 60000,        /* that a stage waits for an agent of the one before it */
  SUPERVISOR_HELLO_MS = 500,     /* that the hello waits for handles to answer after a start */
  /* woken so much too late, we were away (a suspended machine): answers have their whole time again
   */
  SUPERVISOR_LATE_MS = 5000
};

/* Appends an action of @type about @instance (NULL = the node as a whole), with its id, attempt,
 * generation and port filled in. The caller sets the rest at once: the next call moves it. */
NodeAction *act(Supervisor *supervisor, NodeActionType type, const NodeInstance *instance);

/* Makes the instance @id, which the supervisor does not hold yet and owns from now on. Nothing of
 * it runs (STOPPED), until its caller knows more. */
NodeInstance *node_instance_new(Supervisor *supervisor, const char *id);
/* For the supervisor alone; others: node_instance_drop. */
void node_instance_free(NodeInstance *instance);
/* Out of the supervisor, with its directory; freed. */
void node_instance_drop(NodeInstance *instance);

/* Of the LIVES list; static. */
const char *life_word(Life life);
/* May anything of it live, as far as we know? Then a successor waits. */
bool node_instance_alive(const NodeInstance *instance);
/* Its life, or while ADOPTING the final one that its file tells (LIFE_ADOPTING: none). */
Life node_instance_shown_life(const NodeInstance *instance);
/* Is its life, as shown, one that only a newer instruction ends? */
bool node_instance_is_final(const NodeInstance *instance);
/* How `life` moves: a new life drops the deadline of the old one, and is reported. (Set beside it
 * only in one that was just made, and in one that only waits to be dropped.) @reason for people,
 * copied; NULL = none. */
void node_instance_set_life(NodeInstance *instance, Life life, const char *reason);
/* Reported when the event that is being applied is done; may be called again and again. */
void node_instance_changed(NodeInstance *instance);

/* To be called right after act_boot_ms or probe_boot_ms moved: it is its place in the queue. */
void node_instance_schedule(NodeInstance *instance);
/* When it is due, on the boot clock; INT64_MAX = never. */
int64_t node_instance_deadline(const NodeInstance *instance);
/* The driver owes an answer from now on: else it is taken for frozen. */
void node_instance_await_answer(NodeInstance *instance);
/* The same for one that owed an answer already; nothing for any other. */
void node_instance_await_anew(NodeInstance *instance);
/* Everything that it holds, in id order: two runs of one history do the same. Of NodeInstance*,
 * borrowed; the caller unrefs the array. */
GPtrArray *supervisor_sorted(const Supervisor *supervisor);
/* Nothing is due yet. */
void supervisor_queue_init(Supervisor *supervisor);
/* The instance whose deadline comes first, or NULL when none has one. Borrowed. */
NodeInstance *supervisor_first_due(const Supervisor *supervisor);
