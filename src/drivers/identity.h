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

/* Reads the `state` file that a shim left in @directory; false when there is none, or when it is of another boot. */
bool identity_read(const char *directory, ProcessIdentity *identity);
/* When it was started, on the boot clock. */
int64_t identity_started_boot_ms(const ProcessIdentity *identity);
/* Is that very process still alive (zombies are not)? */
bool identity_alive(const ProcessIdentity *identity);
/* SIGKILL to the process, its session and its descendants, if it is still that process. Returns how many are left to die. */
int identity_kill_tree(const ProcessIdentity *identity);
