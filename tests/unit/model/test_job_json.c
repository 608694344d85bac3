/* A resolved job through JSON and back, and documents of an API client that are no job. */
#include "base/error.h"
#include "model/job.h"

#include <string.h>

/* Every field of a job and of an agent at a value that is not its default. */
static const char everything[] =
    "{\"name\":\"all\",\"version\":\"2\",\"description\":\"d\",\"tags\":[\"x\",\"y\"],\"agents\":[{\"id\":\"a\",\"replicas\":3,"
    "\"kind\":0,\"target\":0,\"type\":\"T\",\"working_dir\":\"/w\",\"user\":\"u\",\"host\":\"h\",\"ssh_user\":\"su\",\"ssh_key\":\"k\","
    "\"python\":\"p\",\"workdir\":\"wd\",\"image\":\"i\",\"network\":\"n\",\"container_name\":\"c\",\"k8s_namespace\":\"kn\","
    "\"service_type\":\"st\",\"command\":[\"run\",\"\",\"caf\xc3\xa9 \\\"q\\\"\\n\"],\"port\":9001,\"ssh_port\":2222,\"config\":{\"K\":\"v\","
    "\"L\":\"[1]\"},\"environment\":{\"A\":\"\",\"B\":\"2\",\"S\":{\"secret\":\"key\"},\"F\":{\"file\":\"/f\"}},\"health\":{\"kind\":1,\"path\":\"/up\",\"argv\":[\"t\"],\"interval_ms\":100,"
    "\"timeout_ms\":1,\"retries\":100,\"start_period_ms\":86400000,\"min_healthy_ms\":7},\"restart\":{\"policy\":2,\"max\":-1,\"delay_ms\":0,\"max_delay_ms\":1,"
    "\"stable_ms\":2},\"stop\":{\"signal\":2,\"grace_ms\":0},\"resources\":{\"cpu_milli\":1500,\"memory_bytes\":1073741824,\"pids\":7,"
    "\"gpu\":1}},{\"id\":\"b\",\"replicas\":1,\"schedule\":{\"cron\":\"0 4 * * *\",\"every_ms\":0,\"timezone\":\"Europe/Berlin\","
    "\"tz_rule\":\"CET-1CEST,M3.5.0,M10.5.0/3\",\"overlap\":1},\"kind\":1,\"target\":0,\"module\":\"m.b\",\"port\":0,\"ssh_port\":22,"
    "\"config\":{},\"environment\":{},\"health\":{\"kind\":3,\"argv\":[\"t\",\"x\"],\"interval_ms\":30000,\"timeout_ms\":5000,"
    "\"retries\":3,\"start_period_ms\":0},\"restart\":{\"policy\":0,\"max\":3,\"delay_ms\":1000,\"max_delay_ms\":60000,\"stable_ms\":60000},"
    "\"stop\":{\"signal\":15,\"grace_ms\":10000},\"resources\":{\"cpu_milli\":0,\"memory_bytes\":0,\"pids\":0,\"gpu\":0}},{\"id\":\"c\","
    "\"replicas\":1,\"kind\":0,\"target\":0,\"agent_file\":\"/f.toml\",\"agent_text\":\"[agent]\\n\",\"port\":-1,\"ssh_port\":22,"
    "\"config\":{},\"environment\":{},\"health\":{\"kind\":2,\"interval_ms\":30000,\"timeout_ms\":5000,\"retries\":3,\"start_period_ms\":0},"
    "\"restart\":{\"policy\":1,\"max\":3,\"delay_ms\":1000,\"max_delay_ms\":60000,\"stable_ms\":60000},\"stop\":{\"signal\":15,"
    "\"grace_ms\":10000},\"resources\":{\"cpu_milli\":0,\"memory_bytes\":0,\"pids\":0,\"gpu\":0}}],\"topology\":{\"type\":\"hierarchical\","
    "\"hub\":0,\"is_tree\":true,\"groups\":[],\"connections\":[0,1,0,2]},\"start_order\":1,\"on_failure\":2,\"timeout_ms\":31536000000,"
    "\"max_unavailable\":5,\"max_surge\":0,\"notify\":[{\"url\":\"http://h\",\"events\":5}],\"parallel\":true,\"entry_point\":\"c\",\"auto_start\":true,\"environment\":{\"E\":\"1\"},"
    "\"caller\":{\"HOME\":\"/h\"},\"directory\":\"/dir\",\"not_honoured\":[\"x.y\"]}";

static Job *parse(const char *text)
{
  g_autoptr(GError) error = NULL;
  Job *job = job_from_json(text, strlen(text), &error);
  g_assert_no_error(error);
  return job;
}

static void test_round_trip(void)
{
  g_autoptr(Job) job = parse(everything);
  g_autofree char *json = job_to_json(job);
  g_assert_cmpstr(json, ==, everything);
  g_autoptr(Job) again = parse(json);
  g_autofree char *twice = job_to_json(again);
  g_assert_cmpstr(twice, ==, everything);
}

/* The least that is a job: all else is default, and stays so on the way back. */
static void test_least(void)
{
  g_autoptr(Job) job = parse(
      "{\"name\":\"x\",\"agents\":[{\"id\":\"a\",\"command\":[\"s\"]}],\"topology\":{\"type\":\"dynamic\"}}");
  g_autoptr(Job) fresh = job_new();
  fresh->name = g_strdup("x");
  AgentSpec *agent = agent_spec_new("a");
  agent->command = g_strsplit("s", " ", -1);
  g_assert_true(job_add_agent(fresh, agent));
  g_autofree char *one = job_to_json(job), *two = job_to_json(fresh);
  g_assert_cmpstr(one, ==, two);
}

/* What changes a digest and what does not. */
static void test_digests(void)
{
  g_autoptr(Job) a = parse(everything), b = parse(everything);
  strmap_set(&b->caller, "SHELL", "/bin/zsh");
  g_autofree char *one = job_digest_text(a), *two = job_digest_text(b);
  g_assert_cmpstr(one, ==, two); /* another shell is no other job */
  g_autofree char *agent = agent_spec_digest_text(a, job_agent(a, 0));
  AgentSpec *changed = b->agents->pdata[0];
  changed->replicas = 7;
  g_autofree char *same = agent_spec_digest_text(b, changed);
  g_assert_cmpstr(agent, ==, same); /* more of them are no other process */
  changed->stop.grace_ms++;
  g_autofree char *other = agent_spec_digest_text(b, changed);
  g_assert_cmpstr(agent, !=, other);
  changed->stop.grace_ms--;
  strmap_set(&b->environment, "E", "2");
  g_autofree char *third = agent_spec_digest_text(b, changed);
  g_assert_cmpstr(agent, !=, third);
}

#define A(members) \
  "{\"name\":\"x\",\"agents\":[{\"id\":\"a\"," members "}],\"topology\":{\"type\":\"dynamic\"}}"
#define C(members) A("\"command\":[\"s\"]," members)
#define T(topology)                                                                                                           \
  "{\"name\":\"x\",\"agents\":[{\"id\":\"a\",\"command\":[\"s\"]},{\"id\":\"b\",\"command\":[\"s\"]}],\"topology\":" topology \
  "}"
#define J(members)                                                                                               \
  "{\"name\":\"x\",\"agents\":[{\"id\":\"a\",\"command\":[\"s\"]}],\"topology\":{\"type\":\"dynamic\"}," members \
  "}"

static const struct {
  const char *text, *message;
} refused[] = {
    {"[]", "member 'job': wanted an object"},
    {"{}", "member 'name': wanted text"},
    {"{\"name\":1}", "member 'name': wanted text"},
    {"{\"name\":\"x\"}", "member 'agents': wanted a list of agents"},
    {"{\"name\":\"x\",\"agents\":[]}", "member 'agents': wanted a list of agents"},
    {"{\"name\":\"x\",\"agents\":[1]}", "member 'agents[].id': wanted text"},
    {"{\"name\":\"x\",\"agents\":[{\"id\":\"a\",\"command\":[\"s\"]}]}",
     "member 'topology.type': wanted hub-spoke, pipeline, dag, mesh, hierarchical or dynamic"},
    {"{\"name\":\"x\",\"agents\":[{\"id\":\"a\",\"command\":[\"s\"]},{\"id\":\"a\",\"command\":[\"s\"]}]}",
     "duplicate agent id 'a'"},
    {"{\"name\":\"x\",\"agents\":[{\"id\":\"../a\",\"command\":[\"s\"]}]}",
     "member 'agents[].id': wanted 1 to 64 characters of A-Z a-z 0-9 . _ -, beginning with a letter or digit"},
    {A("\"port\":1"), "agent 'a': wanted exactly one of module, command, agent_file"},
    {A("\"command\":[]"), "agent 'a': wanted exactly one of module, command, agent_file"},
    {C("\"module\":\"m\""), "agent 'a': wanted exactly one of module, command, agent_file"},
    {A("\"command\":\"s\""), "member 'command': wanted a list of texts"},
    {A("\"command\":[1]"), "member 'command': wanted a list of texts"},
    {C("\"port\":65536"), "member 'port': wanted a whole number from -1 to 65535"},
    {C("\"port\":65535,\"replicas\":2"), "agent 'a': port of the last replica is above 65535"},
    {C("\"replicas\":0"), "member 'replicas': wanted a whole number from 1 to 1000"},
    {C("\"replicas\":1.0"), "member 'replicas': wanted a whole number from 1 to 1000"},
    {C("\"kind\":2"), "member 'kind': wanted a whole number from 0 to 1"},
    {C("\"target\":9"), "member 'target': wanted a whole number from 0 to 3"},
    {C("\"environment\":[]"),
     "member 'environment': wanted an object of texts, {\"secret\": NAME} or {\"file\": PATH}"},
    {C("\"environment\":{\"A\":1}"),
     "member 'environment': wanted an object of texts, {\"secret\": NAME} or {\"file\": PATH}"},
    {C("\"environment\":{\"A\":{\"secret\":\"../x\"}}"),
     "member 'environment': wanted an object of texts, {\"secret\": NAME} or {\"file\": PATH}"},
    {C("\"environment\":{\"A\":{\"file\":\"relative\"}}"),
     "member 'environment': wanted an object of texts, {\"secret\": NAME} or {\"file\": PATH}"},
    {C("\"user\":1"), "member 'user': wanted text"},
    {C("\"health\":1"), "member 'health': wanted an object"},
    {C("\"health\":{\"kind\":5}"), "member 'kind': wanted a whole number from 0 to 4"},
    {C("\"port\":9001,\"health\":{\"kind\":1}"),
     "member 'health.path': wanted a path that begins with '/'"},
    {C("\"port\":9001,\"health\":{\"kind\":1,\"path\":\"@elsewhere/\"}"),
     "member 'health.path': wanted a path that begins with '/'"},
    {C("\"health\":{\"kind\":3}"), "member 'health.argv': wanted at least one word"},
    {C("\"health\":{\"kind\":3,\"argv\":[]}"), "member 'health.argv': wanted at least one word"},
    {C("\"health\":{\"kind\":2}"),
     "member 'port': wanted one, since the agent is probed by http or tcp"},
    {C("\"health\":{\"interval_ms\":0}"),
     "member 'interval_ms': wanted a whole number from 1 to 1000000000"},
    {C("\"restart\":[]"), "member 'restart': wanted an object"},
    {C("\"restart\":{\"max\":-2}"), "member 'max': wanted a whole number from -1 to 1000000000"},
    {C("\"restart\":{\"policy\":\"always\"}"),
     "member 'policy': wanted a whole number from 0 to 2"},
    {C("\"stop\":7"), "member 'stop': wanted an object"},
    {C("\"stop\":{\"signal\":65}"), "member 'signal': wanted a whole number from 1 to 64"},
    {C("\"resources\":null"), "member 'resources': wanted an object"},
    {C("\"resources\":{\"cpu_milli\":-1}"),
     "member 'cpu_milli': wanted a whole number from 0 to 100000000"},
    {C("\"schedule\":{\"every_ms\":5000}"),
     "member 'schedule': wanted an object, of a batch agent with one replica and no port"},
    {C("\"kind\":1,\"schedule\":{\"every_ms\":999}"),
     "member 'schedule': wanted exactly one of cron and every_ms, at least 1000"},
    {T("{}"),
     "member 'topology.type': wanted hub-spoke, pipeline, dag, mesh, hierarchical or dynamic"},
    {T("{\"type\":\"ring\"}"),
     "member 'topology.type': wanted hub-spoke, pipeline, dag, mesh, hierarchical or dynamic"},
    {T("{\"type\":\"hub-spoke\",\"groups\":[[1]]}"),
     "member 'topology.hub': wanted the number of an agent"},
    {T("{\"type\":\"hub-spoke\",\"hub\":2}"), "member 'hub': wanted a whole number from -1 to 1"},
    {T("{\"type\":\"hub-spoke\",\"hub\":0}"), "member 'topology.groups': wanted one group"},
    {T("{\"type\":\"mesh\",\"groups\":[[0],[1]]}"), "member 'topology.groups': wanted one group"},
    {T("{\"type\":\"pipeline\",\"groups\":[0]}"),
     "member 'topology': wanted lists of agent numbers"},
    {T("{\"type\":\"pipeline\",\"groups\":[[-1]]}"),
     "member 'topology': wanted numbers of existing agents"},
    {T("{\"type\":\"dag\",\"connections\":[0,9]}"),
     "member 'topology': wanted numbers of existing agents"},
    {T("{\"type\":\"dag\",\"connections\":{}}"),
     "member 'topology': wanted lists of agent numbers"},
    {J("\"start_order\":2"), "member 'start_order': wanted a whole number from 0 to 1"},
    {J("\"on_failure\":3"), "member 'on_failure': wanted a whole number from 0 to 2"},
    {J("\"timeout_ms\":0"), "member 'timeout_ms': wanted a whole number from 1 to 31536000000"},
    {J("\"max_unavailable\":0"), "member 'max_unavailable': wanted a whole number from 1 to 1000"},
    {J("\"max_surge\":1001"), "member 'max_surge': wanted a whole number from 0 to 1000"},
    {J("\"notify\":[{}]"), "member 'notify[].url': wanted a URL with http or https"},
    {J("\"notify\":[{\"url\":\"file:///etc/passwd\"}]"),
     "member 'notify[].url': wanted a URL with http or https"},
    {J("\"notify\":[{\"url\":\"http://h\",\"events\":8}]"),
     "member 'events': wanted a whole number from 1 to 7"},
    {J("\"entry_point\":\"z\""), "member 'entry_point': wanted the id of an agent"},
    {J("\"tags\":[1]"), "member 'tags': wanted a list of texts"},
    {J("\"directory\":{}"), "member 'directory': wanted text"},
};

static void test_refused(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Job) job = job_from_json(refused[i].text, strlen(refused[i].text), &error);
    if (job || g_strcmp0(error->message, refused[i].message) != 0)
      g_error("%s: %s, wanted %s", refused[i].text, job ? "taken" : error->message,
              refused[i].message);
    g_assert_error(error, REEVE_ERROR, REEVE_ERROR_INVALID);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/model/job/round-trip", test_round_trip);
  g_test_add_func("/model/job/least", test_least);
  g_test_add_func("/model/job/digests", test_digests);
  g_test_add_func("/model/job/refused", test_refused);
  return g_test_run();
}
