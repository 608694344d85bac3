#pragma once
/* Limits by control groups where this machine permits them: v2 when delegated, v1, or none. */
#include "model/job.h"

/* "cgroup v2 at /sys/fs/cgroup/...", "cgroup v1 (memory cpu pids)", "none: ...": for doctor and logs. Caller frees. */
char *cgroup_describe(void);
/* Makes the groups of instance @id with the limits of @resources and returns the cgroup.procs files that its process must join,
 * NULL-terminated; NULL when no limit is asked for. What cannot be enforced is named in @unenforced (caller frees; NULL = all can). */
char **cgroup_make(const char *id, const ResourceSpec *resources, char **unenforced);
/* Removes the groups of @id; absent is fine. */
void cgroup_remove(const char *id);
