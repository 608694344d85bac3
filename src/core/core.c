/* The core's life, its one entrance core_apply, deadlines, and answers. */
#include "core/core.h"

#include "base/error.h"
#include "core/internal.h"

Core *core_new(const CoreConfig *config)
{
  Core *core = g_new0(Core, 1);
  core->config = config ? *config : (CoreConfig){0};
  if (!core->config.lease_ms)
    core->config.lease_ms = 35000;
  if (!core->config.lost_ms)
    core->config.lost_ms = 60000;
  if (!core->config.heartbeat_ms)
    core->config.heartbeat_ms = 10000;
  if (!core->config.unknown_ms)
    core->config.unknown_ms = 60000;
  if (!core->config.port_base)
    core->config.port_base = 8100;
  core->next_id = core->stored_next_id = 1;
  core->term = 1;
  core->deployments = g_ptr_array_new_with_free_func((GDestroyNotify)deployment_free);
  core->by_key = g_hash_table_new(g_str_hash, g_str_equal);
  core->instances = g_hash_table_new(g_str_hash, g_str_equal);
  core->loading = g_hash_table_new(g_str_hash, g_str_equal);
  core->nodes = g_ptr_array_new();
  core->nodes_by_id = g_hash_table_new(g_str_hash, g_str_equal);
  core->tokens = g_ptr_array_new_with_free_func((GDestroyNotify)token_free);
  core->secrets = g_ptr_array_new_with_free_func((GDestroyNotify)secret_free);
  core->notices = g_ptr_array_new_with_free_func((GDestroyNotify)notice_free);
  core->open = g_ptr_array_new();
  core->schedules = g_ptr_array_new();
  core->removed = g_ptr_array_new();
  core->doomed = g_ptr_array_new();
  core->outbox = g_ptr_array_new();
  core->touched_deployments = g_ptr_array_new();
  core->touched_rollouts = g_ptr_array_new();
  core->touched_instances = g_ptr_array_new();
  core->touched_nodes = g_ptr_array_new();
  return core;
}

void core_free(Core *core)
{
  if (!core)
    return;
  for (guint i = 0; i < core->nodes->len; i++) {
    NodeObject *node = core->nodes->pdata[i];
    g_hash_table_unref(node->instances);
    g_hash_table_unref(node->unknown);
    g_free(node->problem);
    g_free(node->id);
    g_free(node->name);
    g_free(node->boot_id);
    g_free(node->cgroups);
    g_free(node->unenforced);
    g_free(node);
  }
  GPtrArray *lists[] = {core->nodes,
                        core->tokens,
                        core->secrets,
                        core->notices,
                        core->open,
                        core->schedules,
                        core->removed,
                        core->doomed,
                        core->outbox,
                        core->touched_deployments,
                        core->touched_rollouts,
                        core->touched_instances,
                        core->touched_nodes,
                        core->deployments};
  g_hash_table_unref(core->by_key);
  g_hash_table_unref(core->nodes_by_id);
  g_hash_table_unref(core->instances);
  g_hash_table_unref(core->loading);
  for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
    g_ptr_array_unref(lists[i]);
  g_free(core->store_id);
  g_free(core);
}

int64_t core_term(const Core *core)
{
  return core->term;
}

uint64_t core_restarts(const Core *core)
{
  return core->restarts;
}

void core_set_coverage(Core *core, CoreCoverageFn fn, void *data)
{
  core->coverage = fn;
  core->coverage_data = data;
}

void core_cover(Core *core, const char *table, int state, int event)
{
  if (core->coverage)
    core->coverage(table, state, event, core->coverage_data);
}

void core_new_id(Core *core, char out[20], const char *prefix)
{
  id_format(out, prefix, core->next_id++);
}

static void core_reply(Core *core, const Command *command, int code, int status, char *body)
{
  if (!command->reply_to) {
    g_free(body);
    return;
  }
  Reply *reply = g_new0(Reply, 1);
  *reply = (Reply){.to = command->reply_to, .code = code, .status = status, .body = body};
  g_ptr_array_add(core->effects->replies, reply);
}

void core_refuse(Core *core, const Command *command, int code, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  core_reply(core, command, code, reeve_error_http(code), g_strdup_vprintf(format, args));
  va_end(args);
}

void core_accept(Core *core, const Command *command, int status, const char *body)
{
  core_reply(core, command, -1, status, g_strdup(body));
}

void core_audit(Core *core, const Command *command, const char *action, const char *object,
                const char *detail)
{
  AuditEntry entry = {.at_ms = core->now.wall_ms,
                      .actor = command->actor,
                      .action = action,
                      .object = object,
                      .detail = detail};
  core_new_id(core, entry.id, "aud");
  g_ptr_array_add(core->effects->records, record_of_audit(&entry));
}

/* A rollout whose node is merely silent has not failed: it goes on or is judged when the node is
 * back or lost. */
static bool core_deadline_counts(const Core *core, const Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    const NodeObject *node = core_node(core, instance->node);
    if (node && node->status == NODE_SILENT)
      return false;
    if (node)
      break; /* one node carries a deployment so far */
  }
  return true;
}

static char *core_late_cause(const Core *core, const Rollout *rollout)
{
  GString *cause = g_string_new(NULL);
  if (rollout->phase == ROLLOUT_PHASE_RESERVE) {
    g_string_printf(cause, "no node was ready within %" G_GINT64_FORMAT " s",
                    rollout->duration_ms / 1000);
    for (guint i = 0; i < core->nodes->len; i++) {
      const NodeObject *node = core->nodes->pdata[i];
      if (node->problem)
        g_string_append_printf(cause, "; node '%s': %s", node->id, node->problem);
    }
    return g_string_free(cause, FALSE);
  }
  const char *verb = rollout->phase == ROLLOUT_PHASE_PRUNE ? "gone" : "healthy";
  g_string_printf(cause, "not %s within %" G_GINT64_FORMAT " s:", verb,
                  rollout->duration_ms / 1000);
  int named = 0;
  for (guint i = 0; i < rollout->deployment->instances->len; i++) {
    const Instance *instance = rollout->deployment->instances->pdata[i];
    bool late = rollout->phase == ROLLOUT_PHASE_PRUNE
                    ? instance->step == STEP_STOPPING
                    : instance->step == STEP_STARTING || instance->step == STEP_WAITING;
    if (!late || instance->stage != rollout->stage || ++named > 5)
      continue;
    g_string_append_printf(cause, "%s agent '%s' (%s)", named > 1 ? "," : "", instance->agent,
                           instance->observed_reason ? instance->observed_reason
                                                     : instance_state_word(instance->state));
  }
  if (named > 5)
    g_string_append_printf(cause, " and %d more", named - 5);
  return g_string_free(cause, FALSE);
}

static void core_rollouts_tick(Core *core)
{
  g_autoptr(GPtrArray) open = g_ptr_array_copy(core->open, NULL, NULL);
  for (guint i = 0; i < open->len; i++) {
    Rollout *rollout = open->pdata[i];
    if (rollout->settle_boot_ms <= core->now.boot_ms)
      rollout_settle(core, rollout);
    if (!rollout_is_open(rollout) || rollout->deadline_boot_ms > core->now.boot_ms ||
        !core_deadline_counts(core, rollout))
      continue;
    if (rollout_only_settles(rollout)) {
      /* it was healthy in time; that it stays so may take longer */
      rollout->deadline_boot_ms = rollout->settle_boot_ms;
      continue;
    }
    g_autofree char *cause = core_late_cause(core, rollout);
    const Instance *failed = NULL;
    for (guint k = 0; k < rollout->deployment->instances->len && !failed; k++) {
      const Instance *instance = rollout->deployment->instances->pdata[k];
      if (instance->step == STEP_STARTING && instance->stage == rollout->stage &&
          rollout->kind != ROLLOUT_KIND_RECOVER && rollout->kind != ROLLOUT_KIND_RESTART)
        failed = instance;
    }
    rollout_fail(core, rollout, OUTCOME_FAILED, failed, cause);
  }
}

void command_tick(Core *core, const Command *command)
{
  (void)command;
  nodes_tick(core);
  core_rollouts_tick(core);
  schedules_tick(core);
}

static int64_t core_next_wake(const Core *core)
{
  int64_t first = MIN(nodes_next_deadline(core), schedules_next_deadline(core));
  for (guint i = 0; i < core->open->len; i++) {
    const Rollout *rollout = core->open->pdata[i];
    first = MIN(first, rollout->settle_boot_ms);
    if (core_deadline_counts(core, rollout))
      first = MIN(first, rollout->deadline_boot_ms);
  }
  return first;
}

void core_apply(Core *core, const Command *command, Now now, Effects *effects)
{
  static void (*const handlers[COMMAND_N])(Core *, const Command *) = {
      [COMMAND_DEPLOY] = command_deploy,
      [COMMAND_DOWN] = command_down,
      [COMMAND_RESTART] = command_restart,
      [COMMAND_SCALE] = command_scale,
      [COMMAND_RUN] = command_run,
      [COMMAND_CANCEL] = command_cancel,
      [COMMAND_ROLLBACK] = command_rollback,
      [COMMAND_EXEC] = command_exec,
      [COMMAND_FORGET] = command_forget,
      [COMMAND_REGISTER] = command_register,
      [COMMAND_DEREGISTER] = command_deregister,
      [COMMAND_NOTICE_TRIED] = command_notice_tried,
      [COMMAND_NODE_FRAME] = command_node_frame,
      [COMMAND_NODE_GONE] = command_node_gone,
      [COMMAND_TICK] = command_tick,
      [COMMAND_TOKEN_CREATE] = command_token_create,
      [COMMAND_TOKEN_REVOKE] = command_token_revoke,
      [COMMAND_SECRET_SET] = command_secret_set,
      [COMMAND_SECRET_REMOVE] = command_secret_remove,
      [COMMAND_SECRETS_GIVEN] = command_secrets_given,
  };
  g_assert((int)command->type >= 0 && command->type < COMMAND_N);
  core->now = now;
  core->effects = effects;
  core_cover(core, "command", (int)command->type, 0);
  handlers[command->type](core, command);
  turn_flush(core);
  effects->wake_at_ms = core_next_wake(core);
  core->effects = NULL;
}
