#pragma once
/* Whom a verb is about: NAME, NAME/AGENT or NAME/AGENT/REPLICA. One notation for every verb, and
 * one name for each instance. */
#include "cli/cli.h"

typedef struct Target {
  char *deployment;
  char *agent; /* NULL = all of them */
  int replica; /* -1 = every one */
} Target;

/* Reads @word, NAME[/AGENT[/REPLICA]]; with @agent (may be NULL) that is AGENT[/REPLICA] and @word
 * only NAME. False with REEVE_ERROR_USAGE. The caller ends it with target_done, also after false.
 */
bool target_parse(Target *target, const char *word, const char *agent, GError **error);
/* Words 0 and 1 of the command line likewise; no word at all leaves everything NULL. */
bool target_of(const Cli *cli, Target *target, GError **error);
void target_done(Target *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Target, target_done)
/* AGENT or AGENT/REPLICA, as the API takes it; NULL when no agent is named. Caller frees. */
char *target_agent(const Target *target);
/* NAME/AGENT/REPLICA as far as it is given. Caller frees. */
char *target_text(const Target *target);
/* Is @instance (as the API renders it, a log record too) one of those that @target names? Its
 * deployment is not looked at. */
bool target_has(const Target *target, const json_t *instance);
/* Leaves only the instances that @target names in @deployment, as GET /api/deployments/NAME gives
 * it. False with REEVE_ERROR_NOT_FOUND, which lists the agents that there are, when it has none of
 * them. */
bool target_filter(const Target *target, json_t *deployment, GError **error);
/* Refuses an agent where the verb takes whole deployments, and says what to do: REEVE_ERROR_USAGE.
 */
bool target_allowed(const Cli *cli, GError **error);
/* As people name @instance: "worker", or "worker/1" of an agent with several replicas. Caller
 * frees. */
char *target_name(const json_t *instance);
