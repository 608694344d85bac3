/* The keys of a job file at its top, as rows, and the reference made from all rows. */
#include "base/text.h"
#include "formats/reader.h"
#include "model/limit_words.h"

#include <stddef.h>
#include <string.h>

#define SECONDS_MAX 31536000.0

static const char *const failure_words[] = {"rollback", "stop", "keep", NULL};
static const char *const order_words[] = {"topology", "callees-first", NULL};

/* ---- the job ---- */

static void row_job_name(Reader *reader, const Row *row, struct fy_node *value, void *base,
                         const char *path)
{
  Job *job = base;
  row_text(reader, row, value, base, path);
  if (job->name && !text_is_name(job->name))
    reader_error(reader, value,
                 "'job.name': '%s' is not a name; allowed: up to 64 letters, digits, '.', '_', '-'",
                 job->name);
}

static void row_tags(Reader *reader, const Row *row, struct fy_node *value, void *base,
                     const char *path)
{
  char **words = NULL;
  Row local = *row;
  local.offset = 0;
  void *iter = NULL;
  if (fy_node_is_sequence(value) && !fy_node_sequence_iterate(value, &iter))
    return;
  row_words(reader, &local, value, &words, path);
  for (size_t i = 0; words && words[i]; i++)
    g_ptr_array_add(((Job *)base)->tags, g_strdup(words[i]));
  g_strfreev(words);
}

static const Row job_head_rows[] = {
    {.key = "name",
     .read = row_job_name,
     .offset = offsetof(Job, name),
     .type = "name",
     .help = "required; the deployment is called so"},
    {.key = "version",
     .read = row_text,
     .offset = offsetof(Job, version),
     .type = "text",
     .help = "of the job, for people"},
    {.key = "description",
     .read = row_text,
     .offset = offsetof(Job, description),
     .type = "text",
     .help = "for people"},
    {.key = "tags", .read = row_tags, .type = "list", .help = "for people"},
    ROWS_END};

static void row_health_check(Reader *reader, const Row *row, struct fy_node *value, void *base,
                             const char *path)
{
  (void)base;
  g_autofree char *name = reader_join(path, row->key);
  reader_mapping(reader, value, row->rows, &reader->health_default, name);
}

static const Row update_rows[] = {
    {.key = "max_unavailable",
     .read = row_int,
     .offset = offsetof(UpdateSpec, max_unavailable),
     .low = 1,
     .high = JOB_REPLICAS_MAX,
     .type = "number",
     .preset = "1",
     .help = "so many running agents of a stage are replaced at once"},
    {.key = "max_surge",
     .read = row_int,
     .offset = offsetof(UpdateSpec, max_surge),
     .low = 0,
     .high = JOB_REPLICAS_MAX,
     .type = "number",
     .preset = "1",
     .help =
         "an agent without port is given so many extra instances of the new kind first, so that none is "
         "missing; 0: it is replaced in place, as an agent with a port always is"},
    ROWS_END};

static void row_strategy(Reader *reader, const Row *row, struct fy_node *value, void *base,
                         const char *path)
{
  static const char *const words[] = {"staged", "parallel", "sequential", "top-down", NULL};
  int strategy = 0;
  Row local = *row;
  local.offset = 0;
  local.words = words;
  row_enum(reader, &local, value, &strategy, path);
  ((Job *)base)->parallel = strategy == 1;
  if (strategy == 2)
    reader_ignore(reader, value, "deployment.strategy: sequential",
                  "agents of a stage start in parallel");
}

static const Row deployment_rows[] = {
    {.key = "strategy",
     .read = row_strategy,
     .type = "staged, parallel, top-down",
     .preset = "staged",
     .help = "stages in order, agents of a stage in parallel, whatever is written"},
    {.key = "timeout",
     .read = row_seconds,
     .offset = offsetof(Job, timeout_ms),
     .low = 0.1,
     .high = SECONDS_MAX,
     .type = "seconds",
     .preset = "60",
     .help = "a stage must be healthy within it"},
    {.key = "health_check",
     .read = row_health_check,
     .rows = health_check_rows,
     .type = "mapping",
     .help = "defaults for agents without health"},
    {.key = "on_failure",
     .read = row_enum,
     .offset = offsetof(Job, on_failure),
     .words = failure_words,
     .type = "rollback, stop, keep",
     .preset = "rollback",
     .help =
         "what follows a failed stage: back to the former revision (a first deployment is stopped), stop everything, leave it"},
    {.key = "update",
     .read = row_rows,
     .rows = update_rows,
     .offset = offsetof(Job, update),
     .type = "mapping",
     .help = "how gently running agents are replaced"},
    {.key = "start_order",
     .read = row_enum,
     .offset = offsetof(Job, start_order),
     .words = order_words,
     .type = "topology, callees-first",
     .preset = "topology",
     .help = "callees-first starts those who are called before those who call"},
    {.key = "ssh",
     .read = row_ignored,
     .type = "mapping",
     .help = "ssh is not supported by this version"},
    {.key = "network", .read = row_ignored, .type = "mapping", .help = "firewalls are not touched"},
    ROWS_END};

static void row_entry_point(Reader *reader, const Row *row, struct fy_node *value, void *base,
                            const char *path)
{
  row_text(reader, row, value, base, path);
  reader->entry_point_pos = reader_pos(reader, value);
}

static const Row execution_rows[] = {
    {.key = "entry_point",
     .read = row_entry_point,
     .offset = offsetof(Job, entry_point),
     .type = "agent id",
     .help = "whom `reeve prompt` asks"},
    {.key = "auto_start",
     .read = row_bool,
     .offset = offsetof(Job, auto_start),
     .type = "true, false",
     .preset = "false",
     .help = "kept for people; `up` starts everything"},
    {.key = "routing",
     .read = row_ignored,
     .type = "mapping",
     .help = "Reeve does not route between agents"},
    {.key = "collaboration", .read = row_ignored, .type = "mapping", .help = "Reeve does not vote"},
    ROWS_END};

static void row_agents(Reader *reader, const Row *row, struct fy_node *value, void *base,
                       const char *path)
{
  (void)row;
  (void)base;
  (void)path;
  reader->agents = value; /* read last: defaults may stand below them in the file */
}

static void row_topology(Reader *reader, const Row *row, struct fy_node *value, void *base,
                         const char *path)
{
  (void)row;
  (void)base;
  (void)path;
  reader->topology = value;
}

const Row job_rows[] = {
    {.key = "job",
     .read = row_rows,
     .rows = job_head_rows,
     .type = "mapping",
     .help = "what the job is called"},
    {.key = "agents", .read = row_agents, .rows = agent_rows, .type = "list", .help = "what runs"},
    {.key = "topology",
     .read = row_topology,
     .rows = topology_rows,
     .type = "mapping",
     .help = "who is given whose URL, and in which order they start"},
    {.key = "deployment",
     .read = row_rows,
     .rows = deployment_rows,
     .type = "mapping",
     .help = "how it is brought up"},
    {.key = "execution",
     .read = row_rows,
     .rows = execution_rows,
     .type = "mapping",
     .help = "how it is used"},
    {.key = "environment",
     .read = row_environment,
     .offset = offsetof(Job, environment),
     .type = "mapping",
     .help = "variables of every agent"},
    {.key = "notify",
     .read = row_notify,
     .rows = notify_rows,
     .type = "mapping, or a list of them",
     .help = "webhooks that are told when the deployment fails, is degraded, has recovered"},
    {.key = "on_failure",
     .read = row_enum,
     .offset = offsetof(Job, on_failure),
     .words = failure_words,
     .type = "rollback, stop, keep",
     .help = "as deployment.on_failure"},
    {.key = "start_order",
     .read = row_enum,
     .offset = offsetof(Job, start_order),
     .words = order_words,
     .type = "topology, callees-first",
     .help = "as deployment.start_order"},
    ROWS_END};

/* ---- reference ---- */

static void schema_rows(GString *out, const Row *rows, const char *path)
{
  g_string_append_printf(out, "\n## %s\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
                         path[0] ? path : "The file");
  for (const Row *row = rows; row->key; row++)
    g_string_append_printf(out, "| `%s` | %s | %s | %s |\n", row->key, row->type ? row->type : "",
                           row->preset ? row->preset : "", row->help);
  for (const Row *row = rows; row->key; row++) {
    if (!row->rows)
      continue;
    g_autofree char *name = reader_join(path, row->key);
    g_autofree char *shown =
        strcmp(row->key, "agents") == 0 ? g_strdup("agents[]") : g_strdup(name);
    schema_rows(out, row->rows, shown);
  }
}

char *job_schema_markdown(void)
{
  GString *out = g_string_new(
      "# The job file\n\nYAML 1.2, or the same as JSON. Made from the rows of `src/formats/job_schema.c`; a test compares. Unknown "
      "keys are warned about with the nearest known one; `--strict` makes warnings errors. What a job may be is listed at the end, under Limits.\n\n"
      "In every value - not in keys - `${NAME}` stands for a variable of the caller. `${NAME:-text}` gives the text when it is not set or "
      "empty, `${NAME-text}` when it is not set; `${NAME:?message}` and `${NAME?message}` are errors then, with the message. `$${` is a "
      "literal `${`; every other dollar sign stays as it is, so that `$HOME` and `$$` reach a shell. "
      "What a variable gives is read as if it stood there: `replicas: ${N}` wants a number. Inside `{ }` and `[ ]` it needs quotes.\n\n"
      "Seconds are a number, or have a unit: `5`, `1.5s`, `500ms`, `2m`, `3h`, `1d`.\n\n"
      "Keys that begin with `x-` are yours: nobody reads them. A merge key (`<<: *base`) gives a mapping the keys that it does not have "
      "itself.\n\n"
      "An `env_file` has lines `NAME=value`, as shells, dotenv and Compose read them: `export` is allowed, of equal names the last counts, a "
      "value ends at its line or at a `#` behind a blank. In `'...'` everything is literal, `\"...\"` knows `\\n \\r \\t \\\" \\\\ \\$`, both "
      "may go over several lines. `${NAME}` is a name from further up in the file, or the caller's.\n");
  g_string_append(
      out,
      "\n## What an agent is given\n\n"
      "- **Variables**, later ones win: of the caller `HOME USER LOGNAME SHELL LANG TZ PATH VIRTUAL_ENV` and no others (name what else "
      "an agent needs: `environment: {HTTPS_PROXY: \"${HTTPS_PROXY:-}\"}`); `environment` of the job; `JOB_ID`, `AGENT_ID`, "
      "`AGENT_PORT`, `REEVE_REPLICA`; `AGENT_K` of each key of `config`; `CONNECTED_AGENTS`, `AGENT_PEERS_FILE`, `AGENT_ALLOWED_HOSTS`; "
      "`env_file`, `environment` and `deployment.environment` of the agent. In a job with the topology `dynamic`, several agents and a "
      "port among them, also `AGENT_REGISTRY_URL`, unless the job or the agent sets it.\n"
      "- **Standard input** is `/dev/null`: what reads it sees its end at once.\n"
      "- **umask** is 022, whatever the caller's is.\n"
      "- **Directory**: `working_dir`. Without one an agent with a `module` starts where the module lies: the directory of the job file, "
      "else the nearest above it, else the one in which `reeve` was called (`reeve plan` shows it). That is where Python looks for "
      "imports first. Others start in the directory of the job file.\n"
      "- Signals have their default actions, and no descriptor but 0, 1 and 2 is open.\n");
  schema_rows(out, job_rows, "");
  g_string_append(
      out,
      "\n## Stages and connections of each topology\n\n| type | stages | connections |\n|---|---|---|\n"
      "| `hub-spoke` | spokes, then hub | the hub is given every spoke |\n"
      "| `pipeline` | one after the other | each stage is given the next |\n"
      "| `dag` | by depth | `from` is given `to` |\n"
      "| `mesh` | one | each is given all others |\n"
      "| `hierarchical` | root, then level by level | each level is given the next; in a tree a parent its children |\n"
      "| `dynamic` | one | none: agents find each other in the registry (`AGENT_REGISTRY_URL`) |\n\n"
      "To be given an agent means to have its URL in `CONNECTED_AGENTS`. Agents that the topology leaves out are started in the "
      "last stage, under `dag` in the first, and are warned about.\n"
      "\n## Limits\n\n`reeve validate`, `plan`, `up` and the API refuse what is above with the same words: what has so many, how many, "
      "and the most. What agents are given is counted with the longest ports and names that it can have.\n\n");
  g_autofree char *limits = limits_markdown();
  g_string_append(out, limits);
  return g_string_free(out, FALSE);
}
