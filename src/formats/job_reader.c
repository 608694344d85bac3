/* The way from bytes to a Job: limits first, then the parser, then the rows, then what only the whole shows. */
#include "formats/job_reader.h"

#include "formats/reader.h"

#include <stdlib.h>
#include <string.h>

static SourcePos job_pos(const JobReadOptions *options, int line, int column)
{
  return (SourcePos){.file = options->file_name, .line = line, .column = column};
}

static void job_problem(Problems *problems, SourcePos pos, const char *what)
{
  problems_add(problems, PROBLEM_ERROR, pos, "%s", what);
}

/* Line and column of byte @at. */
static SourcePos job_pos_of(const JobReadOptions *options, const char *text, size_t at)
{
  int line = 1, column = 1;
  for (size_t i = 0; i < at; i++) {
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n';
  }
  return job_pos(options, line, column);
}

/* Deepest nesting that brackets and indentation could mean; counts every level, so it never allows more than the parser will see. */
static bool job_too_deep(const char *text, size_t length)
{
  int flow = 0, most = 0;
  size_t indent = 0, dashes = 0;
  bool start = true;
  for (size_t i = 0; i < length; i++) {
    char c = text[i];
    if (c == '\n') {
      start = true;
      indent = dashes = 0;
    } else if (start && (c == ' ' || c == '-')) {
      indent++;
      dashes += c == '-' && i + 1 < length && text[i + 1] == ' ';
      if (dashes > JOB_FILE_DEPTH_MAX)
        return true;
    } else {
      start = false;
      flow += (c == '{' || c == '[') - ((c == '}' || c == ']') && flow > 0);
      most = MAX(most, flow);
    }
    if (most > JOB_FILE_DEPTH_MAX || indent > 8 * JOB_FILE_DEPTH_MAX)
      return true;
  }
  return false;
}

/* An alias is '*' where a value may stand. */
static int job_aliases(const char *text, size_t length)
{
  int n = 0;
  for (size_t i = 1; i + 1 < length; i++)
    n += text[i] == '*' && strchr(" \n[,:", text[i - 1]) && g_ascii_isalnum(text[i + 1]);
  return n;
}

/* What must hold before a parser may look at it. */
static bool job_check_bytes(const char *text, size_t length, const JobReadOptions *options, Problems *problems)
{
  const char *bad;
  size_t used = 0;
  while (used < length && g_ascii_isspace(text[used]))
    used++;
  if (length > JOB_FILE_BYTES_MAX)
    job_problem(problems, job_pos(options, 0, 0), "file is larger than 8 MiB");
  else if (used == length)
    job_problem(problems, job_pos(options, 1, 1), "file is empty; wanted keys job and agents");
  else if (memchr(text, '\0', length))
    job_problem(problems, job_pos_of(options, text, (size_t)((const char *)memchr(text, '\0', length) - text)),
                "NUL byte: this is not a text file");
  else if (!g_utf8_validate(text, (gssize)length, &bad))
    job_problem(problems, job_pos_of(options, text, (size_t)(bad - text)), "not valid UTF-8");
  else if (job_too_deep(text, length))
    job_problem(problems, job_pos(options, 1, 1), "nested deeper than 64 levels");
  else if (job_aliases(text, length) > JOB_FILE_ALIASES_MAX)
    job_problem(problems, job_pos(options, 1, 1), "more than 100 aliases");
  else
    return true;
  return false;
}

static void job_parser_errors(struct fy_diag *diag, const JobReadOptions *options, Problems *problems)
{
  void *iter = NULL;
  bool any = false;
  for (struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter); e; e = fy_diag_errors_iterate(diag, &iter)) {
    problems_add(problems, PROBLEM_ERROR, job_pos(options, MAX(e->line, 1), MAX(e->column, 1)), "%s", e->msg);
    any = true;
  }
  if (!any)
    job_problem(problems, job_pos(options, 1, 1), "not YAML");
}

static struct fy_document *job_parse(const char *text, size_t length, const JobReadOptions *options, Problems *problems)
{
  struct fy_diag_cfg diag_config;
  fy_diag_cfg_default(&diag_config);
  diag_config.colorize = false;
  struct fy_diag *diag = fy_diag_create(&diag_config);
  fy_diag_set_collect_errors(diag, true);
  bool aliases = memchr(text, '*', length) != NULL;
  struct fy_parse_cfg config = {.flags = FYPCF_QUIET | (aliases ? FYPCF_RESOLVE_DOCUMENT : 0), .diag = diag};
  struct fy_document *document = fy_document_build_from_string(&config, text, length);
  if (!document)
    job_parser_errors(diag, options, problems);
  fy_diag_destroy(diag);
  return document;
}

static void reader_caller(Reader *reader)
{
  static const char *const names[] = {"HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "PATH", "VIRTUAL_ENV"};
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
}

Job *job_read(const char *text, size_t length, const JobReadOptions *options, Problems *problems)
{
  int before = problems->errors;
  if (!job_check_bytes(text, length, options, problems))
    return NULL;
  struct fy_document *document = job_parse(text, length, options, problems);
  if (!document)
    return NULL;
  g_autoptr(Job) job = job_new();
  job->directory = g_strdup(options->directory);
  AgentSpec *preset = agent_spec_new("");
  Reader reader = {.options = options, .problems = problems, .job = job, .health_default = preset->health};
  agent_spec_free(preset);
  struct fy_node *root = fy_document_root(document);
  reader_caller(&reader);
  if (root)
    reader_read(&reader, root);
  else
    job_problem(problems, job_pos(options, 1, 1), "file is empty; wanted keys job and agents");
  fy_document_destroy(document);
  if (options->strict)
    problems_make_strict(problems);
  return problems->errors == before ? g_steal_pointer(&job) : NULL;
}
