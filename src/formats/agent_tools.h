#pragma once
/* The sections [mcp_servers.NAME] and [sub_agents.NAME] of an agent file: where its tools come
 * from. Variables in texts were resolved before (expand.h), so texts may hold secrets. */
#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  AGENT_MCP_SERVERS_MAX = 32,
  AGENT_SUB_AGENTS_MAX = 64,
  AGENT_MCP_WORDS_MAX = 256, /* of args, env or headers of one server */
  AGENT_MCP_TIMEOUT_DEFAULT_MS = 30000,
  AGENT_SUB_HEALTH_DEFAULT_MS = 30000
};

typedef enum AgentMcpType { AGENT_MCP_STDIO, AGENT_MCP_HTTP } AgentMcpType;

typedef struct AgentMcpServer {
  char *name;
  AgentMcpType type;
  GPtrArray *argv;      /* of char*: command and args; empty with http */
  GPtrArray *env;       /* of char*: "KEY=value", over the agent's own environment */
  char *env_file, *cwd; /* or NULL */
  char *url;            /* NULL with stdio */
  char *proxy;          /* of http: what it is reached through, or NULL */
  GPtrArray *headers;   /* of char*: "Name: value" */
  int64_t timeout_ms;   /* of the handshake and of one call */
} AgentMcpServer;

typedef struct AgentSub {
  char *name, *url;
  char *auth_token;    /* or NULL */
  int64_t interval_ms; /* between two looks at its health; 0 = never */
} AgentSub;

typedef struct AgentTools {
  GPtrArray *mcp_servers; /* of AgentMcpServer*, in the order of the file */
  GPtrArray *sub_agents;  /* of AgentSub* */
} AgentTools;

/* A document as it was written, to name places in it. */
typedef struct AgentSource {
  const char *file, *text;
  size_t length;
} AgentSource;

/* Reads both sections of @root, the whole agent file as JSON, and appends every problem with its
 * place in @source. Never NULL; what had a problem may be missing in it. */
AgentTools *agent_tools_read(const json_t *root, const AgentSource *source, Problems *problems);
void agent_tools_free(AgentTools *tools);
