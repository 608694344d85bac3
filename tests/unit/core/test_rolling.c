/* Updates of what runs: how many slots are out at once, extra slots of agents without port, scale,
 * gentle restarts. */
#include "base/error.h"
#include "core/build.h"
#include "core/instance.h"
#include "core/rolling.h"
#include "world.h"

#include <string.h>

/* One agent "a" of @replicas, with ports from 9000 or without, that runs; each further revision has
 * another environment. */
static Job *rolling_job(int replicas, bool port, const char *mark)
{
  Job *job = world_job("a");
  AgentSpec *agent = world_agent(job, "a");
  agent->replicas = replicas;
  agent->port = port ? 9000 : PORT_NONE;
  strmap_set(&agent->environment, "MARK", mark);
  return job;
}

static World *rolling_up(int replicas, bool port)
{
  World *world = world_new();
  world_connect(world);
  g_autoptr(Job) job = rolling_job(replicas, port, "1");
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  world_forget_log(world);
  return world;
}

static void rolling_update(World *world, int replicas, bool port, int unavailable, int surge)
{
  g_autoptr(Job) job = rolling_job(replicas, port, "2");
  job->update = (UpdateSpec){.max_unavailable = unavailable, .max_surge = surge};
  world_deploy(world, job, false);
}

/* How many starts stand in the log. */
static int rolling_starts(const World *world)
{
  int n = 0;
  for (const char *at = world->log->str; (at = strstr(at, "start ")); at++)
    n++;
  return n;
}

static void test_one_at_a_time(void)
{
  g_autoptr(World) world = rolling_up(3, true);
  world_habit(world, "a", HABIT_HANGS);
  rolling_update(world, 3, true, 1, 1);
  for (int replica = 0; replica < 3; replica++) {
    g_assert_cmpint(rolling_starts(world), ==, replica + 1);
    g_assert_cmpint(world_slot(world, "a", replica)->step, ==, STEP_STARTING);
    g_assert_cmpuint(world_desk(world)->ready, ==, 2);
    world_report(world, "a", replica, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  }
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpuint(world_desk(world)->instances->len, ==, 3);
}

static void test_two_at_a_time_each_with_its_time(void)
{
  g_autoptr(World) world = rolling_up(4, true);
  world_habit(world, "a", HABIT_HANGS);
  rolling_update(world, 4, true, 2, 0);
  g_assert_cmpint(rolling_starts(world), ==, 2);
  for (int beat = 0; beat < 5; beat++) {
    world_pass(world, 10000);
    g_autoptr(Frame) frame = frame_new(FRAME_HEARTBEAT);
    world_apply(world, (Command){.type = COMMAND_NODE_FRAME, .node = "local", .frame = frame});
  }
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  g_assert_cmpint(rolling_starts(world), ==, 3);
  /* more than the 60 s of the stage, less than that since the last start */
  world_pass(world, 20000);
  world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
}

static void test_surge_covers(void)
{
  g_autoptr(World) world = rolling_up(2, false);
  world_habit(world, "a", HABIT_HANGS);
  rolling_update(world, 2, false, 1, 1);
  g_assert_cmpstr(world->log->str, ==, "start a/2 g1; ");
  g_assert_cmpuint(world_desk(world)->ready, ==, 2);
  world_report(world, "a", 2, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  g_assert_cmpstr(world->log->str, ==, "start a/2 g1; start a/0 g2; ");
  world_reload(world); /* the count of what is out is made again from what is stored */
  world_connect(world);
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  g_assert_nonnull(strstr(world->log->str, "start a/1 g2; "));
  g_assert_cmpuint(world_desk(world)->ready, ==, 2);
  world_report(world, "a", 1, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_nonnull(strstr(world->log->str, "stop a/2"));
  g_assert_null(strstr(world->log->str, "forget; ")); /* its logs stay */
  g_assert_cmpuint(world_desk(world)->instances->len, ==, 3);
  g_assert_cmpuint(world_desk(world)->ready, ==, 2);
}

/* What an update leaves over for its logs does not make an agent one of several. */
static void test_surge_leaves_the_name(void)
{
  g_autoptr(World) world = rolling_up(1, false);
  rolling_update(world, 1, false, 1, 1);
  world_pass(world, 20000);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_nonnull(world_slot(world, "a", 1));
  g_autofree char *name = instance_name(world_slot(world, "a", 0));
  g_assert_cmpstr(name, ==, "a");
}

static void test_surge_fails_and_all_is_as_before(void)
{
  g_autoptr(World) world = rolling_up(2, false);
  world_habit(world, "a", HABIT_DIES);
  rolling_update(world, 2, false, 1, 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_ROLLED_BACK);
  g_assert_null(strstr(world->log->str, "start a/0"));
  /* with its logs, until an update needs the slot again */
  g_assert_cmpstr(world_slot(world, "a", 2)->outcome, ==, "failed");
  g_assert_null(strstr(world->log->str, "forget"));
  g_assert_cmpint(world_desk(world)->revision, ==, 1);
  g_assert_cmpuint(world_desk(world)->ready, ==, 2);
}

static void test_no_surge_in_place(void)
{
  g_autoptr(World) world = rolling_up(2, false);
  rolling_update(world, 2, false, 1, 0);
  g_assert_cmpstr(world->log->str, ==, "start a/0 g2; start a/1 g2; ");
}

static void test_scale(void)
{
  g_autoptr(World) world = rolling_up(1, true);
  world_apply(
      world,
      (Command){
          .type = COMMAND_SCALE, .deployment = "desk", .agent = "a", .number = 3, .reply_to = 1});
  world_assert_reply(world, -1, 202, "\"revision\":2,\"changed\":true");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, "start a/1 g1; start a/2 g1; ");
  g_assert_cmpint(world_slot(world, "a", 2)->port, ==, 9002);
  world_forget_log(world);
  world_apply(
      world,
      (Command){
          .type = COMMAND_SCALE, .deployment = "desk", .agent = "a", .number = 3, .reply_to = 2});
  world_assert_reply(world, -1, 200, "\"changed\":false");
  world_apply(
      world,
      (Command){
          .type = COMMAND_SCALE, .deployment = "desk", .agent = "a", .number = 1, .reply_to = 3});
  g_assert_null(strstr(world->log->str, "start"));
  g_assert_nonnull(strstr(world->log->str, "stop a/2"));
  g_assert_cmpint(world_held(world, "a", 0)->state, ==, INSTANCE_RUNNING);
  g_assert_cmpint(world_desk(world)->revision, ==, 3);
  world_apply(
      world,
      (Command){
          .type = COMMAND_SCALE, .deployment = "desk", .agent = "b", .number = 1, .reply_to = 4});
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no agent 'b'");
  world_apply(
      world,
      (Command){
          .type = COMMAND_SCALE, .deployment = "desk", .agent = "a", .number = 0, .reply_to = 5});
  world_assert_reply(world, REEVE_ERROR_INVALID, 422, "allowed: 1 to 1000");
  world_apply(
      world, (Command){.type = COMMAND_ROLLBACK, .deployment = "desk", .number = 2, .reply_to = 6});
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpuint(world_desk(world)->ready, ==, 3);
}

/* The agent that is given the URLs would be given too many bytes: nothing changes. */
static void test_scale_above_limits(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_autoptr(Job) job = world_job("a b");
  g_autofree char *value = g_strnfill(128700, 'x');
  for (int i = 0; i < 8; i++) {
    g_autofree char *key = g_strdup_printf("V%d", i);
    strmap_set(&world_agent(job, "a")->environment, key, value);
  }
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  Command scale = {
      .type = COMMAND_SCALE, .deployment = "desk", .agent = "b", .number = 1000, .reply_to = 1};
  world_apply(world, scale);
  world_assert_reply(world, REEVE_ERROR_INVALID, 422,
                     "agent 'a': its command and environment: 1051");
  world_assert_reply(world, REEVE_ERROR_INVALID, 422, "; at most 1048576");
  g_assert_cmpint(world_desk(world)->revision, ==, 1);
}

static void test_gentle_restart(void)
{
  g_autoptr(World) world = rolling_up(3, true);
  world_habit(world, "a", HABIT_HANGS);
  world_apply(
      world,
      (Command){.type = COMMAND_RESTART, .deployment = "desk", .rolling = true, .reply_to = 1});
  g_assert_cmpint(rolling_starts(world), ==, 1);
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  g_assert_cmpint(rolling_starts(world), ==, 2);
  world_do(world, COMMAND_CANCEL, "desk");
  world_forget_log(world);
  world_habit(world, "a", HABIT_HEALTHY);
  world_apply(world, (Command){.type = COMMAND_RESTART, .deployment = "desk", .reply_to = 2});
  g_assert_cmpint(rolling_starts(world), ==, 3);
}

/* Thirty revisions and a scale from 30 to 1: what is too old is gone from memory and store, what is
 * in use stays. */
static void test_retention(void)
{
  g_autoptr(World) world = rolling_up(1, false);
  for (int i = 0; i < 30; i++) {
    g_autofree char *mark = g_strdup_printf("m%d", i);
    g_autoptr(Job) job = rolling_job(1, false, mark);
    job->update.max_surge = 0;
    world_deploy(world, job, false);
  }
  g_assert_cmpuint(world_desk(world)->revisions->len, ==, 20);
  g_assert_cmpuint(g_hash_table_size(world->rows[TABLE_REVISIONS]), ==, 20);
  g_assert_nonnull(deployment_revision(world_desk(world), 31));
  g_assert_null(deployment_revision(world_desk(world), 1));
  world_apply(world,
              (Command){.type = COMMAND_SCALE, .deployment = "desk", .agent = "a", .number = 30});
  g_assert_cmpuint(world_desk(world)->ready, ==, 30);
  world_apply(world,
              (Command){.type = COMMAND_SCALE, .deployment = "desk", .agent = "a", .number = 1});
  g_assert_cmpuint(world_desk(world)->instances->len, ==, 11);
  g_assert_cmpuint(g_hash_table_size(world->rows[TABLE_INSTANCES]), ==, 11);
  for (int i = 0; i < 100; i++)
    world_apply(world, (Command){.type = COMMAND_RESTART, .deployment = "desk"});
  g_assert_cmpuint(g_hash_table_size(world->rows[TABLE_ROLLOUTS]), ==, 100);
  world_reload(world);
  g_assert_cmpuint(world_desk(world)->rollouts->len, ==, 100);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/core/rolling/one", test_one_at_a_time);
  g_test_add_func("/core/rolling/two", test_two_at_a_time_each_with_its_time);
  g_test_add_func("/core/rolling/surge", test_surge_covers);
  g_test_add_func("/core/rolling/surge-leaves-the-name", test_surge_leaves_the_name);
  g_test_add_func("/core/rolling/surge-fails", test_surge_fails_and_all_is_as_before);
  g_test_add_func("/core/rolling/in-place", test_no_surge_in_place);
  g_test_add_func("/core/rolling/scale", test_scale);
  g_test_add_func("/core/rolling/scale-above-limits", test_scale_above_limits);
  g_test_add_func("/core/rolling/restart", test_gentle_restart);
  g_test_add_func("/core/rolling/retention", test_retention);
  return g_test_run();
}
