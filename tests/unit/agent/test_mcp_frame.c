/* From bytes of an MCP server to messages: every cut of the same bytes gives the same, limits hold.
 */
#include "agent/mcp_content.h"
#include "agent/mcp_frame.h"
#include "base/error.h"

#include <string.h>

static bool take(McpPiece piece, const char *text, size_t length, void *data)
{
  static const char *const words[] = {
      [MCP_PIECE_WHOLE] = "", [MCP_PIECE_TOO_LONG] = "long", [MCP_PIECE_ENDLESS] = "endless"};
  g_assert_cmpuint(strlen(text), <=, length);
  g_string_append_printf(data, "<%s%.*s>", words[piece], (int)MIN(length, 40), text);
  return piece != MCP_PIECE_ENDLESS && !strstr(text, "stop");
}

/* What @take hears of @bytes, given in pieces of @part. */
static char *lines_of(const char *bytes, size_t length, size_t part)
{
  McpReader reader = {0};
  GString *heard = g_string_new(NULL);
  for (size_t at = 0; at < length; at += part)
    if (!mcp_read_lines(&reader, bytes + at, MIN(part, length - at), take, heard))
      break;
  mcp_reader_clear(&reader);
  return g_string_free(heard, FALSE);
}

static void test_lines(void)
{
  static const char bytes[] = "one\r\n\n{\"a\":1}\n\r\nlast\nstop\nnever";
  for (size_t part = 1; part <= sizeof bytes; part++) {
    g_autofree char *heard = lines_of(bytes, sizeof bytes - 1, part);
    g_assert_cmpstr(heard, ==, "<one><{\"a\":1}><last><stop>");
  }
}

static void test_long(void)
{
  g_autofree char *line = g_strnfill(MCP_TEXT_MAX + 1, 'x'), *fits = g_strnfill(MCP_TEXT_MAX, 'y');
  g_autofree char *bytes = g_strconcat("a\n", line, "\n", fits, "\nb\n", NULL);
  g_autofree char *heard = lines_of(bytes, strlen(bytes), 65536);
  g_assert_cmpstr(heard, ==, "<a><long><yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy><b>");
}

static void test_endless(void)
{
  g_autofree char *bytes = g_strnfill(MCP_SKIP_MAX + 2, 'x');
  g_autofree char *heard = lines_of(bytes, strlen(bytes), 65536);
  g_assert_cmpstr(heard, ==, "<endless>");
}

/* "kind id method" of every message in @text, or the error. */
static char *parse(const char *text)
{
  static const char *const kinds[] = {
      [MCP_RESPONSE] = "response", [MCP_REQUEST] = "request", [MCP_NOTIFICATION] = "notification"};
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) messages = mcp_parse(text, strlen(text), &error);
  if (!messages)
    return g_strdup("none");
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < messages->len; i++) {
    const McpMessage *message = messages->pdata[i];
    g_string_append_printf(out, "%s %d %s %s;", kinds[message->kind], (int)message->id,
                           message->method ? message->method : "-",
                           message->error ? message->error : "-");
  }
  return g_string_free(out, FALSE);
}

static void test_messages(void)
{
  static const struct {
    const char *text, *is;
  } rows[] = {
      {"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}", "response 7 - -;"},
      {"{\"id\":7,\"error\":{\"code\":-1,\"message\":\"no\"}}", "response 7 - no;"},
      {"{\"id\":7,\"error\":{}}", "response 7 - an error without a message;"},
      {"{\"id\":\"7\",\"result\":{}}", "response 7 - -;"},
      {"{\"id\":7.0,\"result\":{}}", "response 7 - -;"},
      {"{\"id\":7.5,\"result\":{}}", "response -1 - -;"},
      {"{\"id\":\"7a\",\"result\":{}}", "response -1 - -;"},
      {"{\"id\":1e300,\"result\":{}}", "response -1 - -;"},
      {"{\"id\":7,\"result\":{},\"error\":null}", "response 7 - -;"},
      {"{\"id\":7,\"result\":null,\"error\":{\"message\":\"no\"}}", "response 7 - no;"},
      {"{\"id\":null,\"error\":{\"message\":\"x\"}}", "response -1 - x;"},
      {"{\"id\":7,\"result\":{\"a\":\"\\u0000\",\"a\":\"\\ud83d\",\"n\":18446744073709551615}}",
       "response 7 - -;"},
      {"{\"id\":7,\"result\":{\"a\":\"caf\xe9\"}}", "response 7 - -;"},
      {"{\"id\":1,\"method\":\"ping\"}", "request 0 ping -;"},
      {"{\"method\":\"notifications/x\"}", "notification 0 notifications/x -;"},
      {"[{\"method\":\"a\"},{\"id\":1,\"result\":[]}]", "notification 0 a -;response 1 - -;"},
      {"[]", ""},
      {"[1]", "none"},
      {"{}", "none"},
      {"{\"id\":1}", "none"},
      {"{\"id\":1,\"error\":\"text\"}", "none"},
      {"\"text\"", "none"},
      {"{\"id\":1,\"result\":{}", "none"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *said = parse(rows[i].text);
    g_assert_cmpstr(said, ==, rows[i].is);
  }
}

/* Whose answer a broken text was. */
static void test_find_id(void)
{
  static const struct {
    const char *text;
    int64_t id;
  } rows[] = {{"{\"id\":12,\"result\":{\"a\":", 12},
              {"{\"result\":{\"id\":3,\"b\":[{\"id\":4}]},\"id\" : \"5\"", 5},
              {"{\"result\":\"\\\"id\\\":9, {\",\"id\":6}", 6},
              {"{\"id\":null}", -1},
              {"{\"id\":", -1},
              {"{\"id\"", -1},
              {"{\"a\":\"\\", -1},
              {"\"id\":7", -1},
              {"{\"id\":1234567890123456789", 123456789012345},
              {"", -1}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    g_assert_cmpint(mcp_find_id(rows[i].text, strlen(rows[i].text)), ==, rows[i].id);
}

static void test_limits(void)
{
  g_autoptr(GString) batch = g_string_new("[");
  for (int i = 0; i <= MCP_BATCH_MAX; i++)
    g_string_append_printf(batch, "%s{\"method\":\"m\"}", i ? "," : "");
  g_string_append_c(batch, ']');
  g_autofree char *said = parse(batch->str), *open = g_strnfill(JSON_DEPTH_MAX + 1, '[');
  g_assert_cmpstr(said, ==, "none");
  g_autofree char *deep = parse(open);
  g_assert_cmpstr(deep, ==, "none");
}

static void test_cut(void)
{
  g_autofree char *whole = mcp_cut("h\xc3\xa9", 3), *cut = mcp_cut("h\xc3\xa9", 2),
                  *nothing = mcp_cut("\xc3\xa9", 1);
  g_assert_cmpstr(whole, ==, "h\xc3\xa9");
  g_assert_cmpstr(cut, ==, "h");
  g_assert_cmpstr(nothing, ==, "");
}

static void test_schema(void)
{
  g_autofree char *missing = mcp_schema(NULL);
  g_assert_cmpstr(missing, ==, "{\"type\":\"object\",\"properties\":{}}");
  g_autofree char *wide = g_strnfill(MCP_SCHEMA_MAX, 'x');
  json_t *schema = json_pack("{s:s}", "description", wide);
  g_autofree char *large = mcp_schema(schema);
  g_assert_cmpstr(large, ==, missing);
  json_decref(schema);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/agent/mcp/lines", test_lines);
  g_test_add_func("/agent/mcp/long", test_long);
  g_test_add_func("/agent/mcp/endless", test_endless);
  g_test_add_func("/agent/mcp/messages", test_messages);
  g_test_add_func("/agent/mcp/find-id", test_find_id);
  g_test_add_func("/agent/mcp/limits", test_limits);
  g_test_add_func("/agent/mcp/cut", test_cut);
  g_test_add_func("/agent/mcp/schema", test_schema);
  return g_test_run();
}
