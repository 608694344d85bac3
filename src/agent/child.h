#pragma once
/* A program that works for the agent: started without a shell, in a process group of its own, its
 * three standard streams on the loop. Nothing of the group outlives it. */
#include "net/loop.h"

#include <glib.h>
#include <signal.h>

typedef struct Child Child;

/* Borrowed for the call of child_start. */
typedef struct ChildSpec {
  const char *what;         /* for messages, with a space at its end: "brain "; or "" */
  char *const *argv;        /* argv[0] is looked for in PATH */
  char *const *environment; /* the whole of it */
  const char *cwd;          /* NULL = ours */
} ChildSpec;

/* All on the loop, never from within child_start. Any but ended may stop, hold or signal the child;
 * ended may free it. */
typedef struct ChildEvents {
  /* a block of its standard output, at most 16 KiB */
  void (*output)(const char *bytes, size_t length, void *data);
  void (*output_ended)(void *data); /* it closed that; NULL = not wanted */
  void (*errors)(const char *bytes, size_t length, void *data); /* a block of its standard error */
  /* it closed its standard input with bytes unread; NULL = not wanted */
  void (*input_refused)(void *data);
  /* the last thing that is told: all it wrote was, and it is reaped */
  void (*ended)(const siginfo_t *info, void *data);
} ChildEvents;

/* Starts a program. NULL with @error (REEVE_ERROR_FAILED). @events and @data outlive it. */
Child *child_start(Loop *loop, const ChildSpec *spec, const ChildEvents *events, void *data,
                   GError **error);
/* Frees it; when it has not ended yet waits for that, not beyond @until_ms (boot clock; 0 = not at
 * all), then kills it. */
void child_free(Child *child, int64_t until_ms);
/* Sends @signal to the whole group; nothing when it has ended. */
void child_signal(const Child *child, int signal);
/* Nothing is told any more; only child_signal and child_free may follow. */
void child_mute(Child *child);

/* Queues bytes for its standard input; nothing when that is closed. */
void child_write(Child *child, const char *bytes, size_t length);
/* Queued bytes that it has not read. */
size_t child_unread(const Child *child);
bool child_takes_input(const Child *child);
/* Closes its standard input, at once or when what is queued was read. */
void child_close_input(Child *child);
void child_end_input(Child *child);

/* Reads its standard output no more. */
void child_close_output(Child *child);
bool child_gives_output(const Child *child);
/* Does not read on for a while: the pipe fills, and then it waits. What it wrote is told when it
 * ends, all the same. */
void child_hold(Child *child, bool held);
