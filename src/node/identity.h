#pragma once
/* The node's identity on its disk: model/identity.h. */
#include "model/identity.h"

/* Reads the identity that is kept in @state_dir, which exists, into @out. One that was never drawn,
 * or whose directory was copied, is drawn and durable before this returns. False with @error when
 * it cannot be read or written: what is held must not be given to anybody then. @anew: one that
 * cannot be read counts as none. */
bool node_identity_open(const char *state_dir, bool anew, NodeIdentity *out, GError **error);
/* Keeps @text, of node_identity_write, in @state_dir; durable when true. */
bool node_identity_keep(const char *state_dir, const char *text, GError **error);
