#pragma once
/* One MCP server as a client sees it: started or reached, greeted, its tools listed, called, and
 * started again with growing delay when it dies. Speaks the protocol versions 2025-11-25,
 * 2025-06-18, 2025-03-26 and 2024-11-05. */
#include "formats/agent_tools.h"
#include "net/http_client.h"

enum {
  MCP_TOOLS_MAX = 256, /* of one server */
  MCP_PAGES_MAX = 64,  /* of a list */
  MCP_CALLS_MAX = 256, /* at once at one server */
  MCP_DELAY_FIRST_MS = 500,
  MCP_DELAY_MAX_MS = 60000,
  MCP_STEADY_MS = 30000, /* ready so long, a server begins again with the first delay */
  MCP_QUIT_MS = 2000     /* what all servers together have for their end */
};

typedef struct McpServer McpServer;
typedef struct McpCall McpCall;

typedef struct McpTool {
  char *name, *description; /* never NULL */
  char *schema;             /* JSON object as text */
} McpTool;

typedef enum McpState { MCP_WAITING, MCP_GREETING, MCP_LISTING, MCP_READY, MCP_ENDING } McpState;

/* How a call ended, on the loop, exactly once unless cancelled, never from within mcp_call. @text
 * is borrowed. */
typedef void (*McpDone)(bool ok, const char *text, size_t length, void *data);

/* Starts it; never fails. @changed is called whenever mcp_server_tools or its state may have
 * changed. @config, @loop, @client outlive it.
 */
McpServer *mcp_server_new(Loop *loop, HttpClient *client, const AgentMcpServer *config,
                          void (*changed)(void *data), void *data);
/* Begins its end without the loop; calls that are open are dropped unheard. Only mcp_server_free
 * may follow. */
void mcp_server_quit(McpServer *server);
/* Waits for the end until @until_ms (boot clock) and enforces it. */
void mcp_server_free(McpServer *server, int64_t until_ms);

/* The tools that it listed last, of McpTool*, also while it is away; borrowed until @changed. */
const GPtrArray *mcp_server_tools(const McpServer *server);
McpState mcp_server_state(const McpServer *server);
/* "waiting", "starting", "ready", "stopping" */
const char *mcp_server_state_word(const McpServer *server);
const char *mcp_server_name(const McpServer *server);
const char *mcp_server_error(const McpServer *server); /* why it was away last, or NULL */
int mcp_server_restarts(const McpServer *server);
int64_t mcp_server_timeout_ms(const McpServer *server);

/* Calls its tool @tool with @arguments (JSON object as text). NULL with REEVE_ERROR_UNAVAILABLE
 * when it is away or does not read. */
McpCall *mcp_call(McpServer *server, const char *tool, const char *arguments, McpDone done,
                  void *data, GError **error);
/* Nobody wants the answer; the server is told. @timed_out: it took too long, so it is looked
 * whether it lives at all. */
void mcp_call_cancel(McpCall *call, bool timed_out);
