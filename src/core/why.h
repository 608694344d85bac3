#pragma once
/* Plain words on why a deployment is as it is. */
#include "core/objects.h"

/* JSON {"text": ..., "reasons": [...]}: what it waits for or what is wrong, instance by instance, with the node's own reasons. Caller
 * frees. */
char *core_why(const Core *core, const Deployment *deployment);
