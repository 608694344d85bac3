#pragma once
/* Ports: which one a slot may have, and what a node is asked about them before the first stage.
 * Invariant: a port has one owner; what a process has comes before what a slot is to have. */
#include "core/objects.h"

typedef enum ReserveResult {
  RESERVE_WAITS,   /* a node was asked, or none is there to be asked */
  RESERVE_READY,   /* every slot has its port: the first stage may begin */
  RESERVE_REFUSED, /* it cannot be had: see Refusal */
} ReserveResult;

/* Why, for people (caller frees), and the slot that it is about. */
typedef struct Refusal {
  char *cause;
  const Instance *instance;
} Refusal;

/* Asks for what the waiting slots of @rollout need, unless it was asked already. */
ReserveResult reserve_ask(Core *core, Rollout *rollout, Refusal *refusal);
/* Takes the answer of @node. */
ReserveResult reserve_answer(Core *core, Rollout *rollout, const char *node, const Frame *frame,
                             Refusal *refusal);
/* The port that revision @number declares for the slot; PORT_NONE when it does not have the agent.
 */
int reserve_declared_by(const Instance *instance, int number);
/* A fixed port that a slot of @deployment waits for to be started with, and that another deployment
 * has: its agent may not be there at this moment, so no node would see it. False when there is
 * none. */
bool reserve_taken(const Core *core, const Deployment *deployment, Refusal *refusal);
/* The way back asks no node: targets with an automatic port and none left get one that nobody here
 * has. */
void reserve_back(const Core *core, Deployment *deployment);
/* Ports that processes of @deployment have now, each with its slot. Caller unrefs. */
GHashTable *reserve_held(const Deployment *deployment);
/* The other slot that has @port now and gives it up in the open rollout; NULL = nobody does. @held:
 * from reserve_held. */
Instance *reserve_giver(GHashTable *held, const Instance *instance, int port);
/* A slot whose new start does not come: the port that its own revision declares; an automatic one
 * of its last process, unless somebody else has that by now. *@used is what is taken, made by the
 * first call that needs it and kept for the next of the same deployment and turn; the caller frees
 * it. */
void reserve_keep(Core *core, Instance *instance, GHashTable **used);
/* Its node has a later life of @instance, with @port, than these records: an automatic port that
 * they tell may be another's by now. It is left open, and reserve_missing finds one. */
void reserve_doubt(Instance *instance, int port);
/* A node is there again: the automatic ports that were left open because nobody knew what its
 * processes have. */
void reserve_missing(Core *core);
