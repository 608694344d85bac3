/* The management routes of a deployment server in both spellings that its clients use: /start with
 * a name in the body, /agents/NAME/start with it in the path. start, stop and restart answer when
 * the rollout has ended. */
#include "base/clock.h"
#include "base/error.h"
#include "server/agents.h"
#include "server/logs.h"
#include "server/routes.h"
#include "server/turn.h"

#include <string.h>

enum { AGENTS_WAIT_MS = 25000, AGENTS_WAITS_MAX = 256, DIAGNOSIS_LINES = 100 };

/* What a request asks for, and the word of its success. */
typedef struct AgentsVerb {
  const char *done, *doing;
} AgentsVerb;
static const AgentsVerb verb_start = {"started", "starting"};
static const AgentsVerb verb_stop = {"stopped", "stopping"};
static const AgentsVerb verb_restart = {"restarted", "restarting"};

/* A request whose answer waits for the end of a rollout. @agents NULL: the directory is gone, and
 * soon the server. */
typedef struct AgentWait {
  Agents *agents;
  HttpRequest *request; /* NULL = the peer has gone */
  const AgentsVerb *verb;
  char *name, *rollout;
  int64_t until_ms;
  bool now; /* do not wait */
} AgentWait;

/* ---- how an agent is ---- */

static const Instance *agents_instance(const Deployment *deployment)
{
  return deployment && deployment->instances->len ? deployment->instances->pdata[0] : NULL;
}

static const char *agents_deployed_word(const Deployment *deployment)
{
  static const char *const words[DEPLOYMENT_N] = {
      [DEPLOYMENT_DEPLOYING] = "starting", [DEPLOYMENT_RUNNING] = "running",
      [DEPLOYMENT_DEGRADED] = "running",   [DEPLOYMENT_FAILED] = "failed",
      [DEPLOYMENT_STOPPING] = "stopping",  [DEPLOYMENT_STOPPED] = "stopped"};
  const Instance *instance = agents_instance(deployment);
  if (deployment->status != DEPLOYMENT_DEGRADED || !instance)
    return words[deployment->status];
  if (instance->state == INSTANCE_BACKOFF || instance->state == INSTANCE_STARTING ||
      instance->state == INSTANCE_PENDING)
    return "starting";
  return instance->state == INSTANCE_FAILED || instance->outcome ? "failed" : "running";
}

static const char *agents_status(const AgentEntry *entry, const Deployment *deployment)
{
  if (deployment)
    return agents_deployed_word(deployment);
  return entry && entry->def && !entry->taken_by ? "discovered" : "invalid";
}

/* What a person should know, the most urgent first; NULL = nothing. Caller frees. */
static char *agents_error(const AgentEntry *entry, const Deployment *deployment)
{
  const Revision *now = deployment ? deployment_revision(deployment, deployment->revision) : NULL;
  const Instance *instance = agents_instance(deployment);
  bool failed = deployment && (deployment->status == DEPLOYMENT_FAILED ||
                               deployment->status == DEPLOYMENT_DEGRADED);
  const char *reason = failed ? deployment_reason(deployment) : NULL;
  if (failed && !deployment->unreadable && instance && instance->observed_reason &&
      instance->observed_reason[0])
    reason = instance->observed_reason;
  if (reason && reason[0])
    return g_strdup(reason);
  if (!entry)
    return g_strdup("its file is gone from the agents directory");
  if (entry->taken_by)
    return g_strdup_printf("%s: the name '%s' is that of '%s' already", entry->path, entry->name,
                           entry->taken_by);
  if (entry->problem)
    return deployment ? g_strdup_printf("changed on disk: %s", entry->problem)
                      : g_strdup(entry->problem);
  const Job *job = revision_job(now);
  const AgentSpec *spec = job ? job_agent(job, 0) : NULL;
  if (spec && g_strcmp0(spec->agent_text, entry->def->text) != 0)
    return g_strdup_printf("changed on disk; redeploy it: reeve deploy %s", entry->name);
  return NULL;
}

static void agents_render_place(GString *out, const Instance *instance)
{
  bool up = instance && instance->pid > 0;
  if (instance && instance->port > 0)
    jw_int(out, "port", instance->port);
  else
    jw_null(out, "port");
  if (up)
    jw_int(out, "pid", instance->pid);
  else
    jw_null(out, "pid");
}

static void agents_render_file(GString *out, const AgentEntry *entry)
{
  const AgentDef *def = entry ? entry->def : NULL;
  jw_str(out, "checksum", def ? def->sha256 : NULL);
  jw_str(out, "config_path", entry ? entry->path : NULL);
  jw_str(out, "version", def ? def->file->version : NULL);
  jw_str(out, "description", def ? def->file->description : NULL);
  jw_open(out, "not_honoured", '[');
  for (guint i = 0; def && i < def->file->not_honoured->len; i++)
    jw_str(out, NULL, def->file->not_honoured->pdata[i]);
  jw_close(out, ']');
}

static void agents_render(GString *out, const AgentEntry *entry, const Deployment *deployment)
{
  const Instance *instance = agents_instance(deployment);
  g_autofree char *error = agents_error(entry, deployment);
  jw_open(out, NULL, '{');
  jw_str(out, "name", entry ? entry->name : deployment->name);
  jw_str(out, "status", agents_status(entry, deployment));
  agents_render_place(out, instance);
  jw_time(out, "start_time", instance && instance->pid > 0 ? instance->since_ms : 0);
  jw_int(out, "restart_count", instance ? MAX(instance->restarts, 0) : 0);
  jw_str(out, "health_status", health_word(instance ? instance->health : HEALTH_UNKNOWN));
  jw_str(out, "error_message", error);
  agents_render_file(out, entry);
  jw_close(out, '}');
}

/* The deployment of the agent @name, unless that name belongs to somebody else's. */
static const Deployment *agents_deployment(const Agents *agents, const char *name)
{
  const Deployment *deployment = core_deployment(engine_core(agents->server->engine), name);
  return deployment && g_str_equal(deployment->name, name) && agents_owns(agents, deployment)
             ? deployment
             : NULL;
}

/* ---- reading ---- */

static void agents_none(RouteCall *call)
{
  route_problem(
      call->server, call->request, REEVE_ERROR_NOT_FOUND,
      "this server has no agents directory; start it with --agents-dir DIR, or with a deployment block in its configuration file",
      NULL, NULL);
}

/* The name of the agent that a request calls @word. */
static const char *agents_meant(const RouteCall *call, const char *word)
{
  return call->server->agents ? agents_name_of(call->server->agents, word) : word;
}

/* The agent @name: false after a 404. One of both may be NULL. */
static bool agents_look_up(RouteCall *call, const char *name, const AgentEntry **entry,
                           const Deployment **deployment)
{
  const Agents *agents = call->server->agents;
  g_autoptr(GError) error = NULL;
  if (!agents) {
    agents_none(call);
    return false;
  }
  *entry = agents_find(agents, name);
  *deployment = agents_deployment(agents, name);
  if (*entry || *deployment)
    return true;
  agents_deployable(agents, name, &error); /* says what is wrong with the name */
  route_problem(call->server, call->request, REEVE_ERROR_NOT_FOUND, error->message, NULL, NULL);
  return false;
}

static guint agents_list_gone(const Agents *agents, GString *out)
{
  const GPtrArray *all = core_deployments(engine_core(agents->server->engine));
  guint n = 0;
  for (guint i = 0; i < all->len; i++) {
    const Deployment *deployment = all->pdata[i];
    if (agents_find(agents, deployment->name) || !agents_owns(agents, deployment))
      continue;
    agents_render(out, NULL, deployment);
    n++;
  }
  return n;
}

void get_agents(RouteCall *call)
{
  const Agents *agents = call->server->agents;
  GString *out = turn_scratch(call->server);
  guint n = 0;
  jw_open(out, NULL, '{');
  jw_str(out, "directory", agents ? agents->config->directory : NULL);
  jw_open(out, "agents", '[');
  for (guint i = 0; agents && i < agents->sorted->len; i++, n++) {
    const AgentEntry *entry = agents->sorted->pdata[i];
    agents_render(out, entry, entry->taken_by ? NULL : agents_deployment(agents, entry->name));
  }
  n += agents ? agents_list_gone(agents, out) : 0;
  jw_close(out, ']');
  jw_int(out, "count", n);
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

void get_agent(RouteCall *call)
{
  const AgentEntry *entry;
  const Deployment *deployment;
  if (!agents_look_up(call, agents_meant(call, call->name), &entry, &deployment))
    return;
  GString *out = turn_scratch(call->server);
  agents_render(out, entry, deployment);
  turn_answer(call->server, call->request, 200, "application/json", out);
}

void get_agents_health(RouteCall *call)
{
  GString *out = turn_scratch(call->server);
  jw_open(out, NULL, '{');
  jw_str(out, "status",
         engine_store_state(call->server->engine) == STORE_STATE_OK ? "healthy" : "degraded");
  jw_str(out, "version", REEVE_VERSION);
  jw_bool(out, "auth_enabled", true);
  jw_bool(out, "metrics_enabled", true);
  jw_time(out, "timestamp", clock_wall_ms());
  jw_close(out, '}');
  route_reply(call->server, call->request, 200, "application/json", out->str, out->len);
}

/* ---- /check ---- */

static const AgentEntry *agents_by_checksum(const Agents *agents, const char *checksum)
{
  for (guint i = 0; agents && i < agents->sorted->len; i++) {
    const AgentEntry *entry = agents->sorted->pdata[i];
    if (entry->def && (g_ascii_strcasecmp(entry->def->sha256, checksum) == 0 ||
                       g_ascii_strcasecmp(entry->def->md5, checksum) == 0))
      return entry;
  }
  return NULL;
}

void post_check(RouteCall *call)
{
  const char *checksum = http_request_query(call->request, "checksum");
  if (!checksum || !*checksum) {
    route_problem(call->server, call->request, REEVE_ERROR_USAGE,
                  "query parameter 'checksum' is missing: SHA-256 or MD5 of an agent file", NULL,
                  NULL);
    return;
  }
  const Agents *agents = call->server->agents;
  const AgentEntry *entry = agents_by_checksum(agents, checksum);
  const Deployment *deployment = entry ? agents_deployment(agents, entry->name) : NULL;
  GString *out = turn_scratch(call->server);
  jw_open(out, NULL, '{');
  jw_bool(out, "exists", entry != NULL);
  if (entry) {
    jw_str(out, "name", entry->name);
    jw_str(out, "status", agents_status(entry, deployment));
    agents_render_place(out, agents_instance(deployment));
    jw_bool(out, "running", deployment && g_str_equal(agents_deployed_word(deployment), "running"));
  } else {
    jw_str(out, "message", "no agent file has this checksum");
  }
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

/* ---- diagnostics ---- */

/* What the last output of a dead agent shows, and what helps. */
static const struct {
  const char *sign, *cause, *fix;
} diagnoses[] = {
    {"ModuleNotFoundError", "a Python module is missing",
     "install it where the agent's python3 looks"},
    {"No module named", "a Python module is missing", "install it where the agent's python3 looks"},
    {"Address already in use", "its port is held by another process",
     "let it have another port: [deployment] port = 0"},
    {"Permission denied", "a file or a port may not be used by this user",
     "look at the rights of what the output names"},
    {"Connection refused", "something that it calls does not listen",
     "start that first, or mend its address"},
    {"No such file or directory", "a file or a program is missing",
     "mend the path that the output names"},
};

static void diagnostics_text(GString *out, const AgentEntry *entry, const Deployment *deployment)
{
  const Instance *instance = agents_instance(deployment);
  const char *output = instance && instance->output ? instance->output : "";
  g_autofree char *error = agents_error(entry, deployment);
  if (error)
    g_string_append_printf(out, "%s\n", error);
  for (guint i = 0; i < G_N_ELEMENTS(diagnoses); i++)
    if (strstr(output, diagnoses[i].sign))
      g_string_append_printf(out, "likely cause: %s; %s\n", diagnoses[i].cause, diagnoses[i].fix);
  for (guint i = 0; entry && entry->def && i < entry->def->file->not_honoured->len; i++)
    g_string_append_printf(out, "not honoured: %s\n",
                           (const char *)entry->def->file->not_honoured->pdata[i]);
  if (!out->len)
    g_string_append(out, "nothing is wrong\n");
}

/* An answer that waits for the logs. */
typedef struct Diagnosis {
  Server *server;
  HttpRequest *request; /* NULL = the peer has gone */
  GString *out;         /* the answer so far */
} Diagnosis;

static void diagnosis_gone(void *data)
{
  ((Diagnosis *)data)->request = NULL;
}

static void diagnosis_answer(const char *out, const char *err, void *data)
{
  Diagnosis *diagnosis = data;
  jw_str(diagnosis->out, "stdout", out);
  jw_str(diagnosis->out, "stderr", err);
  jw_close(diagnosis->out, '}');
  if (diagnosis->request) {
    http_request_on_gone(diagnosis->request, NULL, NULL);
    turn_answer(diagnosis->server, diagnosis->request, 200, "application/json", diagnosis->out);
  }
  g_string_free(diagnosis->out, TRUE);
  g_free(diagnosis);
}

void get_agent_diagnostics(RouteCall *call)
{
  const AgentEntry *entry;
  const Deployment *deployment;
  if (!agents_look_up(call, agents_meant(call, call->name), &entry, &deployment))
    return;
  const Instance *instance = agents_instance(deployment);
  g_autofree char *error = agents_error(entry, deployment);
  g_autoptr(GString) text = g_string_new(NULL);
  diagnostics_text(text, entry, deployment);
  Diagnosis *diagnosis = g_new0(Diagnosis, 1);
  *diagnosis =
      (Diagnosis){.server = call->server, .request = call->request, .out = g_string_new(NULL)};
  GString *out = diagnosis->out;
  jw_open(out, NULL, '{');
  jw_str(out, "agent_name", call->name);
  jw_str(out, "status", agents_status(entry, deployment));
  jw_str(out, "diagnostics", text->str);
  jw_str(out, "error_message", error);
  if (instance && instance->last_exit.code >= 0 && !instance->last_exit.signal)
    jw_int(out, "exit_code", instance->last_exit.code);
  else
    jw_null(out, "exit_code");
  jw_str(out, "config_path", entry ? entry->path : NULL);
  jw_time(out, "timestamp", clock_wall_ms());
  http_request_on_gone(call->request, diagnosis_gone, diagnosis);
  if (deployment)
    logs_take(call->server->logs, deployment, DIAGNOSIS_LINES, diagnosis_answer, diagnosis);
  else
    diagnosis_answer("", "", diagnosis);
}

/* ---- waiting for the end of a rollout ---- */

static void wait_free(AgentWait *wait)
{
  g_free(wait->name);
  g_free(wait->rollout);
  g_free(wait);
}

static void wait_gone(void *data)
{
  ((AgentWait *)data)->request = NULL;
}

static const Rollout *wait_rollout(const AgentWait *wait)
{
  const Deployment *deployment =
      core_deployment(engine_core(wait->agents->server->engine), wait->name);
  for (guint i = deployment && wait->rollout ? deployment->rollouts->len : 0; i > 0; i--) {
    const Rollout *rollout = deployment->rollouts->pdata[i - 1];
    if (g_str_equal(rollout->id, wait->rollout))
      return rollout;
  }
  return NULL;
}

static void wait_answer(AgentWait *wait, int status)
{
  Server *server = wait->agents->server;
  const Deployment *deployment = core_deployment(engine_core(server->engine), wait->name);
  GString *out = turn_scratch(server);
  jw_open(out, NULL, '{');
  jw_str(out, "status", status == 202 ? wait->verb->doing : wait->verb->done);
  jw_str(out, "name", wait->name);
  agents_render_place(out, wait->verb == &verb_stop ? NULL : agents_instance(deployment));
  jw_str(out, "rollout", wait->rollout);
  jw_close(out, '}');
  turn_answer(server, wait->request, status, "application/json", out);
}

static void wait_refuse(AgentWait *wait, const Rollout *rollout)
{
  int code = (int)reeve_error_from_word(rollout_outcome_word(rollout->outcome));
  g_autofree char *detail = g_strdup_printf(
      "agent '%s': %s", wait->name,
      rollout->cause && rollout->cause[0] ? rollout->cause : "the rollout did not succeed");
  route_problem(wait->agents->server, wait->request, code, detail, NULL, wait->rollout);
}

/* True when the wait is over. */
static bool wait_step(AgentWait *wait)
{
  Server *server = wait->agents->server;
  if (!wait->request)
    return true;
  const Rollout *rollout = wait_rollout(wait);
  bool done = !rollout || rollout->phase == ROLLOUT_PHASE_DONE,
       late = wait->now || clock_boot_ms() >= wait->until_ms;
  if (!done && !late && !server->leaving)
    return false;
  http_request_on_gone(wait->request, NULL, NULL);
  if (rollout && done && rollout->outcome != OUTCOME_SUCCEEDED)
    wait_refuse(wait, rollout);
  else
    wait_answer(wait, done ? 200 : 202);
  return true;
}

void agents_answer_waits(Agents *agents)
{
  int64_t first = INT64_MAX;
  for (guint i = agents->waits->len; i > 0; i--) {
    AgentWait *wait = agents->waits->pdata[i - 1];
    if (wait_step(wait)) {
      g_ptr_array_remove_index_fast(agents->waits, i - 1);
      wait_free(wait);
    } else {
      first = MIN(first, wait->until_ms);
    }
  }
  if (first != INT64_MAX)
    loop_timer_set(agents->later, first);
}

void agents_drop_waits(Agents *agents)
{
  for (guint i = 0; i < agents->waits->len; i++) {
    AgentWait *wait = agents->waits->pdata[i];
    if (wait->request)
      http_request_on_gone(wait->request, NULL, NULL);
    wait_free(wait);
  }
  g_ptr_array_set_size(agents->waits, 0);
}

/* TurnLeaveFn: the change is accepted and stored. */
static void wait_begin(Server *server, HttpRequest *request, const char *body, void *data)
{
  AgentWait *wait = data;
  json_t *reply = request ? json_parse(body, strlen(body), NULL) : NULL;
  if (!reply || !server->agents) {
    wait_free(wait);
    json_decref(reply);
    return;
  }
  wait->request = request;
  wait->rollout = g_strdup(jget_str(reply, "rollout", NULL));
  wait->until_ms = clock_boot_ms() + AGENTS_WAIT_MS;
  json_decref(reply);
  http_request_on_gone(request, wait_gone, wait);
  g_ptr_array_add(wait->agents->waits, wait);
  agents_continue(wait->agents);
}

/* ---- changing ---- */

/* The wait for the answer to @call, or NULL after an answer. */
static AgentWait *agents_wait(RouteCall *call, const char *name, const AgentsVerb *verb)
{
  Agents *agents = call->server->agents;
  int64_t patience;
  if (!route_query_int(call, "wait", 0, 1, 1, &patience))
    return NULL;
  if (agents->waits->len >= AGENTS_WAITS_MAX) {
    route_problem(call->server, call->request, REEVE_ERROR_UNAVAILABLE,
                  "too many requests wait for their agents", NULL, NULL);
    return NULL;
  }
  AgentWait *wait = g_new0(AgentWait, 1);
  *wait = (AgentWait){.agents = agents, .verb = verb, .name = g_strdup(name), .now = patience == 0};
  return wait;
}

static void agents_start(RouteCall *call, const char *name, const AgentsVerb *verb)
{
  Agents *agents = call->server->agents;
  g_autoptr(GError) error = NULL;
  const AgentEntry *entry = agents_deployable(agents, name, &error);
  if (!entry) {
    route_problem(call->server, call->request, error->code, error->message, NULL, NULL);
    return;
  }
  AgentWait *wait = agents_wait(call, name, verb);
  if (!wait)
    return;
  AgentsDeploy deploy;
  agents_deploy_init(&deploy, agents, entry, call->actor);
  turn_change_then(call->server, &deploy.command, call->request, wait_begin, wait);
  agents_deploy_done(&deploy);
}

static void agents_change(RouteCall *call, const char *name, CommandType type,
                          const AgentsVerb *verb)
{
  AgentWait *wait = agents_wait(call, name, verb);
  Command command = {.type = type, .actor = call->actor, .deployment = name};
  if (wait)
    turn_change_then(call->server, &command, call->request, wait_begin, wait);
}

static void agents_verb_start(RouteCall *call, const char *name)
{
  if (call->server->agents)
    agents_start(call, name, &verb_start);
  else
    agents_none(call);
}

/* An agent that is not deployed is stopped already. */
static void agents_verb_stop(RouteCall *call, const char *name)
{
  const AgentEntry *entry;
  const Deployment *deployment;
  if (!agents_look_up(call, name, &entry, &deployment))
    return;
  if (deployment && deployment->status != DEPLOYMENT_STOPPED) {
    agents_change(call, name, COMMAND_DOWN, &verb_stop);
    return;
  }
  AgentWait *wait = agents_wait(call, name, &verb_stop);
  if (!wait)
    return;
  wait->request = call->request;
  wait_answer(wait, 200);
  wait_free(wait);
}

/* One that does not run is started. */
static void agents_verb_restart(RouteCall *call, const char *name)
{
  const AgentEntry *entry;
  const Deployment *deployment;
  if (!agents_look_up(call, name, &entry, &deployment))
    return;
  if (deployment && deployment->settled != DEPLOYMENT_STOPPED && deployment->revision > 0)
    agents_change(call, name, COMMAND_RESTART, &verb_restart);
  else
    agents_start(call, name, &verb_restart);
}

void post_agent_start(RouteCall *call)
{
  agents_verb_start(call, agents_meant(call, call->name));
}

void post_agent_stop(RouteCall *call)
{
  agents_verb_stop(call, agents_meant(call, call->name));
}

void post_agent_restart(RouteCall *call)
{
  agents_verb_restart(call, agents_meant(call, call->name));
}

void post_start(RouteCall *call)
{
  agents_verb_start(call, agents_meant(call, jget_str(call->body, "agent_name", "")));
}

void post_stop(RouteCall *call)
{
  agents_verb_stop(call, agents_meant(call, jget_str(call->body, "agent_name", "")));
}

void post_restart_agent(RouteCall *call)
{
  agents_verb_restart(call, agents_meant(call, jget_str(call->body, "agent_name", "")));
}

void post_agents_deploy(RouteCall *call)
{
  route_problem_status(
      call->server, call->request, 501, "unsupported", "this version cannot do that",
      "this version takes no zip packages; put the agent's directory into the agents directory and POST /agents/NAME/start",
      NULL, NULL);
}
