/* Rows of one agent, and what an agent as a whole must be. */
#include "base/text.h"
#include "formats/env_file.h"
#include "formats/reader.h"
#include "model/limit_words.h"

#include <stddef.h>
#include <string.h>

static const char *const kind_words[] = {"service", "batch", NULL};
static const char *const target_words[] = {"localhost", "remote", "container", "kubernetes", NULL};

static void row_target(Reader *reader, const Row *row, struct fy_node *value, void *base,
                       const char *path)
{
  AgentSpec *agent = base;
  int target = TARGET_LOCALHOST;
  Row local = *row;
  local.offset = 0;
  row_enum(reader, &local, value, &target, path);
  agent->target = (AgentTarget)target;
  if (target != TARGET_LOCALHOST)
    reader_error(reader, value,
                 "'%s.target': '%s' is not supported by this version; allowed: localhost", path,
                 target_words[target]);
}

#define KEPT(name, field, text)                                                          \
  {                                                                                      \
    .key = name, .read = row_text, .offset = offsetof(AgentSpec, field), .type = "text", \
    .help = text                                                                         \
  }

static const Row agent_deployment_rows[] = {
    {.key = "target",
     .read = row_target,
     .words = target_words,
     .type = "localhost",
     .preset = "localhost",
     .help = "where it runs; remote, container and kubernetes are refused by this version"},
    {.key = "environment",
     .read = row_environment,
     .offset = offsetof(AgentSpec, environment),
     .type = "mapping",
     .help = "variables of this agent; override all others"},
    KEPT("host", host, "of target remote"),
    KEPT("user", ssh_user, "of target remote"),
    KEPT("ssh_key", ssh_key, "of target remote"),
    KEPT("python", python, "interpreter of module"),
    KEPT("workdir", workdir, "of target remote"),
    KEPT("image", image, "of target container"),
    KEPT("network", network, "of target container"),
    KEPT("container_name", container_name, "of target container"),
    KEPT("namespace", k8s_namespace, "of target kubernetes"),
    KEPT("service_type", service_type, "of target kubernetes"),
    {.key = "password",
     .read = row_ignored,
     .type = "text",
     .help = "passwords in job files are not used; use keys"},
    {.key = "port",
     .read = row_int,
     .offset = offsetof(AgentSpec, ssh_port),
     .low = 1,
     .high = 65535,
     .type = "port",
     .help = "of ssh, target remote"},
    ROWS_END};

static void config_port(Reader *reader, AgentSpec *agent, struct fy_node *value, const char *text,
                        const char *path)
{
  double number;
  if (strcmp(text, "auto") == 0)
    agent->port = PORT_AUTO;
  else if (reader_number(text, &number) && number >= 1 && number <= 65535 && number == (int)number)
    agent->port = (int)number;
  else
    reader_error(reader, value,
                 "'%s.config.port': wanted a number from 1 to 65535 or auto, not '%s'", path, text);
}

/* Do two keys of a config become the same variable, or one of those that Reeve sets? */
static void config_clash(Reader *reader, const AgentSpec *agent, struct fy_node *at,
                         const char *key, const char *path)
{
  static const char *const ours[] = {"AGENT_ID", "AGENT_PORT", "AGENT_PEERS_FILE",
                                     "AGENT_PEER_KEY"};
  g_autofree char *variable = job_config_variable(key);
  for (guint i = 0; i < strmap_size(&agent->config); i++) {
    g_autofree char *other = job_config_variable(strmap_at(&agent->config, i)->key);
    if (strcmp(variable, other) == 0)
      reader_error(reader, at, "'%s.config': '%s' and '%s' both become the variable %s", path,
                   strmap_at(&agent->config, i)->key, key, variable);
  }
  for (guint i = 0; i < G_N_ELEMENTS(ours); i++)
    if (strcmp(variable, ours[i]) == 0)
      reader_warn(
          reader, at,
          "'%s.config': '%s' becomes the variable %s, which Reeve sets too; name it otherwise",
          path, key, variable);
}

static void row_config(Reader *reader, const Row *row, struct fy_node *value, void *base,
                       const char *path)
{
  AgentSpec *agent = base;
  if (!reader_is_map(reader, value, path, row->key, "a mapping of keys"))
    return;
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(value, &iter); pair;
       pair = fy_node_mapping_iterate(value, &iter)) {
    struct fy_node *item = fy_node_pair_value(pair);
    g_autofree char *key = reader_key(reader, fy_node_pair_key(pair), path, row->key, "a name");
    g_autofree char *text = item ? reader_any(reader, item) : g_strdup("");
    if (key && strcmp(key, "port") == 0)
      config_port(reader, agent, item, text, path);
    else if (key) {
      config_clash(reader, agent, fy_node_pair_key(pair), key, path);
      strmap_set(&agent->config, key, text);
    }
  }
}

static void row_working_dir(Reader *reader, const Row *row, struct fy_node *value, void *base,
                            const char *path)
{
  AgentSpec *agent = base;
  row_text(reader, row, value, base, path);
  if (!agent->working_dir)
    return;
  char *absolute = reader_path(reader, agent->working_dir);
  g_free(agent->working_dir);
  agent->working_dir = absolute;
}

typedef struct EnvFileAt {
  Reader *reader;
  struct fy_node *at; /* that names the file */
  const char *file;
} EnvFileAt;

static const char *env_file_variable(const char *name, void *data)
{
  const JobReadOptions *options = ((const EnvFileAt *)data)->reader->options;
  return options->variable ? options->variable(name, options->data) : NULL;
}

static void env_file_wrong(int line, const char *what, void *data)
{
  const EnvFileAt *it = data;
  reader_error(it->reader, it->at, "env_file '%s' line %d: %s", it->file, line, what);
}

static void row_env_file(Reader *reader, const Row *row, struct fy_node *value, void *base,
                         const char *path)
{
  AgentSpec *agent = base;
  g_autofree char *name = reader_text(reader, value, path, row->key, "a file name");
  g_autofree char *file = name ? reader_path(reader, name) : NULL;
  g_autofree char *text =
      file ? reader_load(reader, value, "env_file", file, JOB_NAMED_FILE_BYTES_MAX) : NULL;
  if (!text)
    return;
  EnvFileAt it = {reader, value, file};
  StrMap pairs;
  strmap_init(&pairs);
  env_file_read(
      text, &(EnvFileReader){.variable = env_file_variable, .wrong = env_file_wrong, .data = &it},
      &pairs);
  limit_holds(LIMIT_JOB_FILE_MAP, strmap_size(&pairs), reader->problems, reader_pos(reader, value),
              "env_file '%s'", file);
  for (guint i = 0; i < MIN(strmap_size(&pairs), JOB_FILE_MAP_MAX); i++)
    /* what the job says itself wins */
    if (!strmap_has(&agent->environment, strmap_at(&pairs, i)->key))
      strmap_set(&agent->environment, strmap_at(&pairs, i)->key, strmap_at(&pairs, i)->value);
  strmap_done(&pairs);
}

/* An agent with a health of its own is looked at, even where deployment.health_check is off; the
 * times of that block stay the defaults. */
static void row_health(Reader *reader, const Row *row, struct fy_node *value, void *base,
                       const char *path)
{
  ((AgentSpec *)base)->health.kind = HEALTH_DISCOVER;
  row_rows(reader, row, value, base, path);
}

const Row agent_rows[] = {
    {.key = "id",
     .read = row_text,
     .offset = offsetof(AgentSpec, id),
     .type = "name",
     .help = "required; unique in the job"},
    {.key = "type",
     .read = row_text,
     .offset = offsetof(AgentSpec, type),
     .type = "text",
     .help = "class in the module; checked to exist"},
    {.key = "module",
     .read = row_text,
     .offset = offsetof(AgentSpec, module),
     .type = "dotted name",
     .help = "run as python3 -m; one of module, command, reeve is required"},
    {.key = "command",
     .read = row_words,
     .offset = offsetof(AgentSpec, command),
     .type = "list of words",
     .help = "run as it is, without a shell"},
    {.key = "reeve",
     .read = row_reeve,
     .rows = reeve_rows,
     .type = "mapping",
     .help = "run Reeve's own agent server"},
    {.key = "kind",
     .read = row_enum,
     .offset = offsetof(AgentSpec, kind),
     .words = kind_words,
     .type = "service, batch",
     .preset = "service",
     .help = "a batch agent is ready when it exited 0 and is not started again"},
    {.key = "replicas",
     .read = row_int,
     .offset = offsetof(AgentSpec, replicas),
     .low = 1,
     .high = JOB_REPLICAS_MAX,
     .type = "number",
     .preset = "1",
     .help = "replica k of a fixed port p listens on p + k"},
    {.key = "config",
     .read = row_config,
     .type = "mapping",
     .help = "port: a number or auto; every key K reaches the agent as AGENT_K"},
    {.key = "health",
     .read = row_health,
     .offset = offsetof(AgentSpec, health),
     .rows = health_rows,
     .type = "mapping",
     .help =
         "how its health is seen; without it /.well-known/agent-configuration, /.well-known/agent-card.json and /health are tried"},
    {.key = "restart",
     .read = row_rows,
     .offset = offsetof(AgentSpec, restart),
     .rows = restart_rows,
     .type = "mapping",
     .help = "what follows the end of its process"},
    {.key = "stop",
     .read = row_rows,
     .offset = offsetof(AgentSpec, stop),
     .rows = stop_rows,
     .type = "mapping",
     .help = "how it is stopped"},
    {.key = "resources",
     .read = row_rows,
     .offset = offsetof(AgentSpec, resources),
     .rows = resource_rows,
     .type = "mapping",
     .help = "limits"},
    {.key = "schedule",
     .read = row_schedule,
     .offset = offsetof(AgentSpec, schedule),
     .rows = schedule_rows,
     .type = "mapping",
     .help = "when a batch agent runs; without it once, when it is brought up"},
    {.key = "working_dir",
     .read = row_working_dir,
     .offset = offsetof(AgentSpec, working_dir),
     .type = "directory",
     .preset = "see above",
     .help = "where it is started"},
    {.key = "user",
     .read = row_text,
     .offset = offsetof(AgentSpec, user),
     .type = "user name",
     .help =
         "run as this user, with its HOME, USER, LOGNAME and SHELL unless environment sets them; Reeve must run as root"},
    {.key = "env_file",
     .read = row_env_file,
     .type = "file",
     .help = "lines NAME=value, read when the job is; environment wins over it"},
    {.key = "environment",
     .read = row_environment,
     .offset = offsetof(AgentSpec, environment),
     .type = "mapping",
     .help =
         "variables; {secret: NAME} and {file: PATH} in place of a text are fetched when the agent starts"},
    {.key = "deployment",
     .read = row_rows,
     .rows = agent_deployment_rows,
     .type = "mapping",
     .help = "where it runs"},
    ROWS_END};

static void reader_check_agent(Reader *reader, struct fy_node *node, const AgentSpec *agent,
                               const char *path)
{
  static const char *const keys[] = {"module", "command", "reeve"};
  int ways = 0; /* as written: a value that was refused is no second error */
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
    ways += fy_node_is_mapping(node) &&
            !reader_is_null(fy_node_mapping_lookup_by_string(node, keys[i], FY_NT));
  if (ways != 1)
    reader_error(reader, node, "agent '%s': %s of module, command, reeve", agent->id,
                 ways ? "more than one" : "none");
  if (!text_is_name(agent->id))
    reader_error(reader, node,
                 "'%s.id': '%s' is not a name; allowed: up to 64 letters, digits, '.', '_', '-'",
                 path, agent->id);
  if (agent->port > 0 && agent->port + agent->replicas - 1 > 65535)
    reader_error(reader, node, "agent '%s': its last replica would have port %d", agent->id,
                 agent->port + agent->replicas - 1);
  if (agent->port > 0 && agent->port < 1024)
    reader_warn(reader, node, "agent '%s': port %d needs root", agent->id, agent->port);
  if (agent->schedule.set &&
      (agent->kind != AGENT_BATCH || agent->replicas != 1 || agent->port != PORT_NONE))
    reader_error(reader, node, "agent '%s': a schedule needs kind: batch, one replica and no port",
                 agent->id);
  if (agent->health.start_period_ms >= reader->job->timeout_ms)
    reader_warn(
        reader, node,
        "agent '%s': its start_period of %.10g s is not within deployment.timeout (%.10g s), by which it must be healthy",
        agent->id, (double)agent->health.start_period_ms / 1000,
        (double)reader->job->timeout_ms / 1000);
  if ((agent->health.kind == HEALTH_HTTP || agent->health.kind == HEALTH_TCP) &&
      agent->port == PORT_NONE)
    reader_error(reader, node, "agent '%s': a probe by http or tcp needs config.port", agent->id);
}

void reader_agents(Reader *reader, struct fy_node *node)
{
  if (!fy_node_is_sequence(node)) {
    reader_error(reader, node, "'agents': wanted a list of agents");
    return;
  }
  void *iter = NULL;
  int i = 0;
  if (!limit_holds(LIMIT_JOB_AGENTS, fy_node_sequence_item_count(node), reader->problems,
                   reader_pos(reader, node), "'agents'"))
    return;
  for (struct fy_node *item = fy_node_sequence_iterate(node, &iter); item;
       item = fy_node_sequence_iterate(node, &iter), i++) {
    char path[40];
    g_snprintf(path, sizeof path, "agents[%d]", i);
    AgentSpec *agent = agent_spec_new("");
    agent->health = reader->health_default;
    agent->pos = reader_pos(reader, item);
    reader_mapping(reader, item, agent_rows, agent, path);
    if (agent->schedule.set && !fy_node_by_path(item, "restart", FY_NT, FYNWF_DONT_FOLLOW))
      /* its next time is its next try, unless it is asked for more */
      agent->restart.policy = RESTART_NEVER;
    reader_agent_file(reader, item, agent);
    if (!agent->id[0]) {
      reader_error(reader, item, "'%s.id': missing", path);
      agent_spec_free(agent);
      continue;
    }
    reader_check_agent(reader, item, agent, path);
    if (!job_add_agent(reader->job, agent)) {
      reader_error(reader, item, "duplicate agent id '%s'", agent->id);
      agent_spec_free(agent);
    }
  }
  if (i == 0)
    reader_error(reader, node, "'agents': the list is empty");
}
