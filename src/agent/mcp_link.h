#pragma once
/* How messages reach an MCP server and come back: one const table a transport. mcp_server.c speaks
 * the protocol over it. */
#include "agent/mcp_frame.h"
#include "formats/agent_tools.h"
#include "net/http_client.h"

/* A server's section, ready to be used. */
typedef struct McpSetup {
  char *name;
  char **argv, **environment; /* NULL with http */
  char *cwd;                  /* or NULL */
  char *url;                  /* NULL with stdio */
  char *proxy;                /* or NULL */
  char **headers;             /* "Name: value" */
  HttpGuard guard;
  int64_t timeout_ms;
} McpSetup;

/* Makes the environment, reads the env file, checks that the URL is allowed. NULL with @error,
 * without secrets in it. */
McpSetup *mcp_setup_new(const AgentMcpServer *server, GError **error);
void mcp_setup_free(McpSetup *setup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(McpSetup, mcp_setup_free)

typedef struct McpLink McpLink;

typedef enum McpLoss {
  MCP_LOST_ANSWER,  /* of one request; the server may be well */
  MCP_LOST_SESSION, /* the server has forgotten the session; the request was not heard */
  MCP_LOST_LINK     /* the server cannot be reached */
} McpLoss;

/* What a link tells. All on the loop, never from within a function of the transport. */
typedef struct McpEvents {
  void (*message)(const McpMessage *message, void *data);
  /* Request @id will get no answer; 0 = none, or nobody knows which one. */
  void (*lost)(int64_t id, const char *why, McpLoss loss, void *data);
  /* It ended by itself or after stop; the last thing that it tells. */
  void (*gone)(const char *why, void *data);
} McpEvents;

typedef struct McpTransport {
  /* Opens a link to what @setup says, which is borrowed as long as the link lives. NULL with
   * @error. */
  McpLink *(*open)(Loop *loop, HttpClient *client, const McpSetup *setup, const McpEvents *events,
                   void *data, GError **error);
  /* Sends @json, request @id (0 = none is answered). False when the server has not read what it was
   * sent before. */
  bool (*send)(McpLink *link, int64_t id, const char *json, size_t length);
  /* The handshake is done; both speak @version, a static text. */
  void (*settled)(McpLink *link, const char *version);
  /* Nobody waits for the answer to request @id any more. */
  void (*forget)(McpLink *link, int64_t id);
  /* Ends it; true = it has ended, false = gone follows. */
  bool (*stop)(McpLink *link);
  /* Begins to end it without the loop, since the process ends; only free may follow. */
  void (*quit)(McpLink *link);
  /* Frees @link; when it has not ended yet waits for it, not beyond @until_ms (boot clock), then
   * ends it by force. */
  void (*free)(McpLink *link, int64_t until_ms);
} McpTransport;

extern const McpTransport mcp_stdio, mcp_http; /* mcp_stdio.c, mcp_http.c */
