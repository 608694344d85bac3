/* From stored rows back to the core that wrote them. */
#include "core/load.h"

#include "core/build.h"
#include "core/deployment.h"
#include "core/instance.h"
#include "core/node.h"
#include "core/notices.h"
#include "core/rollout.h"
#include "core/rollout_stage.h"
#include "core/schedule.h"
#include "core/secrets.h"
#include "core/state.h"
#include "core/turn.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static bool load_bad(GError **error, TableId table, const Value *values, const char *what)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "stored row '%s' of '%s': %s",
              values[0].text ? values[0].text : "?", table_specs[table].name, what);
  return false;
}

static bool load_meta(Core *core, const Value *values, GError **error)
{
  core_load_meta(core, values[META_KEY].text, values[META_VALUE].text);
  (void)error;
  return true;
}

static bool load_deployment(Core *core, const Value *values, GError **error)
{
  int status = deployment_status_parse(values[DEP_STATUS].text),
      outcome = rollout_outcome_parse(values[DEP_OUTCOME].text);
  if (!values[DEP_NAME].text || status < 0 || outcome < 0)
    return load_bad(error, TABLE_DEPLOYMENTS, values, "no name, or an unknown status or outcome");
  Deployment *deployment = deployment_new(values[DEP_ID].text, values[DEP_NAME].text);
  deployment->settled = deployment->status = (DeploymentStatus)status;
  deployment->revision = (int)values[DEP_REVISION].number;
  deployment->created_at_ms = values[DEP_CREATED_AT].number;
  deployment->updated_at_ms = values[DEP_UPDATED_AT].number;
  deployment->reason = g_strdup(values[DEP_REASON].text);
  deployment->outcome = (RolloutOutcome)outcome;
  deployment->told = notice_told(values[DEP_TOLD].text);
  core_load_deployment(core, deployment);
  return true;
}

static bool load_revision(Core *core, const Value *values, GError **error)
{
  Deployment *deployment = core_find(core, values[REV_DEPLOYMENT].text);
  if (!deployment)
    return load_bad(error, TABLE_REVISIONS, values, "no such deployment");
  Revision *revision = g_new0(Revision, 1);
  g_strlcpy(revision->id, values[REV_ID].text, sizeof revision->id);
  revision->number = (int)values[REV_NUMBER].number;
  revision->source_name = g_strdup(values[REV_SOURCE_NAME].text);
  revision->source = g_ref_string_new(values[REV_SOURCE].text ? values[REV_SOURCE].text : "");
  /* read when it is needed */
  revision->job_json = g_ref_string_new(values[REV_JOB].text ? values[REV_JOB].text : "");
  revision->created_at_ms = values[REV_CREATED_AT].number;
  revision->actor = g_strdup(values[REV_ACTOR].text);
  revision->cause = g_strdup(values[REV_CAUSE].text);
  g_ptr_array_add(deployment->revisions, revision);
  return true;
}

static int load_step(const char *word)
{
  for (int i = 0; i < STEP_N; i++)
    if (g_strcmp0(word, instance_step_word((InstanceStep)i)) == 0)
      return i;
  return -1;
}

static ExitStatus load_exit(const char *text)
{
  ExitStatus status = {.code = -1};
  if (!text)
    return status;
  char *rest;
  status.code = (int)strtol(text, &rest, 10);
  status.signal = *rest == '/' ? (int)strtol(rest + 1, NULL, 10) : 0;
  return status;
}

static bool load_instance(Core *core, const Value *values, GError **error)
{
  Deployment *deployment = core_find(core, values[INS_DEPLOYMENT].text);
  int step = load_step(values[INS_STEP].text);
  if (!deployment || !values[INS_AGENT].text || step < 0)
    return load_bad(error, TABLE_INSTANCES, values,
                    "no such deployment, no agent, or an unknown step");
  Instance *instance = instance_new(deployment, values[INS_ID].text, values[INS_AGENT].text,
                                    (int)values[INS_REPLICA].number);
  instance->node = g_strdup(values[INS_NODE].text);
  instance->epoch = values[INS_EPOCH].number;
  instance->generation = values[INS_GENERATION].number;
  instance->revision = (int)values[INS_REVISION].number;
  instance->desired_running = g_strcmp0(values[INS_DESIRED].text, "running") == 0;
  instance->step = (InstanceStep)step;
  instance->stage = (int)values[INS_STAGE].number;
  instance->port = (int)values[INS_PORT].number;
  instance->outcome = g_strdup(values[INS_OUTCOME].text);
  instance->reason = g_strdup(values[INS_REASON].text);
  instance->last_exit = load_exit(values[INS_EXIT].text);
  instance->created_at_ms = values[INS_CREATED_AT].number;
  instance->ended_at_ms = values[INS_ENDED_AT].number;
  instance->target = (int)values[INS_TARGET].number;
  instance->secrets_version = values[INS_SECRETS].number;
  core_add_instance(core, instance);
  return true;
}

static bool load_rollout(Core *core, const Value *values, GError **error)
{
  Deployment *deployment = core_find(core, values[ROL_DEPLOYMENT].text);
  int kind = rollout_kind_parse(values[ROL_KIND].text),
      phase = rollout_phase_parse(values[ROL_PHASE].text);
  int outcome = rollout_outcome_parse(values[ROL_OUTCOME].text),
      verdict = rollout_outcome_parse(values[ROL_VERDICT].text);
  if (!deployment || kind < 0 || phase < 0 || outcome < 0 || verdict < 0)
    return load_bad(error, TABLE_ROLLOUTS, values, "no such deployment, or an unknown word");
  Rollout *rollout = rollout_new(deployment, values[ROL_ID].text, (RolloutKind)kind);
  rollout->phase = (RolloutPhase)phase;
  rollout->stage = (int)values[ROL_STAGE].number;
  rollout->from = (int)values[ROL_FROM].number;
  rollout->to = (int)values[ROL_TO].number;
  rollout->outcome = (RolloutOutcome)outcome;
  rollout->verdict = (RolloutOutcome)verdict;
  rollout->cause = g_strdup(values[ROL_CAUSE].text);
  rollout->started_at_ms = values[ROL_STARTED_AT].number;
  rollout->stage_at_ms = values[ROL_STAGE_AT].number;
  rollout->duration_ms = values[ROL_DURATION].number;
  rollout->ended_at_ms = values[ROL_ENDED_AT].number;
  rollout->actor = g_strdup(values[ROL_ACTOR].text);
  rollout->failed = g_strdup(values[ROL_FAILED].text);
  rollout->agent = g_strdup(values[ROL_AGENT].text);
  rollout->rolling = values[ROL_ROLLING].number != 0;
  return true;
}

static bool load_schedule(Core *core, const Value *values, GError **error)
{
  Deployment *deployment = core_find(core, values[SCH_DEPLOYMENT].text);
  if (!deployment || !values[SCH_AGENT].text)
    return load_bad(error, TABLE_SCHEDULES, values, "no such deployment, or no agent");
  Schedule *schedule = schedule_new(deployment, values[SCH_ID].text, values[SCH_AGENT].text);
  schedule->handled_at_ms = values[SCH_HANDLED_AT].number;
  /* 1: an earlier release wrote that a run waits, and not since when */
  int64_t queued = values[SCH_QUEUED].number;
  schedule->queued_due_ms = queued == 1 ? schedule->handled_at_ms : queued;
  schedule->spec = g_strdup(values[SCH_SPEC].text);
  core_load_schedule(core, schedule);
  return true;
}

static bool load_schedule_run(Core *core, const Value *values, GError **error)
{
  Schedule *schedule = core_loaded_schedule(core, values[RUN_SCHEDULE].text);
  if (!schedule || !values[RUN_OUTCOME].text)
    return load_bad(error, TABLE_SCHEDULE_RUNS, values, "no such schedule, or no outcome");
  ScheduleRun *run = schedule_add_run(schedule, values[RUN_ID].text);
  run->due_at_ms = values[RUN_DUE_AT].number;
  run->started_at_ms = values[RUN_STARTED_AT].number;
  run->ended_at_ms = values[RUN_ENDED_AT].number;
  run->outcome = g_strdup(values[RUN_OUTCOME].text);
  run->reason = g_strdup(values[RUN_REASON].text);
  run->generation = values[RUN_GENERATION].number;
  run->actor = g_strdup(values[RUN_ACTOR].text);
  return true;
}

static bool load_node(Core *core, const Value *values, GError **error)
{
  (void)error;
  NodeObject *node = node_object_new(values[NOD_ID].text);
  node->name = g_strdup(values[NOD_NAME].text);
  node->boot_id = g_strdup(values[NOD_BOOT_ID].text);
  node->epoch_seen = values[NOD_EPOCH_SEEN].number;
  node->created_at_ms = values[NOD_CREATED_AT].number;
  core_add_node(core, node);
  return true;
}

static bool load_token_row(Core *core, const Value *values, GError **error)
{
  return load_token(core, values) ||
         load_bad(error, TABLE_TOKENS, values, "no name, no hash, or an unknown role");
}

static bool load_secret_row(Core *core, const Value *values, GError **error)
{
  return load_secret(core, values) || load_bad(error, TABLE_SECRETS, values, "no sealed text");
}

static bool load_notice_row(Core *core, const Value *values, GError **error)
{
  return load_notice(core, values) ||
         load_bad(error, TABLE_NOTICES, values, "no deployment, URL, event or body");
}

static bool load_registration_row(Core *core, const Value *values, GError **error)
{
  return load_registration(core, values) ||
         load_bad(error, TABLE_REGISTRATIONS, values, "no such instance");
}

bool core_load_row(Core *core, TableId table, const Value *values, GError **error)
{
  static bool (*const loaders[TABLE_N])(Core *, const Value *, GError **) = {
      [TABLE_META] = load_meta,
      [TABLE_DEPLOYMENTS] = load_deployment,
      [TABLE_REVISIONS] = load_revision,
      [TABLE_INSTANCES] = load_instance,
      [TABLE_ROLLOUTS] = load_rollout,
      [TABLE_SCHEDULES] = load_schedule,
      [TABLE_SCHEDULE_RUNS] = load_schedule_run,
      [TABLE_NODES] = load_node,
      [TABLE_TOKENS] = load_token_row,
      [TABLE_SECRETS] = load_secret_row,
      [TABLE_NOTICES] = load_notice_row,
      [TABLE_REGISTRATIONS] = load_registration_row,
  };
  if (!values[0].text)
    return load_bad(error, table, values, "no key");
  return !loaders[table] || loaders[table](core, values, error);
}

static gint load_compare_revision(gconstpointer a, gconstpointer b)
{
  return (*(Revision *const *)a)->number - (*(Revision *const *)b)->number;
}

static gint load_compare_rollout(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Rollout *const *)a)->id, (*(Rollout *const *)b)->id);
}

/* The order in which they were made. */
static gint load_compare_notice(gconstpointer a, gconstpointer b)
{
  const char *x = (*(Notice *const *)a)->id, *y = (*(Notice *const *)b)->id;
  size_t n = strlen(x), m = strlen(y);
  return n != m ? (n < m ? -1 : 1) : strcmp(x, y);
}

static void load_link_rollout(Core *core, Deployment *deployment, Now now)
{
  g_ptr_array_sort(deployment->rollouts, load_compare_rollout);
  if (deployment->rollouts->len == 0)
    return;
  Rollout *rollout = deployment->rollouts->pdata[deployment->rollouts->len - 1];
  deployment->rollout = rollout;
  deployment_look_at_jobs(deployment);
  if (!rollout_is_open(rollout) || deployment->unreadable)
    return; /* what cannot be read does not go on, and no time runs out for it */
  int64_t left = rollout->stage_at_ms + rollout->duration_ms - now.wall_ms;
#ifndef REEVE_BUG_TIMER_NOT_RESTORED
  rollout->deadline_boot_ms = now.boot_ms + CLAMP(left, 0, rollout->duration_ms);
#else
  (void)left;
#endif
  g_ptr_array_add(core_list(core, CORE_OPEN), rollout);
  rollout_recount(rollout);
  for (guint i = 0; i < deployment->instances->len; i++)
    if (((const Instance *)deployment->instances->pdata[i])->target == 0)
      g_ptr_array_add(rollout->leaving, deployment->instances->pdata[i]);
}

static gint load_compare_run(gconstpointer a, gconstpointer b)
{
  return strcmp((*(ScheduleRun *const *)a)->id, (*(ScheduleRun *const *)b)->id);
}

static void load_schedules(Core *core, Deployment *deployment)
{
  for (guint i = 0; i < deployment->schedules->len; i++) {
    Schedule *schedule = deployment->schedules->pdata[i];
    g_ptr_array_sort(schedule->runs, load_compare_run);
    schedule_attach(core, schedule);
  }
}

void core_load_done(Core *core, Now now, Effects *effects)
{
  turn_begin(core, now, effects);
  core_load_sort(core);
  g_ptr_array_sort(core_list(core, CORE_NOTICES), load_compare_notice);
  nodes_loaded(core);
  for (guint i = 0; i < core_deployments(core)->len; i++) {
    Deployment *deployment = core_deployments(core)->pdata[i];
    deployment_sort(deployment);
    g_ptr_array_sort(deployment->revisions, load_compare_revision);
    for (guint k = 0; k < deployment->instances->len; k++) {
      Instance *instance = deployment->instances->pdata[k];
      core_load_place(core, instance);
      instance_recount(instance);
    }
    load_link_rollout(core, deployment, now);
    load_schedules(core, deployment);
    deployment->status = deployment_derive(deployment);
  }
  secrets_loaded(core);
  rollouts_loaded(core);
  effects->wake_at_ms = core_next_wake(core);
  turn_end(core);
}
