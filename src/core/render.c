/* JSON of the core's objects; see render.h. */
#include "core/render.h"

#include "base/json.h"
#include "core/build.h"
#include "core/instance.h"
#include "core/rollout_stage.h"
#include "core/spec.h"

void render_rollout(GString *out, const Rollout *rollout)
{
  jw_open(out, NULL, '{');
  jw_str(out, "id", rollout->id);
  jw_str(out, "deployment", rollout->deployment->name);
  jw_str(out, "kind", rollout_kind_word(rollout->kind));
  jw_str(out, "phase", rollout_phase_word(rollout->phase));
  jw_int(out, "stage", rollout->stage);
  jw_int(out, "stages", rollout_stages(rollout->deployment));
  jw_int(out, "from", rollout->from);
  jw_int(out, "to", rollout->to);
  jw_str(out, "outcome", rollout_outcome_word(rollout->outcome));
  jw_str(out, "verdict", rollout_outcome_word(rollout->verdict));
  jw_str(out, "cause", rollout->cause);
  jw_str(out, "actor", rollout->actor);
  jw_time(out, "started_at", rollout->started_at_ms);
  jw_time(out, "ended_at", rollout->ended_at_ms);
  jw_str(out, "failed", rollout->failed);
  jw_close(out, '}');
}

/* What people are shown: the last outcome once nothing runs and nothing is reported. */
static InstanceState render_state(const Instance *instance)
{
  bool current = instance->sight.present && (instance->desired_running || instance_live(instance));
  if (current || !instance->outcome)
    return instance->state;
  int state = instance_state_parse(instance->outcome);
  return state >= 0 ? (InstanceState)state : instance->state;
}

/* "memory cpu" as a list; NULL is an empty one. */
static void render_words(GString *out, const char *key, const char *text)
{
  jw_open(out, key, '[');
  g_auto(GStrv) words = text ? g_strsplit(text, " ", -1) : NULL;
  for (size_t i = 0; words && words[i]; i++)
    jw_str(out, NULL, words[i]);
  jw_close(out, ']');
}

/* Since when it is in that state: the end of what ended is stored, the rest is what its node told.
 */
static int64_t render_since(const Instance *instance)
{
  bool ended = instance->outcome && instance->ended_at_ms && !instance_live(instance);
  if (ended)
    return instance->ended_at_ms;
  return instance->since_ms ? instance->since_ms : instance->created_at_ms;
}

void render_instance(GString *out, const Instance *instance)
{
  g_autofree char *url = instance_url(instance), *name = instance_name(instance);
  const char *reason =
      instance->observed_reason && !instance->reason ? instance->observed_reason : instance->reason;
  jw_open(out, NULL, '{');
  jw_str(out, "id", instance->id);
  jw_str(out, "deployment", instance->deployment->name);
  jw_str(out, "name", name);
  jw_str(out, "agent", instance->agent);
  jw_int(out, "replica", instance->replica);
  jw_str(out, "node", instance->node ? instance->node->id : NULL);
  jw_str(out, "state", instance_state_word(render_state(instance)));
  jw_str(out, "health", health_word(instance->health));
  jw_int(out, "revision", instance->revision);
  jw_int(out, "generation", instance->generation);
  jw_int(out, "epoch", instance->epoch);
  jw_int(out, "attempt", instance->attempt);
  jw_int(out, "restarts", instance->restarts);
  jw_int(out, "pid", instance->pid);
  jw_int(out, "port", instance->port);
  jw_str(out, "url", url);
  jw_int(out, "stage", instance->stage);
  jw_str(out, "step", instance_step_word(instance->step));
  jw_time(out, "since", render_since(instance));
  jw_bool(out, "left_over", instance_is_left_over(instance));
  jw_bool(out, "scheduled", instance->scheduled || instance_is_scheduled(instance));
  jw_bool(out, "stale_environment", instance->stale);
  jw_str(out, "reason", reason);
  if (instance->last_exit.code < 0 && instance->last_exit.signal == 0) {
    jw_null(out, "last_exit");
  } else {
    jw_open(out, "last_exit", '{');
    jw_int(out, "code", instance->last_exit.code);
    jw_int(out, "signal", instance->last_exit.signal);
    jw_close(out, '}');
  }
  jw_str(out, "output", instance->output);
  render_words(out, "unenforced", instance->unenforced);
  jw_close(out, '}');
}

/* Whom a prompt for the deployment goes to, by the revision that is there, or that comes when there
 * is none yet. */
static const char *render_entry_point(const Deployment *deployment)
{
  int number =
      deployment->revision || !deployment->rollout ? deployment->revision : deployment->rollout->to;
  const Revision *revision = deployment_revision(deployment, number);
  const Job *job = revision_job(revision);
  return job ? job_entry_agent(job) : NULL;
}

/* How many slots the revision has that there is, or that an open rollout leads to, and how many of
 * just those are well. When it cannot be read, those that are to run. */
static void render_counts(const Deployment *deployment, guint *agents, guint *healthy)
{
  const Rollout *rollout = deployment->rollout;
  bool forward = rollout && rollout_is_open(rollout) && rollout->to > 0 &&
                 rollout->verdict == OUTCOME_SUCCEEDED;
  int number =
      rollout && (forward || deployment->revision == 0) ? rollout->to : deployment->revision;
  const Revision *revision = revision_find(deployment, number);
  const Job *job = revision_job(revision);
  *agents = *healthy = 0;
  for (guint i = 0; job && i < job->agents->len; i++)
    *agents += (guint)job_agent(job, i)->replicas;
  for (guint i = 0; job && i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    const AgentSpec *agent = instance->counts_ready ? job_agent_named(job, instance->agent) : NULL;
    *healthy += agent && instance->replica < agent->replicas;
  }
  for (guint i = 0; revision && !job && i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    *agents += instance->desired_running;
    *healthy += instance->desired_running && instance->counts_ready;
  }
}

void render_deployment(GString *out, const Deployment *deployment, RenderDepth depth)
{
  guint agents, healthy;
  render_counts(deployment, &agents, &healthy);
  jw_open(out, NULL, '{');
  jw_str(out, "id", deployment->id);
  jw_str(out, "name", deployment->name);
  jw_str(out, "status", deployment_status_word(deployment->status));
  jw_int(out, "revision", deployment->revision);
  jw_str(out, "outcome", rollout_outcome_word(deployment->outcome));
  jw_str(out, "reason", deployment_reason(deployment));
  jw_time(out, "created_at", deployment->created_at_ms);
  jw_time(out, "updated_at", deployment->updated_at_ms);
  if (deployment->rollout) {
    jw_raw(out, "rollout", "");
    render_rollout(out, deployment->rollout);
  } else {
    jw_null(out, "rollout");
  }
  jw_int(out, "agents", agents);
  jw_int(out, "healthy", healthy);
  if (depth == RENDER_FULL) {
    jw_str(out, "entry_point", render_entry_point(deployment));
    jw_int(out, "previous", deployment_previous(deployment));
  }
  if (depth != RENDER_BRIEF) {
    jw_open(out, "instances", '[');
    for (guint i = 0; i < deployment->instances->len; i++)
      render_instance(out, deployment->instances->pdata[i]);
    jw_close(out, ']');
  }
  jw_close(out, '}');
}

void render_stale(GString *out, const Deployment *deployment)
{
  const char *last = NULL; /* replicas of an agent stand together */
  jw_open(out, "stale_environment", '[');
  for (guint i = 0; deployment && i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (!instance->stale || !instance->desired_running || g_strcmp0(last, instance->agent) == 0)
      continue;
    jw_str(out, NULL, instance->agent);
    last = instance->agent;
  }
  jw_close(out, ']');
}

void render_schedule_run(GString *out, const ScheduleRun *run)
{
  jw_open(out, NULL, '{');
  jw_str(out, "id", run->id);
  jw_str(out, "deployment", run->schedule->deployment->name);
  jw_str(out, "agent", run->schedule->agent);
  jw_time(out, "due_at", run->due_at_ms);
  jw_time(out, "started_at", run->started_at_ms);
  jw_time(out, "ended_at", run->ended_at_ms);
  jw_str(out, "outcome", run->outcome);
  jw_str(out, "reason", run->reason);
  jw_str(out, "actor", run->actor);
  jw_close(out, '}');
}

void render_schedule(GString *out, const Schedule *schedule)
{
  const ScheduleSpec *spec = schedule_spec(schedule);
  jw_open(out, NULL, '{');
  jw_str(out, "deployment", schedule->deployment->name);
  jw_str(out, "agent", schedule->agent);
  jw_str(out, "cron", spec ? spec->cron : NULL);
  if (spec && !spec->cron)
    jw_int(out, "every_ms", spec->every_ms);
  else
    jw_null(out, "every_ms");
  jw_str(out, "timezone", spec && spec->timezone ? spec->timezone : "UTC");
  jw_str(out, "overlap", spec ? schedule_overlap_word(spec->overlap) : NULL);
  jw_time(out, "next_at", schedule->next_at_ms == INT64_MAX ? 0 : schedule->next_at_ms);
  jw_int(out, "queued", schedule->queued_due_ms > 0);
  jw_time(out, "queued_due_at", schedule->queued_due_ms);
  jw_open(out, "runs", '[');
  for (guint i = schedule->runs->len; i > 0; i--)
    render_schedule_run(out, schedule->runs->pdata[i - 1]);
  jw_close(out, ']');
  jw_close(out, '}');
}

void render_node(GString *out, const NodeObject *node)
{
  jw_open(out, NULL, '{');
  jw_str(out, "id", node->id);
  jw_str(out, "name", node->name);
  jw_str(out, "status", node_status_word(node->status));
  jw_str(out, "boot_id", node->boot_id);
  jw_int(out, "instances", node->instances->len);
  jw_str(out, "cgroups", node->cgroups);
  render_words(out, "unenforced", node->unenforced);
  jw_str(out, "problem", node->problem);
  jw_int(out, "unknown_instances", g_hash_table_size(node->unknown));
  jw_close(out, '}');
}
