#pragma once
/* Children of this process, reaped in one place: shims and exec probes. */
#include "net/loop.h"

#include <sys/types.h>

typedef struct Reaper Reaper;
/* @code 0..255 or -1, @signal 1..64 or 0. Called once, on the loop. */
typedef void (*ReaperFn)(pid_t pid, int code, int signal, void *data);

/* Listens to SIGCHLD on @loop, which outlives it. */
Reaper *reaper_new(Loop *loop);
/* Nobody is told any more; children that live are left to live. NULL is fine. */
void reaper_free(Reaper *reaper);
/* Waits for the child @pid, also when it has ended already. @fn may be NULL: the child is only to
 * be reaped. */
void reaper_watch(Reaper *reaper, pid_t pid, ReaperFn fn, void *data);
