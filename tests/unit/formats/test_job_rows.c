/* Every row of the job file: what it takes and makes of it, what it refuses and with which words,
 * and that no row is without a case here.
 */
#include "formats/reader.h"
#include "reading.h"

#include <string.h>

typedef struct Refusal {
  const char *value, *message;
} Refusal;

/* @text has one %s for the value; a refused value is named at its place. @made is in the job's JSON
 * when the first of @good was read. */
typedef struct RowCase {
  const char *path, *text;
  const char *made;
  const char *good[4];
  Refusal bad[5];
} RowCase;

#define JOB(keys) "job: {name: x, " keys "}\nagents: [{id: a, command: [sleep]}]\n"
#define AGENT(keys) \
  "job: {name: x}\nagents: [{id: a, command: [sleep], config: {port: 9001}, " keys "}]\n"
#define TOP(keys) \
  "job: {name: x}\nagents: [{id: a, command: [sleep]}, {id: b, command: [sleep]}]\n" keys "\n"
#define BATCH(keys) "job: {name: x}\nagents: [{id: a, command: [sleep], kind: batch, " keys "}]\n"
#define NOT_TEXT(path)                                      \
  {                                                         \
    "[1]", "'" path "': wanted text, not a list or mapping" \
  }
#define NOT_FLAG(path)                                                  \
  {"yes", "'" path "': wanted true or false, not 'yes'"},               \
  {                                                                     \
    "[true]", "'" path "': wanted true or false, not a list or mapping" \
  }
#define NOT_NUMBER(path, range)                                        \
  {"soon", "'" path "': wanted a number from " range ", not 'soon'"},  \
  {                                                                    \
    "1e999", "'" path "': wanted a number from " range ", not '1e999'" \
  }
#define NOT_SECONDS(path, range)                                                             \
  {                                                                                          \
    "soon", "'" path "': wanted seconds from " range ", as 5, 1.5s, 500ms or 2m, not 'soon'" \
  }
#define OUTSIDE_SECONDS(path, range, low, high)                                                \
  {low, "'" path "': wanted seconds from " range ", as 5, 1.5s, 500ms or 2m, not '" low "'"},  \
  {                                                                                            \
    high, "'" path "': wanted seconds from " range ", as 5, 1.5s, 500ms or 2m, not '" high "'" \
  }
#define OUTSIDE(path, range, low, high)                                \
  {low, "'" path "': wanted a number from " range ", not '" low "'"},  \
  {                                                                    \
    high, "'" path "': wanted a number from " range ", not '" high "'" \
  }
#define NOT_WHOLE(path)                                 \
  {                                                     \
    "1.5", "'" path "': wanted a whole number, not 1.5" \
  }
#define NOT_WORD(path, allowed)                                                 \
  {                                                                             \
    "other-thing", "'" path "': unknown value 'other-thing'; allowed: " allowed \
  }

static const RowCase cases[] = {
    /* job */
    {"job.name",
     "job: {name: %s}\nagents: [{id: a, command: [sleep]}]\n",
     "\"name\":\"desk-1.x_y\"",
     {"desk-1.x_y", "'9'"},
     {NOT_TEXT("job.name"),
      {"a b", "'job.name': 'a b' is not a name; allowed: up to 64 letters, digits, '.', '_', '-'"},
      {"-a", "'job.name': '-a' is not a name; allowed: up to 64 letters, digits, '.', '_', '-'"}}},
    {"job.version",
     JOB("version: %s"),
     "\"version\":\"1.0\"",
     {"1.0", "\"${GREETING}\""},
     {NOT_TEXT("job.version")}},
    {"job.description",
     JOB("description: %s"),
     "\"description\":\"costs $5 $$ ${A}\"",
     {"'costs $5 $$ $${A}'"},
     {NOT_TEXT("job.description")}},
    {"job.tags",
     JOB("tags: %s"),
     "\"tags\":[\"one\",\"2\"]",
     {"[one, 2]", "[]"},
     {{"one",
       "'job.tags': wanted a list of words, as in [python3, server.py]; there is no shell"}}},
    /* agents */
    {"agents[].id",
     "job: {name: x}\nagents: [{command: [sleep], id: %s}]\n",
     "\"id\":\"a.1\"",
     {"a.1"},
     {NOT_TEXT("agents[0].id")}},
    {"agents[].type",
     AGENT("type: %s"),
     "\"type\":\"News\"",
     {"News"},
     {NOT_TEXT("agents[0].type")}},
    {"agents[].module",
     "job: {name: x}\nagents: [{id: a, module: %s}]\n",
     "\"module\":\"agents.news\"",
     {"agents.news"},
     {NOT_TEXT("agents[0].module")}},
    {"agents[].command",
     "job: {name: x}\nagents: [{id: a, command: %s}]\n",
     "\"command\":[\"hello\",\"1\",\"\",\"echo $$ $x ${f}\"]",
     {"[\"${GREETING}\", 1, '', 'echo $$ $x $${f}']"},
     {{"sleep 5",
       "'agents[0].command': wanted a list of words, as in [python3, server.py]; there is no shell"},
      {"[]", "'agents[0].command': the list is empty"}}},
    {"agents[].reeve.agent",
     "job: {name: x}\nagents: [{id: a, reeve: {agent: %s}}]\n",
     "\"agent_file\":\"/srv/jobs/ok.toml\"",
     {"ok.toml", "../jobs/ok.toml"},
     {{"none.toml", "agent file: open '/srv/jobs/none.toml': No such file"},
      {"[1]", "'agents[0].reeve.agent': wanted a file name, not a list or mapping"}}},
    {"agents[].kind",
     AGENT("kind: %s"),
     "\"kind\":1",
     {"batch", "service"},
     {NOT_WORD("agents[0].kind", "service, batch")}},
    {"agents[].replicas",
     AGENT("replicas: %s"),
     "\"replicas\":1000",
     {"1000", "\"${NONE:-2}\"", "\"${NONE-2}\""},
     {NOT_NUMBER("agents[0].replicas", "1 to 1000"),
      OUTSIDE("agents[0].replicas", "1 to 1000", "0", "1001"), NOT_WHOLE("agents[0].replicas")}},
    {"agents[].config",
     "job: {name: x}\nagents: [{id: a, command: [sleep], config: %s}]\n",
     "\"config\":{\"name\":\"hello\",\"list\":\"[1, \\\"2\\\", null, true, \\\"01\\\"]\",\"none\":\"\",\"map\":\"{\\\"k ${x}\\\": "
     "\\\"hello!\\\"}\"}",
     {"{name: \"${GREETING}\", list: [1, '2', ~, true, 01], none: , map: {\"k ${x}\": \"${GREETING}!\"}}",
      "{port: auto}", "{port: \"${NONE:-8080}\"}"},
     {{"[1]", "'agents[0].config': wanted a mapping of keys"}}},
    {"agents[].working_dir",
     AGENT("working_dir: %s"),
     "\"working_dir\":\"/home/ann/work\"",
     {"~/work", "sub/dir", "/abs"},
     {NOT_TEXT("agents[0].working_dir")}},
    {"agents[].user",
     AGENT("user: %s"),
     "\"user\":\"nobody\"",
     {"nobody"},
     {NOT_TEXT("agents[0].user")}},
    {"agents[].env_file",
     AGENT("env_file: %s"),
     "\"environment\":{\"A\":\"1\",\"B\":\"two words\",\"C\":\"quoted\",\"D\":\"single\",\"E\":\"a=b\",\"F\":\"\"}",
     {"plain.env", "~/own.env"},
     {{"none.env", "env_file: open '/srv/jobs/none.env': No such file"},
      {"latin.env", "env_file '/srv/jobs/latin.env': not a UTF-8 text file"},
      {"[1]", "'agents[0].env_file': wanted a file name, not a list or mapping"}}},
    {"agents[].environment",
     AGENT("environment: %s"),
     "\"environment\":{\"A\":\"1\",\"B\":\"hello!\",\"C\":\"fallback\",\"D\":\"\",\"E\":\"$HOME\",\"F\":\"\"}",
     {"{A: 1, B: \"${GREETING}!\", C: \"${NONE:-fallback}\", D: \"${EMPTY}\", E: $HOME, F: }",
      "{A: \"${EMPTY:-x}\", B: true, C: 1.5}"},
     {{"[A=1]", "'agents[0].environment': wanted a mapping of NAME: value"}}},
    /* health */
    {"agents[].health.http",
     AGENT("health: {http: %s}"),
     "\"health\":{\"kind\":1,\"path\":\"/up\"",
     {"/up"},
     {NOT_TEXT("agents[0].health.http"),
      {"up", "'agents[0].health.http': a path begins with '/', not 'up'"}}},
    {"agents[].health.tcp",
     AGENT("health: {tcp: %s}"),
     "\"health\":{\"kind\":2,",
     {"true", "false"},
     {NOT_FLAG("agents[0].health.tcp")}},
    {"agents[].health.exec",
     AGENT("health: {exec: %s}"),
     "\"health\":{\"kind\":3,\"argv\":[\"test\",\"-e\",\"x\"]",
     {"[test, -e, x]"},
     {{"[]", "'agents[0].health.exec': the list is empty"},
      {"test -e x",
       "'agents[0].health.exec': wanted a list of words, as in [python3, server.py]; there is no shell"}}},
    {"agents[].health.interval",
     AGENT("health: {interval: %s}"),
     "\"interval_ms\":1500",
     {"1500ms", "0.1", "86400"},
     {NOT_SECONDS("agents[0].health.interval", "0.1 to 86400"),
      OUTSIDE_SECONDS("agents[0].health.interval", "0.1 to 86400", "0.09", "86401")}},
    {"agents[].health.timeout",
     AGENT("health: {timeout: %s}"),
     "\"timeout_ms\":1,",
     {"0.001", "3600"},
     {NOT_SECONDS("agents[0].health.timeout", "0.001 to 3600"),
      OUTSIDE_SECONDS("agents[0].health.timeout", "0.001 to 3600", "0", "3601")}},
    {"agents[].health.retries",
     AGENT("health: {retries: %s}"),
     "\"retries\":100,",
     {"100", "1"},
     {NOT_NUMBER("agents[0].health.retries", "1 to 100"),
      OUTSIDE("agents[0].health.retries", "1 to 100", "0", "101"),
      NOT_WHOLE("agents[0].health.retries")}},
    {"agents[].health.min_healthy",
     AGENT("health: {min_healthy: %s}"),
     "\"min_healthy_ms\":86400000",
     {"86400", "0", "0.5"},
     {OUTSIDE_SECONDS("agents[0].health.min_healthy", "0 to 86400", "-1", "86401")}},
    {"agents[].health.start_period",
     AGENT("health: {start_period: %s}") "deployment: {timeout: 100000}\n",
     "\"start_period_ms\":86400000",
     {"1d", "0", "\"${NONE:-2m}\""},
     {OUTSIDE_SECONDS("agents[0].health.start_period", "0 to 86400", "-1", "86401")}},
    /* restart, stop, resources */
    {"agents[].restart.policy",
     AGENT("restart: {policy: %s}"),
     "\"restart\":{\"policy\":2,",
     {"always", "never", "on-failure"},
     {NOT_WORD("agents[0].restart.policy", "never, on-failure, always"),
      {"allways",
       "'agents[0].restart.policy': unknown value 'allways'; allowed: never, on-failure, always; did you mean 'always'?"}}},
    {"agents[].restart.max",
     AGENT("restart: {max: %s}"),
     "\"max\":-1,",
     {"-1", "0", "1000000"},
     {OUTSIDE("agents[0].restart.max", "-1 to 1000000", "-2", "1000001"),
      NOT_WHOLE("agents[0].restart.max")}},
    {"agents[].restart.delay",
     AGENT("restart: {delay: %s}"),
     "\"delay_ms\":250,",
     {"0.25", "0", "86400"},
     {OUTSIDE_SECONDS("agents[0].restart.delay", "0 to 86400", "-0.1", "86401")}},
    {"agents[].restart.max_delay",
     AGENT("restart: {max_delay: %s}"),
     "\"max_delay_ms\":2000,",
     {"2", "0", "86400"},
     {OUTSIDE_SECONDS("agents[0].restart.max_delay", "0 to 86400", "-0.1", "86401")}},
    {"agents[].restart.stable",
     AGENT("restart: {stable: %s}"),
     "\"stable_ms\":7000}",
     {"7", "0", "86400"},
     {OUTSIDE_SECONDS("agents[0].restart.stable", "0 to 86400", "-0.1", "86401")}},
    {"agents[].stop.signal",
     AGENT("stop: {signal: %s}"),
     "\"stop\":{\"signal\":2,",
     {"INT", "SIGUSR1", "15"},
     {{"STOP",
       "'agents[0].stop.signal': unknown signal 'STOP'; allowed: TERM, INT, QUIT, HUP, USR1, USR2, KILL or a number"},
      {"0",
       "'agents[0].stop.signal': unknown signal '0'; allowed: TERM, INT, QUIT, HUP, USR1, USR2, KILL or a number"},
      {"65",
       "'agents[0].stop.signal': unknown signal '65'; allowed: TERM, INT, QUIT, HUP, USR1, USR2, KILL or a number"},
      {"[1]", "'agents[0].stop.signal': wanted a signal, not a list or mapping"}}},
    {"agents[].stop.grace",
     AGENT("stop: {grace: %s}"),
     "\"grace_ms\":86400000",
     {"86400", "0"},
     {OUTSIDE_SECONDS("agents[0].stop.grace", "0 to 86400", "-1", "86401")}},
    {"agents[].resources.cpu",
     AGENT("resources: {cpu: %s}"),
     "\"cpu_milli\":1500",
     {"1.5", "0", "100000"},
     {OUTSIDE("agents[0].resources.cpu", "0 to 100000", "-1", "100001")}},
    {"agents[].resources.memory",
     AGENT("resources: {memory: %s}"),
     "\"memory_bytes\":536870912",
     {"512M", "1GiB", "1.5g", "100000"},
     {{"much", "'agents[0].resources.memory': wanted a size such as 512M or 2G, not 'much'"},
      {"1X", "'agents[0].resources.memory': wanted a size such as 512M or 2G, not '1X'"},
      {"0", "'agents[0].resources.memory': wanted a size such as 512M or 2G, not '0'"},
      {"-1M", "'agents[0].resources.memory': wanted a size such as 512M or 2G, not '-1M'"},
      {"9999999T",
       "'agents[0].resources.memory': wanted a size such as 512M or 2G, not '9999999T'"}}},
    {"agents[].resources.pids",
     AGENT("resources: {pids: %s}"),
     "\"pids\":4194304",
     {"4194304", "1"},
     {OUTSIDE("agents[0].resources.pids", "1 to 4194304", "0", "4194305"),
      NOT_WHOLE("agents[0].resources.pids")}},
    /* where it runs */
    {"agents[].deployment.target",
     AGENT("deployment: {target: %s}"),
     "\"target\":0",
     {"localhost"},
     {{"remote",
       "'agents[0].deployment.target': 'remote' is not supported by this version; allowed: localhost"},
      {"kubernetes",
       "'agents[0].deployment.target': 'kubernetes' is not supported by this version; allowed: localhost"},
      NOT_WORD("agents[0].deployment.target", "localhost, remote, container, kubernetes")}},
    {"agents[].deployment.environment",
     AGENT("deployment: {environment: %s}"),
     "\"environment\":{\"A\":\"1\"}",
     {"{A: 1}"},
     {{"A=1", "'agents[0].deployment.environment': wanted a mapping of NAME: value"}}},
    {"agents[].deployment.host",
     AGENT("deployment: {host: %s}"),
     "\"host\":\"rack7\"",
     {"rack7"},
     {NOT_TEXT("agents[0].deployment.host")}},
    {"agents[].deployment.user",
     AGENT("deployment: {user: %s}"),
     "\"ssh_user\":\"ann\"",
     {"ann"},
     {NOT_TEXT("agents[0].deployment.user")}},
    {"agents[].deployment.ssh_key",
     AGENT("deployment: {ssh_key: %s}"),
     "\"ssh_key\":\"k\"",
     {"k"},
     {NOT_TEXT("agents[0].deployment.ssh_key")}},
    {"agents[].deployment.python",
     AGENT("deployment: {python: %s}"),
     "\"python\":\"python3.9\"",
     {"python3.9"},
     {NOT_TEXT("agents[0].deployment.python")}},
    {"agents[].deployment.workdir",
     AGENT("deployment: {workdir: %s}"),
     "\"workdir\":\"/opt\"",
     {"/opt"},
     {NOT_TEXT("agents[0].deployment.workdir")}},
    {"agents[].deployment.image",
     AGENT("deployment: {image: %s}"),
     "\"image\":\"i:1\"",
     {"'i:1'"},
     {NOT_TEXT("agents[0].deployment.image")}},
    {"agents[].deployment.network",
     AGENT("deployment: {network: %s}"),
     "\"network\":\"n\"",
     {"n"},
     {NOT_TEXT("agents[0].deployment.network")}},
    {"agents[].deployment.container_name",
     AGENT("deployment: {container_name: %s}"),
     "\"container_name\":\"c\"",
     {"c"},
     {NOT_TEXT("agents[0].deployment.container_name")}},
    {"agents[].deployment.namespace",
     AGENT("deployment: {namespace: %s}"),
     "\"k8s_namespace\":\"n\"",
     {"n"},
     {NOT_TEXT("agents[0].deployment.namespace")}},
    {"agents[].deployment.service_type",
     AGENT("deployment: {service_type: %s}"),
     "\"service_type\":\"s\"",
     {"s"},
     {NOT_TEXT("agents[0].deployment.service_type")}},
    {"agents[].deployment.port",
     AGENT("deployment: {port: %s}"),
     "\"ssh_port\":65535",
     {"65535", "1"},
     {OUTSIDE("agents[0].deployment.port", "1 to 65535", "0", "65536"),
      NOT_WHOLE("agents[0].deployment.port")}},
    {"agents[].schedule.cron",
     BATCH("schedule: {cron: %s}"),
     "\"cron\":\"5 4 * * mon\"",
     {"5 4 * * mon", "'@daily'"},
     {{"5 4 * *",
       "'agents[0].schedule.cron': cron: '5 4 * *' has 4 fields; wanted five: minute hour day-of-month month day-of-week"}}},
    {"agents[].schedule.every",
     BATCH("schedule: {every: %s}"),
     "\"every_ms\":60000",
     {"60", "1", "31536000"},
     {OUTSIDE_SECONDS("agents[0].schedule.every", "1 to 31536000", "0.9", "31536001")}},
    {"agents[].schedule.timezone",
     BATCH("schedule: {cron: '@daily', timezone: %s}"),
     "\"timezone\":\"UTC\"",
     {"UTC"},
     {{"Mars/Olympus",
       "'agents[0].schedule.timezone': unknown time zone 'Mars/Olympus'; wanted a name as in /usr/share/zoneinfo/, for example Europe/Berlin"},
      {"../../etc/passwd",
       "'agents[0].schedule.timezone': unknown time zone '../../etc/passwd'; wanted a name as in /usr/share/zoneinfo/, for example Europe/Berlin"}}},
    {"agents[].schedule.overlap",
     BATCH("schedule: {every: 60, overlap: %s}"),
     "\"overlap\":2",
     {"replace", "skip", "queue"},
     {NOT_WORD("agents[0].schedule.overlap", "skip, queue, replace")}},
    /* topology */
    {"topology.type",
     TOP("topology: {type: %s}"),
     "\"type\":\"dynamic\"",
     {"dynamic"},
     {{"ring",
       "'topology.type': unknown value 'ring'; allowed: hub-spoke, pipeline, dag, mesh, hierarchical, dynamic"},
      {"pipline",
       "'topology.type': unknown value 'pipline'; allowed: hub-spoke, pipeline, dag, mesh, hierarchical, dynamic; did you mean 'pipeline'?"},
      {"[dag]", "'topology.type': wanted a word, not a list or mapping"}}},
    {"topology.hub",
     TOP("topology: {type: hub-spoke, spokes: [b], hub: %s}"),
     "\"hub\":0",
     {"a"},
     {{"c", "'topology.hub': unknown agent 'c'"},
      {"[a]", "'topology.hub': wanted the id of an agent, not a list or mapping"}}},
    {"topology.spokes",
     TOP("topology: {type: hub-spoke, hub: a, spokes: %s}"),
     "\"groups\":[[1]]",
     {"[b]", "b"},
     {{"[]", "'topology.spokes': the list is empty"}}},
    {"topology.stages",
     TOP("topology: {type: pipeline, stages: %s}"),
     "\"groups\":[[1],[0]]",
     {"[b, a]", "[[a, b]]"},
     {{"[]", "'topology.stages': wanted a list that is not empty"},
      {"a", "'topology.stages': wanted a list that is not empty"}}},
    {"topology.connections",
     TOP("topology: {type: dag, connections: %s}"),
     "\"connections\":[0,1]",
     {"[{from: a, to: b}]", "[{from: b, to: [a]}]"},
     {{"a", "'topology.connections': wanted a list of {from, to}"}}},
    {"topology.agents",
     TOP("topology: {type: mesh, agents: %s}"),
     "\"groups\":[[1,0]]",
     {"[b, a]"},
     {{"[]", "'topology.agents': the list is empty"}}},
    {"topology.root",
     TOP("topology: {type: hierarchical, levels: [[b]], root: %s}"),
     "\"hub\":0",
     {"a"},
     {{"c", "'topology.root': unknown agent 'c'"}}},
    {"topology.levels",
     TOP("topology: {type: hierarchical, root: a, levels: %s}"),
     "\"groups\":[[1]]",
     {"[[b]]", "[b]", "[{parent: a, children: b}]"},
     {{"[]", "'topology.levels': wanted a list that is not empty"}}},
    {"topology.strategy",
     TOP("topology: {type: dynamic, strategy: %s}"),
     "\"type\":\"dynamic\"",
     {"anything", "[1]"},
     {{NULL}}},
    /* deployment */
    {"deployment.strategy",
     TOP("deployment: {strategy: %s}"),
     "\"parallel\":true",
     {"parallel", "staged", "top-down"},
     {NOT_WORD("deployment.strategy", "staged, parallel, sequential, top-down")}},
    {"deployment.timeout",
     TOP("deployment: {timeout: %s}"),
     "\"timeout_ms\":100,",
     {"0.1", "31536000"},
     {OUTSIDE_SECONDS("deployment.timeout", "0.1 to 31536000", "0", "31536001"),
      NOT_SECONDS("deployment.timeout", "0.1 to 31536000")}},
    {"deployment.health_check.enabled",
     TOP("deployment: {health_check: {enabled: %s}}"),
     "\"health\":{\"kind\":4,",
     {"false", "true"},
     {NOT_FLAG("deployment.health_check.enabled")}},
    {"deployment.health_check.interval",
     TOP("deployment: {health_check: {interval: %s}}"),
     "\"interval_ms\":100,",
     {"0.1", "86400"},
     {OUTSIDE_SECONDS("deployment.health_check.interval", "0.1 to 86400", "0", "86401")}},
    {"deployment.health_check.timeout",
     TOP("deployment: {health_check: {timeout: %s}}"),
     "\"timeout_ms\":3600000",
     {"3600", "0.001"},
     {OUTSIDE_SECONDS("deployment.health_check.timeout", "0.001 to 3600", "0", "3601")}},
    {"deployment.health_check.min_healthy",
     TOP("deployment: {health_check: {min_healthy: %s}}"),
     "\"min_healthy_ms\":86400000",
     {"86400", "0", "0.5"},
     {OUTSIDE_SECONDS("deployment.health_check.min_healthy", "0 to 86400", "-1", "86401")}},
    {"deployment.health_check.retries",
     TOP("deployment: {health_check: {retries: %s}}"),
     "\"retries\":7",
     {"7"},
     {OUTSIDE("deployment.health_check.retries", "1 to 100", "0", "101")}},
    {"deployment.on_failure",
     TOP("deployment: {on_failure: %s}"),
     "\"on_failure\":1",
     {"stop", "keep", "rollback"},
     {NOT_WORD("deployment.on_failure", "rollback, stop, keep")}},
    {"deployment.update.max_unavailable",
     TOP("deployment: {update: {max_unavailable: %s}}"),
     "\"max_unavailable\":1000",
     {"1000", "1"},
     {OUTSIDE("deployment.update.max_unavailable", "1 to 1000", "0", "1001"),
      NOT_WHOLE("deployment.update.max_unavailable")}},
    {"deployment.update.max_surge",
     TOP("deployment: {update: {max_surge: %s}}"),
     "\"max_surge\":1000",
     {"1000", "0"},
     {OUTSIDE("deployment.update.max_surge", "0 to 1000", "-1", "1001"),
      NOT_WHOLE("deployment.update.max_surge")}},
    {"deployment.start_order",
     TOP("deployment: {start_order: %s}"),
     "\"start_order\":1",
     {"callees-first", "topology"},
     {NOT_WORD("deployment.start_order", "topology, callees-first")}},
    /* execution and the rest */
    {"execution.entry_point",
     TOP("execution: {entry_point: %s}"),
     "\"entry_point\":\"b\"",
     {"b"},
     {{"c", "'execution.entry_point': unknown agent 'c'"}, NOT_TEXT("execution.entry_point")}},
    {"execution.auto_start",
     TOP("execution: {auto_start: %s}"),
     "\"auto_start\":true",
     {"true", "false"},
     {NOT_FLAG("execution.auto_start")}},
    {"environment",
     TOP("environment: %s"),
     "\"environment\":{\"LOG\":\"hello\"}",
     {"{LOG: \"${GREETING}\"}"},
     {{"1", "'environment': wanted a mapping of NAME: value"}}},
    {"notify.url",
     TOP("notify: {url: %s}"),
     "\"notify\":[{\"url\":\"https://h/hello\"",
     {"'https://h/${GREETING}'", "'http://h'"},
     {{"ftp://h", "'notify.url': wanted a URL with http:// or https://"},
      {"[1]", "'notify.url': wanted a URL, not a list or mapping"}}},
    {"notify.secret",
     TOP("notify: {url: 'http://h', secret: %s}"),
     "\"secret\":\"hook-key\"",
     {"hook-key"},
     {{"a/b", "'notify.secret': wanted the name of a secret"}}},
    {"notify.on",
     TOP("notify: [{url: 'http://h', on: %s}]"),
     "\"events\":5",
     {"[failed, recovered]", "[degraded]"},
     {{"[sometimes]",
       "'notify[0].on': unknown event 'sometimes'; allowed: failed, degraded, recovered"},
      {"failed",
       "'notify[0].on': wanted a list of words, as in [python3, server.py]; there is no shell"}}},
    {"on_failure",
     TOP("on_failure: %s"),
     "\"on_failure\":2",
     {"keep"},
     {NOT_WORD("on_failure", "rollback, stop, keep")}},
    {"start_order",
     TOP("start_order: %s"),
     "\"start_order\":1",
     {"callees-first"},
     {NOT_WORD("start_order", "topology, callees-first")}},
};

/* @text with @value for its %s, and where the value begins. */
static char *case_text(const RowCase *row, const char *value, int *line, int *column)
{
  const char *at = strstr(row->text, "%s");
  g_assert_nonnull(at);
  *line = *column = 1;
  for (const char *p = row->text; p < at; p++) {
    *column = *p == '\n' ? 1 : *column + 1;
    *line += *p == '\n';
  }
  return g_strdup_printf("%.*s%s%s", (int)(at - row->text), row->text, value, at + 2);
}

static int case_key_column(const RowCase *row, int column)
{
  const char *at = strstr(row->text, "%s"), *key = at;
  for (key -= 2; key > row->text && !strchr(" {\n", key[-1]); key--)
    ;
  return column - (int)(at - key);
}

static void test_good(void)
{
  int line, column;
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    for (size_t k = 0; k < G_N_ELEMENTS(cases[i].good) && cases[i].good[k]; k++) {
      g_autofree char *text = case_text(&cases[i], cases[i].good[k], &line, &column);
      g_autoptr(Job) job = read_expecting(text, "");
      g_autofree char *json = job_to_json(job);
      if (k == 0 && !strstr(json, cases[i].made))
        g_error("%s: wanted %s in %s", cases[i].path, cases[i].made, json);
    }
  }
}

static void test_bad(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    for (size_t k = 0; k < G_N_ELEMENTS(cases[i].bad) && cases[i].bad[k].value; k++) {
      const Refusal *bad = &cases[i].bad[k];
      int line, column;
      g_autofree char *text = case_text(&cases[i], bad->value, &line, &column);
      /* an empty list has no place of its own: its key is named */
      if (strcmp(bad->value, "[]") == 0)
        column = case_key_column(&cases[i], column);
      else
        column += bad->value[0] == '['; /* a list is where its first value is */
      g_autofree char *expected =
          g_strdup_printf("job.yaml:%d:%d: error: %s\n", line, column, bad->message);
      g_autoptr(Problems) problems = problems_new();
      g_assert_null(read_text(text, strlen(text), false, problems));
      g_autofree char *said = problems_text(problems);
      if (!strstr(said, expected))
        g_error("%s: %s: wanted\n%sin\n%s", cases[i].path, bad->value, expected, said);
    }
  }
}

/* An absent key, null and ~ are the same. */
static void test_null_is_absent(void)
{
  int line, column;
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    if (strcmp(cases[i].path, "job.name") == 0 || strstr(cases[i].path, "[].id") ||
        strstr(cases[i].path, ".command") || strstr(cases[i].path, ".module") ||
        strstr(cases[i].path, "reeve") || strstr(cases[i].path, "schedule") ||
        strcmp(cases[i].path, "notify.url") == 0 || g_str_has_prefix(cases[i].path, "topology."))
      continue; /* one of them is required */
    g_autofree char *null = case_text(&cases[i], "null", &line, &column),
                    *tilde = case_text(&cases[i], "~", &line, &column);
    g_autoptr(Job) a = read_expecting(null, ""), b = read_expecting(tilde, "");
    g_autofree char *first = job_to_json(a), *second = job_to_json(b);
    g_assert_cmpstr(first, ==, second);
  }
}

static void check_rows_have_cases(const Row *rows, const char *path)
{
  for (const Row *row = rows; row->key; row++) {
    g_autofree char *name = reader_join(path, row->key);
    if (row->rows) {
      g_autofree char *below = strcmp(name, "agents") == 0 ? g_strdup("agents[]") : g_strdup(name);
      check_rows_have_cases(row->rows, below);
      continue;
    }
    bool found = row->read == row_ignored;
    for (size_t i = 0; i < G_N_ELEMENTS(cases) && !found; i++)
      found = strcmp(cases[i].path, name) == 0;
    if (!found)
      g_error("the row '%s' has no case in this file", name);
  }
}

static void test_every_row_has_a_case(void)
{
  check_rows_have_cases(job_rows, "");
}

/* Misspell each key at its place: it is named with its place and with what was meant. */
static void check_misspelt(const Row *rows, const char *path, const char *before, const char *after)
{
  for (const Row *row = rows; row->key; row++) {
    g_autofree char *text = g_strdup_printf("%s%sq: {}%s", before, row->key, after);
    g_autoptr(Problems) problems = problems_new();
    job_free(read_text(text, strlen(text), false, problems));
    g_autofree char *said = problems_text(problems),
                    *in = path[0] ? g_strdup_printf(" in '%s'", path) : g_strdup("");
    g_autofree char *want = g_strdup_printf(": warning: unknown key '%sq'%s; did you mean '%s'?\n",
                                            row->key, in, row->key);
    if (!strstr(said, want))
      g_error("wanted%s in %s", want, said);
  }
}

static void test_misspelt_keys(void)
{
  check_misspelt(job_rows, "", TOP(""), "\n");
  check_misspelt(agent_rows, "agents[0]", "job: {name: x}\nagents: [{id: a, command: [sleep], ",
                 "}]\n");
  check_misspelt(restart_rows, "agents[0].restart",
                 "job: {name: x}\nagents: [{id: a, command: [sleep], restart: {", "}}]\n");
  check_misspelt(health_rows, "agents[0].health",
                 "job: {name: x}\nagents: [{id: a, command: [sleep], health: {", "}}]\n");
  check_misspelt(stop_rows, "agents[0].stop",
                 "job: {name: x}\nagents: [{id: a, command: [sleep], stop: {", "}}]\n");
  check_misspelt(topology_rows, "topology", TOP("") "topology: {type: dynamic, ", "}\n");
}

/* A key like no other: a short list of what there is, but not a long one. */
static void test_unlike_keys(void)
{
  static const struct {
    const char *text, *said;
  } rows[] = {
      {"job: {name: x}\nagents: [{id: a, command: [sleep], stop: {quickly: 1}}]\ntopology: {type: dynamic}\n",
       "; known: "},
      {"job: {name: x}\nagents: [{id: a, command: [sleep], quickly: 1}]\ntopology: {type: dynamic}\n",
       "it is not honoured\n"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Job) job = read_text(rows[i].text, strlen(rows[i].text), false, problems);
    g_autofree char *said = problems_text(problems);
    g_assert_nonnull(job);
    g_assert_nonnull(strstr(said, "unknown key 'quickly'"));
    g_assert_nonnull(strstr(said, rows[i].said));
  }
}

/* Read strictly, a warning is an error. */
static void test_strict(void)
{
  static const char text[] = TOP("job2: 1");
  g_autoptr(Problems) lenient = problems_new(), strict = problems_new();
  g_autoptr(Job) job = read_text(text, strlen(text), false, lenient);
  g_assert_nonnull(job);
  g_assert_null(read_text(text, strlen(text), true, strict));
  g_autofree char *said = problems_text(strict);
  g_assert_cmpstr(said, ==, "job.yaml:3:1: error: unknown key 'job2'; did you mean 'job'?\n");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/formats/rows/good", test_good);
  g_test_add_func("/formats/rows/bad", test_bad);
  g_test_add_func("/formats/rows/null-is-absent", test_null_is_absent);
  g_test_add_func("/formats/rows/every-row", test_every_row_has_a_case);
  g_test_add_func("/formats/rows/misspelt", test_misspelt_keys);
  g_test_add_func("/formats/rows/unlike", test_unlike_keys);
  g_test_add_func("/formats/rows/strict", test_strict);
  return g_test_run();
}
