/* A stored job that no longer parses: its deployment is left alone and says why, others do not
 * notice, and a new job or `down` gets it back. */
#include "base/error.h"
#include "core/preview.h"
#include "core/render.h"
#include "core/why.h"
#include "world.h"

#include <string.h>

static const char BROKEN[] = "{\"name\":\"desk\",\"agents\":[{\"id\":";

/* Writes @text over the stored job of revision @number of 'desk'. */
static void damage(const World *world, int number, const char *text)
{
  GHashTableIter iter;
  gpointer value;
  bool found = false;
  g_hash_table_iter_init(&iter, world->rows[TABLE_REVISIONS]);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Record *row = value;
    if (row->values[REV_NUMBER].number != number ||
        strcmp(row->values[REV_DEPLOYMENT].text, world_desk(world)->id) != 0)
      continue;
    g_ref_string_release(row->values[REV_JOB].text);
    row->values[REV_JOB].text = g_ref_string_new(text);
    found = true;
  }
  g_assert_true(found);
}

/* 'desk' of agents a and b with @replicas of b; what it is named after @mark makes another
 * revision. */
static Job *desk_job(const char *mark, int replicas)
{
  Job *job = world_job("a b");
  strmap_set(&world_agent(job, "a")->environment, "MARK", mark);
  strmap_set(&world_agent(job, "b")->environment, "MARK", mark);
  world_agent(job, "b")->port = PORT_NONE;
  world_agent(job, "b")->replicas = replicas;
  job->update.max_surge = 0;
  return job;
}

static void desk_deploy(World *world, const char *mark, int replicas)
{
  g_autoptr(Job) job = desk_job(mark, replicas);
  world_deploy(world, job, false);
}

/* Deployments 'desk', at two revisions of two agents, and 'other'. */
static World *desks_up(void)
{
  World *world = world_new();
  world_connect(world);
  desk_deploy(world, "1", 2);
  desk_deploy(world, "2", 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_autoptr(Job) other = world_job("x");
  g_free(other->name);
  other->name = g_strdup("other");
  world_agent(other, "x")->port = 9500;
  world_deploy(world, other, false);
  return world;
}

/* The server is stopped, the store damaged, the server started, and the node is there again. */
static World *desks_damaged(int number, const char *text)
{
  World *world = desks_up();
  damage(world, number, text);
  world_reload(world);
  world_forget_log(world);
  world_connect(world);
  return world;
}

static bool rendered_has(const World *world, const char *part)
{
  g_autoptr(GString) out = g_string_new(NULL);
  render_deployment(out, world_desk(world), RENDER_FULL);
  g_test_message("%s", out->str);
  return strstr(out->str, part) != NULL;
}

static bool why_has(const World *world, const char *part)
{
  g_autofree char *why = core_why(world->core, world_desk(world), world->now.wall_ms);
  g_test_message("%s", why);
  return strstr(why, part) != NULL;
}

static void assert_left_alone(const World *world)
{
  g_assert_cmpstr(world->log->str, ==, "");
  g_assert_cmpint(world_desk(world)->status, ==, DEPLOYMENT_FAILED);
  g_assert_nonnull(strstr(world_desk(world)->unreadable, "of deployment 'desk' cannot be read: "));
}

/* ---- the present revision ---- */

static void test_agents_are_left_alone(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  assert_left_alone(world);
  world_pass(world, 600000);
  world_connect(world);
  assert_left_alone(world);
  g_assert_cmpint(world_held(world, "a", 0)->state, ==, INSTANCE_RUNNING);
  g_assert_cmpint(core_deployment(world->core, "other")->status, ==, DEPLOYMENT_RUNNING);
  /* its node restarts it */
  world_report(world, "a", 0, INSTANCE_BACKOFF, HEALTH_UNKNOWN, "exit status 3");
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  assert_left_alone(world);
}

static void test_it_says_why_and_what_to_do(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  g_assert_true(rendered_has(world, "\"status\":\"failed\""));
  g_assert_true(
      rendered_has(world, "the stored job of revision 2 of deployment 'desk' cannot be read: "));
  g_assert_true(rendered_has(world, "\"agents\":3,\"healthy\":3"));
  g_assert_true(rendered_has(world, "\"left_over\":false"));
  g_assert_true(
      why_has(world, "the stored job of revision 2 of deployment 'desk' cannot be read: "));
  g_assert_true(why_has(world, "reeve up desk.yaml"));
  g_assert_true(why_has(world, "reeve down desk"));
  g_assert_true(why_has(world, "reeve rollback desk --to 1"));
}

/* What parses as JSON may still be no job, have no plan, or not be there at all. */
static void test_every_kind_of_damage(void)
{
  static const char cycle[] =
      "{\"name\":\"desk\",\"agents\":[{\"id\":\"a\",\"command\":[\"x\"]},{\"id\":\"b\",\"command\":[\"x\"]}],"
      "\"topology\":{\"type\":\"dag\",\"connections\":[0,1,1,0]}}";
  const char *const texts[] = {"",         "null", "{}", "[]", "{\"name\":\"desk\",\"agents\":[]}",
                               "\xff\xfe", cycle};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(World) world = desks_damaged(2, texts[i]);
    assert_left_alone(world);
    world_do(world, COMMAND_DOWN, "desk");
    world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
  }
}

static void test_changes_are_refused(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  world_do(world, COMMAND_RESTART, "desk");
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409,
                     "revision 2 of deployment 'desk' cannot be read");
  world_apply(world,
              (Command){.type = COMMAND_SCALE, .deployment = "desk", .agent = "b", .number = 3});
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409,
                     "revision 2 of deployment 'desk' cannot be read");
  world_apply(world, (Command){.type = COMMAND_RUN, .deployment = "desk", .agent = "b"});
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409,
                     "revision 2 of deployment 'desk' cannot be read");
  world_apply(world, (Command){.type = COMMAND_ROLLBACK, .deployment = "desk", .number = 2});
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409,
                     "revision 2 of deployment 'desk' cannot be read");
  g_autoptr(GError) error = NULL;
  g_assert_null(core_instance_references(world_slot(world, "a", 0), &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT);
  assert_left_alone(world);
}

static void test_down_stops_it(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  world_do(world, COMMAND_DOWN, "desk");
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, "stop b/0; stop b/1; stop a/0; ");
  g_assert_null(world_desk(world)->unreadable);
  g_assert_true(rendered_has(world, "\"left_over\":false"));
  world_do(world, COMMAND_FORGET, "desk");
  world_assert_reply(world, -1, 202, "desk");
}

/* Halfway down, the server is started again: it goes on. */
static void test_down_goes_on_after_a_restart(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  world->answers = false;
  world_do(world, COMMAND_DOWN, "desk");
  world_assert_status(world, DEPLOYMENT_STOPPING, OUTCOME_OPEN);
  world_reload(world);
  world_assert_status(world, DEPLOYMENT_STOPPING, OUTCOME_OPEN);
  world->answers = true;
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
}

static void test_a_new_job_takes_its_place(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  desk_deploy(world, "3", 1);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_null(world_desk(world)->unreadable);
  g_assert_cmpint(world_desk(world)->revision, ==, 3);
  g_assert_cmpstr(world_environment(world, "a", 0, "MARK"), ==, "3");
  g_assert_cmpstr(world->log->str, ==, "start a/0 g3; start b/0 g3; stop b/1; ");
}

/* What a new job would do is told without the old one: by what runs. */
static void test_a_preview_goes_by_what_runs(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  g_autoptr(Job) next = world_job("a c");
  g_autoptr(GError) error = NULL;
  g_autofree char *preview = core_preview(world->core, next, &error);
  g_assert_no_error(error);
  g_assert_nonnull(strstr(preview, "{\"agent\":\"a\",\"action\":\"replace\",\"from\":1,\"to\":1},"
                                   "{\"agent\":\"c\",\"action\":\"start\",\"from\":0,\"to\":1},"
                                   "{\"agent\":\"b\",\"action\":\"stop\",\"from\":2,\"to\":0}"));
}

/* Also the very job that was stored: nobody can tell that it is the same. */
static void test_the_same_job_takes_its_place(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  desk_deploy(world, "2", 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpint(world_desk(world)->revision, ==, 3);
}

/* There is no way back from a new job that fails: what has not been replaced stays, with its peers.
 */
static void test_a_new_job_that_fails(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  world_habit(world, "a", HABIT_DIES);
  desk_deploy(world, "3", 2);
  g_assert_cmpint(world_desk(world)->outcome, ==, OUTCOME_FAILED);
  g_assert_cmpstr(world->log->str, ==, "start a/0 g3; ");
  g_assert_nonnull(
      strstr(world_desk(world)->rollout->cause, "going back to revision 2 failed too"));
  g_assert_nonnull(
      strstr(world_desk(world)->rollout->cause, "revision 2 of deployment 'desk' cannot be read"));
  g_assert_cmpint(world_held(world, "b", 0)->state, ==, INSTANCE_RUNNING);
  g_assert_nonnull(world_desk(world)->unreadable);
  world_habit(world, "a", HABIT_HEALTHY);
  desk_deploy(world, "4", 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* The same, where agents have automatic ports and one of those that were to be replaced has ended:
 * it is not touched. */
static void test_a_new_job_that_fails_leaves_ports(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_autoptr(Job) job = desk_job("1", 2), next = desk_job("2", 2);
  world_agent(job, "b")->port = world_agent(next, "b")->port = PORT_AUTO;
  world_deploy(world, job, false);
  damage(world, 1, BROKEN);
  world_reload(world);
  world_connect(world);
  world_report(world, "b", 1, INSTANCE_STOPPED, HEALTH_UNKNOWN, NULL);
  int ports[] = {world_slot(world, "b", 0)->port, world_slot(world, "b", 1)->port};
  int64_t generation = world_slot(world, "b", 1)->generation;
  g_assert_cmpint(ports[0], >, 0);
  world_habit(world, "a", HABIT_DIES);
  world_deploy(world, next, false);
  g_assert_cmpint(world_desk(world)->outcome, ==, OUTCOME_FAILED);
  g_assert_cmpint(world_slot(world, "b", 0)->port, ==, ports[0]);
  g_assert_cmpint(world_slot(world, "b", 1)->port, ==, ports[1]);
  g_assert_cmpint(world_slot(world, "b", 1)->generation, ==, generation);
}

/* Nobody knows how many there were, so no further ones are counted from there. */
static void test_a_new_job_with_fewer_replicas(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_autoptr(Job) job = desk_job("1", 3), next = desk_job("2", 1);
  next->update.max_surge = 1;
  world_deploy(world, job, false);
  damage(world, 1, BROKEN);
  world_reload(world);
  world_connect(world);
  world_forget_log(world);
  world_deploy(world, next, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, "start a/0 g2; start b/0 g2; stop b/1; stop b/2; ");
}

static void test_back_to_what_can_be_read(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  world_apply(world, (Command){.type = COMMAND_ROLLBACK, .deployment = "desk", .number = 1});
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world_environment(world, "a", 0, "MARK"), ==, "1");
}

/* Nobody knows how to start them again; a new job does. */
static void test_after_a_reboot(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  world_reboot(world);
  g_assert_null(strstr(world->log->str, "start a"));
  g_assert_null(strstr(world->log->str, "start b"));
  g_assert_nonnull(strstr(world->log->str, "start x"));
  g_assert_cmpint(world_desk(world)->status, ==, DEPLOYMENT_FAILED);
  desk_deploy(world, "3", 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* Its node has lost one, and another was stopped by somebody: nobody knows how to start them. */
static void test_what_is_gone_is_not_started(void)
{
  g_autoptr(World) world = desks_damaged(2, BROKEN);
  int64_t generation = world_slot(world, "b", 0)->generation;
  world_report(world, "b", 0, INSTANCE_STOPPED, HEALTH_UNKNOWN, NULL);
  g_assert_true(g_hash_table_remove(world->held, world_slot(world, "a", 0)->id));
  world_connect(world);
  g_assert_cmpint(world_slot(world, "b", 0)->generation, ==, generation);
  assert_left_alone(world);
  desk_deploy(world, "3", 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* A server that can read it - of the right release - goes on as if nothing had been. */
static void test_readable_again(void)
{
  g_autoptr(World) world = desks_up();
  g_autofree char *job = g_strdup(deployment_revision(world_desk(world), 2)->job_json);
  damage(world, 2, BROKEN);
  world_reload(world);
  world_connect(world);
  world_forget_log(world);
  damage(world, 2, job);
  world_reload(world);
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, "");
}

/* ---- in the middle of a change ---- */

/* An update to revision 3, which is damaged, halfway: b has still to come. */
static World *desks_halfway(void)
{
  World *world = desks_up();
  world_habit(world, "a", HABIT_HANGS);
  desk_deploy(world, "3", 2);
  world_assert_status(world, DEPLOYMENT_DEPLOYING, OUTCOME_OPEN);
  damage(world, 3, BROKEN);
  world_reload(world);
  world_forget_log(world);
  world_connect(world);
  return world;
}

static void test_a_rollout_stands_still(void)
{
  g_autoptr(World) world = desks_halfway();
  assert_left_alone(world);
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  world_pass(world, 3600000);
  world_connect(world);
  assert_left_alone(world);
  g_assert_cmpint(world_desk(world)->rollout->phase, ==, ROLLOUT_PHASE_APPLY);
  world_do(world, COMMAND_CANCEL, "desk");
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409,
                     "revision 3 of deployment 'desk' cannot be read");
  g_assert_false(why_has(world, "reeve wait"));
}

static void test_a_new_job_replaces_it_unasked(void)
{
  g_autoptr(World) world = desks_halfway();
  world_habit(world, "a", HABIT_HEALTHY);
  desk_deploy(world, "4", 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world_environment(world, "b", 1, "MARK"), ==, "4");
}

/* An agent that the damaged revision left as it was keeps its peers: whom it is connected to is not
 * known, which is not nobody. */
static void test_peers_are_left_alone(void)
{
  g_autoptr(World) world = desks_up();
  g_autoptr(Job) third = desk_job("2", 2);
  strmap_set(&world_agent(third, "b")->environment, "MARK", "3");
  world_habit(world, "b", HABIT_HANGS);
  world_deploy(world, third, false);
  g_assert_cmpint(world_slot(world, "a", 0)->revision, ==, 3);
  damage(world, 3, BROKEN);
  world_reload(world);
  world_connect(world);
  world_forget_log(world);
  world_habit(world, "b", HABIT_HEALTHY);
  world->holds_reserve = true;
  desk_deploy(world, "4", 2);
  g_assert_cmpstr(world->log->str, ==, "");
  world_do(world, COMMAND_DOWN, "desk");
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
}

/* What is in force of a schedule is not known while the job cannot be read: it is neither fired nor
 * begun anew. */
static void test_schedules_wait(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_autoptr(Job) job = desk_job("1", 1), next = desk_job("2", 1);
  AgentSpec *agents[] = {world_agent(job, "b"), world_agent(next, "b")};
  for (size_t i = 0; i < G_N_ELEMENTS(agents); i++) {
    agents[i]->kind = AGENT_BATCH;
    agents[i]->schedule = (ScheduleSpec){.set = true, .every_ms = 600000};
  }
  world_deploy(world, job, false);
  const Schedule *schedule = world_desk(world)->schedules->pdata[0];
  int64_t handled_at_ms = schedule->handled_at_ms;
  world_pass(world, 1000);
  damage(world, 1, BROKEN);
  world_reload(world);
  world_connect(world);
  world_forget_log(world);
  world->holds_reserve = true;
  world_deploy(world, next, false);
  world->holds_reserve = false;
  world_deploy(world, next, true);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  schedule = world_desk(world)->schedules->pdata[0];
  g_assert_cmpint(schedule->handled_at_ms, ==, handled_at_ms);
  g_assert_cmpint(schedule->runs->len, ==, 0);
}

/* A job that cannot be read may name a secret: its text does. */
static void test_secrets_are_kept(void)
{
  g_autoptr(World) world = desks_up();
  const SecretAsk key = {.name = "key", .sealed = "x"}, free_one = {.name = "free", .sealed = "x"};
  world_apply(world, (Command){.type = COMMAND_SECRET_SET, .secret = &key});
  world_apply(world, (Command){.type = COMMAND_SECRET_SET, .secret = &free_one});
  damage(world, 2, "{\"name\":\"desk\",\"environment\":{\"K\":{\"secret\":\"key\"}},");
  world_reload(world);
  world_connect(world);
  world_apply(world, (Command){.type = COMMAND_SECRET_REMOVE, .secret = &key});
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, "'desk' runs with it");
  world_apply(world, (Command){.type = COMMAND_SECRET_REMOVE, .secret = &free_one});
  world_assert_reply(world, -1, 200, "{}");
}

static void test_down_replaces_it(void)
{
  g_autoptr(World) world = desks_halfway();
  world_do(world, COMMAND_DOWN, "desk");
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
}

/* The way back to a revision that can be read needs no other. */
static void test_the_way_back_goes_on(void)
{
  g_autoptr(World) world = desks_up();
  world_habit(world, "a", HABIT_HANGS);
  desk_deploy(world, "3", 2);
  world->answers = false;
  world_do(world, COMMAND_CANCEL, "desk");
  damage(world, 3, BROKEN);
  world_habit(world, "a", HABIT_HEALTHY);
  world_reload(world);
  world->answers = true;
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_CANCELLED);
  g_assert_cmpstr(world_environment(world, "a", 0, "MARK"), ==, "2");
}

/* ---- an old revision ---- */

/* Of what was never started nobody can say what it was given. */
static void test_never_started(void)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  world->holds_reserve = true;
  desk_deploy(world, "1", 1);
  g_autoptr(GError) error = NULL;
  g_assert_null(core_instance_references(world_slot(world, "a", 0), &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT);
}

static void test_an_old_revision_is_only_refused(void)
{
  g_autoptr(World) world = desks_damaged(1, BROKEN);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, "");
  world_do(world, COMMAND_ROLLBACK, "desk");
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409,
                     "the stored job of revision 1 of deployment 'desk' cannot be read: ");
  const Deployment *desk = world_desk(world);
  g_autofree char *old = revision_unreadable(desk, deployment_revision(desk, 1));
  g_assert_nonnull(old);
  g_assert_null(revision_unreadable(desk, deployment_revision(desk, 2)));
  world_do(world, COMMAND_RESTART, "desk");
  desk_deploy(world, "3", 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* What is stopped needs no job until somebody wants it back. */
static void test_a_stopped_one_stays_stopped(void)
{
  g_autoptr(World) world = desks_up();
  world_do(world, COMMAND_DOWN, "desk");
  damage(world, 2, BROKEN);
  world_reload(world);
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
  g_assert_true(rendered_has(world, "\"status\":\"stopped\""));
  desk_deploy(world, "2", 2);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/unreadable/left-alone", test_agents_are_left_alone);
  g_test_add_func("/unreadable/says-why", test_it_says_why_and_what_to_do);
  g_test_add_func("/unreadable/kinds", test_every_kind_of_damage);
  g_test_add_func("/unreadable/refused", test_changes_are_refused);
  g_test_add_func("/unreadable/down", test_down_stops_it);
  g_test_add_func("/unreadable/down-goes-on", test_down_goes_on_after_a_restart);
  g_test_add_func("/unreadable/new-job", test_a_new_job_takes_its_place);
  g_test_add_func("/unreadable/preview", test_a_preview_goes_by_what_runs);
  g_test_add_func("/unreadable/same-job", test_the_same_job_takes_its_place);
  g_test_add_func("/unreadable/new-job-fails", test_a_new_job_that_fails);
  g_test_add_func("/unreadable/new-job-fails-ports", test_a_new_job_that_fails_leaves_ports);
  g_test_add_func("/unreadable/fewer-replicas", test_a_new_job_with_fewer_replicas);
  g_test_add_func("/unreadable/gone", test_what_is_gone_is_not_started);
  g_test_add_func("/unreadable/peers", test_peers_are_left_alone);
  g_test_add_func("/unreadable/schedules", test_schedules_wait);
  g_test_add_func("/unreadable/secrets", test_secrets_are_kept);
  g_test_add_func("/unreadable/rollback", test_back_to_what_can_be_read);
  g_test_add_func("/unreadable/reboot", test_after_a_reboot);
  g_test_add_func("/unreadable/readable-again", test_readable_again);
  g_test_add_func("/unreadable/rollout-stands", test_a_rollout_stands_still);
  g_test_add_func("/unreadable/rollout-new-job", test_a_new_job_replaces_it_unasked);
  g_test_add_func("/unreadable/rollout-down", test_down_replaces_it);
  g_test_add_func("/unreadable/way-back", test_the_way_back_goes_on);
  g_test_add_func("/unreadable/never-started", test_never_started);
  g_test_add_func("/unreadable/old", test_an_old_revision_is_only_refused);
  g_test_add_func("/unreadable/stopped", test_a_stopped_one_stays_stopped);
  return g_test_run();
}
