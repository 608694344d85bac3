/* Whole job files: defaults, the six topologies from text to plan as the original system had them,
 * and what only the whole shows. */
#include "base/json.h"
#include "plan/plan.h"
#include "reading.h"

#include <signal.h>
#include <string.h>

#define FOUR                                                                                   \
  "job: {name: four}\nagents:\n"                                                               \
  "  - {id: a, type: A, module: m.a, config: {port: 9001}, deployment: {target: localhost}}\n" \
  "  - {id: b, type: B, module: m.b, config: {port: 9002}, deployment: {target: localhost}}\n" \
  "  - {id: c, type: C, module: m.c, config: {port: 9003}, deployment: {target: localhost}}\n" \
  "  - {id: d, type: D, module: m.d, config: {port: 9004}, deployment: {target: localhost}}\n"
#define DESK                                                                                                                              \
  "job: {name: desk, version: \"1.0.0\", description: \"hub with two workers\", tags: [demo]}\n"                                          \
  "agents:\n"                                                                                                                             \
  "  - {id: news,  type: NewsAgent,  module: agents.news,  config: {port: 9001, name: News},  deployment: {target: localhost}}\n"         \
  "  - {id: stats, type: StatsAgent, module: agents.stats, config: {port: 9002}, deployment: {target: localhost, environment: {MODE: "    \
  "fast}}}\n"                                                                                                                             \
  "  - {id: boss,  type: BossAgent,  module: agents.boss,  config: {port: 9000}, deployment: {target: localhost}, resources: {cpu: 1.0, " \
  "memory: 1G}}\n"                                                                                                                        \
  "topology: {type: hub-spoke, hub: boss, spokes: [news, stats]}\n"                                                                       \
  "deployment: {strategy: staged, timeout: 30, health_check: {enabled: true, interval: 5, retries: 3, timeout: 5}}\n"                     \
  "execution: {entry_point: boss, auto_start: true}\n"                                                                                    \
  "environment: {LOG_LEVEL: INFO}\n"
#define U(n) "\"http://localhost:" #n "\""

/* Members of `plan -o json` of the file @text, whitespace gone. */
static void check_plan(const char *text, const char *stages, const char *connections)
{
  g_autoptr(Job) job = read_expecting(text, "");
  g_autoptr(GError) error = NULL;
  g_autoptr(Plan) plan = plan_new(job, &error);
  g_assert_no_error(error);
  g_autofree char *json = plan_to_json(plan);
  g_autofree char *first = g_strdup_printf("\"stages\":%s,", stages),
                  *second = g_strdup_printf("\"connections\":%s", connections);
  if (!strstr(json, first) || !strstr(json, second))
    g_error("wanted %s and %s in %s", first, second, json);
}

/* The table of topologies. An edge from a to b means that a is given b's URL. */
static void test_table(void)
{
  static const char *const chain =
      "{\"a\":[" U(9002) "," U(9003) "],\"b\":[" U(9004) "],\"c\":[" U(9004) "],\"d\":[]}";
  static const char *const in_three = "[[\"a\"],[\"b\",\"c\"],[\"d\"]]",
                           *const in_one = "[[\"a\",\"b\",\"c\",\"d\"]]";
  check_plan(DESK, "[[\"news\",\"stats\"],[\"boss\"]]",
             "{\"news\":[],\"stats\":[],\"boss\":[" U(9001) "," U(9002) "]}");
  check_plan(FOUR "topology: {type: pipeline, stages: [a, [b, c], d]}\n", in_three, chain);
  check_plan(
      FOUR
      "topology: {type: dag, connections: [{from: a, to: [b, c]}, {from: b, to: d}, {from: c, to: d}]}\n",
      in_three, chain);
  check_plan(
      FOUR "topology: {type: mesh, agents: [a, b, c, d]}\n", in_one,
      "{\"a\":[" U(9002) "," U(9003) "," U(9004) "],\"b\":[" U(9001) "," U(9003) "," U(9004) "],\"c\":[" U(
          9001) "," U(9002) "," U(9004) "],\"d\":[" U(9001) "," U(9002) "," U(9003) "]}");
  check_plan(FOUR "topology: {type: hierarchical, root: a, levels: [[b, c], [d]]}\n", in_three,
             chain);
  check_plan(FOUR "topology: {type: dynamic}\n", in_one, "{\"a\":[],\"b\":[],\"c\":[],\"d\":[]}");
  check_plan(FOUR, in_one, "{\"a\":[],\"b\":[],\"c\":[],\"d\":[]}");
}

/* The two examples of the first description, from their files. */
static void test_described(void)
{
  check_plan("job: {name: one}\nagents:\n"
             "  - {id: controller, command: [c], config: {port: 9000}}\n"
             "  - {id: weather, command: [w], config: {port: 9001}}\n"
             "  - {id: maps, command: [m], config: {port: 9002}}\n"
             "topology:\n  type: hub-spoke\n  hub: controller\n  spokes: [weather, maps]\n",
             "[[\"weather\",\"maps\"],[\"controller\"]]",
             "{\"controller\":[" U(9001) "," U(9002) "],\"weather\":[],\"maps\":[]}");
  check_plan("job: {name: two}\nagents:\n"
             "  - {id: ingest, command: [i], config: {port: 9000}}\n"
             "  - {id: processor1, command: [p], config: {port: 9001}}\n"
             "  - {id: processor2, command: [p], config: {port: 9002}}\n"
             "  - {id: output, command: [o], config: {port: 9003}}\n"
             "topology:\n  type: dag\n  connections:\n"
             "    - from: ingest\n      to: processor1\n    - from: ingest\n      to: processor2\n"
             "    - from: processor1\n      to: output\n    - from: processor2\n      to: output\n",
             "[[\"ingest\"],[\"processor1\",\"processor2\"],[\"output\"]]",
             "{\"ingest\":[" U(9001) "," U(9002) "],\"processor1\":[" U(
                 9003) "],\"processor2\":[" U(9003) "],\"output\":[]}");
}

static void test_defaults(void)
{
  g_autoptr(Job) job = read_expecting("job: {name: x}\nagents: [{id: a, command: [sleep]}]\n", "");
  const AgentSpec *a = job_agent(job, 0);
  g_assert_cmpint(a->kind, ==, AGENT_SERVICE);
  g_assert_cmpint(a->target, ==, TARGET_LOCALHOST);
  g_assert_cmpint(a->replicas, ==, 1);
  g_assert_cmpint(a->port, ==, PORT_NONE);
  g_assert_cmpint(a->health.kind, ==, HEALTH_DISCOVER);
  g_assert_cmpint(a->health.interval_ms, ==, 30000);
  g_assert_cmpint(a->health.timeout_ms, ==, 5000);
  g_assert_cmpint(a->health.retries, ==, 3);
  g_assert_cmpint(a->health.start_period_ms, ==, 0);
  g_assert_cmpint(a->health.min_healthy_ms, ==, MIN_HEALTHY_UNSET);
  g_assert_cmpint(agent_min_healthy_ms(a, false), ==, 1000);
  g_assert_cmpint(agent_min_healthy_ms(a, true), ==, 3000);
  g_assert_cmpint(a->restart.policy, ==, RESTART_ON_FAILURE);
  g_assert_cmpint(a->restart.max, ==, 3);
  g_assert_cmpint(a->restart.delay_ms, ==, 1000);
  g_assert_cmpint(a->restart.max_delay_ms, ==, 60000);
  g_assert_cmpint(a->restart.stable_ms, ==, 60000);
  g_assert_cmpint(a->stop.signal, ==, SIGTERM);
  g_assert_cmpint(a->stop.grace_ms, ==, 10000);
  g_assert_null(a->working_dir);
  g_assert_cmpint(job->topology.type, ==, TOPOLOGY_DYNAMIC);
  g_assert_cmpint(job->timeout_ms, ==, 60000);
  g_assert_cmpint(job->on_failure, ==, ON_FAILURE_ROLLBACK);
  g_assert_cmpint(job->start_order, ==, START_TOPOLOGY);
  g_assert_false(job->auto_start);
  g_assert_cmpstr(job->directory, ==, "/srv/jobs");
  g_assert_cmpstr(strmap_get(&job->caller, "HOME"), ==, "/home/ann");
  g_assert_null(strmap_get(&job->caller, "GREETING"));
}

/* The next time of a schedule is its next try, unless the job asks for more. */
static void test_scheduled_is_not_restarted(void)
{
  g_autoptr(Job) job = read_expecting(
      "job: {name: x}\nagents:\n"
      "  - {id: a, kind: batch, command: [run], schedule: {every: 60}}\n"
      "  - {id: b, kind: batch, command: [run], schedule: {every: 60}, restart: {max: 1}}\n"
      "  - {id: c, kind: batch, command: [run]}\n",
      "");
  g_assert_cmpint(job_agent(job, 0)->restart.policy, ==, RESTART_NEVER);
  g_assert_cmpint(job_agent(job, 1)->restart.policy, ==, RESTART_ON_FAILURE);
  g_assert_cmpint(job_agent(job, 2)->restart.policy, ==, RESTART_ON_FAILURE);
}

/* deployment.health_check is the default of agents, wherever it stands; an agent's own health adds
 * to it. */
static void test_health_defaults(void)
{
  g_autoptr(Job) job = read_expecting(
      "job: {name: x}\nagents: [{id: a, command: [s]}, {id: b, command: [s], config: {port: 1024}, health: {tcp: true, retries: 9}}]\n"
      "deployment: {health_check: {enabled: false, interval: 7, retries: 5}}\n",
      "");
  const AgentSpec *a = job_agent(job, 0), *b = job_agent(job, 1);
  g_assert_cmpint(a->health.kind, ==, HEALTH_NONE);
  g_assert_cmpint(a->health.interval_ms, ==, 7000);
  g_assert_cmpint(a->health.retries, ==, 5);
  g_assert_cmpint(b->health.kind, ==, HEALTH_TCP);
  g_assert_cmpint(b->health.interval_ms, ==, 7000);
  g_assert_cmpint(b->health.retries, ==, 9);
}

/* JSON is YAML: the same job. */
static void test_json_is_the_same(void)
{
  g_autoptr(Job) yaml = read_expecting(
      "job: {name: x, version: 2}\nagents:\n  - id: a\n    command: [sleep, 5]\n    config: {port: auto, deep: {a: [1]}}\n",
      "");
  g_autoptr(Job) json = read_expecting(
      "{\"job\": {\"name\": \"x\", \"version\": \"2\"}, \"agents\": [{\"id\": \"a\", \"command\": [\"sleep\", 5],\n"
      "\"config\": {\"port\": \"auto\", \"deep\": {\"a\": [1]}}}]}",
      "");
  g_autofree char *one = job_to_json(yaml), *two = job_to_json(json);
  g_assert_cmpstr(one, ==, two);
}

/* Anchors and merges of a few lines are fine. */
static void test_aliases(void)
{
  g_autoptr(Job) job = read_expecting(
      "job: {name: x}\nagents: [{id: a, command: &c [sleep, '5'], environment: &e {A: 1}}, {id: b, command: *c, environment: *e}]\n",
      "");
  g_assert_cmpstr(job_agent(job, 1)->command[1], ==, "5");
  g_assert_cmpstr(strmap_get(&job_agent(job, 1)->environment, "A"), ==, "1");
}

/* Own keys win over merged ones, wherever the merge key stands; an earlier source wins over a later
 * one. */
static void test_merge_keys(void)
{
  g_autoptr(Job) job =
      read_expecting("x-env: &env {L: debug, M: 1}\n"
                     "x-more: &more {<<: *env, L: more, N: 2}\n"
                     "job: {name: x}\n"
                     "agents:\n"
                     "  - &base {id: one, kind: batch, command: &c [echo, hi], environment: *env}\n"
                     "  - <<: *base\n"
                     "    id: two\n"
                     "    environment: {<<: *more, M: own}\n"
                     "  - id: three\n"
                     "    x-note: anything\n"
                     "    environment: {M: own, <<: [*env, *more, {O: 3}]}\n"
                     "    <<: *base\n",
                     "");
  static const struct {
    const char *id, *l, *m, *n, *o;
  } rows[] = {{"one", "debug", "1", NULL, NULL},
              {"two", "more", "own", "2", NULL},
              {"three", "debug", "own", "2", "3"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    const AgentSpec *agent = job_agent(job, i);
    g_assert_cmpstr(agent->id, ==, rows[i].id);
    g_assert_cmpint(agent->kind, ==, AGENT_BATCH);
    g_assert_cmpstr(agent->command[1], ==, "hi");
    g_assert_cmpstr(strmap_get(&agent->environment, "L"), ==, rows[i].l);
    g_assert_cmpstr(strmap_get(&agent->environment, "M"), ==, rows[i].m);
    g_assert_cmpstr(strmap_get(&agent->environment, "N"), ==, rows[i].n);
    g_assert_cmpstr(strmap_get(&agent->environment, "O"), ==, rows[i].o);
  }
}

#define TWO               "job: {name: x}\nagents: [{id: a, command: [s]}, {id: b, command: [s]}]\n"
#define AT(place, text)   "job.yaml:" place ": error: " text "\n"
#define WARN(place, text) "job.yaml:" place ": warning: " text "\n"

static const struct {
  const char *text, *says;
} wholes[] = {
    /* agents */
    {"job: {name: x}\nagents: [{id: a}]\n",
     AT("2:11", "agent 'a': none of module, command, reeve")},
    {"job: {name: x}\nagents: [{id: a, module: m, command: [s]}]\n",
     AT("2:11", "agent 'a': more than one of module, command, reeve")},
    {"job: {name: x}\nagents: [{command: [s]}]\n", AT("2:11", "'agents[0].id': missing")},
    {"job: {name: x}\nagents: [{id: 'a b', command: [s]}]\n",
     AT("2:11",
        "'agents[0].id': 'a b' is not a name; allowed: up to 64 letters, digits, '.', '_', '-'")},
    {"job: {name: x}\nagents: [{id: a, command: [s]}, {id: a, command: [s]}]\n",
     AT("2:34", "duplicate agent id 'a'")},
    {"job: {name: x}\nagents: []\n", AT("2:1", "'agents': the list is empty")},
    {"job: {name: x}\nagents: {a: 1}\n", AT("2:10", "'agents': wanted a list of agents")},
    {"job: {name: x}\nagents: [a]\n",
     AT("2:10", "'agents[0]': wanted a mapping of keys") AT("2:10", "'agents[0].id': missing")},
    {"job: {name: x}\n", AT("1:1", "'agents': missing")},
    {"agents: [{id: a, command: [s]}]\n", AT("1:1", "'job.name': missing")},
    {"job: x\nagents: [{id: a, command: [s]}]\n", AT("1:6", "'job': wanted a mapping of keys")},
    {"[1, 2]\n", AT("1:2", "'the file': wanted a mapping of keys")},
    {"job: {name: x}\nagents: [{id: a, command: [s], health: {http: /h}}]\n",
     AT("2:11", "agent 'a': a probe by http or tcp needs config.port")},
    {"job: {name: x}\nagents: [{id: a, command: [s], config: {port: 9001}, health: {http: /h, tcp: true}}]\n",
     AT("2:78", "'agents[0].health': wanted only one of http, tcp, exec")},
    /* ports */
    {"job: {name: x}\nagents: [{id: a, command: [s], config: {port: 9001}}, {id: b, command: [s], config: {port: 9001}}]\n",
     AT("2:56", "agent 'b': port 9001 is also the port of agent 'a'")},
    {"job: {name: x}\nagents: [{id: a, command: [s], replicas: 3, config: {port: 9001}}, {id: b, command: [s], config: {port: 9003}}]\n",
     AT("2:69", "agent 'b': port 9003 is also the port of agent 'a'")},
    {"job: {name: x}\nagents: [{id: a, command: [s], replicas: 3, config: {port: 65534}}]\n",
     AT("2:11", "agent 'a': its last replica would have port 65536")},
    {"job: {name: x}\nagents: [{id: a, command: [s], config: {port: 0}}]\n",
     AT("2:47", "'agents[0].config.port': wanted a number from 1 to 65535 or auto, not '0'")},
    {"job: {name: x}\nagents: [{id: a, command: [s], config: {port: 80}}]\n",
     WARN("2:11", "agent 'a': port 80 needs root")},
    /* variables */
    {"job: {name: x}\nagents: [{id: a, command: ['${NONE}']}]\n",
     AT("2:29",
        "variable 'NONE' is not set; set it, or write ${NONE:-default}, or $${NONE} for the text itself")},
    {"job: {name: x}\nagents: [{id: a, command: ['${USER']}]\n",
     AT("2:29", "'${' without '}' in '${USER'; write $${ for a literal ${")},
    {"job: {name: x}\nagents: [{id: a, command: ['${NONE:?the key of the desk}']}]\n",
     AT("2:29", "variable 'NONE' is not set: the key of the desk")},
    {"job: {name: x}\nagents: [{id: a, command: ['${A b}']}]\n",
     AT("2:29",
        "'${A b}': wanted ${NAME}, ${NAME:-text}, ${NAME-text} or ${NAME:?message}; write $${ for a literal ${")},
    {"job: {name: x}\nagents: [{id: a, command: ['${A:-${B}}']}]\n",
     AT("2:29",
        "'${A:-${B}': wanted ${NAME}, ${NAME:-text}, ${NAME-text} or ${NAME:?message}; write $${ for a literal ${")},
    {"job: {name: x}\nagents: [{id: a, command: [s], environment: {'A=B': 1}}]\n",
     AT("2:47", "'agents[0].environment': 'A=B' is not a name of a variable")},
    {"job: {name: x}\nagents: [{id: a, command: [s], config: {list: ['${NONE}']}}]\n",
     AT("2:49",
        "variable 'NONE' is not set; set it, or write ${NONE:-default}, or $${NONE} for the text itself")},
    {"job: {name: x}\nagents: [{id: a, command: [s], replicas: ${N}}]\n",
     AT("2:43",
        "not YAML: missing comma in flow mapping; a variable inside { } or [ ] needs quotes: \"${NAME}\"")},
    {"job: {name: x}\nagents: [{id: a, command: [s], environment: {<<: 5}}]\n",
     AT("2:50", "'<<': wanted a mapping, as in <<: *base, or a list of mappings")},
    {"job: {name: x}\nagents: [{id: a, command: [s], config: {log-level: 1, log level: 2, Id: 3}}]\n",
     AT("2:55",
        "'agents[0].config': 'log-level' and 'log level' both become the variable AGENT_LOG_LEVEL")
         WARN(
             "2:69",
             "'agents[0].config': 'Id' becomes the variable AGENT_ID, which Reeve sets too; name it otherwise")},
    {"job: {name: x}\ndeployment: {timeout: 3}\nagents: [{id: a, command: [s], config: {port: 9001}, health: {start_period: 30}}]\n",
     WARN(
         "3:11",
         "agent 'a': its start_period of 30 s is not within deployment.timeout (3 s), by which it must be healthy")},
    {"job: {name: x}\nagents: [{id: a, command: python3 x}]\n",
     AT("2:27",
        "'agents[0].command': wanted a list of words, as in [python3, server.py]; there is no shell")},
    {"job: {name: x}\nagents: [{id: a, reeve: {}}]\n",
     AT("2:18", "'agents[0].reeve.agent': missing")},
    /* files */
    {"job: {name: x}\nagents: [{id: a, command: [s], env_file: broken.env}]\n",
     AT("2:42", "env_file '/srv/jobs/broken.env' line 2: wanted NAME=value")
         AT("2:42", "env_file '/srv/jobs/broken.env' line 3: wanted NAME=value")},
    /* topology */
    {TWO "topology: {hub: a}\n", AT("3:12", "'topology.type': missing")},
    {TWO "topology: dag\n", AT("3:11", "'topology': wanted a mapping of keys")},
    {TWO "topology: {type: hub-spoke}\n",
     AT("3:12", "'topology.hub': missing") AT("3:12", "'topology.spokes': missing")},
    {TWO "topology: {type: hub-spoke, hub: a, spokes: [a, b]}\n",
     AT("3:46", "'topology.spokes': the hub 'a' is among its spokes")},
    {TWO "topology: {type: hub-spoke, hub: a, spokes: [b, b]}\n",
     AT("3:49", "'topology.spokes': agent 'b' is named twice")},
    {TWO "topology: {type: mesh, agents: [a]}\n",
     AT("3:33", "'topology.agents': wanted at least 2 agents")},
    {TWO "topology: {type: pipeline, stages: [a, []]}\n",
     AT("3:37", "'topology.stages': the list is empty")},
    {TWO "topology: {type: pipeline, stages: [a, a]}\n",
     AT("3:40", "'topology.stages': agent 'a' is named twice")},
    {TWO "topology: {type: dag, connections: [{from: a}]}\n",
     AT("3:38", "'topology.connections': wanted both from and to")},
    {TWO "topology: {type: dag, connections: [a]}\n",
     AT("3:37", "'topology.connections': wanted {from, to}")},
    {TWO "topology: {type: dag, connections: [{from: a, to: b}, {from: b, to: a}]}\n",
     AT("3:12", "'topology': cycle: a -> b -> a")},
    {TWO "topology: {type: dag, connections: [{from: a, to: a}, {from: a, to: b}]}\n",
     AT("3:12", "'topology': cycle: a -> a")},
    {TWO "topology: {type: dag, connections: [{from: a, to: b, type: query}]}\n",
     WARN("3:60", "not honoured: 'topology.connections.type' (agents talk as they like)")},
    {TWO "topology: {type: hierarchical, root: a, levels: [[a, b]]}\n",
     AT("3:51", "'topology.levels': the root 'a' is inside a level")},
    {TWO "topology: {type: hierarchical, root: a, levels: [{parent: a, children: b}, [b]]}\n",
     AT("3:51", "'topology.levels': lists and {parent, children} cannot be mixed")
         AT("3:77", "'topology.levels': agent 'b' is named twice")},
    {TWO "topology: {type: hierarchical, root: a, levels: [{parent: a}]}\n",
     AT("3:51", "'topology.levels': wanted both parent and children")},
    {TWO "topology: {type: mesh, agents: [a, b], hub: a}\n",
     WARN("3:45", "'topology.hub' has no meaning with type 'mesh'; it is not honoured")},
    {TWO "topology: {type: dag, connections: []}\n",
     WARN("3:12", "agent 'a' is not in the topology; it is started without connections")
         WARN("3:12", "agent 'b' is not in the topology; it is started without connections")},
    /* accepted, not done, and said so */
    {TWO "deployment: {ssh: {timeout: 3}}\n",
     WARN("3:20", "not honoured: 'deployment.ssh' (ssh is not supported by this version)")},
    {TWO "execution: {routing: {a: b}}\n",
     WARN("3:23", "not honoured: 'execution.routing' (Reeve does not route between agents)")},
    {TWO "deployment: {strategy: sequential}\n",
     WARN("3:24",
          "not honoured: 'deployment.strategy: sequential' (agents of a stage start in parallel)")},
    /* schedules */
    {"job: {name: x}\nagents: [{id: a, command: [s], schedule: {every: 5}}]\n",
     AT("2:11", "agent 'a': a schedule needs kind: batch, one replica and no port")},
    {"job: {name: x}\nagents: [{id: a, command: [s], kind: batch, schedule: {cron: '@daily', every: 5}}]\n",
     AT("2:56", "'agents[0].schedule': wanted exactly one of cron and every")},
};

static void test_wholes(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(wholes); i++)
    job_free(read_expecting(wholes[i].text, wholes[i].says));
}

/* What is not honoured is listed once in the job, for those who read it later. */
static void test_not_honoured_list(void)
{
  g_autoptr(Problems) problems = problems_new();
  static const char text[] = TWO
      "topology: {type: dag, connections: [{from: a, to: b, type: query}, {from: a, to: b, type: stream}]}\n";
  g_autoptr(Job) job = read_text(text, strlen(text), false, problems);
  g_assert_cmpuint(job->not_honoured->len, ==, 1);
  g_assert_cmpstr(job->not_honoured->pdata[0], ==, "topology.connections.type");
  g_assert_cmpuint(job->topology.connections->len, ==, 1); /* and the edge once */
}

static void test_entry_agent(void)
{
  static const struct {
    const char *text, *entry;
  } rows[] = {
      {DESK, "boss"},
      {"job: {name: x}\nagents: [{id: a, command: [s], config: {port: 9001}}, {id: b, command: [s], config: {port: 9002}}]\n"
       "topology: {type: hub-spoke, hub: b, spokes: [a]}\n",
       "b"},
      {"job: {name: x}\nagents: [{id: a, command: [s], config: {port: 9001}}, {id: b, command: [s]}]\n"
       "topology: {type: hub-spoke, hub: b, spokes: [a]}\n",
       "a"},
      {"job: {name: x}\nagents: [{id: a, command: [s]}, {id: b, command: [s], config: {port: auto}}]\n",
       "b"},
      {TWO, NULL},
      {TWO "execution: {entry_point: b}\n", "b"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Job) job = read_expecting(rows[i].text, "");
    g_assert_cmpstr(job_entry_agent(job), ==, rows[i].entry);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/formats/whole/table", test_table);
  g_test_add_func("/formats/whole/described", test_described);
  g_test_add_func("/formats/whole/defaults", test_defaults);
  g_test_add_func("/formats/whole/scheduled", test_scheduled_is_not_restarted);
  g_test_add_func("/formats/whole/health-defaults", test_health_defaults);
  g_test_add_func("/formats/whole/json", test_json_is_the_same);
  g_test_add_func("/formats/whole/aliases", test_aliases);
  g_test_add_func("/formats/whole/merge-keys", test_merge_keys);
  g_test_add_func("/formats/whole/messages", test_wholes);
  g_test_add_func("/formats/whole/not-honoured", test_not_honoured_list);
  g_test_add_func("/formats/whole/entry-agent", test_entry_agent);
  return g_test_run();
}
