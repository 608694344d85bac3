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
/* Where a process comes from: @parent 0 = it has none that we may see; @name is cut at 15 bytes, as the kernel does. */
typedef struct ProcessParent {
  pid_t parent;
  uint64_t start_time;
  char name[16];
} ProcessParent;
/* Looks @pid up. False: no such process, a dead one, or one that this system hides from us. */
bool identity_parent(pid_t pid, ProcessParent *out);

/* When it was started, on the boot clock. */
int64_t identity_started_boot_ms(const ProcessIdentity *identity);
/* Is that very process still alive (zombies are not)? */
bool identity_alive(const ProcessIdentity *identity);
/* SIGKILL to the process, its session and its descendants, if it is still that process. Returns how many are left to die. */
int identity_kill_tree(const ProcessIdentity *identity);
