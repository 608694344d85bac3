#pragma once
/* Commands that the server asks for. */
#include "node/state.h"

/* None runs yet. */
NodeExecs *node_execs_new(Node *node);
/* Ends them all without a word; NULL is fine. */
void node_execs_free(NodeExecs *execs);
/* EXEC, EXEC_CREDIT or EXEC_CANCEL; EXEC_DATA frames follow by credit, and one EXEC_END.
 * @spec: of the instance that an EXEC names, NULL with @refused; both borrowed. */
void node_execs_frame(NodeExecs *execs, const Frame *frame, const InstanceSpec *spec,
                      const char *refused);
/* Their callers are gone: they are ended. */
void node_execs_link_down(NodeExecs *execs);
