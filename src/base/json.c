/* Getters and a streaming writer for JSON; see json.h. */
#include "base/json.h"

#include "base/error.h"
#include "base/time.h"

#include <string.h>

void json_walk(JsonWalk *walk, const char *text, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    char c = text[i];
    if (walk->escaped) {
      walk->escaped = false;
    } else if (walk->quoted) {
      walk->escaped = c == '\\';
      walk->quoted = c != '"';
    } else if (c == '"') {
      walk->quoted = true;
    } else if (c == '{' || c == '[') {
      walk->depth++;
      walk->deepest = MAX(walk->depth, walk->deepest);
    } else if (c == '}' || c == ']') {
      walk->depth--;
    }
  }
}

bool json_is_bounded(const char *text, size_t length, int depth_max, GError **error)
{
  JsonWalk walk = {0};
  if (length > JSON_BYTES_MAX) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT, "JSON document of %zu bytes; allowed: %d",
                length, JSON_BYTES_MAX);
    return false;
  }
  json_walk(&walk, text, length);
  if (walk.deepest > depth_max) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT,
                "JSON document is nested deeper than %d levels", depth_max);
    return false;
  }
  return true;
}

json_t *json_parse(const char *text, size_t length, GError **error)
{
  json_error_t e;
  if (!json_is_bounded(text, length, JSON_DEPTH_MAX, error))
    return NULL;
  json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
  if (!value)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "JSON line %d column %d: %s", e.line,
                e.column, e.text);
  return value;
}

const char *jget_str(const json_t *object, const char *key, const char *fallback)
{
  const json_t *value = json_object_get(object, key);
  return json_is_string(value) ? json_string_value(value) : fallback;
}

int64_t jget_int(const json_t *object, const char *key, int64_t fallback)
{
  const json_t *value = json_object_get(object, key);
  return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double jget_real(const json_t *object, const char *key, double fallback)
{
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : fallback;
}

bool jget_flag(const json_t *object, const char *key, bool fallback)
{
  const json_t *value = json_object_get(object, key);
  return json_is_boolean(value) ? json_is_true(value) : fallback;
}

static void jw_begin(GString *out, const char *key)
{
  if (out->len && !strchr("{[:,\n", out->str[out->len - 1]))
    g_string_append_c(out, ',');
  if (key) {
    g_string_append_c(out, '"');
    g_string_append(out, key);
    g_string_append(out, "\":");
  }
}

void jw_open(GString *out, const char *key, char bracket)
{
  jw_begin(out, key);
  g_string_append_c(out, bracket);
}

void jw_close(GString *out, char bracket)
{
  g_string_append_c(out, bracket);
}

/* Appends one character that needs care; returns how many bytes of @p it consumed. */
static size_t jw_quote_one(GString *out, const char *p, size_t left)
{
  unsigned char c = (unsigned char)*p;
  if (c == '"' || c == '\\') {
    g_string_append_c(out, '\\');
    g_string_append_c(out, (char)c);
    return 1;
  }
  if (c == '\n' || c == '\t' || c == '\r') {
    g_string_append(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
    return 1;
  }
  if (c < 0x20 || c == 0x7f) {
    g_string_append_printf(out, "\\u%04x", c);
    return 1;
  }
  gunichar u = g_utf8_get_char_validated(p, (gssize)left);
  if (u == (gunichar)-1 || u == (gunichar)-2) {
    g_string_append(out, "\xEF\xBF\xBD");
    return 1;
  }
  size_t n = (size_t)(g_utf8_next_char(p) - p);
  g_string_append_len(out, p, (gssize)n);
  return n;
}

void jw_quote(GString *out, const char *text, size_t length)
{
  g_string_append_c(out, '"');
  size_t i = 0;
  while (i < length) {
    size_t run = i;
    while (run < length && (unsigned char)text[run] >= 0x20 && (unsigned char)text[run] < 0x7f &&
           text[run] != '"' && text[run] != '\\')
      run++;
    g_string_append_len(out, text + i, (gssize)(run - i));
    i = run;
    if (i < length)
      i += jw_quote_one(out, text + i, length - i);
  }
  g_string_append_c(out, '"');
}

void jw_str(GString *out, const char *key, const char *text)
{
  jw_begin(out, key);
  if (text)
    jw_quote(out, text, strlen(text));
  else
    g_string_append(out, "null");
}

void jw_int(GString *out, const char *key, int64_t number)
{
  jw_begin(out, key);
  char digits[24], *p = digits + sizeof digits;
  uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
  do
    *--p = (char)('0' + left % 10);
  while (left /= 10);
  if (number < 0)
    *--p = '-';
  g_string_append_len(out, p, digits + sizeof digits - p);
}

void jw_bool(GString *out, const char *key, bool flag)
{
  jw_begin(out, key);
  g_string_append(out, flag ? "true" : "false");
}

void jw_null(GString *out, const char *key)
{
  jw_begin(out, key);
  g_string_append(out, "null");
}

void jw_time(GString *out, const char *key, int64_t wall_ms)
{
  char when[ISO_TIME_BYTES];
  if (wall_ms > 0)
    time_iso(wall_ms, when);
  jw_str(out, key, wall_ms > 0 ? when : NULL);
}

void jw_raw(GString *out, const char *key, const char *json)
{
  jw_begin(out, key);
  g_string_append(out, json);
}
