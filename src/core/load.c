/* From stored rows back to the core that wrote them. Each loader makes an object where it belongs
 * and has it filled from its row: rows.c. */
#include "core/build.h"
#include "core/deployment.h"
#include "core/instance.h"
#include "core/node.h"
#include "core/rollout.h"
#include "core/rollout_stage.h"
#include "core/schedule.h"
#include "core/secrets.h"
#include "core/state.h"
#include "core/tokens.h"
#include "core/turn.h"

#include "base/error.h"
#include "core/rows.h"

#include <string.h>

/* @owner: what the row belongs to. When it fails, the core is thrown away. */
typedef bool (*LoadFn)(Core *core, void *owner, const Value *values, GError **error);

static bool load_meta(Core *core, void *owner, const Value *values, GError **error)
{
  core_load_meta(core, values[META_KEY].text, values[META_VALUE].text);
  return true;
}

static bool load_deployment(Core *core, void *owner, const Value *values, GError **error)
{
  Deployment *deployment = deployment_new(values[DEP_ID].text, values[DEP_NAME].text);
  core_load_deployment(core, deployment);
  bool ok = row_read(TABLE_DEPLOYMENTS, values, deployment, error);
  deployment->status = deployment->settled;
  return ok;
}

/* Its job is read when it is needed. */
static bool load_revision(Core *core, void *owner, const Value *values, GError **error)
{
  Revision *revision = g_new0(Revision, 1);
  g_ptr_array_add(((Deployment *)owner)->revisions, revision);
  return row_read(TABLE_REVISIONS, values, revision, error);
}

/* There should be a row of it, and if there is none its instances are there all the same. */
static NodeObject *load_find_node(Core *core, const char *id)
{
  NodeObject *node = core_node(core, id);
  if (node || !id)
    return node;
  node = node_object_new(id);
  core_add_node(core, node);
  return node;
}

static bool load_instance(Core *core, void *owner, const Value *values, GError **error)
{
  Instance *instance = instance_new(owner, values[INS_ID].text, values[INS_AGENT].text,
                                    (int)values[INS_REPLICA].number);
  core_add_instance(core, instance);
  core_place_instance(core, instance, load_find_node(core, values[INS_NODE].text));
  return row_read(TABLE_INSTANCES, values, instance, error);
}

static bool load_rollout(Core *core, void *owner, const Value *values, GError **error)
{
  Rollout *rollout = rollout_new(owner, values[ROL_ID].text, ROLLOUT_KIND_DEPLOY);
  return row_read(TABLE_ROLLOUTS, values, rollout, error);
}

static bool load_schedule(Core *core, void *owner, const Value *values, GError **error)
{
  Schedule *schedule = schedule_new(owner, values[SCH_ID].text, values[SCH_AGENT].text);
  core_load_schedule(core, schedule);
  bool ok = row_read(TABLE_SCHEDULES, values, schedule, error);
  /* an earlier release wrote that a run waits, and not since when */
  if (schedule->queued_due_ms == 1)
    schedule->queued_due_ms = schedule->handled_at_ms;
  return ok;
}

static bool load_schedule_run(Core *core, void *owner, const Value *values, GError **error)
{
  return row_read(TABLE_SCHEDULE_RUNS, values, schedule_add_run(owner, values[RUN_ID].text), error);
}

static bool load_node(Core *core, void *owner, const Value *values, GError **error)
{
  NodeObject *node = node_object_new(values[NOD_ID].text);
  core_add_node(core, node);
  return row_read(TABLE_NODES, values, node, error);
}

static bool load_token(Core *core, void *owner, const Value *values, GError **error)
{
  Token *token = g_new0(Token, 1);
  g_ptr_array_add(core_list(core, CORE_TOKENS), token);
  if (!row_read(TABLE_TOKENS, values, token, error))
    return false;
  if (token->role <= ROLE_PUBLIC)
    return row_bad(error, TABLE_TOKENS, TOK_ROLE, "no role of a token");
  return strlen(token->hash) == TOKEN_HASH_LENGTH ||
         row_bad(error, TABLE_TOKENS, TOK_HASH, "not 64 digits");
}

static bool load_secret(Core *core, void *owner, const Value *values, GError **error)
{
  Secret *secret = g_new0(Secret, 1);
  g_ptr_array_add(core_list(core, CORE_SECRETS), secret);
  return row_read(TABLE_SECRETS, values, secret, error);
}

static bool load_notice(Core *core, void *owner, const Value *values, GError **error)
{
  Notice *notice = g_new0(Notice, 1);
  g_ptr_array_add(core_list(core, CORE_NOTICES), notice);
  return row_read(TABLE_NOTICES, values, notice, error);
}

static bool load_registration(Core *core, void *owner, const Value *values, GError **error)
{
  Instance *instance = owner;
  if (instance->registration)
    return row_bad(error, TABLE_REGISTRATIONS, REG_INSTANCE, "there are two of it");
  instance->registration = g_new0(Registration, 1);
  return row_read(TABLE_REGISTRATIONS, values, instance->registration, error);
}

bool core_load_row(Core *core, TableId table, const Value *values, GError **error)
{
  static const LoadFn loaders[TABLE_N] = {
      [TABLE_META] = load_meta,
      [TABLE_DEPLOYMENTS] = load_deployment,
      [TABLE_REVISIONS] = load_revision,
      [TABLE_INSTANCES] = load_instance,
      [TABLE_ROLLOUTS] = load_rollout,
      [TABLE_SCHEDULES] = load_schedule,
      [TABLE_SCHEDULE_RUNS] = load_schedule_run,
      [TABLE_NODES] = load_node,
      [TABLE_TOKENS] = load_token,
      [TABLE_SECRETS] = load_secret,
      [TABLE_NOTICES] = load_notice,
      [TABLE_REGISTRATIONS] = load_registration,
  };
  void *owner;
  if (!loaders[table] ||
      (row_check(core, table, values, &owner, error) && loaders[table](core, owner, values, error)))
    return true;
  g_prefix_error(error, "stored row '%s' of '%s', ", values[0].text ? values[0].text : "?",
                 table_specs[table].name);
  return false;
}

static gint load_compare_revision(gconstpointer a, gconstpointer b)
{
  return (*(Revision *const *)a)->number - (*(Revision *const *)b)->number;
}

/* Of rollouts, runs and notices, whose ids come first: the order in which they were made. */
static gint load_compare_id(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void load_link_rollout(Core *core, Deployment *deployment, Now now)
{
  g_ptr_array_sort(deployment->rollouts, load_compare_id);
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

static void load_schedules(Core *core, Deployment *deployment)
{
  for (guint i = 0; i < deployment->schedules->len; i++) {
    Schedule *schedule = deployment->schedules->pdata[i];
    g_ptr_array_sort(schedule->runs, load_compare_id);
    schedule_attach(core, schedule);
  }
}

void core_load_done(Core *core, Now now, Effects *effects)
{
  turn_begin(core, now, effects);
  core_load_sort(core);
  g_ptr_array_sort(core_list(core, CORE_TOKENS), token_compare);
  g_ptr_array_sort(core_list(core, CORE_SECRETS), secret_compare);
  g_ptr_array_sort(core_list(core, CORE_NOTICES), load_compare_id);
  nodes_loaded(core);
  for (guint i = 0; i < core_deployments(core)->len; i++) {
    Deployment *deployment = core_deployments(core)->pdata[i];
    deployment_sort(deployment);
    g_ptr_array_sort(deployment->revisions, load_compare_revision);
    for (guint k = 0; k < deployment->instances->len; k++)
      instance_recount(deployment->instances->pdata[k]);
    load_link_rollout(core, deployment, now);
    load_schedules(core, deployment);
    deployment->status = deployment_derive(deployment);
  }
  secrets_loaded(core);
  rollouts_loaded(core);
  effects->wake_at_ms = core_next_wake(core);
  turn_end(core);
}
