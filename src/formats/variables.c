/* Owns what ${...} means in job files, env files and agent files. */
#include "formats/variables.h"

#include <string.h>

enum { SHOWN_MAX = 80 };

static bool variable_is_name(const char *name)
{
  size_t n = strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_");
  return n > 0 && !name[n] && !g_ascii_isdigit(name[0]);
}

Variable variable_read(const char *at, size_t left, FormatVarFn lookup, void *data)
{
  const char *end = memchr(at, '}', left);
  if (!end)
    return (Variable){.length = MIN(left, 2),
                      .wrong = g_strdup_printf("'${' without '}' in '%.*s'; write $${ for a literal ${", (int)MIN(left, SHOWN_MAX), at)};
  Variable out = {.length = (size_t)(end - at) + 1};
  g_autofree char *name = g_strndup(at + 2, out.length - 3);
  char *text = strstr(name, ":-");
  if (text) {
    *text = '\0';
    text += 2;
  }
  if (!variable_is_name(name) || (text && strstr(text, "${"))) {
    out.wrong = g_strdup_printf("'%.*s': wanted ${NAME} or ${NAME:-text}; write $${ for a literal ${", (int)MIN(out.length, SHOWN_MAX), at);
    return out;
  }
  const char *value = lookup ? lookup(name, data) : NULL;
  out.is_text = text && (!value || !value[0]);
  out.value = g_strdup(out.is_text ? text : value);
  if (!out.value)
    out.wrong =
        g_strdup_printf("variable '%s' is not set; set it, or write ${%s:-default}, or $${%s} for the text itself", name, name, name);
  return out;
}

void variable_clear(Variable *variable)
{
  g_clear_pointer(&variable->value, g_free);
  g_clear_pointer(&variable->wrong, g_free);
}

char *variables_expand(const char *text, FormatVarFn lookup, void *data, GPtrArray *wrong)
{
  GString *out = g_string_new(NULL);
  for (const char *p = text; *p;) {
    if (g_str_has_prefix(p, "$${")) {
      g_string_append(out, "${");
      p += 3;
    } else if (g_str_has_prefix(p, "${")) {
      Variable variable = variable_read(p, strlen(p), lookup, data);
      g_string_append(out, variable.value ? variable.value : "");
      p += variable.length;
      if (variable.wrong)
        g_ptr_array_add(wrong, g_steal_pointer(&variable.wrong));
      variable_clear(&variable);
    } else {
      size_t plain = strcspn(p + 1, "$") + 1;
      g_string_append_len(out, p, (gssize)plain);
      p += plain;
    }
  }
  return g_string_free(out, FALSE);
}
