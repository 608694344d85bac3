/* The way from bytes to a Job: limits first, then the parser, then the rows, then what only the
 * whole shows. */
#include "formats/job_reader.h"

#include "formats/job_tree.h"
#include "formats/reader.h"
#include "plan/plan.h"

static void reader_caller(Reader *reader)
{
  static const char *const names[] = {"HOME", "USER", "LOGNAME", "SHELL",
                                      "LANG", "TZ",   "PATH",    "VIRTUAL_ENV"};
  for (size_t i = 0; reader->options->variable && i < G_N_ELEMENTS(names); i++) {
    const char *value = reader->options->variable(names[i], reader->options->data);
    if (value)
      strmap_set(&reader->job->caller, names[i], value);
  }
}

static void reader_read(Reader *reader, struct fy_node *root)
{
  Job *job = reader->job;
  int before = reader->problems->errors;
  reader_mapping(reader, root, job_rows, job, "");
  if (!fy_node_is_mapping(root))
    return;
  if (!job->name && reader->problems->errors == before)
    reader_error(reader, root, "'job.name': missing");
  if (reader->agents)
    reader_agents(reader, reader->agents);
  else
    reader_error(reader, root, "'agents': missing");
  reader_topology(reader, reader->topology);
  reader_checks(reader);
  if (reader->problems->errors == before)
    plan_check_limits(job, reader->problems);
}

Job *job_read_all(const char *text, size_t length, const JobReadOptions *options,
                  Problems *problems)
{
  JobTree tree;
  if (!job_tree_open(&tree, text, length, options->file_name, problems))
    return NULL;
  g_autoptr(Job) job = job_new();
  job->directory = g_strdup(options->directory);
  AgentSpec *preset = agent_spec_new("");
  g_autoptr(GHashTable) ignored = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  Reader reader = {.options = options,
                   .problems = problems,
                   .job = job,
                   .ignored = ignored,
                   .health_default = preset->health};
  agent_spec_free(preset);
  reader_caller(&reader);
  reader_read(&reader, fy_document_root(tree.document));
  job_tree_close(&tree);
  if (options->strict)
    problems_make_strict(problems);
  return g_steal_pointer(&job);
}

Job *job_read(const char *text, size_t length, const JobReadOptions *options, Problems *problems)
{
  int before = problems->errors;
  g_autoptr(Job) job = job_read_all(text, length, options, problems);
  return problems->errors == before ? g_steal_pointer(&job) : NULL;
}
