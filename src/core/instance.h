#pragma once
/* One slot: what is wanted in it, what its node reports of it, and the instruction that follows
 * from the difference. Invariant: who changes what is wanted, sends it; who hears what is, marks it
 * for the phases of the turn, and decides nothing. */
#include "core/objects.h"

/* ---- what is so ---- */

/* Its node has told that it lives, in the generation that is wanted. */
bool instance_in_place(const Instance *instance);
/* Its start was sent, and nothing was heard of it yet. */
bool instance_on_its_way(const Instance *instance);
/* Its node says that nothing runs, and no start is on its way to it. */
bool instance_ended(const Instance *instance);
/* The wanted life of it serves, or, when it is a batch, has completed. */
bool instance_ready(const Instance *instance);
bool instance_is_batch(const Instance *instance);
/* Is there a job that says how its revision is run? */
bool instance_can_start(const Instance *instance);
/* It was stopped, nobody wanted that, and no rollout will start it. */
bool instance_stopped_unasked(const Instance *instance);
/* Does the present revision, or the first one that is on its way, do without the slot? It is kept
 * for its logs. */
bool instance_is_left_over(const Instance *instance);
/* As people name it: "worker", or "worker/1" when its agent has several replicas. Caller frees. */
char *instance_name(const Instance *instance);
/* "worker", or "worker/1" of a further replica: unlike instance_name() it stays the same when the
 * agent is scaled. Caller frees. */
char *instance_short_name(const Instance *instance);

/* ---- what is wanted ---- */

/* Stores and announces it when it is another. */
void instance_set_step(Core *core, Instance *instance, InstanceStep step);
/* The next generation runs @revision, whose job must be readable; its start is sent when its node
 * is linked, else by the hello. */
void instance_start(Core *core, Instance *instance, int revision);
/* It is not wanted any more; a stop is sent unless nothing runs. */
void instance_stop(Core *core, Instance *instance);
/* A slot that was stopped unasked, by an order that these records do not know (they were restored
 * from an older copy) or by a reboot, is started again; a scheduled run is told as interrupted
 * instead. False when nothing of that was so. */
bool instance_start_unasked(Core *core, Instance *instance);
/* Its files and its port are at @node (id, NULL = nowhere) from now on, in a new epoch. */
void instance_place(Core *core, Instance *instance, NodeObject *node);
/* An epoch after @present, and after every one of an earlier term. */
int64_t instance_new_epoch(const Core *core, int64_t present);
/* It goes for good at the end of this turn, with its logs; may be said more than once. */
void instance_doom(Core *core, Instance *instance);
/* It stays after all: something wants the slot again in the same turn. */
void instance_spare(Core *core, Instance *instance);

/* ---- what is seen ---- */

/* Takes over what its node told of the present epoch, and marks what follows: TURN_ENDED,
 * TURN_UNSETTLED. True when its rollout must hear of it. */
bool instance_observe(Core *core, Instance *instance, const InstanceReport *report);
/* What was told of it over a former link counts no more: its node lists it anew. */
void instance_unhear(Instance *instance);
/* Its port is the one that the process was started with, unless a start with another one is on its
 * way. */
void instance_keep_port(Core *core, Instance *instance);
/* Brings the counters of its deployment up to date: called after every change of what they count.
 */
void instance_recount(Instance *instance);
/* What it told the registry goes, in the store too; also when it told nothing. */
void registration_drop(Core *core, Instance *instance);

/* ---- what its node must hear ---- */

/* Sends the difference between what is wanted and what is, unless that was sent over this link. */
void instance_reconcile(Core *core, Instance *instance);
/* Sends its peers, unless its node knows them or is away. */
void instance_send_peers(Core *core, Instance *instance);

/* The phase of the turn for TURN_GREETED and TURN_UNASKED. */
void instances_run(Core *core);
