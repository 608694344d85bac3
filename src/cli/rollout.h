#pragma once
/* What verbs that change a deployment have in common: the change is a rollout, and they wait for
 * it. */
#include "cli/cli.h"

/* Waits until the rollout @rollout of @name has an outcome, printing progress on stderr; returns
 * the exit code of the outcome. */
int rollout_wait(const Cli *cli, const char *name, const char *rollout, int64_t timeout_ms,
                 GError **error);
/* POSTs a change of @name ("/down"), then waits for its rollout; returns the exit code. With -o
 * json or yaml prints how @name is then. */
int rollout_change(const Cli *cli, const char *name, const char *verb, const char *body,
                   GError **error);
/* Exit code of a rollout's outcome word. */
int rollout_outcome_exit(const char *outcome);
