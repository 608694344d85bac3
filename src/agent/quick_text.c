/* Owns the short way to a token. It is stricter than JSON, never laxer about what it looks at. */
#include "agent/quick_text.h"

#include <glib.h>
#include <string.h>

enum { QUICK_DEPTH_MAX = 8 };

typedef struct Quick {
  const char *p, *end;
  const char *text;
  size_t length;
} Quick;

static bool quick_value(Quick *quick, const QuickKey *key, int depth);

static char quick_peek(Quick *quick)
{
  while (quick->p < quick->end &&
         (*quick->p == ' ' || *quick->p == '\n' || *quick->p == '\r' || *quick->p == '\t'))
    quick->p++;
  return quick->p < quick->end ? *quick->p : '\0';
}

static bool quick_take(Quick *quick, char wanted)
{
  bool is_it = quick_peek(quick) == wanted;
  quick->p += is_it;
  return is_it;
}

static bool quick_word(Quick *quick, const char *word)
{
  size_t n = strlen(word);
  bool is_it =
      quick_peek(quick) && (size_t)(quick->end - quick->p) >= n && memcmp(quick->p, word, n) == 0;
  quick->p += is_it ? n : 0;
  return is_it;
}

static bool quick_string(Quick *quick, const char **text, size_t *length)
{
  if (!quick_take(quick, '"'))
    return false;
  const char *start = quick->p;
  bool ascii = true;
  for (; quick->p < quick->end && *quick->p != '"'; quick->p++) {
    unsigned char c = (unsigned char)*quick->p;
    if (c < 0x20 || c == '\\')
      return false;
    ascii = ascii && c < 0x80;
  }
  *text = start;
  *length = (size_t)(quick->p - start);
  return quick_take(quick, '"') && (ascii || g_utf8_validate_len(start, *length, NULL));
}

/* A whole number without sign. */
static bool quick_number(Quick *quick)
{
  const char *start = quick->p;
  while (quick->p < quick->end && g_ascii_isdigit(*quick->p))
    quick->p++;
  size_t n = (size_t)(quick->p - start);
  bool simple = quick->p < quick->end && strchr(",]} \n\r\t", *quick->p) && *quick->p;
  return n > 0 && n < 18 && (n == 1 || *start != '0') && simple;
}

/* The row of the member whose name is @name, or NULL. */
static const QuickKey *quick_find(const QuickKey *keys, const char *name, size_t length)
{
  for (; keys && keys->key; keys++)
    if (strlen(keys->key) == length && memcmp(keys->key, name, length) == 0)
      return keys;
  return NULL;
}

static bool quick_object(Quick *quick, const QuickKey *keys, int depth)
{
  const char *name;
  size_t length;
  if (depth > QUICK_DEPTH_MAX || !quick_take(quick, '{'))
    return false;
  if (quick_take(quick, '}'))
    return true;
  do {
    if (!quick_string(quick, &name, &length) || !quick_take(quick, ':') ||
        !quick_value(quick, quick_find(keys, name, length), depth + 1))
      return false;
  } while (quick_take(quick, ','));
  return quick_take(quick, '}');
}

static bool quick_array(Quick *quick, int depth)
{
  if (depth > QUICK_DEPTH_MAX || !quick_take(quick, '['))
    return false;
  if (quick_take(quick, ']'))
    return true;
  do {
    if (!quick_value(quick, NULL, depth + 1))
      return false;
  } while (quick_take(quick, ','));
  return quick_take(quick, ']');
}

static bool quick_skip(Quick *quick, int depth)
{
  const char *text;
  size_t length;
  switch (quick_peek(quick)) {
  case '"':
    return quick_string(quick, &text, &length);
  case '{':
    return quick_object(quick, NULL, depth);
  case '[':
    return quick_array(quick, depth);
  case 't':
    return quick_word(quick, "true");
  case 'f':
    return quick_word(quick, "false");
  case 'n':
    return quick_word(quick, "null");
  default:
    return quick_number(quick);
  }
}

static bool quick_value(Quick *quick, const QuickKey *key, int depth)
{
  if (!key)
    return quick_skip(quick, depth);
  if (quick->text && key->act != QUICK_NULL && key->act != QUICK_FALSE)
    return false; /* a second way to it: which one counts is for the parser to say */
  switch (key->act) {
  case QUICK_TEXT:
    return quick_string(quick, &quick->text, &quick->length);
  case QUICK_OBJECT:
    return quick_object(quick, key->inside, depth);
  case QUICK_ONE:
    return quick_take(quick, '[') && quick_object(quick, key->inside, depth) &&
           quick_take(quick, ']');
  case QUICK_NULL:
    return quick_word(quick, "null");
  case QUICK_FALSE:
    return quick_word(quick, "false");
  }
  return false;
}

bool quick_text(const QuickKey *keys, const char *json, size_t json_length, const char **text,
                size_t *length)
{
  Quick quick = {.p = json, .end = json + json_length};
  if (!quick_object(&quick, keys, 0) || quick_peek(&quick) || quick.p != quick.end || !quick.text)
    return false;
  *text = quick.text;
  *length = quick.length;
  return true;
}
