#pragma once
/* All processes of an instance without its shim's help: the shim itself, what is in its control
 * group, the main process, its session, all below them, and whatever left its parent, which is
 * known by a mark in its environment. Blocks, since it reads all of /proc: not for a loop. */
#include "drivers/identity.h"

#include <stddef.h>

enum { TREE_MARK_BYTES = 48 };
#define TREE_MARK_NAME "REEVE_MARK"

typedef struct ProcessTree {
  ProcessIdentity main;       /* of the last attempt; pid 0 = not known */
  ProcessIdentity shim;       /* pid 0 = none */
  const char *group;          /* its control group, which is ended whole; NULL = none */
  char mark[TREE_MARK_BYTES]; /* that its processes carry as REEVE_MARK; "" = none */
  int left; /* out: how many were alive when they were looked for, and got SIGKILL */
} ProcessTree;

/* The mark of what runs from the shim directory @directory, which must exist; "" when it does not.
 * Different for each that exists at the same time on this machine. */
void tree_mark(const char *directory, char mark[TREE_MARK_BYTES]);
/* The shim that holds @directory: who has its lock and has the directory open as a shim has. False
 * when there is none. */
bool tree_find_shim(const char *directory, ProcessIdentity *shim);
/* Looks at all processes once, and kills those that belong to one of the @n @trees. What forks
 * meanwhile is seen by the next look: call again until nothing is left. A process that took mark
 * and parent off, both, is not found where there is no group. */
void trees_kill(ProcessTree *const *trees, size_t n);
