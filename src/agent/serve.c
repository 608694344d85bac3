/* The agent server's life, and the queue before its brain. */
#include "agent/agent.h"
#include "agent/internal.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
  AGENT_FILE_MAX = 1024 * 1024,
  AGENT_LIMIT = 8,
  AGENT_QUEUE = 64,
  AGENT_TIMEOUT_MS = 120000,
  AGENT_DRAIN_MS = 10000,
  AGENT_REPLY_SLACK_MS = 30000
};

/* One question, from its request to its answer. */
typedef struct Ask {
  Agent *agent;
  HttpRequest *request; /* NULL = the asker left */
  BrainCall *call;
  char *prompt, *session;
  AskRender render;
  int64_t started_ms;
} Ask;

static void ask_free(Ask *ask)
{
  g_free(ask->prompt);
  g_free(ask->session);
  g_free(ask);
}

static int64_t agent_timeout(const Agent *agent)
{
  if (agent->file->request_timeout_ms)
    return agent->file->request_timeout_ms;
  return agent->file->timeout_ms ? agent->file->timeout_ms : AGENT_TIMEOUT_MS;
}

static void agent_next(Agent *agent);

static void agent_left(Agent *agent)
{
  if (agent->draining && agent->in_flight == 0 && g_queue_is_empty(&agent->queue))
    loop_timer_set(agent->drain, clock_boot_ms());
}

/* A brain that fails is a bad gateway to whoever asked us. */
static void ask_refuse(HttpRequest *request, int code, const char *why)
{
  if (code == REEVE_ERROR_TIMEOUT) {
    http_reply_problem(request, code, why);
    return;
  }
  GString *body =
      g_string_new("{\"type\":\"urn:reeve:problem:failed\",\"title\":\"Bad Gateway\",\"status\":502,\"code\":\"failed\",\"detail\":");
  g_autofree char *safe = g_strescape(why, NULL);
  g_string_append_printf(body, "\"%s\"}", safe);
  http_reply(request, 502, "application/problem+json", body->str, body->len);
  g_string_free(body, TRUE);
}

static void ask_done(int code, const char *text, size_t length, void *data)
{
  Ask *ask = data;
  Agent *agent = ask->agent;
  agent->in_flight--;
  if (code >= 0)
    agent->errors++;
  if (ask->request) {
    http_request_on_gone(ask->request, NULL, NULL);
    if (code >= 0) {
      ask_refuse(ask->request, code, text);
    } else {
      g_autofree char *answer = g_strndup(text, length);
      g_autofree char *body = ask->render(agent, g_strchomp(answer), ask->session, clock_boot_ms() - ask->started_ms);
      http_reply(ask->request, 200, "application/json", body, strlen(body));
    }
  }
  ask_free(ask);
  agent_next(agent);
  agent_left(agent);
}

static void ask_gone(void *data)
{
  Ask *ask = data;
  Agent *agent = ask->agent;
  ask->request = NULL;
  if (!ask->call) {
    g_queue_remove(&agent->queue, ask);
    ask_free(ask);
    return;
  }
  agent->driver->cancel(ask->call); /* nobody waits for this answer */
  agent->in_flight--;
  ask_free(ask);
  agent_next(agent);
  agent_left(agent);
}

static void agent_next(Agent *agent)
{
  while (agent->in_flight < agent->limit && !g_queue_is_empty(&agent->queue)) {
    Ask *ask = g_queue_pop_head(&agent->queue);
    agent->in_flight++;
    ask->call = agent->driver->ask(agent->brain, ask->prompt, agent_timeout(agent), ask_done, ask);
    if (!ask->call && ask->request)
      http_request_on_gone(ask->request, NULL, NULL); /* its refusal is on its way */
  }
}

void agent_ask(Agent *agent, HttpRequest *request, const char *prompt, const char *session, AskRender render)
{
  if (agent->draining || g_queue_get_length(&agent->queue) >= AGENT_QUEUE) {
    const char *why = agent->draining ? "the agent is shutting down" : "the agent has too many requests waiting";
    g_autofree char *body = g_strdup_printf(
        "{\"type\":\"urn:reeve:problem:unavailable\",\"title\":\"%s\",\"status\":%d,\"code\":\"unavailable\",\"detail\":\"%s\"}",
        agent->draining ? "Service Unavailable" : "Too Many Requests", agent->draining ? 503 : 429, why);
    http_reply_header(request, "Retry-After", "1");
    http_reply(request, agent->draining ? 503 : 429, "application/problem+json", body, strlen(body));
    return;
  }
  Ask *ask = g_new0(Ask, 1);
  *ask = (Ask){.agent = agent,
               .request = request,
               .prompt = g_strdup(prompt),
               .session = g_strdup(session),
               .render = render,
               .started_ms = clock_boot_ms()};
  agent->requests++;
  http_request_on_gone(request, ask_gone, ask);
  g_queue_push_tail(&agent->queue, ask);
  agent_next(agent);
}

void agent_drain(Agent *agent)
{
  if (agent->draining)
    return;
  agent->draining = true;
  http_server_close_listeners(agent->http);
  loop_timer_set(agent->drain, clock_boot_ms() + AGENT_DRAIN_MS);
  agent_left(agent);
}

static void agent_on_drained(void *data)
{
  Agent *agent = data;
  loop_stop(agent->loop);
}

static void agent_on_signal(void *data)
{
  agent_drain(data);
}

static AgentFile *agent_load(const char *path)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Problems) problems = problems_new();
  size_t length;
  g_autofree char *text = fs_read(path, AGENT_FILE_MAX, &length, &error);
  AgentFile *file = text ? agent_file_read(text, length, path, problems) : NULL;
  g_autofree char *what = problems_text(problems);
  if (error)
    fprintf(stderr, "reeve: %s\n", error->message);
  fputs(what, stderr);
  if (file && g_strcmp0(file->llm_provider, "command") != 0) {
    fprintf(stderr, "%s: error: 'llm.provider': '%s' is not supported by this version; allowed: command\n", path,
            file->llm_provider ? file->llm_provider : "(none)");
    agent_file_free(file);
    return NULL;
  }
  for (guint i = 0; file && i < file->not_honoured->len; i++)
    fprintf(stderr, "%s: warning: not honoured: %s\n", path, (char *)file->not_honoured->pdata[i]);
  return file;
}

static void agent_done(Agent *agent)
{
  http_server_free(agent->http);
  agent->driver->close(agent->brain);
  loop_timer_free(agent->drain);
  g_free(agent->host);
  agent_file_free(agent->file);
}

int agent_serve_main(const AgentServeOptions *options)
{
  Agent agent = {.driver = &brain_command, .host = g_strdup(options->host ? options->host : "127.0.0.1")};
  agent.file = agent_load(options->agent_file);
  if (!agent.file) {
    g_free(agent.host);
    return reeve_error_exit(REEVE_ERROR_INVALID);
  }
  agent.loop = loop_new();
  agent.limit = agent.file->max_concurrent_requests ? agent.file->max_concurrent_requests : AGENT_LIMIT;
  agent.started_boot_ms = clock_boot_ms();
  g_queue_init(&agent.queue);
  agent.brain = agent.driver->open(agent.loop, agent.file);
  agent.drain = loop_timer_new(agent.loop, agent_on_drained, &agent);
  HttpServerConfig config = {.handler = doors_handle, .data = &agent, .reply_ms_max = agent_timeout(&agent) + AGENT_REPLY_SLACK_MS};
  agent.http = http_server_new(agent.loop, &config);
  g_autoptr(GError) error = NULL;
  agent.port = http_server_listen_tcp(agent.http, agent.host, options->port ? options->port : agent.file->port, &error);
  int code = 0;
  if (agent.port < 0) {
    fprintf(stderr, "reeve: agent '%s': %s\n", agent.file->name, error->message);
    code = reeve_error_exit(error->code);
  } else {
    LoopWatch *term = loop_signal_new(agent.loop, SIGTERM, agent_on_signal, &agent),
              *interrupt = loop_signal_new(agent.loop, SIGINT, agent_on_signal, &agent);
    log_info("agent serves", "agent=%s url=http://%s:%d", agent.file->name, agent.host, agent.port);
    loop_run(agent.loop);
    loop_watch_free(term);
    loop_watch_free(interrupt);
  }
  agent_done(&agent);
  loop_free(agent.loop);
  return code;
}
