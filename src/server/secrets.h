#pragma once
/* Secrets on their way to a node. */
#include "server/state.h"

/* Answers a SECRET_READ frame of @node: what the environment of that instance wants, or why not.
 * Leaves when nothing that it saw is uncommitted. */
void secrets_answer(Server *server, const char *node, const Frame *frame);
