/* Owns the checking of JSON bodies against const tables; see body.h. */
#include "server/body.h"

#include "base/error.h"
#include "base/problems.h"
#include "base/text.h"

static const char *body_type_word(BodyType type)
{
  static const char *const words[] = {
      [BODY_TEXT] = "text",     [BODY_INT] = "whole number",    [BODY_BOOL] = "true or false",
      [BODY_OBJECT] = "object", [BODY_TEXTS] = "list of texts", [BODY_LIST] = "list"};
  return words[type];
}

static const char *body_json_word(const json_t *value)
{
  static const char *const words[] = {
      [JSON_OBJECT] = "object",        [JSON_ARRAY] = "list",  [JSON_STRING] = "text",
      [JSON_INTEGER] = "whole number", [JSON_REAL] = "number", [JSON_TRUE] = "true",
      [JSON_FALSE] = "false",          [JSON_NULL] = "null"};
  return words[json_typeof(value)];
}

static bool body_all_texts(const json_t *list)
{
  size_t i;
  const json_t *item;
  json_array_foreach(list, i, item) if (!json_is_string(item)) return false;
  return json_is_array(list);
}

static bool body_type_fits(BodyType type, const json_t *value)
{
  switch (type) {
  case BODY_TEXT:
    return json_is_string(value);
  case BODY_INT:
    return json_is_integer(value);
  case BODY_BOOL:
    return json_is_boolean(value);
  case BODY_OBJECT:
    return json_is_object(value);
  case BODY_TEXTS:
    return body_all_texts(value);
  case BODY_LIST:
    return json_is_array(value);
  }
  return false;
}

static void body_check_word(const BodyMember *member, const char *text, GPtrArray *problems)
{
  for (const char *const *word = member->words; *word; word++)
    if (g_str_equal(*word, text))
      return;
  g_autofree char *allowed = g_strjoinv(", ", (char **)member->words);
  g_autofree char *seen = text_escape(text, 64);
  g_ptr_array_add(problems,
                  g_strdup_printf("member '%s' is '%s'; allowed: %s", member->name, seen, allowed));
}

static void body_check_value(const BodyMember *member, const json_t *value, GPtrArray *problems)
{
  if (!body_type_fits(member->type, value)) {
    g_ptr_array_add(problems, g_strdup_printf("member '%s' is %s; wanted: %s", member->name,
                                              body_json_word(value), body_type_word(member->type)));
    return;
  }
  if (member->words) {
    body_check_word(member, json_string_value(value), problems);
    return;
  }
  bool text = member->type == BODY_TEXT,
       texts = member->type == BODY_TEXTS || member->type == BODY_LIST;
  int64_t size = text                       ? (int64_t)json_string_length(value)
                 : texts                    ? (int64_t)json_array_size(value)
                 : member->type == BODY_INT ? json_integer_value(value)
                                            : member->min;
  if (member->max && (size < member->min || size > member->max))
    g_ptr_array_add(problems,
                    g_strdup_printf("member '%s' %s %" G_GINT64_FORMAT
                                    "; allowed: %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                                    member->name, text || texts ? "has a length of" : "is", size,
                                    member->min, member->max));
}

static const BodyMember *body_find(const BodyMember *members, const char *name)
{
  for (const BodyMember *member = members; member && member->name; member++)
    if (g_str_equal(member->name, name))
      return member;
  return NULL;
}

static void body_unknown(const BodyMember *members, const char *name, GPtrArray *problems)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (const BodyMember *member = members; member && member->name; member++)
    g_ptr_array_add(names, (char *)member->name);
  g_ptr_array_add(names, NULL);
  g_autofree char *seen = text_escape(name, 64);
  const char *near = problems_nearest(name, (const char *const *)names->pdata);
  g_autofree char *allowed =
      names->len > 1 ? g_strjoinv(", ", (char **)names->pdata) : g_strdup("no members");
  g_ptr_array_add(problems,
                  near ? g_strdup_printf("unknown member '%s'; allowed: %s; did you mean '%s'?",
                                         seen, allowed, near)
                       : g_strdup_printf("unknown member '%s'; allowed: %s", seen, allowed));
}

static void body_check(const BodyMember *members, json_t *body, GPtrArray *problems)
{
  const char *name;
  json_t *value;
  json_object_foreach(body, name, value)
  {
    if (problems->len >= PROBLEMS_MAX)
      return;
    const BodyMember *member = body_find(members, name);
    if (member)
      body_check_value(member, value, problems);
    else
      body_unknown(members, name, problems);
  }
  for (const BodyMember *member = members; member && member->name; member++)
    if (member->required && !json_object_get(body, member->name))
      g_ptr_array_add(problems, g_strdup_printf("member '%s' is missing; wanted: %s", member->name,
                                                body_type_word(member->type)));
}

json_t *body_parse(const BodyMember *members, const char *text, size_t length, GPtrArray *problems,
                   GError **error)
{
  json_t *body = length ? json_parse(text, length, error) : json_object();
  if (!body)
    return NULL;
  if (json_is_object(body))
    body_check(members, body, problems);
  else
    g_ptr_array_add(problems,
                    g_strdup_printf("the body is %s; wanted: object", body_json_word(body)));
  if (!problems->len)
    return body;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "the body has %u problem%s", problems->len,
              text_plural(problems->len));
  json_decref(body);
  return NULL;
}
