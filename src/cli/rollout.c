/* Owns how a verb changes a deployment: it asks the server, then tells how the rollout goes until
 * it has an outcome. */
#include "cli/rollout.h"

#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"
#include "cli/progress.h"

int rollout_outcome_exit(const char *outcome)
{
  if (g_strcmp0(outcome, "succeeded") == 0)
    return 0;
  return reeve_error_exit(outcome ? (int)reeve_error_from_word(outcome) : REEVE_ERROR_INTERNAL);
}

static bool rollout_on_event(const char *type, const json_t *data, void *user)
{
  Progress *progress = user;
  progress_event(progress, type, data);
  return !progress->outcome;
}

int rollout_wait(const Cli *cli, const char *name, const char *rollout, int64_t timeout_ms,
                 GError **error)
{
  Progress progress;
  progress_init(&progress, cli, name, rollout);
  g_autoptr(GError) failed = NULL;
  bool ok = api_follow(cli, name, timeout_ms, rollout_on_event, &progress, &failed);
  int code = progress.outcome ? rollout_outcome_exit(progress.outcome) : 1;
  if (progress.outcome)
    progress_end(&progress);
  else if (ok)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
                "the server ended before the rollout did; it goes on with the next start");
  else if (g_error_matches(failed, REEVE_ERROR, REEVE_ERROR_TIMEOUT))
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT,
                "%s: the rollout goes on after %.4g s; see: reeve wait %s", name,
                (double)timeout_ms / 1000, name);
  else
    g_propagate_error(error, g_steal_pointer(&failed));
  progress_done(&progress);
  return code;
}

int rollout_change(const Cli *cli, const char *name, const char *verb, const char *body,
                   GError **error)
{
  g_autofree char *path = api_path(name, verb);
  json_t *answer = api_call(cli, "POST", path, body, NULL, error);
  if (!answer)
    return 1;
  g_autofree char *rollout = g_strdup(jget_str(answer, "rollout", NULL));
  json_decref(answer);
  int code = rollout ? rollout_wait(cli, name, rollout, cli_ms(cli, OPT_TIMEOUT, 0), error) : 0;
  json_t *deployment = cli_is_data(cli) && !*error ? api_deployment(cli, name, NULL) : NULL;
  if (deployment)
    cli_print_data(cli, deployment);
  json_decref(deployment);
  return code;
}
