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

const char *text_behind_bom(const char *text)
{
  return g_str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text;
}

size_t text_take_value(char *text, size_t length)
{
  size_t mark = (size_t)(text_behind_bom(text) - text), left = length - mark;
  memmove(text, text + mark, left);
  if (left && text[left - 1] == '\n')
    left -= left > 1 && text[left - 2] == '\r' ? 2 : 1;
  memset(text + left, 0, length - left); /* it may be a secret: nothing of it stays behind */
  return left;
}

double text_seconds(const char *text)
{
  static const struct {
    const char *suffix;
    double seconds;
  } units[] = {{"", 1}, {"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  if (!g_ascii_isdigit(text[0]))
    return -1;
  char *end = NULL;
  double number = g_ascii_strtod(text, &end);
  for (guint i = 0; i < G_N_ELEMENTS(units); i++)
    if (g_str_equal(end, units[i].suffix))
      return number * units[i].seconds <= 1e9 ? number * units[i].seconds : -1;
  return -1;
}
