#pragma once
/* The one error type: GError in the domain REEVE_ERROR. One list makes the enum, the word in
 * problem documents, the HTTP status and the exit code of the CLI. Exit codes are a contract
 * (docs/exit-codes.md): never renumber, only add. */
#include <glib.h>

/*        enum             word               HTTP exit  meaning */
#define REEVE_ERRORS(X)                                                                         \
  X(INTERNAL, "internal", 500, 1,                                                               \
    "a defect in Reeve or an operation that failed for no listed reason")                       \
  X(USAGE, "usage", 400, 2, "the command line or the request is malformed")                     \
  X(INVALID, "invalid", 422, 3,                                                                 \
    "the job file, or a document in a request, has problems; nothing was changed")              \
  X(NOT_FOUND, "not-found", 404, 4, "no object of that name")                                   \
  X(CONFLICT, "conflict", 409, 5,                                                               \
    "the object is in a state that does not allow this, or another change is running")          \
  X(FAILED, "failed", 422, 6,                                                                   \
    "the deployment failed; what was started is stopped or kept as the job says")               \
  X(ROLLED_BACK, "rolled-back", 422, 7,                                                         \
    "the change failed and the deployment went back to its former revision")                    \
  X(CANCELLED, "cancelled", 409, 8, "somebody cancelled the rollout")                           \
  X(TIMEOUT, "timeout", 504, 9, "the deadline passed first")                                    \
  X(UNAVAILABLE, "unavailable", 503, 10, "no server or node answers, or it is busy; try again") \
  X(STORE_FULL, "store-full", 507, 11,                                                          \
    "no room on the disk of the store; changes are refused until there is")                     \
  X(STORE_FAILED, "store-failed", 503, 12, "the store cannot be written")                       \
  X(DENIED, "denied", 403, 13, "the caller has no right to do this")                            \
  X(UNHEALTHY, "unhealthy", 503, 14, "an agent is failed, unhealthy or gone")                   \
  X(LIMIT, "limit", 413, 15,                                                                    \
    "an input is larger, deeper or more numerous than the documented limit")                    \
  X(UNAUTHENTICATED, "unauthenticated", 401, 16,                                                \
    "the server wants a token, or does not know the one it was given")                          \
  X(RATE_LIMITED, "rate-limited", 429, 17,                                                      \
    "too many refused requests from one address; try again later")

typedef enum ReeveError {
#define X(id, word, http, code, text) REEVE_ERROR_##id,
  REEVE_ERRORS(X)
#undef X
      REEVE_ERROR_N
} ReeveError;

#define REEVE_ERROR reeve_error_quark()
/* The one error domain: REEVE_ERROR. */
GQuark reeve_error_quark(void);

/* The stable word of @code in problem documents ("not-found"); a static string. Out of range gives
 * "internal". */
const char *reeve_error_word(int code);
/* HTTP status 400..599 for @code. */
int reeve_error_http(int code);
/* Exit code 1..17 of the CLI for @code. */
int reeve_error_exit(int code);
/* One English sentence on what @code means, for docs and --help; static. */
const char *reeve_error_meaning(int code);
/* The code whose word is @word, or REEVE_ERROR_INTERNAL. */
ReeveError reeve_error_from_word(const char *word);
