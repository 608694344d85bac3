/* Bytes of an MCP server to lines and JSON-RPC messages; see mcp_frame.h. */
#include "agent/mcp_frame.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

void mcp_reader_clear(McpReader *reader)
{
  if (reader->text)
    g_string_free(reader->text, TRUE);
  *reader = (McpReader){0};
}

/* Adds what still fits into the line; everything once it is too long is only counted. */
static void reader_keep(McpReader *reader, const char *bytes, size_t length)
{
  if (!reader->skipped && reader->text->len + length <= MCP_TEXT_MAX) {
    g_string_append_len(reader->text, bytes, (gssize)length);
    return;
  }
  reader->skipped += length + (reader->skipped ? 0 : reader->text->len);
  g_string_truncate(reader->text, 0);
}

/* The line has ended: gives it away and begins a new one. What is given is held here, so that the
 * reader may be cleared by @take. */
static bool reader_end(McpReader *reader, McpTake take, void *data)
{
  g_autoptr(GString) whole = reader->text;
  bool too_long = reader->skipped > 0;
  reader->text = g_string_new(NULL);
  reader->skipped = 0;
  if (too_long)
    return take(MCP_PIECE_TOO_LONG, "", 0, data);
  return whole->len == 0 || take(MCP_PIECE_WHOLE, whole->str, whole->len, data);
}

bool mcp_read_lines(McpReader *reader, const char *bytes, size_t length, McpTake take, void *data)
{
  if (!reader->text)
    reader->text = g_string_new(NULL);
  while (length > 0) {
    const char *end = memchr(bytes, '\n', length);
    size_t part = end ? (size_t)(end - bytes) : length;
    reader_keep(reader, bytes, part);
    if (reader->skipped > MCP_SKIP_MAX)
      return take(MCP_PIECE_ENDLESS, "", 0, data);
    if (!end)
      return true;
    if (reader->text->len && reader->text->str[reader->text->len - 1] == '\r')
      g_string_truncate(reader->text, reader->text->len - 1);
    if (!reader_end(reader, take, data))
      return false;
    bytes = end + 1;
    length -= part + 1;
  }
  return true;
}

/* ---- JSON-RPC ---- */

static void message_free(void *data)
{
  McpMessage *message = data;
  json_decref(message->root);
  g_free(message);
}

/* Ours are positive integers; some servers give them back as a text or as 1.0. -1 = none of ours.
 */
static int64_t response_id(const json_t *id)
{
  double real = json_real_value(id);
  if (json_is_integer(id))
    return json_integer_value(id);
  if (json_is_real(id) && real >= 0 && real < MCP_ID_MAX && real == floor(real))
    return (int64_t)real;
  guint64 number = 0;
  if (json_is_string(id) &&
      g_ascii_string_to_unsigned(json_string_value(id), 10, 0, MCP_ID_MAX, &number, NULL))
    return (int64_t)number;
  return -1;
}

static void message_read_response(McpMessage *message)
{
  const json_t *failure = json_object_get(message->root, "error");
  message->kind = MCP_RESPONSE;
  message->id = response_id(json_object_get(message->root, "id"));
  message->result =
      failure && !json_is_null(failure) ? NULL : json_object_get(message->root, "result");
  message->code = jget_int(failure, "code", 0);
  message->error =
      message->result ? NULL : jget_str(failure, "message", "an error without a message");
}

/* What @root says, which it takes; NULL when it is no JSON-RPC message. */
static McpMessage *message_new(json_t *root)
{
  McpMessage *message = g_new0(McpMessage, 1);
  const json_t *id = json_object_get(root, "id");
  bool answers = json_object_get(root, "result") || json_is_object(json_object_get(root, "error"));
  message->root = root;
  message->method = jget_str(root, "method", NULL);
  message->params = json_object_get(root, "params");
  message->id_json = json_is_string(id) || json_is_integer(id) ? id : NULL;
  if (message->method) {
    message->kind = message->id_json ? MCP_REQUEST : MCP_NOTIFICATION;
  } else if (answers) {
    message_read_response(message);
  } else {
    message_free(message);
    return NULL;
  }
  return message;
}

GPtrArray *mcp_parse(const char *text, size_t length, GError **error)
{
  json_t *root = json_parse_foreign(text, length, error);
  if (!root)
    return NULL;
  GPtrArray *messages = g_ptr_array_new_with_free_func(message_free);
  bool batch = json_is_array(root), fine = !batch || json_array_size(root) <= MCP_BATCH_MAX;
  for (size_t i = 0; fine && i < (batch ? json_array_size(root) : 1); i++) {
    McpMessage *message = message_new(json_incref(batch ? json_array_get(root, i) : root));
    fine = message != NULL;
    if (message)
      g_ptr_array_add(messages, message);
  }
  json_decref(root);
  if (fine)
    return messages;
  g_ptr_array_unref(messages);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
              "not a JSON-RPC message, or more than %d of them", MCP_BATCH_MAX);
  return NULL;
}

int64_t mcp_find_id(const char *text, size_t length)
{
  static const char key[] = "\"id\"";
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < length; i++) {
    char c = text[i];
    if (quoted && c == '\\') {
      i++; /* what is escaped ends no text */
    } else if (depth == 1 && !quoted && length - i > sizeof key &&
               memcmp(text + i, key, sizeof key - 1) == 0) {
      size_t at = i + sizeof key - 1, digits = 0;
      int64_t id = 0;
      while (at < length && strchr(" \t:\"", text[at]))
        at++;
      for (; at < length && g_ascii_isdigit(text[at]) && digits < 15; at++, digits++)
        id = id * 10 + (text[at] - '0');
      return digits ? id : -1;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
  }
  return -1;
}
