#pragma once
/* Nodes that are silent or lost by now, and what runs there that nobody explains. */
#include "core/objects.h"

/* Those whose time has come. */
void nodes_tick(Core *core);
/* They were loaded: every lease begins anew. */
void nodes_loaded(Core *core);
