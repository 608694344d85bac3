#pragma once
/* What a rollout wants of every slot. */
#include "core/objects.h"

/* Gives every slot its target and step, and makes new slots. @revision: what is wanted, its job
 * must be readable; 0 = nothing. @goes_on: slots that a start was sent for by what this takes the
 * place of, and that have not been ready since, are waited for where they may stay. */
void rollout_targets(Core *core, Rollout *rollout, int revision, bool goes_on);
