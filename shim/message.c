/* Reads one datagram of a node: "verb key=value ...". Unknown keys belong to a newer node; so does
 * an unknown verb, which is answered. */
#include "shim.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *const message_words[MESSAGE_N] = {[MESSAGE_START] = "start",
                                                     [MESSAGE_SIGNAL] = "signal",
                                                     [MESSAGE_KILL] = "kill",
                                                     [MESSAGE_END] = "end",
                                                     [MESSAGE_QUERY] = "query"};

static MessageVerb message_verb(const char *text, size_t length)
{
  for (int verb = MESSAGE_START; verb < MESSAGE_N; verb++)
    if (strlen(message_words[verb]) == length && memcmp(message_words[verb], text, length) == 0)
      return (MessageVerb)verb;
  return MESSAGE_UNKNOWN;
}

/* The number of "key=NUMBER" in @field, kept within an int; false when it is another key or no
 * number. */
static bool message_number(const char *field, const char *key, int *out)
{
  size_t length = strlen(key);
  if (strncmp(field, key, length) != 0)
    return false;
  char *end;
  errno = 0;
  long number = strtol(field + length, &end, 10);
  if (end == field + length || (*end && *end != ' ') || errno || number < 0 || number > INT_MAX)
    return false;
  *out = (int)number;
  return true;
}

Message message_parse(const char *text)
{
  size_t length = strcspn(text, " ");
  Message message = {.verb = message_verb(text, length)};
  for (const char *field = text + length; *field == ' '; field += strcspn(field, " ")) {
    field++;
    if (!message_number(field, "attempt=", &message.attempt))
      message_number(field, "sig=", &message.signal);
  }
  return message;
}
