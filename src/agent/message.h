#pragma once
/* What is said in a conversation, in the shape that every brain and every door shares. Plain
 * structs; text is UTF-8 without NUL. */
#include <glib.h>

typedef enum MessageRole { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL } MessageRole;

/* A tool that the model wants called. */
typedef struct ToolCall {
  char *id;        /* the model's name for this call; made up when it gave none */
  char *name;      /* of the tool */
  char *arguments; /* JSON object as text */
} ToolCall;

typedef struct Message {
  MessageRole role;
  char *text;            /* never NULL */
  GPtrArray *tool_calls; /* of ToolCall*, of an assistant's message; NULL = none */
  char *tool_call_id;    /* of a tool's message, else NULL */
  char *tool_name;       /* of a tool's message, else NULL */
  /* what an assistant thought, which some models want back with its tool calls; NULL = nothing */
  char *reasoning;
  const char *reasoning_key; /* the member that it came in; static */
} Message;

/* @text is copied. */
Message *message_new(MessageRole role, const char *text);
Message *message_copy(const Message *message);
void message_free(Message *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Message, message_free)
/* An empty list of Message* that frees what it holds. */
GPtrArray *messages_new(void);
/* What it weighs in a history: text, reasoning and arguments of tool calls. */
size_t message_bytes(const Message *message);

ToolCall *tool_call_new(const char *id, const char *name, const char *arguments); /* all copied */
void tool_call_free(ToolCall *call);
/* An empty list of ToolCall* that frees what it holds. */
GPtrArray *tool_calls_new(void);

/* "system", "user", "assistant", "tool"; parse gives -1 for another word. */
const char *message_role_word(MessageRole role);
int message_role_parse(const char *word);
