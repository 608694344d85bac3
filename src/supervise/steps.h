#pragma once
/* The steps of a life. Each asks disk or driver for something (an action) and sets the life that
 * waits for the answer, so that no caller does one without the other. */
#include "supervise/instance.h"

/* Writes its file as it is now; STORED or STORE_FAILED answers. */
void node_instance_store(NodeInstance *instance);
/* The handle, should there be one, is not needed any more; nothing runs in it. */
void node_instance_release(NodeInstance *instance);

/* Follows @instruction, a newer one with a spec (copied): STORING. Nothing of it lives. */
void node_instance_begin(NodeInstance *instance, const Instruction *instruction);
/* A handle for the present generation, whose file is durable: PREPARING. @reason: as set_life. */
void node_instance_prepare(NodeInstance *instance, const char *reason);
/* The next attempt in the present handle: STARTING. @reason: as set_life. */
void node_instance_start_attempt(NodeInstance *instance, const char *reason);

/* Signal now, kill after the grace of its spec. Where it cannot be signalled yet the stop is noted
 * and follows later. @reason: as set_life. */
void node_instance_begin_stop(NodeInstance *instance, const char *reason);
/* Its handle is told to kill; the tree is cleared when that takes too long. */
void node_instance_kill(NodeInstance *instance);
/* What is left of it has no handle, or none that does anything: the driver ends it by identity,
 * CLEARED answers. @reason: as set_life. */
void node_instance_begin_clear(NodeInstance *instance, const char *reason);
/* Nothing of it lives and nobody wants it: drops it with its logs, when the last of its files is
 * written. May free @instance. */
void node_instance_leave(NodeInstance *instance);
