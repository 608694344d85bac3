#pragma once
/* Events as lines for people. */
#include "cli/target.h"

typedef struct Monitor {
  const Cli *cli;
  Target target;    /* with an agent: only its instances are told of; borrowed strings */
  GHashTable *told; /* object -> what was last said of it */
} Monitor;

/* @target may be NULL: everything; its strings must outlive @monitor. */
void monitor_init(Monitor *monitor, const Cli *cli, const Target *target);
void monitor_done(Monitor *monitor);
/* Prints event @type with @data on stdout, coloured on a terminal; nothing when it says what was
 * said before. */
void monitor_event(Monitor *monitor, const char *type, const json_t *data);
