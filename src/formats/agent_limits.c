/* Reads [resources] and [deployment]: what an agent may use, and how it wants to be kept alive; and
 * folds it into a job's agent. */
#include "formats/agent_reader.h"
#include "formats/size.h"

enum { SECONDS_MAX = 86400 };

static void limits_flag(AgentReader *reader, const json_t *section, const char *key, int *out)
{
  const json_t *value = json_object_get(section, key);
  if (json_is_boolean(value))
    *out = json_is_true(value);
  else if (value)
    agent_wanted(reader, key, "true or false");
}

static void limits_memory(AgentReader *reader, const json_t *resources)
{
  const json_t *value = json_object_get(resources, "memory_limit");
  AgentFile *out = reader->out;
  if (json_is_integer(value) && json_integer_value(value) > 0)
    out->memory_bytes = json_integer_value(value);
  else if (value &&
           !(json_is_string(value) && size_parse(json_string_value(value), &out->memory_bytes)))
    agent_wanted(reader, "resources.memory_limit", "a size such as 512MB or 2GB");
}

static void limits_resources(AgentReader *reader, const json_t *resources)
{
  static const char *const known[] = {"timeout",      "max_concurrent_requests", "cpu_limit",
                                      "memory_limit", "health_check_interval",   NULL};
  AgentFile *out = reader->out;
  out->timeout_ms = agent_ms(reader, resources, "timeout", 0.001, SECONDS_MAX);
  out->max_concurrent_requests =
      (int)agent_number(reader, resources, "max_concurrent_requests", 1, 10000);
  out->cpu_limit = agent_number(reader, resources, "cpu_limit", 0.01, 100000);
  out->health_interval_ms = agent_ms(reader, resources, "health_check_interval", 0.1, SECONDS_MAX);
  limits_memory(reader, resources);
  agent_ignored(reader, resources, "resources", known);
}

static void limits_deployment(AgentReader *reader, const json_t *deployment)
{
  /* auto_start is for the agents directory, which reads it itself */
  static const char *const known[] = {"port",         "auto_start",    "auto_restart",
                                      "max_restarts", "restart_delay", NULL};
  AgentFile *out = reader->out;
  out->port = (int)agent_number(reader, deployment, "port", 0, 65535);
  limits_flag(reader, deployment, "auto_restart", &out->auto_restart);
  if (json_object_get(deployment, "max_restarts"))
    out->max_restarts = (int)agent_number(reader, deployment, "max_restarts", -1, 1000000);
  if (json_object_get(deployment, "restart_delay"))
    out->restart_delay_ms = agent_ms(reader, deployment, "restart_delay", 0, SECONDS_MAX);
  agent_ignored(reader, deployment, "deployment", known);
}

void agent_limits(AgentReader *reader, const json_t *root)
{
  AgentFile *out = reader->out;
  out->auto_restart = AGENT_NOT_SET;
  out->max_restarts = AGENT_NOT_SET;
  out->restart_delay_ms = AGENT_NOT_SET;
  limits_resources(reader, json_object_get(root, "resources"));
  limits_deployment(reader, json_object_get(root, "deployment"));
}

static void fold_restart(const AgentFile *file, RestartSpec *restart)
{
  if (file->auto_restart != AGENT_NOT_SET)
    restart->policy = file->auto_restart ? RESTART_ON_FAILURE : RESTART_NEVER;
  if (file->max_restarts != AGENT_NOT_SET)
    restart->max = file->max_restarts;
  if (file->restart_delay_ms != AGENT_NOT_SET)
    restart->delay_ms = file->restart_delay_ms;
  restart->max_delay_ms = MAX(restart->max_delay_ms, restart->delay_ms);
}

void agent_file_fold(const AgentFile *file, bool has_restart, bool has_health, AgentSpec *agent)
{
  /* as the agents directory does */
  if (file->api_key_secret && !strmap_has(&agent->environment, file->api_key_secret))
    strmap_set_from(&agent->environment, file->api_key_secret, VALUE_SECRET, file->api_key_secret);
  if (agent->port == PORT_NONE)
    agent->port = file->port > 0 ? file->port : PORT_AUTO;
  if (agent->resources.memory_bytes == 0)
    agent->resources.memory_bytes = file->memory_bytes;
  if (agent->resources.cpu <= 0)
    agent->resources.cpu = file->cpu_limit;
  if (!has_restart)
    fold_restart(file, &agent->restart);
  if (!has_health && file->health_interval_ms)
    agent->health.interval_ms = file->health_interval_ms;
}
