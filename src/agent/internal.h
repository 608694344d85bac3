#pragma once
/* The agent server: shared by serve.c (life, queue) and doors.c (routes). */
#include "agent/brain.h"
#include "net/http_server.h"

typedef struct Agent {
  Loop *loop;
  AgentFile *file;
  const BrainDriver *driver;
  Brain *brain;
  HttpServer *http;
  char *host;
  int port;
  int64_t started_boot_ms;
  int64_t requests, errors;
  int in_flight, limit;
  GQueue queue; /* of Ask* that wait for a free place */
  bool draining;
  LoopTimer *drain;
} Agent;

/* doors.c: the handler of the HTTP server. */
void doors_handle(HttpRequest *request, void *agent);

/* serve.c: asks the brain for @request, now or when there is room; 429 when there is none. @render makes the answer's body. */
typedef char *(*AskRender)(const Agent *agent, const char *text, const char *session, int64_t duration_ms);
void agent_ask(Agent *agent, HttpRequest *request, const char *prompt, const char *session, AskRender render);
void agent_drain(Agent *agent);

/* card.c: the agent-configuration card as JSON; caller frees. */
char *agent_card(const Agent *agent);
