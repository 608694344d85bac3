/* The plan: the table of stages and connections of the original system letter by letter, its two
 * examples, cycles, order, and that the work grows with the number of edges and not with its
 * square. */
#include "base/error.h"
#include "base/json.h"
#include "plan/plan.h"

#include <string.h>

/* A job of the localhost agents named in @ids ("a b c"), with ports from @first_port on. */
static Job *make_job(const char *ids, int first_port)
{
  Job *job = job_new();
  job->name = g_strdup("desk");
  g_auto(GStrv) names = g_strsplit(ids, " ", -1);
  for (int i = 0; names[i]; i++) {
    AgentSpec *agent = agent_spec_new(names[i]);
    agent->port = first_port + i;
    g_assert_true(job_add_agent(job, agent));
  }
  return job;
}

static guint at(const Job *job, const char *id)
{
  int index = job_find_agent(job, id);
  g_assert_cmpint(index, >=, 0);
  return (guint)index;
}

static void add_group(Job *job, const char *ids)
{
  g_auto(GStrv) names = g_strsplit(ids, " ", -1);
  guint members[16], n = 0;
  for (; names[n]; n++)
    members[n] = at(job, names[n]);
  topology_add_group(&job->topology, members, n);
}

/* @edges: "a>b a>c". */
static void add_edges(Job *job, const char *edges)
{
  g_auto(GStrv) pairs = g_strsplit(edges, " ", -1);
  for (int i = 0; pairs[i]; i++) {
    g_auto(GStrv) ends = g_strsplit(pairs[i], ">", 2);
    Connection edge = {.from = at(job, ends[0]), .to = at(job, ends[1])};
    g_array_append_val(job->topology.connections, edge);
  }
}

/* The member @key of the plan's JSON, as compact text. */
static char *plan_member(const Job *job, const char *key)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Plan) plan = plan_new(job, &error);
  g_assert_no_error(error);
  g_autofree char *text = plan_to_json(plan);
  json_t *root = json_parse(text, strlen(text), &error);
  g_assert_no_error(error);
  char *dumped = json_dumps(json_object_get(root, key), JSON_COMPACT | JSON_ENCODE_ANY);
  char *copy = g_strdup(dumped);
  free(dumped);
  json_decref(root);
  return copy;
}

static void check_member(const Job *job, const char *key, const char *expected)
{
  g_autofree char *text = plan_member(job, key);
  g_assert_cmpstr(text, ==, expected);
}

#define U1 "\"http://localhost:9001\""
#define U2 "\"http://localhost:9002\""
#define U3 "\"http://localhost:9003\""
#define U4 "\"http://localhost:9004\""

static Job *make_desk(void)
{
  Job *job = make_job("news stats boss", 9001);
  ((AgentSpec *)g_ptr_array_index(job->agents, 2))->port = 9000;
  job->topology.type = TOPOLOGY_HUB_SPOKE;
  job->topology.hub = (gint)at(job, "boss");
  add_group(job, "news stats");
  return job;
}

static void test_hub_spoke(void)
{
  g_autoptr(Job) job = make_desk();
  check_member(job, "job", "\"desk\"");
  check_member(job, "stages", "[[\"news\",\"stats\"],[\"boss\"]]");
  check_member(job, "agent_urls",
               "{\"news\":" U1 ",\"stats\":" U2 ",\"boss\":\"http://localhost:9000\"}");
  check_member(job, "connections", "{\"news\":[],\"stats\":[],\"boss\":[" U1 "," U2 "]}");
  job->start_order = START_CALLEES_FIRST;
  check_member(job, "stages", "[[\"news\",\"stats\"],[\"boss\"]]");
}

static void test_pipeline(void)
{
  g_autoptr(Job) job = make_job("a b c d", 9001);
  job->topology.type = TOPOLOGY_PIPELINE;
  add_group(job, "a");
  add_group(job, "b c");
  add_group(job, "d");
  const char *connections = "{\"a\":[" U2 "," U3 "],\"b\":[" U4 "],\"c\":[" U4 "],\"d\":[]}";
  check_member(job, "stages", "[[\"a\"],[\"b\",\"c\"],[\"d\"]]");
  check_member(job, "connections", connections);
  job->start_order = START_CALLEES_FIRST;
  check_member(job, "stages", "[[\"d\"],[\"b\",\"c\"],[\"a\"]]");
  check_member(job, "connections", connections);
}

static void test_dag(void)
{
  g_autoptr(Job) job = make_job("a b c d", 9001);
  job->topology.type = TOPOLOGY_DAG;
  add_edges(job, "a>b a>c b>d c>d");
  const char *connections = "{\"a\":[" U2 "," U3 "],\"b\":[" U4 "],\"c\":[" U4 "],\"d\":[]}";
  check_member(job, "stages", "[[\"a\"],[\"b\",\"c\"],[\"d\"]]");
  check_member(job, "connections", connections);
  job->start_order = START_CALLEES_FIRST;
  check_member(job, "stages", "[[\"d\"],[\"b\",\"c\"],[\"a\"]]");
  check_member(job, "connections", connections);
}

/* Members of a stage come in declaration order, however the edges are written; URLs in the order of
 * the file. */
static void test_dag_order(void)
{
  g_autoptr(Job) job = make_job("a b c d", 9001);
  job->topology.type = TOPOLOGY_DAG;
  add_edges(job, "a>d a>c a>b");
  check_member(job, "stages", "[[\"a\"],[\"b\",\"c\",\"d\"]]");
  check_member(job, "connections", "{\"a\":[" U4 "," U3 "," U2 "],\"b\":[],\"c\":[],\"d\":[]}");
}

static void test_mesh(void)
{
  g_autoptr(Job) job = make_job("a b c d", 9001);
  job->topology.type = TOPOLOGY_MESH;
  add_group(job, "a b c d");
  check_member(job, "stages", "[[\"a\",\"b\",\"c\",\"d\"]]");
  check_member(job, "connections",
               "{\"a\":[" U2 "," U3 "," U4 "],\"b\":[" U1 "," U3 "," U4 "],\"c\":[" U1 "," U2 "," U4
               "],\"d\":[" U1 "," U2 "," U3 "]}");
}

static void test_hierarchical_levels(void)
{
  g_autoptr(Job) job = make_job("a b c d", 9001);
  job->topology.type = TOPOLOGY_HIERARCHICAL;
  job->topology.hub = 0;
  add_group(job, "b c");
  add_group(job, "d");
  check_member(job, "stages", "[[\"a\"],[\"b\",\"c\"],[\"d\"]]");
  check_member(job, "connections",
               "{\"a\":[" U2 "," U3 "],\"b\":[" U4 "],\"c\":[" U4 "],\"d\":[]}");
  job->start_order = START_CALLEES_FIRST;
  check_member(job, "stages", "[[\"d\"],[\"b\",\"c\"],[\"a\"]]");
}

/* Written with {parent, children}, only the own children are given, and an agent outside starts
 * last, not first. */
static void test_hierarchical_tree(void)
{
  g_autoptr(Job) job = make_job("x a b c d", 9000);
  job->topology.type = TOPOLOGY_HIERARCHICAL;
  job->topology.hub = (gint)at(job, "a");
  job->topology.is_tree = true;
  add_edges(job, "a>b a>c b>d");
  check_member(job, "stages", "[[\"a\"],[\"b\",\"c\"],[\"d\",\"x\"]]");
  check_member(job, "connections",
               "{\"x\":[],\"a\":[" U2 "," U3 "],\"b\":[" U4 "],\"c\":[],\"d\":[]}");
  job->start_order = START_CALLEES_FIRST;
  check_member(job, "stages", "[[\"c\",\"d\"],[\"b\"],[\"a\",\"x\"]]");
}

static void test_dynamic(void)
{
  g_autoptr(Job) job = make_job("a b c d", 9001);
  check_member(job, "stages", "[[\"a\",\"b\",\"c\",\"d\"]]");
  check_member(job, "connections", "{\"a\":[],\"b\":[],\"c\":[],\"d\":[]}");
  check_member(job, "warnings", "[]");
}

/* The two worked examples of the original description; its dag listing leaves `ingest` without
 * URLs, the rule gives it both. */
static void test_described_examples(void)
{
  g_autoptr(Job) hub = make_job("controller weather maps", 9000);
  hub->topology.type = TOPOLOGY_HUB_SPOKE;
  hub->topology.hub = 0;
  add_group(hub, "weather maps");
  check_member(hub, "stages", "[[\"weather\",\"maps\"],[\"controller\"]]");
  check_member(hub, "agent_urls",
               "{\"controller\":\"http://localhost:9000\",\"weather\":" U1 ",\"maps\":" U2 "}");
  check_member(hub, "connections", "{\"controller\":[" U1 "," U2 "],\"weather\":[],\"maps\":[]}");

  g_autoptr(Job) dag = make_job("ingest processor1 processor2 output", 9000);
  dag->topology.type = TOPOLOGY_DAG;
  add_edges(dag, "ingest>processor1 ingest>processor2 processor1>output processor2>output");
  check_member(dag, "stages", "[[\"ingest\"],[\"processor1\",\"processor2\"],[\"output\"]]");
  check_member(dag, "connections",
               "{\"ingest\":[" U1 "," U2 "],\"processor1\":[" U3 "],\"processor2\":[" U3
               "],\"output\":[]}");
}

static void test_outsiders(void)
{
  g_autoptr(Job) job = make_desk();
  g_assert_true(job_add_agent(job, agent_spec_new("extra")));
  check_member(job, "stages", "[[\"news\",\"stats\"],[\"boss\",\"extra\"]]");
  check_member(
      job, "warnings",
      "[\"agent 'extra' is not part of the topology; it starts in stage 2 and is given no URLs\"]");
  check_member(job, "agent_urls",
               "{\"news\":" U1 ",\"stats\":" U2
               ",\"boss\":\"http://localhost:9000\",\"extra\":null}");

  g_autoptr(Job) dag = make_job("a b c", 9001);
  dag->topology.type = TOPOLOGY_DAG;
  add_edges(dag, "a>b");
  check_member(dag, "stages", "[[\"a\",\"c\"],[\"b\"]]");
}

static void check_cycle(const char *edges, const char *expected)
{
  g_autoptr(Job) job = make_job("a b c d", 9001);
  job->topology.type = TOPOLOGY_DAG;
  add_edges(job, edges);
  g_autoptr(GError) error = NULL;
  Plan *plan = plan_new(job, &error);
  g_assert_null(plan);
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_INVALID);
  g_assert_cmpstr(error->message, ==, expected);
}

static void test_cycles(void)
{
  check_cycle("a>b b>c c>a", "cycle: a -> b -> c -> a");
  check_cycle("a>b b>d d>c c>b", "cycle: b -> d -> c -> b");
  check_cycle("d>d", "cycle: d -> d");
  g_autoptr(Job) job = make_job("a b c d", 9001);
  add_edges(job, "a>b a>c b>d c>d");
  g_assert_null(plan_find_cycle(4, job->topology.connections));
}

static void check_url(Job *job, const char *expected)
{
  g_autofree char *url = plan_url(job, 0, plan_declared_port(job, 0, 0));
  g_assert_cmpstr(url, ==, expected);
}

static void test_urls(void)
{
  g_autoptr(Job) job = make_job("ocr", 9005);
  AgentSpec *agent = g_ptr_array_index(job->agents, 0);
  check_url(job, "http://localhost:9005");
  agent->target = TARGET_REMOTE;
  agent->host = g_strdup("rack7");
  check_url(job, "http://rack7:9005");
  g_free(agent->host);
  agent->host = g_strdup("fd00::7");
  check_url(job, "http://[fd00::7]:9005");
  agent->target = TARGET_CONTAINER;
  check_url(job, "http://ocr:9005");
  agent->container_name = g_strdup("idx");
  check_url(job, "http://idx:9005");
  agent->target = TARGET_KUBERNETES;
  check_url(job, "http://ocr.default.svc.cluster.local:9005");
  agent->k8s_namespace = g_strdup("prod");
  check_url(job, "http://ocr.prod.svc.cluster.local:9005");
  agent->target = TARGET_LOCALHOST;
  agent->port = PORT_AUTO;
  check_url(job, "http://localhost:auto");
  agent->port = PORT_NONE;
  check_url(job, NULL);
}

/* What the core decided, in place of what the job declares. */
static int decided_port(guint agent, int replica, void *data)
{
  const int *base = data;
  return *base + (int)agent * 10 + replica;
}

static int no_port(guint agent, int replica, void *data)
{
  return PORT_NONE;
}

static void test_told_to_agents(void)
{
  g_autoptr(Job) job = make_desk();
  ((AgentSpec *)g_ptr_array_index(job->agents, 1))->replicas = 2;
  check_member(job, "instance_urls",
               "{\"news\":[" U1 "],\"stats\":[" U2 "," U3
               "],\"boss\":[\"http://localhost:9000\"]}");
  check_member(job, "connections", "{\"news\":[],\"stats\":[],\"boss\":[" U1 "," U2 "," U3 "]}");
  g_autoptr(Plan) plan = plan_new(job, NULL);
  int base = 8100;
  g_autofree char *urls = plan_connected_agents(plan, 2, decided_port, &base);
  g_assert_cmpstr(urls, ==, "http://localhost:8100,http://localhost:8110,http://localhost:8111");
  g_assert_null(plan_connected_agents(plan, 0, decided_port, &base));
  g_assert_null(plan_connected_agents(plan, 2, no_port, NULL));
  g_autofree char *peers = plan_peers_json(plan, 2, decided_port, &base);
  g_assert_cmpstr(
      peers, ==,
      "[{\"id\":\"news\",\"role\":\"spoke\",\"urls\":[\"http://localhost:8100\"]},"
      "{\"id\":\"stats\",\"role\":\"spoke\",\"urls\":[\"http://localhost:8110\",\"http://localhost:8111\"]}]");
  g_autofree char *nobody = plan_peers_json(plan, 0, decided_port, &base);
  g_assert_cmpstr(nobody, ==, "[]");
  g_autofree char *portless = plan_peers_json(plan, 2, no_port, NULL);
  g_assert_cmpstr(
      portless, ==,
      "[{\"id\":\"news\",\"role\":\"spoke\",\"urls\":[]},{\"id\":\"stats\",\"role\":\"spoke\",\"urls\":[]}]");
}

static void test_dot(void)
{
  g_autoptr(Job) job = make_desk();
  g_autoptr(Plan) plan = plan_new(job, NULL);
  g_autofree char *dot = plan_to_dot(plan);
  g_assert_cmpstr(
      dot, ==,
      "digraph \"desk\" {\n  rankdir=LR;\n  node [shape=box];\n"
      "  subgraph cluster_1 {\n    label=\"stage 1\";\n    \"news\";\n    \"stats\";\n  }\n"
      "  subgraph cluster_2 {\n    label=\"stage 2\";\n    \"boss\";\n  }\n"
      "  \"boss\" -> \"news\";\n  \"boss\" -> \"stats\";\n}\n");
}

/* A chain as long as the job may be, each agent with an edge to its two followers too. Work that
 * grows with the square would not end. */
static void test_large(void)
{
  enum { AGENTS = 100000 };
  g_autoptr(Job) job = job_new();
  for (int i = 0; i < AGENTS; i++) {
    char id[16];
    g_snprintf(id, sizeof id, "a%d", i);
    g_assert_true(job_add_agent(job, agent_spec_new(id)));
  }
  job->topology.type = TOPOLOGY_DAG;
  for (guint i = 0; i < AGENTS; i++) {
    for (guint step = 1; step <= 3 && i + step < AGENTS; step++) {
      Connection edge = {.from = i, .to = i + step};
      g_array_append_val(job->topology.connections, edge);
    }
  }
  g_autoptr(Plan) plan = plan_new(job, NULL);
  g_assert_cmpuint(plan->stages->len, ==, AGENTS);
  Connection back = {.from = AGENTS - 1, .to = 0};
  g_array_append_val(job->topology.connections, back);
  g_autoptr(GError) error = NULL;
  g_assert_null(plan_new(job, &error));
  g_assert_true(g_str_has_prefix(error->message, "cycle: a0 -> a1 -> "));
  g_assert_cmpuint(strlen(error->message), <, 1000);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/plan/hub-spoke", test_hub_spoke);
  g_test_add_func("/plan/pipeline", test_pipeline);
  g_test_add_func("/plan/dag", test_dag);
  g_test_add_func("/plan/dag-order", test_dag_order);
  g_test_add_func("/plan/mesh", test_mesh);
  g_test_add_func("/plan/hierarchical-levels", test_hierarchical_levels);
  g_test_add_func("/plan/hierarchical-tree", test_hierarchical_tree);
  g_test_add_func("/plan/dynamic", test_dynamic);
  g_test_add_func("/plan/described-examples", test_described_examples);
  g_test_add_func("/plan/outsiders", test_outsiders);
  g_test_add_func("/plan/cycles", test_cycles);
  g_test_add_func("/plan/urls", test_urls);
  g_test_add_func("/plan/told-to-agents", test_told_to_agents);
  g_test_add_func("/plan/dot", test_dot);
  g_test_add_func("/plan/large", test_large);
  return g_test_run();
}
