#pragma once
/* What an earlier life of the node left. */
#include "node/state.h"

/* Tells every instance directory as FILE and has its driver look for it; FILES_DONE follows. */
void adopt_begin(Node *node);
