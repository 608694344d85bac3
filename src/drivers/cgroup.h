#pragma once
/* Limits by control groups where this machine permits them: v2 where it is ours to divide, v1, or
 * none. And a group for the tree of each instance, wherever v2 is mounted at all. */
#include "model/job.h"

typedef struct Cgroups Cgroups;

/* Looks, and changes nothing. @root: NULL = /sys/fs/cgroup; @own: text of /proc/self/cgroup, NULL =
 * ours. */
Cgroups *cgroups_new(const char *root, const char *own);
/* NULL is fine; the groups stay. */
void cgroups_free(Cgroups *cgroups);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cgroups, cgroups_free)
/* Before groups are made. The names of ours begin with @owner, a file name without '/' that no
 * other node of this machine has; NULL = none. v2: makes the group of all instances and hands it
 * the controllers. What could not be had is unenforced from now on. */
void cgroups_prepare(Cgroups *cgroups, const char *owner);
/* "cgroup v2 at /sys/fs/cgroup/...", "cgroup v1", "no writable cgroup": for people. Borrowed. */
const char *cgroups_describe(const Cgroups *cgroups);
/* Which of the limits "memory", "cpu" and "pids" cannot be enforced, separated by blanks; "" = all
 * can. Borrowed. */
const char *cgroups_unenforced(const Cgroups *cgroups);
/* Does an instance with @resources get groups at all? */
bool cgroups_wanted(const ResourceSpec *resources);
/* Makes the groups of instance @id with the limits of @resources and returns the cgroup.procs files
 * that its process must join, NULL-terminated; NULL when no limit is asked for. What could not be
 * set is named in @missing (caller frees; NULL = all is set). */
char **cgroups_make(const Cgroups *cgroups, const char *id, const ResourceSpec *resources,
                    char **missing);
/* Makes the group of @id in which its whole tree is ended at once, wherever there is a v2 tree that
 * we may write, also one without controllers beside v1. Returns the cgroup.procs file that its
 * process joins when it can (caller frees), or NULL. With limits by v2 it is their group. */
char *cgroups_make_tree(const Cgroups *cgroups, const char *id);
/* The directory of that group, made or not, or NULL where there can be none; caller frees. */
char *cgroups_tree(const Cgroups *cgroups, const char *id);
/* SIGKILL to all that is in the group @directory and in those below it. True when something of it
 * still lives, which needs a moment; false also when there is no such group. Any thread. */
bool cgroup_kill(const char *directory);
/* How many processes in the group of @id the kernel has killed for want of memory; 0 also when
 * there is no such group. */
int64_t cgroups_oom_kills(const Cgroups *cgroups, const char *id);
/* Removes the groups of @id; absent is fine. False when one stays, since something still runs in
 * it. */
bool cgroups_remove(const Cgroups *cgroups, const char *id);
/* The ids of all groups that are there and begin with our owner, as a set; caller frees. */
GHashTable *cgroups_ids(const Cgroups *cgroups);
/* Removes the group around those of all instances, unless some are left. The next cgroups_make
 * makes it again. */
void cgroups_leave(const Cgroups *cgroups);
