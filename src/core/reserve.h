#pragma once
/* Before the first stage every node that gets slots binds the ports of the revision and checks its
 * commands. Invariant: a port has one owner; what a process has comes before what a slot is to
 * have (core/ports.h). */
#include "core/objects.h"
#include "core/ports.h"

typedef enum ReserveResult {
  RESERVE_WAITS,   /* for the answer of a node, or for a node that can be asked */
  RESERVE_READY,   /* every slot has its port: the first stage may begin */
  RESERVE_REFUSED, /* it cannot be had: see Refusal */
} ReserveResult;

/* Why, for people (caller frees), and the slot that it is about. */
typedef struct Refusal {
  char *cause;
  const Instance *instance;
} Refusal;

/* Asks every node for what the waiting slots of @rollout need of it, unless it was asked already.
 * Slots without a node get one. */
ReserveResult reserve_ask(Core *core, Rollout *rollout, Refusal *refusal);
/* What @node was asked with @request, a number of its own; NULL = nothing. Borrowed. */
Reserve *reserve_find(const NodeObject *node, int64_t request);
/* Takes the answer to @reserve, which may be freed, and asks again where that is not enough. */
ReserveResult reserve_answer(Core *core, Rollout *rollout, Reserve *reserve, const Frame *frame,
                             Refusal *refusal);
/* What @node (NULL = every node) was asked for @rollout is void: its answer, should it come, is let
 * go. */
void reserve_forget(Rollout *rollout, const NodeObject *node);
/* What @node was asked for any rollout is void. Costs the slots of the deployments that it was
 * asked for, however many rollouts are open. */
void reserve_forget_all(const NodeObject *node);
/* As reserve_forget, and nodes that are linked are told. */
void reserve_release(Core *core, Rollout *rollout, const NodeObject *node);
/* A fixed port that a slot of @deployment waits for to be started with, and that another deployment
 * has: its agent may not be there at this moment, so no node would see it. False when there is
 * none. */
bool reserve_taken(const Core *core, const Deployment *deployment, Refusal *refusal);
/* The way back asks no node: targets with an automatic port and none left get one that nobody here
 * has. */
void reserve_back(const Core *core, Deployment *deployment);
/* The other slot whose process has @port at @instance's node, or may be about to, and that gives it
 * up in the open rollout of both; NULL = nobody does. */
Instance *reserve_giver(const Instance *instance, int port);
/* A slot whose new start does not come: the port that its own revision declares; an automatic one
 * of its last process, unless somebody else has that by now. *@used is what is taken, made by the
 * first call that needs it and kept for the next of the same deployment and turn; the caller frees
 * it. */
void reserve_keep(Core *core, Instance *instance, Ports **used);
/* Its node has a later life of @instance, with @port, than these records: an automatic port that
 * they tell may be another's by now. It is left open, and reserve_missing finds one. */
void reserve_doubt(const Core *core, Instance *instance, int port);
/* @node is there again: the automatic ports of its slots that were left open because nobody knew
 * what its processes have. */
void reserve_missing(Core *core, const NodeObject *node);
