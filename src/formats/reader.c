/* Values of a job file by kind; see reader.h. */
#include "formats/reader.h"
#include "formats/size.h"

#include "base/json.h"
#include "base/text.h"
#include "formats/job_tree.h"
#include "formats/variables.h"
#include "model/limit_words.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { KNOWN_SHOWN_MAX = 12 }; /* keys that a message lists; of more only the nearest is told */

/* ---- places and messages ---- */

SourcePos reader_pos(const Reader *reader, struct fy_node *node)
{
  return job_tree_pos(reader->options->file_name, node);
}

G_GNUC_PRINTF(4, 0)
static void reader_say(Reader *reader, ProblemSeverity severity, struct fy_node *at,
                       const char *format, va_list args)
{
  g_autofree char *text = g_strdup_vprintf(format, args);
  problems_add(reader->problems, severity, reader_pos(reader, at), "%s", text);
}

void reader_error(Reader *reader, struct fy_node *at, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  reader_say(reader, PROBLEM_ERROR, at, format, args);
  va_end(args);
}

void reader_warn(Reader *reader, struct fy_node *at, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  reader_say(reader, PROBLEM_WARNING, at, format, args);
  va_end(args);
}

void reader_unknown_agent(Reader *reader, SourcePos pos, const char *path, const char *id)
{
  guint n = reader->job->agents->len;
  const char *nearest = NULL;
  /* looking for the nearest of many, for a line that nobody sees, takes long */
  if (reader->problems->items->len < PROBLEMS_MAX) {
    g_autofree const char **ids = g_new0(const char *, n + 1);
    for (guint i = 0; i < n; i++)
      ids[i] = job_agent(reader->job, i)->id;
    nearest = problems_nearest(id, ids);
  }
  if (nearest)
    problems_add(reader->problems, PROBLEM_ERROR, pos,
                 "'%s': unknown agent '%s'; did you mean '%s'?", path, id, nearest);
  else
    problems_add(reader->problems, PROBLEM_ERROR, pos, "'%s': unknown agent '%s'", path, id);
}

void reader_note_ignored(Reader *reader, const char *name)
{
  if (g_hash_table_add(reader->ignored, g_strdup(name)))
    g_ptr_array_add(reader->job->not_honoured, g_strdup(name));
}

void reader_ignore(Reader *reader, struct fy_node *at, const char *name, const char *why)
{
  reader_warn(reader, at, "not honoured: '%s' (%s)", name, why);
  reader_note_ignored(reader, name);
}

char *reader_join(const char *path, const char *key)
{
  return path[0] ? g_strconcat(path, ".", key, NULL) : g_strdup(key);
}

/* ---- mappings ---- */

static const Row *rows_find(const Row *rows, const char *key)
{
  for (; rows->key; rows++)
    if (strcmp(rows->key, key) == 0)
      return rows;
  return NULL;
}

static void reader_unknown(Reader *reader, struct fy_node *at, const Row *rows, const char *key,
                           const char *path)
{
  const char *known[64];
  size_t n = 0;
  for (const Row *row = rows; row->key && n < G_N_ELEMENTS(known) - 1; row++)
    known[n++] = row->key;
  known[n] = NULL;
  const char *nearest = problems_nearest(key, known);
  g_autofree char *list = n && n <= KNOWN_SHOWN_MAX ? g_strjoinv(", ", (char **)known) : NULL;
  g_autofree char *where = path[0] ? g_strdup_printf(" in '%s'", path) : g_strdup("");
  if (nearest)
    reader_warn(reader, at, "unknown key '%s'%s; did you mean '%s'?", key, where, nearest);
  else
    reader_warn(reader, at, "unknown key '%s'%s; it is not honoured%s%s", key, where,
                list ? "; known: " : "", list ? list : "");
}

void reader_mapping(Reader *reader, struct fy_node *node, const Row *rows, void *base,
                    const char *path)
{
  if (!fy_node_is_mapping(node)) {
    reader_error(reader, node, "'%s': wanted a mapping of keys", path[0] ? path : "the file");
    return;
  }
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(node, &iter); pair;
       pair = fy_node_mapping_iterate(node, &iter)) {
    struct fy_node *key_node = fy_node_pair_key(pair), *value = fy_node_pair_value(pair);
    size_t length;
    const char *text =
        key_node && fy_node_is_scalar(key_node) ? fy_node_get_scalar(key_node, &length) : NULL;
    if (!text || length > 200) {
      reader_error(reader, key_node, "'%s': keys are short texts", path);
      continue;
    }
    char key[201];
    memcpy(key, text, length);
    key[length] = '\0';
    const Row *row = rows_find(rows, key);
    if (!row && g_str_has_prefix(key, "x-"))
      continue; /* theirs: for blocks that are shared, or other programs */
    if (!row)
      reader_unknown(reader, key_node, rows, key, path);
    else if (!reader_is_null(value))
      row->read(reader, row, value, base, path);
  }
}

/* ---- scalars ---- */

bool reader_is_null(struct fy_node *node)
{
  static const char *const words[] = {"null", "~", "Null", "NULL"};
  if (!node || !fy_node_is_scalar(node) || fy_node_is_null(node))
    return !node || fy_node_is_scalar(node);
  struct fy_token *token = fy_node_get_scalar_token(node);
  if (!token || fy_token_scalar_style(token) != FYSS_PLAIN)
    return false; /* quoted, it is a text */
  size_t length = 0;
  const char *text = fy_node_get_scalar(node, &length);
  for (size_t i = 0; text && i < G_N_ELEMENTS(words); i++)
    if (length == strlen(words[i]) && memcmp(text, words[i], length) == 0)
      return true;
  return false;
}

bool reader_is_map(Reader *reader, struct fy_node *node, const char *path, const char *key,
                   const char *wanted)
{
  g_autofree char *name = reader_join(path, key);
  if (fy_node_is_mapping(node))
    return limit_holds(LIMIT_JOB_FILE_MAP, fy_node_mapping_item_count(node), reader->problems,
                       reader_pos(reader, node), "'%s'", name);
  reader_error(reader, node, "'%s': wanted %s", name, wanted);
  return false;
}

/* @text (owned) with its variables, problems at @at. */
static char *reader_expand(Reader *reader, struct fy_node *at, char *text)
{
  if (!strstr(text, "${"))
    return text;
  g_autofree char *written = text;
  g_autoptr(GPtrArray) wrong = g_ptr_array_new_with_free_func(g_free);
  char *expanded =
      variables_expand(written, reader->options->variable, reader->options->data, wrong);
  for (guint i = 0; i < wrong->len; i++)
    reader_error(reader, at, "%s", (const char *)wrong->pdata[i]);
  return expanded;
}

char *reader_key(Reader *reader, struct fy_node *node, const char *path, const char *key,
                 const char *wanted)
{
  size_t length;
  const char *text = node && fy_node_is_scalar(node) ? fy_node_get_scalar(node, &length) : NULL;
  if (text)
    return g_strndup(text, length);
  g_autofree char *name = key ? reader_join(path, key) : g_strdup(path);
  if (node && fy_node_is_scalar(node))
    reader_error(reader, node, "'%s': wanted %s, not an empty value", name, wanted);
  else
    reader_error(reader, node, "'%s': wanted %s, not a list or mapping", name, wanted);
  return NULL;
}

char *reader_text(Reader *reader, struct fy_node *node, const char *path, const char *key,
                  const char *wanted)
{
  char *text = reader_key(reader, node, path, key, wanted);
  return text ? reader_expand(reader, node, text) : NULL;
}

bool reader_number(const char *text, double *out)
{
  char *end;
  if (!text[0] || g_ascii_isspace(text[0]))
    return false;
  *out = g_ascii_strtod(text, &end);
  return *end == '\0' && isfinite(*out);
}

/* A plain scalar that is no text in JSON. */
static bool reader_is_json(struct fy_node *node, const char *text)
{
  struct fy_token *token = fy_node_get_scalar_token(node);
  double number;
  if (!token || fy_token_scalar_style(token) != FYSS_PLAIN)
    return false;
  if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
    return true;
  const char *digits = text[0] == '-' ? text + 1 : text;
  bool one_spelling = g_ascii_isdigit(digits[0]) &&
                      !(digits[0] == '0' && g_ascii_isalnum(digits[1])) && !strpbrk(text, "xXpP") &&
                      text[strlen(text) - 1] != '.';
  return one_spelling && reader_number(text, &number);
}

static void reader_json(Reader *reader, struct fy_node *node, GString *out);

static void reader_json_map(Reader *reader, struct fy_node *node, GString *out)
{
  void *iter = NULL;
  const char *before = "";
  g_string_append_c(out, '{');
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(node, &iter); pair;
       pair = fy_node_mapping_iterate(node, &iter)) {
    size_t length = 0;
    const char *key =
        fy_node_pair_key(pair) ? fy_node_get_scalar(fy_node_pair_key(pair), &length) : NULL;
    g_string_append(out, before);
    jw_quote(out, key ? key : "", key ? length : 0);
    g_string_append(out, ": ");
    reader_json(reader, fy_node_pair_value(pair), out);
    before = ", ";
  }
  g_string_append_c(out, '}');
}

/* Recursion ends: a document has at most JOB_FILE_DEPTH_MAX levels. */
static void reader_json(Reader *reader, struct fy_node *node, GString *out)
{
  void *iter = NULL;
  const char *before = "";
  if (node && fy_node_is_mapping(node)) {
    reader_json_map(reader, node, out);
  } else if (reader_is_null(node)) {
    g_string_append(out, "null");
  } else if (fy_node_is_scalar(node)) {
    g_autofree char *text = reader_any(reader, node);
    if (reader_is_json(node, text))
      g_string_append(out, text);
    else
      jw_quote(out, text, strlen(text));
  } else {
    g_string_append_c(out, '[');
    for (struct fy_node *item = fy_node_sequence_iterate(node, &iter); item;
         item = fy_node_sequence_iterate(node, &iter)) {
      g_string_append(out, before);
      reader_json(reader, item, out);
      before = ", ";
    }
    g_string_append_c(out, ']');
  }
}

char *reader_any(Reader *reader, struct fy_node *node)
{
  if (fy_node_is_scalar(node)) {
    size_t length;
    const char *text = fy_node_get_scalar(node, &length);
    return reader_expand(reader, node, g_strndup(text ? text : "", text ? length : 0));
  }
  GString *out = g_string_new(NULL);
  reader_json(reader, node, out);
  return g_string_free(out, FALSE);
}

char *reader_path(const Reader *reader, const char *text)
{
  if (text[0] == '~' && (text[1] == '/' || !text[1])) {
    const char *home =
        reader->options->variable ? reader->options->variable("HOME", reader->options->data) : NULL;
    if (home)
      return g_build_filename(home, text + 1, NULL);
  }
  return g_canonicalize_filename(text,
                                 reader->options->directory ? reader->options->directory : "/");
}

char *reader_load(Reader *reader, struct fy_node *at, const char *what, const char *path,
                  size_t max)
{
  g_autoptr(GError) error = NULL;
  size_t length = 0;
  char *text = reader->options->read_file
                   ? reader->options->read_file(path, max, &length, reader->options->data, &error)
                   : NULL;
  if (!text)
    reader_error(reader, at, "%s: %s", what, error ? error->message : "cannot be read here");
  else if (!g_utf8_validate(text, (gssize)length, NULL)) {
    reader_error(reader, at, "%s '%s': not a UTF-8 text file", what, path);
    g_clear_pointer(&text, g_free);
  }
  return text;
}

#define AT(base, row, type) (*(type *)(void *)((char *)(base) + (row)->offset))

void row_text(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  g_autofree char *text = reader_text(reader, value, path, row->key, "text");
  if (!text)
    return;
  g_free(AT(base, row, char *));
  AT(base, row, char *) = g_steal_pointer(&text);
}

void row_bool(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  g_autofree char *text = reader_text(reader, value, path, row->key, "true or false");
  if (!text)
    return;
  bool yes = strcmp(text, "true") == 0, no = strcmp(text, "false") == 0;
  g_autofree char *name = yes || no ? NULL : reader_join(path, row->key);
  if (!yes && !no)
    reader_error(reader, value, "'%s': wanted true or false, not '%s'", name, text);
  else
    AT(base, row, bool) = yes;
}

/* A number within the row's range, or false after an error. */
static bool row_take_number(Reader *reader, const Row *row, struct fy_node *value, const char *path,
                            double *out)
{
  g_autofree char *seen = reader_any(reader, value);
  if (reader_number(seen, out) && *out >= row->low && *out <= row->high)
    return true;
  g_autofree char *name = reader_join(path, row->key);
  reader_error(reader, value, "'%s': wanted a number from %.10g to %.10g, not '%s'", name, row->low,
               row->high, seen);
  return false;
}

static bool row_take_whole(Reader *reader, const Row *row, struct fy_node *value, const char *path,
                           double *out)
{
  if (!row_take_number(reader, row, value, path, out))
    return false;
  if (*out == floor(*out))
    return true;
  g_autofree char *name = reader_join(path, row->key);
  reader_error(reader, value, "'%s': wanted a whole number, not %g", name, *out);
  return false;
}

void row_int(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  double number;
  if (row_take_whole(reader, row, value, path, &number))
    AT(base, row, int) = (int)number;
}

void row_count(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  double number;
  if (row_take_whole(reader, row, value, path, &number))
    AT(base, row, int64_t) = (int64_t)number;
}

void row_real(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  double number;
  if (row_take_number(reader, row, value, path, &number))
    AT(base, row, double) = number;
}

void row_seconds(Reader *reader, const Row *row, struct fy_node *value, void *base,
                 const char *path)
{
  g_autofree char *seen = reader_any(reader, value);
  double number = text_seconds(seen);
  if (number >= row->low && number <= row->high) {
    AT(base, row, int64_t) = (int64_t)(number * 1000 + 0.5);
    return;
  }
  g_autofree char *name = reader_join(path, row->key);
  reader_error(reader, value,
               "'%s': wanted seconds from %.10g to %.10g, as 5, 1.5s, 500ms or 2m, not '%s'", name,
               row->low, row->high, seen);
}

void row_memory(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  g_autofree char *text = reader_text(reader, value, path, row->key, "a size such as 512M");
  if (!text)
    return;
  if (!size_parse(text, &AT(base, row, int64_t))) {
    g_autofree char *name = reader_join(path, row->key);
    reader_error(reader, value, "'%s': wanted a size such as 512M or 2G, not '%s'", name, text);
  }
}

void row_words(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  if (!fy_node_is_sequence(value)) {
    g_autofree char *name = reader_join(path, row->key);
    reader_error(reader, value,
                 "'%s': wanted a list of words, as in [python3, server.py]; there is no shell",
                 name);
    return;
  }
  GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
  void *iter = NULL;
  for (struct fy_node *item = fy_node_sequence_iterate(value, &iter); item;
       item = fy_node_sequence_iterate(value, &iter)) {
    char *text = reader_text(reader, item, path, row->key, "words");
    if (text)
      g_ptr_array_add(words, text);
  }
  if (!fy_node_sequence_get_by_index(value, 0)) {
    g_autofree char *name = reader_join(path, row->key);
    reader_error(reader, value, "'%s': the list is empty", name);
  }
  g_ptr_array_add(words, NULL);
  g_strfreev(AT(base, row, char **));
  AT(base, row, char **) = (char **)g_ptr_array_free(words, FALSE);
}

static bool environment_is_name(const char *name)
{
  return name[0] && !strchr(name, '=');
}

/* {secret: NAME} or {file: PATH} in place of a text. */
static void environment_reference(Reader *reader, struct fy_node *value, const char *key,
                                  StrMap *map, const char *name)
{
  static const struct {
    const char *word;
    ValueFrom from;
  } kinds[] = {{"secret", VALUE_SECRET}, {"file", VALUE_FILE}};
  struct fy_node_pair *pair =
      fy_node_mapping_item_count(value) == 1 ? fy_node_mapping_get_by_index(value, 0) : NULL;
  g_autofree char *kind =
      pair ? reader_key(reader, fy_node_pair_key(pair), name, key, "secret or file") : NULL;
  for (guint i = 0; kind && i < G_N_ELEMENTS(kinds); i++) {
    if (strcmp(kind, kinds[i].word) != 0)
      continue;
    g_autofree char *text = reader_text(reader, fy_node_pair_value(pair), name, key,
                                        i ? "a path" : "the name of a secret");
    g_autofree char *path = text && i ? reader_path(reader, text) : NULL;
    if (text && !i && !text_is_name(text))
      reader_error(
          reader, value,
          "'%s.%s': '%s' is not the name of a secret; allowed: up to 64 letters, digits, '.', '_', '-'",
          name, key, text);
    else if (text)
      strmap_set_from(map, key, kinds[i].from, path ? path : text);
    return;
  }
  reader_error(reader, value, "'%s.%s': wanted text, {secret: NAME} or {file: PATH}", name, key);
}

void row_environment(Reader *reader, const Row *row, struct fy_node *value, void *base,
                     const char *path)
{
  StrMap *map = &AT(base, row, StrMap);
  if (!reader_is_map(reader, value, path, row->key, "a mapping of NAME: value"))
    return;
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(value, &iter); pair;
       pair = fy_node_mapping_iterate(value, &iter)) {
    struct fy_node *key_node = fy_node_pair_key(pair), *item = fy_node_pair_value(pair);
    g_autofree char *key = reader_key(reader, key_node, path, row->key, "a name");
    if (key && environment_is_name(key) && fy_node_is_mapping(item)) {
      g_autofree char *name = reader_join(path, row->key);
      environment_reference(reader, item, key, map, name);
      continue;
    }
    g_autofree char *text =
        reader_is_null(item) ? g_strdup("") : reader_text(reader, item, path, row->key, "text");
    if (!key || !text)
      continue;
    if (environment_is_name(key))
      strmap_set(map, key, text);
    else
      reader_error(reader, key_node, "'%s.%s': '%s' is not a name of a variable", path, row->key,
                   key);
  }
}

void row_enum(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  g_autofree char *text = reader_text(reader, value, path, row->key, "a word");
  if (!text)
    return;
  for (int i = 0; row->words[i]; i++)
    if (strcmp(row->words[i], text) == 0) {
      AT(base, row, int) = i;
      return;
    }
  g_autofree char *name = reader_join(path, row->key),
                  *allowed = g_strjoinv(", ", (char **)(uintptr_t)row->words);
  const char *nearest = problems_nearest(text, row->words);
  reader_error(reader, value, "'%s': unknown value '%s'; allowed: %s%s%s%s", name, text, allowed,
               nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

void row_rows(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  g_autofree char *name = reader_join(path, row->key);
  reader_mapping(reader, value, row->rows, (char *)base + row->offset, name);
}

void row_ignored(Reader *reader, const Row *row, struct fy_node *value, void *base,
                 const char *path)
{
  (void)base;
  g_autofree char *name = reader_join(path, row->key);
  reader_ignore(reader, value, name, row->help);
}
