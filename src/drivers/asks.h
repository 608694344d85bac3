#pragma once
/* Shims that nobody needs are looked at, too. */
#include "drivers/process_state.h"

/* Each every @period_ms; UNREACHABLE follows when one that was asked has not answered by its next
 * turn. */
Asks *asks_new(ProcessDriver *driver, int64_t period_ms);
/* NULL is fine. */
void asks_free(Asks *asks);
/* It has had no answer for so long; UNREACHABLE follows unless that was told. */
void asks_is_late(Process *process, int64_t for_ms);
/* The shim of @process has said something; REACHABLE follows when it was unreachable. */
void asks_answered(Process *process);
