/* Batch agents that run by the clock: when the next run is due, what happens when the former one
 * still goes, and how each ended. A schedule is in force while its deployment is settled as
 * running; times that pass while no server looks are told, not made up for. */
#include "core/schedule.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "core/build.h"
#include "core/command.h"
#include "core/instance.h"
#include "core/place.h"
#include "core/records.h"
#include "core/render.h"
#include "core/state.h"
#include "core/turn.h"
#include "model/cron.h"

#include <string.h>

enum {
  SCHEDULE_RUNS_KEPT = 20,
  SCHEDULE_LATE_MS = 60000, /* a run may begin so late; later it is missed */
  SCHEDULE_LOOK_MS = 60000, /* the wall clock may be set meanwhile, so it is looked at so often */
  SCHEDULE_MISSED_MAX = 10000
};

static Schedule *schedule_find(const Deployment *deployment, const char *agent)
{
  for (guint i = 0; i < deployment->schedules->len; i++)
    if (strcmp(((const Schedule *)deployment->schedules->pdata[i])->agent, agent) == 0)
      return deployment->schedules->pdata[i];
  return NULL;
}

/* ---- stored ---- */

static void schedule_store(Core *core, const Schedule *schedule)
{
  turn_store(core, record_of_schedule(schedule));
}

static void schedule_event(Core *core, const ScheduleRun *run)
{
  GString *data = g_string_new(NULL);
  render_schedule_run(data, run);
  turn_event(core, "schedule", run->schedule->deployment->name, run->id, data);
}

static void schedule_store_run(Core *core, const ScheduleRun *run)
{
  turn_store(core, record_of_schedule_run(run));
  schedule_event(core, run);
}

/* Notes a run that @outcome is the word for; the oldest goes when there are enough. */
static ScheduleRun *schedule_note(Core *core, Schedule *schedule, int64_t due_at_ms,
                                  const char *outcome, char *reason)
{
  char id[ID_BYTES];
  core_new_id(core, id, "srn");
  ScheduleRun *run = schedule_add_run(schedule, id);
  run->due_at_ms = due_at_ms;
  run->started_at_ms = core_now(core).wall_ms;
  run->outcome = g_strdup(outcome);
  run->reason = reason;
  run->ended_at_ms = strcmp(outcome, "running") == 0 ? 0 : core_now(core).wall_ms;
  while (schedule->runs->len > SCHEDULE_RUNS_KEPT) {
    turn_remove(core, TABLE_SCHEDULE_RUNS, ((const ScheduleRun *)schedule->runs->pdata[0])->id);
    g_ptr_array_remove_index(schedule->runs, 0);
  }
  return run;
}

/* ---- in force or not ---- */

static void schedule_arm(const Core *core, Schedule *schedule, const ScheduleSpec *spec)
{
  Cron cron;
  Zone zone = zone_utc;
  schedule->every_boot_ms = INT64_MAX;
  if (!spec->cron) {
    schedule->next_at_ms = schedule->handled_at_ms + spec->every_ms;
    schedule->every_boot_ms =
        core_now(core).boot_ms +
        CLAMP(schedule->next_at_ms - core_now(core).wall_ms, 0, spec->every_ms);
  } else if (cron_parse(spec->cron, &cron, NULL) &&
             (!spec->tz_rule || zone_parse(spec->tz_rule, &zone, NULL))) {
    schedule->next_at_ms = cron_next(&cron, &zone, schedule->handled_at_ms);
  } else {
    schedule->next_at_ms = INT64_MAX; /* refused when it was read */
  }
}

/* What makes two schedules the same. Caller frees. */
static char *schedule_text(const ScheduleSpec *spec)
{
  return g_strdup_printf("%s/%" G_GINT64_FORMAT "/%s", spec->cron ? spec->cron : "", spec->every_ms,
                         spec->tz_rule ? spec->tz_rule : "");
}

/* What runs is being changed: afterwards. That is also when it has been changed in this very turn,
 * since whether the schedule is still in force is settled later in it. */
static bool schedule_waits(const Schedule *schedule)
{
  const Deployment *deployment = schedule->deployment;
  return deployment_changes(deployment) ||
         (deployment->rollout && turn_is_marked(TURN_CLOSED, deployment->rollout));
}

static ScheduleRun *schedule_present_run(const Schedule *schedule)
{
  for (guint i = schedule->runs->len; i > 0; i--) {
    ScheduleRun *run = schedule->runs->pdata[i - 1];
    if (strcmp(run->outcome, "running") == 0)
      return run;
  }
  return NULL;
}

/* A run waits, and what it waited for is over. */
static bool schedule_owes_a_run(const Schedule *schedule)
{
  return schedule->queued_due_ms > 0 && schedule_spec(schedule) && !schedule_waits(schedule) &&
         !schedule_present_run(schedule);
}

/* When the core is to look at it: at its next time by the wall clock, which may be set meanwhile,
 * so it is looked at so often; `every` goes by the clock that nobody sets. While its deployment
 * changes, never: the end of that attaches it anew. */
static void schedule_wake(Core *core, Schedule *schedule)
{
  Now now = core_now(core);
  int64_t at_boot_ms = INT64_MAX;
  if (schedule_owes_a_run(schedule))
    at_boot_ms = now.boot_ms;
  else if (schedule->next_at_ms != INT64_MAX && !schedule_waits(schedule)) {
    at_boot_ms = now.boot_ms + CLAMP(schedule->next_at_ms - now.wall_ms, 0, SCHEDULE_LOOK_MS);
    at_boot_ms = MIN(at_boot_ms, MAX(schedule->every_boot_ms, now.boot_ms));
  }
  core_wake_at(core, DEADLINE_SCHEDULE, &schedule->deadline, at_boot_ms);
}

static void schedule_disarm(Core *core, Schedule *schedule)
{
  bool stored = schedule->queued_due_ms > 0 || schedule->spec;
  schedule->next_at_ms = schedule->every_boot_ms = INT64_MAX;
  schedule->queued_due_ms = 0;
  text_set(&schedule->spec, NULL);
  g_ptr_array_remove(core_list(core, CORE_SCHEDULES), schedule);
  core_wake_at(core, DEADLINE_SCHEDULE, &schedule->deadline, INT64_MAX);
  if (stored)
    schedule_store(core, schedule);
}

static void schedule_enforce(Core *core, Deployment *deployment, const AgentSpec *agent)
{
  Schedule *schedule = schedule_find(deployment, agent->id);
  if (!schedule) {
    char id[ID_BYTES];
    core_new_id(core, id, "sch");
    schedule = schedule_new(deployment, id, agent->id);
  }
  g_autofree char *text = schedule_text(&agent->schedule);
  if (g_strcmp0(schedule->spec, text) != 0) {
    text_set(&schedule->spec, text);
    schedule->handled_at_ms = core_now(core).wall_ms;
    schedule_store(core, schedule);
  }
  schedule_attach(core, schedule);
}

void schedule_attach(Core *core, Schedule *schedule)
{
  const ScheduleSpec *spec = schedule_spec(schedule);
  Instance *instance = deployment_slot(schedule->deployment, schedule->agent, 0);
  g_ptr_array_remove(core_list(core, CORE_SCHEDULES), schedule);
  core_wake_at(core, DEADLINE_SCHEDULE, &schedule->deadline, INT64_MAX);
  if (!spec || !schedule->spec)
    return;
  schedule_arm(core, schedule, spec);
  schedule_wake(core, schedule);
  g_ptr_array_add(core_list(core, CORE_SCHEDULES), schedule);
  if (instance) {
    instance->scheduled = true;
    instance_recount(instance);
  }
}

static void schedule_end_run(Core *core, ScheduleRun *run, const char *outcome, const char *reason)
{
  text_set(&run->outcome, outcome);
  text_set(&run->reason, reason);
  run->ended_at_ms = core_now(core).wall_ms;
  schedule_store_run(core, run);
}

/* A rollout can make something else of an agent while its run still goes. */
static void schedule_end_orphan(Core *core, Schedule *schedule)
{
  const Instance *instance = deployment_slot(schedule->deployment, schedule->agent, 0);
  ScheduleRun *run = schedule_present_run(schedule);
  if (!run || (instance && instance->desired_running && !instance->outcome &&
               instance_is_scheduled(instance)))
    return;
  schedule_end_run(core, run, instance && instance->outcome ? instance->outcome : "replaced",
                   "the deployment was changed");
}

void schedules_settle(Core *core, Deployment *deployment)
{
  const Revision *revision = revision_find(deployment, deployment->revision);
  bool active = revision && deployment->settled == DEPLOYMENT_RUNNING;
  const Job *job = active ? revision_job(revision) : NULL;
  if (active && !job)
    return; /* what is in force is not known: nothing is fired, and nothing is given up */
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    instance->scheduled = false;
    instance_recount(instance);
  }
  for (guint i = 0; i < deployment->schedules->len; i++)
    schedule_end_orphan(core, deployment->schedules->pdata[i]);
  for (guint i = 0; i < deployment->schedules->len; i++) {
    Schedule *schedule = deployment->schedules->pdata[i];
    const AgentSpec *agent = job ? job_agent_named(job, schedule->agent) : NULL;
    if (!agent || !agent->schedule.set)
      schedule_disarm(core, schedule);
  }
  for (guint i = 0; job && i < job->agents->len; i++)
    if (job_agent(job, i)->schedule.set)
      schedule_enforce(core, deployment, job_agent(job, i));
}

/* ---- runs ---- */

/* Starts the agent. */
static ScheduleRun *schedule_start(Core *core, Schedule *schedule, int64_t due_at_ms,
                                   const char *actor)
{
  Instance *instance = deployment_slot(schedule->deployment, schedule->agent, 0);
  NodeObject *node = instance ? place_choose(core, instance) : NULL;
  if (!node) {
    ScheduleRun *run =
        schedule_note(core, schedule, due_at_ms, "failed", g_strdup("no node is there to run it"));
    schedule_store_run(core, run);
    return run;
  }
  ScheduleRun *former = schedule_present_run(schedule);
  if (former)
    schedule_end_run(core, former, "replaced", "the next run was due");
  instance_place(core, instance, node);
  instance_start(core, instance, schedule->deployment->revision);
  ScheduleRun *run = schedule_note(core, schedule, due_at_ms, "running", NULL);
  run->generation = instance->generation;
  run->actor = g_strdup(actor);
  schedule_store_run(core, run);
  return run;
}

/* One time that is due now. */
static ScheduleRun *schedule_fire(Core *core, Schedule *schedule, int64_t due_at_ms,
                                  const char *actor)
{
  const ScheduleSpec *spec = schedule_spec(schedule);
  const ScheduleRun *present = schedule_present_run(schedule);
  if (!present || spec->overlap == OVERLAP_REPLACE)
    return schedule_start(core, schedule, due_at_ms, actor);
  char since[ISO_TIME_BYTES];
  time_iso(present->started_at_ms, since);
  if (spec->overlap == OVERLAP_QUEUE && schedule->queued_due_ms == 0) {
    schedule->queued_due_ms = due_at_ms;
    schedule_store(core, schedule);
    return NULL;
  }
  ScheduleRun *run =
      schedule_note(core, schedule, due_at_ms, "skipped",
                    g_strdup_printf("the run of %s still goes%s", since,
                                    schedule->queued_due_ms ? " and one waits" : ""));
  schedule_store_run(core, run);
  return run;
}

/* Everything that was due until now: the last is fired unless it is too late for it, the others are
 * told as missed. */
static void schedule_due(Core *core, Schedule *schedule)
{
  const ScheduleSpec *spec = schedule_spec(schedule);
  int64_t first = schedule->next_at_ms, due = first, last = 0;
  int passed = 0;
  for (; due <= core_now(core).wall_ms && passed < SCHEDULE_MISSED_MAX;
       due = schedule->next_at_ms) {
    passed++;
    last = schedule->handled_at_ms = due;
    schedule_arm(core, schedule, spec);
  }
  if (due <= core_now(core).wall_ms) { /* more than anybody counts */
    schedule->handled_at_ms = core_now(core).wall_ms;
    schedule_arm(core, schedule, spec);
  }
  bool late = core_now(core).wall_ms - last > SCHEDULE_LATE_MS;
  int missed = passed - !late;
  if (missed > 0) {
    char from[ISO_TIME_BYTES], to[ISO_TIME_BYTES];
    time_iso(first, from);
    time_iso(last, to);
    ScheduleRun *run =
        schedule_note(core, schedule, first, "missed",
                      g_strdup_printf("%s%d time%s from %s to %s passed while no server looked",
                                      passed < SCHEDULE_MISSED_MAX ? "" : "more than ", missed,
                                      text_plural(missed), from, to));
    schedule_store_run(core, run);
  }
  schedule_store(core, schedule);
  if (!late)
    schedule_fire(core, schedule, last, "schedule");
}

/* `every` is so long after the former time, also when the wall clock was set back since: the time
 * is now, whatever it is called. */
static void schedule_follow_clock(const Core *core, Schedule *schedule)
{
  if (schedule->every_boot_ms > core_now(core).boot_ms ||
      schedule->next_at_ms <= core_now(core).wall_ms)
    return;
  schedule->handled_at_ms -= schedule->next_at_ms - core_now(core).wall_ms;
  schedule->next_at_ms = core_now(core).wall_ms;
}

static void schedule_start_queued(Core *core, Schedule *schedule)
{
  int64_t due_at_ms = schedule->queued_due_ms;
  schedule->queued_due_ms = 0;
  schedule_store(core, schedule);
  schedule_start(core, schedule, due_at_ms, "schedule");
}

static void schedule_look(Core *core, Schedule *schedule)
{
  if (schedule_owes_a_run(schedule)) /* the former one ended while what runs was being changed */
    schedule_start_queued(core, schedule);
  if (!schedule_waits(schedule)) {
    schedule_follow_clock(core, schedule);
    if (schedule->next_at_ms <= core_now(core).wall_ms)
      schedule_due(core, schedule);
  }
  schedule_wake(core, schedule);
}

void schedules_tick(Core *core)
{
  Deadline *deadline;
  while ((deadline = core_next_due(core, DEADLINE_SCHEDULE)))
    schedule_look(core, HEAP_OWNER(deadline, Schedule, deadline));
}

/* What ran in @instance has an outcome. */
static void schedule_instance_ended(Core *core, const Instance *instance)
{
  Schedule *schedule = schedule_find(instance->deployment, instance->agent);
  ScheduleRun *run = schedule ? schedule_present_run(schedule) : NULL;
  if (!run || run->generation > instance->generation || instance->replica != 0)
    return;
  schedule_end_run(core, run, instance->outcome, instance->reason);
  if (schedule_owes_a_run(schedule))
    schedule_start_queued(core, schedule);
}

void schedules_run(Core *core)
{
  const GPtrArray *all = core_list(core, CORE_SCHEDULES);
  for (guint i = 0, n = turn_clock_was_set(core) ? all->len : 0; i < n; i++)
    schedule_wake(core, all->pdata[i]); /* their times are by that clock */
  const Instance *instance;
  while ((instance = turn_next(core, TURN_ENDED)))
    schedule_instance_ended(core, instance);
}

/* ---- by hand ---- */

void command_run(Core *core, const Command *command)
{
  Deployment *deployment = core_find(core, command->deployment);
  Schedule *schedule =
      deployment && command->agent ? schedule_find(deployment, command->agent) : NULL;
  if (deployment && deployment->unreadable) {
    turn_refuse(core, command, REEVE_ERROR_CONFLICT, "%s", deployment->unreadable);
    return;
  }
  if (!schedule || !schedule_spec(schedule)) {
    turn_refuse(core, command, REEVE_ERROR_NOT_FOUND,
                deployment ? "deployment '%s' has no scheduled agent '%s'" : "no deployment '%s'",
                command->deployment, command->agent);
    return;
  }
  if (schedule->next_at_ms == INT64_MAX || schedule_waits(schedule)) {
    turn_refuse(core, command, REEVE_ERROR_CONFLICT,
                "deployment '%s' is %s; its schedules are not in force", deployment->name,
                deployment_status_word(deployment->status));
    return;
  }
  const ScheduleRun *present = schedule_present_run(schedule);
  if (present && schedule_spec(schedule)->overlap == OVERLAP_SKIP) {
    turn_refuse(
        core, command, REEVE_ERROR_CONFLICT,
        "agent '%s': its run '%s' still goes; wait for it, or give it overlap: queue or replace",
        schedule->agent, present->id);
    return;
  }
  const ScheduleRun *run = schedule_fire(core, schedule, core_now(core).wall_ms, command->actor);
  turn_audit(core, command, "run", deployment->name, schedule->agent);
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "deployment", deployment->name);
  jw_str(body, "agent", schedule->agent);
  jw_str(body, "run", run ? run->id : NULL);
  jw_bool(body, "queued", run == NULL);
  jw_close(body, '}');
  turn_accept(core, command, 202, body->str);
}
