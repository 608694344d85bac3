#pragma once
/* Which cells of the core's state tables were reached: for the simulator. */
typedef struct Core Core;

/* @table: "rollout" (phase x event), "instance-step" (step x observed state), "command"; names of states and events by core_coverage_name.
 */
typedef void (*CoreCoverageFn)(const char *table, int state, int event, void *data);
void core_set_coverage(Core *core, CoreCoverageFn fn, void *data);
