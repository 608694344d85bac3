#pragma once
/* Commands beside an agent, each held by a shim that ends with us. */
#include "drivers/process_state.h"

/* The slots `exec`, `exec_signal` and `exec_free` of the process driver. Errors as of shim_spawn.
 */
DriverExec *run_new(Driver *driver, const DriverCommand *command, const DriverExecNews *news,
                    void *data, GError **error);
void run_signal(DriverExec *run, int signal);
void run_free(DriverExec *run);
/* Ends what commands of an earlier node left behind, and removes their directories. */
void runs_sweep(ProcessDriver *driver);
