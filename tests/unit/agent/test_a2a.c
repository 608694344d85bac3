/* A2A: what is read of requests in both versions, what a bounded memory of tasks forgets, and the
 * shapes of answers. */
#include "agent/a2a.h"

#include "base/json.h"

#include <string.h>

static void test_read_good(void)
{
  static const struct {
    const char *body;
    A2aVersion version;
    A2aMethod method;
    const char *id, *text;
    bool blocking;
  } rows[] = {
      {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"message/send\",\"params\":{\"message\":{\"role\":\"user\",\"messageId\":\"m\","
       "\"parts\":[{\"kind\":\"text\",\"text\":\"a\"},{\"kind\":\"data\",\"data\":{\"x\":1}}]}}}",
       A2A_0_3, A2A_SEND, "7", "a\n{\"x\":1}", true},
      {"{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"message/stream\",\"params\":{\"configuration\":{\"blocking\":false},"
       "\"message\":{\"role\":\"user\",\"messageId\":\"m\",\"parts\":[{\"text\":\"a\"}]}}}",
       A2A_0_3, A2A_STREAM, "\"s\"", "a", false},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"SendMessage\",\"params\":{\"configuration\":{\"returnImmediately\":true},"
       "\"message\":{\"role\":\"ROLE_USER\",\"messageId\":\"m\",\"parts\":[{\"text\":\"a\"}]},\"unknown\":[]}}",
       A2A_1_0, A2A_SEND, "1", "a", false},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    A2aCall call;
    A2aFault fault;
    g_assert_true(a2a_read(rows[i].body, strlen(rows[i].body), NULL, &call, &fault));
    g_assert_cmpint(call.version, ==, rows[i].version);
    g_assert_cmpint(call.method, ==, rows[i].method);
    g_assert_cmpstr(call.id, ==, rows[i].id);
    g_assert_cmpstr(call.text, ==, rows[i].text);
    g_assert_cmpint(call.blocking, ==, rows[i].blocking);
    a2a_call_clear(&call);
  }
}

#define RPC(method, params) \
  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":" params "}"
#define SAY(role, parts) \
  "{\"message\":{\"role\":\"" role "\",\"messageId\":\"m\",\"parts\":" parts "}}"

static void test_read_bad(void)
{
  static const struct {
    const char *body, *version;
    int code;
  } rows[] = {
      {"", NULL, A2A_PARSE},
      {"{", NULL, A2A_PARSE},
      {"[]", NULL, A2A_INVALID_REQUEST},
      {"7", NULL, A2A_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":1}", NULL, A2A_INVALID_REQUEST},
      {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"GetTask\"}", NULL, A2A_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"method\":\"GetTask\"}", NULL, A2A_INVALID_REQUEST},
      {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"GetTask\"}", NULL, A2A_INVALID_REQUEST},
      {RPC("tasks/sing", "{}"), NULL, A2A_NO_METHOD},
      {RPC("GetTask", "[]"), NULL, A2A_INVALID_PARAMS},
      {RPC("GetTask", "{}"), NULL, A2A_INVALID_PARAMS},
      {RPC("GetTask", "{\"id\":\"a\\nb\"}"), NULL, A2A_INVALID_PARAMS},
      {RPC("GetTask", "{\"id\":\"a\",\"historyLength\":-1}"), NULL, A2A_INVALID_PARAMS},
      {RPC("GetTask", "{\"id\":\"a\"}"), "2.0", A2A_VERSION},
      {RPC("SendMessage", "{}"), NULL, A2A_INVALID_PARAMS},
      {RPC("SendMessage", SAY("user", "[{\"text\":\"a\"}]")), NULL, A2A_INVALID_PARAMS},
      {RPC("message/send", SAY("agent", "[{\"text\":\"a\"}]")), NULL, A2A_INVALID_PARAMS},
      {RPC("message/send", SAY("user", "[]")), NULL, A2A_INVALID_PARAMS},
      {RPC("message/send", SAY("user", "[{\"text\":\"\"}]")), NULL, A2A_INVALID_PARAMS},
      {RPC("message/send", SAY("user", "[7]")), NULL, A2A_INVALID_PARAMS},
      {RPC("message/send", SAY("user", "[{\"kind\":\"file\",\"file\":{}}]")), NULL,
       A2A_CONTENT_TYPE},
      {RPC("tasks/pushNotificationConfig/set", "{}"), NULL, A2A_PUSH_NOT_SUPPORTED},
      {RPC("agent/getAuthenticatedExtendedCard", "{}"), NULL, A2A_NO_EXTENDED_CARD},
      {RPC("GetExtendedAgentCard", "{}"), NULL, A2A_UNSUPPORTED},
      {RPC("ListTasks", "{\"pageSize\":101}"), NULL, A2A_INVALID_PARAMS},
      {RPC("ListTasks", "{\"status\":\"TASK_STATE_BORED\"}"), NULL, A2A_INVALID_PARAMS},
      {RPC("ListTasks", "{\"statusTimestampAfter\":\"yesterday\"}"), NULL, A2A_INVALID_PARAMS},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    A2aCall call;
    A2aFault fault;
    g_test_message("%s", rows[i].body);
    g_assert_false(a2a_read(rows[i].body, strlen(rows[i].body), rows[i].version, &call, &fault));
    g_assert_cmpint(fault.code, ==, rows[i].code);
    g_autoptr(GString) out = g_string_new(NULL);
    a2a_write_error(out, call.id, call.version, &fault);
    json_t *error = json_parse(out->str, out->len, NULL);
    g_assert_cmpint(jget_int(json_object_get(error, "error"), "code", 0), ==, rows[i].code);
    json_decref(error);
    a2a_call_clear(&call);
    a2a_fault_clear(&fault);
  }
}

static A2aTask *add(A2aTasks *tasks, const char *message_id, const char *text, int64_t now)
{
  A2aCall call = {.message_id = (char *)message_id, .text = (char *)text};
  return a2a_tasks_add(tasks, &call, now, now);
}

static void test_memory(void)
{
  A2aTasks *tasks = a2a_tasks_new();
  g_autofree char *first = g_strdup(add(tasks, "m0", "t", 1)->id);
  for (int i = 1; i < A2A_TASKS_MAX; i++)
    g_assert_nonnull(add(tasks, "m", "t", 1));
  g_assert_null(add(tasks, "m", "t", 2)); /* all run */
  A2aTask *task = a2a_tasks_find(tasks, first, 2);
  g_assert_nonnull(task);
  a2a_tasks_move(tasks, task, A2A_WORKING, 3, 3);
  a2a_tasks_move(tasks, task, A2A_COMPLETED, 3, 3);
  g_assert_true(a2a_tasks_first(tasks) == task);
  g_assert_nonnull(a2a_tasks_find(tasks, first, 3 + A2A_EXPIRE_MS - 1));
  /* too old, though still in memory */
  g_assert_null(a2a_tasks_find(tasks, first, 3 + A2A_EXPIRE_MS));
  g_assert_nonnull(add(tasks, "m", "t", 4)); /* the ended one made room */
  g_assert_null(a2a_tasks_find(tasks, first, 4));
  g_assert_cmpuint(a2a_tasks_count(tasks), ==, A2A_TASKS_MAX);
  a2a_tasks_free(tasks);
}

/* Ended tasks go when they hold too much together; what they hold is counted when they move. */
static void test_bytes(void)
{
  A2aTasks *tasks = a2a_tasks_new();
  enum { BIG = 8 * 1024 * 1024 };
  for (int i = 0; i < 20; i++) {
    A2aTask *task = add(tasks, "m", "t", i);
    g_string_set_size(task->answer, BIG);
    a2a_tasks_move(tasks, task, A2A_COMPLETED, i, i);
  }
  g_assert_cmpuint(a2a_tasks_count(tasks), <=, A2A_TEXT_BYTES_MAX / BIG + 2);
  g_assert_cmpuint(a2a_tasks_count(tasks), >=, 4);
  a2a_tasks_free(tasks);
}

static void test_same_message(void)
{
  A2aTasks *tasks = a2a_tasks_new();
  A2aTask *task = add(tasks, "m1", "hello", 1);
  A2aCall again = {.message_id = (char *)"m1", .text = (char *)"hello"},
          other = {.message_id = (char *)"m1", .text = (char *)"bye"};
  g_assert_true(a2a_tasks_find_message(tasks, &again, 2) == task);
  g_assert_null(a2a_tasks_find_message(tasks, &other, 2));
  again.context_id = (char *)"elsewhere";
  g_assert_null(a2a_tasks_find_message(tasks, &again, 2));
  again.context_id = NULL;
  a2a_tasks_move(tasks, task, A2A_COMPLETED, 5, 5);
  g_assert_true(a2a_tasks_find_message(tasks, &again, 5 + A2A_RETRY_MS - 1) == task);
  g_assert_null(a2a_tasks_find_message(tasks, &again, 5 + A2A_RETRY_MS));
  a2a_tasks_free(tasks);
}

static void test_pages(void)
{
  A2aTasks *tasks = a2a_tasks_new();
  for (int i = 0; i < 5; i++)
    add(tasks, "m", "t", 1000 + i);
  g_autofree char *token = NULL;
  int seen = 0;
  for (int page = 0; page < 3; page++) {
    A2aCall call = {
        .version = A2A_1_0, .state = -1, .history = -1, .page_size = 2, .page_token = token};
    g_autoptr(GString) out = g_string_new(NULL);
    a2a_write_list(out, tasks, &call);
    json_t *list = json_parse(out->str, out->len, NULL);
    g_assert_nonnull(list);
    seen += (int)json_array_size(json_object_get(list, "tasks"));
    g_assert_cmpint(jget_int(list, "totalSize", 0), ==, 5);
    g_free(token);
    token = g_strdup(jget_str(list, "nextPageToken", NULL));
    g_assert_cmpint(token[0] == '\0', ==, page == 2);
    json_decref(list);
  }
  g_assert_cmpint(seen, ==, 5);
  a2a_tasks_free(tasks);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/a2a/read-good", test_read_good);
  g_test_add_func("/a2a/read-bad", test_read_bad);
  g_test_add_func("/a2a/memory", test_memory);
  g_test_add_func("/a2a/bytes", test_bytes);
  g_test_add_func("/a2a/same-message", test_same_message);
  g_test_add_func("/a2a/pages", test_pages);
  return g_test_run();
}
