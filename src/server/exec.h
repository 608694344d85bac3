#pragma once
/* Commands beside agents, run by nodes. */
#include "server/state.h"

Execs *execs_new(Server *server);
void execs_free(Execs *execs);
/* An EXEC_DATA or EXEC_END frame of @node. */
void execs_frame(Execs *execs, const char *node, const Frame *frame);
/* @node has lost its link, or does not know commands. */
void execs_node_gone(Execs *execs, const char *node);
void execs_unknown(Execs *execs, const char *node);
/* Ends every stream and its command. */
void execs_end(Execs *execs);
