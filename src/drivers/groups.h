#pragma once
/* Control groups of instances go when nothing needs them any more. */
#include "drivers/process_state.h"

/* Nothing waits for its end yet. */
Groups *groups_new(ProcessDriver *driver);
/* Removes the group around all of them too, when nothing is left. NULL is fine. */
void groups_free(Groups *groups);
/* A shim or a command of instance @id has gone: its groups go unless another one has them, as soon
 * as nothing runs in them. */
void groups_remove(Groups *groups, const char *id);
/* At start, when every instance is known: groups that none of them can have are of a former life,
 * and go. */
void groups_sweep(Groups *groups);
