/* What nodes say and what the core makes of it: late, double and foreign reports, silence and loss,
 * ports, specs, and the plain words. */
#include "base/error.h"
#include "core/render.h"
#include "core/why.h"
#include "world.h"

#include <jansson.h>
#include <string.h>

static World *world_up(const Job *job)
{
  World *world = world_new();
  world_connect(world);
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  return world;
}

static World *world_up_agents(const char *agents)
{
  g_autoptr(Job) job = world_job(agents);
  return world_up(job);
}

static void test_old_reports_are_ignored(void)
{
  g_autoptr(World) world = world_up_agents("a b");
  world_do(world, COMMAND_RESTART, "desk");
  const Instance *a = world_slot(world, "a", 0);
  g_assert_cmpint(a->generation, ==, 2);
  world_report_as(world, a->id, a->epoch, 1, INSTANCE_FAILED, HEALTH_UNKNOWN);
  world_report_as(world, a->id, a->epoch - 1, 2, INSTANCE_FAILED, HEALTH_UNKNOWN);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpint(a->state, ==, INSTANCE_RUNNING);
  g_assert_null(a->outcome);
}

static void test_same_report_twice(void)
{
  g_autoptr(World) world = world_up_agents("a");
  world_forget_log(world);
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  g_assert_cmpuint(world->records, ==, 0);
  g_assert_cmpstr(world->events->str, ==, "");
  world_report(world, "a", 0, INSTANCE_RUNNING, HEALTH_UNHEALTHY, "no answer");
  g_assert_cmpuint(world->records, ==, 0); /* a probe's result is never stored */
  g_assert_nonnull(strstr(world->events->str, "instance"));
}

/* It was given out by this store, so it was removed by it. */
static void test_removed_instance_is_ended(void)
{
  g_autoptr(World) world = world_up_agents("a");
  world->answers = false;
  world_report_as(world, "ins_000001", 1, 1, INSTANCE_RUNNING, HEALTH_HEALTHY);
  g_autoptr(Frame) forget = g_queue_pop_head(world->mail); /* which ends it first */
  g_assert_cmpint(forget->type, ==, FRAME_FORGET);
  g_assert_cmpstr(((const Instruction *)forget->instructions->pdata[0])->id, ==, "ins_000001");
}

/* ---- whose instances are they? ---- */

typedef struct Meeting {
  Core *core;
  Now now;
  GString *sent;          /* frames of the last command */
  int64_t protocol, term; /* of the next hello */
} Meeting;

static Meeting meeting_new(const char *store)
{
  Meeting meeting = {.core = core_new(NULL),
                     .now = {.boot_ms = 1000, .wall_ms = 1700000000000},
                     .sent = g_string_new(NULL),
                     .protocol = PROTOCOL_VERSION};
  g_autoptr(Effects) effects = effects_new();
  Value values[RECORD_COLUMNS_MAX] = {
      [META_KEY] = {.text = (char *)"store"}, [META_VALUE] = {.text = (char *)store}};
  g_assert_true(core_load_row(meeting.core, TABLE_META, values, NULL));
  Value ids[RECORD_COLUMNS_MAX] = {
      [META_KEY] = {.text = (char *)"next_id"}, [META_VALUE] = {.text = (char *)"100"}};
  g_assert_true(core_load_row(meeting.core, TABLE_META, ids, NULL));
  core_load_done(meeting.core, meeting.now, effects);
  return meeting;
}

static void meeting_done(Meeting *meeting)
{
  core_free(meeting->core);
  g_string_free(meeting->sent, TRUE);
}

static int64_t meeting_apply(Meeting *meeting, const Command *command)
{
  g_autoptr(Effects) effects = effects_new();
  core_apply(meeting->core, command, meeting->now, effects);
  g_string_truncate(meeting->sent, 0);
  for (guint i = 0; i < effects->messages->len; i++)
    g_string_append(meeting->sent, ((const Message *)effects->messages->pdata[i])->frame);
  return effects->wake_at_ms;
}

/* A hello of a node that holds instance number 7 (given out and removed) and 200 (never given out).
 */
static void meeting_hello(Meeting *meeting, const char *store)
{
  g_autoptr(Frame) hello = frame_new(FRAME_HELLO);
  hello->protocol = meeting->protocol;
  hello->term = meeting->term;
  hello->node = g_strdup("local");
  hello->boot_id = g_strdup("b");
  hello->store = g_strdup(store);
  static const char *const ids[] = {"ins_000007", "ins_000068"};
  for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
    InstanceReport *report = instance_report_new(ids[i]);
    report->epoch = report->generation = 1;
    report->state = INSTANCE_RUNNING;
    g_ptr_array_add(hello->reports, report);
  }
  meeting_apply(meeting, &(Command){.type = COMMAND_NODE_FRAME,
                                    .node = "local",
                                    .actor = "node:local",
                                    .frame = hello});
}

static void meeting_pass(Meeting *meeting, int64_t ms)
{
  meeting->now.boot_ms += ms;
  meeting_apply(meeting, &(Command){.type = COMMAND_TICK});
}

static void test_other_store_is_refused(void)
{
  Meeting meeting = meeting_new("aaaa");
  meeting_hello(&meeting, "bbbb");
  g_assert_nonnull(strstr(meeting.sent->str, "\"refuse\""));
  g_assert_null(strstr(meeting.sent->str, "welcome"));
  g_assert_null(strstr(meeting.sent->str, "forget"));
  const NodeObject *node = core_nodes(meeting.core)->pdata[0];
  g_assert_false(node->linked);
  g_assert_nonnull(strstr(node->problem, "another store"));
  meeting_pass(&meeting, 120000);
  g_assert_cmpstr(meeting.sent->str, ==, "");
  meeting_hello(&meeting, "aaaa"); /* the right one after all */
  g_assert_nonnull(strstr(meeting.sent->str, "\"store\":\"aaaa\""));
  g_assert_true(node->linked);
  g_assert_null(node->problem);
  meeting_done(&meeting);
}

/* What was removed goes at once; what no record explains a minute later. */
static void test_unexplained_is_ended_later(void)
{
  Meeting meeting = meeting_new("aaaa");
  meeting_hello(&meeting, "aaaa");
  g_assert_nonnull(strstr(meeting.sent->str, "ins_000007"));
  g_assert_null(strstr(meeting.sent->str, "ins_000068"));
  meeting_pass(&meeting, 59000);
  g_assert_null(strstr(meeting.sent->str, "ins_000068"));
  meeting_hello(&meeting, "aaaa"); /* heard of again: its minute does not begin anew */
  meeting_pass(&meeting, 1000);
  g_assert_nonnull(strstr(meeting.sent->str, "\"type\":\"forget\""));
  g_assert_nonnull(strstr(meeting.sent->str, "ins_000068"));
  meeting_done(&meeting);
}

/* A node of an older release does not say whose instances it holds: all of them stay. */
static void test_unconfirmed_keeps_all(void)
{
  Meeting meeting = meeting_new("aaaa");
  meeting_hello(&meeting, NULL);
  g_assert_nonnull(strstr(meeting.sent->str, "welcome"));
  g_assert_null(strstr(meeting.sent->str, "forget"));
  meeting_pass(&meeting, 120000);
  g_assert_null(strstr(meeting.sent->str, "forget"));
  meeting_done(&meeting);
}

/* A restored backup is never behind: what the node has seen is surpassed. */
static void test_later_epoch_is_surpassed(void)
{
  g_autoptr(World) world = world_up_agents("a");
  const Instance *a = world_slot(world, "a", 0);
  ((Held *)(uintptr_t)world_held(world, "a", 0))->epoch = 7;
  world_disconnect(world);
  world_connect(world);
  g_assert_cmpint(a->epoch, ==, 8);
  g_assert_cmpint(world_held(world, "a", 0)->epoch, ==, 8);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

/* The same is heard while the slot waits for a change that is refused then: what runs in it is
 * replaced all the same by what is wanted. */
static void test_later_epoch_in_a_refused_change(void)
{
  g_autoptr(Job) job = world_job("a b");
  g_autoptr(World) world = world_up_agents("a b");
  const Instance *a = world_slot(world, "a", 0);
  strmap_set(&world_agent(job, "a")->environment, "LEVEL", "2");
  strmap_set(&world_agent(job, "b")->environment, "LEVEL", "2");
  g_hash_table_replace(world->taken, g_strdup("b"), g_strdup("port is in use"));
  world_disconnect(world);
  world_deploy(world, job, false);
  ((Held *)(uintptr_t)world_held(world, "a", 0))->epoch = 7;
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_ROLLED_BACK);
  g_assert_cmpint(a->epoch, ==, 8);
  g_assert_cmpint(world_held(world, "a", 0)->epoch, ==, 8);
  g_assert_cmpint(world_held(world, "a", 0)->generation, ==, a->generation);
}

/* A node that has obeyed a later server is not this one's: its database is an older copy. */
static void test_later_term_is_refused(void)
{
  Meeting meeting = meeting_new("aaaa");
  meeting.term = 2;
  meeting_hello(&meeting, "aaaa");
  g_assert_nonnull(strstr(meeting.sent->str, "\"refuse\""));
  g_assert_null(strstr(meeting.sent->str, "forget"));
  const NodeObject *node = core_nodes(meeting.core)->pdata[0];
  g_assert_nonnull(strstr(node->problem, "older copy"));
  meeting.term = 1;
  meeting_hello(&meeting, "aaaa");
  g_assert_nonnull(strstr(meeting.sent->str, "welcome"));
  meeting_done(&meeting);
}

static void test_other_protocol_is_refused(void)
{
  Meeting meeting = meeting_new("aaaa");
  meeting.protocol = PROTOCOL_VERSION - 1;
  meeting_hello(&meeting, "aaaa");
  const NodeObject *node = core_nodes(meeting.core)->pdata[0];
  g_assert_nonnull(strstr(node->problem, "same release"));
  g_assert_false(node->linked);
  meeting_done(&meeting);
}

/* What the known directory runs may go on where it is: another one waits until that is lost. */
static void test_other_incarnation_waits(void)
{
  g_autoptr(World) world = world_up_agents("a");
  NodeObject *node = core_nodes(world->core)->pdata[0];
  const Instance *a = world_slot(world, "a", 0);
  world->incarnation = "former";
  world_disconnect(world);
  world_connect(world);
  g_assert_cmpstr(node->incarnation, ==, "former");
  world_disconnect(world);
  world->incarnation = "other";
  world_connect(world);
  g_assert_false(node->linked);
  g_assert_nonnull(strstr(node->problem, "another state directory"));
  g_assert_cmpint(a->state, !=, INSTANCE_STOPPED);
  world_pass(world, 61000);
  g_assert_cmpint(node->status, ==, NODE_LOST);
  world_connect(world);
  g_assert_true(node->linked);
  g_assert_null(node->problem);
  g_assert_cmpstr(node->incarnation, ==, "other");
}

static void test_lost_start_is_sent_again(void)
{
  g_autoptr(World) world = world_up_agents("a");
  g_hash_table_remove_all(world->held);
  world_forget_log(world);
  world_disconnect(world);
  world_connect(world);
  g_assert_cmpstr(world->log->str, ==, "start a/0 g1; ");
}

static void test_stop_is_sent_again(void)
{
  g_autoptr(World) world = world_up_agents("a");
  world->answers = false;
  world_do(world, COMMAND_DOWN, "desk");
  world_assert_status(world, DEPLOYMENT_STOPPING, OUTCOME_OPEN);
  world_disconnect(world);
  world->answers = true;
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_SUCCEEDED);
}

/* How many stops are in the mail; empties it. */
static guint stops_sent(const World *world)
{
  guint stops = 0;
  for (Frame *frame; (frame = g_queue_pop_head(world->mail)); frame_free(frame))
    stops += frame->type == FRAME_STOP ? frame->instructions->len : 0;
  return stops;
}

/* What ended before this core was loaded and is not in the node's list is not there: nobody needs
 * to be told to end it. */
static void test_stopped_slots_are_not_stopped_again(void)
{
  g_autoptr(World) world = world_up_agents("a b");
  world_do(world, COMMAND_DOWN, "desk");
  g_hash_table_remove_all(world->held);
  world_reload(world);
  world->answers = false;
  world_connect(world);
  g_assert_cmpuint(stops_sent(world), ==, 0);
  g_assert_true(world_slot(world, "a", 0)->sight.present);
  g_assert_cmpint(world_slot(world, "a", 0)->since_ms, ==, world_slot(world, "a", 0)->ended_at_ms);
  world->answers = true;
  g_autoptr(Job) job = world_job("a b");
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  /* its node has told: no life is unknown */
  g_assert_cmpint(world_slot(world, "a", 0)->epoch, ==, 1);
}

/* It runs there in a life that a restored backup has overtaken: that is not absence. */
static void test_former_lives_are_stopped_again(void)
{
  g_autoptr(World) world = world_up_agents("a b");
  world_do(world, COMMAND_DOWN, "desk");
  Held *held = (Held *)(uintptr_t)world_held(world, "a", 0);
  held->epoch = 0;
  held->state = INSTANCE_RUNNING;
  world_reload(world);
  world->answers = false;
  world_connect(world);
  g_assert_false(world_slot(world, "a", 0)->sight.present);
  g_assert_cmpuint(stops_sent(world), ==, 1);
}

/* A start of ours may be on its way to the node that gives its list. */
static void test_own_starts_are_stopped_again(void)
{
  g_autoptr(World) world = world_up_agents("a b");
  world_do(world, COMMAND_DOWN, "desk");
  g_hash_table_remove_all(world->held);
  world_disconnect(world);
  world->answers = false;
  world_connect(world);
  g_assert_cmpuint(stops_sent(world), ==, 2);
}

/* Stopped slots whose end nobody told are asked for. */
static void test_untold_ends_are_asked_for(void)
{
  g_autoptr(World) world = world_up_agents("a");
  world->answers = false;
  world_do(world, COMMAND_DOWN, "desk");
  g_hash_table_remove_all(world->held);
  world_reload(world);
  stops_sent(world);
  world_connect(world);
  g_assert_cmpuint(stops_sent(world), ==, 1);
  world_assert_status(world, DEPLOYMENT_STOPPING, OUTCOME_OPEN);
}

static void test_degraded(void)
{
  g_autoptr(World) world = world_up_agents("a b");
  world_report(world, "b", 0, INSTANCE_BACKOFF, HEALTH_UNKNOWN, "exit status 3");
  world_assert_status(world, DEPLOYMENT_DEGRADED, OUTCOME_SUCCEEDED);
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_HEALTHY, NULL);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  world_report(world, "b", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "exit status 3, 3 restarts");
  g_assert_cmpstr(world_slot(world, "b", 0)->outcome, ==, "failed");
  g_assert_cmpuint(world->records, >, 0);
  world_reload(world);
  g_assert_cmpstr(world_slot(world, "b", 0)->reason, ==, "exit status 3, 3 restarts");
  g_assert_cmpint(world_slot(world, "b", 0)->last_exit.code, ==, 3);
  world_forget_log(world);
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_DEGRADED, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, ""); /* its restarts are used up: nobody starts it again */
}

static const NodeObject *only_node(const World *world)
{
  g_assert_cmpuint(core_nodes(world->core)->len, ==, 1);
  return core_nodes(world->core)->pdata[0];
}

static void test_silent_and_lost(void)
{
  g_autoptr(World) world = world_up_agents("a");
  world_pass(world, 34999);
  g_assert_cmpint(only_node(world)->status, ==, NODE_ONLINE);
  g_autoptr(Frame) beat = frame_new(FRAME_HEARTBEAT);
  world_apply(world, (Command){.type = COMMAND_NODE_FRAME, .node = "local", .frame = beat});
  g_assert_cmpuint(world->records, ==, 0);
  world_pass(world, 34999);
  g_assert_cmpint(only_node(world)->status, ==, NODE_ONLINE);
  world_pass(world, 1);
  g_assert_cmpint(only_node(world)->status, ==, NODE_SILENT);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  world_pass(world, 25000);
  g_assert_cmpint(only_node(world)->status, ==, NODE_LOST);
  world_assert_status(world, DEPLOYMENT_DEGRADED, OUTCOME_SUCCEEDED);
  world_forget_log(world);
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpstr(world->log->str, ==, "");
}

static void test_liveness_begins_anew_after_load(void)
{
  g_autoptr(World) world = world_up_agents("a");
  world_pass(world, 30000);
  world_reload(world);
  world_pass(world, 59999);
  g_assert_cmpint(only_node(world)->status, !=, NODE_LOST);
  world_pass(world, 1);
  g_assert_cmpint(only_node(world)->status, ==, NODE_LOST);
}

/* ---- ports ---- */

static Job *auto_job(const char *agents)
{
  Job *job = world_job(agents);
  for (guint i = 0; i < job->agents->len; i++)
    ((AgentSpec *)job->agents->pdata[i])->port = PORT_AUTO;
  return job;
}

/* Records from an older copy know other automatic ports than the node's processes have: each keeps
 * what it has, and none is given twice. */
static void test_ports_of_later_lives(void)
{
  g_autoptr(Job) job = auto_job("a b");
  g_autoptr(World) world = world_new();
  world_connect(world);
  world_deploy(world, job, false);
  const char *const agents[] = {"a", "b"};
  for (int i = 0; i < 2; i++) {
    Held *held = (Held *)(uintptr_t)world_held(world, agents[i], 0);
    g_assert_cmpint(held->spec->port, ==, 8100 + i);
    held->spec->port++;
    held->epoch = 7;
  }
  world_disconnect(world);
  world_connect(world);
  for (int i = 0; i < 2; i++) {
    g_assert_cmpint(world_slot(world, agents[i], 0)->port, ==, 8101 + i);
    g_assert_cmpint(world_held(world, agents[i], 0)->spec->port, ==, 8101 + i);
  }
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

static void test_automatic_ports(void)
{
  g_autoptr(Job) job = auto_job("a b");
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_hash_table_replace(world->moved, g_strdup("b"), GINT_TO_POINTER(8150));
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
  g_assert_cmpint(world_slot(world, "a", 0)->port, ==, 8100);
  g_assert_cmpint(world_slot(world, "b", 0)->port, ==, 8150);
  g_assert_cmpstr(world_environment(world, "a", 0, "CONNECTED_AGENTS"), ==,
                  "http://localhost:8150");
  world_do(world, COMMAND_DOWN, "desk");
  g_hash_table_remove_all(world->moved);
  world_deploy(world, job, false);
  g_assert_cmpint(world_slot(world, "b", 0)->port, ==, 8150); /* an agent keeps its port */
}

/* A proposal never takes the port that another agent of the same job declares. */
static void test_automatic_beside_fixed(void)
{
  g_autoptr(Job) job = auto_job("a b c");
  world_agent(job, "b")->port = 8100;
  g_autoptr(World) world = world_up(job);
  g_assert_cmpint(world_slot(world, "b", 0)->port, ==, 8100);
  g_assert_cmpint(world_slot(world, "a", 0)->port, ==, 8101);
  g_assert_cmpint(world_slot(world, "c", 0)->port, ==, 8102);
}

/* ... also when an automatic agent had it before. */
static void test_declared_before_kept(void)
{
  g_autoptr(Job) job = auto_job("a b");
  g_autoptr(World) world = world_up(job);
  g_assert_cmpint(world_slot(world, "a", 0)->port, ==, 8100);
  world_do(world, COMMAND_DOWN, "desk");
  world_agent(job, "b")->port = 8100;
  world_deploy(world, job, false);
  g_assert_cmpint(world_slot(world, "b", 0)->port, ==, 8100);
  g_assert_cmpint(world_slot(world, "a", 0)->port, !=, 8100);
}

static void test_two_deployments_share_no_port(void)
{
  g_autoptr(Job) job = auto_job("a"), other = auto_job("a");
  g_autoptr(World) world = world_up(job);
  g_free(other->name);
  other->name = g_strdup("other");
  world_deploy(world, other, false);
  const Instance *instance = core_deployment(world->core, "other")->instances->pdata[0];
  g_assert_cmpint(instance->port, ==, 8101);
}

static void test_taken_port_fails(void)
{
  g_autoptr(Job) job = world_job("a b");
  g_autoptr(World) world = world_new();
  world_connect(world);
  g_hash_table_replace(world->taken, g_strdup("b"),
                       g_strdup("port 9010 is in use by pid 4711 (nginx)"));
  world_deploy(world, job, false);
  world_assert_status(world, DEPLOYMENT_FAILED, OUTCOME_FAILED);
  g_assert_cmpstr(world_desk(world)->reason, ==,
                  "agent 'b': port 9010 is in use by pid 4711 (nginx)");
  g_assert_cmpstr(world->log->str, ==, ""); /* before anything was started */
}

/* `a` runs on a node that has not been heard of for a while: nothing new is placed there, so that
 * only `a` is asked for when @job brings `b`. */
static World *world_silent(Job *job)
{
  g_autoptr(World) world = world_up_agents("a");
  world_pass(world, 35000);
  g_assert_cmpint(only_node(world)->status, ==, NODE_SILENT);
  g_free(world_agent(job, "a")->working_dir);
  world_agent(job, "a")->working_dir = g_strdup("/elsewhere");
  world_forget_log(world);
  return g_steal_pointer(&world);
}

/* A slot that finds its place only after the node was asked about the others is asked about too. */
static void test_slot_placed_after_the_others(void)
{
  g_autoptr(Job) job = world_job("a b");
  g_autoptr(World) world = world_silent(job);
  g_hash_table_replace(world->taken, g_strdup("b"), g_strdup("port 9010 is in use by pid 4711"));
  world_deploy(world, job, false);
  g_assert_nonnull(world_slot(world, "b", 0)->node); /* the answer about `a` was a sign of life */
  g_assert_cmpstr(world_desk(world)->reason, ==, "agent 'b': port 9010 is in use by pid 4711");
  g_assert_cmpstr(world->log->str, ==, ""); /* before anything was started */
}

static void test_found_node_is_given_slots(void)
{
  g_autoptr(Job) job = world_job("a b");
  g_autoptr(World) world = world_silent(job);
  world->holds_reserve = true;
  world_deploy(world, job, false);
  g_assert_null(world_slot(world, "b", 0)->node);
  g_autoptr(Frame) beat = frame_new(FRAME_HEARTBEAT);
  world_apply(world, (Command){.type = COMMAND_NODE_FRAME, .node = "local", .frame = beat});
  g_assert_true(world_slot(world, "b", 0)->node == only_node(world));
  g_assert_cmpuint(world_desk(world)->rollout->reserves->len, ==, 2);
  world->holds_reserve = false;
  world_connect(world);
  world_assert_status(world, DEPLOYMENT_RUNNING, OUTCOME_SUCCEEDED);
}

static void test_late_answer_to_reserve(void)
{
  g_autoptr(Job) job = world_job("a");
  g_autoptr(World) world = world_new();
  world_connect(world);
  world->answers = false;
  world_deploy(world, job, false);
  const Rollout *rollout = world_desk(world)->rollout;
  int64_t request = ((const Reserve *)rollout->reserves->pdata[0])->request;
  g_assert_cmpint(request, >, 0);
  world_do(world, COMMAND_CANCEL, "desk");
  while (!g_queue_is_empty(world->mail))
    frame_free(g_queue_pop_head(world->mail));
  g_autoptr(Frame) answer = frame_new(FRAME_RESERVED);
  answer->request = request;
  g_ptr_array_add(answer->reservations, reservation_new(world_slot(world, "a", 0)->id, 9000, NULL));
  world_apply(world, (Command){.type = COMMAND_NODE_FRAME, .node = "local", .frame = answer});
  g_autoptr(Frame) release = g_queue_pop_head(world->mail);
  g_assert_cmpint(release->type, ==, FRAME_RELEASE);
  g_assert_cmpint(release->request, ==, request);
  world_assert_status(world, DEPLOYMENT_STOPPED, OUTCOME_CANCELLED);
}

/* ---- specs ---- */

static void test_environment(void)
{
  g_autoptr(Job) job = world_job("a b");
  AgentSpec *a = world_agent(job, "a");
  world_agent(job, "b")->replicas = 2;
  strmap_set(&job->caller, "PATH", "/caller/bin");
  strmap_set(&job->caller, "LANG", "C.UTF-8");
  strmap_set(&job->environment, "PATH", "/job/bin");
  strmap_set(&job->environment, "AGENT_ALLOWED_HOSTS", "gpu.example");
  strmap_set(&a->config, "max-tokens", "9");
  strmap_set(&a->environment, "LEVEL", "2");
  strmap_set(&a->environment, "AGENT_ID", "mine");
  g_autoptr(World) world = world_up(job);
  static const char *const wanted[][2] = {
      {"PATH", "/job/bin"},
      {"LANG", "C.UTF-8"},
      {"AGENT_ID", "mine"},
      {"JOB_ID", "desk"},
      {"AGENT_PORT", "9000"},
      {"AGENT_MAX_TOKENS", "9"},
      {"AGENT_ALLOWED_HOSTS", "localhost,127.0.0.1,gpu.example"},
      {"CONNECTED_AGENTS", "http://localhost:9010,http://localhost:9011"},
      {"AGENT_PEERS_FILE", "@REEVE_INSTANCE_DIR@/peers.json"},
      {"REEVE_REPLICA", "0"},
      {"LEVEL", "2"}};
  for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
    g_assert_cmpstr(world_environment(world, "a", 0, wanted[i][0]), ==, wanted[i][1]);
  g_assert_null(world_environment(world, "b", 0, "CONNECTED_AGENTS"));
  g_assert_cmpstr(world_environment(world, "b", 1, "REEVE_REPLICA"), ==, "1");
  g_assert_cmpstr(world_environment(world, "b", 1, "AGENT_PORT"), ==, "9011");
}

static void assert_argv(const World *world, const char *agent, const char *line)
{
  const Held *held = world_held(world, agent, 0);
  g_autofree char *argv = g_strjoinv(" ", held->spec->argv);
  g_assert_cmpstr(argv, ==, line);
}

static void test_argv(void)
{
  g_autoptr(Job) job = world_job("command module reeve");
  AgentSpec *module = world_agent(job, "module"), *reeve = world_agent(job, "reeve");
  g_clear_pointer(&module->command, g_strfreev);
  g_clear_pointer(&reeve->command, g_strfreev);
  module->module = g_strdup("shop.agent");
  reeve->agent_file = g_strdup("/srv/agents/hub.toml");
  reeve->agent_text = g_strdup("name = 'hub'\n");
  strmap_set(&job->caller, "VIRTUAL_ENV", "/venv");
  g_autoptr(World) world = world_up(job);
  assert_argv(world, "command", "run v1");
  assert_argv(world, "module", "/venv/bin/python3 -m shop.agent");
  assert_argv(world, "reeve",
              "@REEVE_BIN@ agent serve --port 9020 --agent @REEVE_INSTANCE_DIR@/agent.toml");
  g_assert_cmpstr(world_held(world, "reeve", 0)->spec->agent_text, ==, "name = 'hub'\n");
  g_assert_cmpstr(world_held(world, "reeve", 0)->spec->working_dir, ==, "/srv/agents");
  g_assert_cmpstr(world_held(world, "command", 0)->spec->working_dir, ==, "/srv/desk");
}

/* ---- words ---- */

static json_t *parsed(const char *text)
{
  json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  g_assert_nonnull(root);
  return root;
}

static void assert_keys(const json_t *object, const char *keys)
{
  g_auto(GStrv) names = g_strsplit(keys, " ", -1);
  for (int i = 0; names[i]; i++)
    if (!json_object_get(object, names[i]))
      g_error("no key '%s'", names[i]);
  g_assert_cmpuint(json_object_size(object), ==, g_strv_length(names));
}

static void test_render(void)
{
  g_autoptr(World) world = world_up_agents("a b");
  world_report(world, "b", 0, INSTANCE_FAILED, HEALTH_UNKNOWN, "exit status 3");
  g_autoptr(GString) text = g_string_new(NULL);
  render_deployment(text, world_desk(world), RENDER_FULL);
  json_t *root = parsed(text->str);
  assert_keys(
      root,
      "id name status revision rollout outcome reason created_at updated_at agents healthy entry_point previous instances");
  assert_keys(
      json_object_get(root, "rollout"),
      "id kind phase stage stages from to outcome verdict cause actor started_at ended_at failed deployment");
  const json_t *b = json_array_get(json_object_get(root, "instances"), 1);
  assert_keys(
      b,
      "id deployment name agent replica node state health revision generation epoch attempt restarts pid port url stage step since "
      "left_over scheduled stale_environment reason last_exit output unenforced");
  g_assert_cmpstr(json_string_value(json_object_get(b, "state")), ==, "failed");
  g_assert_cmpstr(json_string_value(json_object_get(b, "output")), ==, "no such model\n");
  g_assert_cmpint(json_integer_value(json_object_get(json_object_get(b, "last_exit"), "code")), ==,
                  3);
  g_assert_cmpint(json_integer_value(json_object_get(root, "agents")), ==, 2);
  g_assert_cmpint(json_integer_value(json_object_get(root, "healthy")), ==, 1);
  json_decref(root);
}

static void test_why(void)
{
  g_autoptr(World) world = world_up_agents("a b");
  world_report(world, "b", 0, INSTANCE_RUNNING, HEALTH_UNHEALTHY, "no answer on port 9010");
  g_autofree char *text = core_why(world->core, world_desk(world), world->now.wall_ms);
  json_t *root = parsed(text);
  assert_keys(root, "text reasons next");
  g_assert_nonnull(strstr(text, "b runs and is unhealthy: no answer on port 9010"));
  g_assert_nonnull(strstr(text, "\\nsee: reeve logs desk/b"));
  g_assert_null(strstr(text, "\\n  a "));
  json_decref(root);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/nodes/old-reports-are-ignored", test_old_reports_are_ignored);
  g_test_add_func("/nodes/same-report-twice", test_same_report_twice);
  g_test_add_func("/nodes/removed-instance-is-ended", test_removed_instance_is_ended);
  g_test_add_func("/nodes/other-store-is-refused", test_other_store_is_refused);
  g_test_add_func("/nodes/unexplained-is-ended-later", test_unexplained_is_ended_later);
  g_test_add_func("/nodes/unconfirmed-keeps-all", test_unconfirmed_keeps_all);
  g_test_add_func("/nodes/later-epoch-is-surpassed", test_later_epoch_is_surpassed);
  g_test_add_func("/nodes/later-epoch-in-a-refused-change", test_later_epoch_in_a_refused_change);
  g_test_add_func("/nodes/later-term-is-refused", test_later_term_is_refused);
  g_test_add_func("/nodes/other-protocol-is-refused", test_other_protocol_is_refused);
  g_test_add_func("/nodes/other-incarnation-waits", test_other_incarnation_waits);
  g_test_add_func("/nodes/lost-start-is-sent-again", test_lost_start_is_sent_again);
  g_test_add_func("/nodes/stop-is-sent-again", test_stop_is_sent_again);
  g_test_add_func("/nodes/stopped-slots-are-not-stopped-again",
                  test_stopped_slots_are_not_stopped_again);
  g_test_add_func("/nodes/former-lives-are-stopped-again", test_former_lives_are_stopped_again);
  g_test_add_func("/nodes/own-starts-are-stopped-again", test_own_starts_are_stopped_again);
  g_test_add_func("/nodes/untold-ends-are-asked-for", test_untold_ends_are_asked_for);
  g_test_add_func("/nodes/degraded", test_degraded);
  g_test_add_func("/nodes/silent-and-lost", test_silent_and_lost);
  g_test_add_func("/nodes/liveness-begins-anew-after-load", test_liveness_begins_anew_after_load);
  g_test_add_func("/ports/automatic", test_automatic_ports);
  g_test_add_func("/ports/later-lives", test_ports_of_later_lives);
  g_test_add_func("/ports/automatic-beside-fixed", test_automatic_beside_fixed);
  g_test_add_func("/ports/declared-before-kept", test_declared_before_kept);
  g_test_add_func("/ports/two-deployments", test_two_deployments_share_no_port);
  g_test_add_func("/ports/taken", test_taken_port_fails);
  g_test_add_func("/ports/placed-later", test_slot_placed_after_the_others);
  g_test_add_func("/ports/found-node", test_found_node_is_given_slots);
  g_test_add_func("/ports/late-answer", test_late_answer_to_reserve);
  g_test_add_func("/spec/environment", test_environment);
  g_test_add_func("/spec/argv", test_argv);
  g_test_add_func("/words/render", test_render);
  g_test_add_func("/words/why", test_why);
  return g_test_run();
}
