#pragma once
/* The agents directory as the command line sees it. */
#include "cli/cli.h"

/* "/agents/NAME" and @rest, NAME escaped. Caller frees. */
char *agents_path(const char *name, const char *rest);
/* GET /agents/NAME. */
json_t *agents_look(const Cli *cli, const char *name, GError **error);
/* POSTs @verb ("start", "stop", "restart") of @name and follows its rollout; returns the exit code.
 * @changed: there was something to do. */
int agents_change(Cli *cli, const char *name, const char *verb, bool *changed, GError **error);
/* Prints one agent, a line for each of its fields. */
void agents_show(const Cli *cli, const json_t *agent);
