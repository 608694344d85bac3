/* Owns what the server makes of an agent file: variables, auto_start, digests. The rest of the file
 * is checked by the reader that `agent serve` uses. */
#include "base/json.h"
#include "base/text.h"
#include "formats/expand.h"
#include "formats/toml_shim.h"
#include "server/agents.h"

#include <stdlib.h>
#include <string.h>

typedef struct DefReader {
  AgentDef *def;
  const char *text, *file;
  FormatVarFn variable;
  void *data;
  Problems *problems;
} DefReader;

void agent_def_free(AgentDef *def)
{
  if (!def)
    return;
  agent_file_free(def->file);
  g_free(def->text);
  g_free(def->sha256);
  g_free(def->md5);
  strmap_done(&def->variables);
  g_free(def);
}

/* Remembers which variables the file uses: they become part of the agent's environment. What Reeve
 * sets itself is known, but not yet what.
 */
static const char *def_variable(const char *name, void *data)
{
  DefReader *reader = data;
  const char *value = reader->variable(name, reader->data);
  if (expand_is_given(name))
    return "";
  if (value)
    strmap_set(&reader->def->variables, name, value);
  return value;
}

static json_t *def_parse_json(DefReader *reader, const char *text)
{
  json_error_t at;
  json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &at);
  if (!root)
    problems_add(reader->problems, PROBLEM_ERROR,
                 (SourcePos){reader->file, at.line, MAX(at.column, 1)}, "%s", at.text);
  return root;
}

static json_t *def_parse(DefReader *reader, const char *text)
{
  if (text[strspn(text, " \t\r\n")] == '{')
    return def_parse_json(reader, text);
  int line = 1, column = 1;
  char *message = NULL, *json = toml_to_json(text, strlen(text), &line, &column, &message);
  if (!json)
    problems_add(reader->problems, PROBLEM_ERROR, (SourcePos){reader->file, line, column}, "%s",
                 message);
  json_t *root = json ? json_loads(json, 0, NULL) : NULL;
  free(json);
  free(message);
  return root;
}

/* ---- the whole ---- */

static void def_auto_start(DefReader *reader, const json_t *deployment)
{
  const json_t *value = json_object_get(deployment, "auto_start");
  reader->def->auto_start = json_is_true(value);
  if (value && !json_is_boolean(value))
    problems_add(reader->problems, PROBLEM_ERROR,
                 expand_locate(reader->text, reader->file, "deployment", "auto_start"),
                 "'deployment.auto_start': wanted true or false");
}

/* Problems about values come without a place: the message begins with the quoted key, which is
 * looked for. */
static SourcePos def_place(const DefReader *reader, const Problem *problem)
{
  if (problem->line > 0)
    return (SourcePos){reader->file, problem->line, problem->column};
  g_auto(GStrv) parts = g_strsplit(problem->message, "'", 3);
  if (g_strv_length(parts) < 3)
    return (SourcePos){reader->file, 1, 1};
  char *dot = strrchr(parts[1], '.');
  if (dot)
    *dot = '\0';
  return expand_locate(reader->text, reader->file, dot ? parts[1] : NULL, dot ? dot + 1 : parts[1]);
}

static void def_check(DefReader *reader, const char *expanded)
{
  g_autoptr(Problems) found = problems_new();
  reader->def->file = agent_file_read(expanded, strlen(expanded), reader->file, found);
  for (guint i = 0; i < found->items->len; i++) {
    const Problem *problem = found->items->pdata[i];
    problems_add(reader->problems, problem->severity, def_place(reader, problem), "%s",
                 problem->message);
  }
  const char *name = reader->def->file ? reader->def->file->name : NULL;
  if (name && !text_is_name(name))
    problems_add(
        reader->problems, PROBLEM_ERROR, expand_locate(reader->text, reader->file, NULL, "name"),
        "name '%s': wanted up to 64 letters, digits, '.', '_', '-', a letter or digit first", name);
}

/* A JSON file without a name has that of its directory. */
static void def_name(DefReader *reader, json_t *root, const char *dir_name, char **expanded)
{
  const json_t *nested = json_object_get(root, "agent");
  if (reader->text[strspn(reader->text, " \t\r\n")] != '{' || json_object_get(root, "name") ||
      json_object_get(nested, "name"))
    return;
  json_t *raw = json_loads(reader->text, 0, NULL); /* without the values of variables */
  json_t *const both[] = {raw, root};
  for (guint i = 0; i < G_N_ELEMENTS(both); i++) {
    json_t *agent = json_object_get(both[i], "agent");
    json_object_set_new(json_is_object(agent) ? agent : both[i], "name", json_string(dir_name));
  }
  char *text = json_dumps(raw, JSON_INDENT(2)), *filled = json_dumps(root, JSON_COMPACT);
  g_free(reader->def->text);
  reader->def->text = g_strdup(text);
  g_free(*expanded);
  *expanded = g_strdup(filled);
  free(text);
  free(filled);
  json_decref(raw);
}

static void def_read(DefReader *reader, size_t length, const char *dir_name)
{
  if (length > AGENTS_FILE_BYTES_MAX || memchr(reader->text, '\0', length) ||
      !g_utf8_validate(reader->text, (gssize)length, NULL)) {
    problems_add(reader->problems, PROBLEM_ERROR, (SourcePos){reader->file, 1, 1},
                 length > AGENTS_FILE_BYTES_MAX ? "file is larger than 1 MiB"
                                                : "not a UTF-8 text file");
    return;
  }
  g_autofree char *expanded =
      expand_text(reader->text, length, reader->file, def_variable, reader, reader->problems);
  json_t *root = expanded ? def_parse(reader, expanded) : NULL;
  if (root && !json_is_object(root))
    problems_add(reader->problems, PROBLEM_ERROR, (SourcePos){reader->file, 1, 1},
                 "wanted an object with the agent's keys");
  if (json_is_object(root)) {
    def_name(reader, root, dir_name, &expanded);
    def_auto_start(reader, json_object_get(root, "deployment"));
    def_check(reader, expanded);
  }
  json_decref(root);
}

AgentDef *agent_def_read(const char *text, size_t length, const char *file, const char *dir_name,
                         FormatVarFn variable, void *data, Problems *problems)
{
  AgentDef *def = g_new0(AgentDef, 1);
  def->text = g_strndup(text, length);
  def->sha256 = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, length);
  def->md5 = g_compute_checksum_for_data(G_CHECKSUM_MD5, (const guchar *)text, length);
  strmap_init(&def->variables);
  const char *plain = text_behind_bom(text);
  DefReader reader = {.def = def,
                      .text = plain,
                      .file = file,
                      .variable = variable,
                      .data = data,
                      .problems = problems};
  int before = problems->errors;
  def_read(&reader, length - (size_t)(plain - text), dir_name);
  if (problems->errors == before)
    return def;
  agent_def_free(def);
  return NULL;
}
