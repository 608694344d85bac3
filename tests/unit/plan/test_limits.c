/* What only a whole job shows to be too large: each limit is held at its number and refused one
 * above, with the agent, the number and the most; and nothing is built that the limit forbids. */
#include "model/limit_words.h"
#include "plan/plan.h"

#include <string.h>

enum { FIRST_PORT = 20000 };

/* @n agents with the ports from @port on; 0 = they have none. All are one mesh, or the first is the
 * hub of the others. */
static Job *job_of(guint n, int port, TopologyType type)
{
  Job *job = job_new();
  g_autofree guint *members = g_new(guint, n);
  job->name = g_strdup("desk");
  for (guint i = 0; i < n; i++) {
    g_autofree char *id = g_strdup_printf("a%u", i);
    AgentSpec *agent = agent_spec_new(id);
    agent->port = port ? port + (int)i : PORT_NONE;
    agent->pos = (SourcePos){"job.yaml", (int)i + 2, 5};
    g_assert_true(job_add_agent(job, agent));
    members[i] = i;
  }
  job->topology.type = type;
  job->topology.pos = (SourcePos){"job.yaml", 1, 9};
  job->topology.hub = type == TOPOLOGY_HUB_SPOKE ? 0 : -1;
  if (type == TOPOLOGY_HUB_SPOKE)
    topology_add_group(&job->topology, members + 1, n - 1);
  else if (type == TOPOLOGY_MESH)
    topology_add_group(&job->topology, members, n);
  return job;
}

static AgentSpec *first(const Job *job)
{
  return job->agents->pdata[0];
}

/* Frees @job. */
static char *said_of(Job *job)
{
  g_autoptr(Problems) problems = problems_new();
  plan_check_limits(job, problems);
  job_free(job);
  return problems_text(problems);
}

static void assert_fits(Job *job)
{
  g_autofree char *said = said_of(job);
  g_assert_cmpstr(said, ==, "");
}

static void assert_refused(Job *job, const char *expected)
{
  g_autofree char *said = said_of(job);
  g_assert_cmpstr(said, ==, expected);
}

static Job *replicas_of(int last)
{
  Job *job = job_of(50, 0, TOPOLOGY_DYNAMIC);
  for (guint i = 0; i < 49; i++)
    ((AgentSpec *)job->agents->pdata[i])->replicas = 1000;
  ((AgentSpec *)job->agents->pdata[49])->replicas = last;
  return job;
}

static void test_instances(void)
{
  assert_fits(replicas_of(1000));
  assert_refused(replicas_of(1001),
                 "job.yaml:2:5: error: 'agents': 50001 instances; at most 50000\n");
}

static void test_connections(void)
{
  assert_fits(job_of(1000, 0, TOPOLOGY_MESH));
  assert_refused(job_of(1001, 0, TOPOLOGY_MESH),
                 "job.yaml:1:9: error: 'topology': 1001000 connections; at most 1000000\n");
  /* of which the plan alone would have ten gigabytes */
  assert_refused(job_of(50000, 0, TOPOLOGY_MESH),
                 "job.yaml:1:9: error: 'topology': 2499950000 connections; at most 1000000\n");
  Job *levels = job_of(2001, 0, TOPOLOGY_PIPELINE);
  guint members[2001];
  for (guint i = 0; i < 2001; i++)
    members[i] = i;
  topology_add_group(&levels->topology, members, 1000);
  topology_add_group(&levels->topology, members + 1000, 1001);
  assert_refused(levels, "job.yaml:1:9: error: 'topology': 1001000 connections; at most 1000000\n");
  Job *replicas = job_of(2, 0, TOPOLOGY_DAG);
  Connection edge = {0, 1};
  g_array_append_val(replicas->topology.connections, edge);
  first(replicas)->replicas = 1000;
  assert_fits(replicas);
}

static Job *hub_of(guint spokes)
{
  return job_of(spokes + 1, FIRST_PORT, TOPOLOGY_HUB_SPOKE);
}

static void test_urls_of_others(void)
{
  /* "CONNECTED_AGENTS=" and 5,698 times "http://localhost:20001" with a comma between */
  assert_fits(hub_of(5698));
  assert_refused(
      hub_of(5699),
      "job.yaml:2:5: error: agent 'a0': variable 'CONNECTED_AGENTS': 131093 bytes; at most 131071\n");
}

static Job *words_of(guint n, size_t length)
{
  Job *job = job_of(1, 0, TOPOLOGY_DYNAMIC);
  first(job)->command = g_new0(char *, n + 1);
  for (guint i = 0; i < n; i++)
    first(job)->command[i] = g_strnfill(i ? 1 : length, 'x');
  return job;
}

static void test_words(void)
{
  assert_fits(words_of(AGENT_WORDS_MAX, 1));
  assert_refused(words_of(AGENT_WORDS_MAX + 1, 1),
                 "job.yaml:2:5: error: agent 'a0': 'command': 4097 words; at most 4096\n");
  assert_fits(words_of(1, AGENT_TEXT_BYTES_MAX));
  assert_refused(
      words_of(1, AGENT_TEXT_BYTES_MAX + 1),
      "job.yaml:2:5: error: agent 'a0': word 1 of 'command': 131072 bytes; at most 131071\n");
  Job *probe = job_of(1, 0, TOPOLOGY_DYNAMIC);
  first(probe)->health.argv = g_new0(char *, AGENT_WORDS_MAX + 2);
  for (int i = 0; i <= AGENT_WORDS_MAX; i++)
    first(probe)->health.argv[i] = g_strdup("x");
  assert_refused(probe,
                 "job.yaml:2:5: error: agent 'a0': 'health.exec': 4097 words; at most 4096\n");
}

static void set_many(StrMap *map, const char *name, int n, size_t length)
{
  g_autofree char *value = g_strnfill(length, 'x');
  for (int i = 0; i < n; i++) {
    g_autofree char *key = g_strdup_printf("%s%04d", name, i);
    strmap_set(map, key, value);
  }
}

/* 2,000 of the job, as many of the agent, which may hide those of the job. */
static Job *variables_of(const char *own, int more)
{
  Job *job = job_of(1, 0, TOPOLOGY_DYNAMIC);
  set_many(&job->environment, "J", 2000, 1);
  set_many(&first(job)->environment, own, 2000, 1);
  set_many(&first(job)->environment, "X", more, 1);
  return job;
}

static void test_variables(void)
{
  assert_fits(variables_of("A", 0));
  assert_refused(
      variables_of("A", 1),
      "job.yaml:2:5: error: agent 'a0': its environment: 4001 variables; at most 4000\n");
  assert_fits(variables_of("J", 1)); /* its own in place of the job's */
  Job *of_job = job_of(2, 0, TOPOLOGY_DYNAMIC);
  set_many(&of_job->environment, "J", 1, AGENT_TEXT_BYTES_MAX - 6);
  assert_fits(of_job);
  of_job = job_of(2, 0, TOPOLOGY_DYNAMIC);
  set_many(&of_job->environment, "J", 1, AGENT_TEXT_BYTES_MAX - 5);
  assert_refused(
      of_job,
      "job.yaml:1:1: error: 'environment': variable 'J0000': 131072 bytes; at most 131071\n");
}

static Job *bytes_of(size_t last)
{
  Job *job = job_of(1, 0, TOPOLOGY_DYNAMIC);
  set_many(&job->environment, "J", 7, 131065); /* 128 KiB each, as the kernel counts */
  set_many(&first(job)->config, "x", 1, last);
  return job;
}

static void test_bytes(void)
{
  assert_fits(bytes_of(131072 - strlen("AGENT_X0000=") - 1));
  Job *job = bytes_of(131072 - strlen("AGENT_X0000=") - 1);
  set_many(&first(job)->environment, "Y", 1, 1);
  assert_refused(
      job,
      "job.yaml:2:5: error: agent 'a0': its command and environment: 1048584 bytes; at most 1048576\n");
}

static Job *text_of(int64_t bytes)
{
  Job *job = job_of(2, FIRST_PORT, TOPOLOGY_MESH);
  first(job)->agent_text = g_strnfill((gsize)bytes, '"'); /* each is two in JSON */
  return job;
}

static void test_start(void)
{
  static const char words[] =
      "job.yaml:2:5: error: agent 'a0': what its node is told to start it: ";
  int64_t half = AGENT_START_BYTES_MAX / 2, above = 0;
  g_autofree char *said = said_of(text_of(half));
  g_assert_true(g_str_has_prefix(said, words));
  above = g_ascii_strtoll(said + strlen(words), NULL, 10) - AGENT_START_BYTES_MAX;
  g_assert_cmpint(above, >, 0);
  assert_fits(text_of(half - (above + 1) / 2));
  g_autofree char *again = said_of(text_of(half - (above + 1) / 2 + 1));
  g_assert_true(g_str_has_prefix(again, words));
}

static Job *starts_of(int replicas)
{
  Job *job = job_of(1, 0, TOPOLOGY_DYNAMIC);
  set_many(&first(job)->environment, "X", 10, 100000);
  first(job)->replicas = replicas;
  return job;
}

static void test_all_starts(void)
{
  assert_fits(starts_of(134));
  assert_refused(
      starts_of(135),
      "job.yaml:2:5: error: what nodes are told to start all instances: 135095850 bytes; at most 134217728\n");
}

/* A job without agents, and one with a cycle, are somebody else's problems. */
static void test_nothing_to_measure(void)
{
  assert_fits(job_new());
  Job *circle = job_of(2, 0, TOPOLOGY_DAG);
  Connection edges[] = {{0, 1}, {1, 0}};
  g_array_append_vals(circle->topology.connections, edges, 2);
  assert_fits(circle);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/limits/instances", test_instances);
  g_test_add_func("/limits/connections", test_connections);
  g_test_add_func("/limits/urls", test_urls_of_others);
  g_test_add_func("/limits/words", test_words);
  g_test_add_func("/limits/variables", test_variables);
  g_test_add_func("/limits/bytes", test_bytes);
  g_test_add_func("/limits/start", test_start);
  g_test_add_func("/limits/all-starts", test_all_starts);
  g_test_add_func("/limits/nothing", test_nothing_to_measure);
  return g_test_run();
}
