#pragma once
/* Plain words on why a deployment is as it is. */
#include "core/objects.h"

/* JSON {"text", "reasons": [...], "next": [...]}: what it waits for and what is wrong, agent by
 * agent, each with its last output and the time of its next start; and commands that may help.
 * @wall_ms: now, in milliseconds. Caller frees. */
char *core_why(const Core *core, const Deployment *deployment, int64_t wall_ms);
