/* Any bytes as the body of an A2A request. What is read is carried out on a memory of tasks, and
 * every answer is one JSON document. */
#include "agent/a2a.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_json(const GString *out)
{
  g_autoptr(GError) error = NULL;
  json_t *value = json_parse(out->str, out->len, &error);
  g_assert_no_error(error);
  json_decref(value);
}

/* Every shape that a task is written in, in the version of the call. */
static void show(A2aTasks *tasks, const A2aTask *task, const A2aCall *call)
{
  g_autoptr(GString) out = g_string_new(NULL);
  a2a_begin(out, call->id);
  a2a_write_task(out, task, (A2aShown){call->version, call->history, true}, true);
  a2a_end(out);
  must_be_json(out);
  g_string_truncate(out, 0);
  a2a_write_status(out, task, call->version);
  must_be_json(out);
  g_string_truncate(out, 0);
  a2a_write_piece(out, task, call->version, task->text, strlen(task->text), true, false);
  must_be_json(out);
  g_string_truncate(out, 0);
  a2a_write_list(out, tasks, call);
  must_be_json(out);
}

static void carry_out(const A2aCall *call)
{
  A2aTasks *tasks = a2a_tasks_new();
  A2aCall first = {.text = (char *)"hello",
                   .message_id = (char *)"m",
                   .id = (char *)"1",
                   .page_size = 1,
                   .state = -1};
  const A2aCall *makes = call->text ? call : &first;
  A2aTask *task = a2a_tasks_add(tasks, makes, 1, 1);
  g_string_append(task->answer, task->text);
  show(tasks, task, call);
  g_assert_true(a2a_tasks_find_message(tasks, makes, 2) == task);
  a2a_tasks_move(tasks, task, A2A_COMPLETED, 2, 2);
  show(tasks, task, call);
  a2a_tasks_free(tasks);
}

/* What is right in itself is refused in a version that nobody knows. */
static void refuse_version(const char *bytes, size_t size)
{
  A2aCall call;
  A2aFault fault;
  g_assert_false(a2a_read(bytes, size, "9.9", &call, &fault));
  g_assert_cmpint(fault.code, ==, A2A_VERSION);
  a2a_fault_clear(&fault);
  a2a_call_clear(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  A2aCall call;
  A2aFault fault;
  if (a2a_read((const char *)data, size, NULL, &call, &fault)) {
    g_assert_cmpint(fault.code, ==, 0);
    carry_out(&call);
    refuse_version((const char *)data, size);
  } else {
    g_autoptr(GString) out = g_string_new(NULL);
    g_assert_cmpint(fault.code, <, 0);
    a2a_write_error(out, call.id, call.version, &fault);
    must_be_json(out);
  }
  a2a_fault_clear(&fault);
  a2a_call_clear(&call);
  return 0;
}
