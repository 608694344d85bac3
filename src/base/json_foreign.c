/* Owns the lenient reading of JSON that others wrote. What jansson takes is taken as it is; what it
 * refuses and other parsers read is rewritten into what it takes, and read again. Only then a copy
 * is made. */
#include "base/json.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"
#define LARGEST     "1.7976931348623157e308"

enum { INT64_DIGITS_SURE = 18 }; /* so many digits always fit */

/* The four hex digits of an escape "\uXXXX" at @p, or -1. */
static int foreign_unit(const char *p, const char *end)
{
  int unit = 0;
  if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
    return -1;
  for (int i = 2; i < 6; i++) {
    int digit = g_ascii_xdigit_value(p[i]);
    if (digit < 0)
      return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

/* Appends the escape at @p, which is a backslash; returns how many bytes of it were taken. NUL and
 * half of a pair become U+FFFD. */
static size_t foreign_escape(GString *out, const char *p, const char *end)
{
  int unit = foreign_unit(p, end);
  if (unit < 0) {
    size_t n = end - p > 1 ? 2 : 1;
    g_string_append_len(out, p, (gssize)n);
    return n;
  }
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    int low = foreign_unit(p + 6, end);
    if (low >= 0xDC00 && low <= 0xDFFF) {
      g_string_append_len(out, p, 12);
      return 12;
    }
  }
  if (unit == 0 || (unit >= 0xD800 && unit <= 0xDFFF))
    g_string_append(out, REPLACEMENT);
  else
    g_string_append_len(out, p, 6);
  return 6;
}

/* Appends the string that begins at @p, its quotes too; returns how many bytes it took. */
static size_t foreign_string(GString *out, const char *p, const char *end)
{
  const char *at = p + 1;
  g_string_append_c(out, '"');
  while (at < end && *at != '"') {
    if (*at == '\\') {
      at += foreign_escape(out, at, end);
      continue;
    }
    gunichar character =
        (unsigned char)*at < 0x80 ? (gunichar)*at : g_utf8_get_char_validated(at, end - at);
    bool good = character != (gunichar)-1 && character != (gunichar)-2;
    size_t n = good ? (size_t)(g_utf8_next_char(at) - at) : 1;
    g_string_append_len(out, good ? at : REPLACEMENT,
                        good ? (gssize)n : (gssize)strlen(REPLACEMENT));
    at += n;
  }
  if (at < end) {
    g_string_append_c(out, '"');
    at++;
  }
  return (size_t)(at - p);
}

/* Appends the number that begins at @p; returns how many bytes it took. An integer beyond 64 bits
 * becomes a real, a real beyond what one holds the largest. What is no number is left for the
 * parser to refuse. */
static size_t foreign_number(GString *out, const char *p, const char *end)
{
  size_t n = 0, digits = 0;
  bool real = false;
  for (; p + n < end && (g_ascii_isdigit(p[n]) || strchr("+-.eE", p[n])) && p[n]; n++) {
    digits += g_ascii_isdigit(p[n]) ? 1 : 0;
    real = real || strchr(".eE", p[n]);
  }
  g_autofree char *text = g_strndup(p, n);
  char *rest = NULL;
  double value = g_ascii_strtod(text, &rest);
  size_t sign = text[0] == '-';
  bool strange = *rest || (text[sign] == '0' && g_ascii_isdigit(text[sign + 1])) ||
                 !g_ascii_isdigit(text[sign]);
  if (!strange && isinf(value))
    g_string_append_printf(out, "%s" LARGEST, sign ? "-" : "");
  else
    g_string_append_printf(out, "%s%s", text,
                           !strange && !real && digits > INT64_DIGITS_SURE ? ".0" : "");
  return n;
}

/* @text as jansson takes it. */
static GString *foreign_rewrite(const char *text, size_t length)
{
  GString *out = g_string_sized_new(length + 64);
  const char *p = text, *end = text + length;
  while (p < end) {
    if (*p == '"') {
      p += foreign_string(out, p, end);
    } else if (*p == '-' || g_ascii_isdigit(*p)) {
      p += foreign_number(out, p, end);
    } else {
      g_string_append_c(out, *p++);
    }
  }
  return out;
}

json_t *json_parse_foreign(const char *text, size_t length, GError **error)
{
  json_error_t e;
  if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
    text += 3;
    length -= 3;
  }
  if (!json_is_bounded(text, length, JSON_FOREIGN_DEPTH_MAX, error))
    return NULL;
  json_t *value = json_loadb(text, length, JSON_DECODE_ANY, &e);
  if (!value) {
    g_autoptr(GString) rewritten = foreign_rewrite(text, length);
    value = json_loadb(rewritten->str, rewritten->len, JSON_DECODE_ANY, &e);
  }
  if (!value)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "JSON line %d column %d: %s", e.line,
                e.column, e.text);
  return value;
}
