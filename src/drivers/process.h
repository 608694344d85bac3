#pragma once
/* The process driver: an instance is a process held by a shim, which this file starts, finds again and talks to (docs/protocol.md "Shim").
 */
#include "drivers/reaper.h"
#include "model/frame.h"

typedef struct Shim Shim;

/* What a shim tells. All on the loop; never from inside a call into this file. */
typedef struct ShimEvents {
  /* First message of a connection: @generation of its spec, @attempt, @pid (0 = nothing runs), how the last attempt ended. */
  void (*hello)(void *data, int64_t generation, int attempt, int64_t pid, bool ended, ExitStatus exit);
  void (*started)(void *data, int attempt, int64_t pid);
  void (*start_failed)(void *data, int attempt, int error_number);
  void (*exited)(void *data, int attempt, ExitStatus exit);
  /* The connection broke without our asking: the shim is dead. The Shim may be freed here. */
  void (*gone)(void *data);
} ShimEvents;

typedef struct ShimLaunch {
  const char *shim_path;
  const char *directory;  /* of the instance; exists */
  const char *reeve_path; /* replaces @REEVE_BIN@ */
  const char *id;
  const InstanceSpec *spec;
  int64_t generation;
} ShimLaunch;

/* Starts a shim for @launch. Returns NULL with @error: shim missing, user unknown, descriptors spent. hello follows. */
Shim *shim_spawn(Loop *loop, Reaper *reaper, const ShimLaunch *launch, const ShimEvents *events, void *data, GError **error);
/* Connects to the shim that holds @directory. NULL when nobody listens; @held then says whether its lock is held all the same. */
Shim *shim_connect(Loop *loop, const char *directory, const ShimEvents *events, void *data, bool *held);
/* Closes the connection; the shim stays. */
void shim_free(Shim *shim);
void shim_start(Shim *shim, int attempt);
void shim_signal(Shim *shim, int signal);
void shim_kill(Shim *shim);
/* The shim may leave; the connection's end is then no news. */
void shim_end(Shim *shim);
/* Last lines of the log in @directory, texts only, at most @bytes. Caller frees; NULL when there are none. */
char *shim_log_tail(const char *directory, size_t bytes);
/* Replaces the two placeholders in one word; caller frees. */
char *shim_substitute(const char *word, const char *directory, const char *reeve_path);
