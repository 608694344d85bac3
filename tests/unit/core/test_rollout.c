/* Rollouts against a scripted node: stages, failure policies, deadlines, update, rollback, down,
 * restart, cancel, replace, reboot, crash.
 */
#include "base/error.h"
#include "world.h"

#include <string.h>

static World *world_up(const char *agents)
{
  World *world = world_new();
  world_connect(world);
  g_autoptr(Job) job = world_job(agents);
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  return world;
}

static void test_three_stages(void)
{
  g_autoptr(World) world = world_up("a b c");
  g_assert_cmpstr(world->log->str, ==, "start a/0 g1; start b/0 g1; start c/0 g1; ");
  world_assert_reply(world, -1, 202, "\"name\":\"desk\"");
  world_assert_reply(world, -1, 202, "\"revision\":1,\"changed\":true");
  g_assert_cmpuint(world_desk(world)->ready, ==, 3);
  g_assert_cmpuint(world_desk(world)->degraded, ==, 0);
  g_assert_cmpuint(g_hash_table_size(world->rows[TABLE_AUDIT]), ==, 1);
  for (const char *const *type =
           (const char *const[]){"node", "instance", "rollout", "deployment", NULL};
       *type; type++)
    g_assert_nonnull(strstr(world->events->str, *type));
}

static void test_stage_waits_for_health(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  world_habit(world, "b", HABIT_HANGS);
  g_autoptr(Job) job = world_job("a b c");
  world_deploy(world, job, false);
  g_assert_cmpstr(world->log->str, ==, "start a/0 g1; start b/0 g1; ");
  g_assert_cmpint(world_slot(world, "c", 0)->step, ==, STEP_WAITING);
  world_disconnect(world); /* the gate holds over a new hello, too */
  world_connect(world);
  g_assert_null(strstr(world->log->str, "start c"));
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  g_assert_nonnull(strstr(world->log->str, "start c/0 g1"));
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* Deploys "a b c" where b has @habit under @policy. */
static World *world_fails(Habit habit, FailurePolicy policy)
{
  World *world = world_new();
  world_connect(world);
  world_habit(world, "b", habit);
  g_autoptr(Job) job = world_job("a b c");
  job->on_failure = policy;
  world_deploy(world, job, false);
  return world;
}

static void test_first_deploy_fails(void)
{
  for (Habit habit = HABIT_DIES; habit <= HABIT_FLUTTERS; habit++)
    for (FailurePolicy policy = ON_FAILURE_ROLLBACK; policy <= ON_FAILURE_STOP; policy++) {
      g_autoptr(World) world = world_fails(habit, policy);
      world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
      const Rollout *rollout = world_desk(world)->rollout;
      g_assert_nonnull(strstr(
          rollout->cause,
          "agent 'b' ended before it was healthy: exit status 3; last output: no such model"));
      g_assert_cmpstr(rollout->failed, ==, world_slot(world, "b", 0)->id);
      g_assert_nonnull(strstr(world->log->str, "stop a/0"));
      g_assert_null(strstr(world->log->str, "start c"));
      g_assert_cmpint(world_held(world, "a", 0)->state, ==, INSTANCE_STOPPED);
      g_assert_cmpstr(world_slot(world, "b", 0)->outcome, ==, "failed");
      g_assert_null(strstr(world->log->str, "forget"));
    }
}

static void test_first_deploy_fails_keep(void)
{
  g_autoptr(World) world = world_fails(HABIT_DIES, ON_FAILURE_KEEP);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_cmpint(world_held(world, "a", 0)->state, ==, INSTANCE_RUNNING);
  g_assert_null(strstr(world->log->str, "stop"));
}

/* The same again over what failed and was kept: it does not succeed by passing the broken agent by.
 */
static void test_again_after_keep(void)
{
  g_autoptr(World) world = world_fails(HABIT_FLUTTERS, ON_FAILURE_KEEP);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_cmpint(world_held(world, "b", 0)->state, ==, INSTANCE_BACKOFF);
  world_forget_log(world);
  g_autoptr(Job) job = world_job("a b c");
  job->on_failure = ON_FAILURE_KEEP;
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_nonnull(strstr(world->log->str, "start b/0 g2; "));
  g_assert_null(strstr(world->log->str, "start a")); /* what is well runs on */
  world_habit(world, "b", HABIT_HEALTHY);
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

static void test_deadline(void)
{
  g_autoptr(World) world = world_fails(HABIT_HANGS, ON_FAILURE_STOP);
  for (int beat = 0; beat < 5; beat++) {
    world_pass(world, 10000);
    g_autoptr(Frame) frame = frame_new(FRAME_HEARTBEAT);
    world_apply(world, (Command){.type = COMMAND_NODE_FRAME, .node = "local", .frame = frame});
    world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
  }
  world_pass(world, 9999);
  world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
  world_pass(world, 1);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_cmpstr(world_desk(world)->rollout->cause, ==,
                  "not healthy within 60 s: agent 'b' (no answer on port)");
}

/* The rest of a stored deadline is what was left, whatever the wall clock did meanwhile. */
static void test_deadline_after_load(void)
{
  static const int64_t jumps[] = {-3600000, 0, 3600000}, left[] = {60000, 20000, 0};
  for (size_t i = 0; i < G_N_ELEMENTS(jumps); i++) {
    g_autoptr(World) world = world_fails(HABIT_HANGS, ON_FAILURE_STOP);
    world->now.boot_ms = 7; /* another boot clock */
    world->now.wall_ms += 40000 + jumps[i];
    world_reload(world);
    g_assert_cmpint(world_desk(world)->rollout->deadline_boot_ms, ==, 7 + left[i]);
    g_assert_cmpint(world->wake_at_ms, <=, 7 + left[i] + 35000);
  }
}

static void test_waits_for_a_node(void)
{
  g_autoptr(World) world = world_new();
  g_autoptr(Job) job = world_job("a b");
  world_deploy(world, job, false);
  world_assert_reply(world, -1, 202, "\"changed\":true");
  world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
  world_pass(world, 59000);
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);

  g_autoptr(World) lonely = world_new();
  world_deploy(lonely, job, false);
  world_pass(lonely, 60000);
  world_assert_status(lonely, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_nonnull(strstr(world_desk(lonely)->reason, "no node"));
}

static void test_update_replaces_what_changed(void)
{
  g_autoptr(World) world = world_up("a b c");
  g_autofree char *id = g_strdup(world_slot(world, "b", 0)->id);
  world_forget_log(world);
  g_autoptr(Job) job = world_job("a b c");
  strmap_set(&world_agent(job, "b")->environment, "LEVEL", "2");
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_null(strstr(world->log->str, "start a"));
  g_assert_null(strstr(world->log->str, "start c"));
  g_assert_null(strstr(world->log->str, "stop"));
  g_assert_nonnull(strstr(world->log->str, "start b/0 g2"));
  g_assert_cmpstr(world_slot(world, "b", 0)->id, ==, id);
  g_assert_cmpint(world_slot(world, "b", 0)->port, ==, 9010);
  g_assert_cmpstr(world_environment(world, "b", 0, "LEVEL"), ==, "2");
  g_assert_cmpint(world_desk(world)->revision, ==, 2);
  g_assert_cmpint(world_slot(world, "a", 0)->revision, ==, 2);
}

static void test_update_adds_and_removes(void)
{
  g_autoptr(World) world = world_up("a b");
  world_forget_log(world);
  g_autoptr(Job) job = world_job("a c");
  world_agent(job, "a")->replicas = 2;
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  /* c has the port of b, which goes first */
  g_assert_true(g_str_has_prefix(world->log->str, "start a/1 g1; stop b/0; start c/0 g1; "));
  g_assert_cmpint(world_held(world, "a", 1)->spec->port, ==, 9001);
  g_assert_cmpint(world_held(world, "b", 0)->state, ==, INSTANCE_STOPPED);
  g_assert_cmpuint(world_desk(world)->ready, ==, 3);
}

/* What runs on is told of a peer that moved, by its file. */
static void test_update_rewrites_peers(void)
{
  g_autoptr(World) world = world_up("a b");
  world_forget_log(world);
  g_autoptr(Job) job = world_job("a b");
  world_agent(job, "b")->port = 9500;
  world_deploy(world, job, false);
  g_assert_nonnull(strstr(world->log->str, "peers a/0"));
  g_assert_null(strstr(world->log->str, "start a"));
  g_assert_nonnull(strstr(world_held(world, "a", 0)->spec->peers, "http://localhost:9500"));
}

/* Replaces what the node was told of the peers of @agent, as if the last of it had been lost. */
static void rollout_lose_peers(World *world, const char *agent)
{
  InstanceSpec *spec = world_held(world, agent, 0)->spec;
  g_free(spec->peers);
  spec->peers = g_strdup("[]");
}

/* What a node was not told, since its link or its server broke, it is told when it is back; what it
 * knows is not repeated. */
static void test_hello_rewrites_peers(void)
{
  g_autoptr(World) world = world_up("a b");
  g_autofree char *right = g_strdup(world_held(world, "a", 0)->spec->peers);
  world_forget_log(world);
  world_connect(world);
  g_assert_cmpstr(world->log->str, ==, "");
  rollout_lose_peers(world, "a");
  world_connect(world);
  g_assert_cmpstr(world->log->str, ==, "peers a/0; ");
  g_assert_cmpstr(world_held(world, "a", 0)->spec->peers, ==, right);
  world_forget_log(world);
  world->tells_peers = false;
  world_connect(world);
  /* an older node compares them itself */
  g_assert_true(strstr(world->log->str, "peers a/0; ") && strstr(world->log->str, "peers b/0; "));
  world->tells_peers = true;
  world_do(world, COMMAND_DOWN, "desk");
  world_forget_log(world);
  rollout_lose_peers(world, "a");
  world_connect(world);
  g_assert_cmpstr(world->log->str, ==, ""); /* what is stopped gets them with its start */
}

static void test_update_fails_and_goes_back(void)
{
  g_autoptr(World) world = world_up("a b c");
  g_autoptr(Job) job = world_job("a b c");
  for (const char *const *id = (const char *const[]){"a", "c", NULL}; *id; id++)
    strmap_set(&world_agent(job, *id)->environment, "LEVEL", "2");
  world_habit(world, "c", HABIT_DIES);
  world->answers = false;
  world_deploy(world, job, false);
  while (world_desk(world)->rollout->verdict == OUTCOME_SUCCEEDED) {
    world->answers = true;
    world_run(world); /* c fails in revision 2 and, being what it is, also on the way back */
  }
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_nonnull(strstr(
      world_desk(world)->reason,
      "; going back to revision 1 failed too (code in working directories is not part of a revision): agent 'c'"));

  g_autoptr(World) other = world_up("a b c");
  world_habit(other, "c", HABIT_HANGS);
  world_deploy(other, job, false);
  g_assert_cmpstr(world_environment(other, "a", 0, "LEVEL"), ==, "2");
  world_habit(other, "c", HABIT_HEALTHY);
  world_report(other, "c", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "exit status 3");
  world_assert_status(other, DEPLOYMENT_RUNNING, OUTCOME_ROLLED_BACK);
  g_assert_null(world_environment(other, "a", 0, "LEVEL"));
  g_assert_cmpint(world_desk(other)->revision, ==, 1);
  g_assert_cmpint(world_slot(other, "c", 0)->revision, ==, 1);
  g_assert_cmpuint(world_desk(other)->ready, ==, 3);
}

/* A revision that goes back takes its ports back. */
static void test_rollback_restores_ports(void)
{
  g_autoptr(World) world = world_up("a b");
  g_autoptr(Job) job = world_job("a b");
  world_agent(job, "a")->port = 9500;
  strmap_set(&world_agent(job, "b")->environment, "LEVEL", "2");
  world_habit(world, "b", HABIT_HANGS);
  world_deploy(world, job, false);
  g_assert_cmpint(world_held(world, "a", 0)->spec->port, ==, 9500);
  world_habit(world, "b", HABIT_HEALTHY);
  world_report(world, "b", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "exit status 3");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_ROLLED_BACK);
  g_assert_cmpint(world_held(world, "a", 0)->spec->port, ==, 9000);
  g_assert_cmpstr(world_environment(world, "a", 0, "AGENT_PORT"), ==, "9000");
  g_assert_cmpint(world_slot(world, "a", 0)->port, ==, 9000);
}

/* The same for an agent that was not yet touched when the update failed, also when its port was an
 * automatic one. */
static void test_rollback_before_the_port_moved(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_autoptr(Job) before = world_job("a b c");
  world_agent(before, "c")->port = PORT_AUTO;
  world_deploy(world, before, false);
  g_assert_cmpint(world_slot(world, "c", 0)->port, ==, 8100);
  g_autoptr(Job) after = world_job("a b c");
  strmap_set(&world_agent(after, "a")->environment, "LEVEL", "2");
  world_agent(after, "b")->port = 9500;
  world_agent(after, "c")->port = 9600;
  world_habit(world, "a", HABIT_HANGS);
  world_deploy(world, after, false);
  world_habit(world, "a", HABIT_HEALTHY);
  world_forget_log(world);
  world_do(world, COMMAND_CANCEL, "desk");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_CANCELLED);
  g_assert_null(strstr(world->log->str, "start b"));
  g_assert_null(strstr(world->log->str, "start c"));
  g_assert_cmpint(world_slot(world, "b", 0)->port, ==, 9010);
  g_assert_cmpint(world_slot(world, "c", 0)->port, ==, 8100);
  g_assert_cmpstr(world_environment(world, "a", 0, "CONNECTED_AGENTS"), ==,
                  "http://localhost:9010");
}

/* A slot that the abandoned revision does not have keeps its port, also when nobody has heard of
 * its process since the server started. */
static void test_cancel_keeps_ports_of_unchanged(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_autoptr(Job) before = world_job("a b");
  world_agent(before, "a")->port = PORT_AUTO;
  g_hash_table_replace(world->moved, g_strdup("a"), GINT_TO_POINTER(8105));
  world_deploy(world, before, false);
  g_hash_table_remove_all(world->moved);
  world_agent(before, "a")->replicas = 2;
  world_deploy(world, before, false);
  g_assert_cmpint(world_slot(world, "a", 1)->port, ==, 8100);
  g_autoptr(Job) after = world_job("a b");
  world_agent(after, "a")->port = 9500;
  world_habit(world, "a", HABIT_HANGS);
  world_deploy(world, after, false);
  g_assert_cmpint(world_slot(world, "a", 0)->port, ==, 9500);
  world_reload(world);
  world_habit(world, "a", HABIT_HEALTHY);
  world_do(world, COMMAND_CANCEL, "desk");
  g_assert_cmpint(world_slot(world, "a", 1)->port, ==, 8100);
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_CANCELLED);
  g_assert_cmpint(world_held(world, "a", 1)->spec->port, ==, 8100);
  g_assert_cmpint(world_slot(world, "a", 0)->port, !=, 8100);
}

static void test_rollback_command(void)
{
  g_autoptr(World) world = world_up("a b");
  world_do(world, COMMAND_ROLLBACK, "desk");
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, "no earlier good revision");
  g_autoptr(Job) job = world_job("a b");
  strmap_set(&world_agent(job, "b")->environment, "LEVEL", "2");
  world_deploy(world, job, false);
  world_apply(world, (Command){.type = COMMAND_ROLLBACK, .deployment = "desk", .number = 9});
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no revision 9");
  world_do(world, COMMAND_ROLLBACK, "desk");
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpint(world_desk(world)->revision, ==, 1);
  g_assert_cmpint(world_desk(world)->rollout->kind, ==, ROLLOUT_KIND_ROLLBACK);
  g_assert_null(world_environment(world, "b", 0, "LEVEL"));
}

static void test_down_and_up(void)
{
  g_autoptr(World) world = world_up("a b c");
  world_forget_log(world);
  world_do(world, COMMAND_DOWN, "desk");
  g_assert_cmpstr(world->log->str, ==, "stop c/0; stop b/0; stop a/0; ");
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world_slot(world, "a", 0)->outcome, ==, "stopped");
  world_do(world, COMMAND_RESTART, "desk");
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, "is stopped; start it: reeve up ");
  world_forget_log(world);
  g_autoptr(Job) job = world_job("a b c");
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, "start a/0 g2; start b/0 g2; start c/0 g2; ");
}

static void test_restart(void)
{
  g_autoptr(World) world = world_up("a b");
  world_forget_log(world);
  world_apply(world, (Command){.type = COMMAND_RESTART, .deployment = "desk", .agent = "b"});
  g_assert_nonnull(strstr(world->log->str, "start b/0 g2; "));
  g_assert_null(strstr(world->log->str, "start a"));
  world_do(world, COMMAND_RESTART, "desk");
  g_assert_nonnull(strstr(world->log->str, "start a/0 g2; start b/0 g3; "));
  world_apply(world, (Command){.type = COMMAND_RESTART, .deployment = "desk", .agent = "x"});
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no agent 'x'");
  world_do(world, COMMAND_RESTART, "none");
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no deployment 'none'");
}

static void test_same_again(void)
{
  g_autoptr(World) world = world_up("a b");
  g_autofree char *before = core_dump(world->core);
  g_autoptr(Job) job = world_job("a b");
  world_deploy(world, job, false);
  world_assert_reply(world, -1, 200, "\"changed\":false");
  g_autofree char *after = core_dump(world->core);
  g_assert_cmpstr(before, ==, after);
}

static void test_conflict_and_replace(void)
{
  g_autoptr(World) world = world_fails(HABIT_HANGS, ON_FAILURE_ROLLBACK);
  const char *open = "its deploy is under way";
  g_autofree char *before = core_dump(world->core);
  g_autoptr(Job) job = world_job("a b c");
  strmap_set(&world_agent(job, "b")->environment, "LEVEL", "2");
  world_deploy(world, job, false);
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, open);
  world_do(world, COMMAND_RESTART, "desk");
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, open);
  world_do(world, COMMAND_FORGET, "desk");
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, open);
  g_autofree char *after = core_dump(world->core);
  g_assert_cmpstr(before, ==, after); /* a refusal changes nothing and takes no id */
  world_habit(world, "b", HABIT_HEALTHY);
  world_deploy(world, job, true);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  const Rollout *first = world_desk(world)->rollouts->pdata[0];
  g_assert_cmpint(first->outcome, ==, OUTCOME_CANCELLED);
  g_assert_cmpstr(world_environment(world, "b", 0, "LEVEL"), ==, "2");
}

static void test_cancel(void)
{
  g_autoptr(World) first = world_fails(HABIT_HANGS, ON_FAILURE_KEEP);
  world_do(first, COMMAND_CANCEL, "desk");
  world_assert_status(first, DEPLOYMENT_STOPPED, OUTCOME_CANCELLED);
  g_assert_cmpint(world_held(first, "a", 0)->state, ==, INSTANCE_STOPPED);
  world_do(first, COMMAND_CANCEL, "desk");
  world_assert_reply(first, REEVE_ERROR_CONFLICT, 409, "no rollout is running");

  g_autoptr(World) update = world_up("a b");
  g_autoptr(Job) job = world_job("a b");
  strmap_set(&world_agent(job, "b")->environment, "LEVEL", "2");
  world_habit(update, "b", HABIT_HANGS);
  world_deploy(update, job, false);
  world_habit(update, "b", HABIT_HEALTHY);
  world_do(update, COMMAND_CANCEL, "desk");
  world_assert_status(update, DEPLOYMENT_RUNNING, OUTCOME_CANCELLED);
  g_assert_null(world_environment(update, "b", 0, "LEVEL"));
}

static void test_batch(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_autoptr(Job) job = world_job("a b");
  world_agent(job, "a")->kind = AGENT_BATCH;
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world_slot(world, "a", 0)->outcome, ==, "completed");
  world_forget_log(world);
  world_reboot(world);
  g_assert_nonnull(strstr(world->log->str, "start b/0 g2"));
  g_assert_null(strstr(world->log->str, "start a"));

  g_autoptr(World) bad = world_new();
  world_connect(bad);
  world_habit(bad, "a", HABIT_DIES);
  world_deploy(bad, job, false);
  world_assert_status(bad, DEPLOYMENT_FAILED, OUTCOME_FAILED);
}

static void test_forget(void)
{
  g_autoptr(World) world = world_up("a b");
  world_do(world, COMMAND_FORGET, "desk");
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, "stop it with down first");
  world_do(world, COMMAND_DOWN, "desk");
  world_do(world, COMMAND_FORGET, "desk");
  world_assert_reply(world, -1, 202, "\"name\":\"desk\"");
  g_assert_null(core_deployment(world->core, "desk"));
  g_assert_cmpuint(g_hash_table_size(world->held), ==, 0);
  for (TableId table = TABLE_DEPLOYMENTS; table <= TABLE_ROLLOUTS; table++)
    g_assert_cmpuint(g_hash_table_size(world->rows[table]), ==, 0);
}

/* Nothing of it runs any more: there is nothing to stop first. */
static void test_forget_completed(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_autoptr(Job) job = world_job("a");
  world_agent(job, "a")->kind = AGENT_BATCH;
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
  world_do(world, COMMAND_FORGET, "desk");
  world_assert_reply(world, -1, 202, "\"name\":\"desk\"");
}

static void test_reboot(void)
{
  g_autoptr(World) world = world_up("a b c");
  world_forget_log(world);
  world_reboot(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpint(world_desk(world)->rollout->kind, ==, ROLLOUT_KIND_RECOVER);
  const char *a = strstr(world->log->str, "start a/0 g2"),
             *b = strstr(world->log->str, "start b/0 g2"),
             *c = strstr(world->log->str, "start c/0 g2");
  g_assert_true(a && b && c && a < b && b < c);
  g_assert_cmpint(world_slot(world, "c", 0)->port, ==, 9020);
  world_do(world, COMMAND_DOWN, "desk");
  world_forget_log(world);
  world_reboot(world);
  g_assert_cmpstr(world->log->str, ==, "");
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
}

/* What a failed update left at its former revision comes back so, also when a restart of another
 * agent is under way. */
static void test_reboot_in_a_restart(void)
{
  g_autoptr(World) world = world_up("a b");
  g_autoptr(Job) job = world_job("a b");
  job->on_failure = ON_FAILURE_KEEP;
  strmap_set(&world_agent(job, "a")->environment, "LEVEL", "2");
  world_agent(job, "b")->port = 9500;
  world_habit(world, "a", HABIT_DIES);
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_cmpint(world_slot(world, "b", 0)->revision, ==, 1);
  world_habit(world, "a", HABIT_HANGS);
  world_apply(world, (Command){.type = COMMAND_RESTART, .deployment = "desk", .agent = "a"});
  world_habit(world, "a", HABIT_HEALTHY);
  world_reboot(world);
  g_assert_cmpint(world_slot(world, "b", 0)->revision, ==, 1);
  g_assert_cmpint(world_held(world, "b", 0)->state, ==, INSTANCE_RUNNING);
  g_assert_cmpint(world_held(world, "b", 0)->spec->port, ==, 9010);
  g_assert_cmpint(world_slot(world, "a", 0)->revision, ==, 2);
}

/* The server dies after any turn: the rollout goes on from what is and starts nothing twice. */
static void test_crash_at_every_turn(void)
{
  bool reached = true;
  for (int crash = 0; reached; crash++) {
    g_autoptr(World) world = world_new();
    world->crash_turn = crash;
    world_connect(world);
    g_autoptr(Job) job = world_job("a b c");
    world_deploy(world, job, false);
    world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
    g_assert_cmpstr(world->log->str, ==, "start a/0 g1; start b/0 g1; start c/0 g1; ");
    strmap_set(&world_agent(job, "b")->environment, "LEVEL", "2");
    world_deploy(world, job, false);
    world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
    g_assert_cmpint(world_slot(world, "b", 0)->generation, ==, 2);
    world_do(world, COMMAND_DOWN, "desk");
    world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
    for (int i = 0; i < 3; i++)
      g_assert_cmpint(world_held(world, (const char *const[]){"a", "b", "c"}[i], 0)->state, ==,
                      INSTANCE_STOPPED);
    reached = world->turns > crash;
    g_assert_cmpint(crash, <, 100);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/rollout/three-stages", test_three_stages);
  g_test_add_func("/rollout/stage-waits-for-health", test_stage_waits_for_health);
  g_test_add_func("/rollout/first-deploy-fails", test_first_deploy_fails);
  g_test_add_func("/rollout/first-deploy-fails-keep", test_first_deploy_fails_keep);
  g_test_add_func("/rollout/again-after-keep", test_again_after_keep);
  g_test_add_func("/rollout/deadline", test_deadline);
  g_test_add_func("/rollout/deadline-after-load", test_deadline_after_load);
  g_test_add_func("/rollout/waits-for-a-node", test_waits_for_a_node);
  g_test_add_func("/rollout/update-replaces-what-changed", test_update_replaces_what_changed);
  g_test_add_func("/rollout/cancel-keeps-ports-of-unchanged", test_cancel_keeps_ports_of_unchanged);
  g_test_add_func("/rollout/reboot-in-a-restart", test_reboot_in_a_restart);
  g_test_add_func("/rollout/update-adds-and-removes", test_update_adds_and_removes);
  g_test_add_func("/rollout/update-rewrites-peers", test_update_rewrites_peers);
  g_test_add_func("/rollout/hello-rewrites-peers", test_hello_rewrites_peers);
  g_test_add_func("/rollout/update-fails-and-goes-back", test_update_fails_and_goes_back);
  g_test_add_func("/rollout/rollback-restores-ports", test_rollback_restores_ports);
  g_test_add_func("/rollout/rollback-before-the-port-moved", test_rollback_before_the_port_moved);
  g_test_add_func("/rollout/rollback-command", test_rollback_command);
  g_test_add_func("/rollout/down-and-up", test_down_and_up);
  g_test_add_func("/rollout/restart", test_restart);
  g_test_add_func("/rollout/same-again", test_same_again);
  g_test_add_func("/rollout/conflict-and-replace", test_conflict_and_replace);
  g_test_add_func("/rollout/cancel", test_cancel);
  g_test_add_func("/rollout/batch", test_batch);
  g_test_add_func("/rollout/forget", test_forget);
  g_test_add_func("/rollout/forget-completed", test_forget_completed);
  g_test_add_func("/rollout/reboot", test_reboot);
  g_test_add_func("/rollout/crash-at-every-turn", test_crash_at_every_turn);
  return g_test_run();
}
