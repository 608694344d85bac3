/* Owns the reading of env files; see env_file.h. Line ends become LF first, so that one kind is
 * left. */
#include "formats/env_file.h"

#include "base/text.h"
#include "formats/variables.h"

#include <string.h>

typedef struct EnvFile {
  const EnvFileReader *reader;
  StrMap *out;
  const char *p;
  int line;
} EnvFile;

G_GNUC_PRINTF(3, 4) static void env_wrong(const EnvFile *file, int line, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  file->reader->wrong(line, what, file->reader->data);
}

/* CRLF and CR as LF, without a byte order mark. */
static char *env_plain(const char *text)
{
  GString *plain = g_string_new(NULL);
  for (const char *p = text_behind_bom(text); *p; p++) {
    if (*p != '\r')
      g_string_append_c(plain, *p);
    else if (p[1] != '\n')
      g_string_append_c(plain, '\n');
  }
  return g_string_free(plain, FALSE);
}

static void env_skip_blanks(EnvFile *file)
{
  file->p += strspn(file->p, " \t");
}

static void env_skip_line(EnvFile *file)
{
  file->p += strcspn(file->p, "\n");
}

static const char *env_variable(const char *name, void *data)
{
  const EnvFile *file = data;
  const char *value = strmap_get(file->out, name);
  return value ? value : file->reader->variable(name, file->reader->data);
}

/* @text with its variables, as far as they count here. Frees @text. */
static char *env_expand(EnvFile *file, int line, char *text)
{
  if (!file->reader->variable || !strstr(text, "${"))
    return text;
  g_autofree char *written = text;
  g_autoptr(GPtrArray) wrong = g_ptr_array_new_with_free_func(g_free);
  char *expanded = variables_expand(written, env_variable, file, wrong);
  for (guint i = 0; i < wrong->len; i++)
    env_wrong(file, line, "%s, or put the value in '...'", (const char *)wrong->pdata[i]);
  return expanded;
}

/* What follows a backslash in "...": stays as it is when it is none of the few that mean something.
 */
static void env_escape(EnvFile *file, GString *out)
{
  static const char letters[] = "nrt\"\\", meant[] = "\n\r\t\"\\";
  const char *letter = file->p[1] ? strchr(letters, file->p[1]) : NULL;
  if (letter) {
    g_string_append_c(out, meant[letter - letters]);
    file->p += 2;
  } else if (file->p[1] == '$') { /* as variables.h writes a dollar sign that is none of its own */
    g_string_append(out, file->p[2] == '{' && file->reader->variable ? "$$" : "$");
    file->p += 2;
  } else {
    g_string_append_c(out, *file->p++);
  }
}

/* The value in quotes at file->p, to behind the closing one; NULL after a problem, at the end of
 * the line. */
static char *env_quoted(EnvFile *file)
{
  char quote = *file->p++;
  const char *begin = file->p;
  int line = file->line;
  g_autoptr(GString) out = g_string_new(NULL);
  while (*file->p && *file->p != quote) {
    file->line += *file->p == '\n';
    if (quote == '"' && *file->p == '\\')
      env_escape(file, out);
    else
      g_string_append_c(out, *file->p++);
  }
  if (!*file->p) {
    env_wrong(file, line, "the quote %c is not closed", quote);
    file->p = begin;
    file->line = line;
    env_skip_line(file);
    return NULL;
  }
  file->p++;
  env_skip_blanks(file);
  if (*file->p && *file->p != '\n' && !(*file->p == '#' && strchr(" \t", file->p[-1]))) {
    env_wrong(file, file->line, "there is text behind the closing quote %c", quote);
    env_skip_line(file);
    return NULL;
  }
  env_skip_line(file);
  char *text = g_strdup(out->str);
  return quote == '"' ? env_expand(file, line, text) : text;
}

static char *env_unquoted(EnvFile *file)
{
  const char *begin = file->p;
  env_skip_line(file);
  const char *end = file->p;
  for (const char *p = begin; p < end; p++)
    if (*p == '#' && strchr(" \t", p[-1]))
      end = p;
  return env_expand(file, file->line, g_strchomp(g_strndup(begin, (gsize)(end - begin))));
}

/* The name at file->p, up to its equals sign; NULL after a problem, at the end of the line. */
static char *env_name(EnvFile *file)
{
  if (g_str_has_prefix(file->p, "export") && strchr(" \t", file->p[6]) && file->p[6]) {
    file->p += 6;
    env_skip_blanks(file);
  }
  size_t n = strcspn(file->p, "=\n");
  g_autofree char *name = g_strchomp(g_strndup(file->p, n));
  bool has_value = file->p[n] == '=', is_name = name[0] && !strpbrk(name, " \t'\"");
  if (has_value && is_name) {
    file->p += n + 1;
    return g_steal_pointer(&name);
  }
  if (is_name)
    env_wrong(
        file, file->line,
        "wanted NAME=value; write %s= for an empty value, or %s=${%s} for the one that is set here",
        name, name, name);
  else
    env_wrong(file, file->line, "wanted NAME=value");
  env_skip_line(file);
  return NULL;
}

void env_file_read(const char *text, const EnvFileReader *reader, StrMap *out)
{
  g_autofree char *plain = env_plain(text);
  EnvFile file = {.reader = reader, .out = out, .p = plain, .line = 1};
  for (; *file.p; file.p++, file.line++) {
    env_skip_blanks(&file);
    g_autofree char *name = NULL, *value = NULL;
    if (*file.p == '#')
      env_skip_line(&file);
    else if (*file.p && *file.p != '\n')
      name = env_name(&file);
    if (name) {
      env_skip_blanks(&file);
      value = *file.p == '"' || *file.p == '\'' ? env_quoted(&file) : env_unquoted(&file);
    }
    if (value)
      strmap_set(out, name, value);
    if (!*file.p || strmap_size(out) > JOB_FILE_MAP_MAX)
      break;
  }
}
