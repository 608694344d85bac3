/* Owns what ${...} means in job files, env files and agent files. */
#include "formats/variables.h"

#include <string.h>

enum { SHOWN_MAX = 80 };

/* What may stand behind a name: with a colon an empty value counts as none. Longer words first. */
static const struct {
  const char *word;
  bool empty_too, is_error;
} forms[] = {{":-", true, false},
             {":?", true, true},
             {"-", false, false},
             {"?", false, true},
             {"", false, true}};

/* The index in forms of what stands behind the name at @inner, which ends with the text, or -1;
 * @length: of the name. */
static int variable_form(const char *inner, size_t *length)
{
  *length = strspn(inner, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_");
  const char *behind = inner + *length;
  bool is_name = *length > 0 && !g_ascii_isdigit(inner[0]) && !strstr(behind, "${");
  for (int i = 0; i < (int)G_N_ELEMENTS(forms) && is_name; i++)
    if (forms[i].word[0] ? g_str_has_prefix(behind, forms[i].word) : !behind[0])
      return i;
  return -1;
}

/* What is wrong where a variable has to be set; @message: what the file says about it, "" =
 * nothing. */
static char *variable_missing(const char *name, const char *value, int form, const char *message)
{
  if (!forms[form].word[0])
    return g_strdup_printf(
        "variable '%s' is not set; set it, or write ${%s:-default}, or $${%s} for the text itself",
        name, name, name);
  return g_strdup_printf("variable '%s' is %s%s%s", name, value ? "empty" : "not set",
                         message[0] ? ": " : "", message);
}

Variable variable_read(const char *at, size_t left, FormatVarFn lookup, void *data)
{
  const char *end = memchr(at, '}', left);
  if (!end)
    return (Variable){.length = MIN(left, 2),
                      .wrong =
                          g_strdup_printf("'${' without '}' in '%.*s'; write $${ for a literal ${",
                                          (int)MIN(left, SHOWN_MAX), at)};
  Variable out = {.length = (size_t)(end - at) + 1};
  g_autofree char *inner = g_strndup(at + 2, out.length - 3);
  size_t n;
  int form = variable_form(inner, &n);
  if (form < 0) {
    out.wrong = g_strdup_printf(
        "'%.*s': wanted ${NAME}, ${NAME:-text}, ${NAME-text} or ${NAME:?message}; write $${ for a literal ${",
        (int)MIN(out.length, SHOWN_MAX), at);
    return out;
  }
  g_autofree char *name = g_strndup(inner, n);
  const char *text = inner + n + strlen(forms[form].word),
             *value = lookup ? lookup(name, data) : NULL;
  bool missing = !value || (forms[form].empty_too && !value[0]);
  if (missing && forms[form].is_error) {
    out.wrong = variable_missing(name, value, form, text);
    return out;
  }
  out.is_text = missing;
  out.value = g_strdup(missing ? text : value);
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
