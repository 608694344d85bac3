/* Owns the texts of our side of MCP; see mcp_say.h. */
#include "agent/mcp_say.h"

#include <string.h>

enum { METHOD_NOT_FOUND = -32601 };

/* A request, or with @id 0 a notification. @params NULL = none. */
static char *message_text(int64_t id, const char *method, const char *params)
{
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "jsonrpc", "2.0");
  if (id)
    jw_int(out, "id", id);
  jw_str(out, "method", method);
  if (params)
    jw_raw(out, "params", params);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

char *mcp_say_initialize(int64_t id)
{
  return message_text(
      id, "initialize",
      "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"reeve\",\"version\":\"" REEVE_VERSION
      "\"}}");
}

char *mcp_say_initialized(void)
{
  return message_text(0, "notifications/initialized", NULL);
}

char *mcp_say_list(int64_t id, const char *cursor)
{
  g_autoptr(GString) params = g_string_new(NULL);
  jw_open(params, NULL, '{');
  if (cursor)
    jw_str(params, "cursor", cursor);
  jw_close(params, '}');
  return message_text(id, "tools/list", params->str);
}

char *mcp_say_call(int64_t id, const char *tool, const char *arguments)
{
  g_autoptr(GString) params = g_string_new(NULL);
  jw_open(params, NULL, '{');
  jw_str(params, "name", tool);
  jw_raw(params, "arguments", arguments);
  jw_close(params, '}');
  return message_text(id, "tools/call", params->str);
}

char *mcp_say_cancelled(int64_t id, bool timed_out)
{
  g_autofree char *params =
      g_strdup_printf("{\"requestId\":%" G_GINT64_FORMAT ",\"reason\":\"%s\"}", id,
                      timed_out ? "it took too long" : "nobody waits for the answer any more");
  return message_text(0, "notifications/cancelled", params);
}

char *mcp_say_ping(int64_t id)
{
  return message_text(id, "ping", NULL);
}

char *mcp_say_answer(const McpMessage *request)
{
  GString *out = g_string_new(NULL);
  char *id = json_dumps(request->id_json, JSON_ENCODE_ANY | JSON_COMPACT);
  jw_open(out, NULL, '{');
  jw_str(out, "jsonrpc", "2.0");
  jw_raw(out, "id", id);
  if (strcmp(request->method, "ping") == 0) {
    jw_raw(out, "result", "{}");
  } else {
    jw_open(out, "error", '{');
    jw_int(out, "code", METHOD_NOT_FOUND);
    jw_str(out, "message", "this client does not offer that");
    jw_close(out, '}');
  }
  jw_close(out, '}');
  free(id);
  return g_string_free(out, FALSE);
}
