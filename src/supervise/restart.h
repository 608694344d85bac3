#pragma once
/* What follows the end of an attempt, or of a try to begin one. */
#include "supervise/instance.h"

/* Nothing of @instance lives any more, for @reason (copied): replaced, stopped, completed,
 * restarted or failed follows. May free @instance. */
void node_instance_ended(NodeInstance *instance, const char *reason);
/* Starts the next attempt, in the present handle when there is one. */
void restart_now(NodeInstance *instance);
/* Nothing ran, for @reason, which may pass: tries again with the delays of restarts. It does not
 * count as one. */
void restart_passing(NodeInstance *instance, const char *reason);
