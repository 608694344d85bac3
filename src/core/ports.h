#pragma once
/* Who has which port of which node. What processes have is an index that each node keeps; what
 * slots are to have besides is gathered for one question, of the nodes that it is about. */
#include "core/objects.h"

/* ---- what processes have ---- */

/* To be called whenever what @instance is seen to have may have changed: its life, its seen_port,
 * its node. */
void ports_seen(Instance *instance);
/* The first slot of @deployment whose live process at @instance's node has @port; NULL = none. */
Instance *ports_live(const Instance *instance, int port);
/* For tests: is every node's index what its instances say? */
bool ports_are_right(const Core *core);

/* ---- who may have which ---- */

/* The claims of one question. */
typedef struct Ports Ports;

/* The port that revision @number declares for the slot; PORT_NONE when it does not have the agent.
 */
int ports_declared_by(const Instance *instance, int number);
/* ... that its target declares. */
int ports_declared(const Instance *instance);
/* Ports that are not free for a proposal to a slot of @deployment, each with its slot: what
 * processes have, what other deployments are to have, then what @deployment does, declares, and
 * what its agents had before - so that neither a running nor a declared port is proposed to
 * another, and an agent keeps its port over a stop. Caller frees. */
Ports *ports_used(const Core *core, const Deployment *deployment);
/* Ports of what shall run in other deployments, at the nodes of @deployment. Caller frees. */
Ports *ports_elsewhere(const Core *core, const Deployment *deployment);
void ports_free(Ports *ports);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ports, ports_free)
/* Whose @port is at @instance's node; NULL = it is free, or 0. */
Instance *ports_owner(const Ports *ports, const Instance *instance, int port);
/* @instance has @port at its node from now on, unless somebody else has. */
void ports_claim(Ports *ports, Instance *instance, int port);
/* A free port at @instance's node, from @least on, which it has from now on; 0 = none is left. */
int ports_next(Ports *ports, Instance *instance, int least);
