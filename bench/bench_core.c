/* Times turns of the core, with nothing around it: what happens to one node beside few and many
 * others, a deployment beside few and many slots, and a deployment of many stages. Prints a line
 * "NAME MICROSECONDS" for each.
 *
 * Usage: bench_core heartbeat NODES | hello NODES | deploy SLOTS | stages N */
#include "core/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEARTBEATS = 20000, HELLOS = 200, DEPLOY_SLOTS = 1000, BLOCK_SLOTS = 1000 };

static Now bench_now = {.boot_ms = 1000, .wall_ms = 1700000000000};
static double bench_spent_us; /* in core_apply */

static double bench_us(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* The effects of the turn; caller frees. */
static Effects *bench_apply(Core *core, const Command *command)
{
  Effects *effects = effects_new();
  double start = bench_us();
  core_apply(core, command, bench_now, effects);
  bench_spent_us += bench_us() - start;
  return effects;
}

static void bench_do(Core *core, const Command *command)
{
  effects_free(bench_apply(core, command));
}

static void bench_hello(Core *core, const char *node)
{
  g_autoptr(Frame) hello = frame_new(FRAME_HELLO);
  hello->protocol = 1;
  hello->node = g_strdup(node);
  hello->name = g_strdup(node);
  hello->boot_id = g_strdup("boot");
  bench_do(core, &(Command){.type = COMMAND_NODE_FRAME, .node = node, .frame = hello});
}

/* Answers what the node was told in @effects, which it frees, until nothing is told any more. */
static void bench_answer(Core *core, const char *node, Effects *effects)
{
  g_autoptr(Frame) report = frame_new(FRAME_REPORT);
  g_autoptr(GPtrArray) asks = g_ptr_array_new_with_free_func((GDestroyNotify)frame_free);
  for (guint i = 0; i < effects->messages->len; i++) {
    const char *text = ((const Message *)effects->messages->pdata[i])->frame;
    g_ptr_array_add(asks, frame_parse(text, strlen(text), NULL));
  }
  effects_free(effects);
  for (guint i = 0; i < asks->len; i++) {
    const Frame *frame = asks->pdata[i];
    g_autoptr(Frame) reserved = frame_new(FRAME_RESERVED);
    reserved->request = frame->request;
    for (guint k = 0; k < frame->instructions->len; k++) {
      const Instruction *told = frame->instructions->pdata[k];
      if (frame->type == FRAME_RESERVE) {
        Reservation *reservation = g_new0(Reservation, 1);
        reservation->id = g_strdup(told->id);
        reservation->port = told->spec->port;
        g_ptr_array_add(reserved->reservations, reservation);
      } else if (frame->type == FRAME_START || frame->type == FRAME_STOP) {
        bool start = frame->type == FRAME_START;
        InstanceReport *line = g_new0(InstanceReport, 1);
        line->id = g_strdup(told->id);
        line->epoch = told->epoch;
        line->generation = told->generation;
        line->state = start ? INSTANCE_RUNNING : INSTANCE_STOPPED;
        line->health = start ? HEALTH_HEALTHY : HEALTH_UNKNOWN;
        line->attempt = 1;
        line->pid = start ? 4711 : 0;
        line->port = start ? told->spec->port : 0;
        line->last_exit.code = -1;
        g_ptr_array_add(report->reports, line);
      }
    }
    if (frame->type == FRAME_RESERVE)
      bench_answer(
          core, node,
          bench_apply(core,
                      &(Command){.type = COMMAND_NODE_FRAME, .node = node, .frame = reserved}));
  }
  if (report->reports->len)
    bench_answer(
        core, node,
        bench_apply(core, &(Command){.type = COMMAND_NODE_FRAME, .node = node, .frame = report}));
}

/* @agents agents of one stage, or a stage each. */
static void bench_deploy(Core *core, const char *name, guint agents, bool stages)
{
  g_autoptr(Job) job = job_new();
  job->name = g_strdup(name);
  job->directory = g_strdup("/srv");
  job->topology.type = stages ? TOPOLOGY_PIPELINE : TOPOLOGY_DYNAMIC;
  for (guint i = 0; i < agents; i++) {
    char id[32];
    g_snprintf(id, sizeof id, "a%u", i);
    AgentSpec *agent = agent_spec_new(id);
    agent->command = g_strsplit("/bin/true", " ", -1);
    agent->port = stages ? PORT_NONE : PORT_AUTO;
    agent->health.min_healthy_ms = 0;
    job_add_agent(job, agent);
    if (stages)
      topology_add_group(&job->topology, &i, 1);
  }
  g_autofree char *json = job_to_json(job);
  bench_answer(core, "node-0",
               bench_apply(core, &(Command){.type = COMMAND_DEPLOY,
                                            .job = job,
                                            .job_json = json,
                                            .source = "",
                                            .source_name = "bench.yaml"}));
}

static void bench_nodes(Core *core, int n)
{
  for (int i = 0; i < n; i++) {
    char id[32];
    g_snprintf(id, sizeof id, "node-%d", i);
    bench_hello(core, id);
  }
}

static void bench_heartbeat(Core *core, int others)
{
  g_autoptr(Frame) beat = frame_new(FRAME_HEARTBEAT);
  bench_nodes(core, others + 1);
  bench_spent_us = 0;
  for (int i = 0; i < HEARTBEATS; i++) {
    beat->seq = i;
    bench_do(core, &(Command){.type = COMMAND_NODE_FRAME, .node = "node-0", .frame = beat});
  }
  printf("heartbeat %.3f\n", bench_spent_us / HEARTBEATS);
}

static void bench_hellos(Core *core, int others)
{
  bench_nodes(core, others + 1);
  bench_spent_us = 0;
  for (int i = 0; i < HELLOS; i++)
    bench_hello(core, "node-0");
  printf("hello %.3f\n", bench_spent_us / HELLOS);
}

static void bench_slots(Core *core, int others)
{
  bench_nodes(core, 1);
  for (int i = 0; i < others / BLOCK_SLOTS; i++) {
    char name[32];
    g_snprintf(name, sizeof name, "other-%d", i);
    bench_deploy(core, name, BLOCK_SLOTS, false);
  }
  bench_spent_us = 0;
  bench_deploy(core, "bench", DEPLOY_SLOTS, false);
  const Deployment *deployment = core_deployment(core, "bench");
  g_assert(deployment->status == DEPLOYMENT_RUNNING);
  printf("deploy %.3f\n", bench_spent_us);
  bench_spent_us = 0;
  for (int i = 0; i < HELLOS / 10; i++)
    bench_hello(core, "empty");
  printf("hello-empty %.3f\n", bench_spent_us / (HELLOS / 10));
}

static void bench_stages(Core *core, int stages)
{
  bench_nodes(core, 1);
  bench_deploy(core, "bench", (guint)stages, true);
  g_assert(core_deployment(core, "bench")->status == DEPLOYMENT_RUNNING);
  printf("stages-up %.3f\n", bench_spent_us);
  bench_spent_us = 0;
  bench_answer(core, "node-0",
               bench_apply(core, &(Command){.type = COMMAND_DOWN, .deployment = "bench"}));
  g_assert(core_deployment(core, "bench")->status == DEPLOYMENT_STOPPED);
  printf("stages-down %.3f\n", bench_spent_us);
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(Core *core, int n);
  } runs[] = {{"heartbeat", bench_heartbeat},
              {"hello", bench_hellos},
              {"deploy", bench_slots},
              {"stages", bench_stages}};
  g_autoptr(Core) core = core_new(NULL);
  for (size_t i = 0; argc == 3 && i < G_N_ELEMENTS(runs); i++)
    if (strcmp(argv[1], runs[i].name) == 0) {
      runs[i].run(core, atoi(argv[2]));
      return 0;
    }
  fprintf(stderr, "usage: bench_core heartbeat|hello NODES, or deploy SLOTS, or stages N\n");
  return 2;
}
