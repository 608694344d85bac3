/* Agent files: every key of [llm], [resources] and [deployment], what is wrong with them, and how
 * they reach a job. */
#include "formats/agent_file.h"
#include "formats/job_reader.h"

#include <math.h>
#include <string.h>

static AgentFile *read_text(const char *text, char **said)
{
  g_autoptr(Problems) problems = problems_new();
  AgentFile *file = agent_file_read(text, strlen(text), "agent.toml", problems);
  *said = problems_text(problems);
  return file;
}

static AgentFile *read_good(const char *text)
{
  g_autofree char *said = NULL;
  AgentFile *file = read_text(text, &said);
  g_assert_cmpstr(said, ==, "");
  g_assert_nonnull(file);
  return file;
}

static void test_all(void)
{
  AgentFile *file = read_good(
      "[agent]\nname = \"a\"\n"
      "[llm]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"https://host:1/x/v1//\"\ntemperature = 0\ntop_p = 0.5\n"
      "max_tokens = 7\nrequest_timeout = 2.5\nidle_timeout = 3\nconcurrency = 4\napi_key_env = \"K\"\n"
      "system_prompt = \"\"\"be\nbrief\"\"\"\n"
      "[resources]\ncpu_limit = 1.5\nmemory_limit = \"512MB\"\ntimeout = 120\nmax_concurrent_requests = 9\n"
      "health_check_interval = 12\n"
      "[deployment]\nport = 8101\nauto_restart = false\nmax_restarts = 5\nrestart_delay = 2\nauto_start = true\n");
  g_assert_cmpstr(file->base_url, ==, "https://host:1/x/v1");
  g_assert_cmpstr(file->system_prompt, ==, "be\nbrief");
  g_assert_cmpfloat(file->temperature, ==, 0);
  g_assert_cmpfloat(file->top_p, ==, 0.5);
  g_assert_cmpint(file->max_tokens, ==, 7);
  g_assert_cmpint(file->request_timeout_ms, ==, 2500);
  g_assert_cmpint(file->idle_timeout_ms, ==, 3000);
  g_assert_cmpint(file->concurrency, ==, 4);
  g_assert_cmpstr(file->api_key_env, ==, "K");
  g_assert_cmpint(file->memory_bytes, ==, 512 * 1024 * 1024);
  g_assert_cmpint(file->timeout_ms, ==, 120000);
  g_assert_cmpint(file->health_interval_ms, ==, 12000);
  g_assert_cmpint(file->auto_restart, ==, 0);
  g_assert_cmpint(file->max_restarts, ==, 5);
  g_assert_cmpuint(file->not_honoured->len, ==, 0);
  agent_file_free(file);
}

/* What a file leaves out. */
static void test_defaults(void)
{
  AgentFile *file = read_good("[agent]\nname = \"a\"\n[llm]\nmodel = \"llama3.2\"\n");
  g_assert_cmpstr(file->llm_provider, ==, "ollama");
  g_assert_cmpstr(file->base_url, ==, "http://127.0.0.1:11434");
  g_assert_true(isnan(file->temperature) && isnan(file->top_p));
  g_assert_cmpint(file->max_restarts, ==, AGENT_NOT_SET);
  agent_file_free(file);
  file = read_good("{\"name\":\"a\",\"llm\":{\"command\":[\"cat\"],\"port\":1234}}");
  g_assert_cmpstr(file->llm_provider, ==, "command");
  g_assert_cmpstr(file->base_url, ==, "http://127.0.0.1:1234");
  agent_file_free(file);
}

/* A file that names no model has the default brain, which whoever serves it may choose; what it
 * names itself stays. */
static void test_default_brain(void)
{
  static const struct {
    const char *text, *model, *url; /* with REEVE_MODEL=big and REEVE_MODEL_URL=http://gpu:1/ */
  } rows[] = {
      {"[agent]\nname = \"a\"\n", "big", "http://gpu:1"},
      {"{\"name\":\"a\"}", "big", "http://gpu:1"},
      {"[agent]\nname = \"a\"\n[llm]\nsystem_prompt = \"be brief\"\n", "big", "http://gpu:1"},
      {"[agent]\nname = \"a\"\n[llm]\nmodel = \"\"\nport = 7\n", "big", "http://127.0.0.1:7"},
      {"[agent]\nname = \"a\"\n[llm]\nmodel = \"m\"\n", "m", "http://gpu:1"},
      {"[agent]\nname = \"a\"\n[llm]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"http://x\"\n",
       "m", "http://x"},
      {"[agent]\nname = \"a\"\n[llm]\ncommand = [\"cat\"]\n", NULL, NULL},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Problems) problems = problems_new();
    AgentFile *file = read_good(rows[i].text);
    agent_file_set_default(file, NULL, "", problems);
    g_assert_cmpstr(file->llm_model, ==, file->default_model ? "llama3.2" : rows[i].model);
    g_assert_cmpstr(file->base_url, ==, file->default_url ? "http://127.0.0.1:11434" : rows[i].url);
    agent_file_set_default(file, "big", "http://gpu:1/", problems);
    g_assert_cmpstr(file->llm_model, ==, rows[i].model);
    g_assert_cmpstr(file->base_url, ==, rows[i].url);
    g_assert_cmpint(problems->errors, ==, 0);
    agent_file_set_default(file, NULL, "gpu:1", problems);
    g_assert_cmpint(problems->errors, ==, file->default_url);
    agent_file_free(file);
  }
}

static void test_server(void)
{
  AgentFile *file = read_good(
      "[agent]\nname = \"a\"\n[llm]\nmodel = \"m\"\n[server]\nauth = \"key\"\npublic_url = \"https://a.example/x//\"\n"
      "host_names = [\"b.example\"]\nallowed_origins = [\"https://app.example:8443\", \"http://localhost:5173\"]\n");
  g_assert_cmpint(file->server_auth, ==, AGENT_AUTH_KEY);
  g_assert_cmpstr(file->server_public_url, ==, "https://a.example/x");
  g_assert_cmpstr(file->server_names->pdata[0], ==, "b.example");
  g_assert_cmpuint(file->server_origins->len, ==, 2);
  g_assert_cmpuint(file->not_honoured->len, ==, 0);
  agent_file_free(file);
  file =
      read_good("{\"name\":\"a\",\"llm\":{\"command\":[\"cat\"]},\"server\":{\"auth\":\"none\"}}");
  g_assert_cmpint(file->server_auth, ==, AGENT_AUTH_NONE);
  agent_file_free(file);
}

static void test_not_honoured(void)
{
  g_autofree char *said = NULL;
  AgentFile *file = read_text(
      "[agent]\nname = \"a\"\ncolour = 1\n[llm]\nmodel = \"m\"\nmagic = 1\n[dependencies]\npackages = []\n"
      "[resources]\ngpu = 1\nmax_concurent_requests = 1\n",
      &said);
  g_assert_cmpstr(
      said, ==,
      "agent.toml:3:1: warning: unknown key 'colour' in 'agent'; it is not honoured\n"
      "agent.toml:6:1: warning: unknown key 'magic' in 'llm'; it is not honoured\n"
      "agent.toml:10:1: warning: unknown key 'gpu' in 'resources'; it is not honoured\n"
      "agent.toml:11:1: warning: unknown key 'max_concurent_requests' in 'resources'; did you mean 'max_concurrent_requests'?\n"
      "agent.toml:7:1: warning: not honoured: 'dependencies' (the agent server does not act on this part of the agent file)\n");
  const char *const names[] = {"agent.colour", "llm.magic", "resources.gpu",
                               "resources.max_concurent_requests", "dependencies"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    g_assert_true(
        g_ptr_array_find_with_equal_func(file->not_honoured, names[i], g_str_equal, NULL));
  g_assert_cmpuint(file->not_honoured->len, ==, G_N_ELEMENTS(names));
  agent_file_free(file);
}

#define LLM(lines) "[agent]\nname = \"a\"\n[llm]\nmodel = \"m\"\n" lines "\n"

static void test_bad(void)
{
  static const char *const rows[][2] = {
      {LLM("api_key = \"sk-1\""), "api_key_secret"},
      {LLM("api_key_env = \"A\"\napi_key_file = \"B\""), "only one of"},
      {LLM("provider = \"openai\""), "'llm.base_url': wanted the URL of the model server"},
      {LLM("base_url = \"ftp://x\""), "begins with http://"},
      {LLM("base_url = \"$URL\""),
       "agent.toml:5:1: warning: 'llm.base_url': '$URL' stays as it is written; a variable is ${URL}"},
      {LLM("base_url = \"http://u:p@x/\""), "without a user or password"},
      {LLM("base_url = \"http://x/?a\""), "without '?'"},
      {LLM("base_url = \"http://x y\""), "without spaces"},
      {LLM("base_url = \"http://\""), "names a host"},
      {LLM("temperature = 3"), "'temperature': wanted a number from 0 to 2"},
      {LLM("concurrency = 0"), "'concurrency'"},
      {LLM("max_tokens = \"many\""), "'max_tokens'"},
      {"[agent]\nname = \"a\"\n[llm]\nprovider = \"openai\"\nbase_url = \"http://x\"\n",
       "'llm.model': wanted the name of a model"},
      {LLM("max_tokens = 1\nmax_completion_tokens = 1"), "only one of max_tokens"},
      {"[agent]\nname = \"a\"\n[llm]\nprovider = \"command\"\n", "'llm.command'"},
      {LLM("provider = \"opnai\""),
       "agent.toml:5:1: error: 'llm.provider': unknown value 'opnai'; allowed: command, ollama, openai; did you mean 'openai'?"},
      {"{\"name\":\"a\",\"llm\":7}", "'llm': wanted a section"},
      {LLM("[resources]\nmemory_limit = \"much\""), "'resources.memory_limit': wanted a size"},
      {LLM("[resources]\ncpu_limit = -1"), "'cpu_limit'"},
      {LLM("[deployment]\nauto_restart = 1"), "'auto_restart': wanted true or false"},
      {LLM("[server]\nauth = \"yes\""), "'server.auth': wanted loopback"},
      {LLM("[server]\nauth = \"none\"\napi_key_env = \"K\""), "'server.auth': wanted key, since"},
      {LLM("[server]\npublic_url = \"a.example\""), "'server.public_url': wanted http(s)://"},
      {LLM("[server]\npublic_url = \"https://a.example?x\""),
       "'server.public_url': wanted http(s)://"},
      {LLM("[server]\nhost_names = [\"a.example:80\"]"),
       "'server.host_names': wanted a list of names of hosts"},
      {LLM("[server]\nallowed_origins = [\"*\"]"),
       "'server.allowed_origins': wanted a list of http(s)://"},
      {LLM("[server]\nallowed_origins = [\"https://App.example\"]"),
       "'server.allowed_origins': wanted a list of http(s)://"},
      {LLM("[server]\nallowed_origins = [\"https://app.example/\"]"),
       "'server.allowed_origins': wanted a list of http(s)://"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *said = NULL;
    g_assert_null(read_text(rows[i][0], &said));
    g_assert_nonnull(strstr(said, rows[i][1]));
    /* a key that was written there by mistake is not said aloud */
    g_assert_null(strstr(said, "sk-1"));
  }
}

/* ---- in a job ---- */

static char *give_file(const char *path, size_t max, size_t *length, void *data, GError **error)
{
  (void)path;
  (void)max;
  (void)error;
  *length = strlen(data);
  return g_strdup(data);
}

/* The only agent of a job with @more lines, whose agent file is @text. */
static Job *read_job(const char *text, const char *more)
{
  g_autoptr(Problems) problems = problems_new();
  g_autofree char *job = g_strconcat("job: {name: j}\nagents:\n- id: a\n", more, "", NULL);
  JobReadOptions options = {.file_name = "job.yaml",
                            .directory = "/",
                            .read_file = give_file,
                            .data = (void *)(uintptr_t)text};
  Job *read = job_read(job, strlen(job), &options, problems);
  g_autofree char *said = problems_text(problems);
  g_test_message("%s", said);
  g_assert_nonnull(read);
  return read;
}

static const char limits[] = LLM(
    "[resources]\ncpu_limit = 1.5\nmemory_limit = \"1GB\"\nhealth_check_interval = 7\n[deployment]\n"
    "auto_restart = true\nmax_restarts = 9\nrestart_delay = 90\nport = 4000\n[dependencies]\npython = \"3\"");

static void test_fold(void)
{
  g_autoptr(Job) job = read_job(limits, "  reeve: {agent: a.toml}\n");
  const AgentSpec *agent = job_agent(job, 0);
  g_assert_cmpfloat(agent->resources.cpu, ==, 1.5);
  g_assert_cmpint(agent->resources.memory_bytes, ==, 1024 * 1024 * 1024);
  g_assert_cmpint(agent->restart.max, ==, 9);
  g_assert_cmpint(agent->restart.delay_ms, ==, 90000);
  g_assert_cmpint(agent->restart.max_delay_ms, >=, 90000);
  g_assert_cmpint(agent->health.interval_ms, ==, 7000);
  g_assert_cmpint(agent->port, ==, 4000);
  g_assert_true(
      g_ptr_array_find_with_equal_func(job->not_honoured, "a: dependencies", g_str_equal, NULL));
}

/* The key of the model server comes as a secret of that name, unless the job says where it comes
 * from. */
static void test_fold_secret(void)
{
  static const char text[] = LLM("api_key_secret = \"openai-key\"");
  static const char *const rows[][2] = {
      {"  reeve: {agent: a.toml}\n", "openai-key"},
      {"  reeve: {agent: a.toml}\n  environment: {openai-key: {secret: other}}\n", "other"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Job) job = read_job(text, rows[i][0]);
    const StrPair *pair = strmap_at(&job_agent(job, 0)->environment, 0);
    g_assert_cmpstr(pair->key, ==, "openai-key");
    g_assert_cmpint(pair->from, ==, VALUE_SECRET);
    g_assert_cmpstr(pair->value, ==, rows[i][1]);
  }
}

/* What the job says counts, wherever it stands. */
static void test_fold_job_first(void)
{
  static const char *const rows[] = {
      "  resources: {memory: 2G}\n  restart: {max: 3}\n  health: {interval: 5}\n  config: {port: 5000}\n  reeve: {agent: a.toml}\n",
      "  reeve: {agent: a.toml}\n  config: {port: 5000}\n  health: {interval: 5}\n  restart: {max: 3}\n  resources: {memory: 2G}\n"};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Job) job = read_job(limits, rows[i]);
    const AgentSpec *agent = job_agent(job, 0);
    g_assert_cmpint(agent->resources.memory_bytes, ==, (int64_t)2 * 1024 * 1024 * 1024);
    g_assert_cmpfloat(agent->resources.cpu, ==, 1.5);
    g_assert_cmpint(agent->restart.max, ==, 3);
    g_assert_cmpint(agent->restart.delay_ms, ==, 1000);
    g_assert_cmpint(agent->health.interval_ms, ==, 5000);
    g_assert_cmpint(agent->port, ==, 5000);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/agent-file/all", test_all);
  g_test_add_func("/agent-file/defaults", test_defaults);
  g_test_add_func("/agent-file/default-brain", test_default_brain);
  g_test_add_func("/agent-file/server", test_server);
  g_test_add_func("/agent-file/not-honoured", test_not_honoured);
  g_test_add_func("/agent-file/bad", test_bad);
  g_test_add_func("/agent-file/fold", test_fold);
  g_test_add_func("/agent-file/fold-secret", test_fold_secret);
  g_test_add_func("/agent-file/fold-job-first", test_fold_job_first);
  return g_test_run();
}
