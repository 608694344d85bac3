/* The sections of an agent file that name its tools: what is read, and what is said about what is
 * wrong, with its place. */
#include "base/error.h"
#include "formats/agent_file.h"

#include <string.h>

static AgentFile *read_file(const char *text, const char *wanted)
{
  g_autoptr(Problems) problems = problems_new();
  AgentFile *file = agent_file_read(text, strlen(text), "agent.toml", problems);
  problems_sort(problems);
  g_autofree char *said = problems_text(problems);
  g_assert_cmpstr(said, ==, wanted);
  g_assert_true((file == NULL) == (wanted[0] != 0));
  return file;
}

#define HEAD "[agent]\nname = \"a\"\n[llm]\ncommand = [\"cat\"]\n"

static char *joined(const GPtrArray *texts)
{
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < texts->len; i++)
    g_string_append_printf(out, "%s%s", i ? "|" : "", (const char *)texts->pdata[i]);
  return g_string_free(out, FALSE);
}

static void test_all(void)
{
  AgentFile *file = read_file(
      HEAD
      "[mcp_servers.files]\ntype = \"stdio\"\ncommand = \"python3\"\nargs = [\"-m\", \"files\"]\ncwd = \"/srv\"\nenvFile = \".env\"\n"
      "env = { ROOT = \"${HOME}/logs\", B = \"\" }\ntimeoutSeconds = 2.5\n"
      "[mcp_servers.web]\ntransport = \"sse\"\nurl = \"https://x.example/mcp\"\nheaders = { Authorization = \"Bearer ${KEY}\" }\nproxy = \"http://proxy.example:3128\"\ntimeout = 7\n"
      "[mcp_servers.short]\nurl = \"http://y\"\n"
      "[sub_agents.parser]\nurl = \"http://10.0.0.5:8100\"\nauth_token = \"${TOKEN}\"\nhealth_check_interval = 0\n"
      "[sub_agents.other]\nurl = \"http://o\"\n",
      "");
  const AgentMcpServer *files = file->tools->mcp_servers->pdata[0],
                       *shorter = file->tools->mcp_servers->pdata[1],
                       *web = file->tools->mcp_servers->pdata[2];
  g_autofree char *argv = joined(files->argv), *env = joined(files->env),
                  *headers = joined(web->headers);
  g_assert_cmpint(files->type, ==, AGENT_MCP_STDIO);
  g_assert_cmpstr(argv, ==, "python3|-m|files");
  g_assert_cmpstr(env, ==, "B=|ROOT=${HOME}/logs");
  g_assert_cmpstr(files->cwd, ==, "/srv");
  g_assert_cmpstr(files->env_file, ==, ".env");
  g_assert_cmpint(files->timeout_ms, ==, 2500);
  g_assert_cmpint(web->type, ==, AGENT_MCP_HTTP);
  g_assert_cmpstr(headers, ==, "Authorization: Bearer ${KEY}");
  g_assert_cmpstr(web->proxy, ==, "http://proxy.example:3128");
  g_assert_cmpint(web->timeout_ms, ==, 7000);
  g_assert_cmpint(shorter->type, ==, AGENT_MCP_HTTP);
  g_assert_cmpint(shorter->timeout_ms, ==, AGENT_MCP_TIMEOUT_DEFAULT_MS);
  const AgentSub *other = file->tools->sub_agents->pdata[0],
                 *parser = file->tools->sub_agents->pdata[1];
  g_assert_cmpstr(parser->auth_token, ==, "${TOKEN}");
  g_assert_cmpint(parser->interval_ms, ==, 0);
  g_assert_cmpint(other->interval_ms, ==, AGENT_SUB_HEALTH_DEFAULT_MS);
  g_assert_cmpuint(file->not_honoured->len, ==, 0);
  agent_file_free(file);
}

/* What is sent as it is written, though it looks like a variable. */
static void test_bare_variables(void)
{
  g_autoptr(Problems) problems = problems_new();
  static const char text[] = HEAD
      "[mcp_servers.a]\ncommand = \"sh\"\nargs = [\"-c\", \"echo $HOME\"]\nenv = { A = \"$HOME/x\", B = \"$5 $x $$HOME\" }\n"
      "[sub_agents.s]\nurl = \"http://o\"\nauth_token = \"$TOKEN\"\n";
  agent_file_free(agent_file_read(text, strlen(text), "agent.toml", problems));
  problems_sort(problems);
  g_autofree char *said = problems_text(problems);
  g_assert_cmpstr(
      said, ==,
      "agent.toml:8:9: warning: 'mcp_servers.a.env.A': '$HOME' stays as it is written; a variable is ${HOME}\n"
      "agent.toml:11:1: warning: 'sub_agents.s.auth_token': '$TOKEN' stays as it is written; a variable is ${TOKEN}\n");
}

/* All of it at once, each with its place. */
static void test_problems(void)
{
  read_file(
      HEAD "[mcp_servers.a]\n"
           "comand = \"x\"\n"
           "[mcp_servers.b]\n"
           "command = \"\"\n"
           "args = \"-v\"\n"
           "env = { \"A=B\" = \"x\", C = 1 }\n"
           "timeout = -1\n"
           "[mcp_servers.c]\n"
           "command = \"x\"\n"
           "url = \"http://x\"\n"
           "[mcp_servers.d]\n"
           "type = \"pigeon\"\n"
           "url = \"ftp://x\"\n"
           "headers = { \"Bad Name\" = \"x\" }\n"
           "[mcp_servers.\"no name\"]\n"
           "command = \"x\"\n"
           "[sub_agents.s]\n"
           "auth_token = \"x\"\n",
      "agent.toml:6:1: error: 'mcp_servers.a.comand': unknown key; did you mean 'command'? allowed: type, transport, command, args, env, envFile, env_file, "
      "cwd, url, proxy, headers, timeoutSeconds, timeout\n"
      "agent.toml:8:1: error: 'mcp_servers.b.command': wanted the name or path of a program\n"
      "agent.toml:9:1: error: 'mcp_servers.b.args': wanted a list of at most 256 texts\n"
      "agent.toml:10:9: error: 'mcp_servers.b.env.A=B': not a name of a variable\n"
      "agent.toml:10:22: error: 'mcp_servers.b.env.C': wanted text\n"
      "agent.toml:11:1: error: 'mcp_servers.b.timeout': wanted seconds from 0.001 to 86400\n"
      "agent.toml:12:1: error: 'mcp_servers.c': has both 'command' and 'url'; a server is started or reached, not both\n"
      "agent.toml:16:1: error: 'mcp_servers.d.type': wanted \"stdio\" or \"http\"\n"
      "agent.toml:17:1: error: 'mcp_servers.d.url': wanted a URL that begins with http:// or https://\n"
      "agent.toml:18:13: error: 'mcp_servers.d.headers.Bad Name': not a name of a header\n"
      "agent.toml:19:1: error: 'mcp_servers.no name': wanted a name of 1 to 64 letters, digits, '.', '_', '-' that begins with a letter or digit\n"
      "agent.toml:21:1: error: 'sub_agents.s': wanted 'url'\n");
}

static void test_json(void)
{
  read_file(
      "{\"name\": \"a\", \"llm\": {\"command\": [\"cat\"]},\n \"mcp_servers\": {\n  \"files\": {\n   \"command\": \"x\",\n   \"argz\": []}},\n"
      " \"sub_agents\": [1]}",
      "agent.toml:5:4: error: 'mcp_servers.files.argz': unknown key; did you mean 'args'? allowed: type, transport, command, args, env, envFile, env_file, cwd, "
      "url, proxy, headers, timeoutSeconds, timeout\n"
      "agent.toml:6:2: error: 'sub_agents': wanted at most 64 sections [sub_agents.NAME]\n");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/formats/agent-tools/all", test_all);
  g_test_add_func("/formats/agent-tools/bare-variables", test_bare_variables);
  g_test_add_func("/formats/agent-tools/problems", test_problems);
  g_test_add_func("/formats/agent-tools/json", test_json);
  return g_test_run();
}
