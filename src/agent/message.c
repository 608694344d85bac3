/* Owns messages and tool calls: made, copied, freed, named. */
#include "agent/message.h"

#include <string.h>

static const char *const role_words[] = {[ROLE_SYSTEM] = "system",
                                         [ROLE_USER] = "user",
                                         [ROLE_ASSISTANT] = "assistant",
                                         [ROLE_TOOL] = "tool"};

static void tool_call_drop(void *call)
{
  tool_call_free(call);
}

static void message_drop(void *message)
{
  message_free(message);
}

Message *message_new(MessageRole role, const char *text)
{
  Message *message = g_new0(Message, 1);
  message->role = role;
  message->text = g_strdup(text ? text : "");
  return message;
}

Message *message_copy(const Message *message)
{
  Message *copy = message_new(message->role, message->text);
  copy->tool_call_id = g_strdup(message->tool_call_id);
  copy->tool_name = g_strdup(message->tool_name);
  copy->reasoning = g_strdup(message->reasoning);
  copy->reasoning_key = message->reasoning_key;
  if (message->tool_calls)
    copy->tool_calls = tool_calls_new();
  for (guint i = 0; message->tool_calls && i < message->tool_calls->len; i++) {
    const ToolCall *call = g_ptr_array_index(message->tool_calls, i);
    g_ptr_array_add(copy->tool_calls, tool_call_new(call->id, call->name, call->arguments));
  }
  return copy;
}

void message_free(Message *message)
{
  if (!message)
    return;
  g_clear_pointer(&message->tool_calls, g_ptr_array_unref);
  g_free(message->text);
  g_free(message->tool_call_id);
  g_free(message->tool_name);
  g_free(message->reasoning);
  g_free(message);
}

GPtrArray *messages_new(void)
{
  return g_ptr_array_new_with_free_func(message_drop);
}

size_t message_bytes(const Message *message)
{
  size_t bytes = strlen(message->text) + (message->reasoning ? strlen(message->reasoning) : 0);
  for (guint i = 0; message->tool_calls && i < message->tool_calls->len; i++)
    bytes += strlen(((const ToolCall *)g_ptr_array_index(message->tool_calls, i))->arguments);
  return bytes;
}

ToolCall *tool_call_new(const char *id, const char *name, const char *arguments)
{
  ToolCall *call = g_new0(ToolCall, 1);
  *call = (ToolCall){.id = g_strdup(id), .name = g_strdup(name), .arguments = g_strdup(arguments)};
  return call;
}

void tool_call_free(ToolCall *call)
{
  if (!call)
    return;
  g_free(call->id);
  g_free(call->name);
  g_free(call->arguments);
  g_free(call);
}

GPtrArray *tool_calls_new(void)
{
  return g_ptr_array_new_with_free_func(tool_call_drop);
}

const char *message_role_word(MessageRole role)
{
  return role_words[role];
}

int message_role_parse(const char *word)
{
  for (size_t i = 0; word && i < G_N_ELEMENTS(role_words); i++)
    if (g_str_equal(role_words[i], word))
      return (int)i;
  return -1;
}
