/* Owns the preview of a deploy: its name, and what becomes of each agent. */
#include "core/preview.h"

#include "base/json.h"
#include "core/build.h"
#include "core/instance.h"
#include "core/render.h"
#include "core/rolling.h"
#include "core/state.h"
#include "plan/diff.h"

#include <string.h>

enum { PREVIEW_DIGITS = 24 };

static void preview_feed(GChecksum *sum, const char *text)
{
  g_checksum_update(sum, (const guchar *)(text ? text : "-"), -1);
  g_checksum_update(sum, (const guchar *)"\n", 1);
}

static void preview_feed_deployment(GChecksum *sum, const Deployment *deployment)
{
  g_autofree char *state =
      g_strdup_printf("%d %s %d", deployment->revision, deployment_status_word(deployment->settled),
                      deployment->outcome);
  preview_feed(sum, deployment->id);
  preview_feed(sum, state);
  preview_feed(sum, deployment->rollout ? deployment->rollout->id : NULL);
  preview_feed(sum,
               deployment->rollout ? rollout_outcome_word(deployment->rollout->outcome) : NULL);
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    g_autofree char *slot = g_strdup_printf("%s %" G_GINT64_FORMAT " %d", instance->id,
                                            instance->generation, instance->desired_running);
    /* a run of a schedule changes nothing of a plan */
    preview_feed(sum, instance->scheduled ? instance->id : slot);
  }
}

void core_plan_id(const Core *core, const Job *job, char out[PREVIEW_ID_BYTES])
{
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  g_autofree char *text = job_to_json(job);
  const Deployment *deployment = core_find(core, job->name);
  preview_feed(sum, text);
  if (deployment)
    preview_feed_deployment(sum, deployment);
  g_snprintf(out, PREVIEW_ID_BYTES, "plan_%.*s", PREVIEW_DIGITS, g_checksum_get_string(sum));
}

static void preview_action(GString *out, const char *agent, const char *action, int from, int to)
{
  jw_open(out, NULL, '{');
  jw_str(out, "agent", agent);
  jw_str(out, "action", action);
  jw_int(out, "from", from);
  jw_int(out, "to", to);
  jw_close(out, '}');
}

/* Does anything of @agent have to be started although its words are the same? */
static bool preview_is_down(const Deployment *deployment, const AgentSpec *agent)
{
  for (int replica = 0; replica < agent->replicas && !agent->schedule.set; replica++) {
    const Instance *instance = deployment_slot(deployment, agent->id, replica);
    bool completed =
        instance && agent->kind == AGENT_BATCH && g_strcmp0(instance->outcome, "completed") == 0;
    if (!instance || !instance->desired_running || (instance->outcome && !completed))
      return true;
  }
  return false;
}

/* How many replicas of @agent are to run. */
static int preview_running(const Deployment *deployment, const char *agent)
{
  int n = 0;
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    n += instance->desired_running && strcmp(instance->agent, agent) == 0;
  }
  return n;
}

/* What runs is there, and the job that says how cannot be read: all of it is replaced, or stopped.
 */
static bool preview_unknown_actions(GString *out, const Deployment *deployment, const Job *after)
{
  for (guint i = 0; i < after->agents->len; i++) {
    const AgentSpec *is = job_agent(after, i);
    int runs = preview_running(deployment, is->id);
    preview_action(out, is->id, runs ? "replace" : "start", runs, is->replicas);
  }
  g_autoptr(GHashTable) named = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    bool stops = instance->desired_running && !job_agent_named(after, instance->agent) &&
                 g_hash_table_add(named, instance->agent);
    if (stops)
      preview_action(out, instance->agent, "stop", preview_running(deployment, instance->agent), 0);
  }
  return true;
}

/* True when something happens. */
static bool preview_actions(GString *out, const Deployment *deployment, const Job *before,
                            const Job *after)
{
  bool any = false;
  for (guint i = 0; i < after->agents->len; i++) {
    const AgentSpec *is = job_agent(after, i),
                    *was = before ? job_agent_named(before, is->id) : NULL;
    const char *other = is->kind == AGENT_BATCH && !is->schedule.set ? "run-again" : "replace";
    const char *action = !was                                       ? "start"
                         : !agent_spec_same(before, was, after, is) ? other
                         : was->replicas != is->replicas            ? "scale"
                         : preview_is_down(deployment, is)          ? "start"
                                                                    : "keep";
    any |= strcmp(action, "keep") != 0;
    preview_action(out, is->id, action, was ? was->replicas : 0, is->replicas);
  }
  for (guint i = 0; before && i < before->agents->len; i++) {
    const AgentSpec *was = job_agent(before, i);
    if (job_agent_named(after, was->id))
      continue;
    preview_action(out, was->id, "stop", was->replicas, 0);
    any = true;
  }
  return any;
}

char *core_preview(const Core *core, const Job *job, GError **error)
{
  const Deployment *deployment = core_find(core, job->name);
  const Revision *revision =
      deployment ? revision_find(deployment, deployment_base(deployment)) : NULL;
  const Job *before = revision_job(revision);
  g_autofree char *diff = plan_diff_json(before, job, DIFF_SHOWN_VALUES, error);
  if (!diff)
    return NULL;
  char id[PREVIEW_ID_BYTES];
  core_plan_id(core, job, id);
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "name", job->name);
  jw_str(out, "plan", id);
  jw_bool(out, "exists", deployment != NULL);
  jw_int(out, "from", revision ? revision->number : 0);
  jw_open(out, "actions", '[');
  bool acts = revision && !before ? preview_unknown_actions(out, deployment, job)
                                  : preview_actions(out, deployment, before, job);
  jw_close(out, ']');
  g_autofree char *was = before ? job_digest_text(before) : NULL, *is = job_digest_text(job);
  jw_bool(out, "changed", acts || g_strcmp0(was, is) != 0);
  jw_raw(out, "diff", diff);
  render_stale(out, deployment);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}
