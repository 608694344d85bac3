/* The keys of a job file, as rows: the only place that knows them. */
#include "base/text.h"
#include "formats/agent_file.h"
#include "formats/reader.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

enum { ENV_FILE_MAX = 1024 * 1024, AGENT_FILE_MAX = 1024 * 1024 };

#define END                                                                                                                                \
  {                                                                                                                                        \
    .key = NULL                                                                                                                            \
  }
#define SECONDS_MAX 31536000.0

static const char *const kind_words[] = {"service", "batch", NULL};
static const char *const policy_words[] = {"never", "on-failure", "always", NULL};
static const char *const failure_words[] = {"rollback", "stop", "keep", NULL};
static const char *const order_words[] = {"topology", "callees-first", NULL};
static const char *const target_words[] = {"localhost", "remote", "container", "kubernetes", NULL};

/* ---- health ---- */

static void row_health_http(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  HealthSpec *health = base;
  row_text(reader, row, value, base, path);
  health->kind = HEALTH_HTTP;
  if (health->path && health->path[0] != '/')
    reader_error(reader, value, "'%s.http': a path begins with '/', not '%s'", path, health->path);
}

static void row_health_tcp(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  bool on = false;
  Row flag = *row;
  flag.offset = 0;
  row_bool(reader, &flag, value, &on, path);
  if (on)
    ((HealthSpec *)base)->kind = HEALTH_TCP;
}

static void row_health_exec(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  row_words(reader, row, value, base, path);
  ((HealthSpec *)base)->kind = HEALTH_EXEC;
}

#define HEALTH_TIMES                                                                                                                       \
  {.key = "interval",                                                                                                                      \
   .read = row_seconds,                                                                                                                    \
   .offset = offsetof(HealthSpec, interval_ms),                                                                                            \
   .low = 0.1,                                                                                                                             \
   .high = 86400,                                                                                                                          \
   .type = "seconds",                                                                                                                      \
   .preset = "30",                                                                                                                         \
   .help = "time between probes of a healthy agent; while it starts they come at 10 ms, doubling up to this"},                             \
      {.key = "timeout",                                                                                                                   \
       .read = row_seconds,                                                                                                                \
       .offset = offsetof(HealthSpec, timeout_ms),                                                                                         \
       .low = 0.001,                                                                                                                       \
       .high = 3600,                                                                                                                       \
       .type = "seconds",                                                                                                                  \
       .preset = "5",                                                                                                                      \
       .help = "one probe may take so long"},                                                                                              \
  {                                                                                                                                        \
    .key = "retries", .read = row_int, .offset = offsetof(HealthSpec, retries), .low = 1, .high = 100, .type = "number", .preset = "3",    \
    .help = "failed probes in a row before a healthy agent is unhealthy and restarted"                                                     \
  }

static const Row health_rows[] = {{.key = "http",
                                   .read = row_health_http,
                                   .offset = offsetof(HealthSpec, path),
                                   .type = "path",
                                   .help = "GET of this path on the agent's port answers 2xx"},
                                  {.key = "tcp", .read = row_health_tcp, .type = "true", .help = "the agent's port accepts a connection"},
                                  {.key = "exec",
                                   .read = row_health_exec,
                                   .offset = offsetof(HealthSpec, argv),
                                   .type = "list of words",
                                   .help = "this command ends with status 0"},
                                  HEALTH_TIMES,
                                  {.key = "start_period",
                                   .read = row_seconds,
                                   .offset = offsetof(HealthSpec, start_period_ms),
                                   .low = 0,
                                   .high = 86400,
                                   .type = "seconds",
                                   .preset = "0",
                                   .help = "failures within this time after a start do not count"},
                                  END};

/* ---- restart, stop, resources ---- */

static const Row restart_rows[] = {{.key = "policy",
                                    .read = row_enum,
                                    .offset = offsetof(RestartSpec, policy),
                                    .words = policy_words,
                                    .type = "never, on-failure, always",
                                    .preset = "on-failure",
                                    .help = "which ends of a process are followed by a new start"},
                                   {.key = "max",
                                    .read = row_int,
                                    .offset = offsetof(RestartSpec, max),
                                    .low = -1,
                                    .high = 1000000,
                                    .type = "number",
                                    .preset = "3",
                                    .help = "restarts in a row before the agent is failed; -1 = no limit"},
                                   {.key = "delay",
                                    .read = row_seconds,
                                    .offset = offsetof(RestartSpec, delay_ms),
                                    .low = 0,
                                    .high = 86400,
                                    .type = "seconds",
                                    .preset = "1",
                                    .help = "before the first restart; doubles with each"},
                                   {.key = "max_delay",
                                    .read = row_seconds,
                                    .offset = offsetof(RestartSpec, max_delay_ms),
                                    .low = 0,
                                    .high = 86400,
                                    .type = "seconds",
                                    .preset = "60",
                                    .help = "the delay grows up to this"},
                                   {.key = "stable",
                                    .read = row_seconds,
                                    .offset = offsetof(RestartSpec, stable_ms),
                                    .low = 0,
                                    .high = 86400,
                                    .type = "seconds",
                                    .preset = "60",
                                    .help = "up so long: counter and delay begin anew"},
                                   END};

static void row_signal(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  static const struct {
    const char *name;
    int number;
  } names[] = {{"TERM", SIGTERM}, {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"HUP", SIGHUP},
               {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"KILL", SIGKILL}};
  (void)row;
  g_autofree char *text = reader_text(reader, value, path, "a signal");
  const char *name = text && g_str_has_prefix(text, "SIG") ? text + 3 : text;
  double number;
  for (size_t i = 0; name && i < G_N_ELEMENTS(names); i++)
    if (strcmp(name, names[i].name) == 0) {
      ((StopSpec *)base)->signal = names[i].number;
      return;
    }
  if (text && reader_number(value, &number) && number >= 1 && number <= 64)
    ((StopSpec *)base)->signal = (int)number;
  else if (text)
    reader_error(reader, value, "'%s.signal': unknown signal '%s'; allowed: TERM, INT, QUIT, HUP, USR1, USR2, KILL or a number", path,
                 text);
}

static const Row stop_rows[] = {{.key = "signal",
                                 .read = row_signal,
                                 .type = "TERM, INT, QUIT, HUP, USR1, USR2, KILL",
                                 .preset = "TERM",
                                 .help = "first signal, to the whole process group"},
                                {.key = "grace",
                                 .read = row_seconds,
                                 .offset = offsetof(StopSpec, grace_ms),
                                 .low = 0,
                                 .high = 86400,
                                 .type = "seconds",
                                 .preset = "10",
                                 .help = "then the whole process tree is killed"},
                                END};

static const Row resource_rows[] = {
    {.key = "cpu",
     .read = row_real,
     .offset = offsetof(ResourceSpec, cpu),
     .low = 0,
     .high = 100000,
     .type = "cores",
     .help = "limit, where control groups permit"},
    {.key = "memory", .read = row_memory, .offset = offsetof(ResourceSpec, memory_bytes), .type = "size", .help = "limit, as 512M or 2G"},
    {.key = "pids",
     .read = row_count,
     .offset = offsetof(ResourceSpec, pids),
     .low = 1,
     .high = 4194304,
     .type = "number",
     .help = "limit of processes and threads"},
    {.key = "gpu", .read = row_ignored, .type = "number", .help = "GPUs are not assigned by this version"},
    END};

/* ---- agents ---- */

static void row_kept(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  row_text(reader, row, value, base, path);
}

static void row_target(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  AgentSpec *agent = base;
  int target = TARGET_LOCALHOST;
  Row local = *row;
  local.offset = 0;
  row_enum(reader, &local, value, &target, path);
  agent->target = (AgentTarget)target;
  if (target != TARGET_LOCALHOST)
    reader_error(reader, value, "'%s.target': '%s' is not supported by this version; allowed: localhost", path, target_words[target]);
}

#define KEPT(name, field, text)                                                                                                            \
  {                                                                                                                                        \
    .key = name, .read = row_kept, .offset = offsetof(AgentSpec, field), .type = "text", .help = text                                      \
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
    {.key = "password", .read = row_ignored, .type = "text", .help = "passwords in job files are not used; use keys"},
    {.key = "port",
     .read = row_int,
     .offset = offsetof(AgentSpec, ssh_port),
     .low = 1,
     .high = 65535,
     .type = "port",
     .help = "of ssh, target remote"},
    END};

static void row_config(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  AgentSpec *agent = base;
  (void)row;
  if (!fy_node_is_mapping(value)) {
    reader_error(reader, value, "'%s.config': wanted a mapping of keys", path);
    return;
  }
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(value, &iter); pair; pair = fy_node_mapping_iterate(value, &iter)) {
    struct fy_node *item = fy_node_pair_value(pair);
    g_autofree char *key = reader_text(reader, fy_node_pair_key(pair), path, "a name");
    double number;
    if (!key || !item)
      continue;
    g_autofree char *text = reader_any(item);
    if (strcmp(key, "port") != 0)
      strmap_set(&agent->config, key, text);
    else if (strcmp(text, "auto") == 0)
      agent->port = PORT_AUTO;
    else if (reader_number(item, &number) && number >= 1 && number <= 65535)
      agent->port = (int)number;
    else
      reader_error(reader, item, "'%s.config.port': wanted a number from 1 to 65535 or auto, not '%s'", path, text);
  }
}

static void row_working_dir(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  AgentSpec *agent = base;
  row_text(reader, row, value, base, path);
  if (!agent->working_dir)
    return;
  char *absolute = reader_path(reader, agent->working_dir);
  g_free(agent->working_dir);
  agent->working_dir = absolute;
}

/* One line KEY=VALUE of an env file; quotes around a value are taken off. */
static void env_file_line(Reader *reader, struct fy_node *at, AgentSpec *agent, const char *file, int number, char *line)
{
  g_strstrip(line);
  if (!line[0] || line[0] == '#')
    return;
  char *equals = strchr(line, '=');
  if (!equals || equals == line) {
    reader_error(reader, at, "env_file '%s' line %d: wanted NAME=value", file, number);
    return;
  }
  *equals = '\0';
  char *value = g_strstrip(equals + 1);
  size_t length = strlen(value);
  if (length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0]) {
    value[length - 1] = '\0';
    value++;
  }
  g_strstrip(line);
  if (!strmap_get(&agent->environment, line)) /* what the job says itself wins */
    strmap_set(&agent->environment, line, value);
}

static char *reader_load(Reader *reader, struct fy_node *at, const char *what, const char *path, size_t max)
{
  g_autoptr(GError) error = NULL;
  size_t length = 0;
  char *text = reader->options->read_file ? reader->options->read_file(path, max, &length, reader->options->data, &error) : NULL;
  if (!text)
    reader_error(reader, at, "%s: %s", what, error ? error->message : "cannot be read here");
  return text;
}

static void row_env_file(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  (void)row;
  g_autofree char *name = reader_text(reader, value, path, "a file name");
  g_autofree char *file = name ? reader_path(reader, name) : NULL;
  g_autofree char *text = file ? reader_load(reader, value, "env_file", file, ENV_FILE_MAX) : NULL;
  if (!text)
    return;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (int i = 0; lines[i]; i++)
    env_file_line(reader, value, base, file, i + 1, lines[i]);
}

static void row_agent_file(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  AgentSpec *agent = base;
  (void)row;
  g_autofree char *name = reader_text(reader, value, path, "a file name");
  if (!name)
    return;
  g_free(agent->agent_file);
  agent->agent_file = reader_path(reader, name);
  agent->agent_text = reader_load(reader, value, "agent file", agent->agent_file, AGENT_FILE_MAX);
  if (!agent->agent_text)
    return;
  AgentFile *file = agent_file_read(agent->agent_text, strlen(agent->agent_text), agent->agent_file, reader->problems);
  if (agent->port == PORT_NONE)
    agent->port = file && file->port > 0 ? file->port : PORT_AUTO;
  agent_file_free(file);
}

static const Row reeve_rows[] = {
    {.key = "agent", .read = row_agent_file, .type = "file", .help = "agent.toml or agent.json, served by `reeve agent serve`"}, END};

static const Row agent_rows[] = {
    {.key = "id", .read = row_kept, .offset = offsetof(AgentSpec, id), .type = "name", .help = "required; unique in the job"},
    {.key = "type", .read = row_kept, .offset = offsetof(AgentSpec, type), .type = "text", .help = "class in the module; checked to exist"},
    {.key = "module",
     .read = row_kept,
     .offset = offsetof(AgentSpec, module),
     .type = "dotted name",
     .help = "run as python3 -m; one of module, command, reeve is required"},
    {.key = "command",
     .read = row_words,
     .offset = offsetof(AgentSpec, command),
     .type = "list of words",
     .help = "run as it is, without a shell"},
    {.key = "reeve", .read = row_rows, .rows = reeve_rows, .type = "mapping", .help = "run Reeve's own agent server"},
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
    {.key = "config", .read = row_config, .type = "mapping", .help = "port: a number or auto; every key K reaches the agent as AGENT_K"},
    {.key = "health",
     .read = row_rows,
     .offset = offsetof(AgentSpec, health),
     .rows = health_rows,
     .type = "mapping",
     .help = "how its health is seen; without it /.well-known/agent-configuration, /.well-known/agent-card.json and /health are tried"},
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
    {.key = "working_dir",
     .read = row_working_dir,
     .offset = offsetof(AgentSpec, working_dir),
     .type = "directory",
     .preset = "that of the job file",
     .help = "where it is started"},
    {.key = "user",
     .read = row_kept,
     .offset = offsetof(AgentSpec, user),
     .type = "user name",
     .help = "run as this user; Reeve must run as root"},
    {.key = "env_file", .read = row_env_file, .type = "file", .help = "lines NAME=value, read when the job is; environment wins over it"},
    {.key = "environment",
     .read = row_environment,
     .offset = offsetof(AgentSpec, environment),
     .type = "mapping",
     .help = "variables; ${VAR} and ${VAR:-default} are the caller's, $$ is a dollar sign"},
    {.key = "deployment", .read = row_rows, .rows = agent_deployment_rows, .type = "mapping", .help = "where it runs"},
    END};

static void reader_check_agent(Reader *reader, struct fy_node *node, const AgentSpec *agent, const char *path)
{
  int ways = (agent->module != NULL) + (agent->command && agent->command[0]) + (agent->agent_file != NULL);
  if (ways != 1)
    reader_error(reader, node, "agent '%s': %s of module, command, reeve", agent->id, ways ? "more than one" : "none");
  if (!text_is_name(agent->id))
    reader_error(reader, node, "'%s.id': '%s' is not a name; allowed: up to 64 letters, digits, '.', '_', '-'", path, agent->id);
  if (agent->port > 0 && agent->port + agent->replicas - 1 > 65535)
    reader_error(reader, node, "agent '%s': its last replica would have port %d", agent->id, agent->port + agent->replicas - 1);
  if (agent->port > 0 && agent->port < 1024)
    reader_warn(reader, node, "agent '%s': port %d needs root", agent->id, agent->port);
  if ((agent->health.kind == HEALTH_HTTP || agent->health.kind == HEALTH_TCP) && agent->port == PORT_NONE)
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
  for (struct fy_node *item = fy_node_sequence_iterate(node, &iter); item; item = fy_node_sequence_iterate(node, &iter), i++) {
    char path[40];
    g_snprintf(path, sizeof path, "agents[%d]", i);
    AgentSpec *agent = agent_spec_new("");
    agent->health = reader->health_default;
    agent->pos = reader_pos(reader, item);
    reader_mapping(reader, item, agent_rows, agent, path);
    if (!agent->id[0]) {
      reader_error(reader, item, "'%s.id': missing", path);
      agent_spec_free(agent);
      continue;
    }
    reader_check_agent(reader, item, agent, path);
    if (!job_add_agent(reader->job, agent)) {
      reader_error(reader, item, "agent '%s' is there twice", agent->id);
      agent_spec_free(agent);
    }
  }
  if (i == 0)
    reader_error(reader, node, "'agents': the list is empty");
}

/* ---- the job ---- */

static void row_job_name(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  Job *job = base;
  row_text(reader, row, value, base, path);
  if (job->name && !text_is_name(job->name))
    reader_error(reader, value, "'job.name': '%s' is not a name; allowed: up to 64 letters, digits, '.', '_', '-'", job->name);
}

static void row_tags(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
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
    {.key = "name", .read = row_job_name, .offset = offsetof(Job, name), .type = "name", .help = "required; the deployment is called so"},
    {.key = "version", .read = row_text, .offset = offsetof(Job, version), .type = "text", .help = "of the job, for people"},
    {.key = "description", .read = row_text, .offset = offsetof(Job, description), .type = "text", .help = "for people"},
    {.key = "tags", .read = row_tags, .type = "list", .help = "for people"},
    END};

static void row_health_check(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  (void)base;
  g_autofree char *name = reader_join(path, row->key);
  reader_mapping(reader, value, row->rows, &reader->health_default, name);
}

static void row_health_enabled(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  bool enabled = true;
  Row local = *row;
  local.offset = 0;
  row_bool(reader, &local, value, &enabled, path);
  if (!enabled)
    ((HealthSpec *)base)->kind = HEALTH_NONE;
}

static const Row health_check_rows[] = {{.key = "enabled",
                                         .read = row_health_enabled,
                                         .type = "true, false",
                                         .preset = "true",
                                         .help = "false: an agent is healthy when it stays up"},
                                        HEALTH_TIMES,
                                        END};

static void row_strategy(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  static const char *const words[] = {"staged", "parallel", "sequential", "top-down", NULL};
  int strategy = 0;
  Row local = *row;
  local.offset = 0;
  local.words = words;
  row_enum(reader, &local, value, &strategy, path);
  ((Job *)base)->parallel = strategy == 1;
  if (strategy == 2)
    reader_warn(reader, value, "not honoured: '%s.strategy: sequential' (agents of a stage start in parallel)", path);
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
     .help = "what follows a failed stage: back to the former revision (a first deployment is stopped), stop everything, leave it"},
    {.key = "start_order",
     .read = row_enum,
     .offset = offsetof(Job, start_order),
     .words = order_words,
     .type = "topology, callees-first",
     .preset = "topology",
     .help = "callees-first starts those who are called before those who call"},
    {.key = "ssh", .read = row_ignored, .type = "mapping", .help = "ssh is not supported by this version"},
    {.key = "network", .read = row_ignored, .type = "mapping", .help = "firewalls are not touched"},
    END};

static void row_entry_point(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
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
    {.key = "routing", .read = row_ignored, .type = "mapping", .help = "Reeve does not route between agents"},
    {.key = "collaboration", .read = row_ignored, .type = "mapping", .help = "Reeve does not vote"},
    END};

static void row_agents(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  (void)row;
  (void)base;
  (void)path;
  reader->agents = value; /* read last: defaults may stand below them in the file */
}

static void row_topology(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  (void)row;
  (void)base;
  (void)path;
  reader->topology = value;
}

const Row job_rows[] = {
    {.key = "job", .read = row_rows, .rows = job_head_rows, .type = "mapping", .help = "what the job is called"},
    {.key = "agents", .read = row_agents, .rows = agent_rows, .type = "list", .help = "what runs"},
    {.key = "topology", .read = row_topology, .type = "mapping", .help = "who is given whose URL, and in which order they start"},
    {.key = "deployment", .read = row_rows, .rows = deployment_rows, .type = "mapping", .help = "how it is brought up"},
    {.key = "execution", .read = row_rows, .rows = execution_rows, .type = "mapping", .help = "how it is used"},
    {.key = "environment",
     .read = row_environment,
     .offset = offsetof(Job, environment),
     .type = "mapping",
     .help = "variables of every agent"},
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
    END};

/* ---- reference ---- */

static void schema_rows(GString *out, const Row *rows, const char *path)
{
  g_string_append_printf(out, "\n## %s\n\n| key | value | default | meaning |\n|---|---|---|---|\n", path[0] ? path : "The file");
  for (const Row *row = rows; row->key; row++)
    g_string_append_printf(out, "| `%s` | %s | %s | %s |\n", row->key, row->type ? row->type : "", row->preset ? row->preset : "",
                           row->help);
  for (const Row *row = rows; row->key; row++) {
    if (!row->rows)
      continue;
    g_autofree char *name = reader_join(path, row->key);
    g_autofree char *shown = strcmp(row->key, "agents") == 0 ? g_strdup("agents[]") : g_strdup(name);
    schema_rows(out, row->rows, shown);
  }
}

char *job_schema_markdown(void)
{
  GString *out = g_string_new(
      "# The job file\n\nYAML 1.2, or the same as JSON. Made from the rows of `src/formats/job_schema.c`; a test compares. Unknown "
      "keys are warned about with the nearest known one; `--strict` makes warnings errors. Limits: 8 MiB, 64 levels, 100 aliases.\n");
  schema_rows(out, job_rows, "");
  g_string_append(out, "\n## topology\n\n| type | keys | stages | connections |\n|---|---|---|---|\n"
                       "| `hub-spoke` | `hub`, `spokes: [ids]` | spokes, then hub | hub is given every spoke |\n"
                       "| `pipeline` | `stages: [id or [ids], ...]` | one after the other | each stage is given the next |\n"
                       "| `dag` | `connections: [{from, to: id or [ids]}]` | by depth | `from` is given `to` |\n"
                       "| `mesh` | `agents: [ids]` | one | each is given all others |\n"
                       "| `hierarchical` | `root`, `levels: [[ids], ...]` or `levels: [{parent, children: [ids]}]` | root, then level by "
                       "level | each level is given "
                       "the next; with parent and children, the parent its children |\n"
                       "| `dynamic` | none | one | none |\n");
  return g_string_free(out, FALSE);
}
