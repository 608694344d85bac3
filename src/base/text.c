/* Escaping and checking of foreign text; see text.h. */
#include "base/text.h"

#include <string.h>

char *text_escape(const char *text, size_t max)
{
  GString *out = g_string_new(NULL);
  const char *p = text ? text : "";
  size_t left = strlen(p);
  while (left > 0) {
    if (out->len >= max) {
      g_string_append(out, "...");
      break;
    }
    gunichar c = g_utf8_get_char_validated(p, (gssize)left);
    bool printable = c != (gunichar)-1 && c != (gunichar)-2 && c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0);
    if (printable || *p == '\n' || *p == '\t') {
      const char *next = g_utf8_next_char(p);
      g_string_append_len(out, p, next - p);
      left -= (size_t)(next - p);
      p = next;
      continue;
    }
    g_string_append_printf(out, "\\x%02x", (unsigned char)*p);
    p++;
    left--;
  }
  return g_string_free(out, FALSE);
}

bool text_is_name(const char *text)
{
  if (!text || !g_ascii_isalnum(text[0]))
    return false;
  size_t n = 0;
  for (; text[n]; n++)
    if (n >= 64 || !(g_ascii_isalnum(text[n]) || strchr("._-", text[n])))
      return false;
  return true;
}
