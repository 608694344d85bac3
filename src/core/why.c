/* Explains the status of a deployment; see why.h. */
#include "core/why.h"

#include "base/json.h"
#include "base/text.h"
#include "core/build.h"
#include "core/instance.h"
#include "core/reserve.h"
#include "core/state.h"

#include <string.h>

enum { WHY_REASONS_MAX = 100, WHY_OUTPUT_LINES = 10 };

typedef struct Why {
  const Core *core;
  const Deployment *deployment;
  int64_t wall_ms;
  GPtrArray *reasons, *next; /* of char* */
} Why;

/* Takes @reason. */
static void why_add(const Why *why, char *reason)
{
  if (why->reasons->len < WHY_REASONS_MAX)
    g_ptr_array_add(why->reasons, reason);
  else
    g_free(reason);
}

/* A command that may help; each is named once. */
static void why_next(const Why *why, char *command)
{
  if (why->next->len < WHY_REASONS_MAX &&
      !g_ptr_array_find_with_equal_func(why->next, command, g_str_equal, NULL))
    g_ptr_array_add(why->next, command);
  else
    g_free(command);
}

/* ---- the rollout ---- */

/* "the update to revision 3", "the restart". Caller frees. */
static char *why_change(const Rollout *rollout)
{
  const char *kind = rollout_kind_word(rollout->kind);
  bool leads = rollout->kind == ROLLOUT_KIND_DEPLOY || rollout->kind == ROLLOUT_KIND_UPDATE ||
               rollout->kind == ROLLOUT_KIND_ROLLBACK;
  return leads ? g_strdup_printf("the %s %s revision %d", kind,
                                 rollout->kind == ROLLOUT_KIND_DEPLOY ? "of" : "to", rollout->to)
               : g_strdup_printf("the %s", kind);
}

static void why_open(const Why *why, const Rollout *rollout, const char *change)
{
  const char *name = why->deployment->name;
  char since[ISO_TIME_BYTES];
  time_iso(rollout->stage_at_ms, since);
  if (rollout->phase == ROLLOUT_PHASE_RESERVE)
    why_add(why, g_strdup_printf("%s waits since %s for %s to reserve ports", change, since,
                                 core_nodes(why->core)->len ? "the node" : "a node to join"));
  else
    why_add(why, g_strdup_printf("%s is in stage %d of phase %s since %s and waits for %u agent%s",
                                 change, rollout->stage + 1, rollout_phase_word(rollout->phase),
                                 since, rollout->waiting, text_plural(rollout->waiting)));
  if (rollout->cause)
    why_add(why, g_strdup_printf("%s failed and is on its way back: %s", change, rollout->cause));
  why_next(why, g_strdup_printf("reeve wait %s", name));
  if (rollout->verdict == OUTCOME_SUCCEEDED && rollout->kind != ROLLOUT_KIND_DOWN)
    why_next(why, g_strdup_printf("reeve cancel %s", name));
}

/* Caller frees. */
static char *why_cause(const Rollout *rollout)
{
  g_auto(GStrv) lines =
      g_strsplit(rollout->cause ? rollout->cause : "nothing is known of why", "\n", -1);
  return g_strjoinv("\n    | ", lines);
}

static void why_rollout(const Why *why, const Rollout *rollout)
{
  g_autofree char *change = why_change(rollout), *cause = why_cause(rollout);
  if (why->deployment->unreadable)
    return; /* that is why, whatever came before; and an open one does not go on */
  if (rollout_is_open(rollout))
    why_open(why, rollout, change);
  else if (rollout->outcome == OUTCOME_ROLLED_BACK)
    why_add(why,
            g_strdup_printf("%s failed, revision %d runs again: %s", change, rollout->from, cause));
  else if (rollout->outcome == OUTCOME_FAILED)
    why_add(why, g_strdup_printf("%s failed: %s", change, cause));
  else if (rollout->cause)
    why_add(why, g_strdup_printf("%s was %s", change, cause));
  if (rollout->outcome == OUTCOME_FAILED || rollout->outcome == OUTCOME_ROLLED_BACK)
    why_next(why, g_strdup_printf("reeve logs %s", why->deployment->name));
}

/* ---- an agent ---- */

/* The last lines of what it said before it ended, each on a line of its own. */
static void why_output(GString *reason, const Instance *instance)
{
  g_autofree char *text = g_strchomp(g_strdup(instance->output ? instance->output : ""));
  if (!text[0])
    return;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  guint n = g_strv_length(lines);
  g_string_append(reason, "; its last output:");
  for (guint i = n > WHY_OUTPUT_LINES ? n - WHY_OUTPUT_LINES : 0; i < n; i++)
    g_string_append_printf(reason, "\n    | %s", lines[i]);
}

static const AgentSpec *why_agent(const Instance *instance)
{
  return revision_agent(instance->deployment, instance->revision, instance->agent);
}

static void why_backoff(const Why *why, const Instance *instance, GString *reason,
                        const char *cause)
{
  const AgentSpec *agent = why_agent(instance);
  g_string_append_printf(reason, "keeps ending: %s (%d restart%s in a row)", cause,
                         instance->restarts, text_plural(instance->restarts));
  if (!agent || !instance->since_ms)
    return;
  int64_t left_ms =
      instance->since_ms + restart_delay_ms(&agent->restart, instance->restarts) - why->wall_ms;
  if (left_ms >= 1000)
    g_string_append_printf(reason, "; next start in %" G_GINT64_FORMAT " s",
                           (left_ms + 999) / 1000);
  else
    g_string_append(reason, "; next start at once");
  if (agent->restart.max >= 0)
    g_string_append_printf(reason, ", given up after %d", agent->restart.max);
}

/* It runs and is well, but ended not long ago: between two crashes. */
static bool why_flaps(const Why *why, const Instance *instance)
{
  const AgentSpec *agent = why_agent(instance);
  return agent && instance->restarts > 0 && instance->state == INSTANCE_RUNNING &&
         why->wall_ms - instance->since_ms < agent->restart.stable_ms;
}

static void why_state(const Why *why, const Instance *instance, GString *reason)
{
  const char *seen = instance->observed_reason ? instance->observed_reason : instance->reason;
  const char *cause = seen && *seen ? seen : "nothing is known of why";
  bool sick = instance->health == HEALTH_UNHEALTHY || instance->health == HEALTH_UNREACHABLE;
  if (instance->state == INSTANCE_BACKOFF)
    why_backoff(why, instance, reason, cause);
  else if (instance->state == INSTANCE_FAILED || g_strcmp0(instance->outcome, "failed") == 0)
    g_string_append_printf(reason, "has failed and is not started again by itself: %s", cause);
  else if (instance->state == INSTANCE_RUNNING && sick)
    g_string_append_printf(reason, "runs and is %s: %s", health_word(instance->health), cause);
  else if (instance->state == INSTANCE_RUNNING && instance->restarts > 0)
    g_string_append_printf(reason, "runs, after %d restart%s in a row", instance->restarts,
                           text_plural(instance->restarts));
  else
    g_string_append_printf(reason, "is %s%s%s", instance_state_word(instance->state),
                           seen && *seen ? ": " : "", seen ? seen : "");
  why_output(reason, instance);
}

static void why_helps(const Why *why, const Instance *instance)
{
  const char *name = why->deployment->name;
  why_next(why, g_strdup_printf("reeve logs %s/%s", name, instance->agent));
  if (instance->state == INSTANCE_FAILED)
    why_next(why, g_strdup_printf("reeve restart %s/%s", name, instance->agent));
}

/* How a scheduled run ended says nothing of its deployment, but whoever asks wants to know. */
static void why_scheduled(const Why *why, const Instance *instance)
{
  if (g_strcmp0(instance->outcome, "failed") != 0)
    return;
  GString *reason = g_string_new(NULL);
  g_string_printf(reason, "%s: its last run failed: %s", instance->agent,
                  instance->reason ? instance->reason : "nothing is known of why");
  why_output(reason, instance);
  why_add(why, g_string_free(reason, FALSE));
  why_next(why, g_strdup_printf("reeve logs %s/%s", why->deployment->name, instance->agent));
}

/* It counts as well, and its node has something to say of it: a shim that does not answer. */
static void why_well(const Why *why, const Instance *instance, const char *name)
{
  if (instance->state != INSTANCE_RUNNING || !instance->observed_reason ||
      !*instance->observed_reason)
    return;
  why_add(why, g_strdup_printf("%s runs: %s", name, instance->observed_reason));
  why_next(why, g_strdup_printf("reeve restart %s/%s", why->deployment->name, instance->agent));
}

static void why_instance(const Why *why, const Instance *instance)
{
  g_autofree char *name = instance_short_name(instance);
  if (instance->desired_running && instance->stale) {
    why_add(why,
            g_strdup_printf(
                "%s runs with an old environment: a secret has changed since; restart it", name));
    why_next(why, g_strdup_printf("reeve restart %s/%s", why->deployment->name, instance->agent));
  }
  if (instance->scheduled) {
    why_scheduled(why, instance);
    return;
  }
  bool well = instance_ready(instance) && instance->sight.present && !why_flaps(why, instance);
  if (instance->desired_running && well)
    why_well(why, instance, name);
  if (!instance->desired_running || well || g_strcmp0(instance->outcome, "completed") == 0)
    return;
  const NodeObject *node = instance->node;
  if (node && node->status != NODE_ONLINE) {
    why_add(why,
            g_strdup_printf("%s: node '%s' is %s", name, node->id, node_status_word(node->status)));
    return;
  }
  GString *reason = g_string_new(NULL);
  g_string_printf(reason, "%s ", name);
  why_state(why, instance, reason);
  why_add(why, g_string_free(reason, FALSE));
  why_helps(why, instance);
}

/* ---- all of it ---- */

/* A job that it needs cannot be read: that comes first, with what helps. */
static void why_unreadable(const Why *why)
{
  const Deployment *deployment = why->deployment;
  if (!deployment->unreadable)
    return;
  why_add(why, g_strdup(deployment->unreadable));
  why_next(why, deployment_way_up(deployment));
  why_next(why, g_strdup_printf("reeve down %s", deployment->name));
}

static void why_deployment(const Why *why)
{
  const Deployment *deployment = why->deployment;
  bool open = deployment_changes(deployment);
  if (deployment->status == DEPLOYMENT_STOPPED)
    why_next(why, deployment_way_up(deployment));
  int previous = deployment_previous(deployment);
  const Revision *former = revision_find(deployment, previous);
  if (!open && former && revision_job(former) &&
      (deployment->status == DEPLOYMENT_FAILED || deployment->status == DEPLOYMENT_DEGRADED))
    why_next(why, g_strdup_printf("reeve rollback %s --to %d", deployment->name, previous));
}

static void why_write_list(GString *out, const char *key, const GPtrArray *texts)
{
  jw_open(out, key, '[');
  for (guint i = 0; i < texts->len; i++)
    jw_str(out, NULL, texts->pdata[i]);
  jw_close(out, ']');
}

static char *why_text(const Why *why)
{
  DeploymentStatus status = why->deployment->status;
  const char *and = why->reasons->len == 0
                        ? (status == DEPLOYMENT_RUNNING ? "; nothing is wrong" : "")
                    : status == DEPLOYMENT_RUNNING ? ", but:"
                                                   : ":";
  GString *text = g_string_new(NULL);
  g_string_printf(text, "%s is %s%s", why->deployment->name, deployment_status_word(status), and);
  for (guint i = 0; i < why->reasons->len; i++)
    g_string_append_printf(text, "\n  %s", (const char *)why->reasons->pdata[i]);
  for (guint i = 0; i < why->next->len; i++)
    g_string_append_printf(text, "%s%s",
                           i ? "\n      " : "\nsee: ", (const char *)why->next->pdata[i]);
  return g_string_free(text, FALSE);
}

char *core_why(const Core *core, const Deployment *deployment, int64_t wall_ms)
{
  g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free),
                       next = g_ptr_array_new_with_free_func(g_free);
  Why why = {
      .core = core, .deployment = deployment, .wall_ms = wall_ms, .reasons = reasons, .next = next};
  why_unreadable(&why);
  if (deployment->rollout)
    why_rollout(&why, deployment->rollout);
  for (guint i = 0; i < deployment->instances->len; i++)
    why_instance(&why, deployment->instances->pdata[i]);
  why_deployment(&why);
  g_autofree char *text = why_text(&why);
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "text", text);
  why_write_list(out, "reasons", reasons);
  why_write_list(out, "next", next);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}
