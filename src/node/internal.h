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
typedef struct NodeExecs NodeExecs;
typedef struct Users Users;
typedef struct UserAsk UserAsk;
typedef struct Keep Keep;
typedef struct Groups Groups;
typedef struct Asks Asks;
typedef struct ExecRun ExecRun;
typedef struct Ends Ends;
typedef struct End End;

/* One instance as node/ sees it: its directory, its shim's connection, a probe on its way. */
typedef struct Hold {
  Node *node;
  char *id;
  char *directory;
  Shim *shim;
  bool shim_starting; /* spawned, its hello has not come */
  bool adopting;      /* found at start, its hello has not come */
  int adopt_tries;
  int64_t asked_ms;       /* boot clock: since when its shim owes a word; 0 = it does not */
  bool silent;            /* that took too long, and was told */
  LoopTimer *timer;       /* adoption's next try */
  End *end;               /* of its tree, that is on its way */
  ProcessIdentity orphan; /* what its state file says, read when its shim is gone */
  struct ProbeRun *probe;
  InstanceSpec *waiting; /* to be started once its secrets are here, and then its user; or NULL */
  int64_t waiting_generation;
  UserAsk *asking; /* who the user is that it runs as */
  /* "K=V" that the present shim was given, for commands beside the agent; NULL = none, or not known
   * since the node restarted */
  char **secrets;
  int runs;          /* commands beside it, which may be in its control groups */
  bool limited;      /* it may have a control group */
  int64_t oom_kills; /* that its group had seen when the present attempt began */
} Hold;

/* An event that waits for its turn; owns copies. */
typedef struct QueuedEvent {
  NodeEvent event;
  char *instance, *text, *found;
  Frame *frame;
} QueuedEvent;

struct Node {
  Loop *loop;
  char *state_dir, *instances_dir, *runs_dir, *shim_path, *reeve_path, *node_id, *agents_user;
  int lock;
  Supervisor *supervisor;
  NodeActions *actions;
  GQueue events; /* of QueuedEvent* */
  bool working;  /* inside node_work: events wait */
  /* in node_free: nothing begins any more, but shims whose agents have ended are let go */
  bool leaving;
  LoopTimer *wake;
  GHashTable *holds; /* id -> Hold*; owned */
  Reaper *reaper;
  Cgroups *cgroups;
  HttpClient *http;
  Writer *writer;
  Ports *ports;
  NodeLogs *logs;
  NodeExecs *execs;
  Keep *keep;
  Groups *groups;
  Asks *asks;
  Ends *ends;
  Users *users;
  GPtrArray *reserving; /* of Reserving*: they wait for what users.c finds */
  GQueue departing; /* of Departing*: shims that were told to leave, in the order of their time */
  LoopTimer *departure;
  uint64_t last_run; /* number of the last directory of a command */
  NodeSend send;
  void *send_data;
  guint adopting; /* instances whose files were not told yet */
};

/* access.c: who runs as another user than we. */
/* The user that an instance of @spec runs as; NULL = as this node does. Borrowed. */
const char *node_user_of(const Node *node, const InstanceSpec *spec);
/* Checks that agents can run as @node->agents_user, and lets every user pass through, not list, the
 * directories down to those of the instances; what else lies in the state directory is closed to
 * all but us. False with @error. */
bool node_open_to_user(const Node *node, GError **error);
/* Writes the file @name of @hold, which its agent reads: an agent of another user (@user, NULL = as
 * this node does) is made its owner. */
bool hold_write_file(const Hold *hold, const User *user, const char *name, const char *text,
                     GError **error);
/* Writes it anew for whom it was written for. Before the agent's first start there is none, and
 * nothing is written. */
bool hold_write_file_again(const Hold *hold, const char *name, const char *text, GError **error);

/* users.c: who a user name stands for. */
/* Nobody waits longer than @longest_ms. */
Users *users_new(Loop *loop, int64_t longest_ms);
/* Everybody who asked has forgotten it. Does not wait for a look-up that does not come back. */
void users_free(Users *users);
/* On the loop, later; @user NULL with @error as of user_look_up, or REEVE_ERROR_UNAVAILABLE when
 * that takes too long; both borrowed. */
typedef void (*UserFound)(void *data, const User *user, const GError *error);
/* The ask is valid until @found was called. */
UserAsk *users_ask(Users *users, const char *name, UserFound found, void *data);
/* Nobody waits any more. NULL is fine. */
void users_forget(UserAsk *ask);

/* node.c: queues an event (texts are copied, @frame's ownership moves) and works it off unless that
 * is under way. */
void node_event(Node *node, const NodeEvent *event, Frame *frame);
Hold *node_hold(Node *node, const char *id, bool make);
void node_send_frame(Node *node, const Frame *frame);
bool node_may_pass(const GError *error); /* no room, or the machine is busy: soon it may not be */

/* adopt.c */
void adopt_begin(Node *node);
/* Ends shim and tree of @hold by identity, then ORPHAN_ENDED. */
void adopt_orphan_end(Hold *hold);
/* shims.c */
extern const ShimEvents hold_shim_events;
void hold_start_shim(Hold *hold, const NodeAction *action);
void hold_drop_probe(Hold *hold);
/* Its shim may leave, and is made to when it does not. */
void hold_end_shim(Hold *hold);
void departures_free(Node *node);
/* Spawns the shim, once it is known who its user is; @hold->secrets go beside the environment of
 * @spec. SHIM_FAILED follows when it cannot.
 */
void hold_launch(Hold *hold, const InstanceSpec *spec, int64_t generation);

/* secrets.c: a start whose environment names secrets or files. */
void secrets_drop(Hold *hold); /* overwritten and freed */
void secrets_ask(Hold *hold, const NodeAction *action);
void secrets_frame(Node *node, const Frame *frame); /* the server's answer */
/* asks again: what was asked before the hello, or over a former link, nobody answers */
void secrets_welcome(Node *node);

/* ends.c: ends trees without a shim, by what is known of them. */
/* on the loop; @was: pid 0 = not known */
typedef void (*EndedFn)(void *data, const ProcessIdentity *was);
typedef struct EndSpec {
  const char *directory; /* of the shim */
  bool with_shim;        /* its shim too, should there be one */
  bool remove;           /* the directory when nothing is left */
  EndedFn ended;         /* NULL = nobody waits */
  void *data;
} EndSpec;
Ends *ends_new(Loop *loop);
void ends_free(Ends *ends);
/* Goes on until nothing is left. The End is valid until @ended was called, and only if that is not
 * NULL. */
End *ends_tree(Ends *ends, const EndSpec *spec);
/* Nobody waits any more; it goes on all the same. NULL is fine. */
void end_forget(End *end);

/* writer.c: a thread for what may block on the disk: instance files, with one sync for all that
 * wait, and what must come after them. */
Writer *writer_new(Node *node);
/* Ends the thread once everything is written, and tells the node of the last of it. Nothing can be
 * stored after it. */
void writer_finish(Writer *writer);
void writer_free(Writer *writer);
void writer_store(Writer *writer, const char *id, const char *directory, int64_t generation,
                  const char *text);
/* @work on the thread, after everything that was stored before; then @done on the loop, which owns
 * @data from then on. */
typedef void (*WriterFn)(void *data);
void writer_do(Writer *writer, WriterFn work, WriterFn done, void *data);

/* probe.c */
void probe_start(Hold *hold, const NodeAction *action);
void probe_cancel(struct ProbeRun *run);

/* ports.c */
Ports *ports_new(void);
void ports_free(Ports *ports);
/* Answers a RESERVE frame. @no_users: name -> why there is no such user; NULL = all are there.
 * Caller owns the result. */
Frame *ports_reserve(Ports *ports, const Frame *reserve, GHashTable *no_users);
void ports_release_request(Ports *ports, int64_t request); /* 0 = of every request */
void ports_release_instance(Ports *ports, const char *id);

/* reserve.c: answers RESERVE frames, by RESERVED, once it is known who the users are that they
 * name. */
void node_reserve(Node *node, const Frame *reserve);
/* what was reserved, or is waited for, is void; 0 = of every request */
void node_reserve_release(Node *node, int64_t request);
void node_reserve_free(Node *node);

/* check.c: why @spec could not be started here, or NULL; caller frees. @no_user: why its user is
 * not there; NULL = it is. */
char *check_spec(const InstanceSpec *spec, const char *no_user);
/* Why a start of @spec (NULL = not known) failed, as its shim says: not "start 'x'", which the
 * caller puts in front. Caller frees. */
char *check_start_failed(const ShimMessage *message, const InstanceSpec *spec);

/* logs.c */
NodeLogs *node_logs_new(Node *node);
void node_logs_free(NodeLogs *logs);
void node_logs_frame(NodeLogs *logs, const Frame *frame);
void node_logs_link_down(NodeLogs *logs);

/* keep.c: soon looks whether logs must go; at the latest every hour. */
Keep *keep_new(Node *node);
void keep_free(Keep *keep);
void keep_soon(Keep *keep);
typedef struct KeepLimits {
  int64_t cap_bytes; /* of all log files of the node */
  int64_t gone_ms;   /* logs of an instance that nobody held for so long go */
  int64_t now_ms;    /* wall */
} KeepLimits;
/* Is somebody writing the log of @id? */
typedef bool (*KeepHeldFn)(const char *id, void *data);
/* Removes what is too old and then, oldest first, what is too much; never a file that is being
 * written. Returns the bytes removed. */
int64_t keep_sweep(const char *instances_dir, KeepHeldFn held, void *data,
                   const KeepLimits *limits);

/* groups.c: control groups of instances go when nothing needs them any more. */
Groups *groups_new(Node *node);
/* Removes the group around all of them too, when nothing is left. */
void groups_free(Groups *groups);
/* A shim or a command of instance @id has gone: its groups go unless another one has them, as soon
 * as nothing runs in them. */
void groups_remove(Groups *groups, const char *id);
/* At start, when every instance has its hold: groups that none of them can have are of a former
 * life, and go. */
void groups_sweep(Groups *groups);

/* asks.c: shims are looked at, each every @period_ms; SHIM_SILENT follows when one that was asked
 * has not answered by its next turn. */
Asks *asks_new(Node *node, int64_t period_ms);
void asks_free(Asks *asks);
/* The shim of @hold has said something. */
void asks_answered(Hold *hold);

/* run.c: a command in the environment of an instance, held by a shim that ends with us. */
typedef struct ExecSpec {
  const char *instance;     /* id */
  const InstanceSpec *spec; /* of the instance: environment, directory, user, limits */
  char *const *argv;
  const int *fds; /* two, that take stdout and stderr; borrowed */
} ExecSpec;
/* @error: why it could not be started, or how it was lost; NULL = it ended with @exit and nothing
 * of its tree is left. The run may be freed inside. */
typedef void (*ExecEnded)(void *data, ExitStatus exit, const char *error);
/* NULL with @error when not even its shim starts. */
ExecRun *exec_run_new(Node *node, const ExecSpec *spec, ExecEnded ended, void *data,
                      GError **error);
void exec_run_signal(ExecRun *run, int signal);
/* Ends the whole tree if it still runs. */
void exec_run_free(ExecRun *run);
/* Ends what commands of an earlier node left behind, and removes their directories. */
void exec_runs_sweep(Node *node);

/* exec.c: commands that the server asks for. */
NodeExecs *node_execs_new(Node *node);
void node_execs_free(NodeExecs *execs);
/* @spec: of the instance that the frame names, NULL with @refused; both borrowed. */
void node_execs_frame(NodeExecs *execs, const Frame *frame, const InstanceSpec *spec,
                      const char *refused);
void node_execs_link_down(NodeExecs *execs);
