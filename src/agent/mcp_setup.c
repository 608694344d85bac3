/* From a section [mcp_servers.NAME] to what a transport needs: variables, env file, environment, the check of the URL. */
#include "agent/allowed.h"
#include "agent/mcp_link.h"
#include "base/error.h"
#include "base/fs.h"

#include <string.h>

enum { ENV_FILE_MAX = 256 * 1024 };

extern char **environ;

static const char *setup_variable(const char *name, void *data)
{
  (void)data;
  return g_getenv(name);
}

/* @texts with their variables resolved, NULL-terminated. False with @error that names @what. */
static bool setup_expand(const GPtrArray *texts, const char *what, char ***out, GError **error)
{
  g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < texts->len; i++) {
    char *word = agent_expand(texts->pdata[i], setup_variable, NULL, error);
    if (!word) {
      g_prefix_error(error, "%s: ", what);
      return false;
    }
    g_ptr_array_add(words, word);
  }
  g_ptr_array_add(words, NULL);
  *out = (char **)g_ptr_array_steal(words, NULL);
  return true;
}

/* "KEY=value" of one line of an env file; quotes round the value are taken off. NULL for empty lines and comments. */
static char *env_line(char *line)
{
  g_strstrip(line);
  if (g_str_has_prefix(line, "export "))
    line = g_strchug(line + strlen("export "));
  char *equals = strchr(line, '=');
  if (line[0] == '#' || !equals || equals == line)
    return NULL;
  size_t n = strlen(equals + 1);
  bool quoted = n >= 2 && (equals[1] == '"' || equals[1] == '\'') && equals[n] == equals[1];
  return g_strdup_printf("%.*s=%.*s", (int)(equals - line), line, (int)(quoted ? n - 2 : n), equals + 1 + quoted);
}

static char **environment_set(char **environment, const char *pair)
{
  const char *equals = strchr(pair, '=');
  g_autofree char *key = g_strndup(pair, (size_t)(equals - pair));
  return g_environ_setenv(environment, key, equals + 1, TRUE);
}

/* Our environment without the secret of the job's agents, then the env file, then `env`. */
static bool setup_environment(McpSetup *setup, const AgentMcpServer *server, GError **error)
{
  g_auto(GStrv) own = NULL;
  if (!setup_expand(server->env, "env", &own, error))
    return false;
  setup->environment = g_environ_unsetenv(g_strdupv(environ), "AGENT_PEER_KEY");
  if (server->env_file) {
    g_autofree char *text = fs_read(server->env_file, ENV_FILE_MAX, NULL, error);
    if (!text) {
      g_prefix_error(error, "envFile '%s': ", server->env_file);
      return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
      g_autofree char *pair = env_line(lines[i]);
      if (pair)
        setup->environment = environment_set(setup->environment, pair);
    }
  }
  for (guint i = 0; own[i]; i++)
    setup->environment = environment_set(setup->environment, own[i]);
  return true;
}

static bool setup_url(McpSetup *setup, const AgentMcpServer *server, GError **error)
{
  setup->url = agent_expand(server->url, setup_variable, NULL, error);
  if (!setup->url || !allowed_url(setup->url, ALLOWED_SERVER, g_getenv("AGENT_ALLOWED_HOSTS"), &setup->guard, error)) {
    g_prefix_error(error, "url: ");
    return false;
  }
  if (!setup_expand(server->headers, "headers", &setup->headers, error))
    return false;
  for (guint i = 0; setup->headers[i]; i++) {
    if (strpbrk(setup->headers[i], "\r\n")) {
      g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "headers: a value has a line end in it");
      return false;
    }
  }
  return true;
}

McpSetup *mcp_setup_new(const AgentMcpServer *server, GError **error)
{
  g_autoptr(McpSetup) setup = g_new0(McpSetup, 1);
  setup->name = g_strdup(server->name);
  setup->timeout_ms = server->timeout_ms;
  if (server->type == AGENT_MCP_HTTP)
    return setup_url(setup, server, error) ? g_steal_pointer(&setup) : NULL;
  setup->cwd = server->cwd ? agent_expand(server->cwd, setup_variable, NULL, error) : NULL;
  if (server->cwd && !setup->cwd)
    return NULL;
  if (!setup_expand(server->argv, "command", &setup->argv, error) || !setup_environment(setup, server, error))
    return NULL;
  return g_steal_pointer(&setup);
}

void mcp_setup_free(McpSetup *setup)
{
  if (!setup)
    return;
  g_free(setup->name);
  g_strfreev(setup->argv);
  g_strfreev(setup->environment);
  g_free(setup->cwd);
  g_free(setup->url);
  g_strfreev(setup->headers);
  g_free(setup);
}
