/* reeve cancel */
#include "base/error.h"
#include "base/json.h"
#include "cli/rollout.h"

/* That the rollout ends cancelled is what was asked for. */
int cmd_cancel(Cli *cli, GError **error)
{
  const char *name = cli_word(cli, 0);
  int code = rollout_change(cli, name, "/cancel", "{}", error);
  if (*error || code != reeve_error_exit(REEVE_ERROR_CANCELLED))
    return code;
  cli_note(cli, "the rollout of %s is over; how it is now: reeve status %s", name, name);
  return 0;
}
