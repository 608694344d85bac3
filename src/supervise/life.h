#pragma once
/* The life of an instance: what an instruction, an event and a deadline mean in each life. */
#include "supervise/instance.h"

/* Follows @instruction, a newer one with a spec (copied); at once, or after the end of what lives.
 */
void node_instance_start(NodeInstance *instance, const Instruction *instruction);
/* It is not wanted any more: ends what lives; reports how it stands in any case. */
void node_instance_stop(NodeInstance *instance);
/* Stops it and drops it with its logs once nothing of it lives. May free @instance. */
void node_instance_forget(NodeInstance *instance);
/* Looks @event up in the table of lives. May free @instance. */
void node_instance_event(NodeInstance *instance, const NodeEvent *event);
/* One of its deadlines has passed. */
void node_instance_due(NodeInstance *instance);
