/* What people ask of a deployment: deploy, down, restart, cancel, rollback, forget. Refusals change
 * nothing. */
#include "core/announce.h"
#include "core/build.h"
#include "core/command.h"
#include "core/deployment.h"
#include "core/instance.h"
#include "core/records.h"
#include "core/rollout.h"
#include "core/secrets.h"
#include "core/state.h"
#include "core/turn.h"

#include "base/error.h"
#include "base/json.h"
#include "core/preview.h"

#include <stdlib.h>
#include <string.h>

/* Answers 202 with the rollout that now carries the request out. */
static void command_accept_rollout(Core *core, const Command *command, const Rollout *rollout,
                                   bool changed)
{
  GString *body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "id", rollout->deployment->id);
  jw_str(body, "name", rollout->deployment->name);
  jw_str(body, "rollout", rollout->id);
  jw_int(body, "revision", rollout->to ? rollout->to : rollout->deployment->revision);
  jw_bool(body, "changed", changed);
  jw_close(body, '}');
  turn_accept(core, command, changed ? 202 : 200, body->str);
  g_string_free(body, TRUE);
}

/* The deployment that @command names, or NULL after a 404. */
static Deployment *command_deployment(Core *core, const Command *command)
{
  Deployment *deployment = core_find(core, command->deployment);
  if (!deployment)
    turn_refuse(core, command, REEVE_ERROR_NOT_FOUND, "no deployment '%s'", command->deployment);
  return deployment;
}

/* Refuses what needs the jobs of @deployment when they cannot be read: true then. */
static bool command_refuse_unreadable(Core *core, const Command *command,
                                      const Deployment *deployment)
{
  if (deployment->unreadable)
    turn_refuse(core, command, REEVE_ERROR_CONFLICT, "%s", deployment->unreadable);
  return deployment->unreadable != NULL;
}

static bool command_refuse_open(Core *core, const Command *command, const Deployment *deployment)
{
  if (!deployment_changes(deployment))
    return false;
  if (command_refuse_unreadable(core, command, deployment))
    return true;
  turn_refuse(core, command, REEVE_ERROR_CONFLICT,
              "deployment '%s': its %s is under way; wait for it, cancel it, or replace it",
              deployment->name, rollout_kind_word(deployment->rollout->kind));
  return true;
}

/* What does not run can be brought up, and nothing else of a change to it has a meaning. */
static void command_refuse_down(Core *core, const Command *command, const Deployment *deployment)
{
  g_autofree char *way = deployment_way_up(deployment);
  turn_refuse(core, command, REEVE_ERROR_CONFLICT, "deployment '%s' is %s; start it: %s",
              deployment->name, deployment_status_word(deployment->status), way);
}

static Revision *command_add_revision(Core *core, Deployment *deployment, const Command *command,
                                      const char *cause)
{
  const Revision *last = deployment_last_revision(deployment);
  Revision *revision = g_new0(Revision, 1);
  core_new_id(core, revision->id, "rev");
  revision->number = last ? last->number + 1 : 1;
  revision->source_name = g_strdup(command->source_name);
  revision->source = g_ref_string_new(command->source ? command->source : "");
  revision->job_json = g_ref_string_new(command->job_json);
  revision->created_at_ms = core_now(core).wall_ms;
  revision->actor = g_strdup(command->actor);
  revision->cause = g_strdup(cause);
  g_ptr_array_add(deployment->revisions, revision);
  turn_store(core, record_of_revision(deployment, revision));
  return revision;
}

/* The revision that already says what @command asks for, or NULL. */
static Revision *command_same_revision(const Deployment *deployment, const Job *job)
{
  Revision *revision = deployment_last_revision(deployment);
  const Job *present = revision_job(revision);
  if (!present)
    return NULL;
  g_autofree char *before = job_digest_text(present);
  g_autofree char *after = job_digest_text(job);
  return strcmp(before, after) == 0 ? revision : NULL;
}

/* What is started from now on finds the environment of who asked last: PATH, a virtual environment,
 * a time zone. It is no part of what makes a revision the same, so it has a place in the present
 * one, and what runs goes on as it is. */
static void command_take_caller(Core *core, const Deployment *deployment, Revision *revision,
                                const Command *command)
{
  g_autofree char *before = job_to_json(revision_job(revision)), *after = job_to_json(command->job);
  if (strcmp(before, after) == 0)
    return;
  g_ref_string_release(revision->job_json);
  revision->job_json = g_ref_string_new(after);
  revision_forget_cache(revision);
  turn_store(core, record_of_revision(deployment, revision));
}

static bool command_check_job(Core *core, const Command *command)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Plan) plan = plan_new(command->job, &error);
  g_autofree char *missing = plan ? secrets_missing(core, command->job) : NULL;
  if (missing) {
    turn_refuse(core, command, REEVE_ERROR_INVALID, "job '%s': %s", command->job->name, missing);
    return false;
  }
  if (plan)
    return true;
  turn_refuse(core, command, REEVE_ERROR_INVALID, "job '%s': %s", command->job->name,
              error->message);
  return false;
}

static bool command_plan_is_stale(Core *core, const Command *command)
{
  char present[PREVIEW_ID_BYTES];
  if (!command->plan)
    return false;
  core_plan_id(core, command->job, present);
  if (strcmp(present, command->plan) == 0)
    return false;
  turn_refuse(
      core, command, REEVE_ERROR_CONFLICT,
      "plan '%s' of '%s' is not what would happen now: the file, or what runs, has changed since; look at a new one with --dry-run",
      command->plan, command->job->name);
  return true;
}

void command_deploy(Core *core, const Command *command)
{
  Deployment *deployment = core_find(core, command->job->name);
  /* its rollout does not go on by itself: nobody has to wait for it */
  bool stuck = deployment && deployment->unreadable;
  if (deployment && !command->replace && !stuck && command_refuse_open(core, command, deployment))
    return;
  if (!command_check_job(core, command) || command_plan_is_stale(core, command))
    return;
  Revision *revision = deployment ? command_same_revision(deployment, command->job) : NULL;
  bool open = deployment && deployment_changes(deployment);
  if (revision)
    command_take_caller(core, deployment, revision, command);
  if (revision && !open && deployment->rollout && deployment->settled == DEPLOYMENT_RUNNING &&
      deployment->revision == revision->number && deployment->degraded == 0) {
    command_accept_rollout(core, command, deployment->rollout, false);
    return;
  }
  if (!deployment) {
    char id[ID_BYTES];
    core_new_id(core, id, "dep");
    deployment = deployment_new(id, command->job->name);
    deployment->created_at_ms = core_now(core).wall_ms;
    core_add_deployment(core, deployment);
  }
  if (!revision)
    revision = command_add_revision(core, deployment, command, "deploy");
  bool update = deployment_base(deployment) > 0;
  Rollout *rollout =
      rollout_begin(core, deployment, update ? ROLLOUT_KIND_UPDATE : ROLLOUT_KIND_DEPLOY,
                    revision->number, command);
  turn_audit(core, command, "deploy", deployment->name, rollout->id);
  command_accept_rollout(core, command, rollout, true);
}

void command_down(Core *core, const Command *command)
{
  Deployment *deployment = command_deployment(core, command);
  if (!deployment)
    return;
  const Rollout *open = deployment_changes(deployment) ? deployment->rollout : NULL;
  if (open && open->kind == ROLLOUT_KIND_DOWN) {
    command_accept_rollout(core, command, open, true);
    return;
  }
  Rollout *rollout = rollout_begin(core, deployment, ROLLOUT_KIND_DOWN, 0, command);
  turn_audit(core, command, "down", deployment->name, rollout->id);
  command_accept_rollout(core, command, rollout, true);
}

/* @agent: AGENT, or AGENT/REPLICA. */
static bool command_agent_is_there(const Deployment *deployment, const Revision *revision,
                                   const char *agent)
{
  const char *slash = strchr(agent, '/');
  g_autofree char *id = slash ? g_strndup(agent, (gsize)(slash - agent)) : g_strdup(agent);
  const AgentSpec *spec = job_agent_named(revision_job(revision), id);
  if (!spec || !slash)
    return spec;
  const Instance *slot = deployment_slot(deployment, id, atoi(slash + 1));
  g_autofree char *exact = slot ? slot_key(id, slot->replica) : NULL;
  return slot && strcmp(exact, agent) == 0 && slot->replica < spec->replicas;
}

void command_restart(Core *core, const Command *command)
{
  Deployment *deployment = command_deployment(core, command);
  if (!deployment || command_refuse_open(core, command, deployment))
    return;
  if (command_refuse_unreadable(core, command, deployment))
    return;
  const Revision *revision = revision_find(deployment, deployment->revision);
  if (!revision || deployment->settled == DEPLOYMENT_STOPPED) {
    command_refuse_down(core, command, deployment);
    return;
  }
  if (command->agent && !command_agent_is_there(deployment, revision, command->agent)) {
    turn_refuse(core, command, REEVE_ERROR_NOT_FOUND, "deployment '%s' has no agent '%s'",
                deployment->name, command->agent);
    return;
  }
  Rollout *rollout =
      rollout_begin(core, deployment, ROLLOUT_KIND_RESTART, revision->number, command);
  turn_audit(core, command, "restart", deployment->name, command->agent);
  command_accept_rollout(core, command, rollout, true);
}

void command_cancel(Core *core, const Command *command)
{
  Deployment *deployment = command_deployment(core, command);
  if (!deployment)
    return;
  Rollout *rollout = deployment->rollout;
  bool open = rollout && rollout_is_open(rollout);
  if (open && command_refuse_unreadable(core, command, deployment))
    return;
  if (!open || rollout->verdict != OUTCOME_SUCCEEDED || rollout->kind == ROLLOUT_KIND_DOWN) {
    turn_refuse(core, command, REEVE_ERROR_CONFLICT, "deployment '%s': %s", deployment->name,
                open ? "the running rollout is already on its way back" : "no rollout is running");
    return;
  }
  g_autofree char *cause =
      g_strdup_printf("cancelled by %s", command->actor ? command->actor : "somebody");
  turn_audit(core, command, "cancel", deployment->name, rollout->id);
  rollout_cancel(core, rollout, cause);
  command_accept_rollout(core, command, rollout, true);
}

void command_rollback(Core *core, const Command *command)
{
  Deployment *deployment = command_deployment(core, command);
  if (!deployment || (!deployment->unreadable && command_refuse_open(core, command, deployment)))
    return;
  int number = command->number ? command->number : deployment_previous(deployment);
  const Revision *revision = revision_find(deployment, number);
  g_autofree char *problem = revision ? revision_unreadable(deployment, revision) : NULL;
  if (problem) {
    turn_refuse(core, command, REEVE_ERROR_CONFLICT, "%s; 'reeve history %s' names the others",
                problem, deployment->name);
    return;
  }
  if (!revision) {
    if (command->number)
      turn_refuse(core, command, REEVE_ERROR_NOT_FOUND, "deployment '%s' has no revision %d",
                  deployment->name, number);
    else
      turn_refuse(core, command, REEVE_ERROR_CONFLICT,
                  "deployment '%s' has no earlier good revision", deployment->name);
    return;
  }
  Rollout *rollout = rollout_begin(core, deployment, ROLLOUT_KIND_ROLLBACK, number, command);
  g_autofree char *detail = g_strdup_printf("to revision %d", number);
  turn_audit(core, command, "rollback", deployment->name, detail);
  command_accept_rollout(core, command, rollout, true);
}

/* Nothing of the core changes: whoever looks later sees who ran what. Arguments may hold secrets
 * and are not kept. */
void command_exec(Core *core, const Command *command)
{
  const Deployment *deployment = command_deployment(core, command);
  if (!deployment)
    return;
  g_autofree char *key = slot_key(command->agent, command->number),
                  *detail = g_strdup_printf("%s: %s", key, command->source_name);
  turn_audit(core, command, "exec", deployment->name, detail);
  turn_accept(core, command, 200, "{}");
}

/* Refuses @job when two of its replicas would have the same port, or one that does not exist. */
static bool command_ports_clash(Core *core, const Command *command, const Job *job)
{
  g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL); /* port -> agent id */
  for (guint i = 0; i < job->agents->len; i++) {
    PortClash clash;
    if (job_take_ports(job, i, taken, &clash))
      continue;
    turn_refuse(core, command, REEVE_ERROR_INVALID,
                "agent '%s': replica %d would have port %d, %s%s%s", job_agent(job, i)->id,
                clash.replica, clash.port,
                clash.other ? "which is the port of agent '" : "which does not exist",
                clash.other ? clash.other : "", clash.other ? "'" : "");
    return true;
  }
  return false;
}

/* Refuses @job when it is larger than a job may be. The first thing that is too large is told. */
static bool command_above_limits(Core *core, const Command *command, const Job *job)
{
  g_autoptr(Problems) problems = problems_new();
  plan_check_limits(job, problems);
  if (!problems->errors)
    return false;
  const Problem *first = problems->items->pdata[0];
  turn_refuse(core, command, REEVE_ERROR_INVALID, "%s", first->message);
  return true;
}

/* The job of @revision with another number of replicas, as JSON; NULL after a refusal. Caller
 * frees. */
static char *command_scaled_job(Core *core, const Command *command, const Revision *revision)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Job) job =
      job_from_json(revision->job_json, g_ref_string_length(revision->job_json), &error);
  int index = job ? job_find_agent(job, command->agent) : -1;
  if (index < 0) {
    turn_refuse(core, command, REEVE_ERROR_NOT_FOUND, "deployment '%s' has no agent '%s'",
                command->deployment, command->agent);
    return NULL;
  }
  AgentSpec *agent = job->agents->pdata[index];
  if (command->number < 1 || command->number > JOB_REPLICAS_MAX) {
    turn_refuse(core, command, REEVE_ERROR_INVALID,
                "agent '%s': %d replicas; allowed: 1 to %d; to stop it, take it out of the job",
                command->agent, command->number, JOB_REPLICAS_MAX);
    return NULL;
  }
  if (agent->schedule.set && command->number != 1) {
    turn_refuse(core, command, REEVE_ERROR_INVALID,
                "agent '%s' runs by a schedule: it has one replica", command->agent);
    return NULL;
  }
  agent->replicas = command->number;
  if (command_ports_clash(core, command, job) || command_above_limits(core, command, job))
    return NULL;
  return job_to_json(job);
}

void command_scale(Core *core, const Command *command)
{
  Deployment *deployment = command_deployment(core, command);
  if (!deployment || command_refuse_open(core, command, deployment) ||
      command_refuse_unreadable(core, command, deployment))
    return;
  const Revision *revision = revision_find(deployment, deployment->revision);
  if (!revision || deployment->settled != DEPLOYMENT_RUNNING) {
    command_refuse_down(core, command, deployment);
    return;
  }
  g_autofree char *job_json = command_scaled_job(core, command, revision);
  if (!job_json)
    return;
  const Job *job = revision_job(revision);
  if (job_agent_named(job, command->agent)->replicas == command->number) {
    command_accept_rollout(core, command, deployment->rollout, false);
    return;
  }
  g_autofree char *cause = g_strdup_printf("scale %s=%d", command->agent, command->number);
  Command scaled = *command;
  scaled.source_name = revision->source_name;
  scaled.source = revision->source;
  scaled.job_json = job_json;
  const Revision *added = command_add_revision(core, deployment, &scaled, cause);
  Rollout *rollout = rollout_begin(core, deployment, ROLLOUT_KIND_UPDATE, added->number, command);
  turn_audit(core, command, "scale", deployment->name, cause);
  command_accept_rollout(core, command, rollout, true);
}

static void command_remove_schedule(Core *core, const Schedule *schedule)
{
  for (guint i = 0; i < schedule->runs->len; i++)
    turn_remove(core, TABLE_SCHEDULE_RUNS, ((const ScheduleRun *)schedule->runs->pdata[i])->id);
  turn_remove(core, TABLE_SCHEDULES, schedule->id);
}

void command_forget(Core *core, const Command *command)
{
  Deployment *deployment = command_deployment(core, command);
  if (!deployment || command_refuse_open(core, command, deployment))
    return;
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (!instance->desired_running || instance->outcome) /* completed and failed ones do not run */
      continue;
    turn_refuse(core, command, REEVE_ERROR_CONFLICT,
                "deployment '%s' is %s; stop it with down first", deployment->name,
                deployment_status_word(deployment->status));
    return;
  }
  turn_audit(core, command, "forget", deployment->name, NULL);
  for (guint i = 0; i < deployment->instances->len; i++)
    announce_forget(core, deployment->instances->pdata[i]);
  for (guint i = 0; i < deployment->rollouts->len; i++)
    turn_remove(core, TABLE_ROLLOUTS, ((const Rollout *)deployment->rollouts->pdata[i])->id);
  for (guint i = 0; i < deployment->revisions->len; i++)
    turn_remove(core, TABLE_REVISIONS, ((const Revision *)deployment->revisions->pdata[i])->id);
  for (guint i = 0; i < deployment->schedules->len; i++)
    command_remove_schedule(core, deployment->schedules->pdata[i]);
  turn_remove(core, TABLE_DEPLOYMENTS, deployment->id);
  GString *data = g_string_new(NULL);
  jw_open(data, NULL, '{');
  jw_str(data, "id", deployment->id);
  jw_str(data, "name", deployment->name);
  jw_close(data, '}');
  turn_event(core, "forgotten", deployment->name, deployment->id, data);
  g_autofree char *body =
      g_strdup_printf("{\"id\":\"%s\",\"name\":\"%s\"}", deployment->id, deployment->name);
  turn_accept(core, command, 202, body);
  core_remove_deployment(core, deployment);
}
