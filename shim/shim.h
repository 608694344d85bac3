#pragma once
/* The tiny static process that holds one instance: it outlives node and server, forks each attempt,
 * keeps the output, ends the whole tree. Links nothing but libc and allocates at start only. Its
 * protocol is frozen as version 1 (docs/protocol.md "Shim"). */
#include "model/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors that the node hands over at birth. */
enum {
  SHIM_SPEC_FD = 3,
  SHIM_DIR_FD = 4,
  SHIM_CONTROL_FD = 5,
  SHIM_PROTOCOL = 1,
  SHIM_MESSAGE_MAX = 512
};
enum { SHIM_OUT_FD = 6, SHIM_ERR_FD = 7 }; /* only with "attached" */
enum { SHIM_WORDS_MAX = EXEC_WORDS_MAX, SHIM_GROUPS_MAX = 64, SHIM_CGROUPS_MAX = 8 };

/* What to run, read once from SHIM_SPEC_FD: "key:length:bytes\n" again and again. All texts lie in
 * one mapping. */
typedef struct ShimSpec {
  char *cwd;
  char *cgroups[SHIM_CGROUPS_MAX + 1]; /* cgroup.procs files that the child joins */
  char *cgroup_tree; /* likewise, when it can: nothing but its end depends on it */
  gid_t groups[SHIM_GROUPS_MAX];
  int n_argv, n_env, n_groups, n_cgroups;
  long uid, gid;                 /* -1 = stay */
  long nofile_soft, nofile_hard; /* rlimits to give back, -1 = leave */
  long core_soft;                /* likewise; -1 = no limit, -2 = leave */
  long log_bytes, log_files;     /* rotation: size of one, how many */
  long generation;               /* the node's number of this spec, told in hello */
  /* 1: output goes to SHIM_OUT_FD and SHIM_ERR_FD; the tree ends with the control connection */
  long attached;
  char *argv[SHIM_WORDS_MAX + 1]; /* the long ones last: pages that nobody touches cost nothing */
  char *envp[SHIM_WORDS_MAX + 1];
} ShimSpec;

/* spec.c: false with a reason on stderr. */
bool spec_read(int fd, ShimSpec *spec);
/* The same from @text, which is changed, stays the caller's and is pointed into; @spec: zeroed.
 * NULL, or what is wrong; static. */
const char *spec_parse(char *text, size_t length, ShimSpec *spec);

/* message.c: what a node says. Members that are absent, negative or no numbers are 0. */
typedef enum MessageVerb {
  MESSAGE_UNKNOWN,
  MESSAGE_START,
  MESSAGE_SIGNAL,
  MESSAGE_KILL,
  MESSAGE_END,
  MESSAGE_QUERY,
  MESSAGE_N
} MessageVerb;
typedef struct Message {
  MessageVerb verb;
  int attempt; /* start */
  int signal;  /* signal */
} Message;
/* @text: one datagram, NUL-terminated. */
Message message_parse(const char *text);

/* child.c: what became of a start. Words of the steps are in the protocol: "fork", "state",
 * "cgroup", "user", "cwd", "exec", "interpreter".
 */
typedef struct Child {
  pid_t pid; /* -1 = not started */
  /* pipes of stdout and stderr, -1 with @spec->attached, whose descriptors are closed then */
  int fds[2];
  unsigned long long start_time; /* in clock ticks since boot */
  int error;                     /* errno of what failed, and at which step */
  const char *step;
} Child;
/* Forks @attempt. The state file is written before the child may exec. */
Child child_start(const ShimSpec *spec, int attempt);
/* The file that says which process is ours; -1 with errno. Whoever has it locked holds the
 * instance. */
int child_state_fd(void);
/* Start time of @pid in clock ticks since boot (field 22 of its stat), 0 = gone. */
unsigned long long child_start_time(pid_t pid);

/* tree.c: @signal to every descendant of this process as it is now, except those of the process
 * group @but (0 = none). */
void tree_signal(int signal, pid_t but);

/* log.c */
enum { LOG_STDOUT, LOG_STDERR, LOG_STREAMS };
/* Once, before all others; @rotated is called whenever a file was full and another one begins. */
void log_open(const ShimSpec *spec, void (*rotated)(void));
/* Reads what is there from @fd into the log. Returns false at the end of the stream. */
bool log_drain(int stream, int fd);
/* Writes what is left of a line that never ended. */
void log_finish(int stream);
/* ms until an unfinished line began so long ago that what there is of it is written as a part, -1 =
 * there is none; and writes those. */
int log_quiet_ms(void);
void log_quiet(void);
/* A new attempt begins: ends the lines that the last one left unfinished. log_marked is the bytes
 * of records written since. */
void log_mark(void);
unsigned long long log_marked(void);

/* crash.c: ends the process here in test builds with REEVE_CRASH_AT; else nothing. */
void shim_crash_point(const char *what);
