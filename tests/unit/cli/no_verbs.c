/* Stands in for the functions of the verbs, so that their rows can be tested without a server. */
#include "cli/cli.h"

/* clang-format off */
#define NO_VERBS(X) \
  X(agent) \
  X(agents) \
  X(cancel) \
  X(chat) \
  X(audit) \
  X(backup) \
  X(complete) \
  X(completion) \
  X(deploy) \
  X(diff) \
  X(doctor) \
  X(down) \
  X(events) \
  X(exec) \
  X(help) \
  X(history) \
  X(logs) \
  X(monitor) \
  X(node) \
  X(plan) \
  X(prompt) \
  X(ps) \
  X(restart) \
  X(restore) \
  X(rollback) \
  X(run) \
  X(scale) \
  X(schedules) \
  X(secret) \
  X(server) \
  X(service) \
  X(shell) \
  X(status) \
  X(token) \
  X(undeploy) \
  X(up) \
  X(validate) \
  X(version) \
  X(wait) \
  X(why)
/* clang-format on */

#define NO_VERB(name)                      \
  int cmd_##name(Cli *cli, GError **error) \
  {                                        \
    return 0;                              \
  }
NO_VERBS(NO_VERB)
