/* Owns the life of `reeve agent serve`: reads the agent file, listens, runs, leaves. */
#include "agent/brain_key.h"
#include "agent/door.h"
#include "agent/internal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/system.h"
#include "formats/expand.h"
#include "model/limits.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
  LAST_WORDS_MS = 500, /* for the refusals of those that were not answered in time */
  REPLY_SLACK_MS = 5000,
  /* beside those of questions; 1,000 in all unless the file allows more questions at once */
  CONNECTIONS_OTHER = 928,
  CONNECTIONS_SPARE = 16 /* outgoing ones to one host beside those of brains */
};

/* The URL that others use for what listens on @host. */
static char *agent_url(const char *host, int port)
{
  bool any = g_str_equal(host, "0.0.0.0") || g_str_equal(host, "::");
  const char *name = any || g_str_equal(host, "127.0.0.1") ? "localhost" : host;
  return g_strdup_printf(strchr(name, ':') ? "http://[%s]:%d" : "http://%s:%d", name, port);
}

/* The names that mean us: those of this machine's loopback, the one we listen on, and what the
 * operator says. */
static char **agent_hosts(const AgentFile *file, const char *host)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  const char *given = g_getenv("AGENT_HOST_NAMES"), *url = file->server_public_url;
  g_autofree char *all = g_strjoin(",", "localhost,127.0.0.1,::1", host, given, NULL);
  g_auto(GStrv) parts = g_strsplit(all, ",", -1);
  for (guint i = 0; parts[i]; i++)
    if (g_strstrip(parts[i])[0])
      g_ptr_array_add(names, g_strdup(parts[i]));
  for (guint i = 0; i < file->server_names->len; i++)
    g_ptr_array_add(names, g_strdup(file->server_names->pdata[i]));
  g_autofree char *authority =
      url ? g_strndup(strstr(url, "//") + 2, strcspn(strstr(url, "//") + 2, "/")) : NULL;
  char *name = authority ? address_host(authority) : NULL;
  if (name)
    g_ptr_array_add(names, name);
  g_ptr_array_add(names, NULL);
  return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

static char **agent_origins(const AgentFile *file)
{
  char **origins = g_new0(char *, file->server_origins->len + 1);
  for (guint i = 0; i < file->server_origins->len; i++)
    origins[i] = g_strdup(file->server_origins->pdata[i]);
  return origins;
}

static const char *agent_variable(const char *name, void *data)
{
  (void)data;
  return g_getenv(name);
}

/* Reads @path; says on stderr what is wrong with it. */
static AgentFile *agent_read(const char *path, int *code)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Problems) problems = problems_new();
  size_t length = 0;
  g_autofree char *text = fs_read(path, JOB_NAMED_FILE_BYTES_MAX, &length, &error);
  if (!text) {
    fprintf(stderr, "reeve: read '%s': %s\n", path, error->message);
    *code = reeve_error_exit(error->code);
    return NULL;
  }
  g_autofree char *expanded = expand_text(text, length, path, agent_variable, NULL, problems);
  AgentFile *file = expanded ? agent_file_read(expanded, strlen(expanded), path, problems) : NULL;
  if (file)
    agent_file_set_default(file, g_getenv("REEVE_MODEL"), g_getenv("REEVE_MODEL_URL"), problems);
  if (file && !brain_find(file->llm_provider))
    problems_add(problems, PROBLEM_ERROR, (SourcePos){path, 0, 0},
                 "llm.provider '%s': this version has no such brain; known: %s", file->llm_provider,
                 brain_providers());
  g_autofree char *said = problems_text(problems);
  fputs(said, stderr);
  if (file && !problems->errors)
    return file;
  agent_file_free(file);
  *code = reeve_error_exit(REEVE_ERROR_INVALID);
  return NULL;
}

/* Answers that the kernel has are as good as read; a slow reader gets the time of the drain for the
 * others. */
static bool agent_is_heard(const Agent *agent)
{
  return !http_server_open(agent->http) && !http_server_backlog(agent->http);
}

static void agent_on_leave(void *data)
{
  Agent *agent = data;
  if (!agent_is_busy(agent) && !agent_is_heard(agent) && clock_boot_ms() < agent->leave_by_ms) {
    loop_timer_set(agent->leave, MIN(clock_boot_ms() + AGENT_LINGER_MS, agent->leave_by_ms));
    return;
  }
  if (agent_is_busy(agent)) {
    log_warn("drain is over its time", "in_flight=%u queued=%u", agent->running.length,
             agent->waiting.length);
    asks_give_up(agent);
    agent->leave_by_ms = clock_boot_ms() + LAST_WORDS_MS;
    loop_timer_set(agent->leave, clock_boot_ms() + AGENT_LINGER_MS);
    return;
  }
  loop_stop(agent->loop);
}

static void agent_on_signal(void *data)
{
  agent_drain(data);
}

/* How many questions brains have at once: no more than the agent may have, no more than its brain
 * takes. */
static int agent_running_max(const AgentFile *file)
{
  int requests = file->max_concurrent_requests, brain = file->concurrency;
  int least = requests && brain ? MIN(requests, brain) : MAX(requests, brain);
  return least ? least : ASKS_RUNNING_DEFAULT;
}

void agent_init(Agent *agent, const AgentFile *file, const char *api_key)
{
  int64_t timeout_ms = file->request_timeout_ms ? file->request_timeout_ms : file->timeout_ms;
  *agent = (Agent){.file = file,
                   .brain = brain_find(file->llm_provider),
                   .running_max = agent_running_max(file),
                   .timeout_ms = timeout_ms ? timeout_ms : ASK_TIMEOUT_DEFAULT_MS,
                   .started_ms = clock_boot_ms(),
                   .loop = loop_new()};
  /* An ask waits and then works, each at most its time; only a defect of ours lets the server's own
   * limit pass. */
  HttpServerConfig config = {.handler = doors_handle,
                             .refuse = doors_refuse,
                             .data = agent,
                             .body_bytes_max = DOOR_BODY_MAX,
                             .reply_ms_max = 2 * agent->timeout_ms + REPLY_SLACK_MS,
                             .eof_is_gone = true,
                             .connections_max =
                                 agent->running_max + ASKS_WAITING_MAX + CONNECTIONS_OTHER};
  /* every question has a connection on both sides */
  system_raise_files(2 * (guint64)config.connections_max);
  agent->http = http_server_new(agent->loop, &config);
  agent->client = http_client_new(agent->loop);
  agent->world = (BrainWorld){.loop = agent->loop,
                              .client = agent->client,
                              .file = file,
                              .api_key = api_key,
                              .manners = &agent->manners};
  http_client_set_connections(agent->client, agent->running_max + CONNECTIONS_SPARE);
  agent->tools = tools_new(agent->loop, agent->client, file);
  agent->sessions = sessions_new();
  agent->leave = loop_timer_new(agent->loop, agent_on_leave, agent);
  agent_stats_init(&agent->stats);
  g_queue_init(&agent->running);
  g_queue_init(&agent->waiting);
  g_queue_init(&agent->ending);
}

void agent_done(Agent *agent)
{
  asks_give_up(agent);
  http_server_free(agent->http);
  doors_free(agent->doors);
  tools_free(agent->tools);
  http_client_free(agent->client);
  sessions_free(agent->sessions);
  agent_stats_done(&agent->stats);
  loop_timer_free(agent->leave);
  loop_free(agent->loop);
  g_strfreev(agent->hosts);
  g_strfreev(agent->origins);
  g_free(agent->url);
}

static const char *serve_host(const AgentServeOptions *options)
{
  return options->host ? options->host : "127.0.0.1";
}

static int agent_run(Agent *agent, const AgentServeOptions *options)
{
  const char *host = serve_host(options);
  g_autoptr(GError) error = NULL;
  int wanted = options->port ? options->port : agent->file->port;
  int port = http_server_listen_tcp(agent->http, host, wanted, &error);
  if (port < 0) {
    fprintf(stderr, "reeve: %s\n", error->message);
    return reeve_error_exit(error->code);
  }
  agent->url = agent_url(host, port);
  agent->beyond = !address_is_loopback(host);
  agent->hosts = agent_hosts(agent->file, host);
  agent->origins = agent_origins(agent->file);
  LoopWatch *term = loop_signal_new(agent->loop, SIGTERM, agent_on_signal, agent);
  LoopWatch *interrupt = loop_signal_new(agent->loop, SIGINT, agent_on_signal, agent);
  log_info("agent serves", "agent=%s url=%s brain=%s timeout_ms=%" G_GINT64_FORMAT,
           agent->file->name, agent->url, agent->brain->provider, agent->timeout_ms);
  loop_run(agent->loop);
  log_info("agent stopped", "agent=%s requests=%" G_GINT64_FORMAT " errors=%" G_GINT64_FORMAT,
           agent->file->name, agent->stats.requests, agent->stats.errors);
  loop_watch_free(term);
  loop_watch_free(interrupt);
  return 0;
}

/* Limits of a process are set by who starts it, and who starts it again: without a job nobody does.
 * Tools are for models. */
static void agent_say_not_honoured(const AgentFile *file, const char *path)
{
  bool deployed = g_getenv("AGENT_ID") != NULL;
  bool no_tools = !brain_find(file->llm_provider)->tools;
  const struct {
    bool asked;
    const char *key, *why;
  } rows[] = {
      {!deployed && file->memory_bytes > 0, "resources.memory_limit", "needs-a-job"},
      {!deployed && file->cpu_limit > 0, "resources.cpu_limit", "needs-a-job"},
      {!deployed && file->health_interval_ms > 0, "resources.health_check_interval", "needs-a-job"},
      {!deployed && file->auto_restart == 1, "deployment.auto_restart", "needs-a-job"},
      {no_tools && file->tools->mcp_servers->len > 0, "mcp_servers",
       "a-command-is-offered-no-tools"},
      {no_tools && file->tools->sub_agents->len > 0, "sub_agents",
       "a-command-is-offered-no-tools"}};
  for (guint i = 0; i < file->not_honoured->len; i++)
    log_warn("not honoured", "file=%s key=%s", path,
             (const char *)g_ptr_array_index(file->not_honoured, i));
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].asked)
      log_warn("not honoured", "file=%s key=%s why=%s", path, rows[i].key, rows[i].why);
}

int agent_serve_main(const AgentServeOptions *options)
{
  int code = 0;
  AgentFile *file = agent_read(options->agent_file, &code);
  if (!file)
    return code;
  agent_say_not_honoured(file, options->agent_file);
  signal(SIGCHLD, SIG_DFL); /* ignored, the kernel would take the exit codes of brains */
  g_autoptr(GError) error = NULL;
  g_autofree char *api_key = brain_key_read(file, &error);
  Doors *doors = error ? NULL : doors_new(file, !address_is_loopback(serve_host(options)), &error);
  if (!doors) {
    fprintf(stderr, "reeve: %s: %s\n", options->agent_file, error->message);
    int refused = reeve_error_exit(error->code);
    agent_file_free(file);
    return refused;
  }
  Agent agent;
  agent_init(&agent, file, api_key);
  agent.doors = doors;
  code = agent_run(&agent, options);
  agent_done(&agent);
  agent_file_free(file);
  return code;
}
