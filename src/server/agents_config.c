/* Owns the rows of the deployment block; see agents_config.h. */
#include "server/agents_config.h"

#include "base/error.h"
#include "base/json.h"
#include "formats/expand.h"

#include <math.h>
#include <string.h>

typedef struct ConfigReader {
  AgentsConfig *config;
  const char *text, *file, *base_dir;
  Problems *problems;
} ConfigReader;

typedef struct ConfigRow ConfigRow;
typedef void (*ConfigFn)(ConfigReader *reader, const ConfigRow *row, const json_t *value);
struct ConfigRow {
  const char *key;
  ConfigFn read;
  size_t offset;
  double low, high;
};

static void config_wanted(ConfigReader *reader, const ConfigRow *row, const char *wanted)
{
  SourcePos pos = expand_locate(reader->text, reader->file, "deployment", row->key);
  problems_add(reader->problems, PROBLEM_ERROR, pos, "'deployment.%s': wanted %s", row->key,
               wanted);
}

static void config_flag(ConfigReader *reader, const ConfigRow *row, const json_t *value)
{
  bool *out = (bool *)((char *)reader->config + row->offset);
  if (json_is_boolean(value))
    *out = json_is_true(value);
  else
    config_wanted(reader, row, "true or false");
}

static bool config_in_range(ConfigReader *reader, const ConfigRow *row, const json_t *value,
                            bool whole)
{
  if (json_is_number(value) && json_number_value(value) >= row->low &&
      json_number_value(value) <= row->high && (!whole || json_is_integer(value)))
    return true;
  g_autofree char *wanted =
      g_strdup_printf("a %snumber from %g to %g", whole ? "whole " : "", row->low, row->high);
  config_wanted(reader, row, wanted);
  return false;
}

static void config_int(ConfigReader *reader, const ConfigRow *row, const json_t *value)
{
  int *out = (int *)(void *)((char *)reader->config + row->offset);
  if (config_in_range(reader, row, value, true))
    *out = (int)json_integer_value(value);
}

static void config_seconds(ConfigReader *reader, const ConfigRow *row, const json_t *value)
{
  int64_t *out = (int64_t *)(void *)((char *)reader->config + row->offset);
  if (config_in_range(reader, row, value, false))
    *out = llround(json_number_value(value) * 1000);
}

static void config_text(ConfigReader *reader, const ConfigRow *row, const json_t *value)
{
  char **out = (char **)(void *)((char *)reader->config + row->offset);
  if (!json_is_string(value) || !*json_string_value(value)) {
    config_wanted(reader, row, "text");
    return;
  }
  g_free(*out);
  *out = g_strdup(json_string_value(value));
}

/* Names of variables, each whole or with a '*' at its end. */
static void config_names(ConfigReader *reader, const ConfigRow *row, const json_t *value)
{
  GPtrArray **out = (GPtrArray **)(void *)((char *)reader->config + row->offset);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  bool ok = json_is_array(value);
  for (size_t i = 0; ok && i < json_array_size(value); i++) {
    const char *name = json_string_value(json_array_get(value, i));
    size_t n =
        name ? strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") : 0;
    ok = name && *name && (name[n] == '\0' || g_str_equal(name + n, "*"));
    if (ok)
      g_ptr_array_add(names, g_strdup(name));
  }
  if (ok)
    *out = g_steal_pointer(&names);
  else
    config_wanted(reader, row, "a list of names of variables, 'NAME' or 'PREFIX*'");
}

static void config_directory(ConfigReader *reader, const ConfigRow *row, const json_t *value)
{
  config_text(reader, row, value);
  char *relative = reader->config->directory;
  if (!relative)
    return;
  reader->config->directory = g_canonicalize_filename(relative, reader->base_dir);
  g_free(relative);
}

static void config_ignored(ConfigReader *reader, const ConfigRow *row, const json_t *value)
{
  (void)value;
  g_ptr_array_add(reader->config->not_honoured, g_strdup_printf("deployment.%s", row->key));
  problems_add(reader->problems, PROBLEM_WARNING,
               expand_locate(reader->text, reader->file, "deployment", row->key),
               "not honoured: 'deployment.%s' (this version reaches no other servers)", row->key);
}

#define FIELD(name) offsetof(AgentsConfig, name)

static const ConfigRow config_rows[] = {
    {"enabled", config_flag, FIELD(enabled), 0, 0},
    {"host", config_text, FIELD(host), 0, 0},
    {"api_port", config_int, FIELD(api_port), 1, 65535},
    {"base_port", config_int, FIELD(base_port), 1, 65535},
    {"max_agents", config_int, FIELD(max_agents), 1, 10000},
    {"health_check_interval", config_seconds, FIELD(health_interval_ms), 0.1, 86400},
    {"restart_on_failure", config_flag, FIELD(restart_on_failure), 0, 0},
    {"max_restarts", config_int, FIELD(max_restarts), 0, 1000000},
    {"auto_discover_port", config_flag, FIELD(auto_discover_port), 0, 0},
    {"default_model", config_text, FIELD(default_model), 0, 0},
    {"default_model_url", config_text, FIELD(default_model_url), 0, 0},
    {"agents_directory", config_directory, FIELD(directory), 0, 0},
    {"agent_variables", config_names, FIELD(variables), 0, 0},
    {"remote_servers", config_ignored, 0, 0, 0},
};

bool agents_config_may_read(const AgentsConfig *config, const char *name)
{
  if (!config->variables)
    return !g_str_has_prefix(name, "REEVE_"); /* the server's own: its token, its directories */
  for (guint i = 0; i < config->variables->len; i++) {
    const char *allowed = config->variables->pdata[i];
    size_t n = strcspn(allowed, "*");
    if (allowed[n] ? strncmp(name, allowed, n) == 0 : strcmp(name, allowed) == 0)
      return true;
  }
  return false;
}

AgentsConfig *agents_config_new(void)
{
  AgentsConfig *config = g_new0(AgentsConfig, 1);
  *config = (AgentsConfig){.enabled = true,
                           .host = g_strdup("localhost"),
                           .base_port = AGENTS_PORT_BASE,
                           .max_agents = AGENTS_MAX,
                           .health_interval_ms = 30000,
                           .restart_on_failure = true,
                           .max_restarts = 3,
                           .auto_discover_port = true,
                           .not_honoured = g_ptr_array_new_with_free_func(g_free)};
  return config;
}

void agents_config_free(AgentsConfig *config)
{
  if (!config)
    return;
  g_free(config->host);
  g_free(config->directory);
  if (config->variables)
    g_ptr_array_unref(config->variables);
  g_free(config->default_model);
  g_free(config->default_model_url);
  g_ptr_array_unref(config->not_honoured);
  g_free(config);
}

static void config_unknown(ConfigReader *reader, const char *key)
{
  const char *names[G_N_ELEMENTS(config_rows) + 1] = {NULL};
  for (guint i = 0; i < G_N_ELEMENTS(config_rows); i++)
    names[i] = config_rows[i].key;
  const char *nearest = problems_nearest(key, names);
  g_autofree char *hint =
      nearest ? g_strdup_printf("; did you mean '%s'?", nearest) : g_strdup("; it is not honoured");
  problems_add(reader->problems, PROBLEM_WARNING,
               expand_locate(reader->text, reader->file, "deployment", key),
               "unknown key '%s' in 'deployment'%s", key, hint);
  g_ptr_array_add(reader->config->not_honoured, g_strdup_printf("deployment.%s", key));
}

static void config_block(ConfigReader *reader, json_t *block)
{
  const char *key;
  json_t *value;
  reader->config->given = true;
  json_object_foreach(block, key, value)
  {
    guint i = 0;
    while (i < G_N_ELEMENTS(config_rows) && !g_str_equal(config_rows[i].key, key))
      i++;
    if (i < G_N_ELEMENTS(config_rows))
      config_rows[i].read(reader, &config_rows[i], value);
    else
      config_unknown(reader, key);
  }
  if (!reader->config->directory)
    reader->config->directory = g_build_filename(reader->base_dir, "atoll_agents", NULL);
}

bool agents_config_read(AgentsConfig *config, const char *text, size_t length, const char *file,
                        const char *base_dir, Problems *problems)
{
  ConfigReader reader = {
      .config = config, .text = text, .file = file, .base_dir = base_dir, .problems = problems};
  int before = problems->errors;
  json_error_t at;
  json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &at);
  json_t *block = json_object_get(root, "deployment");
  if (!root)
    problems_add(problems, PROBLEM_ERROR, (SourcePos){file, at.line, at.column}, "%s", at.text);
  else if (!json_is_object(root))
    problems_add(problems, PROBLEM_ERROR, (SourcePos){file, 1, 1}, "wanted a JSON object");
  else if (block && !json_is_object(block))
    problems_add(problems, PROBLEM_ERROR, expand_locate(text, file, "deployment", NULL),
                 "'deployment': wanted an object");
  else if (block)
    config_block(&reader, block);
  json_decref(root);
  return problems->errors == before;
}
