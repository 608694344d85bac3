#pragma once
/* `reeve agent serve`: the HTTP face of one agent. A brain (brain.h) answers what comes in through
 * the doors (doors.c); docs/agent.md tells the user. */

typedef struct AgentServeOptions {
  const char *agent_file; /* path of agent.toml or agent.json */
  const char *host;       /* address to listen on; NULL = 127.0.0.1 */
  int port;               /* 0..65535; 0 picks one and logs it */
} AgentServeOptions;

/* Serves until SIGTERM, SIGINT or POST /shutdown, then answers what is in flight, 10 s at the most.
 * Says on stderr what is wrong. Returns the exit code of docs/exit-codes.md: 0 after a drain, 3
 * when the agent file has problems, 5 when the port is taken. */
int agent_serve_main(const AgentServeOptions *options);
