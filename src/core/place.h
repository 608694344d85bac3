#pragma once
/* Which node an instance goes to. */
#include "core/objects.h"

/* NULL when no node is there for it. Borrowed. */
NodeObject *place_choose(const Core *core, const Instance *instance);
