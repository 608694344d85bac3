#pragma once
/* One probe of one agent. */
#include "node/state.h"

/* Probes once, in place of a probe that is on its way; PROBE follows. */
void probe_start(Runner *runner, const NodeAction *action);
/* The one on its way, if any, is over and not told. */
void probe_drop(Runner *runner);
