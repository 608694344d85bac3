#pragma once
/* Which cells of the core's state tables were reached: for the simulator. */
typedef struct Core Core;

/* @table: "rollout" (phase entered x kind), "failure" (phase in which it failed x kind), "outcome"
 * (kind x outcome), "instance-step" (step x observed state), "command" and "frame" (type x 0). */
typedef void (*CoreCoverageFn)(const char *table, int state, int event, void *data);
void core_set_coverage(Core *core, CoreCoverageFn fn, void *data);
