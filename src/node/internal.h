#pragma once
/* What the files of node/ share. */
#include "drivers/identity.h"
#include "drivers/process.h"
#include "net/http_client.h"
#include "node/node.h"
#include "supervise/supervise.h"

typedef struct Writer Writer;
typedef struct PortBook PortBook;
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

/* What carries one instance out: its directory, its shim's connection, a probe on its way. There is
 * one for each instance that the supervisor holds, from its first action (or its directory at
 * start) until REMOVE. */
typedef struct Runner {
  Node *node;
  char *id;
  char *directory;
  Shim *shim;     /* NULL = not connected */
  bool preparing; /* its shim was spawned, the hello has not come */
  bool adopting;  /* found at start: neither FOUND nor ABSENT was told yet */
  int adopt_tries;
  int64_t asked_ms;             /* boot clock: since when its shim owes a word; 0 = it does not */
  bool unreachable;             /* that took too long, and was told */
  LoopTimer *timer;             /* adoption's next try */
  End *end;                     /* of its tree, that is on its way */
  ProcessIdentity main_process; /* what its state file says, read when its shim is gone */
  struct ProbeRun *probe;       /* at most one is on its way */
  InstanceSpec *waiting; /* to be started once its secrets are here, and then its user; or NULL */
  int64_t waiting_generation;
  UserAsk *asking; /* who the user is that it runs as */
  /* "K=V" that the present shim was given, for commands beside the agent; NULL = none, or not known
   * since the node restarted */
  char **secrets;
  int runs;          /* commands beside it, which may be in its control groups */
  bool limited;      /* it may have a control group */
  int64_t oom_kills; /* that its group had seen when the present attempt began */
} Runner;

/* An event that waits for its turn; owns copies. */
typedef struct QueuedEvent {
  NodeEvent event;
  char *instance, *text, *found;
  Frame *frame;
} QueuedEvent;

/* Invariants: one cycle at a time (node_work), so that no action is carried out inside another one;
 * and what is told to the supervisor is told in the order in which it was seen. */
struct Node {
  Loop *loop;
  char *state_dir, *instances_dir, *runs_dir, *shim_path, *reeve_path, *node_id, *agents_user;
  int lock; /* descriptor: one node a state directory; -1 = not locked */
  Supervisor *supervisor;
  NodeActions *actions;
  GQueue events; /* of QueuedEvent* */
  bool working;  /* inside node_work: events wait */
  /* in node_free: nothing begins any more, but shims whose agents have ended are let go */
  bool leaving;
  LoopTimer *wake;
  GHashTable *runners; /* id -> Runner*; owned */
  Reaper *reaper;
  Cgroups *cgroups;
  HttpClient *http;
  Writer *writer;
  PortBook *ports;
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
  NodeSend send;     /* NULL = no link */
  void *send_data;
  guint adopting; /* instances whose files were not told yet */
};

/* ---- node.c: the cycle ---- */

/* Queues an event (its texts are copied, the ownership of @frame moves; NULL = none) and works it
 * off, with all that follows from it, unless that is under way. May free any Runner. */
void node_event(Node *node, const NodeEvent *event, Frame *frame);
/* The runner of instance @id, made when @make; else NULL when there is none. Borrowed: valid until
 * its REMOVE. */
Runner *node_runner(Node *node, const char *id, bool make);
/* To the server; dropped when there is no link. */
void node_send_frame(Node *node, const Frame *frame);
/* Passing: no room, or the machine is busy (REEVE_ERROR_UNAVAILABLE, STORE_FULL). */
FailureClass node_failure(const GError *error);

/* ---- runner.c: a runner and its shim ---- */

/* What a shim tells; @data is the Runner. */
extern const ShimEvents runner_shim_events;
/* Carries PREPARE out: asks for secrets and the user first where the spec of @action names some.
 * CREATED and PREPARED follow, or PREPARE_FAILED. */
void runner_prepare(Runner *runner, const NodeAction *action);
/* Spawns the shim, once it is known who its user is; @runner->secrets go beside the environment of
 * @spec (borrowed). CREATED follows, or PREPARE_FAILED when it cannot. */
void runner_launch(Runner *runner, const InstanceSpec *spec, int64_t generation);
/* Its probe, should one be on its way, is over and not told. */
void runner_drop_probe(Runner *runner);
/* Its shim may leave, and is made to when it does not. */
void runner_release(Runner *runner);
/* Shims that were told to leave do so without us. */
void departures_free(Node *node);

/* ---- adopt.c: what an earlier life of the node left, and the end of trees without a shim ---- */

/* Tells every instance directory as FILE, then FOUND or ABSENT as their shims answer, and
 * FILES_DONE. */
void adopt_begin(Node *node);
/* Ends shim and tree of @runner by identity, however long it takes; then CLEARED. */
void runner_clear_tree(Runner *runner);

/* ---- access.c: who runs as another user than we ---- */

/* The user that an instance of @spec runs as; NULL = as this node does. Borrowed. */
const char *node_user_of(const Node *node, const InstanceSpec *spec);
/* Checks that agents can run as @node->agents_user, and lets every user pass through, not list, the
 * directories down to those of the instances; what else lies in the state directory is closed to
 * all but us. REEVE_ERROR_NOT_FOUND: no such user; DENIED: we are not root; INVALID: it is root;
 * INTERNAL: a directory cannot be opened. */
bool node_open_to_user(const Node *node, GError **error);
/* Writes the file @name of @runner, which its agent reads: an agent of another user (@user, NULL =
 * as this node does) is made its owner. Errors as of fs_write, or REEVE_ERROR_INTERNAL when it
 * cannot be given away. */
bool runner_write_file(const Runner *runner, const User *user, const char *name, const char *text,
                       GError **error);
/* Writes it anew for whom it was written for. Before the agent's first start there is none, and
 * nothing is written. Errors as of runner_write_file. */
bool runner_write_file_again(const Runner *runner, const char *name, const char *text,
                             GError **error);

/* ---- users.c: who a user name stands for ---- */

/* Nobody waits longer than @longest_ms. */
Users *users_new(Loop *loop, int64_t longest_ms);
/* Everybody who asked has forgotten it. Does not wait for a look-up that does not come back. */
void users_free(Users *users);
/* On the loop, later; @user NULL with @error as of user_look_up, or REEVE_ERROR_UNAVAILABLE when
 * that takes too long; both borrowed. */
typedef void (*UserFound)(void *data, const User *user, const GError *error);
/* Asks who @name is. The ask is valid until @found was called. */
UserAsk *users_ask(Users *users, const char *name, UserFound found, void *data);
/* Nobody waits any more. NULL is fine. */
void users_forget(UserAsk *ask);

/* ---- secrets.c: a start whose environment names secrets or files ---- */

/* Those of @runner are overwritten and freed. */
void secrets_drop(Runner *runner);
/* Asks the server for what the spec of @action names; runner_launch follows its answer, or
 * PREPARE_FAILED. */
void secrets_ask(Runner *runner, const NodeAction *action);
/* The server's answer: a SECRETS frame, whose values are overwritten once they are read. */
void secrets_frame(Node *node, const Frame *frame);
/* Asks again: what was asked before the hello, or over a former link, nobody answers. */
void secrets_welcome(Node *node);

/* ---- ends.c: ends trees without a shim, by what is known of them ---- */

/* On the loop; @was: the main process of the last attempt, pid 0 = not known. */
typedef void (*EndedFn)(void *data, const ProcessIdentity *was);
typedef struct EndSpec {
  const char *directory; /* of the shim */
  bool with_shim;        /* its shim too, should there be one */
  bool remove;           /* the directory when nothing is left */
  EndedFn ended;         /* NULL = nobody waits */
  void *data;
} EndSpec;
/* Starts the thread that looks for them. */
Ends *ends_new(Loop *loop);
/* Ends the thread; what has not ended by then goes on living. Nobody is told any more. */
void ends_free(Ends *ends);
/* Goes on until nothing is left. The End is valid until @ended was called, and only if that is not
 * NULL. */
End *ends_tree(Ends *ends, const EndSpec *spec);
/* Nobody waits any more; it goes on all the same. NULL is fine. */
void end_forget(End *end);

/* ---- writer.c: a thread for what may block on the disk: instance files, with one sync for all
 * that wait, and what must come after them ---- */

/* Starts the thread. */
Writer *writer_new(Node *node);
/* Ends the thread once everything is written, and tells the node of the last of it. Nothing can be
 * stored after it. */
void writer_finish(Writer *writer);
/* Finishes it if that was not done; NULL is fine. */
void writer_free(Writer *writer);
/* Writes and syncs the file of instance @id, all copied; STORED or STORE_FAILED follow, in the
 * order in which files came. */
void writer_store(Writer *writer, const char *id, const char *directory, int64_t generation,
                  const char *text);
typedef void (*WriterFn)(void *data);
/* @work on the thread, after everything that was stored before; then @done on the loop, which owns
 * @data from then on. */
void writer_do(Writer *writer, WriterFn work, WriterFn done, void *data);

/* ---- probe.c ---- */

/* Probes once, in place of a probe that is on its way; PROBE follows. */
void probe_start(Runner *runner, const NodeAction *action);
/* Ends it, and frees it, without telling. NULL is fine. */
void probe_cancel(struct ProbeRun *run);

/* ---- ports.c: ports that are bound for instances until they start ---- */

/* Nothing is claimed yet. */
PortBook *port_book_new(void);
/* Closes what is claimed; NULL is fine. */
void port_book_free(PortBook *book);
/* Answers a RESERVE frame. @no_users: name -> why there is no such user; NULL = all are there.
 * Caller owns the result. */
Frame *port_book_reserve(PortBook *book, const Frame *reserve, GHashTable *no_users);
/* What RESERVE @request claimed is free again; 0 = of every request. */
void port_book_release_request(PortBook *book, int64_t request);
/* What is claimed for instance @id, if anything, is free again. */
void port_book_release_instance(PortBook *book, const char *id);

/* ---- reserve.c: answers RESERVE frames once it is known who the users are that they name ---- */

/* RESERVED follows; @reserve is borrowed. */
void node_reserve(Node *node, const Frame *reserve);
/* What was reserved, or is waited for, is void; 0 = of every request. */
void node_reserve_release(Node *node, int64_t request);
/* All that was reserved or waits is void. */
void node_reserve_free(Node *node);

/* ---- check.c ---- */

/* Why @spec could not be started here, or NULL; caller frees. @no_user: why its user is not there;
 * NULL = it is. */
char *check_spec(const InstanceSpec *spec, const char *no_user);
/* Why a start of @spec (NULL = not known) failed, as its shim says: not "start 'x'", which the
 * caller puts in front. Caller frees. */
char *check_start_failed(const ShimMessage *message, const InstanceSpec *spec);

/* ---- logs.c: log requests of the server ---- */

/* Takes an inotify instance, for requests that follow. */
NodeLogs *node_logs_new(Node *node);
/* Open requests end without a word; NULL is fine. */
void node_logs_free(NodeLogs *logs);
/* LOG_READ, LOG_CREDIT or LOG_CANCEL; LOG_DATA frames follow by credit, and one LOG_END. */
void node_logs_frame(NodeLogs *logs, const Frame *frame);
/* Nobody waits for open requests any more. */
void node_logs_link_down(NodeLogs *logs);

/* ---- keep.c: how much of the logs is kept ---- */

/* Looks soon whether logs must go, and then every hour. */
Keep *keep_new(Node *node);
/* NULL is fine; a sweep that is under way goes on by itself. */
void keep_free(Keep *keep);
/* Logs have grown: looks within seconds. */
void keep_soon(Keep *keep);
typedef struct KeepLimits {
  int64_t cap_bytes; /* of all log files of the node */
  int64_t gone_ms;   /* logs of an instance that nobody wrote for so long go */
  int64_t now_ms;    /* wall */
} KeepLimits;
/* Is somebody writing the log of @id? */
typedef bool (*KeepWrittenFn)(const char *id, void *data);
/* Removes what is too old and then, oldest first, what is too much; never a file that is being
 * written. Returns the bytes removed. */
int64_t keep_sweep(const char *instances_dir, KeepWrittenFn written, void *data,
                   const KeepLimits *limits);

/* ---- groups.c: control groups of instances go when nothing needs them any more ---- */

/* Nothing waits for its end yet. */
Groups *groups_new(Node *node);
/* Removes the group around all of them too, when nothing is left. */
void groups_free(Groups *groups);
/* A shim or a command of instance @id has gone: its groups go unless another one has them, as soon
 * as nothing runs in them. */
void groups_remove(Groups *groups, const char *id);
/* At start, when every instance has its runner: groups that none of them can have are of a former
 * life, and go. */
void groups_sweep(Groups *groups);

/* ---- asks.c: shims that nobody needs are looked at, too ---- */

/* Each every @period_ms; UNREACHABLE follows when one that was asked has not answered by its next
 * turn. */
Asks *asks_new(Node *node, int64_t period_ms);
/* NULL is fine. */
void asks_free(Asks *asks);
/* The shim of @runner has said something; REACHABLE follows when it was unreachable. */
void asks_answered(Runner *runner);

/* ---- run.c: a command in the environment of an instance, held by a shim that ends with us ---- */

typedef struct ExecSpec {
  const char *instance;     /* id */
  const InstanceSpec *spec; /* of the instance: environment, directory, user, limits */
  char *const *argv;
  const int *fds; /* two, that take stdout and stderr; borrowed */
} ExecSpec;
/* @error: why it could not be started, or how it was lost; NULL = it ended with @exit and nothing
 * of its tree is left. The run may be freed inside. */
typedef void (*ExecEnded)(void *data, ExitStatus exit, const char *error);
/* Starts it; what @spec points to is copied where it is needed later. NULL with @error when not
 * even its shim starts, errors as of shim_spawn; then @ended is not called. */
ExecRun *exec_run_new(Node *node, const ExecSpec *spec, ExecEnded ended, void *data,
                      GError **error);
/* To its process group; nothing when it does not run (yet). */
void exec_run_signal(ExecRun *run, int signal);
/* Ends the whole tree if it still runs. NULL is fine. */
void exec_run_free(ExecRun *run);
/* Ends what commands of an earlier node left behind, and removes their directories. */
void exec_runs_sweep(Node *node);

/* ---- exec.c: commands that the server asks for ---- */

/* None runs yet. */
NodeExecs *node_execs_new(Node *node);
/* Ends them all without a word; NULL is fine. */
void node_execs_free(NodeExecs *execs);
/* EXEC, EXEC_CREDIT or EXEC_CANCEL; EXEC_DATA frames follow by credit, and one EXEC_END.
 * @spec: of the instance that an EXEC names, NULL with @refused; both borrowed. */
void node_execs_frame(NodeExecs *execs, const Frame *frame, const InstanceSpec *spec,
                      const char *refused);
/* Their callers are gone: they are ended. */
void node_execs_link_down(NodeExecs *execs);
