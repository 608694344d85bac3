/* Messages for webhooks: what is told, that it is stored with its news, and what becomes of it. */
#include "world.h"

#include <jansson.h>
#include <string.h>

static const char url[] = "http://hooks.example/secret/path";

static Job *notice_job(unsigned events)
{
  Job *job = world_job("a b");
  NotifySpec *spec = notify_spec_new(url);
  spec->events = events;
  g_ptr_array_add(job->notify, spec);
  return job;
}

static World *notice_world(unsigned events)
{
  g_autoptr(Job) job = notice_job(events);
  World *world = world_new();
  world_connect(world);
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpuint(core_notices(world->core)->len, ==, 0);
  world_forget_log(world);
  return world;
}

static World *all_events(void)
{
  return notice_world((1 << NOTIFY_EVENT_N) - 1);
}

static const Notice *notice_at(const World *world, guint index)
{
  g_assert_cmpuint(core_notices(world->core)->len, >, index);
  return core_notices(world->core)->pdata[index];
}

/* "degraded recovered" */
static void assert_notices(const World *world, const char *words)
{
  g_autoptr(GString) have = g_string_new(NULL);
  for (guint i = 0; i < core_notices(world->core)->len; i++)
    g_string_append_printf(have, "%s%s", i ? " " : "", notice_at(world, i)->event);
  g_assert_cmpstr(have->str, ==, words);
}

static void tried(World *world, bool delivered)
{
  g_autofree char *id = g_strdup(notice_at(world, 0)->id);
  world_apply(world, (Command){.type = COMMAND_NOTICE_TRIED, .notice = id, .delivered = delivered});
}

static void b_fails(World *world)
{
  world_report(world, "b", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "exit status 3");
}

static void test_stored_with_its_news(void)
{
  g_autoptr(World) world = all_events();
  b_fails(world);
  assert_notices(world, "degraded");
  const Notice *notice = notice_at(world, 0);
  const Record *row = g_hash_table_lookup(world->rows[TABLE_NOTICES], notice->id);
  g_assert_nonnull(row);
  g_assert_cmpstr(row->values[NTC_URL].text, ==, url);
  g_assert_null(strstr(world->log->str, "stop"));
  json_t *body = json_loads(notice->body, 0, NULL);
  g_autofree char *id = g_strdup_printf("%s-%" G_GINT64_FORMAT, notice->id, world->now.wall_ms);
  g_assert_cmpstr(json_string_value(json_object_get(body, "id")), ==, id);
  g_assert_cmpstr(json_string_value(json_object_get(body, "status")), ==, "degraded");
  const json_t *agent = json_array_get(json_object_get(body, "agents"), 0);
  g_assert_cmpstr(json_string_value(json_object_get(agent, "reason")), ==, "exit status 3");
  g_assert_cmpint(json_integer_value(json_object_get(body, "more_agents")), ==, 0);
  json_decref(body);
  tried(world, true);
  assert_notices(world, "");
  g_assert_cmpuint(g_hash_table_size(world->rows[TABLE_NOTICES]), ==, 0);
}

/* Nothing is told twice because the server began anew, and what was well again by then is told
 * once. */
static void test_over_a_restart(void)
{
  g_autoptr(World) world = all_events();
  b_fails(world);
  world_reload(world);
  assert_notices(world, "degraded");
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_DEGRADED, OUTCOME_SUCCEEDED);
  assert_notices(world, "degraded");
  tried(world, true);
  world_do(world, COMMAND_RESTART, "desk");
  assert_notices(world, "recovered");
  world_reload(world);
  world_connect(world);
  assert_notices(world, "recovered");
}

/* Up again is not yet well: it is told when the probe says so. */
static void test_recovered_when_probed(void)
{
  g_autoptr(World) world = all_events();
  world_report(world, "b", 0, INSTANCE_BACKOFF, HEALTH_UNKNOWN, "exit status 3");
  assert_notices(world, "degraded");
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_UNKNOWN, NULL);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  assert_notices(world, "degraded");
  world_reload(world);
  world_connect(world);
  assert_notices(world, "degraded");
  world_report(world, "b", 0, INSTANCE_BACKOFF, HEALTH_UNKNOWN, "exit status 3");
  assert_notices(world, "degraded"); /* which is known */
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  assert_notices(world, "degraded recovered");
}

static void test_given_up(void)
{
  static const int64_t pauses[] = {2000, 8000, 32000, 128000, 300000, 300000};
  g_autoptr(World) world = all_events();
  b_fails(world);
  for (int i = 1; i < NOTICE_TRIES; i++) {
    tried(world, false);
    g_assert_cmpint(notice_at(world, 0)->tries, ==, i);
    g_assert_cmpint(notice_at(world, 0)->next_at_ms - world->now.wall_ms, ==,
                    pauses[MIN(i, (int)G_N_ELEMENTS(pauses)) - 1]);
    world_reload(world); /* tries are counted over restarts */
  }
  world_forget_log(world);
  tried(world, false);
  assert_notices(world, "");
  g_assert_nonnull(strstr(world->events->str, "webhook"));
  world_apply(world,
              (Command){.type = COMMAND_NOTICE_TRIED, .notice = "ntc_zzzzzz", .delivered = true});
  g_assert_cmpuint(world->records, ==, 0);
}

static void test_lane_is_bounded(void)
{
  g_autoptr(World) world = all_events();
  b_fails(world);
  g_autofree char *first = g_strdup(notice_at(world, 0)->id);
  for (int i = 0; i < NOTICE_LANE_MAX; i++)
    world_report(world, "b", 0, i % 2 ? INSTANCE_BACKOFF : INSTANCE_RUNNING,
                 i % 2 ? HEALTH_UNKNOWN : HEALTH_HEALTHY, NULL);
  g_assert_cmpuint(core_notices(world->core)->len, <=, NOTICE_LANE_MAX);
  for (int i = 0; i < 2 * NOTICE_LANE_MAX; i++) {
    world_do(world, COMMAND_RESTART, "desk");
    world_report(world, "b", 0, INSTANCE_BACKOFF, HEALTH_UNKNOWN, "exit status 3");
  }
  g_assert_cmpuint(core_notices(world->core)->len, ==, NOTICE_LANE_MAX);
  g_assert_null(core_notice(world->core, first));
  /* the newest are kept, in order */
  g_assert_cmpstr(notice_at(world, NOTICE_LANE_MAX - 1)->event, ==, "degraded");
  g_assert_cmpstr(notice_at(world, NOTICE_LANE_MAX - 2)->event, ==, "recovered");
}

/* Every change that fails is told, also when what ran before goes on. */
static void test_failed_changes(void)
{
  g_autoptr(World) world = all_events();
  g_autoptr(Job) job = notice_job((1 << NOTIFY_EVENT_N) - 1);
  g_strfreev(world_agent(job, "b")->command);
  world_agent(job, "b")->command = g_strsplit("run v2", " ", -1);
  world_habit(world, "b", HABIT_DIES);
  job->on_failure = ON_FAILURE_STOP;
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  assert_notices(world, "failed");
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  assert_notices(world, "failed failed");
  world_habit(world, "b", HABIT_HEALTHY);
  world_deploy(world, job, false);
  assert_notices(world, "failed failed recovered");
  world_do(world, COMMAND_DOWN, "desk");
  world_do(world, COMMAND_FORGET, "desk");
  g_assert_null(core_deployment(world->core, "desk"));
  assert_notices(world, "failed failed recovered"); /* they are told although it is gone */
}

static void test_only_what_is_asked_for(void)
{
  g_autoptr(World) world = notice_world(1 << NOTIFY_RECOVERED);
  b_fails(world);
  assert_notices(world, "");
  world_do(world, COMMAND_RESTART, "desk");
  assert_notices(world, "recovered");
}

/* A job that names no webhook makes no record of a probe's result. */
static void test_no_webhook(void)
{
  g_autoptr(Job) job = world_job("a b");
  g_autoptr(World) world = world_new();
  world_connect(world);
  world_deploy(world, job, false);
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_UNHEALTHY, "no answer");
  world_assert_status(world, DEPLOYMENT_DEGRADED, OUTCOME_SUCCEEDED);
  g_assert_cmpuint(world->records, ==, 0);
  g_assert_null(world_desk(world)->told);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/notices/stored-with-its-news", test_stored_with_its_news);
  g_test_add_func("/notices/over-a-restart", test_over_a_restart);
  g_test_add_func("/notices/recovered-when-probed", test_recovered_when_probed);
  g_test_add_func("/notices/given-up", test_given_up);
  g_test_add_func("/notices/lane-is-bounded", test_lane_is_bounded);
  g_test_add_func("/notices/failed-changes", test_failed_changes);
  g_test_add_func("/notices/only-what-is-asked-for", test_only_what_is_asked_for);
  g_test_add_func("/notices/no-webhook", test_no_webhook);
  return g_test_run();
}
