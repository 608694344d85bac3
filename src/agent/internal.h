#pragma once
/* The agent server as its own files see it. One Agent per process, owned by serve.c. */
#include "agent/agent.h"
#include "agent/brain.h"
#include "net/http_server.h"

enum { ASKS_RUNNING_DEFAULT = 8, ASKS_WAITING_MAX = 64, ASK_TIMEOUT_DEFAULT_MS = 120000 };

typedef struct Agent {
  Loop *loop;
  HttpServer *http;
  const AgentFile *file;
  const Brain *brain;
  char *url;          /* "http://localhost:PORT" */
  char **hosts;       /* names that a request may call us by; NULL = any, when we listen beyond loopback */
  GQueue running;     /* of Ask*: a brain works on it */
  GQueue waiting;     /* of Ask*: in the order of arrival */
  int running_max;    /* asks that brains work on at once */
  int64_t timeout_ms; /* for one ask: waiting at most this, then working at most this */
  int64_t started_ms; /* boot clock */
  int64_t requests;   /* prompts and queries that came */
  int64_t errors;     /* those of them that were not answered with 200 */
  bool draining;
  LoopTimer *leave; /* after the last answer, so that it reaches its reader; before it, the limit of the drain */
} Agent;

/* What /prompt and /query differ in. */
typedef struct AskKind {
  const char *key; /* of the text in the body */
  bool context;    /* does the body have one */
  void (*write)(GString *out, const Agent *agent, const char *session_id, const BrainResult *result, int64_t duration_ms);
} AskKind;
extern const AskKind ask_prompt, ask_query;

/* doors.c: the handler of the HTTP server; @data is the Agent. */
void doors_handle(HttpRequest *request, void *data);
/* Answers with a problem document; @word is the last part of its type. */
void door_problem(HttpRequest *request, int status, const char *word, const char *title, const char *detail);

/* asks.c: takes @request with its body, answers now (422, 429) or when a brain has spoken. */
void ask_begin(Agent *agent, HttpRequest *request, const AskKind *kind);
/* Answers every ask that is left with 503 and ends its brain. */
void asks_give_up(Agent *agent);

/* card.c: the documents that tell who the agent is. Callers free. */
char *card_text(const Agent *agent);
char *card_status_text(const Agent *agent);

/* serve.c: no new connections; leaves when nothing is in flight, at the latest after 10 s. Again: leaves at once. */
void agent_drain(Agent *agent);
/* To be called whenever a request was answered or its peer left. */
void agent_settle(Agent *agent);
