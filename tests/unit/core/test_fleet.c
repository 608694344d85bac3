/* Several nodes under one core: what belongs to one node is no business of the others. */
#include "core/build.h"
#include "core/objects.h"

#include <string.h>

typedef struct Fleet {
  Core *core;
  Now now;
  GPtrArray *told; /* of Frame*: what the last command told, in order */
  GPtrArray *whom; /* of char*: ... to which node */
  int64_t wake_at_ms;
} Fleet;

static Fleet *fleet_new(void)
{
  Fleet *fleet = g_new0(Fleet, 1);
  fleet->core = core_new(NULL);
  fleet->now = (Now){.boot_ms = 1000, .wall_ms = 1700000000000};
  fleet->told = g_ptr_array_new_with_free_func((GDestroyNotify)frame_free);
  fleet->whom = g_ptr_array_new_with_free_func(g_free);
  return fleet;
}

static void fleet_free(Fleet *fleet)
{
  core_free(fleet->core);
  g_ptr_array_unref(fleet->told);
  g_ptr_array_unref(fleet->whom);
  g_free(fleet);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fleet, fleet_free)

static void fleet_apply(Fleet *fleet, Command command)
{
  g_autoptr(Effects) effects = effects_new();
  core_apply(fleet->core, &command, fleet->now, effects);
  g_ptr_array_set_size(fleet->told, 0);
  g_ptr_array_set_size(fleet->whom, 0);
  for (guint i = 0; i < effects->messages->len; i++) {
    const Message *message = effects->messages->pdata[i];
    g_autoptr(GError) error = NULL;
    g_ptr_array_add(fleet->told, frame_parse(message->frame, strlen(message->frame), &error));
    g_assert_no_error(error);
    g_ptr_array_add(fleet->whom, g_strdup(message->node));
  }
  fleet->wake_at_ms = effects->wake_at_ms;
}

/* The first frame of @type that @node was just told, or NULL. */
static const Frame *fleet_told(const Fleet *fleet, const char *node, FrameType type)
{
  for (guint i = 0; i < fleet->told->len; i++)
    if (((const Frame *)fleet->told->pdata[i])->type == type &&
        strcmp(fleet->whom->pdata[i], node) == 0)
      return fleet->told->pdata[i];
  return NULL;
}

static void fleet_hello(Fleet *fleet, const char *node)
{
  g_autoptr(Frame) hello = frame_new(FRAME_HELLO);
  hello->protocol = PROTOCOL_VERSION;
  hello->node = g_strdup(node);
  hello->boot_id = g_strdup("boot");
  fleet_apply(fleet, (Command){.type = COMMAND_NODE_FRAME, .node = node, .frame = hello});
}

static void fleet_beat(Fleet *fleet, const char *node)
{
  g_autoptr(Frame) beat = frame_new(FRAME_HEARTBEAT);
  fleet_apply(fleet, (Command){.type = COMMAND_NODE_FRAME, .node = node, .frame = beat});
}

/* @node answers the RESERVE @request for every slot that it has, with @port. */
static void fleet_answer(Fleet *fleet, const char *node, int64_t request, int port)
{
  g_autoptr(Frame) answer = frame_new(FRAME_RESERVED);
  const Deployment *deployment = core_deployment(fleet->core, "desk");
  answer->request = request;
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (instance->node && strcmp(instance->node->id, node) == 0)
      g_ptr_array_add(answer->reservations, reservation_new(instance->id, port, NULL));
  }
  fleet_apply(fleet, (Command){.type = COMMAND_NODE_FRAME, .node = node, .frame = answer});
}

/* Agents "a" and "b" of one stage, with automatic ports. */
static void fleet_deploy(Fleet *fleet, const char *name)
{
  g_autoptr(Job) job = job_new();
  job->name = g_strdup(name);
  job->directory = g_strdup("/srv");
  job->topology.type = TOPOLOGY_DYNAMIC;
  for (const char *id = "a\0b\0"; *id; id += 2) {
    AgentSpec *agent = agent_spec_new(id);
    agent->command = g_strsplit("run", " ", -1);
    agent->port = PORT_AUTO;
    g_assert_true(job_add_agent(job, agent));
  }
  g_autofree char *json = job_to_json(job);
  fleet_apply(
      fleet,
      (Command){
          .type = COMMAND_DEPLOY, .job = job, .job_json = json, .source = "", .source_name = "j"});
}

static RolloutPhase fleet_phase(const Fleet *fleet, const char *name)
{
  return core_deployment(fleet->core, name)->rollout->phase;
}

/* A slot on each node: each is asked for its own, with a port of its own. */
static Fleet *fleet_of_two(int64_t requests[2])
{
  Fleet *fleet = fleet_new();
  fleet_hello(fleet, "one");
  fleet_hello(fleet, "two");
  fleet_deploy(fleet, "desk");
  const Frame *one = fleet_told(fleet, "one", FRAME_RESERVE);
  const Frame *two = fleet_told(fleet, "two", FRAME_RESERVE);
  g_assert_nonnull(one);
  g_assert_nonnull(two);
  g_assert_cmpuint(one->instructions->len, ==, 1);
  g_assert_cmpuint(two->instructions->len, ==, 1);
  g_assert_cmpint(one->request, !=, two->request);
  g_assert_cmpint(((const Instruction *)one->instructions->pdata[0])->spec->port, ==, 8100);
  g_assert_cmpint(((const Instruction *)two->instructions->pdata[0])->spec->port, ==, 8100);
  requests[0] = one->request;
  requests[1] = two->request;
  return fleet;
}

static void test_every_node_is_asked(void)
{
  int64_t requests[2];
  g_autoptr(Fleet) fleet = fleet_of_two(requests);
  fleet_answer(fleet, "one", requests[0], 8100);
  g_assert_cmpint(fleet_phase(fleet, "desk"), ==, ROLLOUT_PHASE_RESERVE);
  g_assert_null(fleet_told(fleet, "one", FRAME_START));
  fleet_answer(fleet, "two", requests[1], 8100);
  g_assert_cmpint(fleet_phase(fleet, "desk"), ==, ROLLOUT_PHASE_APPLY);
  g_assert_nonnull(fleet_told(fleet, "one", FRAME_START));
  g_assert_nonnull(fleet_told(fleet, "two", FRAME_START));
}

static void test_one_refuses_for_all(void)
{
  int64_t requests[2];
  g_autoptr(Fleet) fleet = fleet_of_two(requests);
  fleet_answer(fleet, "one", requests[0], 8100);
  g_autoptr(Frame) answer = frame_new(FRAME_RESERVED);
  const Deployment *deployment = core_deployment(fleet->core, "desk");
  answer->request = requests[1];
  g_ptr_array_add(answer->reservations,
                  reservation_new(((const Instance *)deployment->instances->pdata[1])->id, 0,
                                  "no such command"));
  fleet_apply(fleet, (Command){.type = COMMAND_NODE_FRAME, .node = "two", .frame = answer});
  g_assert_cmpint(fleet_phase(fleet, "desk"), ==, ROLLOUT_PHASE_DONE);
  g_assert_cmpstr(deployment->reason, ==, "agent 'b': no such command");
  /* what the other one holds for it is let go */
  g_assert_cmpint(fleet_told(fleet, "one", FRAME_RELEASE)->request, ==, requests[0]);
  g_assert_cmpint(fleet_told(fleet, "two", FRAME_RELEASE)->request, ==, requests[1]);
}

/* Its question died with its link; the answer of the other one still counts. */
static void test_only_who_returns_is_asked_again(void)
{
  int64_t requests[2];
  g_autoptr(Fleet) fleet = fleet_of_two(requests);
  fleet_answer(fleet, "one", requests[0], 8100);
  fleet_apply(fleet, (Command){.type = COMMAND_NODE_GONE, .node = "two"});
  g_assert_cmpint(fleet_phase(fleet, "desk"), ==, ROLLOUT_PHASE_RESERVE);
  fleet_hello(fleet, "two");
  g_assert_null(fleet_told(fleet, "one", FRAME_RESERVE));
  const Frame *again = fleet_told(fleet, "two", FRAME_RESERVE);
  g_assert_nonnull(again);
  g_assert_cmpint(again->request, !=, requests[1]);
  fleet_answer(fleet, "two", again->request, 8100);
  g_assert_cmpint(fleet_phase(fleet, "desk"), ==, ROLLOUT_PHASE_APPLY);
}

/* "desk" has slots on both nodes. No time runs out for it while one of them is silent, and
 * whichever comes and goes beside them changes nothing about that. */
static void test_time_stands_still_for_silent_nodes(void)
{
  int64_t requests[2];
  g_autoptr(Fleet) fleet = fleet_of_two(requests);
  int64_t deadline = core_deployment(fleet->core, "desk")->rollout->deadline_boot_ms;
  fleet_hello(fleet, "third");
  while (fleet->now.boot_ms < deadline) {
    fleet->now.boot_ms += 10000;
    fleet->now.wall_ms += 10000;
    fleet_beat(fleet, "one");
    fleet_hello(fleet, "third");
    fleet_apply(fleet, (Command){.type = COMMAND_TICK});
  }
  const NodeObject *two = core_nodes(fleet->core)->pdata[1];
  if (two->status == NODE_SILENT)
    g_assert_cmpint(fleet_phase(fleet, "desk"), ==, ROLLOUT_PHASE_RESERVE);
  /* it is lost, and then it is judged: nobody had pushed its deadline on */
  for (int i = 0; i < 6; i++) {
    fleet->now.boot_ms += 10000;
    fleet_beat(fleet, "one");
    fleet_hello(fleet, "third");
    fleet_apply(fleet, (Command){.type = COMMAND_TICK});
  }
  g_assert_cmpint(two->status, ==, NODE_LOST);
  g_assert_cmpint(fleet_phase(fleet, "desk"), ==, ROLLOUT_PHASE_DONE);
}

/* A deployment that found no node takes the first that comes. */
static void test_any_node_helps(void)
{
  g_autoptr(Fleet) fleet = fleet_new();
  fleet_deploy(fleet, "desk");
  g_assert_true(core_deployment(fleet->core, "desk")->rollout->unplaced);
  fleet_hello(fleet, "late");
  const Frame *asked = fleet_told(fleet, "late", FRAME_RESERVE);
  g_assert_nonnull(asked);
  g_assert_cmpuint(asked->instructions->len, ==, 2);
  g_assert_false(core_deployment(fleet->core, "desk")->rollout->unplaced);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/fleet/every-node-is-asked", test_every_node_is_asked);
  g_test_add_func("/fleet/one-refuses-for-all", test_one_refuses_for_all);
  g_test_add_func("/fleet/only-who-returns", test_only_who_returns_is_asked_again);
  g_test_add_func("/fleet/silent", test_time_stands_still_for_silent_nodes);
  g_test_add_func("/fleet/any-node-helps", test_any_node_helps);
  return g_test_run();
}
