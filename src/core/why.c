/* Explains the status of a deployment; see why.h. */
#include "core/why.h"

#include "base/json.h"
#include "core/internal.h"

enum { WHY_REASONS_MAX = 100 };

static void why_add(GPtrArray *reasons, char *reason)
{
  if (reasons->len < WHY_REASONS_MAX)
    g_ptr_array_add(reasons, reason);
  else
    g_free(reason);
}

static void why_rollout(GPtrArray *reasons, const Core *core, const Rollout *rollout)
{
  char since[ISO_TIME_BYTES];
  time_iso(rollout->stage_at_ms, since);
  if (rollout->phase == ROLLOUT_PHASE_RESERVE)
    why_add(reasons, g_strdup_printf("rollout '%s' waits for %s to reserve ports since %s", rollout->id,
                                     core->nodes->len ? "the node" : "a node to join", since));
  else if (rollout_is_open(rollout))
    why_add(reasons, g_strdup_printf("rollout '%s' (%s) is in stage %d of phase %s since %s and waits for %u agents", rollout->id,
                                     rollout_kind_word(rollout->kind), rollout->stage + 1, rollout_phase_word(rollout->phase), since,
                                     rollout->waiting));
  if (rollout->cause)
    why_add(reasons, g_strdup_printf("rollout '%s' %s: %s", rollout->id, rollout_outcome_word(rollout->outcome), rollout->cause));
}

static void why_instance(GPtrArray *reasons, const Core *core, const Instance *instance)
{
  if (instance->desired_running && instance->stale)
    why_add(reasons, g_strdup_printf("agent '%s' replica %d runs with an old environment: a secret has changed since; restart it",
                                     instance->agent, instance->replica));
  if (!instance->desired_running || (instance_ready(instance) && instance->present))
    return;
  const NodeObject *node = core_node(core, instance->node);
  if (node && node->status != NODE_ONLINE) {
    why_add(reasons, g_strdup_printf("agent '%s': node '%s' is %s", instance->agent, node->id, node_status_word(node->status)));
    return;
  }
  const char *reason = instance->observed_reason ? instance->observed_reason : instance->reason;
  why_add(reasons, g_strdup_printf("agent '%s' replica %d is %s, health %s, attempt %d, %d restarts in a row%s%s", instance->agent,
                                   instance->replica, instance_state_word(instance->state), health_word(instance->health),
                                   instance->attempt, instance->restarts, reason ? ": " : "", reason ? reason : ""));
}

char *core_why(const Core *core, const Deployment *deployment)
{
  g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
  if (deployment->rollout)
    why_rollout(reasons, core, deployment->rollout);
  for (guint i = 0; i < deployment->instances->len; i++)
    why_instance(reasons, core, deployment->instances->pdata[i]);
  GString *text = g_string_new(NULL);
  g_string_printf(text, "deployment '%s' is %s%s", deployment->name, deployment_status_word(deployment->status),
                  reasons->len ? ":" : "; nothing is wrong");
  for (guint i = 0; i < reasons->len; i++)
    g_string_append_printf(text, "\n  %s", (const char *)reasons->pdata[i]);
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "text", text->str);
  g_string_free(text, TRUE);
  jw_open(out, "reasons", '[');
  for (guint i = 0; i < reasons->len; i++)
    jw_str(out, NULL, reasons->pdata[i]);
  jw_close(out, ']');
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}
