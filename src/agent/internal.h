#pragma once
/* The agent server as its own files see it. One Agent per process, owned by serve.c. */
#include "agent/agent.h"
#include "agent/brain.h"
#include "agent/sessions.h"
#include "agent/stats.h"
#include "agent/tools.h"
#include "net/http_server.h"

enum { ASKS_RUNNING_DEFAULT = 8, ASKS_WAITING_MAX = 64, ASK_TIMEOUT_DEFAULT_MS = 120000 };

struct Agent {
  Loop *loop;
  HttpServer *http;
  HttpClient *client;
  const AgentFile *file;
  const Brain *brain;
  BrainWorld world;
  Tools *tools;
  Sessions *sessions;
  AgentStats stats;
  char *url;          /* "http://localhost:PORT" */
  char **hosts;       /* names that a request may call us by; NULL = any, when we listen beyond loopback */
  GQueue running;     /* of Ask*: a brain or its tools work on it */
  GQueue waiting;     /* of Ask*: in the order of arrival */
  GQueue ending;      /* of Ask*: over, its listener hears of it at the next turn */
  int running_max;    /* asks that brains work on at once */
  int64_t timeout_ms; /* for one ask: waiting at most this, then working at most this, all rounds together */
  int64_t started_ms; /* boot clock */
  bool draining;
  LoopTimer *leave; /* after the last answer, so that it reaches its reader; before it, the limit of the drain */
};

/* doors.c: the handler of the HTTP server; @data is the Agent. */
void doors_handle(HttpRequest *request, void *data);
/* Answers with a problem document; @word is the last part of its type. */
void door_problem(HttpRequest *request, int status, const char *word, const char *title, const char *detail);
/* How many agents the question in @request passed through, 0..PEER_DEPTH_MAX (peers.h): its header X-Reeve-Depth, which agents send when
 * they ask agents. What is no such number counts as the most. For AskSpec.depth. */
int door_depth(const HttpRequest *request);

/* door_prompt.c: POST /prompt and POST /query. */
void door_prompt(Agent *agent, HttpRequest *request);
void door_query(Agent *agent, HttpRequest *request);

/* ask.c: ends every ask that is left with 503. Nothing is taken after it. */
void asks_give_up(Agent *agent);

/* card.c: the documents that tell who the agent is. Callers free. */
char *card_text(const Agent *agent);
char *card_status_text(const Agent *agent);

/* serve.c: no new connections; leaves when nothing is in flight, at the latest after 10 s. Again: leaves at once. */
void agent_drain(Agent *agent);
/* To be called whenever a request was answered or its peer left. */
void agent_settle(Agent *agent);
