/* Routes on deployments: reading them from the core, and the changes that people ask for. */
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "core/preview.h"
#include "core/render.h"
#include "core/why.h"
#include "plan/diff.h"
#include "plan/plan.h"
#include "server/routes.h"
#include "server/turn.h"

#include <string.h>

void get_deployments(RouteCall *call)
{
  GString *out = turn_scratch(call->server);
  const GPtrArray *all = core_deployments(engine_core(call->server->engine));
  const char *status = http_request_query(call->request, "status");
  int wanted = status ? deployment_status_parse(status) : -1;
  if (status && wanted < 0) {
    route_problem(
        call->server, call->request, REEVE_ERROR_USAGE,
        "query parameter 'status' wants deploying, running, degraded, failed, stopping or stopped",
        NULL, NULL);
    return;
  }
  jw_open(out, NULL, '{');
  jw_open(out, "deployments", '[');
  for (guint i = 0; i < all->len; i++) {
    const Deployment *deployment = g_ptr_array_index(all, i);
    if (!status || (int)deployment->status == wanted)
      render_deployment(out, deployment, RENDER_BRIEF);
  }
  jw_close(out, ']');
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

void get_deployment(RouteCall *call)
{
  const Deployment *deployment = route_deployment(call);
  if (!deployment)
    return;
  GString *out = turn_scratch(call->server);
  render_deployment(out, deployment, RENDER_FULL);
  turn_answer(call->server, call->request, 200, "application/json", out);
}

static const char job_invalid_detail[] = "'job' is not a valid resolved job";

static void job_invalid(RouteCall *call, const char *message)
{
  g_autoptr(GPtrArray) problems = g_ptr_array_new();
  g_ptr_array_add(problems, (char *)message);
  route_problem(call->server, call->request, REEVE_ERROR_INVALID, job_invalid_detail, problems,
                NULL);
}

/* The job of the body, or NULL after an answer that says what is wrong with it. */
static Job *job_of_body(RouteCall *call)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Job) job = job_from_object(json_object_get(call->body, "job"), &error);
  if (!job) {
    job_invalid(call, error->message);
    return NULL;
  }
  if (!job->name || !text_is_name(job->name)) {
    job_invalid(
        call,
        "the name of a job has 1 to 64 characters of A-Z a-z 0-9 . _ - and begins with a letter or digit");
    return NULL;
  }
  g_autoptr(Problems) problems = problems_new();
  plan_check_limits(job, problems);
  if (!problems->errors)
    return g_steal_pointer(&job);
  g_autoptr(GPtrArray) messages = g_ptr_array_new();
  for (guint i = 0; i < problems->items->len; i++)
    g_ptr_array_add(messages, ((const Problem *)problems->items->pdata[i])->message);
  route_problem(call->server, call->request, REEVE_ERROR_INVALID, job_invalid_detail, messages,
                NULL);
  return NULL;
}

/* Which deployments are of the agents directory is told by where they came from, so nobody else may
 * claim that. */
static bool source_is_agent_file(RouteCall *call, const char *source_name)
{
  if (!g_str_has_suffix(source_name, "/agent.toml") &&
      !g_str_has_suffix(source_name, "/agent.json"))
    return false;
  route_problem(
      call->server, call->request, REEVE_ERROR_INVALID,
      "'source_name' names an agent file; agents of the agents directory are deployed by POST /agents/{name}/start",
      NULL, NULL);
  return true;
}

void post_deployments(RouteCall *call)
{
  g_autoptr(Job) job = job_of_body(call);
  if (!job || source_is_agent_file(call, jget_str(call->body, "source_name", "")))
    return;
  /* what is stored is what was understood, nothing else */
  g_autofree char *job_json = job_to_json(job);
  Command command = {.type = COMMAND_DEPLOY,
                     .actor = call->actor,
                     .deployment = job->name,
                     .job = job,
                     .source_name = jget_str(call->body, "source_name", NULL),
                     .source = jget_str(call->body, "source", NULL),
                     .job_json = job_json,
                     .plan = jget_str(call->body, "plan", NULL),
                     .replace = jget_flag(call->body, "replace", false)};
  turn_change(call->server, &command, call->request);
}

void post_plan(RouteCall *call)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Job) job = job_of_body(call);
  if (!job)
    return;
  g_autofree char *preview = core_preview(engine_core(call->server->engine), job, &error);
  if (!preview) {
    job_invalid(call, error->message);
    return;
  }
  GString *out = turn_scratch(call->server);
  g_string_append(out, preview);
  turn_answer(call->server, call->request, 200, "application/json", out);
}

/* Revision @number of @deployment, or NULL after a 404, or a 409 when its job cannot be read. */
static const Revision *diff_revision(RouteCall *call, const Deployment *deployment, int64_t number)
{
  const Revision *revision = deployment_revision(deployment, (int)number);
  g_autofree char *problem = revision ? revision_unreadable(deployment, revision) : NULL;
  if (problem) {
    route_problem(call->server, call->request, REEVE_ERROR_CONFLICT, problem, NULL, NULL);
    return NULL;
  }
  if (revision)
    return revision;
  bool only = deployment->revisions->len <= 1;
  g_autofree char *detail =
      number > 0 ? g_strdup_printf("deployment '%s' has no revision %" G_GINT64_FORMAT,
                                   deployment->name, number)
      : only
          ? g_strdup_printf(
                "deployment '%s' has one revision only: there is nothing to compare it with",
                deployment->name)
          : g_strdup_printf(
                "revision 1 of deployment '%s' is its first: there is nothing before it to compare with",
                deployment->name);
  route_problem(call->server, call->request, REEVE_ERROR_NOT_FOUND, detail, NULL, NULL);
  return NULL;
}

void get_diff(RouteCall *call)
{
  const Deployment *deployment = route_deployment(call);
  int64_t from, to;
  if (!deployment)
    return;
  int64_t present = deployment->revision;
  if (!route_query_int(call, "to", 1, INT32_MAX, MAX(present, 1), &to) ||
      !route_query_int(call, "from", 1, INT32_MAX, to - 1, &from))
    return;
  const Revision *before = diff_revision(call, deployment, from);
  const Revision *after = before ? diff_revision(call, deployment, to) : NULL;
  if (!after)
    return;
  DiffShown shown = call->role >= ROLE_OPERATOR ? DIFF_SHOWN_VALUES : DIFF_SHOWN_PLAIN;
  /* stored jobs have no cycle */
  g_autofree char *diff = plan_diff_json(revision_job(before), revision_job(after), shown, NULL);
  GString *out = turn_scratch(call->server);
  jw_open(out, NULL, '{');
  jw_str(out, "name", deployment->name);
  jw_int(out, "from", from);
  jw_int(out, "to", to);
  jw_raw(out, "diff", diff);
  render_stale(out, deployment);
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

static void deployment_change(RouteCall *call, CommandType type, const char *agent, int number)
{
  Command command = {.type = type,
                     .actor = call->actor,
                     .deployment = call->name,
                     .agent = agent,
                     .number = number};
  turn_change(call->server, &command, call->request);
}

void delete_deployment(RouteCall *call)
{
  deployment_change(call, COMMAND_FORGET, NULL, 0);
}

void post_down(RouteCall *call)
{
  deployment_change(call, COMMAND_DOWN, NULL, 0);
}

void post_restart(RouteCall *call)
{
  Command command = {.type = COMMAND_RESTART,
                     .actor = call->actor,
                     .deployment = call->name,
                     .agent = jget_str(call->body, "agent", NULL),
                     .rolling = jget_flag(call->body, "rolling", false)};
  turn_change(call->server, &command, call->request);
}

void post_scale(RouteCall *call)
{
  deployment_change(call, COMMAND_SCALE, jget_str(call->body, "agent", NULL),
                    (int)jget_int(call->body, "replicas", 0));
}

void post_run(RouteCall *call)
{
  deployment_change(call, COMMAND_RUN, jget_str(call->body, "agent", NULL), 0);
}

void get_schedules(RouteCall *call)
{
  GString *out = turn_scratch(call->server);
  const GPtrArray *all = core_deployments(engine_core(call->server->engine));
  jw_open(out, NULL, '{');
  jw_open(out, "schedules", '[');
  for (guint i = 0; i < all->len; i++) {
    const Deployment *deployment = g_ptr_array_index(all, i);
    for (guint k = 0; k < deployment->schedules->len; k++)
      render_schedule(out, g_ptr_array_index(deployment->schedules, k));
  }
  jw_close(out, ']');
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

void post_cancel(RouteCall *call)
{
  deployment_change(call, COMMAND_CANCEL, NULL, 0);
}

void post_rollback(RouteCall *call)
{
  deployment_change(call, COMMAND_ROLLBACK, NULL, (int)jget_int(call->body, "number", 0));
}

static void history_revision(GString *out, const Revision *revision)
{
  jw_open(out, NULL, '{');
  jw_int(out, "number", revision->number);
  jw_time(out, "created_at", revision->created_at_ms);
  jw_str(out, "actor", revision->actor);
  jw_str(out, "cause", revision->cause);
  jw_str(out, "source_name", revision->source_name);
  jw_close(out, '}');
}

void get_history(RouteCall *call)
{
  const Deployment *deployment = route_deployment(call);
  if (!deployment)
    return;
  GString *out = turn_scratch(call->server);
  jw_open(out, NULL, '{');
  jw_open(out, "revisions", '[');
  for (guint i = 0; i < deployment->revisions->len; i++)
    history_revision(out, g_ptr_array_index(deployment->revisions, i));
  jw_close(out, ']');
  jw_open(out, "rollouts", '[');
  for (guint i = 0; i < deployment->rollouts->len; i++)
    render_rollout(out, g_ptr_array_index(deployment->rollouts, i));
  jw_close(out, ']');
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

void get_why(RouteCall *call)
{
  const Deployment *deployment = route_deployment(call);
  if (!deployment)
    return;
  GString *out = turn_scratch(call->server);
  g_autofree char *why = core_why(engine_core(call->server->engine), deployment, clock_wall_ms());
  g_string_append(out, why);
  turn_answer(call->server, call->request, 200, "application/json", out);
}
