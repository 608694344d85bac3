#pragma once
/* Messages for webhooks. */
#include "core/objects.h"

/* The phase of the turn for TURN_SETTLED and for every deployment whose news are about to be
 * announced: webhooks are told when that is bad, worse, or well again. */
void notices_run(Core *core);
