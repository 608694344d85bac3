/* From a section [mcp_servers.NAME] to what a transport needs: env file, environment, the check of
 * the URL. */
#include "agent/allowed.h"
#include "agent/mcp_link.h"
#include "base/error.h"
#include "base/fs.h"
#include "formats/env_file.h"

#include <string.h>

enum { ENV_FILE_MAX = 256 * 1024 };

extern char **environ;

static void env_file_wrong(int line, const char *what, void *data)
{
  GError **error = data;
  if (!*error)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "line %d: %s", line, what);
}

static char **environment_set(char **environment, const char *pair)
{
  const char *equals = strchr(pair, '=');
  g_autofree char *key = g_strndup(pair, (size_t)(equals - pair));
  return g_environ_setenv(environment, key, equals + 1, TRUE);
}

static bool setup_env_file(McpSetup *setup, const char *path, GError **error)
{
  g_autoptr(GError) wrong = NULL;
  g_autofree char *text = fs_read(path, ENV_FILE_MAX, NULL, &wrong);
  StrMap pairs;
  strmap_init(&pairs);
  if (text)
    env_file_read(text, &(EnvFileReader){.wrong = env_file_wrong, .data = &wrong}, &pairs);
  for (guint i = 0; i < strmap_size(&pairs); i++)
    setup->environment = g_environ_setenv(setup->environment, strmap_at(&pairs, i)->key,
                                          strmap_at(&pairs, i)->value, TRUE);
  strmap_done(&pairs);
  if (!wrong)
    return true;
  g_propagate_prefixed_error(error, g_steal_pointer(&wrong), "envFile '%s': ", path);
  return false;
}

/* Our environment without the keys that open our doors and those of the job's agents, then the env
 * file, then `env`. */
static bool setup_environment(McpSetup *setup, const AgentMcpServer *server, GError **error)
{
  setup->environment = g_environ_unsetenv(g_strdupv(environ), "AGENT_PEER_KEY");
  setup->environment = g_environ_unsetenv(setup->environment, "AGENT_API_KEY");
  /* its key speaks for the agent */
  setup->environment = g_environ_unsetenv(setup->environment, "AGENT_REGISTRY_URL");
  if (server->env_file && !setup_env_file(setup, server->env_file, error))
    return false;
  for (guint i = 0; i < server->env->len; i++)
    setup->environment = environment_set(setup->environment, server->env->pdata[i]);
  return true;
}

static char **setup_texts(const GPtrArray *texts)
{
  char **copy = g_new0(char *, texts->len + 1);
  for (guint i = 0; i < texts->len; i++)
    copy[i] = g_strdup(texts->pdata[i]);
  return copy;
}

static bool setup_url(McpSetup *setup, const AgentMcpServer *server, GError **error)
{
  setup->url = g_strdup(server->url);
  setup->proxy = g_strdup(server->proxy);
  setup->headers = setup_texts(server->headers);
  if (!allowed_url(setup->url, ALLOWED_SERVER, g_getenv("AGENT_ALLOWED_HOSTS"), &setup->guard,
                   error)) {
    g_prefix_error(error, "url: ");
    return false;
  }
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
  setup->cwd = g_strdup(server->cwd);
  setup->argv = setup_texts(server->argv);
  return setup_environment(setup, server, error) ? g_steal_pointer(&setup) : NULL;
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
  g_free(setup->proxy);
  g_strfreev(setup->headers);
  g_free(setup);
}
