/* Owns the reading of request bodies: strict by tables for the doors of our own, lenient for the messages of chats as others send them. */
#include "agent/door.h"

#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

static void wrong_add(GString *wrong, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void wrong_add(GString *wrong, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  if (wrong->len)
    g_string_append(wrong, "; ");
  g_string_append_vprintf(wrong, format, args);
  va_end(args);
}

static bool session_is_plain(const char *text)
{
  size_t n = strlen(text);
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
      return false;
  return n >= 1 && n <= DOOR_SESSION_BYTES_MAX;
}

static bool object_fits(const json_t *value)
{
  return json_dumpb(value, NULL, 0, JSON_COMPACT) <= DOOR_CONTEXT_BYTES_MAX;
}

static bool number_fits(const json_t *value, const DoorMember *member)
{
  if (member->type == DOOR_INT ? !json_is_integer(value) : !json_is_number(value))
    return false;
  return json_number_value(value) >= member->least && json_number_value(value) <= member->most;
}

/* What @member wanted in place of @value, or NULL when it is right. Caller frees. */
static char *member_wanted(const json_t *value, const DoorMember *member)
{
  switch (member->type) {
  case DOOR_TEXT:
    if (json_is_string(value) && (!member->required || json_string_length(value) > 0))
      return NULL;
    return g_strdup(member->required ? "wanted a text that is not empty" : "wanted a text");
  case DOOR_SESSION:
    if (json_is_string(value) && session_is_plain(json_string_value(value)))
      return NULL;
    return g_strdup_printf("wanted a text of 1 to %d bytes without control characters", DOOR_SESSION_BYTES_MAX);
  case DOOR_FLAG:
    return json_is_boolean(value) ? NULL : g_strdup("wanted true or false");
  case DOOR_OBJECT:
    if (!json_is_object(value))
      return g_strdup("wanted an object");
    return object_fits(value) ? NULL : g_strdup_printf("larger than %d bytes", DOOR_CONTEXT_BYTES_MAX);
  case DOOR_REAL:
  case DOOR_INT:
    if (number_fits(value, member))
      return NULL;
    return g_strdup_printf("wanted %s from %g to %g", member->type == DOOR_INT ? "an integer" : "a number", member->least, member->most);
  }
  return NULL;
}

static const DoorMember *member_find(const DoorMember *members, const char *name)
{
  for (const DoorMember *member = members; member->name; member++)
    if (g_str_equal(member->name, name))
      return member;
  return NULL;
}

char *door_body_check(const json_t *body, const DoorMember *members)
{
  g_autoptr(GString) wrong = g_string_new(NULL);
  const char *name;
  json_t *value;
  for (const DoorMember *member = members; member->name; member++) {
    value = json_object_get(body, member->name);
    bool absent = !value || json_is_null(value);
    g_autofree char *wanted = absent && !member->required ? NULL : member_wanted(value, member);
    if (wanted)
      wrong_add(wrong, "'%s': %s", member->name, wanted);
  }
  json_object_foreach((json_t *)body, name, value)
  {
    if (member_find(members, name))
      continue;
    g_autofree char *safe = text_escape(name, 60);
    wrong_add(wrong, "'%s': no such member", safe);
  }
  return wrong->len ? g_strdup(wrong->str) : NULL;
}

json_t *door_body(const HttpRequest *request, char **wrong)
{
  size_t length;
  const char *bytes = http_request_body(request, &length);
  g_autoptr(GError) error = NULL;
  json_t *body = json_parse(bytes, length, &error);
  if (json_is_object(body))
    return body;
  *wrong = g_strdup(body ? "wanted an object" : error->message);
  json_decref(body);
  return NULL;
}

void door_options(AskOptions *options, const json_t *from, const char *max_tokens)
{
  options->temperature = jget_real(from, "temperature", NAN);
  options->top_p = jget_real(from, "top_p", NAN);
  int64_t most = jget_int(from, max_tokens, 0);
  options->max_tokens = most > 0 && most <= G_MAXINT ? (int)most : 0;
}

/* The text of @content into @out: a text, or a list of text parts. False when there is something else. */
static bool content_text(const json_t *content, GString *out)
{
  size_t i;
  json_t *part;
  if (!content || json_is_null(content))
    return true; /* an assistant's message that only called tools */
  if (json_is_string(content)) {
    g_string_append(out, json_string_value(content));
    return true;
  }
  json_array_foreach((json_t *)content, i, part)
  {
    const char *type = jget_str(part, "type", "text"), *text = jget_str(part, "text", NULL);
    if (!g_str_equal(type, "text") || !text)
      return false;
    g_string_append(out, text);
  }
  return json_is_array(content);
}

static int chat_role(const char *word)
{
  return g_strcmp0(word, "developer") == 0 ? ROLE_SYSTEM : word ? message_role_parse(word) : -1;
}

/* The arguments of a call as a JSON text: Ollama sends an object, OpenAI a text. */
static char *call_arguments(const json_t *arguments)
{
  if (json_is_string(arguments))
    return g_strdup(json_string_value(arguments));
  char *dump = arguments ? json_dumps(arguments, JSON_COMPACT) : NULL;
  char *text = g_strdup(dump ? dump : "{}");
  free(dump);
  return text;
}

static void message_take_calls(Message *message, const json_t *calls)
{
  size_t i;
  json_t *call;
  json_array_foreach((json_t *)calls, i, call)
  {
    const json_t *function = json_object_get(call, "function");
    const char *name = jget_str(function, "name", NULL);
    if (!name)
      continue;
    g_autofree char *arguments = call_arguments(json_object_get(function, "arguments"));
    if (!message->tool_calls)
      message->tool_calls = g_ptr_array_new_with_free_func((GDestroyNotify)tool_call_free);
    g_ptr_array_add(message->tool_calls, tool_call_new(jget_str(call, "id", ""), name, arguments));
  }
}

/* One message of a chat, or NULL with @wrong. */
static Message *chat_message(const json_t *from, size_t index, char **wrong)
{
  g_autoptr(GString) text = g_string_new(NULL);
  int role = chat_role(jget_str(from, "role", NULL));
  if (role < 0) {
    *wrong = g_strdup_printf("messages[%zu].role: wanted 'system', 'user', 'assistant' or 'tool'", index);
    return NULL;
  }
  if (!content_text(json_object_get(from, "content"), text)) {
    *wrong = g_strdup_printf("messages[%zu].content: this agent reads text only", index);
    return NULL;
  }
  Message *message = message_new((MessageRole)role, text->str);
  if (role == ROLE_ASSISTANT)
    message_take_calls(message, json_object_get(from, "tool_calls"));
  if (role == ROLE_TOOL) {
    message->tool_call_id = g_strdup(jget_str(from, "tool_call_id", ""));
    message->tool_name = g_strdup(jget_str(from, "tool_name", jget_str(from, "name", "")));
  }
  return message;
}

GPtrArray *door_messages(const json_t *list, char **wrong)
{
  size_t n = json_array_size(list);
  if (!json_is_array(list) || n == 0 || n > DOOR_MESSAGES_MAX) {
    *wrong = g_strdup_printf("messages: wanted a list of 1 to %d messages", DOOR_MESSAGES_MAX);
    return NULL;
  }
  g_autoptr(GPtrArray) messages = messages_new();
  for (size_t i = 0; i < n; i++) {
    Message *message = chat_message(json_array_get(list, i), i, wrong);
    if (!message)
      return NULL;
    g_ptr_array_add(messages, message);
  }
  const Message *last = g_ptr_array_index(messages, messages->len - 1);
  if (last->role == ROLE_USER)
    return g_steal_pointer(&messages);
  *wrong = g_strdup("messages: the last message must be of role 'user'");
  return NULL;
}
