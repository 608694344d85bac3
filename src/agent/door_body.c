/* Owns the reading of request bodies: strict by tables for the doors of our own, lenient for the
 * messages of chats as others send them. */
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
    return g_strdup_printf("wanted a text of 1 to %d bytes without control characters",
                           DOOR_SESSION_BYTES_MAX);
  case DOOR_FLAG:
    return json_is_boolean(value) ? NULL : g_strdup("wanted true or false");
  case DOOR_OBJECT:
    if (!json_is_object(value))
      return g_strdup("wanted an object");
    return object_fits(value) ? NULL
                              : g_strdup_printf("larger than %d bytes", DOOR_CONTEXT_BYTES_MAX);
  case DOOR_REAL:
  case DOOR_INT:
    if (number_fits(value, member))
      return NULL;
    return g_strdup_printf("wanted %s from %g to %g",
                           member->type == DOOR_INT ? "an integer" : "a number", member->least,
                           member->most);
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
  json_t *body = json_parse_foreign(bytes, length, &error);
  if (json_is_object(body))
    return body;
  *wrong = g_strdup(body ? "wanted an object" : error->message);
  json_decref(body);
  return NULL;
}

bool door_is_flag(const json_t *body, const char *name)
{
  const json_t *value = json_object_get(body, name);
  return !value || json_is_null(value) || json_is_boolean(value);
}

/* Member @name of @from as a number into @out, which stays as it is when there is none. */
static bool option_number(const json_t *from, const char *name, double *out, char **wrong)
{
  const json_t *value = json_object_get(from, name);
  if (json_is_number(value))
    *out = json_number_value(value);
  else if (value && !json_is_null(value))
    *wrong = g_strdup_printf("%s: wanted a number", name);
  return !*wrong;
}

bool door_options(AskOptions *options, const json_t *from, const char *max_tokens, char **wrong)
{
  double most = 0;
  options->temperature = options->top_p = (double)NAN;
  if (!option_number(from, "temperature", &options->temperature, wrong) ||
      !option_number(from, "top_p", &options->top_p, wrong) ||
      !option_number(from, max_tokens, &most, wrong))
    return false;
  options->max_tokens = most >= 1 ? (int)MIN(most, (double)G_MAXINT) : 0;
  return true;
}

/* What stands in place of a part that was said long ago. */
static void content_leave_out(GString *out, const char *type)
{
  g_autofree char *safe = text_escape(type, 40);
  g_string_append_printf(out, "[%s left out: this agent reads text only]", safe);
}

/* The text of @content into @out: a text, or a list of parts. False when something else is @wanted
 * as text. */
static bool content_text(const json_t *content, bool wanted, GString *out)
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
    const char *type = jget_str(part, "type", "text"),
               *text = jget_str(part, "text", jget_str(part, "refusal", NULL));
    if (text)
      g_string_append(out, text);
    else if (wanted || !json_is_object(part))
      return false;
    else
      content_leave_out(out, type);
  }
  return json_is_array(content);
}

static int chat_role(const char *word)
{
  if (g_strcmp0(word, "developer") == 0)
    return ROLE_SYSTEM;
  return g_strcmp0(word, "function") == 0 ? ROLE_TOOL : word ? message_role_parse(word) : -1;
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

static void message_take_call(Message *message, const char *id, const json_t *function)
{
  const char *name = jget_str(function, "name", NULL);
  if (!name)
    return;
  g_autofree char *arguments = call_arguments(json_object_get(function, "arguments"));
  if (!message->tool_calls)
    message->tool_calls = tool_calls_new();
  g_ptr_array_add(message->tool_calls, tool_call_new(id, name, arguments));
}

static void message_take_calls(Message *message, const json_t *calls)
{
  size_t i;
  json_t *call;
  json_array_foreach((json_t *)calls, i, call)
      message_take_call(message, jget_str(call, "id", ""), json_object_get(call, "function"));
}

/* What an assistant's message has beside its text, as the client had it from whoever answered then.
 */
static void message_take_answer(Message *message, const json_t *from)
{
  static const char *const keys[] = {"reasoning_content", "reasoning", "thinking"};
  message_take_calls(message, json_object_get(from, "tool_calls"));
  message_take_call(message, "", json_object_get(from, "function_call"));
  for (size_t i = 0; i < G_N_ELEMENTS(keys) && !message->reasoning; i++) {
    message->reasoning = g_strdup(jget_str(from, keys[i], NULL));
    message->reasoning_key = keys[i];
  }
}

/* One message of a chat, or NULL with @wrong; of one that @counts all must be text. */
static Message *chat_message(const json_t *from, size_t index, bool counts, char **wrong)
{
  g_autoptr(GString) text = g_string_new(NULL);
  int role = chat_role(jget_str(from, "role", NULL));
  const json_t *images = json_object_get(from, "images");
  if (role < 0) {
    *wrong = g_strdup_printf("messages[%zu].role: wanted 'system', 'user', 'assistant' or 'tool'",
                             index);
    return NULL;
  }
  if (!content_text(json_object_get(from, "content"), counts, text)) {
    *wrong = g_strdup_printf("messages[%zu].content: this agent reads text only", index);
    return NULL;
  }
  if (json_array_size(images) && counts) {
    *wrong = g_strdup_printf("messages[%zu].images: this agent reads text only", index);
    return NULL;
  }
  if (json_array_size(images))
    content_leave_out(text, "image");
  Message *message = message_new((MessageRole)role, text->str);
  if (role == ROLE_ASSISTANT)
    message_take_answer(message, from);
  if (role == ROLE_TOOL) {
    message->tool_call_id = g_strdup(jget_str(from, "tool_call_id", ""));
    message->tool_name = g_strdup(jget_str(from, "tool_name", jget_str(from, "name", "")));
  }
  return message;
}

/* Where the last message of a user is: what is said now begins with it. */
static size_t chat_now(const json_t *list)
{
  size_t now = json_array_size(list);
  while (now > 0 && g_strcmp0(jget_str(json_array_get(list, now - 1), "role", NULL), "user") != 0)
    now--;
  return now ? now - 1 : 0;
}

GPtrArray *door_messages(const json_t *list, char **wrong)
{
  size_t n = json_array_size(list), now = chat_now(list);
  if (!json_is_array(list) || n == 0 || n > DOOR_MESSAGES_MAX) {
    *wrong = g_strdup_printf("messages: wanted a list of 1 to %d messages", DOOR_MESSAGES_MAX);
    return NULL;
  }
  g_autoptr(GPtrArray) messages = messages_new();
  for (size_t i = 0; i < n; i++) {
    Message *message = chat_message(json_array_get(list, i), i, i >= now, wrong);
    if (!message)
      return NULL;
    g_ptr_array_add(messages, message);
  }
  return g_steal_pointer(&messages);
}
