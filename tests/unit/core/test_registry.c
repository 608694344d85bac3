/* The registry of a deployment: who is in it, what is found, what agents tell of themselves and how
 * long that counts. */
#include "world.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

static Job *dynamic_job(const char *agents)
{
  Job *job = world_job(agents);
  job->topology.type = TOPOLOGY_DYNAMIC;
  g_array_set_size(job->topology.groups, 0);
  return job;
}

static World *dynamic_world(const char *agents)
{
  g_autoptr(Job) job = dynamic_job(agents);
  World *world = world_new();
  world_connect(world);
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  return world;
}

/* What a list for @query has, as "id=name health; ...". */
static void assert_found(const World *world, RegistryQuery query, const char *wanted)
{
  g_autoptr(GString) out = g_string_new(NULL), have = g_string_new(NULL);
  registry_list(out, world->core, world_desk(world), &query, world->now);
  json_t *list = json_parse(out->str, out->len, NULL);
  g_assert_true(json_is_array(list));
  size_t i;
  const json_t *entry;
  json_array_foreach(list, i, entry)
      g_string_append_printf(have, "%s=%s %s; ", jget_str(entry, "id", "?"),
                             jget_str(entry, "name", "?"), jget_str(entry, "health_status", "?"));
  json_decref(list);
  g_assert_cmpstr(have->str, ==, wanted);
}

static void assert_all(const World *world, const char *wanted)
{
  assert_found(world, (RegistryQuery){0}, wanted);
}

/* The reply as an object; the caller's. */
static json_t *reply_of(const World *world)
{
  json_t *reply = json_parse(world->reply->body, strlen(world->reply->body), NULL);
  g_assert_true(json_is_object(reply));
  return reply;
}

static void tell_as(World *world, const char *id, int port, const char *said)
{
  RegistrationAsk ask = {.id = id, .port = port, .said = said};
  world_apply(world,
              (Command){.type = COMMAND_REGISTER, .deployment = "desk", .registration = &ask});
}

static void tell(World *world, const char *id, const char *name)
{
  g_autofree char *said = g_strdup_printf("{\"id\":\"%s\",\"name\":\"%s\"}", id, name);
  tell_as(world, id, 0, said);
}

static void leave(World *world, const char *id)
{
  RegistrationAsk ask = {.id = id};
  world_apply(world,
              (Command){.type = COMMAND_DEREGISTER, .deployment = "desk", .registration = &ask});
}

static guint stored(const World *world)
{
  return g_hash_table_size(world->rows[TABLE_REGISTRATIONS]);
}

/* ---- who is in it ---- */

static void test_by_itself(void)
{
  g_autoptr(World) world = world_new();
  g_autoptr(Job) job = dynamic_job("a b c d");
  world_agent(job, "a")->replicas = 2;
  world_agent(job, "c")->port = PORT_NONE;
  job->on_failure = ON_FAILURE_KEEP;
  world_habit(world, "b", HABIT_HANGS);
  world_habit(world, "d", HABIT_DIES);
  world_connect(world);
  world_deploy(world, job, false);
  assert_all(world, "a=a healthy; a/1=a healthy; b=b unknown; ");
  assert_found(world, (RegistryQuery){.healthy_only = true}, "a=a healthy; a/1=a healthy; ");
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_UNREACHABLE, "no answer");
  assert_all(world, "a=a healthy; a/1=a healthy; b=b unhealthy; ");
  g_autoptr(GString) out = g_string_new(NULL);
  registry_health(out, world_desk(world));
  g_assert_cmpstr(
      out->str, ==,
      "{\"status\":\"healthy\",\"total_agents\":3,\"healthy_agents\":2,\"unhealthy_agents\":1}");
  g_string_truncate(out, 0);
  g_assert_true(registry_entry(out, world->core, world_desk(world), "a/1", world->now));
  g_assert_nonnull(strstr(
      out->str,
      "\"id\":\"a/1\",\"name\":\"a\",\"url\":\"http://localhost:9001\",\"description\":\"\",\"skills\":[],\"tags\":[],"
      "\"metadata\":{},\"registered_at\":\"2023-11-14T22:13:20.000Z\",\"last_seen\":\"2023-11-14T22:13:20.000Z\","
      "\"health_status\":\"healthy\",\"consecutive_failures\":0}"));
  g_assert_false(registry_entry(out, world->core, world_desk(world), "c", world->now));
  g_assert_cmpuint(stored(world), ==, 0);
}

static void test_goes_with_the_agent(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  tell(world, "a", "first");
  tell(world, "b", "second");
  world_report(world, "a", 0, INSTANCE_BACKOFF, HEALTH_UNKNOWN, "exit status 3");
  assert_all(world, "b=second healthy; ");
  /* it told this before: it may be asked again */
  world_report(world, "a", 0, INSTANCE_STARTING, HEALTH_UNKNOWN, NULL);
  assert_all(world, "a=first unknown; b=second healthy; ");
  world_report(world, "a", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "exit status 3");
  assert_all(world, "b=second healthy; ");
  world_do(world, COMMAND_DOWN, "desk");
  assert_all(world, "");
  world_do(world, COMMAND_FORGET, "desk");
  g_assert_cmpuint(stored(world), ==, 0);
}

static void test_silent_node(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  world_pass(world, 10000);
  world_disconnect(world);
  world_pass(world, 70000);
  assert_all(world, "a=a unknown; b=b unknown; "); /* lost: as far as anybody knows they run */
  g_autoptr(GString) out = g_string_new(NULL);
  registry_entry(out, world->core, world_desk(world), "a", world->now);
  g_assert_nonnull(strstr(out->str, "\"last_seen\":\"2023-11-14T22:13:20.000Z\""));
}

/* ---- what is told ---- */

static void test_register(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  tell_as(
      world, "my-b", 9010,
      "{\"id\":\"my-b\",\"name\":\"The B\",\"description\":\"counts\",\"skills\":[{\"id\":\"sum\"}],\"tags\":[\"math\"],\"metadata\":{\"x\":1}}");
  json_t *entry = reply_of(world);
  g_assert_cmpstr(jget_str(entry, "id", NULL), ==, "b");
  g_assert_cmpstr(jget_str(entry, "name", NULL), ==, "The B");
  g_assert_cmpstr(jget_str(entry, "url", NULL), ==, "http://localhost:9010");
  g_assert_cmpstr(jget_str(entry, "description", NULL), ==, "counts");
  g_assert_cmpint(jget_int(json_object_get(entry, "metadata"), "x", 0), ==, 1);
  json_decref(entry);
  g_autoptr(GString) out = g_string_new(NULL);
  /* by the name that it gave itself, too */
  g_assert_true(registry_entry(out, world->core, world_desk(world), "my-b", world->now));
  tell(world, "a", "The A");
  assert_all(world, "a=The A healthy; b=The B healthy; ");
  world_pass(world, 5000);
  tell(world, "a", "The A");
  /* the same again: nothing to store, and it has been there since then */
  g_assert_cmpuint(world->records, ==, 0);
  entry = reply_of(world);
  g_assert_cmpstr(jget_str(entry, "registered_at", NULL), ==, "2023-11-14T22:13:20.000Z");
  json_decref(entry);
}

static void test_refused(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  tell_as(world, "x", 1234, "{\"name\":\"x\"}");
  world_assert_reply(world, REEVE_ERROR_INVALID, 422,
                     "no running agent of deployment 'desk' has the port of its URL, 1234");
  tell_as(world, "a", 1234, "{\"name\":\"x\"}");
  world_assert_reply(world, REEVE_ERROR_INVALID, 422,
                     "it has port 9000 (AGENT_PORT), its URL names port 1234");
  tell_as(world, "x", 0, "{\"name\":\"x\"}");
  world_assert_reply(world, REEVE_ERROR_INVALID, 422, "runs no agent of that id");
  leave(world, "x");
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404,
                     "no agent 'x' in the registry of deployment 'desk'");
  g_autofree char *fill = g_strnfill(REGISTRY_SAID_MAX, 'x'),
                  *large = g_strdup_printf("{\"name\":\"%s\"}", fill);
  tell_as(world, "a", 0, large);
  world_assert_reply(world, REEVE_ERROR_LIMIT, 413, "more than");
  world_do(world, COMMAND_DOWN, "desk");
  tell(world, "a", "late");
  world_assert_reply(world, REEVE_ERROR_INVALID, 422, "runs no agent of that id");
  g_assert_cmpuint(stored(world), ==, 0);
}

static void test_told_together(void)
{
  g_autoptr(World) world = world_new();
  g_autoptr(Job) job = dynamic_job("a b");
  world_agent(job, "a")->replicas = 100;
  world_agent(job, "b")->port = 9500;
  world_connect(world);
  world_deploy(world, job, false);
  g_autofree char *fill = g_strnfill(REGISTRY_SAID_MAX - 100, 'x'),
                  *large = g_strdup_printf("{\"name\":\"%s\"}", fill);
  int taken = 0;
  for (int i = 0; i < 100; i++) {
    tell_as(world, "x", 9000 + i, large);
    taken += world->reply->code < 0;
  }
  g_assert_cmpint(taken, ==, REGISTRY_TOLD_MAX / (int)strlen(large));
}

static void test_survives(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  tell(world, "a", "The A");
  tell(world, "b", "The B");
  leave(world, "b");
  world_reload(world);
  assert_all(world, "a=The A unknown; "); /* nobody has told yet how it is */
  world_connect(world);
  assert_all(world, "a=The A healthy; ");
}

static void test_ends_with_the_life(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  tell(world, "a", "The A");
  world_do(world, COMMAND_RESTART, "desk");
  assert_all(world, "a=a healthy; b=b healthy; ");
  g_assert_cmpuint(stored(world), ==, 0);
}

/* It registers before it listens, so before its node has told that it runs. */
static void test_speaks_early(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  world_habit(world, "a", HABIT_SILENT);
  world_do(world, COMMAND_RESTART, "desk");
  assert_all(world, "b=b healthy; ");
  tell(world, "a", "The A");
  world_assert_reply(world, -1, 200, "\"health_status\":\"unknown\"");
  assert_all(world, "a=The A unknown; b=b healthy; ");
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  assert_all(world, "a=The A healthy; b=b healthy; ");
}

/* ---- taking itself out ---- */

static void test_hides(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  leave(world, "a");
  world_assert_reply(world, -1, 200, "{\"status\":\"deregistered\",\"agent_id\":\"a\"}");
  assert_all(world, "b=b healthy; ");
  leave(world, "a");
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no agent 'a'");
  tell(world, "a", "back");
  assert_all(world, "a=back healthy; b=b healthy; ");
  leave(world, "a");
  Held *held = (Held *)(uintptr_t)world_held(world, "a", 0);
  held->attempt = 2; /* it ended, and its node started it again */
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  assert_all(world, "a=back healthy; b=b healthy; ");
  leave(world, "a");
  world_do(world, COMMAND_RESTART, "desk");
  assert_all(world, "a=a healthy; b=b healthy; ");
}

/* The last word of a life that ends takes nothing from the next one. */
static void test_old_life_leaves(void)
{
  g_autoptr(World) world = dynamic_world("a b");
  world_habit(world, "a", HABIT_SILENT);
  world_do(world, COMMAND_RESTART, "desk");
  leave(world, "a");
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no agent 'a'");
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  assert_all(world, "a=a healthy; b=b healthy; ");
}

/* ---- what is looked for ---- */

static void test_search(void)
{
  g_autoptr(World) world = dynamic_world("news stats quiet");
  tell_as(
      world, "news", 0,
      "{\"name\":\"News Agent\",\"skills\":[{\"id\":\"news_search\",\"name\":\"Find\",\"description\":\"\xc3\x89"
      "critures\"}],"
      "\"tags\":[\"Text\",\"web\"]}");
  tell_as(world, "stats", 0,
          "{\"name\":\"Numbers\",\"skills\":[\"sum\",{\"id\":7}],\"tags\":[\"math\"]}");
  static const struct {
    RegistryQuery query;
    const char *wanted;
  } cases[] = {
      {{.skill = "SEARCH"}, "news=News Agent healthy; "},
      {{.skill = "find"}, "news=News Agent healthy; "},
      {{.skill = "\xc3\xa9"
                 "crit"},
       "news=News Agent healthy; "},
      {{.skill = "sum"}, "stats=Numbers healthy; "},
      {{.skill = "none"}, ""},
      {{.tag = "text"}, "news=News Agent healthy; "},
      {{.tag = "t"}, "news=News Agent healthy; stats=Numbers healthy; "},
      {{.name = "agent"}, "news=News Agent healthy; "},
      {{.name = "QUIET"}, "quiet=quiet healthy; "},
      {{.name = "n", .tag = "math"}, "stats=Numbers healthy; "},
      {{.name = ""}, "news=News Agent healthy; stats=Numbers healthy; quiet=quiet healthy; "},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
    assert_found(world, cases[i].query, cases[i].wanted);
}

/* ---- the URL ---- */

static char *references_of(Job *job)
{
  g_autoptr(World) world = world_new();
  world_connect(world);
  world_deploy(world, job, false);
  g_auto(GStrv) references = core_instance_references(world_slot(world, "a", 0), NULL);
  return g_strjoinv(" ", references);
}

static void assert_references(Job *job, const char *wanted)
{
  g_autofree char *have = references_of(job);
  g_assert_cmpstr(have, ==, wanted);
}

static void test_url(void)
{
  g_autoptr(Job) job = dynamic_job("a b"), alone = dynamic_job("a"), pipeline = world_job("a b");
  assert_references(job, "AGENT_REGISTRY_URL=peer:registry:dep_000001");
  assert_references(alone, "");
  assert_references(pipeline, "");
  world_agent(job, "a")->port = PORT_NONE;
  assert_references(job, "AGENT_REGISTRY_URL=peer:registry:dep_000001");
  world_agent(job, "b")->port = PORT_NONE;
  assert_references(job, "");
  world_agent(job, "b")->port = 9000;
  strmap_set(&job->environment, "AGENT_REGISTRY_URL", "http://localhost:1");
  assert_references(job, "");
}

/* What comes from a file, or a secret, is set as well. */
static void test_own_values_win(void)
{
  g_autoptr(Job) job = dynamic_job("a b");
  strmap_set_from(&world_agent(job, "a")->environment, "AGENT_REGISTRY_URL", VALUE_FILE,
                  "/srv/url");
  strmap_set_from(&world_agent(job, "a")->environment, "AGENT_PEER_KEY", VALUE_FILE, "/srv/key");
  g_strfreev(world_agent(job, "a")->command);
  world_agent(job, "a")->command = NULL;
  world_agent(job, "a")->agent_file = g_strdup("/srv/agent.toml");
  assert_references(job, "AGENT_REGISTRY_URL=file:/srv/url AGENT_PEER_KEY=file:/srv/key");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/core/registry/by-itself", test_by_itself);
  g_test_add_func("/core/registry/goes-with-the-agent", test_goes_with_the_agent);
  g_test_add_func("/core/registry/silent-node", test_silent_node);
  g_test_add_func("/core/registry/register", test_register);
  g_test_add_func("/core/registry/refused", test_refused);
  g_test_add_func("/core/registry/told-together", test_told_together);
  g_test_add_func("/core/registry/survives", test_survives);
  g_test_add_func("/core/registry/ends-with-the-life", test_ends_with_the_life);
  g_test_add_func("/core/registry/speaks-early", test_speaks_early);
  g_test_add_func("/core/registry/hides", test_hides);
  g_test_add_func("/core/registry/old-life-leaves", test_old_life_leaves);
  g_test_add_func("/core/registry/search", test_search);
  g_test_add_func("/core/registry/url", test_url);
  g_test_add_func("/core/registry/own-values-win", test_own_values_win);
  return g_test_run();
}
