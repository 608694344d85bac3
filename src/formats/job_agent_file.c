/* The row `reeve: {agent: FILE}`: the file is read as the agent will read it, with the environment
 * that it will have, so that what is wrong with it is said before anything starts. */
#include "formats/agent_file.h"
#include "formats/expand.h"
#include "formats/reader.h"

#include <stddef.h>
#include <string.h>

typedef struct FileOf {
  Reader *reader;
  AgentSpec *agent;
  char *unknown; /* the last name whose value comes later, as it is written */
} FileOf;

/* What an agent file asks for is what the agent will find in its environment; what is only the
 * caller's goes there. A value that is known when the agent starts stays as it is written. */
static const char *file_variable(const char *name, void *data)
{
  FileOf *of = data;
  const JobReadOptions *options = of->reader->options;
  const StrMap *maps[] = {&of->agent->environment, &of->reader->job->environment};
  const char *value = options->variable ? options->variable(name, options->data) : NULL;
  bool known = false;
  for (guint i = 0; i < G_N_ELEMENTS(maps) && !known; i++)
    if ((known = strmap_has(maps[i], name)) && strmap_get(maps[i], name))
      return strmap_get(maps[i], name);
  if (known || expand_is_given(name)) {
    g_free(of->unknown);
    of->unknown = g_strdup_printf("${%s}", name);
    return of->unknown;
  }
  if (value)
    strmap_set(&of->agent->environment, name, value);
  return value;
}

void reader_agent_file(Reader *reader, struct fy_node *node, AgentSpec *agent)
{
  if (!agent->agent_text)
    return;
  FileOf of = {reader, agent, NULL};
  g_autofree char *expanded = expand_text(agent->agent_text, strlen(agent->agent_text),
                                          agent->agent_file, file_variable, &of, reader->problems);
  /* with an unknown name: the rest may have mistakes of its own */
  const char *text = expanded ? expanded : agent->agent_text;
  g_free(of.unknown);
  AgentFile *file = agent_file_read(text, strlen(text), agent->agent_file, reader->problems);
  if (!file)
    return;
  bool has_restart = fy_node_by_path(node, "restart", FY_NT, FYNWF_DONT_FOLLOW) != NULL;
  bool has_health = fy_node_by_path(node, "health", FY_NT, FYNWF_DONT_FOLLOW) != NULL;
  agent_file_fold(file, has_restart, has_health, agent);
  for (guint i = 0; i < file->not_honoured->len; i++) {
    g_autofree char *name = g_strdup_printf("%s: %s", agent->id,
                                            (const char *)g_ptr_array_index(file->not_honoured, i));
    reader_note_ignored(reader, name);
  }
  agent_file_free(file);
}

static void row_agent_file(Reader *reader, const Row *row, struct fy_node *value, void *base,
                           const char *path)
{
  AgentSpec *agent = base;
  g_autofree char *name = reader_text(reader, value, path, row->key, "a file name");
  if (!name)
    return;
  g_free(agent->agent_file);
  agent->agent_file = reader_path(reader, name);
  agent->agent_text =
      reader_load(reader, value, "agent file", agent->agent_file, JOB_NAMED_FILE_BYTES_MAX);
}

const Row reeve_rows[] = {{.key = "agent",
                           .read = row_agent_file,
                           .type = "file",
                           .help = "agent.toml or agent.json, served by `reeve agent serve`"},
                          ROWS_END};

void row_reeve(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  int before = reader->problems->errors;
  row_rows(reader, row, value, base, path);
  if (!((AgentSpec *)base)->agent_file && reader->problems->errors == before)
    reader_error(reader, value, "'%s.%s.agent': missing", path, row->key);
}
