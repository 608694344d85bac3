#pragma once
/* The last phase of a turn. */
#include "core/core.h"

/* Every object that was touched becomes one event, and one record when it is dirty; what is doomed
 * goes; then frames leave. */
void announce(Core *core);
