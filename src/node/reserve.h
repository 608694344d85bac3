#pragma once
/* Answers RESERVE frames once it is known who the users are that they name. */
#include "node/state.h"

/* RESERVED follows; @reserve is borrowed. */
void node_reserve(Node *node, const Frame *reserve);
/* What was reserved, or is waited for, is void; 0 = of every request. */
void node_reserve_release(Node *node, int64_t request);
/* All that was reserved or waits is void. */
void node_reserve_free(Node *node);
