#pragma once
/* Everything that a handle needs before its driver is asked for it. */
#include "node/state.h"

/* Carries PREPARE out: asks for secrets and the user first where the spec of @action names some,
 * then hands the job to the driver. PREPARE_FAILED follows when something of it cannot be had. What
 * an earlier start still waits for is void. */
void equip_begin(Runner *runner, const NodeAction *action);
/* The server's answer: a SECRETS frame, whose values are overwritten once they are read. */
void equip_secrets(Node *node, const Frame *frame);
/* Asks the server again: what was asked before the hello, or over a former link, nobody answers. */
void equip_welcome(Node *node);
/* The server has written @peers anew for it: an agent that waits gets them when it starts. */
void equip_peers(const Runner *runner, const char *peers);
/* Nothing is waited for any more, and its secrets are overwritten. */
void equip_drop(Runner *runner);
