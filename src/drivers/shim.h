#pragma once
/* Shims: starts one, finds it again, and talks to it (docs/protocol.md "Shim"). */
#include "drivers/cgroup.h"
#include "drivers/identity.h"
#include "drivers/reaper.h"
#include "drivers/shim_message.h"
#include "drivers/user.h"

typedef struct Shim Shim;

/* What a shim tells, by message; NULL = not listened to. All on the loop; never from inside a call
 * into this file. The Shim may be freed in any of them. */
typedef void (*ShimNewsFn)(void *data, const ShimMessage *message);
typedef struct ShimEvents {
  ShimNewsFn hello; /* first message of a connection, and the answer to shim_query */
  ShimNewsFn started;
  ShimNewsFn start_failed;
  ShimNewsFn exited;
  ShimNewsFn rotated;       /* a log file was closed and a new one begun */
  void (*gone)(void *data); /* the connection broke without our asking: the shim is dead */
} ShimEvents;

/* How a shim is to be started; all borrowed for the call. */
typedef struct ShimLaunch {
  const char *shim_path;
  const char *directory;    /* of the shim; exists */
  const char *instance_dir; /* replaces @REEVE_INSTANCE_DIR@ */
  const char *reeve_path;   /* replaces @REEVE_BIN@ */
  const char *id;           /* of the instance, whose control groups are joined */
  const Cgroups *cgroups;   /* that this machine has */
  const InstanceSpec *spec;
  const User *user;     /* whom it runs as; NULL = as we do */
  char *const *argv;    /* runs this instead of @spec->argv; NULL = that */
  char *const *secrets; /* more of the environment, "K=V", as it is; NULL = none */
  int64_t generation;
  /* two descriptors that take stdout and stderr, borrowed; the tree ends with our connection. NULL
   * = a log */
  const int *attached;
} ShimLaunch;

/* Starts a shim for @launch; hello follows. The caller frees it, and keeps @events and @data until
 * then. NULL with @error: REEVE_ERROR_DENIED another user without being root; UNAVAILABLE what may
 * pass (descriptors, memory or processes spent); INTERNAL any other, as a missing shim program. */
Shim *shim_spawn(Loop *loop, Reaper *reaper, const ShimLaunch *launch, const ShimEvents *events,
                 void *data, GError **error);
/* Connects to the shim that holds @directory, without waiting; its hello follows. NULL when nobody
 * listens, or a frozen shim has too many callers waiting.
 * @locked  out: is there a shim at all? By its lock, also when it could not be reached */
Shim *shim_connect(Loop *loop, const char *directory, const ShimEvents *events, void *data,
                   bool *locked);
/* The process; pid 0 = not known. */
ProcessIdentity shim_identity(const Shim *shim);
/* Closes the connection; the shim stays, unless it is attached. NULL is fine. */
void shim_free(Shim *shim);
/* Has it fork attempt @attempt (1..); started or start_failed follows. Like all that is said to a
 * shim it is lost when the shim is dead, which is told by gone. */
void shim_start(Shim *shim, int attempt);
/* @signal to the process group of the attempt that runs, if any. */
void shim_signal(Shim *shim, int signal);
/* SIGKILL to the whole tree; exited follows when none of it is left. */
void shim_kill(Shim *shim);
/* Does its process wait for something to do? False also when that is not known. One look into
 * /proc. */
bool shim_sleeps(const Shim *shim);
/* hello follows, unless the shim is frozen. */
void shim_query(Shim *shim);
/* The shim may leave; the connection's end is then no news. Frees @shim. */
void shim_end(Shim *shim);
/* Last lines of the log in @directory, texts only, at most @bytes of them, from no more than the
 * last @written bytes of records (-1 = no limit). Caller frees; NULL when there are none. */
char *shim_log_tail(const char *directory, size_t bytes, int64_t written);
