#pragma once
/* A brain answers one prompt at a time, many side by side. A new kind is one file with a const table like command_brain and one row in
 * brains.c. */
#include "formats/agent_file.h"
#include "net/loop.h"

#include <glib.h>
#include <stddef.h>

typedef struct BrainCall BrainCall;

/* How a call ended. */
typedef enum BrainOutcome {
  BRAIN_ANSWERED,
  BRAIN_FAILED,    /* it could not be started, or said that it cannot answer, or said too much */
  BRAIN_TIMED_OUT, /* the time limit passed first */
} BrainOutcome;

typedef struct BrainPrompt {
  const char *text; /* UTF-8 without NUL; borrowed during the call of start only, as all of this */
  size_t length;
  const char *session_id; /* NULL = none */
  const char *context;    /* JSON object as text, NULL = none */
  int64_t timeout_ms;     /* at least 1 */
} BrainPrompt;

typedef struct BrainResult {
  BrainOutcome outcome;
  const char *text; /* BRAIN_ANSWERED: the answer, any bytes, NUL-terminated; else one line on what went wrong */
  size_t length;
} BrainResult;

/* Called on the loop exactly once per started call, never from within start, unless it was cancelled. @result is borrowed. */
typedef void (*BrainDone)(const BrainResult *result, void *data);

typedef struct Brain {
  const char *provider; /* the word in [llm] provider */
  /* Begins to answer @prompt. Returns the call, which is the brain's until done or cancel; NULL with @error set (REEVE_ERROR_FAILED) when
   * it cannot begin. @file outlives the call. */
  BrainCall *(*start)(Loop *loop, const AgentFile *file, const BrainPrompt *prompt, BrainDone done, void *data, GError **error);
  /* Ends @call and whatever it started, at once; done is not called. */
  void (*cancel)(BrainCall *call);
} Brain;

/* The brain of @provider, or NULL; static. */
const Brain *brain_find(const char *provider);
/* The known providers, "a, b"; static. */
const char *brain_providers(void);

extern const Brain command_brain; /* brain_command.c */
