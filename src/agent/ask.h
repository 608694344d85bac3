#pragma once
/* One question to the agent, whatever door it came through: it waits for its turn, goes to the
 * brain together with the history of its session, has the tools called that the model wants, and
 * ends with one answer. The doors translate; they know no brain. */
#include "agent/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Agent Agent;
typedef struct Ask Ask;

/* What a client may change for one question; the agent file's word counts where nothing is set. */
typedef struct AskOptions {
  /* NULL = the file's; another name than the file's or the agent's is passed on to the brain */
  const char *model;
  double temperature; /* NAN = not set */
  double top_p;       /* NAN = not set */
  int max_tokens;     /* 0 = not set */
  /* it came as "max_completion_tokens", which some models want and others do not know */
  bool completion_tokens;
  /* object: everything else that shapes the answer, under the name that OpenAI has for it, or
   * Ollama where OpenAI has none: * stop, seed, response_format, reasoning_effort, top_k, ...; NULL
   * = nothing; borrowed */
  json_t *more;
} AskOptions;

typedef struct AskSpec {
  const char *door;    /* "prompt", "ollama", "openai", "a2a": for log and metrics; static */
  GPtrArray *messages; /* of Message*, at least one; borrowed */
  /* NULL = none; its history goes before @messages, and @messages and the answer join it; borrowed
   */
  const char *session_id;
  const char *context; /* JSON object as text, NULL = none; borrowed */
  AskOptions options;
  int depth; /* agents that the question passed through before this one: 0 = a person asks */
} AskSpec;

typedef struct AskUsage {
  int64_t prompt_tokens, completion_tokens; /* -1 = the brain does not tell */
  int rounds, tool_calls;
} AskUsage;

/* How it ended. Refusals (429) and failures have status, word, title and detail of a problem
 * document; an answer has status 200. */
typedef struct AskResult {
  /* 200; 429 (the queue, or the model server, is full), 502 (the brain failed or is away), 503 (the
   * agent stops), 504 (its time is over); another 4xx: what the model server refused the question
   * with */
  int status;
  /* "busy", "brain-refused", "brain-failed", "unavailable", "timeout"; NULL with 200 */
  const char *word;
  const char *title, *detail;
  /* the whole answer, also when it was given in deltas; with a failure what came before it;
   * NUL-terminated UTF-8 */
  const char *text;
  size_t length;
  const char *finish; /* "stop", "length" or "content_filter" */
  AskUsage usage;
  int64_t duration_ms;    /* since it came */
  int64_t first_token_ms; /* from its start at the brain to the first delta, -1 = none */
  /* when to ask again, with 429 and what the model server says; 0 = not known */
  int64_t retry_after_s;
} AskResult;

/* All are called on the loop, never from within ask_begin. What they are given is borrowed for the
 * call. */
typedef struct AskListener {
  /* a piece of the answer, whole UTF-8 characters; NULL = not wanted */
  void (*delta)(const char *text, size_t length, void *data);
  /* a tool call begins or ends; NULL = not wanted */
  void (*tool)(const char *name, bool begins, void *data);
  /* exactly once, unless cancelled; the Ask is gone after it */
  void (*done)(const AskResult *result, void *data);
} AskListener;

/* Takes a question. Always returns one; also a refusal comes through done, at the next turn of the
 * loop. @listener and @data outlive it. */
Ask *ask_begin(Agent *agent, const AskSpec *spec, const AskListener *listener, void *data);
/* Holds the answer back, since whoever reads it does not keep up: the brain is not read on before
 * it may. Its time goes on. May be called from within delta and tool. */
void ask_hold_back(Ask *ask, bool held);
/* Nobody wants the answer: the brain and the tools are ended, done is not called. */
void ask_cancel(Ask *ask);
