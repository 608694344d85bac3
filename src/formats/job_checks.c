/* What only the whole job shows: ports that clash, an entry point that does not exist. */
#include "formats/reader.h"

#include <string.h>

static void checks_ports(Reader *reader)
{
  g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL); /* port -> agent id */
  for (guint i = 0; i < reader->job->agents->len; i++) {
    const AgentSpec *agent = job_agent(reader->job, i);
    PortClash clash;
    /* the reader of the agent knows which ports there are */
    if (!job_take_ports(reader->job, i, taken, &clash) && clash.other)
      problems_add(reader->problems, PROBLEM_ERROR, agent->pos,
                   "agent '%s': port %d is also the port of agent '%s'", agent->id, clash.port,
                   clash.other);
  }
}

void reader_checks(Reader *reader)
{
  checks_ports(reader);
  const char *entry = reader->job->entry_point;
  if (entry && job_find_agent(reader->job, entry) < 0)
    reader_unknown_agent(reader, reader->entry_point_pos, "execution.entry_point", entry);
}
