#pragma once
/* Asking an agent: whom NAME[/AGENT] means, and one question whose answer is printed as it comes.
 */
#include "cli/cli.h"

/* URL of the agent that @target ("NAME" or "NAME/AGENT") means; without AGENT the entry point of
 * the job. NULL with REEVE_ERROR_NOT_FOUND when it does not run. Caller frees. */
char *talk_find(Cli *cli, const char *target, GError **error);

typedef struct TalkQuestion {
  const char *url; /* of the agent */
  const char *text;
  const char *session_id; /* NULL = none */
  bool stoppable;         /* Ctrl-C ends the answer, not the program */
} TalkQuestion;

/* Asks and prints the answer on stdout: text as it comes, or with -o json and yaml the whole answer
 * at its end. Tools that the agent calls are noted on stderr. An agent that does not stream is
 * understood, and one that has /query instead of /prompt. False with @error:
 * REEVE_ERROR_UNAVAILABLE, REEVE_ERROR_TIMEOUT, REEVE_ERROR_DENIED, REEVE_ERROR_CANCELLED (stopped
 * by Ctrl-C). */
bool talk_ask(Cli *cli, const TalkQuestion *question, GError **error);
