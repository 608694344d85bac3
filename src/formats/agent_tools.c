/* Reads [mcp_servers.NAME] and [sub_agents.NAME]: the keys are rows, their places come from the
 * TOML reader when something is wrong. */
#include "formats/agent_tools.h"

#include "base/text.h"
#include "formats/expand.h"
#include "formats/toml_shim.h"

#include <stddef.h>
#include <string.h>

enum { SECONDS_MAX = 86400, PATH_PARTS_MAX = 5 };

typedef struct ToolsReader {
  const AgentSource *source;
  Problems *problems;
  const char *path[PATH_PARTS_MAX]; /* of what is being read; the last stays NULL */
} ToolsReader;

typedef struct ToolsRow ToolsRow;
/* Reads @value into the field at @field; says what is wrong with it. */
typedef void (*ToolsReadFn)(ToolsReader *reader, const ToolsRow *row, const json_t *value,
                            void *field);
struct ToolsRow {
  const char *key;
  ToolsReadFn read;
  size_t offset;
};

G_GNUC_PRINTF(3, 0)
static void tools_say(ToolsReader *reader, ProblemSeverity severity, const char *format,
                      va_list args)
{
  g_autofree char *what = g_strdup_vprintf(format, args);
  g_autofree char *path = g_strjoinv(".", (char **)(uintptr_t)reader->path);
  SourcePos pos = {.file = reader->source->file};
  toml_where(reader->source->text, reader->source->length, reader->path, &pos.line, &pos.column);
  if (!pos.line) /* JSON */
    pos = expand_locate(reader->source->text, reader->source->file,
                        reader->path[1] ? reader->path[1] : reader->path[0], reader->path[2]);
  problems_add(reader->problems, severity, pos, "'%s': %s", path, what);
}

/* Appends a problem of what @reader->path leads to. */
G_GNUC_PRINTF(2, 3) static void tools_bad(ToolsReader *reader, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  tools_say(reader, PROBLEM_ERROR, format, args);
  va_end(args);
}

G_GNUC_PRINTF(2, 3) static void tools_warn(ToolsReader *reader, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  tools_say(reader, PROBLEM_WARNING, format, args);
  va_end(args);
}

/* Where no shell is involved, $NAME was meant as ${NAME}: a token that is sent as the letters of
 * its name is hard to find. */
static void tools_bare_variable(ToolsReader *reader, const char *text)
{
  for (const char *p = strchr(text, '$'); p; p = strchr(p + 1, '$')) {
    int n = (int)strspn(p + 1, G_CSET_A_2_Z G_CSET_DIGITS "_");
    if (n < 2 || g_ascii_isdigit(p[1]) || (p > text && p[-1] == '$'))
      continue;
    tools_warn(reader, "'$%.*s' stays as it is written; a variable is ${%.*s}", n, p + 1, n, p + 1);
    return;
  }
}

/* ---- values ---- */

/* @value as a text that can be an argument or a header line, or NULL after a problem. */
static const char *tools_plain(ToolsReader *reader, const json_t *value, const char *wanted)
{
  const char *text = json_string_value(value);
  if (text && strlen(text) == json_string_length(value))
    return text;
  tools_bad(reader, "wanted %s", wanted);
  return NULL;
}

static void read_text(ToolsReader *reader, const ToolsRow *row, const json_t *value, void *field)
{
  (void)row;
  const char *text = tools_plain(reader, value, "text");
  if (text && !text[0])
    tools_bad(reader, "wanted text that is not empty");
  else if (text) {
    tools_bare_variable(reader, text);
    g_free(*(char **)field);
    *(char **)field = g_strdup(text);
  }
}

static void read_command(ToolsReader *reader, const ToolsRow *row, const json_t *value, void *field)
{
  (void)row;
  const char *text =
      tools_plain(reader, value, "the name or path of a program; its arguments go into 'args'");
  if (text && !text[0])
    tools_bad(reader, "wanted the name or path of a program");
  else if (text)
    g_ptr_array_insert(*(GPtrArray **)field, 0, g_strdup(text));
}

static void read_args(ToolsReader *reader, const ToolsRow *row, const json_t *value, void *field)
{
  (void)row;
  if (!json_is_array(value) || json_array_size(value) > AGENT_MCP_WORDS_MAX) {
    tools_bad(reader, "wanted a list of at most %d texts", AGENT_MCP_WORDS_MAX);
    return;
  }
  size_t i;
  json_t *item;
  json_array_foreach((json_t *)(uintptr_t)value, i, item)
  {
    const char *text = tools_plain(reader, item, "a list of texts");
    if (text)
      g_ptr_array_add(*(GPtrArray **)field, g_strdup(text));
  }
}

static void read_map(ToolsReader *reader, const json_t *value, GPtrArray *out, const char *between)
{
  if (!json_is_object(value) || json_object_size(value) > AGENT_MCP_WORDS_MAX) {
    tools_bad(reader, "wanted at most %d names with a text each", AGENT_MCP_WORDS_MAX);
    return;
  }
  const char *key;
  json_t *item;
  json_object_foreach((json_t *)(uintptr_t)value, key, item)
  {
    reader->path[3] = key;
    bool fits = key[0] && !strpbrk(key, between[0] == '=' ? "=" : ": \t\r\n\"(),/;<=>?@[\\]{}");
    const char *text = tools_plain(reader, item, "text");
    if (!fits)
      tools_bad(reader, "not a name of a %s", between[0] == '=' ? "variable" : "header");
    else if (text) {
      tools_bare_variable(reader, text);
      g_ptr_array_add(out, g_strconcat(key, between, text, NULL));
    }
    reader->path[3] = NULL;
  }
}

static void read_env(ToolsReader *reader, const ToolsRow *row, const json_t *value, void *field)
{
  (void)row;
  read_map(reader, value, *(GPtrArray **)field, "=");
}

static void read_headers(ToolsReader *reader, const ToolsRow *row, const json_t *value, void *field)
{
  (void)row;
  read_map(reader, value, *(GPtrArray **)field, ": ");
}

static void read_seconds(ToolsReader *reader, const ToolsRow *row, const json_t *value, void *field)
{
  (void)row;
  double seconds = json_is_string(value)   ? text_seconds(json_string_value(value))
                   : json_is_number(value) ? json_number_value(value)
                                           : -1;
  if (seconds >= 0.001 && seconds <= SECONDS_MAX)
    *(int64_t *)field = (int64_t)(seconds * 1000);
  else
    tools_bad(reader, "wanted seconds from 0.001 to %d", SECONDS_MAX);
}

/* As read_seconds; 0 is allowed and means never. */
static void read_interval(ToolsReader *reader, const ToolsRow *row, const json_t *value,
                          void *field)
{
  if (json_is_number(value) && json_number_value(value) == 0)
    *(int64_t *)field = 0;
  else
    read_seconds(reader, row, value, field);
}

static void read_type(ToolsReader *reader, const ToolsRow *row, const json_t *value, void *field)
{
  (void)row;
  /* sse was the name of the older HTTP transport; files that say so mean a URL */
  static const struct {
    const char *word;
    AgentMcpType type;
  } types[] = {{"stdio", AGENT_MCP_STDIO},
               {"http", AGENT_MCP_HTTP},
               {"sse", AGENT_MCP_HTTP},
               {"streamable-http", AGENT_MCP_HTTP}};
  const char *word = json_string_value(value);
  for (size_t i = 0; word && i < G_N_ELEMENTS(types); i++) {
    if (strcmp(word, types[i].word) == 0) {
      *(AgentMcpType *)field = types[i].type;
      return;
    }
  }
  tools_bad(reader, "wanted \"stdio\" or \"http\"");
}

static void read_url(ToolsReader *reader, const ToolsRow *row, const json_t *value, void *field)
{
  const char *text = json_string_value(value);
  bool fits = text && (g_str_has_prefix(text, "http://") || g_str_has_prefix(text, "https://"));
  fits = fits || (text && g_str_has_prefix(text, "${")); /* known when the agent starts */
  if (fits && !strpbrk(text, " \t\r\n"))
    read_text(reader, row, value, field);
  else
    tools_bad(reader, "wanted a URL that begins with http:// or https://");
}

/* ---- sections ---- */

#define SERVER(field) offsetof(AgentMcpServer, field)
static const ToolsRow server_rows[] = {{"type", read_type, SERVER(type)},
                                       {"transport", read_type, SERVER(type)},
                                       {"command", read_command, SERVER(argv)},
                                       {"args", read_args, SERVER(argv)},
                                       {"env", read_env, SERVER(env)},
                                       {"envFile", read_text, SERVER(env_file)},
                                       {"env_file", read_text, SERVER(env_file)},
                                       {"cwd", read_text, SERVER(cwd)},
                                       {"url", read_url, SERVER(url)},
                                       {"proxy", read_url, SERVER(proxy)},
                                       {"headers", read_headers, SERVER(headers)},
                                       {"timeoutSeconds", read_seconds, SERVER(timeout_ms)},
                                       {"timeout", read_seconds, SERVER(timeout_ms)},
                                       {NULL, NULL, 0}};
#define SUB(field) offsetof(AgentSub, field)
static const ToolsRow sub_rows[] = {{"url", read_url, SUB(url)},
                                    {"auth_token", read_text, SUB(auth_token)},
                                    {"health_check_interval", read_interval, SUB(interval_ms)},
                                    {NULL, NULL, 0}};

static void tools_unknown(ToolsReader *reader, const ToolsRow *rows, const char *key)
{
  const char *names[G_N_ELEMENTS(server_rows)] = {NULL};
  for (size_t i = 0; rows[i].key; i++)
    names[i] = rows[i].key;
  const char *nearest = problems_nearest(key, names);
  g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)names);
  if (nearest)
    tools_bad(reader, "unknown key; did you mean '%s'? allowed: %s", nearest, all);
  else
    tools_bad(reader, "unknown key; allowed: %s", all);
}

/* Reads the members of @section, which reader->path leads to, into @out by @rows, in the order of
 * the rows. */
static void tools_members(ToolsReader *reader, const json_t *section, const ToolsRow *rows,
                          void *out)
{
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)section, key, value)
  {
    size_t i = 0;
    while (rows[i].key && strcmp(rows[i].key, key) != 0)
      i++;
    reader->path[2] = key;
    if (!rows[i].key)
      tools_unknown(reader, rows, key);
  }
  for (size_t i = 0; rows[i].key; i++) {
    reader->path[2] = rows[i].key;
    value = json_object_get(section, rows[i].key);
    if (value)
      rows[i].read(reader, &rows[i], value, (char *)out + rows[i].offset);
  }
  reader->path[2] = NULL;
}

static void server_free(void *data)
{
  AgentMcpServer *server = data;
  g_free(server->name);
  g_ptr_array_unref(server->argv);
  g_ptr_array_unref(server->env);
  g_ptr_array_unref(server->headers);
  g_free(server->env_file);
  g_free(server->cwd);
  g_free(server->url);
  g_free(server->proxy);
  g_free(server);
}

static void sub_free(void *data)
{
  AgentSub *sub = data;
  g_free(sub->name);
  g_free(sub->url);
  g_free(sub->auth_token);
  g_free(sub);
}

/* What the keys of a server must be together. */
static void server_check(ToolsReader *reader, const AgentMcpServer *server, const json_t *section)
{
  bool command = json_object_get(section, "command") != NULL,
       url = json_object_get(section, "url") != NULL;
  if (command && url)
    tools_bad(reader, "has both 'command' and 'url'; a server is started or reached, not both");
  else if (server->type == AGENT_MCP_STDIO && !command)
    tools_bad(reader,
              url ? "type \"stdio\" wants 'command', not 'url'"
                  : "wanted 'command' (a program that is started) or 'url' (one that runs)");
  else if (server->type == AGENT_MCP_HTTP && !url)
    tools_bad(reader, "type \"http\" wants 'url'");
}

static void read_server(ToolsReader *reader, const char *name, const json_t *section,
                        GPtrArray *out)
{
  AgentMcpServer *server = g_new0(AgentMcpServer, 1);
  *server = (AgentMcpServer){.name = g_strdup(name),
                             .argv = g_ptr_array_new_with_free_func(g_free),
                             .env = g_ptr_array_new_with_free_func(g_free),
                             .headers = g_ptr_array_new_with_free_func(g_free),
                             .timeout_ms = AGENT_MCP_TIMEOUT_DEFAULT_MS};
  bool says_type = json_object_get(section, "type") || json_object_get(section, "transport");
  int before = reader->problems->errors;
  g_ptr_array_add(out, server);
  tools_members(reader, section, server_rows, server);
  if (!says_type && server->url)
    server->type = AGENT_MCP_HTTP;
  if (reader->problems->errors == before) /* else it would only repeat what is wrong */
    server_check(reader, server, section);
}

static void read_sub(ToolsReader *reader, const char *name, const json_t *section, GPtrArray *out)
{
  AgentSub *sub = g_new0(AgentSub, 1);
  *sub = (AgentSub){.name = g_strdup(name), .interval_ms = AGENT_SUB_HEALTH_DEFAULT_MS};
  g_ptr_array_add(out, sub);
  tools_members(reader, section, sub_rows, sub);
  if (!json_object_get(section, "url"))
    tools_bad(reader, "wanted 'url'");
}

typedef void (*ReadOneFn)(ToolsReader *reader, const char *name, const json_t *section,
                          GPtrArray *out);

static void read_section(ToolsReader *reader, const json_t *root, const char *section, size_t max,
                         ReadOneFn read_one, GPtrArray *out)
{
  const json_t *all = json_object_get(root, section);
  const char *name;
  json_t *one;
  reader->path[0] = section;
  reader->path[1] = NULL;
  if (all && (!json_is_object(all) || json_object_size(all) > max))
    tools_bad(reader, "wanted at most %zu sections [%s.NAME]", max, section);
  else
    json_object_foreach((json_t *)(uintptr_t)all, name, one)
    {
      reader->path[1] = name;
      if (!text_is_name(name))
        tools_bad(
            reader,
            "wanted a name of 1 to 64 letters, digits, '.', '_', '-' that begins with a letter or digit");
      else if (!json_is_object(one))
        tools_bad(reader, "wanted a section [%s.%s]", section, name);
      else
        read_one(reader, name, one, out);
    }
}

AgentTools *agent_tools_read(const json_t *root, const AgentSource *source, Problems *problems)
{
  AgentTools *tools = g_new0(AgentTools, 1);
  ToolsReader reader = {.source = source, .problems = problems};
  tools->mcp_servers = g_ptr_array_new_with_free_func(server_free);
  tools->sub_agents = g_ptr_array_new_with_free_func(sub_free);
  read_section(&reader, root, "mcp_servers", AGENT_MCP_SERVERS_MAX, read_server,
               tools->mcp_servers);
  read_section(&reader, root, "sub_agents", AGENT_SUB_AGENTS_MAX, read_sub, tools->sub_agents);
  return tools;
}

void agent_tools_free(AgentTools *tools)
{
  if (!tools)
    return;
  g_ptr_array_unref(tools->mcp_servers);
  g_ptr_array_unref(tools->sub_agents);
  g_free(tools);
}
