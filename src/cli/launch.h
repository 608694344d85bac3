#pragma once
/* Starting a server in the background. */
#include "cli/cli.h"

/* Makes sure that a server answers on the control socket: starts one when none does, waits until it
 * serves. Two callers at once start one server: they take turns by a lock file in the data
 * directory. *@started tells whether this call did it; may be NULL. */
bool launch_server(const Cli *cli, bool *started, GError **error);
/* What a server is started with, ends with OPT_N. These options are kept in its state directory
 * (SERVER_KEPT_FILE): a server that ended without being told to (kill -9, a reboot, --keep) is
 * started with them again when none is given. */
extern const OptionId launch_options[];
/* True when the command line gives any of them. */
bool launch_is_told(const Cli *cli);
/* The options of @cli as SERVER_KEPT_FILE has them, "" when there are none. Caller frees. */
char *launch_kept_text(const Cli *cli);
