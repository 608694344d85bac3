/* Owns the shapes of A2A answers: one task, two versions. */
#include "agent/a2a.h"

#include "base/time.h"

#include <string.h>

static const char artifact_id[] = "answer";

void a2a_begin(GString *out, const char *id)
{
  g_string_append(out, "{\"jsonrpc\":\"2.0\",\"id\":");
  g_string_append(out, id);
  g_string_append(out, ",\"result\":");
}

void a2a_end(GString *out)
{
  g_string_append_c(out, '}');
}

/* The reason that 1.0 wants beside the code; NULL for those of JSON-RPC itself. */
static const char *error_reason(int code)
{
  static const struct {
    int code;
    const char *reason;
  } rows[] = {
      {A2A_TASK_NOT_FOUND, "TASK_NOT_FOUND"},
      {A2A_NOT_CANCELABLE, "TASK_NOT_CANCELABLE"},
      {A2A_PUSH_NOT_SUPPORTED, "PUSH_NOTIFICATION_NOT_SUPPORTED"},
      {A2A_UNSUPPORTED, "UNSUPPORTED_OPERATION"},
      {A2A_CONTENT_TYPE, "CONTENT_TYPE_NOT_SUPPORTED"},
      {A2A_NO_EXTENDED_CARD, "EXTENDED_AGENT_CARD_NOT_CONFIGURED"},
      {A2A_VERSION, "VERSION_NOT_SUPPORTED"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].code == code)
      return rows[i].reason;
  return NULL;
}

void a2a_write_error(GString *out, const char *id, A2aVersion version, const A2aFault *fault)
{
  const char *reason = version == A2A_1_0 ? error_reason(fault->code) : NULL;
  g_string_append(out, "{\"jsonrpc\":\"2.0\",\"id\":");
  g_string_append(out, id);
  jw_open(out, "error", '{');
  jw_int(out, "code", fault->code);
  jw_str(out, "message", fault->message);
  if (reason) {
    jw_open(out, "data", '[');
    jw_open(out, NULL, '{');
    jw_str(out, "@type", "type.googleapis.com/google.rpc.ErrorInfo");
    jw_str(out, "reason", reason);
    jw_str(out, "domain", "a2a-protocol.org");
    jw_close(out, '}');
    jw_close(out, ']');
  }
  g_string_append(out, "}}");
}

static void write_parts(GString *out, A2aVersion version, const char *text, size_t length)
{
  jw_open(out, "parts", '[');
  jw_open(out, NULL, '{');
  if (version == A2A_0_3)
    jw_str(out, "kind", "text");
  jw_raw(out, "text", "");
  jw_quote(out, text, length);
  if (version == A2A_1_0)
    jw_str(out, "mediaType", "text/plain");
  jw_close(out, '}');
  jw_close(out, ']');
}

static void write_message(GString *out, const char *key, const A2aTask *task, A2aVersion version,
                          bool user, const char *text)
{
  g_autofree char *own_id = user ? NULL : g_strconcat(task->id, "-status", NULL);
  jw_open(out, key, '{');
  if (version == A2A_0_3)
    jw_str(out, "kind", "message");
  jw_str(out, "messageId", user ? task->message_id : own_id);
  jw_str(out, "role",
         version == A2A_0_3 ? (user ? "user" : "agent") : (user ? "ROLE_USER" : "ROLE_AGENT"));
  jw_str(out, "taskId", task->id);
  jw_str(out, "contextId", task->context_id);
  write_parts(out, version, text, strlen(text));
  jw_close(out, '}');
}

static void write_state(GString *out, const A2aTask *task, A2aVersion version)
{
  jw_open(out, "status", '{');
  jw_str(out, "state", a2a_state_word(task->state, version));
  if (task->detail)
    write_message(out, "message", task, version, false, task->detail);
  jw_time(out, "timestamp", task->changed_ms);
  jw_close(out, '}');
}

static void write_artifact(GString *out, const char *key, A2aVersion version, const char *text,
                           size_t length)
{
  jw_open(out, key, '{');
  jw_str(out, "artifactId", artifact_id);
  jw_str(out, "name", "answer");
  write_parts(out, version, text, length);
  jw_close(out, '}');
}

static void write_ids(GString *out, const A2aTask *task)
{
  jw_str(out, "taskId", task->id);
  jw_str(out, "contextId", task->context_id);
}

void a2a_write_task(GString *out, const A2aTask *task, A2aShown shown, bool wrapped)
{
  bool wraps = wrapped && shown.version == A2A_1_0;
  if (wraps)
    jw_open(out, NULL, '{');
  jw_open(out, wraps ? "task" : NULL, '{');
  if (shown.version == A2A_0_3)
    jw_str(out, "kind", "task");
  jw_str(out, "id", task->id);
  jw_str(out, "contextId", task->context_id);
  write_state(out, task, shown.version);
  if (shown.artifacts && task->answer->len) {
    jw_open(out, "artifacts", '[');
    write_artifact(out, NULL, shown.version, task->answer->str, task->answer->len);
    jw_close(out, ']');
  }
  if (shown.history != 0) {
    jw_open(out, "history", '[');
    write_message(out, NULL, task, shown.version, true, task->text);
    jw_close(out, ']');
  }
  jw_close(out, '}');
  if (wraps)
    jw_close(out, '}');
}

void a2a_write_status(GString *out, const A2aTask *task, A2aVersion version)
{
  bool old = version == A2A_0_3;
  if (!old)
    jw_open(out, NULL, '{');
  jw_open(out, old ? NULL : "statusUpdate", '{');
  if (old)
    jw_str(out, "kind", "status-update");
  write_ids(out, task);
  write_state(out, task, version);
  if (old)
    jw_bool(out, "final", a2a_state_ends(task->state));
  jw_close(out, '}');
  if (!old)
    jw_close(out, '}');
}

void a2a_write_piece(GString *out, const A2aTask *task, A2aVersion version, const char *text,
                     size_t length, bool append, bool last)
{
  bool old = version == A2A_0_3;
  if (!old)
    jw_open(out, NULL, '{');
  jw_open(out, old ? NULL : "artifactUpdate", '{');
  if (old)
    jw_str(out, "kind", "artifact-update");
  write_ids(out, task);
  write_artifact(out, "artifact", version, text, length);
  jw_bool(out, "append", append);
  jw_bool(out, "lastChunk", last);
  jw_close(out, '}');
  if (!old)
    jw_close(out, '}');
}

static bool list_fits(const A2aTask *task, const A2aCall *call)
{
  return (!call->context_id || g_str_equal(call->context_id, task->context_id)) &&
         (call->state < 0 || (int)task->state == call->state) && task->changed_ms >= call->after_ms;
}

void a2a_write_list(GString *out, A2aTasks *tasks, const A2aCall *call)
{
  A2aShown shown = {call->version, call->history, call->artifacts};
  const char *last = NULL;
  int64_t total = 0, shown_n = 0;
  bool begun = !call->page_token, more = false;
  jw_open(out, NULL, '{');
  jw_open(out, "tasks", '[');
  for (A2aTask *task = a2a_tasks_first(tasks); task; task = a2a_tasks_next(task)) {
    bool fits = list_fits(task, call);
    total += fits;
    if (fits && begun && shown_n < call->page_size) {
      a2a_write_task(out, task, shown, false);
      last = task->id;
      shown_n++;
    } else if (fits && begun) {
      more = true;
    }
    begun = begun || g_str_equal(task->id, call->page_token);
  }
  jw_close(out, ']');
  jw_str(out, "nextPageToken", more ? last : "");
  jw_int(out, "pageSize", shown_n);
  jw_int(out, "totalSize", total);
  jw_close(out, '}');
}
