/* Owns the reading of ${NAME} in agent files; see expand.h. It knows just enough of TOML and JSON
 * to tell strings from the rest: comments, and the four kinds of quotes. */
#include "formats/expand.h"

#include "base/text.h"
#include "formats/variables.h"

#include <string.h>

typedef struct Expander {
  const char *text, *end, *p;
  const char *line_start;
  int line;
  const char *file;
  FormatVarFn variable;
  void *data;
  Problems *problems;
  GString *out;
  bool comments; /* TOML */
  int depth;     /* JSON: of objects and lists around */
  bool tools;    /* in a section of tools: $NAME is read there, too */
} Expander;

static SourcePos expand_pos(const Expander *expander)
{
  return (SourcePos){expander->file, expander->line, (int)(expander->p - expander->line_start) + 1};
}

/* Copies @n bytes as they are. */
static void expand_copy(Expander *expander, size_t n)
{
  for (; n && expander->p < expander->end; n--, expander->p++) {
    g_string_append_c(expander->out, *expander->p);
    if (*expander->p != '\n')
      continue;
    expander->line++;
    expander->line_start = expander->p + 1;
  }
}

static bool expand_at(const Expander *expander, const char *word)
{
  size_t n = strlen(word);
  return (size_t)(expander->end - expander->p) >= n && memcmp(expander->p, word, n) == 0;
}

/* Escapes that TOML and JSON share. */
static void expand_value(GString *out, const char *value)
{
  for (; *value; value++) {
    if (*value == '"' || *value == '\\')
      g_string_append_printf(out, "\\%c", *value);
    else if (g_ascii_iscntrl(*value))
      g_string_append_printf(out, "\\u%04x", (unsigned char)*value);
    else
      g_string_append_c(out, *value);
  }
}

/* At "$NAME" in a section of tools, as files for other programs have it: a name that is known is
 * replaced, any other stays. */
static void expand_bare(Expander *expander)
{
  size_t left = (size_t)(expander->end - expander->p), n = 1;
  while (n < left && (g_ascii_isalnum(expander->p[n]) || expander->p[n] == '_'))
    n++;
  bool is_name = n > 1 && !g_ascii_isdigit(expander->p[1]);
  g_autofree char *name = g_strndup(expander->p + 1, n - 1);
  const char *value = is_name ? expander->variable(name, expander->data) : NULL;
  if (value) {
    expand_value(expander->out, value);
    expander->p += n;
    return;
  }
  expand_copy(expander, n > 1 ? n : left > 1 && expander->p[1] == '$' ? 2 : 1);
}

/* At a dollar sign within a string. What stands in braces ends within its line and before any
 * quote. */
static void expand_dollar(Expander *expander)
{
  if (expand_at(expander, "$${")) {
    g_string_append(expander->out, "${");
    expander->p += 3;
    return;
  }
  if (!expand_at(expander, "${")) {
    expander->tools ? expand_bare(expander) : expand_copy(expander, 1);
    return;
  }
  size_t left = 0, all = (size_t)(expander->end - expander->p);
  while (left < all && !strchr("\"\n", expander->p[left]))
    left++;
  Variable variable = variable_read(expander->p, left, expander->variable, expander->data);
  if (variable.wrong)
    problems_add(expander->problems, PROBLEM_ERROR, expand_pos(expander), "%s", variable.wrong);
  if (variable.is_text)
    /* written here, so with the escapes that it needs */
    g_string_append(expander->out, variable.value);
  else if (variable.value)
    expand_value(expander->out, variable.value);
  expander->p += variable.length;
  variable_clear(&variable);
}

/* A string in @quote, from its first quote to behind its last. An unclosed one ends with the text:
 * the parser says it better. */
static void expand_string(Expander *expander, const char *quote, bool basic)
{
  expand_copy(expander, strlen(quote));
  while (expander->p < expander->end && !expand_at(expander, quote)) {
    if (basic && *expander->p == '\\')
      expand_copy(expander, 2);
    else if (basic && *expander->p == '$')
      expand_dollar(expander);
    else if (*expander->p == '\n' && !quote[1])
      return;
    else
      expand_copy(expander, 1);
  }
  expand_copy(expander, strlen(quote));
}

static void expand_comment(Expander *expander)
{
  const char *newline = memchr(expander->p, '\n', (size_t)(expander->end - expander->p));
  expand_copy(expander, (size_t)((newline ? newline : expander->end) - expander->p));
}

/* At the '[' that begins a line of TOML: a heading, or the rest of a list, which begins with
 * neither of these words. */
static void expand_heading(Expander *expander)
{
  const char *p = expander->p + 1 + strspn(expander->p + 1, "[ \t");
  size_t left = (size_t)(expander->end - p);
  bool named = g_ascii_isalpha(*p);
  expander->tools = (left > 11 && strncmp(p, "mcp_servers", 11) == 0) ||
                    (left > 10 && strncmp(p, "sub_agents", 10) == 0) || (expander->tools && !named);
  expand_copy(expander, 1);
}

/* JSON: a string right in the outermost object is the name of a section, or a value that no section
 * is in. */
static void expand_member(Expander *expander)
{
  if (expander->depth == 1)
    expander->tools =
        expand_at(expander, "\"mcp_servers\"") || expand_at(expander, "\"sub_agents\"");
  expand_string(expander, "\"", true);
}

/* JSON: between strings. */
static void expand_between(Expander *expander)
{
  expander->depth += *expander->p == '{' || *expander->p == '['   ? 1
                     : *expander->p == '}' || *expander->p == ']' ? -1
                                                                  : 0;
  expand_copy(expander, 1);
}

static void expand_next(Expander *expander)
{
  if (!expander->comments) {
    *expander->p == '"' ? expand_member(expander) : expand_between(expander);
    return;
  }
  if (*expander->p == '[' && expander->p == expander->line_start)
    expand_heading(expander);
  else if (*expander->p == '#')
    expand_comment(expander);
  else if (expand_at(expander, "\"\"\""))
    expand_string(expander, "\"\"\"", true);
  else if (expand_at(expander, "'''"))
    expand_string(expander, "'''", false);
  else if (*expander->p == '"')
    expand_string(expander, "\"", true);
  else if (*expander->p == '\'')
    expand_string(expander, "'", false);
  else
    expand_copy(expander, 1);
}

static bool expand_is_json(const char *text, const char *end)
{
  text = text_behind_bom(text);
  while (text < end && g_ascii_isspace(*text))
    text++;
  return text < end && *text == '{';
}

char *expand_text(const char *text, size_t length, const char *file_name, FormatVarFn variable,
                  void *data, Problems *problems)
{
  Expander expander = {.text = text,
                       .end = text + length,
                       .p = text,
                       .line_start = text,
                       .line = 1,
                       .file = file_name,
                       .variable = variable,
                       .data = data,
                       .problems = problems,
                       .out = g_string_sized_new(length + 1),
                       .comments = !expand_is_json(text, text + length)};
  int before = problems->errors;
  while (expander.p < expander.end && expander.out->len <= EXPAND_BYTES_MAX)
    expand_next(&expander);
  if (expander.out->len > EXPAND_BYTES_MAX)
    problems_add(problems, PROBLEM_ERROR, expand_pos(&expander),
                 "the file with its variables is larger than 4 MiB");
  return g_string_free(expander.out, problems->errors != before);
}

bool expand_is_given(const char *name)
{
  static const char *const given[] = {"JOB_ID", "REEVE_REPLICA", "CONNECTED_AGENTS", NULL};
  return g_str_has_prefix(name, "AGENT_") || g_strv_contains(given, name);
}

/* ---- where a key stands ---- */

static bool locate_is_key(const char *p, size_t left, const char *key, char quote)
{
  size_t n = strlen(key);
  if (quote)
    return left >= n + 2 && p[0] == quote && memcmp(p + 1, key, n) == 0 && p[n + 1] == quote;
  return left > n && memcmp(p, key, n) == 0 && strchr(" \t=.", p[n]) != NULL;
}

/* The first line of @text at or behind @from whose first word is @key (TOML), or the first "key"
 * (JSON). */
static const char *locate_key(const char *text, const char *from, const char *key, bool json)
{
  const char *end = text + strlen(text);
  for (const char *p = from; p < end; p++) {
    bool start = json || p == text || p[-1] == '\n';
    while (!json && start && p < end && (*p == ' ' || *p == '\t'))
      p++;
    if (start && (locate_is_key(p, (size_t)(end - p), key, json ? '"' : 0) ||
                  (!json && locate_is_key(p, (size_t)(end - p), key, '"'))))
      return p;
  }
  return NULL;
}

static const char *locate_section(const char *text, const char *section, bool json)
{
  if (json)
    return locate_key(text, text, section, true);
  g_autofree char *heading = g_strdup_printf("[%s]", section);
  const char *p = text;
  while ((p = strstr(p, heading)) && p != text && p[-1] != '\n')
    p++;
  return p;
}

SourcePos expand_locate(const char *text, const char *file_name, const char *section,
                        const char *key)
{
  bool json = expand_is_json(text, text + strlen(text));
  const char *from = section ? locate_section(text, section, json) : text;
  const char *at = from && key ? locate_key(text, from, key, json) : from;
  at = at ? at : from;
  SourcePos pos = {file_name, 1, 1};
  for (const char *p = text; at && p < at; p++) {
    pos.column++;
    if (*p != '\n')
      continue;
    pos.line++;
    pos.column = 1;
  }
  return pos;
}
