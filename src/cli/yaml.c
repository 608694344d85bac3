/* Owns the writing of YAML: what a JSON value needs and no more. Depth is bounded by the JSON
 * reader. */
#include "cli/yaml.h"

#include "base/json.h"

#include <string.h>

/* Plain only what no reader takes for anything but a string; everything else is quoted as in JSON,
 * which YAML 1.2 contains. */
static bool yaml_plain(const char *text)
{
  static const char *const words[] = {"true", "false", "null", "yes", "no",
                                      "on",   "off",   "y",    "n",   NULL};
  if (!g_ascii_isalpha(text[0]) && text[0] != '/')
    return false;
  for (const char *p = text; *p; p++)
    if (!g_ascii_isalnum(*p) && !strchr("_-./", *p) && !(*p == ' ' && p[1] && p[1] != ' ') &&
        !(*p == ':' && p[1] && p[1] != ' '))
      return false;
  for (guint i = 0; words[i]; i++)
    if (g_ascii_strcasecmp(text, words[i]) == 0)
      return false;
  return true;
}

static void yaml_scalar(GString *out, const json_t *value)
{
  if (json_is_string(value) && yaml_plain(json_string_value(value))) {
    g_string_append(out, json_string_value(value));
  } else if (json_is_string(value)) {
    jw_quote(out, json_string_value(value), json_string_length(value));
  } else {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    g_string_append(out, text);
    free(text);
  }
}

static bool yaml_is_block(const json_t *value)
{
  return (json_is_object(value) && json_object_size(value)) ||
         (json_is_array(value) && json_array_size(value));
}

static void yaml_indent(GString *out, int depth)
{
  g_string_append_printf(out, "%*s", depth * 2, "");
}

static void yaml_block(GString *out, const json_t *value, int depth, bool first_inline);

/* What stands behind "key:" or "-". */
static void yaml_member(GString *out, const json_t *value, int depth, bool in_list)
{
  if (!yaml_is_block(value)) {
    g_string_append_c(out, ' ');
    yaml_scalar(out, value);
    g_string_append_c(out, '\n');
    return;
  }
  g_string_append_c(out, in_list ? ' ' : '\n');
  yaml_block(out, value, depth + 1, in_list);
}

/* @first_inline: the first line continues one that is indented already. */
static void yaml_block(GString *out, const json_t *value, int depth, bool first_inline)
{
  bool indent = !first_inline;
  if (json_is_array(value)) {
    size_t i;
    const json_t *item;
    json_array_foreach(value, i, item)
    {
      if (indent)
        yaml_indent(out, depth);
      indent = true;
      g_string_append_c(out, '-');
      yaml_member(out, item, depth, true);
    }
    return;
  }
  const char *key;
  json_t *item;
  json_object_foreach((json_t *)value, key, item)
  {
    if (indent)
      yaml_indent(out, depth);
    indent = true;
    if (yaml_plain(key))
      g_string_append(out, key);
    else
      jw_quote(out, key, strlen(key));
    g_string_append_c(out, ':');
    yaml_member(out, item, depth, false);
  }
}

char *yaml_text(const json_t *value)
{
  GString *out = g_string_new(NULL);
  if (yaml_is_block(value)) {
    yaml_block(out, value, 0, false);
  } else {
    yaml_scalar(out, value);
    g_string_append_c(out, '\n');
  }
  return g_string_free(out, FALSE);
}
