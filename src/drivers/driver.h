#pragma once
/* How a node runs instances: a driver is one file and one row of functions (DriverOps).
 *
 * Words. An *instance* has an id and a spec. Its driver prepares a *handle* for one generation of
 * it (the process driver: a shim; others: a container, a pod), starts one *attempt* after another
 * in it, signals and kills them, and releases the handle when it is not needed any more. What an
 * attempt started, with all that this started, is its *tree*.
 *
 * Invariants that every driver keeps:
 * - Slots and news are on the loop's thread; no slot blocks. `tell` may call slots again, also
 * about the same instance: whoever tells does it last, when what it keeps is right.
 * - News of one instance are told in the order in which they happened.
 * - EXITED, CLEARED and VANISHED without tree_lives are promises: nothing of the tree lives. A
 *   successor starts on nothing else, and never because time has passed.
 * - What cannot be reached is said to be so (UNREACHABLE), or not said at all; never ABSENT.
 * - A slot about an instance that the driver does not know, or has no handle for, does nothing,
 *   except where its words below say otherwise.
 *
 * What a driver owes, and what the layers above do when it does not come in time:
 *
 *   slot     owes                              within                else
 *   find     FOUND or ABSENT                   INSTANCE_ANSWER_MS    clear
 *            (the node's hello waits for it)   SUPERVISOR_HELLO_MS   hello without it
 *   prepare  CREATED or PREPARE_FAILED         before it returns     the contract suite fails
 *            PREPARED or PREPARE_FAILED        INSTANCE_ANSWER_MS    clear
 *            (from CREATED, which may be told again when it takes long)
 *   start    STARTED or START_FAILED           INSTANCE_ANSWER_MS    clear
 *   signal   EXITED                            grace of the spec     kill
 *   kill     EXITED                            INSTANCE_KILLED_MS    clear
 *   release  nothing: a handle that stays is the driver's to end
 *   clear    CLEARED                           INSTANCE_CLEAR_MS     said, and clear again
 *   exec     `started`                         EXEC_START_MS         ended with an error
 *            `ended`                           time of the caller    signal, then exec_free
 *   exec_free  nothing: what is left is the driver's to end
 *   check, limits, log_ slots                  answer at once
 *
 * VANISHED may take the place of any answer that a handle owes. The first six deadlines are
 * supervise/instance.h, those of exec node/exec.c. */
#include "drivers/user.h"
#include "model/failure.h"
#include "model/frame.h"

typedef struct Loop Loop;
typedef struct DriverOps DriverOps;
typedef struct DriverExec DriverExec;
typedef struct DriverLog DriverLog;

/* The first member of each driver's own struct. */
typedef struct Driver {
  const DriverOps *ops;
} Driver;

/* What a driver may be asked for. */
typedef enum DriverCan {
  DRIVER_EXEC = 1 << 0,         /* commands beside an agent */
  DRIVER_LOGS = 1 << 1,         /* what agents wrote */
  DRIVER_STATS = 1 << 2,        /* how much they use; no slot yet, and no driver has it */
  DRIVER_ENDS_TREE = 1 << 3,    /* nothing survives an attempt, whatever it did to get away */
  DRIVER_OUTLIVES_NODE = 1 << 4 /* agents go on without their node, and are found by the next one */
} DriverCan;

typedef enum DriverNewsType {
  /* find: a handle of an earlier life of the node. @generation that it was prepared for; @attempt
     and @pid of the one that runs (pid 0: the last one ended with @exit, @text, @out_of_memory);
     @up_ms */
  DRIVER_FOUND,
  /* find: there is no handle. @attempt and @generation of what was begun last, 0 = none or not
     known; @tree_lives: its main process was seen alive */
  DRIVER_ABSENT,
  DRIVER_CREATED,  /* the handle exists now, or goes on becoming: the time to wait for it begins */
  DRIVER_PREPARED, /* it is ready to start */
  DRIVER_PREPARE_FAILED, /* there is none: @text says why, @failure */
  DRIVER_STARTED,        /* @attempt runs as @pid */
  DRIVER_START_FAILED,   /* @attempt does not: @text says why, @failure */
  /* the main process of @attempt ended with @exit and nothing of its tree is left. @text: what it
     wrote last, unless it ended well; @out_of_memory */
  DRIVER_EXITED,
  DRIVER_VANISHED,    /* the handle is gone without our asking; @tree_lives: something may live */
  DRIVER_UNREACHABLE, /* the handle was asked @up_ms ago and has not answered */
  DRIVER_REACHABLE,   /* ... and now it has */
  /* clear: nothing of the tree is left. @attempt and @generation of what was ended, as far as known
   */
  DRIVER_CLEARED,
  DRIVER_NEWS_N
} DriverNewsType;

/* One piece of news; members that its type does not name are zero. Pointers are borrowed. */
typedef struct DriverNews {
  DriverNewsType type;
  const char *instance; /* id */
  int attempt;          /* 1.. */
  int64_t generation;
  int64_t pid;   /* as the driver counts; 0 = nothing runs */
  int64_t up_ms; /* found: how long @pid has been running */
  ExitStatus exit;
  const char *text;
  bool tree_lives, out_of_memory;
  FailureClass failure;
} DriverNews;
typedef void (*DriverTell)(void *data, const DriverNews *news);

/* What a driver is given of its node; all borrowed, and outlives it. */
typedef struct DriverWorld {
  Loop *loop;
  const char *state_dir; /* of the node; nobody else on this machine has it */
  const char
      *instances_dir;    /* in it: a directory ID for each instance, made and removed by the node */
  const char *shim_path; /* the reeve-shim program */
  const char *reeve_path; /* what @REEVE_BIN@ stands for */
  /* @work on a thread that may block, after what was given before; then @done on the loop, which
     owns @item from then on. Not after the driver was closed. */
  void (*background)(void *data, void (*work)(void *item), void (*done)(void *item), void *item);
  /* what @id was prepared with, or NULL when that is not known; valid until the driver returns */
  const InstanceSpec *(*spec_of)(void *data, const char *id);
  DriverTell tell; /* takes news, from the end of `open` on */
  void *data;      /* of all three */
} DriverWorld;

/* An instance that is to get a handle; borrowed for the call. */
typedef struct DriverJob {
  const char *id;
  int64_t generation;
  const InstanceSpec *spec;
  const User *user;     /* whom it runs as on this machine; NULL = as the node does */
  char *const *secrets; /* more of its environment, "K=V", as it is; NULL = none */
} DriverJob;

/* A command in the environment of an instance. */
typedef struct DriverCommand {
  DriverJob job; /* whose environment, directory, user and limits it has */
  char *const *argv;
  const int *fds; /* two, that take stdout and stderr; borrowed */
} DriverCommand;
typedef struct DriverExecNews {
  void (*started)(void *data); /* it runs */
  /* @error: why it was not started, or how it was lost; NULL = it ended with @exit and nothing of
     its tree is left. The DriverExec may be freed inside. */
  void (*ended)(void *data, ExitStatus exit, const char *error);
} DriverExecNews;

/* From where a log is read. */
typedef struct DriverLogFrom {
  int64_t lines; /* the last so many; -1 = all there are */
  bool follow;   /* goes on as it grows */
} DriverLogFrom;

/* The row. Every slot is set: what a driver does not have names its default (driver.c). */
struct DriverOps {
  const char *name; /* for people and logs */
  unsigned can;     /* of DriverCan */

  /* Begins; nothing is found yet. Caller closes. NULL with @error: it cannot work here. */
  Driver *(*open)(const DriverWorld *world, GError **error);
  /* Ends it and leaves every agent running; what it was told to release goes. Nothing is told. */
  void (*close)(Driver *driver);
  /* What limits are enforced with, for people, or NULL; @unenforced: of "memory cpu pids" those
   * that cannot be. Both borrowed. Default driver_no_limits. */
  const char *(*limits)(const Driver *driver, const char **unenforced);

  /* At start: looks for the handle of @id. */
  void (*find)(Driver *driver, const char *id);
  /* At start, after each find was asked: of what else is the driver's nothing is needed. */
  void (*sweep)(Driver *driver);

  /* Why @spec could not be started here, or NULL; caller frees. @no_user: why the user that it
   * names is not there, NULL = it is. Asked before anything is started; answers at once. */
  char *(*check)(const Driver *driver, const InstanceSpec *spec, const char *no_user);
  /* Makes a handle for @job; an older one of the instance was released. */
  void (*prepare)(Driver *driver, const DriverJob *job);
  /* Starts @attempt in the handle; VANISHED when there is none any more. */
  void (*start)(Driver *driver, const char *id, int attempt);
  void (*signal)(Driver *driver, const char *id, int signal); /* to the attempt's main processes */
  void (*kill)(Driver *driver, const char *id);               /* the whole tree, at once */
  /* Nothing runs in the handle: it may go, and its end is no news. */
  void (*release)(Driver *driver, const char *id);
  /* Ends the handle, should there be one, and then all of the tree, by other means, however long it
   * takes. Asked again meanwhile it goes on, and tells once. */
  void (*clear)(Driver *driver, const char *id);
  /* The node holds the instance no more; whatever the driver keeps of it may go. */
  void (*forget)(Driver *driver, const char *id);

  /* Starts @command. Caller frees; @news and @data live until then. NULL with @error, as prepare
   * fails, and then nothing is told. Default driver_no_exec. */
  DriverExec *(*exec)(Driver *driver, const DriverCommand *command, const DriverExecNews *news,
                      void *data, GError **error);
  void (*exec_signal)(DriverExec *exec, int signal); /* nothing when it does not run */
  void (*exec_free)(DriverExec *exec); /* ends the whole tree if it still runs; NULL is fine */

  /* Opens what @id has written. @grown: on the loop, when @from follows and there may be more; the
   * log may be freed inside. Caller frees. NULL when there is no such instance. Default
   * driver_no_log. */
  DriverLog *(*log_open)(Driver *driver, const char *id, const DriverLogFrom *from,
                         void (*grown)(void *data), void *data);
  /* The next bytes, records as in docs/protocol.md "Log files", into @block; 0 = none now. */
  size_t (*log_read)(DriverLog *log, char *block, size_t size);
  void (*log_free)(DriverLog *log); /* NULL is fine */
};

/* Opens the driver of the row @ops, all of whose slots are set. As its slot `open`. */
Driver *driver_open(const DriverOps *ops, const DriverWorld *world, GError **error);
/* Names for people; static. */
const char *driver_news_word(DriverNewsType type);

/* ---- defaults of optional slots ---- */

const char *driver_no_limits(const Driver *driver, const char **unenforced);
DriverExec *driver_no_exec(Driver *driver, const DriverCommand *command, const DriverExecNews *news,
                           void *data, GError **error);
void driver_no_exec_signal(DriverExec *exec, int signal);
void driver_no_exec_free(DriverExec *exec);
DriverLog *driver_no_log(Driver *driver, const char *id, const DriverLogFrom *from,
                         void (*grown)(void *data), void *data);
size_t driver_no_log_read(DriverLog *log, char *block, size_t size);
void driver_no_log_free(DriverLog *log);
