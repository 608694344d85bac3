#pragma once
/* Who runs as another user than we, and what of our directories he may reach. */
#include "drivers/user.h"
#include "node/state.h"

/* Checks that agents can run as @node->agents_user, and lets every user pass through, not list, the
 * directories down to those of the instances; what else lies in the state directory is closed to
 * all but us. REEVE_ERROR_NOT_FOUND: no such user; DENIED: we are not root; INVALID: it is root;
 * INTERNAL: a directory cannot be opened. */
bool node_open_to_user(const Node *node, GError **error);
/* Writes the file @name of @runner, which its agent reads: an agent of another user (@user, NULL =
 * as this node does) is made its owner. Errors as of fs_write, or REEVE_ERROR_INTERNAL when it
 * cannot be given away. */
bool runner_write_file(const Runner *runner, const User *user, const char *name, const char *text,
                       GError **error);
/* Writes it anew for whom it was written for. Before the agent's first start there is none, and
 * nothing is written. Errors as of runner_write_file. */
bool runner_write_file_again(const Runner *runner, const char *name, const char *text,
                             GError **error);
