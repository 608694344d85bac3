#pragma once
/* Nodes that are silent or lost by now, and what runs there that nobody explains. */
#include "core/objects.h"

void nodes_tick(Core *core);
/* Boot clock; INT64_MAX = none. */
int64_t nodes_next_deadline(const Core *core);
