/* Owns the shortest way to a token: a comparison. It finds what quick_text would find, or nothing.
 */
#include "agent/quick_same.h"

#include <string.h>

void quick_same_clear(QuickSame *same)
{
  if (same->before)
    g_string_free(same->before, TRUE);
  if (same->after)
    g_string_free(same->after, TRUE);
  *same = (QuickSame){0};
}

void quick_same_learn(QuickSame *same, const char *json, size_t json_length, const char *text,
                      size_t length)
{
  size_t before = (size_t)(text - json);
  quick_same_clear(same);
  if (json_length > QUICK_SAME_MAX)
    return;
  same->before = g_string_new_len(json, (gssize)before);
  same->after = g_string_new_len(text + length, (gssize)(json_length - before - length));
}

/* Equal but for digits in the places of digits; none becomes a number's leading zero. */
static bool same_but_digits(const char *a, const char *b, size_t n)
{
  if (memcmp(a, b, n) == 0)
    return true;
  for (size_t i = 0; i < n; i++) {
    bool digits = g_ascii_isdigit(a[i]) && g_ascii_isdigit(b[i]);
    bool leads = i == 0 || !g_ascii_isdigit(b[i - 1]);
    if (a[i] != b[i] && (!digits || (leads && b[i] == '0')))
      return false;
  }
  return true;
}

static bool needs_no_escape(const char *text, size_t n)
{
  unsigned char high = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c < 0x20 || c == '"' || c == '\\')
      return false;
    high |= c;
  }
  return high < 0x80 || g_utf8_validate_len(text, n, NULL);
}

bool quick_same_text(const QuickSame *same, const char *json, size_t json_length, const char **text,
                     size_t *length)
{
  if (!same->before || json_length < same->before->len + same->after->len)
    return false;
  size_t n = json_length - same->before->len - same->after->len;
  const char *at = json + same->before->len;
  if (!same_but_digits(same->before->str, json, same->before->len) ||
      !same_but_digits(same->after->str, at + n, same->after->len) || !needs_no_escape(at, n))
    return false;
  *text = at;
  *length = n;
  return true;
}
