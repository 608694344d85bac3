#pragma once
/* A brain answers a conversation, many side by side, piece by piece. A new kind is one file with a
 * const table like command_brain and one row in brains.c. */
#include "agent/ask.h"
#include "formats/agent_file.h"
#include "net/http_client.h"
#include "net/loop.h"

#include <glib.h>
#include <stddef.h>

typedef struct BrainCall BrainCall;

/* What a model server was found to want otherwise than others; learnt from its refusals, kept for
 * the calls that follow. */
typedef struct BrainManners {
  bool no_stream_options; /* it does not know "stream_options" */
  /* "max_completion_tokens" or "max_tokens", whatever was asked for */
  enum { TOKENS_AS_ASKED, TOKENS_COMPLETION, TOKENS_PLAIN } tokens;
} BrainManners;

/* What all calls share; outlives them. */
typedef struct BrainWorld {
  Loop *loop;
  HttpClient *client;
  const AgentFile *file;
  const char *api_key;   /* NULL = none */
  BrainManners *manners; /* of the model server; never NULL where there is one */
} BrainWorld;

/* How a call ended. */
typedef enum BrainOutcome {
  BRAIN_ANSWERED,
  /* it could not be started, said that it cannot answer, said too much, or broke off */
  BRAIN_FAILED,
  BRAIN_TIMED_OUT, /* the time limit passed first, or it fell silent */
  BRAIN_AWAY,      /* nobody is there */
} BrainOutcome;

/* Borrowed during the call of start only. */
typedef struct BrainRequest {
  const GPtrArray *messages; /* of Message*, at least one; the system's first */
  const char *tools;         /* JSON array as tools_json gives it, NULL = none */
  AskOptions options;        /* final: what the client and the file say together */
  const char *session_id;    /* NULL = none */
  const char *context;       /* JSON object as text, NULL = none */
  int64_t timeout_ms;        /* at least 1 */
} BrainRequest;

typedef struct BrainResult {
  BrainOutcome outcome;
  const char *detail; /* one line on what went wrong, NULL when answered */
  /* of ToolCall*, what the model wants called; id "" where it gave none; NULL = nothing */
  const GPtrArray *tool_calls;
  /* what the model thought, and the member that it came in (static); NULL = nothing */
  const char *reasoning, *reasoning_key;
  const char *finish; /* "stop", "length", "content_filter"; static; NULL when not answered */
  int64_t prompt_tokens, completion_tokens; /* -1 = not told */
  int status;            /* what the model server refused with (HTTP); 0 = it did not */
  int64_t retry_after_s; /* when it wants to be asked again; 0 = it does not say */
} BrainResult;

/* Called on the loop, never from within start. All text comes through delta, also when it comes at
 * once. What they are given is borrowed; each may cancel the call. */
typedef struct BrainListener {
  /* UTF-8 of whole characters without NUL, not empty */
  void (*delta)(const char *text, size_t length, void *data);
  /* exactly once, unless cancelled; the call is gone after it */
  void (*done)(const BrainResult *result, void *data);
} BrainListener;

typedef struct Brain {
  const char *provider; /* the word in [llm] provider */
  bool tools;           /* does it ask for tools to be called */
  /* Begins to answer @request. Returns the call, which is the brain's until done or cancel; NULL
   * with @error set (REEVE_ERROR_FAILED) when it cannot begin. */
  BrainCall *(*start)(const BrainWorld *world, const BrainRequest *request,
                      const BrainListener *listener, void *data, GError **error);
  /* Ends @call and whatever it started, at once; nothing is called after it. */
  void (*cancel)(BrainCall *call);
  /* Holds @call back: what it says is not read, until it may go on. What it had said already may
   * still come, its time goes on, and it does not count as silent meanwhile. May be called from
   * within delta. */
  void (*hold)(BrainCall *call, bool held);
} Brain;

/* The brain of @provider, or NULL; static. */
const Brain *brain_find(const char *provider);
/* The known providers, "a, b"; static. */
const char *brain_providers(void);

/* brain_*.c */
extern const Brain command_brain, ollama_brain, openai_brain;
