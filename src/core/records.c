/* Every stored object as its row: the one place that says what is stored of it. core_dump prints
 * the same rows. */
#include "core/records.h"

#include "core/build.h"
#include "core/state.h"

#include "base/json.h"

#include <string.h>

static char *record_exit_text(ExitStatus status)
{
  return status.code < 0 && status.signal == 0
             ? NULL
             : g_strdup_printf("%d/%d", status.code, status.signal);
}

Record *record_of_meta(const char *key, const char *value)
{
  Record *record = record_new(TABLE_META);
  record_text(record, META_KEY, key);
  record_text(record, META_VALUE, value);
  return record;
}

Record *record_of_deployment(const Deployment *deployment)
{
  Record *record = record_new(TABLE_DEPLOYMENTS);
  record_text(record, DEP_ID, deployment->id);
  record_text(record, DEP_NAME, deployment->name);
  record_text(record, DEP_STATUS, deployment_status_word(deployment->settled));
  record_int(record, DEP_REVISION, deployment->revision);
  record_text(record, DEP_ROLLOUT, deployment->rollout ? deployment->rollout->id : NULL);
  record_int(record, DEP_CREATED_AT, deployment->created_at_ms);
  record_int(record, DEP_UPDATED_AT, deployment->updated_at_ms);
  record_text(record, DEP_REASON, deployment->reason);
  record_text(record, DEP_OUTCOME, rollout_outcome_word(deployment->outcome));
  record_text(record, DEP_TOLD, deployment->told);
  return record;
}

Record *record_of_revision(const Deployment *deployment, const Revision *revision)
{
  Record *record = record_new(TABLE_REVISIONS);
  record_text(record, REV_ID, revision->id);
  record_text(record, REV_DEPLOYMENT, deployment->id);
  record_int(record, REV_NUMBER, revision->number);
  record_text(record, REV_SOURCE_NAME, revision->source_name);
  record_ref(record, REV_SOURCE, revision->source);
  record_ref(record, REV_JOB, revision->job_json);
  record_int(record, REV_CREATED_AT, revision->created_at_ms);
  record_text(record, REV_ACTOR, revision->actor);
  record_text(record, REV_CAUSE, revision->cause);
  return record;
}

Record *record_of_instance(const Instance *instance)
{
  g_autofree char *exit_text = record_exit_text(instance->last_exit);
  Record *record = record_new(TABLE_INSTANCES);
  record_text(record, INS_ID, instance->id);
  record_text(record, INS_DEPLOYMENT, instance->deployment->id);
  record_text(record, INS_AGENT, instance->agent);
  record_int(record, INS_REPLICA, instance->replica);
  record_text(record, INS_NODE, instance->node);
  record_int(record, INS_EPOCH, instance->epoch);
  record_int(record, INS_GENERATION, instance->generation);
  record_int(record, INS_REVISION, instance->revision);
  record_text(record, INS_DESIRED, instance->desired_running ? "running" : "stopped");
  record_text(record, INS_STEP, instance_step_word(instance->step));
  record_int(record, INS_STAGE, instance->stage);
  record_int(record, INS_PORT, instance->port);
  record_text(record, INS_OUTCOME, instance->outcome);
  record_text(record, INS_REASON, instance->reason);
  record_text(record, INS_EXIT, exit_text);
  record_int(record, INS_CREATED_AT, instance->created_at_ms);
  record_int(record, INS_ENDED_AT, instance->ended_at_ms);
  record_int(record, INS_TARGET, instance->target);
  record_int(record, INS_SECRETS, instance->secrets_version);
  return record;
}

Record *record_of_rollout(const Rollout *rollout)
{
  Record *record = record_new(TABLE_ROLLOUTS);
  record_text(record, ROL_ID, rollout->id);
  record_text(record, ROL_DEPLOYMENT, rollout->deployment->id);
  record_text(record, ROL_KIND, rollout_kind_word(rollout->kind));
  record_text(record, ROL_PHASE, rollout_phase_word(rollout->phase));
  record_int(record, ROL_STAGE, rollout->stage);
  record_int(record, ROL_FROM, rollout->from);
  record_int(record, ROL_TO, rollout->to);
  record_text(record, ROL_OUTCOME, rollout_outcome_word(rollout->outcome));
  record_text(record, ROL_CAUSE, rollout->cause);
  record_int(record, ROL_STARTED_AT, rollout->started_at_ms);
  record_int(record, ROL_STAGE_AT, rollout->stage_at_ms);
  record_int(record, ROL_DURATION, rollout->duration_ms);
  record_int(record, ROL_ENDED_AT, rollout->ended_at_ms);
  record_text(record, ROL_ACTOR, rollout->actor);
  record_text(record, ROL_FAILED, rollout->failed);
  record_text(record, ROL_VERDICT, rollout_outcome_word(rollout->verdict));
  record_text(record, ROL_AGENT, rollout->agent);
  record_int(record, ROL_ROLLING, rollout->rolling);
  return record;
}

Record *record_of_schedule(const Schedule *schedule)
{
  Record *record = record_new(TABLE_SCHEDULES);
  record_text(record, SCH_ID, schedule->id);
  record_text(record, SCH_DEPLOYMENT, schedule->deployment->id);
  record_text(record, SCH_AGENT, schedule->agent);
  record_int(record, SCH_HANDLED_AT, schedule->handled_at_ms);
  record_int(record, SCH_QUEUED, schedule->queued_due_ms);
  record_text(record, SCH_SPEC, schedule->spec);
  return record;
}

Record *record_of_schedule_run(const ScheduleRun *run)
{
  Record *record = record_new(TABLE_SCHEDULE_RUNS);
  record_text(record, RUN_ID, run->id);
  record_text(record, RUN_SCHEDULE, run->schedule->id);
  record_int(record, RUN_DUE_AT, run->due_at_ms);
  record_int(record, RUN_STARTED_AT, run->started_at_ms);
  record_int(record, RUN_ENDED_AT, run->ended_at_ms);
  record_text(record, RUN_OUTCOME, run->outcome);
  record_text(record, RUN_REASON, run->reason);
  record_int(record, RUN_GENERATION, run->generation);
  record_text(record, RUN_ACTOR, run->actor);
  return record;
}

Record *record_of_node(const NodeObject *node)
{
  Record *record = record_new(TABLE_NODES);
  record_text(record, NOD_ID, node->id);
  record_text(record, NOD_NAME, node->name);
  record_text(record, NOD_BOOT_ID, node->boot_id);
  record_int(record, NOD_EPOCH_SEEN, node->epoch_seen);
  record_int(record, NOD_CREATED_AT, node->created_at_ms);
  return record;
}

Record *record_of_token(const Token *token)
{
  Record *record = record_new(TABLE_TOKENS);
  record_text(record, TOK_ID, token->id);
  record_text(record, TOK_NAME, token->name);
  record_text(record, TOK_ROLE, role_word(token->role));
  record_text(record, TOK_HASH, token->hash);
  record_int(record, TOK_CREATED_AT, token->created_at_ms);
  record_int(record, TOK_EXPIRES_AT, token->expires_at_ms);
  record_text(record, TOK_ACTOR, token->actor);
  return record;
}

Record *record_of_secret(const Secret *secret)
{
  Record *record = record_new(TABLE_SECRETS);
  record_text(record, SEC_NAME, secret->name);
  record_text(record, SEC_SEALED, secret->sealed);
  record_int(record, SEC_VERSION, secret->version);
  record_int(record, SEC_CREATED_AT, secret->created_at_ms);
  record_int(record, SEC_UPDATED_AT, secret->updated_at_ms);
  record_text(record, SEC_ACTOR, secret->actor);
  return record;
}

Record *record_of_notice(const Notice *notice)
{
  Record *record = record_new(TABLE_NOTICES);
  record_text(record, NTC_ID, notice->id);
  record_text(record, NTC_DEPLOYMENT, notice->deployment);
  record_text(record, NTC_URL, notice->url);
  record_text(record, NTC_EVENT, notice->event);
  record_text(record, NTC_BODY, notice->body);
  record_int(record, NTC_CREATED_AT, notice->created_at_ms);
  record_int(record, NTC_TRIES, notice->tries);
  record_int(record, NTC_NEXT_AT, notice->next_at_ms);
  return record;
}

Record *record_of_registration(const Instance *instance)
{
  const Registration *registration = instance->registration;
  Record *record = record_new(TABLE_REGISTRATIONS);
  record_text(record, REG_INSTANCE, instance->id);
  record_int(record, REG_GENERATION, registration->generation);
  record_text(record, REG_SAID, registration->said);
  record_int(record, REG_SAID_AT, registration->said_at_ms);
  record_int(record, REG_HIDDEN, registration->hidden);
  record_int(record, REG_ATTEMPT, registration->attempt);
  return record;
}

static void dump_line(GPtrArray *lines, Record *record)
{
  const TableSpec *spec = &table_specs[record->table];
  GString *line = g_string_new(spec->name);
  for (int i = 0; i < spec->n_columns; i++) {
    const Value *value = &record->values[i];
    g_string_append_printf(line, " %s=", spec->columns[i].name);
    if (spec->columns[i].type == COLUMN_INT)
      g_string_append_printf(line, "%" G_GINT64_FORMAT, value->number);
    else if (value->text)
      jw_quote(line, value->text, g_ref_string_length(value->text));
  }
  record_free(record);
  g_ptr_array_add(lines, g_string_free(line, FALSE));
}

static gint dump_compare(gconstpointer a, gconstpointer b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dump_instance(GPtrArray *lines, const Instance *instance)
{
  dump_line(lines, record_of_instance(instance));
  if (instance->registration)
    dump_line(lines, record_of_registration(instance));
}

static void dump_schedule(GPtrArray *lines, const Schedule *schedule)
{
  dump_line(lines, record_of_schedule(schedule));
  for (guint i = 0; i < schedule->runs->len; i++)
    dump_line(lines, record_of_schedule_run(schedule->runs->pdata[i]));
}

char *core_dump(const Core *core)
{
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *next = g_strdup_printf("%" G_GUINT64_FORMAT, core_numbers_end(core));
  dump_line(lines, record_of_meta("next_id", next));
  for (guint i = 0; i < core_deployments(core)->len; i++) {
    const Deployment *deployment = core_deployments(core)->pdata[i];
    dump_line(lines, record_of_deployment(deployment));
    for (guint k = 0; k < deployment->revisions->len; k++)
      dump_line(lines, record_of_revision(deployment, deployment->revisions->pdata[k]));
    for (guint k = 0; k < deployment->instances->len; k++)
      dump_instance(lines, deployment->instances->pdata[k]);
    for (guint k = 0; k < deployment->rollouts->len; k++)
      dump_line(lines, record_of_rollout(deployment->rollouts->pdata[k]));
    for (guint k = 0; k < deployment->schedules->len; k++)
      dump_schedule(lines, deployment->schedules->pdata[k]);
  }
  for (guint i = 0; i < core_nodes(core)->len; i++)
    dump_line(lines, record_of_node(core_nodes(core)->pdata[i]));
  for (guint i = 0; i < core_list(core, CORE_TOKENS)->len; i++)
    dump_line(lines, record_of_token(core_list(core, CORE_TOKENS)->pdata[i]));
  for (guint i = 0; i < core_list(core, CORE_SECRETS)->len; i++)
    dump_line(lines, record_of_secret(core_list(core, CORE_SECRETS)->pdata[i]));
  for (guint i = 0; i < core_list(core, CORE_NOTICES)->len; i++)
    dump_line(lines, record_of_notice(core_list(core, CORE_NOTICES)->pdata[i]));
  g_ptr_array_sort(lines, dump_compare);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("\n", (char **)lines->pdata);
}
