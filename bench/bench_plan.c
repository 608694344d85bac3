/* Times plan_new on a DAG of N agents and M edges (pseudo-random, acyclic: from lower to higher
 * index) and prints milliseconds. The same edges go to stdout's reference through --edges. Usage:
 * bench_plan N M [--edges FILE] */
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double ms_now(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static uint64_t bench_random(uint64_t *state)
{
  *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
  return *state >> 33;
}

static Job *bench_job(guint agents, guint edges, FILE *out)
{
  Job *job = job_new();
  for (guint i = 0; i < agents; i++) {
    char id[32];
    g_snprintf(id, sizeof id, "a%u", i);
    AgentSpec *agent = agent_spec_new(id);
    agent->port = PORT_NONE;
    job_add_agent(job, agent);
  }
  job->topology.type = TOPOLOGY_DAG;
  uint64_t seed = 4711;
  for (guint i = 0; i < edges; i++) {
    guint to = 1 + (guint)(bench_random(&seed) % (agents - 1));
    Connection edge = {.from = (guint)(bench_random(&seed) % to), .to = to};
    g_array_append_val(job->topology.connections, edge);
    if (out)
      fprintf(out, "%u %u\n", edge.from, edge.to);
  }
  return job;
}

int main(int argc, char **argv)
{
  if (argc < 3)
    return 2;
  FILE *out = argc == 5 && strcmp(argv[3], "--edges") == 0 ? fopen(argv[4], "w") : NULL;
  g_autoptr(Job) job = bench_job((guint)atoi(argv[1]), (guint)atoi(argv[2]), out);
  if (out)
    fclose(out);
  g_autoptr(GError) error = NULL;
  double start = ms_now();
  g_autoptr(Plan) plan = plan_new(job, &error);
  double took = ms_now() - start;
  if (!plan) {
    fprintf(stderr, "bench_plan: %s\n", error->message);
    return 1;
  }
  printf("%.2f %u\n", took, plan->stages->len);
  return 0;
}
