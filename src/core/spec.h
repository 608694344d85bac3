#pragma once
/* What a node is told about how a slot is run. */
#include "core/objects.h"

/* The whole of it; the job of its revision must be readable. Caller frees. */
InstanceSpec *instance_make_spec(const Instance *instance);
/* What a node looks at before anything is started (node/check.c): of the environment only PATH,
 * which finds the command. Caller frees. */
InstanceSpec *instance_make_outline(const Instance *instance);
/* JSON array of the agents that it is connected to. Caller frees. */
char *instance_peers(const Instance *instance);
/* NULL when it has no port. Caller frees. */
char *instance_url(const Instance *instance);
