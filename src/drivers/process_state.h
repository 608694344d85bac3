#pragma once
/* What the files of the process driver share: the driver, and what it keeps of each instance. The
 * files stand on each other in this order: process_state, ends, groups, keep, asks, run, process.
 */
#include "drivers/cgroup.h"
#include "drivers/driver.h"
#include "drivers/reaper.h"
#include "drivers/shim.h"

typedef struct Ends Ends;
typedef struct End End;
typedef struct Groups Groups;
typedef struct Keep Keep;
typedef struct Asks Asks;
typedef struct LogReads LogReads;

typedef struct ProcessDriver {
  Driver driver; /* first */
  DriverWorld world;
  char *runs_dir;
  GHashTable *processes; /* id -> Process*; owned */
  Reaper *reaper;
  Cgroups *cgroups;
  Ends *ends;
  Groups *groups;
  Keep *keep;
  Asks *asks;
  LogReads *logs;
  GQueue departing; /* of Departing*: shims that were told to leave, in the order of their time */
  LoopTimer *departure;
  uint64_t last_run; /* number of the last directory of a command */
} ProcessDriver;

/* One instance, from its find or first prepare until forget. */
typedef struct Process {
  ProcessDriver *driver;
  char *id, *directory;
  Shim *shim;     /* NULL = not connected */
  bool preparing; /* its shim was spawned, the hello has not come */
  bool finding;   /* neither FOUND nor ABSENT was told yet */
  int find_tries;
  LoopTimer *timer;  /* find's next try */
  int64_t asked_ms;  /* boot clock: since when its shim owes a word; 0 = it does not */
  bool unreachable;  /* that took too long, and was told */
  End *end;          /* of its tree, that is on its way */
  int runs;          /* commands beside it, which may be in its control groups */
  bool limited;      /* it may have a control group */
  int64_t oom_kills; /* that its group had seen when the present attempt began */
} Process;

/* What is kept of instance @id, made when @make; else NULL when there is nothing. Borrowed: valid
 * until it is forgotten. */
Process *process_of(ProcessDriver *driver, const char *id, bool make);
/* Tells @news, whose instance is filled in. May free any Process. */
void process_tell(const Process *process, DriverNews news);
