/* Owns the reading of A2A requests: JSON-RPC 2.0 around the parameters of two protocol versions. */
#include "agent/a2a.h"

#include "base/text.h"
#include "base/time.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct A2aRow {
  const char *name;
  A2aVersion version;
  A2aMethod method;
} A2aRow;

static const A2aRow a2a_methods[] = {
    {"message/send", A2A_0_3, A2A_SEND},
    {"message/stream", A2A_0_3, A2A_STREAM},
    {"tasks/get", A2A_0_3, A2A_GET},
    {"tasks/list", A2A_0_3, A2A_LIST}, /* some servers of 0.3 have it */
    {"tasks/cancel", A2A_0_3, A2A_CANCEL},
    {"tasks/resubscribe", A2A_0_3, A2A_SUBSCRIBE},
    {"tasks/pushNotificationConfig/set", A2A_0_3, A2A_PUSH},
    {"tasks/pushNotificationConfig/get", A2A_0_3, A2A_PUSH},
    {"tasks/pushNotificationConfig/list", A2A_0_3, A2A_PUSH},
    {"tasks/pushNotificationConfig/delete", A2A_0_3, A2A_PUSH},
    {"agent/getAuthenticatedExtendedCard", A2A_0_3, A2A_EXTENDED_CARD},
    {"SendMessage", A2A_1_0, A2A_SEND},
    {"SendStreamingMessage", A2A_1_0, A2A_STREAM},
    {"GetTask", A2A_1_0, A2A_GET},
    {"ListTasks", A2A_1_0, A2A_LIST},
    {"CancelTask", A2A_1_0, A2A_CANCEL},
    {"SubscribeToTask", A2A_1_0, A2A_SUBSCRIBE},
    {"CreateTaskPushNotificationConfig", A2A_1_0, A2A_PUSH},
    {"GetTaskPushNotificationConfig", A2A_1_0, A2A_PUSH},
    {"ListTaskPushNotificationConfigs", A2A_1_0, A2A_PUSH},
    {"DeleteTaskPushNotificationConfig", A2A_1_0, A2A_PUSH},
    {"GetExtendedAgentCard", A2A_1_0, A2A_EXTENDED_CARD},
};

void a2a_fault(A2aFault *fault, int code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_free(fault->message);
  fault->message = g_strdup_vprintf(format, args);
  fault->code = code;
  va_end(args);
}

void a2a_fault_clear(A2aFault *fault)
{
  g_clear_pointer(&fault->message, g_free);
  fault->code = 0;
}

void a2a_call_clear(A2aCall *call)
{
  char **texts[] = {&call->id,         &call->text,    &call->message_id,
                    &call->context_id, &call->task_id, &call->page_token};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_clear_pointer(texts[i], g_free);
}

/* Copies member @key of @object, an id: 1 to 128 bytes without control characters. Absent and empty
 * are the same when it is optional. */
static bool read_id(const json_t *object, const char *key, bool required, char **out,
                    A2aFault *fault)
{
  const json_t *value = json_object_get(object, key);
  const char *text = json_is_string(value) ? json_string_value(value) : "";
  bool absent = !value || json_is_null(value) || (json_is_string(value) && !text[0]);
  if (absent && !required)
    return true;
  size_t n = strlen(text);
  bool fits = n >= 1 && n <= A2A_ID_BYTES_MAX;
  for (size_t i = 0; fits && i < n; i++)
    fits = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
  if (!fits) {
    a2a_fault(fault, A2A_INVALID_PARAMS,
              "'%s': wanted a text of 1 to %d bytes without control characters", key,
              A2A_ID_BYTES_MAX);
    return false;
  }
  *out = g_strdup(text);
  return true;
}

/* Reads an optional whole number. 1.0 is defined by protobuf, whose JSON allows any number also as
 * a text. */
static bool read_count(const json_t *object, const char *key, int64_t least, int64_t most,
                       int64_t *out, A2aFault *fault)
{
  const json_t *value = json_object_get(object, key);
  if (!value || json_is_null(value))
    return true;
  gint64 number = json_integer_value(value);
  bool is_number =
      json_is_integer(value) ||
      (json_is_string(value) && g_ascii_string_to_signed(json_string_value(value), 10, G_MININT64,
                                                         G_MAXINT64, &number, NULL));
  if (is_number && number >= least && number <= most) {
    *out = number;
    return true;
  }
  a2a_fault(fault, A2A_INVALID_PARAMS,
            "'%s': wanted an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, key, least,
            most);
  return false;
}

/* Appends one part of a message. Text is text in both versions; structured data is given on as
 * JSON. */
static bool read_part(const json_t *part, GString *out, A2aFault *fault)
{
  const char *text = jget_str(part, "text", NULL);
  const json_t *data = json_object_get(part, "data");
  if (!json_is_object(part)) {
    a2a_fault(fault, A2A_INVALID_PARAMS, "'message.parts': wanted a list of objects");
    return false;
  }
  if (!text && !data) {
    a2a_fault(fault, A2A_CONTENT_TYPE, "this agent reads text and data parts only");
    return false;
  }
  if (out->len)
    g_string_append_c(out, '\n');
  if (text) {
    g_string_append(out, text);
    return true;
  }
  char *dump = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
  g_string_append(out, dump ? dump : "");
  free(dump);
  return true;
}

static bool read_message(const json_t *message, A2aCall *call, A2aFault *fault)
{
  const json_t *parts = json_object_get(message, "parts");
  const char *role = jget_str(message, "role", "");
  if (!json_is_object(message) || !json_is_array(parts) || json_array_size(parts) == 0) {
    a2a_fault(fault, A2A_INVALID_PARAMS, "'message': wanted an object with parts");
    return false;
  }
  if (!g_str_equal(role, call->version == A2A_0_3 ? "user" : "ROLE_USER")) {
    a2a_fault(fault, A2A_INVALID_PARAMS, "'message.role': wanted '%s'",
              call->version == A2A_0_3 ? "user" : "ROLE_USER");
    return false;
  }
  g_autoptr(GString) text = g_string_new(NULL);
  for (size_t i = 0; i < json_array_size(parts); i++)
    if (!read_part(json_array_get(parts, i), text, fault))
      return false;
  if (!text->len) {
    a2a_fault(fault, A2A_INVALID_PARAMS, "'message.parts': there is no text");
    return false;
  }
  call->text = g_strdup(text->str);
  return read_id(message, "messageId", true, &call->message_id, fault) &&
         read_id(message, "contextId", false, &call->context_id, fault) &&
         read_id(message, "taskId", false, &call->task_id, fault);
}

static bool read_send(const json_t *params, A2aCall *call, A2aFault *fault)
{
  const json_t *how = json_object_get(params, "configuration");
  call->blocking = call->version == A2A_0_3 ? jget_flag(how, "blocking", true)
                                            : !jget_flag(how, "returnImmediately", false);
  const json_t *push = json_object_get(
      how, call->version == A2A_0_3 ? "pushNotificationConfig" : "taskPushNotificationConfig");
  if (push && !json_is_null(push)) {
    a2a_fault(fault, A2A_PUSH_NOT_SUPPORTED,
              "this agent sends no push notifications; see the capabilities of its card");
    return false;
  }
  return read_message(json_object_get(params, "message"), call, fault) &&
         read_count(how, "historyLength", 0, G_MAXINT, &call->history, fault);
}

static bool read_task(const json_t *params, A2aCall *call, A2aFault *fault)
{
  return read_id(params, "id", true, &call->task_id, fault) &&
         read_count(params, "historyLength", 0, G_MAXINT, &call->history, fault);
}

static bool read_list_state(const json_t *params, A2aCall *call, A2aFault *fault)
{
  const char *word = jget_str(params, "status", NULL);
  if (!word || g_str_equal(word, "TASK_STATE_UNSPECIFIED"))
    return true;
  for (int state = 0; state < A2A_STATE_N; state++)
    if (g_str_equal(word, a2a_state_word((A2aState)state, call->version)))
      call->state = state;
  bool known = call->state >= 0 || strstr(word, "REQUIRED") || strstr(word, "required");
  if (call->state < 0)
    call->state = A2A_STATE_N; /* a state that no task of ours has */
  if (!known)
    a2a_fault(fault, A2A_INVALID_PARAMS, "'status': no such state");
  return known;
}

static bool read_list(const json_t *params, A2aCall *call, A2aFault *fault)
{
  const char *after = jget_str(params, "statusTimestampAfter", NULL);
  call->after_ms = after ? time_parse_iso(after) : 0;
  if (call->after_ms < 0) {
    a2a_fault(fault, A2A_INVALID_PARAMS,
              "'statusTimestampAfter': wanted a time such as 2026-01-31T12:00:00Z");
    return false;
  }
  call->artifacts = jget_flag(params, "includeArtifacts", false);
  return read_list_state(params, call, fault) &&
         read_id(params, "contextId", false, &call->context_id, fault) &&
         read_id(params, "pageToken", false, &call->page_token, fault) &&
         read_count(params, "pageSize", 1, A2A_PAGE_MAX, &call->page_size, fault) &&
         read_count(params, "historyLength", 0, G_MAXINT, &call->history, fault);
}

static bool read_params(const json_t *params, A2aCall *call, A2aFault *fault)
{
  if (params && !json_is_object(params)) {
    a2a_fault(fault, A2A_INVALID_PARAMS, "'params': wanted an object");
    return false;
  }
  switch (call->method) {
  case A2A_SEND:
  case A2A_STREAM:
    return read_send(params, call, fault);
  case A2A_LIST:
    return read_list(params, call, fault);
  case A2A_GET:
  case A2A_CANCEL:
  case A2A_SUBSCRIBE:
    return read_task(params, call, fault);
  case A2A_PUSH:
    a2a_fault(fault, A2A_PUSH_NOT_SUPPORTED,
              "this agent sends no push notifications; see the capabilities of its card");
    return false;
  case A2A_EXTENDED_CARD:
    a2a_fault(fault, call->version == A2A_0_3 ? A2A_NO_EXTENDED_CARD : A2A_UNSUPPORTED,
              "this agent has no extended card");
    return false;
  }
  return false;
}

/* The id of the request as JSON text: a text or a number; anything else is no id. */
static bool read_request_id(const json_t *body, A2aCall *call)
{
  const json_t *id = json_object_get(body, "id");
  if (!json_is_string(id) && !json_is_number(id))
    return false;
  char *dump = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);
  bool fits = dump && strlen(dump) <= 2 * A2A_ID_BYTES_MAX;
  if (fits) {
    g_free(call->id);
    call->id = g_strdup(dump);
  }
  free(dump);
  return fits;
}

static const A2aRow *find_method(const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS(a2a_methods); i++)
    if (g_str_equal(a2a_methods[i].name, name))
      return &a2a_methods[i];
  return NULL;
}

static bool version_known(const char *header)
{
  return !header || !header[0] || g_str_equal(header, "0.3") || g_str_has_prefix(header, "0.3.") ||
         g_str_equal(header, "1.0") || g_str_has_prefix(header, "1.0.");
}

static bool read_envelope(const json_t *body, const char *version_header, A2aCall *call,
                          A2aFault *fault)
{
  const char *name = jget_str(body, "method", NULL);
  bool has_id = read_request_id(body, call);
  if (!json_is_object(body) || !g_str_equal(jget_str(body, "jsonrpc", ""), "2.0") || !name ||
      !has_id) {
    a2a_fault(fault, A2A_INVALID_REQUEST,
              "wanted one JSON-RPC 2.0 request with an id and a method");
    return false;
  }
  const A2aRow *row = find_method(name);
  if (!row) {
    g_autofree char *safe = text_escape(name, 60);
    a2a_fault(fault, A2A_NO_METHOD, "no method '%s'", safe);
    return false;
  }
  call->version = row->version;
  call->method = row->method;
  if (version_known(version_header))
    return true;
  a2a_fault(fault, A2A_VERSION, "this agent speaks A2A 0.3 and 1.0");
  return false;
}

bool a2a_read(const char *bytes, size_t length, const char *version_header, A2aCall *call,
              A2aFault *fault)
{
  g_autoptr(GError) error = NULL;
  *call =
      (A2aCall){.id = g_strdup("null"), .history = -1, .state = -1, .page_size = A2A_PAGE_DEFAULT};
  *fault = (A2aFault){0};
  json_t *body = json_parse_foreign(bytes, length, &error);
  if (!body) {
    a2a_fault(fault, A2A_PARSE, "%s", error->message);
    return false;
  }
  bool good = read_envelope(body, version_header, call, fault) &&
              read_params(json_object_get(body, "params"), call, fault);
  json_decref(body);
  return good;
}
