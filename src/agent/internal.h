#pragma once
/* The agent server as its own files see it. One Agent per process, owned by serve.c. */
#include "agent/agent.h"
#include "agent/brain.h"
#include "agent/sessions.h"
#include "agent/stats.h"
#include "agent/tools.h"
#include "net/http_server.h"

enum {
  ASKS_RUNNING_DEFAULT = 8,
  ASKS_WAITING_MAX = 64,
  ASK_TIMEOUT_DEFAULT_MS = 120000,
  AGENT_LINGER_MS = 20 /* between two looks whether all that was said has been taken */
};

struct Agent {
  Loop *loop;
  HttpServer *http;
  HttpClient *client;
  const AgentFile *file;
  const Brain *brain;
  BrainWorld world;
  BrainManners manners; /* of world */
  struct Doors *doors;
  Tools *tools;
  Sessions *sessions;
  AgentStats stats;
  char *url;       /* "http://localhost:PORT" */
  char **hosts;    /* names that mean us; on loopback a request may use no other */
  char **origins;  /* pages of other origins that may call; NULL-terminated */
  bool beyond;     /* we listen on another address than loopback */
  GQueue running;  /* of Ask*: a brain or its tools work on it */
  GQueue waiting;  /* of Ask*: in the order of arrival */
  GQueue ending;   /* of Ask*: over, its listener hears of it at the next turn */
  int running_max; /* asks that brains work on at once */
  int held;        /* asks whose readers do not keep up */
  /* for one ask: waiting at most this, then working at most this, all rounds together */
  int64_t timeout_ms;
  int64_t started_ms; /* boot clock */
  bool draining;
  int64_t leave_by_ms; /* while draining */
  /* after the last answer, so that it reaches its reader; before it, the limit of the drain */
  LoopTimer *leave;
};

/* doors.c: what the doors keep: keys and A2A tasks. @beyond: we listen on another address than
 * loopback. NULL with @error when a key is required and there is none. Free after the server. */
typedef struct Doors Doors;
Doors *doors_new(const AgentFile *file, bool beyond, GError **error);
void doors_free(Doors *doors);
/* The handler of the HTTP server; @data is the Agent. */
void doors_handle(HttpRequest *request, void *data);
/* What the HTTP server refuses itself, in the shape of its path (HttpServerConfig.refuse). */
void doors_refuse(HttpRequest *request, int status, const char *word, const char *detail,
                  void *data);

/* ask.c: ends every ask that is left with 503. Nothing is taken after it. */
void asks_give_up(Agent *agent);

/* card.c: the documents that tell who the agent is. Callers free. */
char *card_text(const Agent *agent);
char *card_status_text(const Agent *agent);
/* All that is counted, as Prometheus text. */
void agent_metrics(const Agent *agent, GString *out);

/* serve.c: an agent with a loop of its own that listens nowhere yet. @file and @api_key (of the
 * brain's server, NULL = none) outlive it. */
void agent_init(Agent *agent, const AgentFile *file, const char *api_key);
/* Ends what is under way. */
void agent_done(Agent *agent);

/* drain.c: no new connections; leaves when nothing is in flight, at the latest after 10 s. Again:
 * leaves at once. */
void agent_drain(Agent *agent);
/* To be called whenever a request was answered or its peer left. */
void agent_settle(Agent *agent);
/* Are there questions that were not answered yet? */
bool agent_is_busy(const Agent *agent);
