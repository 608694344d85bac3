/* Escaping and checking of foreign text; see text.h. */
#include "base/text.h"

#include <string.h>

/* Marks that change the direction in which what follows is shown: text that holds them reads as
 * something else than it is. */
static bool text_is_bidi(gunichar c)
{
  return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

bool text_is_shown(gunichar c)
{
  return c != (gunichar)-1 && c != (gunichar)-2 && c >= 0x20 && c != 0x7f &&
         !(c >= 0x80 && c < 0xa0) && !text_is_bidi(c);
}

bool text_is_printable(const char *text)
{
  for (const char *p = text; *p; p = g_utf8_next_char(p))
    if (!text_is_shown(g_utf8_get_char_validated(p, -1)))
      return false;
  return true;
}

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
    if (text_is_shown(c) || *p == '\n' || *p == '\t') {
      const char *next = g_utf8_next_char(p);
      g_string_append_len(out, p, next - p);
      left -= (size_t)(next - p);
      p = next;
      continue;
    }
    size_t length = text_is_bidi(c) ? (size_t)(g_utf8_next_char(p) - p) : 1;
    if (length > 1)
      g_string_append_printf(out, "\\u%04x", c);
    else
      g_string_append_printf(out, "\\x%02x", (unsigned char)*p);
    p += length;
    left -= length;
  }
  return g_string_free(out, FALSE);
}

char *text_mask_userinfo(const char *text)
{
  GString *out = g_string_new(NULL);
  for (const char *mark; (mark = strstr(text, "://")) != NULL;) {
    const char *start = mark + strlen("://"), *end = start + strcspn(start, "/?#\"'\\<> \t\r\n");
    const char *at = end;
    while (at > start && at[-1] != '@')
      at--;
    g_string_append_len(out, text, start - text);
    if (at > start)
      g_string_append(out, "***@");
    text = at;
  }
  g_string_append(out, text);
  return g_string_free(out, FALSE);
}

void text_wipe(char *text)
{
  if (text)
    explicit_bzero(text, strlen(text));
  g_free(text);
}

void text_room(GString **text, size_t more)
{
  GString *old = *text;
  if (old->allocated_len - old->len > more)
    return;
  *text = g_string_sized_new(MAX(old->len + more, 2 * old->len));
  g_string_append_len(*text, old->str, (gssize)old->len);
  explicit_bzero(old->str, old->len);
  g_string_free(old, TRUE);
}

const char *text_plural(int64_t n)
{
  return n == 1 ? "" : "s";
}

bool text_is_name(const char *text)
{
  if (!text || !g_ascii_isalnum(text[0]))
    return false;
  size_t n = 0;
  for (; text[n]; n++)
    if (n >= TEXT_NAME_MAX || !(g_ascii_isalnum(text[n]) || strchr("._-", text[n])))
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
