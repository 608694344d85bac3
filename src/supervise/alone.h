#pragma once
/* What a node does by itself when its machine was restarted and no server comes within the lease:
 * it starts what its files say, in the order of their stages. A server that welcomes it goes on
 * with what is left.
 *
 * Invariant: only what ran before the reboot is started, in the generation that it had; and nothing
 * by a copy of a node's directory, nor by a node that was refused: the agents of a machine that was
 * copied as a whole may run on the other one. */
#include "supervise/instance.h"

/* Nobody tells what to do: a server is waited for as long as its lease, from now unless that has
 * begun. */
void alone_begin(Supervisor *supervisor);
/* A server may be there: its answer to the hello is waited for. */
void alone_wait(Supervisor *supervisor);
/* We were away ourselves: the server has its whole time again. */
void alone_anew(Supervisor *supervisor);
/* A server is there. */
void alone_end(Supervisor *supervisor);
/* Starts what is due. To be called with each event. */
void alone_tick(Supervisor *supervisor);
