#pragma once
/* Events as lines for people. */
#include "cli/cli.h"

/* Prints event @type with @data on stdout, coloured on a terminal. */
void monitor_event(const Cli *cli, const char *type, const json_t *data);
