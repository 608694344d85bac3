#pragma once
/* A command in the environment of an instance, once it is known who its user is. */
#include "node/state.h"

typedef struct ExecRun ExecRun;
typedef struct ExecSpec {
  const char *instance;     /* id */
  const InstanceSpec *spec; /* of the instance: environment, directory, user, limits */
  char *const *argv;
  const int *fds; /* two, that take stdout and stderr; borrowed */
} ExecSpec;

/* Starts it; what @spec points to is copied where it is needed later. Tells @news as a driver does,
 * also why its user is not there. NULL with @error when not even its driver begins; then nothing is
 * told. */
ExecRun *exec_run_new(Node *node, const ExecSpec *spec, const DriverExecNews *news, void *data,
                      GError **error);
/* To its process group; nothing when it does not run (yet). */
void exec_run_signal(ExecRun *run, int signal);
/* Ends the whole tree if it still runs. NULL is fine. */
void exec_run_free(ExecRun *run);
