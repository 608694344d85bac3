/* Reads what a shim says, by a table of members; see shim_message.h. */
#include "drivers/shim_message.h"

#include <errno.h>
#include <glib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static ShimNews message_news(const char *text, size_t length)
{
  static const char *const words[SHIM_NEWS_N] = {[SHIM_HELLO] = "hello",
                                                 [SHIM_STARTED] = "started",
                                                 [SHIM_START_FAILED] = "start-failed",
                                                 [SHIM_EXITED] = "exited",
                                                 [SHIM_ROTATED] = "rotated"};
  for (int news = SHIM_HELLO; news < SHIM_NEWS_N; news++)
    if (strlen(words[news]) == length && memcmp(words[news], text, length) == 0)
      return (ShimNews)news;
  return SHIM_NEWS_UNKNOWN;
}

/* Members with a number: name, range, where it goes. */
static const struct {
  const char *key;
  size_t offset;
  int64_t low, high;
  bool wide; /* int64_t, else int */
} message_members[] = {
    {"generation=", offsetof(ShimMessage, generation), 0, INT64_MAX, true},
    {"attempt=", offsetof(ShimMessage, attempt), 0, INT32_MAX, false},
    {"pid=", offsetof(ShimMessage, pid), 0, INT32_MAX, true},
    {"code=", offsetof(ShimMessage, exit.code), -1, 255, false},
    {"signal=", offsetof(ShimMessage, exit.signal), 0, 64, false},
    {"errno=", offsetof(ShimMessage, error_number), 0, 4095, false},
    {"output=", offsetof(ShimMessage, output), 0, INT64_MAX, true},
};

static void message_member(ShimMessage *message, const char *field)
{
  for (size_t i = 0; i < G_N_ELEMENTS(message_members); i++) {
    size_t length = strlen(message_members[i].key);
    if (strncmp(field, message_members[i].key, length) != 0)
      continue;
    char *end;
    errno = 0;
    int64_t number = strtoll(field + length, &end, 10);
    bool whole = end != field + length && (!*end || *end == ' ') && !errno;
    if (!whole || number < message_members[i].low || number > message_members[i].high)
      return;
    void *place = (char *)message + message_members[i].offset;
    if (message_members[i].wide)
      *(int64_t *)place = number;
    else
      *(int *)place = (int)number;
    return;
  }
}

ShimMessage shim_message_parse(const char *text)
{
  size_t length = strcspn(text, " ");
  ShimMessage message = {.news = message_news(text, length), .exit.code = -1, .output = -1};
  for (const char *field = text + length; *field == ' '; field += strcspn(field, " ")) {
    field++;
    if (strncmp(field, "state=ended", 11) == 0 && (!field[11] || field[11] == ' '))
      message.ended = true;
    else if (strncmp(field, "step=", 5) == 0)
      g_snprintf(message.step, sizeof message.step, "%.*s", (int)strcspn(field + 5, " "),
                 field + 5);
    else
      message_member(&message, field);
  }
  return message;
}
