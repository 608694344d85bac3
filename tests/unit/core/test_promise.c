/* A change that fails is seen to fail: how long an agent must stay healthy, what a failed change
 * leaves, what the next one goes back to. */
#include "base/error.h"
#include "core/why.h"
#include "world.h"

#include <string.h>

/* "a": a service that nobody probes. */
static Job *promise_job(const char *mark, int64_t min_healthy_ms)
{
  Job *job = world_job("a");
  AgentSpec *agent = world_agent(job, "a");
  agent->port = PORT_NONE;
  agent->health.min_healthy_ms = min_healthy_ms;
  strmap_set(&agent->environment, "MARK", mark);
  return job;
}

static World *promise_world(const Job *job)
{
  World *world = world_new();
  world_connect(world);
  world_deploy(world, job, false);
  return world;
}

/* It is up with no wait. */
static World *promise_up(const char *agents)
{
  g_autoptr(Job) job = world_job(agents);
  World *world = promise_world(job);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  world_forget_log(world);
  return world;
}

/* ---- min_healthy ---- */

static void promise_waits(World *world, int64_t ms)
{
  world_pass(world, ms - 1);
  world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
  world_pass(world, 1);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

static void test_first_waits_a_second_update_three(void)
{
  g_autoptr(Job) first = promise_job("1", MIN_HEALTHY_UNSET),
                 second = promise_job("2", MIN_HEALTHY_UNSET);
  second->update.max_surge = 0;
  g_autoptr(World) world = promise_world(first);
  promise_waits(world, 1000);
  world_deploy(world, second, false);
  promise_waits(world, 3000);
  g_autoptr(Job) two = promise_job("2", MIN_HEALTHY_UNSET);
  two->update.max_surge = 0;
  world_agent(two, "a")->replicas = 2;
  world_deploy(world, two, false);
  promise_waits(world, 1000); /* the second replica takes nobody's place */
}

static void test_what_is_said_counts(void)
{
  g_autoptr(Job) none = promise_job("1", 0), long_one = promise_job("2", 90000);
  long_one->update.max_surge = 0;
  g_autoptr(World) world = promise_world(none);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  world_deploy(world, long_one, false);
  /* longer than the 60 s of its stage: healthy in time is in time */
  for (int beat = 0; beat < 9; beat++) {
    world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
    world_pass(world, 10000);
    g_autoptr(Frame) frame = frame_new(FRAME_HEARTBEAT);
    world_apply(world, (Command){.type = COMMAND_NODE_FRAME, .node = "local", .frame = frame});
  }
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

static void test_probed_and_batch_do_not_wait(void)
{
  g_autoptr(Job) job = world_job("a b");
  world_agent(job, "a")->health.min_healthy_ms = MIN_HEALTHY_UNSET; /* has a port */
  AgentSpec *batch = world_agent(job, "b");
  batch->kind = AGENT_BATCH;
  batch->port = PORT_NONE;
  batch->health.min_healthy_ms = 5000;
  g_autoptr(World) world = promise_world(job);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* It has done its work. That its node cannot read its file after a restart of the machine makes no
 * failure of that. */
static void test_completed_stays_completed(void)
{
  g_autoptr(Job) job = world_job("a b");
  AgentSpec *batch = world_agent(job, "b");
  batch->kind = AGENT_BATCH;
  batch->port = PORT_NONE;
  g_autoptr(World) world = promise_world(job);
  world_report(world, "b", 0, INSTANCE_COMPLETED, HEALTH_UNKNOWN, NULL);
  g_assert_cmpstr(world_slot(world, "b", 0)->outcome, ==, "completed");
  world_report(world, "b", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "instance file: input/output error");
  g_assert_cmpstr(world_slot(world, "b", 0)->outcome, ==, "completed");
  g_assert_cmpint(world_slot(world, "b", 0)->state, ==, INSTANCE_COMPLETED);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* It came up, and its process ends within the time: whatever restart says, that is a failure. */
static void promise_ends_early(InstanceState state)
{
  g_autoptr(Job) first = promise_job("1", 0), second = promise_job("2", MIN_HEALTHY_UNSET);
  g_autoptr(World) world = promise_world(first);
  world_deploy(world, second, false);
  world_pass(world, 500);
  /* the extra slot, which comes first */
  world_report(world, "a", 1, state, HEALTH_UNKNOWN, "exit status 1");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_ROLLED_BACK);
  g_assert_nonnull(
      strstr(world_desk(world)->reason,
             "agent 'a' replica 1 ended before it was healthy for 3 s: exit status 1"));
  g_assert_cmpstr(world_environment(world, "a", 0, "MARK"), ==, "1");
  g_assert_cmpint(world_held(world, "a", 0)->generation, ==, 1);
}

static void test_an_early_end_fails(void)
{
  promise_ends_early(INSTANCE_BACKOFF);
  promise_ends_early(INSTANCE_FAILED);
  promise_ends_early(INSTANCE_COMPLETED);
}

/* Not healthy for a moment: it is counted from the next healthy on. */
static void test_time_is_counted_anew(void)
{
  g_autoptr(Job) job = promise_job("1", 2000);
  g_autoptr(World) world = promise_world(job);
  world_pass(world, 1500);
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_UNHEALTHY, "HTTP 503");
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  promise_waits(world, 2000);
}

static void test_recovery_does_not_wait(void)
{
  g_autoptr(Job) job = promise_job("1", MIN_HEALTHY_UNSET);
  g_autoptr(World) world = promise_world(job);
  world_pass(world, 1000);
  world_reboot(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* It is about rollouts: to change it alone starts nothing. */
static void test_changed_alone(void)
{
  g_autoptr(Job) first = promise_job("1", 0), second = promise_job("1", 7000);
  g_autoptr(World) world = promise_world(first);
  world_forget_log(world);
  world_deploy(world, second, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, "");
  g_assert_cmpint(world_desk(world)->revision, ==, 2);
}

/* ---- what a failed change leaves ---- */

/* "good" and "web" run as revision 1; then the code of web breaks, and an update to it fails both
 * ways. */
static World *promise_broken(void)
{
  World *world = promise_up("good web");
  g_autoptr(Job) job = world_job("good web");
  strmap_set(&world_agent(job, "web")->environment, "LEVEL", "2");
  world_habit(world, "web", HABIT_DIES);
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  return world;
}

static void test_the_last_word_says_both(void)
{
  g_autoptr(World) world = promise_broken();
  const char *reason = world_desk(world)->reason;
  g_assert_true(g_str_has_prefix(reason, "agent 'web' ended before it was healthy: "));
  g_assert_nonnull(strstr(
      reason,
      "; going back to revision 1 failed too (code in working directories is not part of a revision): agent 'web'"));
  g_assert_cmpint(world_held(world, "good", 0)->state, ==, INSTANCE_RUNNING);
}

static void test_a_second_bad_up_stops_nobody(void)
{
  g_autoptr(World) world = promise_broken();
  world_forget_log(world);
  g_autoptr(Job) job = world_job("good web");
  strmap_set(&world_agent(job, "web")->environment, "LEVEL", "3");
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_cmpint(world_desk(world)->rollout->from, ==, 1);
  g_assert_null(strstr(world->log->str, "start good"));
  g_assert_null(strstr(world->log->str, "stop good"));
  g_assert_cmpint(world_held(world, "good", 0)->state, ==, INSTANCE_RUNNING);
  world_habit(world, "web", HABIT_HEALTHY); /* mended */
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_null(strstr(world->log->str, "start good"));
  g_assert_null(strstr(world->log->str, "stop good"));
}

static void test_rollback_goes_to_the_last_good(void)
{
  g_autoptr(World) world = promise_up("good web");
  for (int level = 2; level <= 3; level++) { /* 2 runs, 3 does not, neither way */
    g_autoptr(Job) job = world_job("good web");
    g_autofree char *word = g_strdup_printf("%d", level);
    strmap_set(&world_agent(job, "web")->environment, "LEVEL", word);
    world_habit(world, "web", level == 2 ? HABIT_HEALTHY : HABIT_DIES);
    world_deploy(world, job, false);
  }
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  world_habit(world, "web", HABIT_HEALTHY);
  world_apply(world, (Command){.type = COMMAND_ROLLBACK, .deployment = "desk", .reply_to = 1});
  world_assert_reply(world, -1, 202, "\"revision\":2");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world_environment(world, "web", 0, "LEVEL"), ==, "2");
  /* it is well: the one before */
  world_apply(world, (Command){.type = COMMAND_ROLLBACK, .deployment = "desk", .reply_to = 2});
  world_assert_reply(world, -1, 202, "\"revision\":1");
}

/* What was refused before anything was started touches nothing, and the reason is that of the
 * refusal. */
static void test_refused_leaves_all_as_it_is(void)
{
  g_autoptr(World) world = promise_up("a b");
  g_autoptr(Job) job = world_job("a b");
  strmap_set(&world_agent(job, "b")->environment, "LEVEL", "2");
  g_hash_table_insert(world->taken, g_strdup("b"),
                      g_strdup("port 9010 is in use by pid 7 (python3)"));
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_ROLLED_BACK);
  g_assert_cmpstr(world->log->str, ==, "");
  g_assert_null(world_slot(world, "b", 0)->outcome);

  g_autoptr(World) fresh = world_new();
  world_connect(fresh);
  g_hash_table_insert(fresh->taken, g_strdup("b"),
                      g_strdup("port 9010 is in use by pid 7 (python3)"));
  world_deploy(fresh, job, false);
  world_assert_status(fresh, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_cmpstr(world_slot(fresh, "b", 0)->reason, ==, "port 9010 is in use by pid 7 (python3)");
}

/* ---- one change in the place of another ---- */

/* c was taken by an update, which was replaced by one that is refused; it is on its way back when
 * the first job comes again: nothing is to be started, and an extra slot has ended that a first
 * rollout made. */
static void test_put_back_while_it_turns_back(void)
{
  g_autoptr(Job) first = promise_job("1", 0), second = promise_job("2", 0),
                 third = promise_job("3", 0), again = promise_job("1", 0);
  g_autoptr(World) world = promise_world(first);
  again->version = g_strdup("another");
  world_habit(world, "a", HABIT_HANGS);
  world_deploy(world, second, false);
  world_report(world, "a", 1, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  g_assert_cmpint(world_slot(world, "a", 0)->generation, ==, 2);
  g_hash_table_insert(world->taken, g_strdup("a"), g_strdup("no such program"));
  world_deploy(world, third, true);
  g_hash_table_remove_all(world->taken);
  world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
  world_deploy(world, again, true);
  /* a still starts: to pass it by would call that a success */
  world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
  g_assert_cmpint(world_slot(world, "a", 0)->step, ==, STEP_STARTING);
  /* and is not started once more for it */
  g_assert_cmpint(world_slot(world, "a", 0)->generation, ==, 3);
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world_environment(world, "a", 0, "MARK"), ==, "1");
}

/* ---- the environment of who asks ---- */

static void test_up_takes_the_new_caller(void)
{
  g_autoptr(Job) job = promise_job("1", 0), later = promise_job("1", 0);
  strmap_set(&job->caller, "PATH", "/old");
  strmap_set(&later->caller, "PATH", "/new");
  g_autoptr(World) world = promise_world(job);
  world_forget_log(world);
  world_deploy(world, later, false);
  world_assert_reply(world, -1, 200, "\"changed\":false");
  g_assert_cmpstr(world->log->str, ==, "");
  g_assert_cmpstr(world_environment(world, "a", 0, "PATH"), ==, "/old");
  world_do(world, COMMAND_DOWN, "desk");
  world_deploy(world, later, false);
  g_assert_cmpint(world_desk(world)->revision, ==, 1);
  g_assert_cmpstr(world_environment(world, "a", 0, "PATH"), ==, "/new");
}

/* ---- ports ---- */

/* Every port is somebody's: said, and nobody gets the last one twice. */
static void test_ports_run_out(void)
{
  g_autoptr(World) world = world_new();
  core_free(world->core);
  world->core = core_new(&(CoreConfig){.port_base = 65534});
  world_connect(world);
  g_autoptr(Job) holders = world_job("h");
  g_free(holders->name);
  holders->name = g_strdup("holders");
  world_agent(holders, "h")->port = 65534;
  world_agent(holders, "h")->replicas = 2;
  world_deploy(world, holders, false);
  g_autoptr(Job) job = world_job("a");
  world_agent(job, "a")->port = PORT_AUTO;
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_nonnull(
      strstr(world_desk(world)->reason, "agent 'a': no port from 65534 to 65535 is left"));
}

/* ---- words ---- */

static char *promise_why(const World *world)
{
  return core_why(world->core, world_desk(world), world->now.wall_ms);
}

static void test_why_of_a_crash_loop(void)
{
  g_autoptr(World) world = promise_up("a b");
  world_habit(world, "b", HABIT_FLUTTERS);
  world_report(world, "b", 0, INSTANCE_BACKOFF, HEALTH_UNKNOWN, "exit status 3");
  g_autofree char *why = promise_why(world);
  g_assert_nonnull(strstr(why, "b keeps ending: exit status 3"));
  g_assert_nonnull(strstr(why, "; next start in 1 s, given up after 3; its last output:"));
  g_assert_nonnull(strstr(why, "its last output:\\n    | no such model"));
  g_assert_nonnull(strstr(why, "\"next\":[\"reeve logs desk/b\""));
  world_report(world, "b", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "exit status 3, after 3 restarts");
  g_autofree char *end = promise_why(world);
  g_assert_nonnull(strstr(
      end, "b has failed and is not started again by itself: exit status 3, after 3 restarts"));
  g_assert_nonnull(strstr(end, "\"reeve restart desk/b\""));
}

static void test_why_of_a_frozen_shim(void)
{
  g_autoptr(World) world = promise_up("a b");
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_HEALTHY,
               "its shim has not answered since yesterday");
  g_autofree char *why = promise_why(world);
  g_assert_nonnull(
      strstr(why, "desk is running, but:\\n  b runs: its shim has not answered since yesterday"));
  g_assert_nonnull(strstr(why, "\"next\":[\"reeve restart desk/b\"]"));
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  g_autofree char *well = promise_why(world);
  g_assert_nonnull(strstr(well, "nothing is wrong"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/promise/first-and-update", test_first_waits_a_second_update_three);
  g_test_add_func("/promise/said", test_what_is_said_counts);
  g_test_add_func("/promise/probed-and-batch", test_probed_and_batch_do_not_wait);
  g_test_add_func("/promise/completed", test_completed_stays_completed);
  g_test_add_func("/promise/early-end", test_an_early_end_fails);
  g_test_add_func("/promise/counted-anew", test_time_is_counted_anew);
  g_test_add_func("/promise/recovery", test_recovery_does_not_wait);
  g_test_add_func("/promise/changed-alone", test_changed_alone);
  g_test_add_func("/promise/both", test_the_last_word_says_both);
  g_test_add_func("/promise/second-bad-up", test_a_second_bad_up_stops_nobody);
  g_test_add_func("/promise/rollback", test_rollback_goes_to_the_last_good);
  g_test_add_func("/promise/refused", test_refused_leaves_all_as_it_is);
  g_test_add_func("/promise/put-back", test_put_back_while_it_turns_back);
  g_test_add_func("/promise/caller", test_up_takes_the_new_caller);
  g_test_add_func("/promise/ports-run-out", test_ports_run_out);
  g_test_add_func("/promise/why", test_why_of_a_crash_loop);
  g_test_add_func("/promise/why-frozen", test_why_of_a_frozen_shim);
  return g_test_run();
}
