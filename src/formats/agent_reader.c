/* Owns how the sections of an agent file are read: one member by its kind, and how what is wrong
 * with it is told. */
#include "formats/agent_reader.h"

#include "base/text.h"
#include "formats/expand.h"

#include <string.h>

void agent_wanted(AgentReader *reader, const char *key, const char *wanted)
{
  const char *dot = strrchr(key, '.');
  g_autofree char *section = dot ? g_strndup(key, (gsize)(dot - key)) : NULL;
  SourcePos pos = expand_locate(reader->text, reader->file, section, dot ? dot + 1 : key);
  problems_add(reader->problems, PROBLEM_ERROR, pos, "'%s': wanted %s", key, wanted);
}

void agent_text(AgentReader *reader, const json_t *section, const char *key, char **out)
{
  const json_t *value = json_object_get(section, key);
  if (value && !json_is_string(value))
    agent_wanted(reader, key, "text");
  else if (value)
    *out = g_strdup(json_string_value(value));
}

void agent_texts(AgentReader *reader, const json_t *section, const char *key, GPtrArray *out)
{
  json_t *value = json_object_get(section, key), *item;
  size_t i;
  if (value && !json_is_array(value))
    agent_wanted(reader, key, "a list of texts");
  json_array_foreach(value, i, item)
  {
    if (json_is_string(item))
      g_ptr_array_add(out, g_strdup(json_string_value(item)));
    else
      agent_wanted(reader, key, "a list of texts");
  }
}

double agent_number(AgentReader *reader, const json_t *section, const char *key, double low,
                    double high)
{
  const json_t *value = json_object_get(section, key);
  if (!value)
    return 0;
  if (json_is_number(value) && json_number_value(value) >= low && json_number_value(value) <= high)
    return json_number_value(value);
  g_autofree char *wanted = g_strdup_printf("a number from %.10g to %.10g", low, high);
  agent_wanted(reader, key, wanted);
  return 0;
}

int64_t agent_ms(AgentReader *reader, const json_t *section, const char *key, double low,
                 double high)
{
  const json_t *value = json_object_get(section, key);
  double seconds = json_is_string(value)   ? text_seconds(json_string_value(value))
                   : json_is_number(value) ? json_number_value(value)
                                           : -1;
  if (!value)
    return 0;
  if (seconds >= low && seconds <= high)
    return (int64_t)(seconds * 1000);
  g_autofree char *wanted =
      g_strdup_printf("seconds from %.10g to %.10g, as 5 or \"2m\"", low, high);
  agent_wanted(reader, key, wanted);
  return 0;
}

void agent_ignored(AgentReader *reader, const json_t *section, const char *name,
                   const char *const *known)
{
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)section, key, value)
  {
    if (g_strv_contains(known, key))
      continue;
    const char *nearest = problems_nearest(key, known);
    SourcePos pos = expand_locate(reader->text, reader->file, name, key);
    g_ptr_array_add(reader->out->not_honoured, g_strdup_printf("%s.%s", name, key));
    if (nearest)
      problems_add(reader->problems, PROBLEM_WARNING, pos,
                   "unknown key '%s' in '%s'; did you mean '%s'?", key, name, nearest);
    else
      problems_add(reader->problems, PROBLEM_WARNING, pos,
                   "unknown key '%s' in '%s'; it is not honoured", key, name);
  }
}
