/* Owns the way from bytes in blocks to valid UTF-8. */
#include "agent/whole_text.h"

static const char replacement[] = "\xEF\xBF\xBD";

/* Takes all of @bytes but an unfinished last character; returns how many were taken. */
static size_t whole_text_take(GString *out, const char *bytes, size_t length)
{
  size_t at = 0;
  while (at < length) {
    const char *end = NULL;
    g_utf8_validate_len(bytes + at, length - at, &end);
    size_t good = (size_t)(end - (bytes + at));
    g_string_append_len(out, bytes + at, (gssize)good);
    at += good;
    if (at == length ||
        (bytes[at] && g_utf8_get_char_validated(bytes + at, (gssize)(length - at)) == (gunichar)-2))
      break;
    g_string_append(out, replacement);
    at++;
  }
  return at;
}

void whole_text_feed(GString *out, GString *rest, const char *bytes, size_t length)
{
  if (!rest->len) { /* nearly always: nothing is copied twice */
    size_t taken = whole_text_take(out, bytes, length);
    g_string_append_len(rest, bytes + taken, (gssize)(length - taken));
    return;
  }
  g_string_append_len(rest, bytes, (gssize)length);
  g_string_erase(rest, 0, (gssize)whole_text_take(out, rest->str, rest->len));
}

void whole_text_end(GString *out, GString *rest)
{
  if (rest->len)
    g_string_append(out, replacement);
  g_string_truncate(rest, 0);
}
