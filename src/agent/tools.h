#pragma once
/* The tools that an agent offers its model: those of its MCP servers, its sub-agents, and the
 * agents of its job that it is connected with (`ask_<agent>`). Every call is logged with its
 * duration and outcome. */
#include "formats/agent_file.h"
#include "net/http_client.h"
#include "net/loop.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Tools Tools;
typedef struct ToolRun ToolRun;

enum { TOOL_OUTPUT_MAX = 256 * 1024, TOOL_ARGUMENTS_MAX = 64 * 1024 };

typedef struct ToolResult {
  bool ok;
  /* what the model is told: the answer, or what went wrong; UTF-8, NUL-terminated, at most
   * TOOL_OUTPUT_MAX */
  const char *text;
  size_t length;
  int64_t duration_ms;
} ToolResult;

/* On the loop, exactly once per call unless cancelled, never from within tools_call. @result is
 * borrowed. */
typedef void (*ToolDone)(const ToolResult *result, void *data);

/* Starts the MCP servers of @file and reads the peers. Never fails as a whole: a server that is
 * away is tried again with growing delay and its tools are missing meanwhile. @file, @client and
 * @loop outlive it. */
Tools *tools_new(Loop *loop, HttpClient *client, const AgentFile *file);
void tools_free(Tools *tools); /* ends what runs; its servers get SIGTERM, then SIGKILL */
/* The present tools as a JSON array of
 * {"type":"function","function":{"name","description","parameters"}}, or NULL = none. Borrowed
 * until the loop turns. Names fit [A-Za-z0-9_-]{1,64} and are unique: `<server>_<tool>`,
 * `ask_<agent>`. */
const char *tools_json(Tools *tools);
/* Calls tool @name with @arguments (JSON object as text), for a question that passed through @depth
 * agents before this one (header X-Reeve-Depth of its request, 0 = a person's): a tool that asks an
 * agent says so further, and refuses at PEER_DEPTH_MAX (peers.h). An unknown name or bad arguments
 * come back as a result that is not ok. */
ToolRun *tools_call(Tools *tools, const char *name, const char *arguments, int64_t timeout_ms,
                    int depth, ToolDone done, void *data);
void tool_run_cancel(ToolRun *run);
/* Writes members for /status: "tools": [...names], "mcp_servers":
 * [{"name","status","tools","restarts","error"}]. */
void tools_status(const Tools *tools, GString *out);
/* Calls and failures since the start, by kind, in Prometheus text
 * (reeve_agent_tool_calls_total{tool,outcome}). */
void tools_metrics(const Tools *tools, GString *out);
