#pragma once
/* Batch agents that run by the clock. */
#include "core/objects.h"

/* A rollout of @deployment has ended: which of its schedules are in force. */
void schedules_settle(Core *core, Deployment *deployment);
/* Finds the next time of @schedule, should it be in force; also when it was loaded. */
void schedule_attach(Core *core, Schedule *schedule);
/* The phase of the turn for TURN_ENDED: runs that are over, and those that waited for them. */
void schedules_run(Core *core);
/* Those whose time has come. */
void schedules_tick(Core *core);
