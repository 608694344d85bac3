#pragma once
/* What a client says to an MCP server: JSON-RPC messages as text. Pure. Callers free what is
 * returned. */
#include "agent/mcp_frame.h"

/* The greeting, request @id. */
char *mcp_say_initialize(int64_t id);
/* Asks for a page of the list of tools; @cursor NULL = the first. */
char *mcp_say_list(int64_t id, const char *cursor);
/* Calls @tool with @arguments, a JSON object as text. */
char *mcp_say_call(int64_t id, const char *tool, const char *arguments);
/* Nobody waits for the answer to request @id any more. */
char *mcp_say_cancelled(int64_t id, bool timed_out);
char *mcp_say_initialized(void);
char *mcp_say_ping(int64_t id);
/* The answer to a request of the server: a ping is echoed, nothing else is offered. */
char *mcp_say_answer(const McpMessage *request);
