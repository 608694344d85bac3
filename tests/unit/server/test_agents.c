/* The deployment block of the configuration file, and what the server makes of an agent file. */
#include "server/agents.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *lookup(const char *name, void *data)
{
  return strcmp(name, "MODEL") == 0 ? "big \"one\"" : NULL;
}

static AgentDef *def_read(const char *text, Problems *problems)
{
  return agent_def_read(text, strlen(text), "x/agent.toml", "folder", lookup, NULL, problems);
}

static void test_def_names(void)
{
  static const char *const rows[][2] = {
      {"[agent]\nname = \"a\"\n[llm]\nprovider = \"command\"\ncommand = [\"cat\"]\n", "a"},
      {"{\"name\": \"flat\", \"llm\": {\"provider\": \"command\", \"command\": [\"cat\"]}}",
       "flat"},
      {"{\"agent\": {\"name\": \"deep\"}, \"llm\": {\"provider\": \"command\", \"command\": [\"cat\"]}}",
       "deep"},
      {" \n{\"llm\": {\"provider\": \"command\", \"command\": [\"cat\"]}}", "folder"},
      {"{\"agent\": {}, \"llm\": {\"provider\": \"command\", \"command\": [\"cat\"]}}", "folder"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Problems) problems = problems_new(), again = problems_new();
    AgentDef *def = def_read(rows[i][0], problems);
    g_assert_nonnull(def);
    g_assert_cmpstr(def->file->name, ==, rows[i][1]);
    /* what is handed on has the name too */
    AgentFile *served = agent_file_read(def->text, strlen(def->text), "served", again);
    g_assert_nonnull(served);
    g_assert_cmpstr(served->name, ==, rows[i][1]);
    agent_file_free(served);
    agent_def_free(def);
  }
}

/* The value is not in the text that is kept; it is beside it. */
static void test_def_variables(void)
{
  g_autoptr(Problems) problems = problems_new();
  AgentDef *def = def_read(
      "[agent]\nname = \"a\"\n[llm]\nprovider = \"command\"\ncommand = [\"cat\", \"${MODEL}\", \"${AGENT_PORT}\"]\n[deployment]\nauto_start = true\n",
      problems);
  g_assert_nonnull(def);
  g_assert_cmpstr(def->file->llm_command[1], ==, "big \"one\"");
  g_assert_null(strstr(def->text, "big"));
  g_assert_cmpuint(strmap_size(&def->variables), ==, 1);
  g_assert_cmpstr(strmap_get(&def->variables, "MODEL"), ==, "big \"one\"");
  g_assert_true(def->auto_start);
  g_assert_cmpuint(strlen(def->sha256), ==, 64);
  agent_def_free(def);
}

/* The server's own variables are nobody's; a list says what else may be read. */
static void test_variables(void)
{
  g_autoptr(AgentsConfig) config = agents_config_new();
  g_autoptr(Problems) problems = problems_new();
  g_assert_true(agents_config_may_read(config, "OPENAI_API_KEY"));
  g_assert_false(agents_config_may_read(config, "REEVE_TOKEN"));
  static const char text[] =
      "{\"deployment\": {\"agent_variables\": [\"OPENAI_API_KEY\", \"MODEL_*\"]}}";
  g_assert_true(agents_config_read(config, text, strlen(text), "c.json", "/", problems));
  g_assert_true(agents_config_may_read(config, "OPENAI_API_KEY"));
  g_assert_true(agents_config_may_read(config, "MODEL_NAME"));
  g_assert_false(agents_config_may_read(config, "OPENAI_API_KEY2"));
  g_assert_false(agents_config_may_read(config, "AWS_SECRET_ACCESS_KEY"));
  static const char *const wrong[] = {"{\"deployment\": {\"agent_variables\": \"A\"}}",
                                      "{\"deployment\": {\"agent_variables\": [\"A B\"]}}",
                                      "{\"deployment\": {\"agent_variables\": [\"*A\"]}}"};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(AgentsConfig) other = agents_config_new();
    g_assert_false(agents_config_read(other, wrong[i], strlen(wrong[i]), "c.json", "/", problems));
  }
}

/* Without openat2: no links at all, wherever in the path. */
static void test_open_parts(void)
{
  g_autofree char *root = g_dir_make_tmp("reeve-agents-XXXXXX", NULL);
  g_autofree char *a = g_build_filename(root, "a", NULL),
                  *file = g_build_filename(a, "agent.toml", NULL);
  g_autofree char *link = g_build_filename(root, "link", NULL),
                  *inner = g_build_filename(a, "linked", NULL);
  g_assert_cmpint(mkdir(a, 0700), ==, 0);
  g_assert_true(g_file_set_contents(file, "x", 1, NULL));
  g_assert_cmpint(symlink(a, link), ==, 0);
  g_assert_cmpint(symlink(file, inner), ==, 0);
  int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC),
      good = agents_open_parts(fd, "a/agent.toml");
  g_assert_cmpint(good, >=, 0);
  close(good);
  g_assert_cmpint(agents_open_parts(fd, "link/agent.toml"), ==, -1);
  g_assert_cmpint(agents_open_parts(fd, "a/linked"), ==, -1);
  g_assert_cmpint(errno, ==, ELOOP);
  g_assert_cmpint(agents_open_parts(fd, "../x"), ==, -1);
  g_assert_cmpint(agents_open_parts(fd, "b/agent.toml"), ==, -1);
  g_assert_cmpint(errno, ==, ENOENT);
  close(fd);
  fs_remove_tree(root, NULL);
}

static void test_def_problems(void)
{
  static const struct {
    const char *text;
    int line;
    const char *said;
  } rows[] = {{"[agent]\nname = \"a b\"\n", 2, "name 'a b'"},
              {"[agent]\nname = \"a\"\n\n[deployment]\nauto_start = 1\n", 5, "auto_start"},
              {"[agent]\nname = \"a\"\n[deployment]\nmax_restarts = \"x\"\n", 4, "max_restarts"},
              {"{\n\"name\": \"a\",\n}", 3, "expected"},
              {"[agent]\nname = \"${NOPE}\"\n", 2, "'NOPE'"},
              {"[1]", 1, ""},
              {"", 1, "agent.name"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Problems) problems = problems_new();
    g_assert_null(def_read(rows[i].text, problems));
    problems_sort(problems);
    g_autofree char *text = problems_text(problems);
    const Problem *first = problems->items->pdata[0];
    g_assert_cmpint(first->line, ==, rows[i].line);
    g_assert_cmpint(first->column, >, 0);
    g_assert_nonnull(strstr(text, rows[i].said));
  }
}

static bool config_read(AgentsConfig *config, const char *text, Problems *problems)
{
  return agents_config_read(config, text, strlen(text), "config.json", "/base", problems);
}

static void test_config(void)
{
  g_autoptr(AgentsConfig) config = agents_config_new();
  g_autoptr(Problems) problems = problems_new();
  g_assert_true(config_read(config, "{\"other\": 1}", problems));
  g_assert_false(config->given);
  g_assert_null(config->directory);
  g_assert_true(config_read(
      config,
      "{\"deployment\": {\"base_port\": 9000, \"max_agents\": 3, \"health_check_interval\": 0.5, \"restart_on_failure\": false,"
      "\"auto_discover_port\": false, \"host\": \"::1\", \"api_port\": 8080, \"default_model\": \"m\", \"default_model_url\": \"http://gpu\"}}",
      problems));
  g_assert_true(config->given && config->enabled && !config->restart_on_failure &&
                !config->auto_discover_port);
  g_assert_cmpint(config->base_port, ==, 9000);
  g_assert_cmpint(config->max_agents, ==, 3);
  g_assert_cmpint(config->health_interval_ms, ==, 500);
  g_assert_cmpint(config->api_port, ==, 8080);
  g_assert_cmpstr(config->host, ==, "::1");
  g_assert_cmpstr(config->default_model, ==, "m");
  g_assert_cmpstr(config->default_model_url, ==, "http://gpu");
  g_assert_cmpstr(config->directory, ==, "/base/atoll_agents");
  g_assert_cmpint(problems->items->len, ==, 0);
}

static void test_config_problems(void)
{
  static const char *const rows[] = {"{\"deployment\": {\"enabled\": 1}}",
                                     "{\"deployment\": {\"base_port\": 0}}",
                                     "{\"deployment\": {\"base_port\": 8100.5}}",
                                     "{\"deployment\": {\"max_agents\": \"x\"}}",
                                     "{\"deployment\": {\"agents_directory\": \"\"}}",
                                     "{\"deployment\": {\"health_check_interval\": -1}}",
                                     "{\"deployment\": []}",
                                     "[]",
                                     "{\"deployment\": {\"a\": 1, \"a\": 2}}",
                                     "{"};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(AgentsConfig) config = agents_config_new();
    g_autoptr(Problems) problems = problems_new();
    g_assert_false(config_read(config, rows[i], problems));
    g_assert_cmpint(((const Problem *)problems->items->pdata[0])->line, ==, 1);
  }
  g_autoptr(AgentsConfig) config = agents_config_new();
  g_autoptr(Problems) problems = problems_new();
  g_assert_true(config_read(config, "{\"deployment\": {\"max_agnts\": 3, \"remote_servers\": []}}",
                            problems));
  g_assert_cmpuint(config->not_honoured->len, ==, 2);
  g_assert_cmpint(problems->warnings, ==, 2);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/agents/names", test_def_names);
  g_test_add_func("/agents/allowed-variables", test_variables);
  g_test_add_func("/agents/open-parts", test_open_parts);
  g_test_add_func("/agents/variables", test_def_variables);
  g_test_add_func("/agents/problems", test_def_problems);
  g_test_add_func("/agents/config", test_config);
  g_test_add_func("/agents/config-problems", test_config_problems);
  return g_test_run();
}
