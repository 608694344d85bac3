/* Any bytes as the output of an MCP server: cut in two ways they give the same pieces; what parses
 * has what its kind promises. */
#include "agent/mcp_content.h"
#include "agent/mcp_frame.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(McpPiece piece, const char *text, size_t length, void *data)
{
  g_string_append_printf(data, "%d:", piece);
  g_string_append_len(data, text, (gssize)length);
  g_string_append_c(data, '\n');
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) messages = mcp_parse(text, length, &error);
  g_assert_true((messages == NULL) == (error != NULL));
  for (guint i = 0; messages && i < messages->len; i++) {
    const McpMessage *message = messages->pdata[i];
    g_assert_true((message->method != NULL) == (message->kind != MCP_RESPONSE));
    g_assert_true(message->kind != MCP_REQUEST || message->id_json);
    g_assert_true(message->kind != MCP_RESPONSE ||
                  (message->error != NULL) != (message->result != NULL));
    g_autofree char *content = mcp_content_text(message->result),
                    *schema = mcp_schema(message->params),
                    *description = mcp_description(message->params);
    g_assert_true(strlen(description) <= MCP_DESCRIPTION_MAX &&
                  g_utf8_validate(description, -1, NULL));
    g_assert_nonnull(content);
    g_assert_nonnull(schema);
  }
  return piece != MCP_PIECE_ENDLESS;
}

static char *pieces_of(const uint8_t *data, size_t size, size_t part)
{
  McpReader reader = {0};
  GString *heard = g_string_new(NULL);
  bool more = true;
  for (size_t at = 0; more && at < size; at += part)
    more = mcp_read_lines(&reader, (const char *)data + at, MIN(part, size - at), take, heard);
  mcp_reader_clear(&reader);
  return g_string_free(heard, FALSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autofree char *whole = pieces_of(data, size, size ? size : 1),
                  *parts = pieces_of(data, size, 7);
  g_assert_cmpstr(whole, ==, parts);
  return 0;
}
