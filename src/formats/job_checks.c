/* What only the whole job shows: ports that clash, an entry point that does not exist. */
#include "formats/expand.h"
#include "formats/reader.h"

#include <string.h>

static void checks_ports(Reader *reader)
{
  g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL); /* port -> agent id */
  for (guint i = 0; i < reader->job->agents->len; i++) {
    const AgentSpec *agent = job_agent(reader->job, i);
    PortClash clash;
    if (!job_take_ports(reader->job, i, taken, &clash) && clash.other) /* the reader of the agent knows which ports there are */
      problems_add(reader->problems, PROBLEM_ERROR, agent->pos, "agent '%s': port %d is also the port of agent '%s'", agent->id, clash.port,
                   clash.other);
  }
}

typedef struct ChecksAgent {
  Reader *reader;
  AgentSpec *agent;
} ChecksAgent;

/* What an agent file asks for is what the agent will find in its environment; what is only the caller's goes there. */
static const char *checks_variable(const char *name, void *data)
{
  const ChecksAgent *of = data;
  const JobReadOptions *options = of->reader->options;
  const StrMap *maps[] = {&of->agent->environment, &of->reader->job->environment};
  for (guint i = 0; i < G_N_ELEMENTS(maps); i++)
    if (strmap_has(maps[i], name)) /* the value of a secret is known when the agent starts */
      return strmap_get(maps[i], name) ? strmap_get(maps[i], name) : "";
  const char *value = options->variable ? options->variable(name, options->data) : NULL;
  if (expand_is_given(name))
    return "";
  if (value)
    strmap_set(&of->agent->environment, name, value);
  return value;
}

static void checks_variables(Reader *reader)
{
  for (guint i = 0; i < reader->job->agents->len; i++) {
    ChecksAgent of = {reader, reader->job->agents->pdata[i]};
    const char *text = of.agent->agent_text;
    if (text)
      g_free(expand_text(text, strlen(text), of.agent->agent_file, checks_variable, &of, reader->problems));
  }
}

void reader_checks(Reader *reader)
{
  checks_ports(reader);
  checks_variables(reader);
  const char *entry = reader->job->entry_point;
  if (entry && job_find_agent(reader->job, entry) < 0)
    reader_unknown_agent(reader, reader->entry_point_pos, "execution.entry_point", entry);
}
