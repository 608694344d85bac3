#pragma once
/* Processes by identity: pid, start time and boot, never a bare pid. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ProcessIdentity {
  int attempt;
  pid_t pid; /* 0 = none */
  uint64_t start_time;
  int64_t generation; /* of the instance; 0 = a shim of an older release did not say */
} ProcessIdentity;

/* Reads the `state` file that a shim left in @directory; false when there is none, or when it is of
 * another boot. */
bool identity_read(const char *directory, ProcessIdentity *identity);

/* When it was started, on the boot clock. */
int64_t identity_started_boot_ms(const ProcessIdentity *identity);
/* Is that very process still alive (zombies are not)? */
bool identity_alive(const ProcessIdentity *identity);
/* SIGKILL to that very process. False when it is not alive any more, or may not be killed. */
bool identity_kill(const ProcessIdentity *identity);

/* One line of /proc/PID/stat, as far as it is needed here. */
typedef struct ProcStat {
  char name[16]; /* cut at 15 bytes, as the kernel does */
  char state;
  pid_t parent, session;
  uint64_t start_time;
} ProcStat;
/* False, and @out as it was, when there is no such process or it cannot be read. */
bool proc_stat(pid_t pid, ProcStat *out);
/* A zombie, or less. */
bool proc_dead(const ProcStat *stat);
