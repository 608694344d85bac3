/* Batch agents by the clock: when they start, what overlap does, what is missed, and that every run
 * ends with one word. */
#include "base/error.h"
#include "world.h"

#include <string.h>

static Job *scheduled_job(const char *cron, int64_t every_ms, ScheduleOverlap overlap)
{
  Job *job = world_job("a b");
  AgentSpec *agent = world_agent(job, "b");
  agent->kind = AGENT_BATCH;
  agent->port = PORT_NONE;
  agent->schedule =
      (ScheduleSpec){.set = true, .cron = g_strdup(cron), .every_ms = every_ms, .overlap = overlap};
  return job;
}

static World *scheduled_up(int64_t every_ms, ScheduleOverlap overlap)
{
  World *world = world_new();
  world_connect(world);
  world_habit(world, "b", HABIT_HANGS);
  g_autoptr(Job) job = scheduled_job(NULL, every_ms, overlap);
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_null(strstr(world->log->str, "start b"));
  world_forget_log(world);
  return world;
}

/* "completed skipped ..." of the runs, oldest first. */
static char *scheduled_words(const World *world)
{
  GString *words = g_string_new(NULL);
  const Schedule *schedule = world_desk(world)->schedules->pdata[0];
  for (guint i = 0; i < schedule->runs->len; i++)
    g_string_append_printf(words, "%s%s", i ? " " : "",
                           ((const ScheduleRun *)schedule->runs->pdata[i])->outcome);
  return g_string_free(words, FALSE);
}

static void scheduled_is(const World *world, const char *wanted)
{
  g_autofree char *words = scheduled_words(world);
  g_assert_cmpstr(words, ==, wanted);
}

static void scheduled_beat(World *world, int64_t ms)
{
  for (; ms > 0; ms -= 10000) {
    world_pass(world, MIN(ms, 10000));
    g_autoptr(Frame) frame = frame_new(FRAME_HEARTBEAT);
    world_apply(world, (Command){.type = COMMAND_NODE_FRAME, .node = "local", .frame = frame});
  }
}

static void test_fires_and_completes(void)
{
  g_autoptr(World) world = scheduled_up(30000, OVERLAP_SKIP);
  scheduled_beat(world, 20000);
  g_assert_cmpstr(world->log->str, ==, "");
  scheduled_beat(world, 10000);
  g_assert_cmpstr(world->log->str, ==, "start b/0 g1; ");
  scheduled_is(world, "running");
  world_report(world, "b", 0, INSTANCE_COMPLETED, HEALTH_UNKNOWN, NULL);
  scheduled_is(world, "completed");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  scheduled_beat(world, 30000);
  world_report(world, "b", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "exit status 3");
  scheduled_is(world, "completed failed");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpuint(world_desk(world)->ready, ==, 2);
}

/* `every` is a duration: the wall clock that is set back an hour does not stretch it, and one that
 * is put right again does not double it.
 */
static void test_clock_set_back(void)
{
  g_autoptr(World) world = scheduled_up(2000, OVERLAP_SKIP);
  world_habit(world, "b", HABIT_HEALTHY);
  world->now.wall_ms -= 3600000;
  for (int i = 0; i < 3; i++)
    world_pass(world, 2000);
  scheduled_is(world, "completed completed completed");
  const Schedule *schedule = world_desk(world)->schedules->pdata[0];
  g_assert_cmpint(schedule->next_at_ms, ==, world->now.wall_ms + 2000);
  world_reload(world);
  world_connect(world);
  world_pass(world, 2000);
  scheduled_is(world, "completed completed completed completed");
}

static void test_overlap(void)
{
  g_autoptr(World) skip = scheduled_up(10000, OVERLAP_SKIP);
  scheduled_beat(skip, 30000);
  scheduled_is(skip, "running skipped skipped");
  g_autoptr(World) queue = scheduled_up(10000, OVERLAP_QUEUE);
  scheduled_beat(queue, 30000);
  scheduled_is(queue, "running skipped"); /* one waits without a word of its own yet */
  world_report(queue, "b", 0, INSTANCE_COMPLETED, HEALTH_UNKNOWN, NULL);
  scheduled_is(queue, "completed skipped running");
  g_assert_nonnull(strstr(queue->log->str, "start b/0 g2"));
  g_autoptr(World) replace = scheduled_up(10000, OVERLAP_REPLACE);
  scheduled_beat(replace, 20000);
  scheduled_is(replace, "replaced running");
  g_assert_cmpstr(replace->log->str, ==, "start b/0 g1; start b/0 g2; ");
}

/* A run that waited for the former one was due when it was due, also after a restart of the server.
 */
static void test_queued_is_due_when_it_was(void)
{
  g_autoptr(World) world = scheduled_up(10000, OVERLAP_QUEUE);
  int64_t up_ms = ((const Schedule *)world_desk(world)->schedules->pdata[0])->handled_at_ms;
  scheduled_beat(world, 40000);
  world_reload(world);
  world_connect(world);
  world_report(world, "b", 0, INSTANCE_COMPLETED, HEALTH_UNKNOWN, NULL);
  const Schedule *schedule = world_desk(world)->schedules->pdata[0];
  const ScheduleRun *run = schedule->runs->pdata[schedule->runs->len - 1];
  g_assert_cmpstr(run->outcome, ==, "running");
  g_assert_cmpint(run->due_at_ms, ==, up_ms + 20000);
  g_assert_cmpint(run->started_at_ms, ==, world->now.wall_ms);
}

/* The run that it waited for ends while what runs is being changed: it starts when that is over. */
static void test_queued_starts_after_a_change(void)
{
  g_autoptr(World) world = scheduled_up(10000, OVERLAP_QUEUE);
  int64_t up_ms = ((const Schedule *)world_desk(world)->schedules->pdata[0])->handled_at_ms;
  scheduled_beat(world, 25000);
  world_habit(world, "a", HABIT_HANGS);
  world_do(world, COMMAND_RESTART, "desk");
  world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
  world_report(world, "b", 0, INSTANCE_COMPLETED, HEALTH_UNKNOWN, NULL);
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  world_pass(world, 1000);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  const Schedule *schedule = world_desk(world)->schedules->pdata[0];
  const ScheduleRun *run = schedule->runs->pdata[schedule->runs->len - 1];
  g_assert_cmpstr(run->outcome, ==, "running");
  g_assert_cmpint(run->due_at_ms, ==, up_ms + 20000);
}

static void test_missed(void)
{
  g_autoptr(World) world = scheduled_up(30000, OVERLAP_SKIP);
  world_disconnect(world);
  world->now.wall_ms += 600000;
  world->now.boot_ms += 600000;
  world_reload(world);
  world_connect(world);
  world_pass(world, 1);
  const Schedule *schedule = world_desk(world)->schedules->pdata[0];
  const ScheduleRun *run = schedule->runs->pdata[0];
  g_assert_cmpstr(run->outcome, ==, "missed");
  g_assert_nonnull(strstr(run->reason, "19 times from "));
  scheduled_is(world, "missed running"); /* the twentieth is due just now */
  g_assert_cmpstr(world->log->str, ==, "start b/0 g1; ");
}

static void test_by_hand(void)
{
  g_autoptr(World) world = scheduled_up(3600000, OVERLAP_SKIP);
  world_apply(world, (Command){.type = COMMAND_RUN,
                               .deployment = "desk",
                               .agent = "b",
                               .reply_to = 1,
                               .actor = "uid:1"});
  world_assert_reply(world, -1, 202, "\"queued\":false");
  g_assert_cmpstr(world->log->str, ==, "start b/0 g1; ");
  world_apply(world,
              (Command){.type = COMMAND_RUN, .deployment = "desk", .agent = "b", .reply_to = 2});
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, "still goes");
  world_apply(world,
              (Command){.type = COMMAND_RUN, .deployment = "desk", .agent = "a", .reply_to = 3});
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no scheduled agent 'a'");
  world_do(world, COMMAND_DOWN, "desk");
  scheduled_is(world, "stopped");
  world_apply(world,
              (Command){.type = COMMAND_RUN, .deployment = "desk", .agent = "b", .reply_to = 4});
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, "not in force");
  scheduled_beat(world, 7200000);
  scheduled_is(world, "stopped");
}

static void test_reboot(void)
{
  g_autoptr(World) world = scheduled_up(30000, OVERLAP_SKIP);
  scheduled_beat(world, 30000);
  world_reboot(world);
  scheduled_is(world, "failed");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  world_forget_log(world);
  scheduled_beat(world, 30000);
  g_assert_nonnull(strstr(world->log->str, "start b/0"));
}

/* A run that goes on is left alone by an update; the next one is of the new revision. A schedule
 * that is taken away is over. */
static void test_update(void)
{
  g_autoptr(World) world = scheduled_up(30000, OVERLAP_SKIP);
  scheduled_beat(world, 30000);
  world_forget_log(world);
  g_autoptr(Job) job = scheduled_job("0 0 1 1 *", 0, OVERLAP_SKIP);
  strmap_set(&world_agent(job, "b")->environment, "MARK", "2");
  world_deploy(world, job, false);
  g_assert_null(strstr(world->log->str, "stop b"));
  g_assert_null(strstr(world->log->str, "start b"));
  world_report(world, "b", 0, INSTANCE_COMPLETED, HEALTH_UNKNOWN, NULL);
  scheduled_is(world, "completed");
  world_apply(world, (Command){.type = COMMAND_RUN, .deployment = "desk", .agent = "b"});
  g_assert_cmpstr(world_environment(world, "b", 0, "MARK"), ==, "2");
  g_autoptr(Job) service = world_job("a b");
  world_habit(world, "b", HABIT_HEALTHY);
  world_deploy(world, service, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpint(world_held(world, "b", 0)->health, ==, HEALTH_HEALTHY);
  world_forget_log(world);
  scheduled_beat(world, 60000);
  g_assert_cmpstr(world->log->str, ==, "");
}

static void test_forgotten(void)
{
  g_autoptr(World) world = scheduled_up(10000, OVERLAP_SKIP);
  for (int i = 0; i < 30; i++) {
    scheduled_beat(world, 10000);
    world_report(world, "b", 0, INSTANCE_COMPLETED, HEALTH_UNKNOWN, NULL);
  }
  const Schedule *schedule = world_desk(world)->schedules->pdata[0];
  g_assert_cmpuint(schedule->runs->len, ==, 20);
  g_assert_cmpuint(g_hash_table_size(world->rows[TABLE_SCHEDULE_RUNS]), ==, 20);
  world_do(world, COMMAND_DOWN, "desk");
  world_do(world, COMMAND_FORGET, "desk");
  g_assert_cmpuint(g_hash_table_size(world->rows[TABLE_SCHEDULE_RUNS]), ==, 0);
  g_assert_cmpuint(g_hash_table_size(world->rows[TABLE_SCHEDULES]), ==, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/core/schedule/fires", test_fires_and_completes);
  g_test_add_func("/core/schedule/clock-set-back", test_clock_set_back);
  g_test_add_func("/core/schedule/overlap", test_overlap);
  g_test_add_func("/core/schedule/queued-due", test_queued_is_due_when_it_was);
  g_test_add_func("/core/schedule/queued-change", test_queued_starts_after_a_change);
  g_test_add_func("/core/schedule/missed", test_missed);
  g_test_add_func("/core/schedule/by-hand", test_by_hand);
  g_test_add_func("/core/schedule/reboot", test_reboot);
  g_test_add_func("/core/schedule/update", test_update);
  g_test_add_func("/core/schedule/forgotten", test_forgotten);
  return g_test_run();
}
