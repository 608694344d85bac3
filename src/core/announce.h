#pragma once
/* The last phase of a turn. */
#include "core/objects.h"

/* Every object that was touched becomes one event, and one record when it is dirty; what is doomed
 * goes; then frames leave. */
void announce(Core *core);
/* Records and node forget @instance, whose last word was told; the object stays the caller's. */
void announce_forget(Core *core, Instance *instance);
