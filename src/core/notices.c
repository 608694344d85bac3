/* Messages for webhooks: made in the same commit as the news that they tell, kept until they were
 * delivered or given up. The server posts them and tells what came of it; here is decided what
 * happens then. */
#include "core/notices.h"

#include "base/json.h"
#include "core/build.h"
#include "core/command.h"
#include "core/instance.h"
#include "core/records.h"
#include "core/state.h"
#include "core/turn.h"

#include <string.h>

const GPtrArray *core_notices(const Core *core)
{
  return core_list(core, CORE_NOTICES);
}

static Notice *notice_find(const Core *core, const char *id)
{
  for (guint i = 0; i < core_list(core, CORE_NOTICES)->len; i++)
    if (strcmp(((const Notice *)core_list(core, CORE_NOTICES)->pdata[i])->id, id) == 0)
      return core_list(core, CORE_NOTICES)->pdata[i];
  return NULL;
}

const Notice *core_notice(const Core *core, const char *id)
{
  return notice_find(core, id);
}

/* ---- what becomes of one ---- */

static void notice_announce(Core *core, const Notice *notice, const char *state)
{
  GString *data = g_string_new(NULL);
  jw_open(data, NULL, '{');
  jw_str(data, "id", notice->id);
  jw_str(data, "deployment", notice->deployment);
  jw_str(data, "event", notice->event);
  jw_str(data, "state", state);
  jw_int(data, "tries", notice->tries);
  jw_time(data, "created_at", notice->created_at_ms);
  jw_time(data, "next_at", strcmp(state, "waiting") == 0 ? notice->next_at_ms : 0);
  jw_close(data, '}');
  turn_event(core, "webhook", notice->deployment, notice->id, data);
}

static void notice_end(Core *core, Notice *notice, const char *state)
{
  notice_announce(core, notice, state);
  turn_remove(core, TABLE_NOTICES, notice->id);
  g_ptr_array_remove(core_list(core, CORE_NOTICES), notice); /* frees */
}

static void notice_wait(Core *core, const Notice *notice)
{
  turn_store(core, record_of_notice(notice));
  notice_announce(core, notice, "waiting");
}

void command_notice_tried(Core *core, const Command *command)
{
  Notice *notice = notice_find(core, command->notice);
  if (!notice)
    return; /* it was given up meanwhile */
  notice->tries += !command->delivered;
  if (command->delivered || notice->tries >= NOTICE_TRIES) {
    notice_end(core, notice, command->delivered ? "delivered" : "given-up");
    return;
  }
  int64_t pause = NOTICE_FIRST_MS;
  for (int i = 1; i < notice->tries && pause < NOTICE_LONGEST_MS; i++)
    pause *= 4;
  notice->next_at_ms = core_now(core).wall_ms + MIN(pause, NOTICE_LONGEST_MS);
  notice_wait(core, notice);
}

/* ---- a new one ---- */

static void notice_write_agents(GString *out, const Deployment *deployment)
{
  int bad = 0;
  jw_open(out, "agents", '[');
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    bool culprit = deployment->rollout && g_strcmp0(deployment->rollout->failed, instance->id) == 0;
    bool failed = g_strcmp0(instance->outcome, "failed") == 0 &&
                  (culprit || !instance_is_left_over(instance));
    if ((!instance->degraded && !failed) || ++bad > NOTICE_AGENTS_MAX)
      continue;
    jw_open(out, NULL, '{');
    jw_str(out, "agent", instance->agent);
    jw_int(out, "replica", instance->replica);
    jw_str(out, "state", instance_state_word(instance->state));
    jw_str(out, "health", health_word(instance->health));
    jw_str(out, "reason", instance->reason ? instance->reason : instance->observed_reason);
    jw_close(out, '}');
  }
  jw_close(out, ']');
  jw_int(out, "more_agents", MAX(bad - NOTICE_AGENTS_MAX, 0));
}

/* The id is unique also among servers, as good as: what two of them count alike they do not begin
 * in the same millisecond. */
static char *notice_body(const Core *core, const Notice *notice, const Deployment *deployment)
{
  GString *out = g_string_new(NULL);
  g_autofree char *id = g_strdup_printf("%s-%" G_GINT64_FORMAT, notice->id, notice->created_at_ms);
  jw_open(out, NULL, '{');
  jw_str(out, "id", id);
  jw_str(out, "event", notice->event);
  jw_str(out, "deployment", deployment->name);
  jw_str(out, "status", deployment_status_word(deployment->status));
  jw_str(out, "outcome", rollout_outcome_word(deployment->outcome));
  jw_int(out, "revision", deployment->revision);
  jw_str(out, "reason", deployment->reason);
  jw_time(out, "at", core_now(core).wall_ms);
  notice_write_agents(out, deployment);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

/* Makes room in the lane of one deployment and URL. */
static void notice_clear_lane(Core *core, const char *deployment, const char *url)
{
  Notice *oldest = NULL;
  int n = 0;
  for (guint i = core_list(core, CORE_NOTICES)->len; i > 0; i--) {
    Notice *notice = core_list(core, CORE_NOTICES)->pdata[i - 1];
    if (strcmp(notice->deployment, deployment) != 0 || strcmp(notice->url, url) != 0)
      continue;
    oldest = notice;
    n++;
  }
  if (n >= NOTICE_LANE_MAX)
    notice_end(core, oldest, "given-up");
}

static void notice_add(Core *core, const Deployment *deployment, const char *url, const char *event)
{
  notice_clear_lane(core, deployment->name, url);
  Notice *notice = g_new0(Notice, 1);
  core_new_id(core, notice->id, "ntc");
  notice->deployment = g_strdup(deployment->name);
  notice->url = g_strdup(url);
  notice->event = g_strdup(event);
  notice->created_at_ms = notice->next_at_ms = core_now(core).wall_ms;
  notice->body = notice_body(core, notice, deployment);
  g_ptr_array_add(core_list(core, CORE_NOTICES), notice);
  notice_wait(core, notice);
}

/* ---- news ---- */

/* The job whose webhooks are told; NULL when it names none. Such a job is not parsed for it. */
static const Job *notices_job(const Deployment *deployment)
{
  int number = deployment->revision  ? deployment->revision
               : deployment->rollout ? deployment->rollout->to
                                     : 0;
  const Revision *revision = revision_find(deployment, number);
  return revision && strstr(revision->job_json, "\"notify\":[{") ? revision_job(revision) : NULL;
}

const char *core_notice_secret(const Core *core, const Notice *notice)
{
  const Deployment *deployment = core_deployment(core, notice->deployment);
  for (guint i = deployment ? deployment->revisions->len : 0; i-- > 0;) {
    const Revision *revision = deployment->revisions->pdata[i];
    const Job *job = strstr(revision->job_json, "\"notify\":[{") ? revision_job(revision) : NULL;
    for (guint k = 0; job && k < job->notify->len; k++) {
      const NotifySpec *spec = job->notify->pdata[k];
      if (strcmp(spec->url, notice->url) == 0)
        return spec->secret;
    }
  }
  return NULL;
}

/* False when the job names no webhook. */
static bool notices_tell(Core *core, const Deployment *deployment, NotifyEvent event)
{
  const Job *job = notices_job(deployment);
  for (guint i = 0; job && i < job->notify->len; i++) {
    const NotifySpec *spec = job->notify->pdata[i];
    if (spec->events & 1u << event)
      notice_add(core, deployment, spec->url, notify_event_word(event));
  }
  return job != NULL;
}

static void notices_remember(Core *core, Deployment *deployment, const char *told)
{
  if (deployment->told == told)
    return;
  deployment->told = told;
  touch_deployment(core, deployment, TOUCH_STORED);
}

/* @rollout has ended and its deployment is settled. */
static void notices_rollout(Core *core, const Rollout *rollout)
{
  Deployment *deployment = rollout->deployment;
  bool failed = deployment->settled == DEPLOYMENT_FAILED && rollout->outcome == OUTCOME_FAILED;
  if (!failed && rollout->outcome != OUTCOME_ROLLED_BACK)
    return;
  if (notices_tell(core, deployment, NOTIFY_FAILED) && failed)
    notices_remember(core, deployment, notice_told("failed"));
}

/* How @deployment is. */
static void notices_look(Core *core, Deployment *deployment)
{
  bool well = deployment->status == DEPLOYMENT_RUNNING && deployment->unknown == 0;
  if (deployment->status == DEPLOYMENT_DEGRADED && deployment->told != notice_told("degraded")) {
    if (notices_tell(core, deployment, NOTIFY_DEGRADED))
      notices_remember(core, deployment, notice_told("degraded"));
  } else if (well && deployment->told) {
    notices_tell(core, deployment, NOTIFY_RECOVERED);
    notices_remember(core, deployment, NULL);
  }
}

void notices_run(Core *core)
{
  const Rollout *closed;
  const Instance *instance;
  Deployment *deployment;
  while ((closed = turn_next(core, TURN_SETTLED)))
    notices_rollout(core, closed);
  for (guint i = 0; (instance = turn_peek(core, TURN_INSTANCES, i)); i++)
    if (instance->deployment->told)
      notices_look(core, instance->deployment);
  for (guint i = 0; (deployment = turn_peek(core, TURN_DEPLOYMENTS, i)); i++)
    notices_look(core, deployment);
}
