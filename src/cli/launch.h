#pragma once
/* Starting a server in the background. */
#include "cli/cli.h"

/* Makes sure that a server answers on the control socket: starts one when none does, waits until it serves. Two callers at once start one
 * server: they take turns by a lock file in the data directory. *@started tells whether this call did it; may be NULL. */
bool launch_server(const Cli *cli, bool *started, GError **error);
