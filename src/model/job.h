#pragma once
/* A job as everybody inside Reeve sees it, whatever file it came from: agents, topology, deployment
 * settings. Plain structs; readers (formats/) fill them, plan/ and core/ read them. A *resolved*
 * job is self-contained: ${VAR}, env files and agent files are folded in and paths are absolute.
 * Times are in milliseconds. */
#include "base/problems.h"
#include "model/limits.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { SCHEDULE_EVERY_MIN_MS = 1000 };

/* Where a value of an environment comes from. TEXT: as written. SECRET, FILE: fetched on the node
 * when the agent starts; the value is then the name of the secret, or the path of the file. */
typedef enum ValueFrom { VALUE_TEXT, VALUE_SECRET, VALUE_FILE } ValueFrom;

/* An ordered map of text; keys unique. Lists stay small, so look-up is linear. */
typedef struct StrMap {
  GArray *pairs; /* of StrPair */
} StrMap;
typedef struct StrPair {
  char *key;   /* owned */
  char *value; /* owned, never NULL */
  ValueFrom from;
} StrPair;
/* Empty, in the caller's memory; strmap_done frees what it comes to own. */
void strmap_init(StrMap *map);
void strmap_done(StrMap *map);
/* Sets @key to @value (both copied), in place when it exists, else at the end. */
void strmap_set(StrMap *map, const char *key, const char *value);
/* The same for a value that comes from elsewhere. */
void strmap_set_from(StrMap *map, const char *key, ValueFrom from, const char *value);
/* Sets every pair of @from in @to. */
void strmap_merge(StrMap *to, const StrMap *from);
bool strmap_has(const StrMap *map, const char *key);
/* borrowed; NULL when absent, or no VALUE_TEXT */
const char *strmap_get(const StrMap *map, const char *key);
guint strmap_size(const StrMap *map);
const StrPair *strmap_at(const StrMap *map, guint i);

typedef enum AgentKind { AGENT_SERVICE, AGENT_BATCH } AgentKind;
typedef enum AgentTarget {
  TARGET_LOCALHOST,
  TARGET_REMOTE,
  TARGET_CONTAINER,
  TARGET_KUBERNETES
} AgentTarget;
typedef enum RestartPolicy { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS } RestartPolicy;
typedef enum HealthKind {
  HEALTH_DISCOVER,
  HEALTH_HTTP,
  HEALTH_TCP,
  HEALTH_EXEC,
  HEALTH_NONE
} HealthKind;
typedef enum FailurePolicy { ON_FAILURE_ROLLBACK, ON_FAILURE_STOP, ON_FAILURE_KEEP } FailurePolicy;
typedef enum StartOrder { START_TOPOLOGY, START_CALLEES_FIRST } StartOrder;
typedef enum TopologyType {
  TOPOLOGY_HUB_SPOKE,
  TOPOLOGY_PIPELINE,
  TOPOLOGY_DAG,
  TOPOLOGY_MESH,
  TOPOLOGY_HIERARCHICAL,
  TOPOLOGY_DYNAMIC
} TopologyType;

/* HEALTH_DISCOVER (no `health` in the file): the well-known paths are tried for an agent with a
 * port; without a port the agent is healthy when it stays up. */
typedef struct HealthSpec {
  HealthKind kind;
  char *path;              /* HEALTH_HTTP: starts with '/' */
  char **argv;             /* HEALTH_EXEC: NULL-terminated */
  int64_t interval_ms;     /* 100..86,400,000; default 30,000 */
  int64_t timeout_ms;      /* 1..3,600,000; default 5,000 */
  int retries;             /* failures in a row before unhealthy, 1..100; default 3 */
  int64_t start_period_ms; /* failures within it do not count; default 0 */
  /* so long it must stay healthy before its rollout goes on, 0..86,400,000; MIN_HEALTHY_UNSET = by
   * agent_min_healthy_ms */
  int64_t min_healthy_ms;
} HealthSpec;
enum { MIN_HEALTHY_UNSET = -1, MIN_HEALTHY_FIRST_MS = 1000, MIN_HEALTHY_UPDATE_MS = 3000 };

typedef struct RestartSpec {
  RestartPolicy policy; /* default on-failure */
  int max;              /* restarts in a row, -1 unlimited; default 3 */
  int64_t delay_ms;     /* first delay, doubles; default 1,000 */
  int64_t max_delay_ms; /* default 60,000 */
  int64_t stable_ms;    /* up this long: the counter starts anew; default 60,000 */
} RestartSpec;

/* The pause before restart number @restarts (1, 2, ...) in a row, in milliseconds. */
int64_t restart_delay_ms(const RestartSpec *restart, int restarts);

typedef struct StopSpec {
  int signal;       /* default SIGTERM */
  int64_t grace_ms; /* then SIGKILL to the whole tree; default 10,000 */
} StopSpec;

typedef struct ResourceSpec {
  double cpu;           /* cores; 0 = no limit */
  int64_t memory_bytes; /* 0 = no limit */
  int64_t pids;         /* 0 = no limit */
  int gpu;
} ResourceSpec;

/* config.port */
enum { PORT_NONE = 0, PORT_AUTO = -1 };

/* How gently running agents are replaced: see core/rolling.c. */
typedef struct UpdateSpec {
  int max_unavailable; /* slots of a stage that may be out at once, 1..1000; default 1 */
  int max_surge; /* extra slots that an agent without port gets meanwhile, 0..1000; default 1 */
} UpdateSpec;

typedef enum ScheduleOverlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_REPLACE } ScheduleOverlap;

/* When a batch agent runs; exactly one of cron and every_ms. */
typedef struct ScheduleSpec {
  bool set;
  char *cron;       /* five fields, see model/cron.h; NULL = by interval */
  int64_t every_ms; /* 1,000.. */
  char *timezone;   /* as written, for people; NULL = UTC */
  char *tz_rule;    /* the POSIX rule of that zone ("CET-1CEST,M3.5.0,M10.5.0/3"), NULL = UTC */
  ScheduleOverlap overlap;
} ScheduleSpec;

/* What a webhook may be told of. */
typedef enum NotifyEvent {
  NOTIFY_FAILED,
  NOTIFY_DEGRADED,
  NOTIFY_RECOVERED,
  NOTIFY_EVENT_N
} NotifyEvent;
typedef struct NotifySpec {
  char *url;       /* http or https */
  char *secret;    /* name of the secret that messages are signed with; NULL = they are not */
  unsigned events; /* bit per NotifyEvent */
} NotifySpec;

typedef struct AgentSpec {
  char *id;   /* unique in the job */
  char *type; /* class name for a module; may be NULL */
  AgentKind kind;
  AgentTarget target;
  char *module;     /* exactly one of module, command, agent_file */
  char **command;   /* argv, NULL-terminated */
  char *agent_file; /* `reeve: {agent: FILE}`; absolute once resolved */
  char *agent_text; /* contents of agent_file once resolved, so that a revision is self-contained */
  int port;         /* PORT_NONE, PORT_AUTO or 1..65535 of replica 0; replica k has port + k */
  int replicas;     /* 1..JOB_REPLICAS_MAX */
  StrMap config;    /* every config key but port, values as text (lists and maps as JSON) */
  StrMap environment;
  char *working_dir; /* absolute once resolved; NULL = directory of the job file */
  char *user;        /* run as; NULL = same user */
  HealthSpec health;
  RestartSpec restart;
  StopSpec stop;
  ResourceSpec resources;
  ScheduleSpec schedule; /* of a batch agent; not set = it runs once, when it is brought up */
  /* target remote: host, user, ssh_key, python, workdir, ssh_port; container: image, network,
   * container_name; kubernetes: k8s_namespace */
  char *host;
  char *ssh_user, *ssh_key, *python, *workdir, *image, *network, *container_name, *k8s_namespace,
      *service_type;
  int ssh_port;
  SourcePos pos; /* of the agent in its file; file name borrowed (interned) */
} AgentSpec;

/* One edge of a dag, by agent index: @from is given @to's URL. */
typedef struct Connection {
  guint from;
  guint to;
} Connection;

/* Which fields count depends on @type. All agents are indices into Job.agents. Agents outside the
 * topology start in the last stage together with a warning when read (dag: first stage, as isolated
 * vertices). */
typedef struct Topology {
  TopologyType type;
  /* of GArray* of guint: pipeline stages; hierarchical levels below the root; hub-spoke: one group
   * of spokes; mesh: one group */
  GArray *groups;
  gint hub; /* hub-spoke: hub; hierarchical: root; else -1 */
  /* of Connection: dag edges; hierarchical trees given as {parent, children}; in file order,
   * duplicates removed */
  GArray *connections;
  /* hierarchical written with {parent, children}: connections hold, not level x level */
  bool is_tree;
  SourcePos pos;
} Topology;

typedef struct Job {
  char *name, *version, *description;
  GPtrArray *tags;   /* of char* */
  GPtrArray *agents; /* of AgentSpec*, declaration order */
  GHashTable *index; /* agent id -> GUINT index + 1; keys borrowed from agents */
  Topology topology;
  StartOrder start_order;
  FailurePolicy on_failure;
  UpdateSpec update;
  GPtrArray *notify;  /* of NotifySpec* */
  int64_t timeout_ms; /* per stage; default 60,000 */
  bool parallel;      /* informational: strategy parallel */
  char *entry_point;  /* agent id or NULL */
  bool auto_start;
  StrMap environment; /* job-wide */
  StrMap caller; /* HOME USER LOGNAME SHELL LANG TZ PATH VIRTUAL_ENV of the caller, as far as set */
  char *directory;         /* absolute directory of the job file */
  GPtrArray *not_honoured; /* of char*: what the file asks and Reeve cannot do, by name */
} Job;

Job *job_new(void); /* empty, with defaults; topology dynamic */
void job_free(Job *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Job, job_free)
/* A fresh agent with all defaults, not yet in a job. @id copied. */
AgentSpec *agent_spec_new(const char *id);
void agent_spec_free(AgentSpec *agent);
/* Appends @agent (ownership moves) and indexes its id. Returns false and frees nothing when the id
 * exists already. */
bool job_add_agent(Job *job, AgentSpec *agent);
/* Index of agent @id, or -1. */
int job_find_agent(const Job *job, const char *id);
const AgentSpec *job_agent(const Job *job, guint index);
/* Agent @id, or NULL. */
const AgentSpec *job_agent_named(const Job *job, const char *id);
/* "worker/0": one replica of an agent, the key of its slot in the deployment and what people write
 * behind the deployment's name. Caller frees. */
char *slot_key(const char *agent, int replica);
/* Is @agent asked how it is while it runs? Else it is healthy when it stays up. Never true for a
 * batch agent. */
bool agent_is_probed(const AgentSpec *agent);
/* So many milliseconds @agent must stay healthy, from the first healthy on, before a rollout takes
 * it for ready. @replaces: it takes the place of something that works. What the job says counts;
 * else nothing where a probe answers, and where nothing is probed 1 s, or 3 s for what replaces. A
 * batch agent, which is ready when it completed, has 0. */
int64_t agent_min_healthy_ms(const AgentSpec *agent, bool replaces);
/* Why a replica cannot have its port. */
typedef struct PortClash {
  int replica, port;
  const char *other; /* id of the agent that has it; NULL = no port has that number; borrowed */
} PortClash;
/* Adds the ports of agent @index to @taken (port -> agent id, direct), up to the first that cannot
 * be: then false, with @clash. */
bool job_take_ports(const Job *job, guint index, GHashTable *taken, PortClash *clash);
/* Id of the agent that a prompt goes to when nobody is named: the entry point that the job names,
 * else the hub or root of its topology, else the first agent, of these with a port; NULL when no
 * agent has a port. Borrowed. */
const char *job_entry_agent(const Job *job);
/* Do agents of @job find each other by a registry? They do in a dynamic job of several agents, of
 * which at least one has a port. */
bool job_has_registry(const Job *job);
void topology_add_group(Topology *topology, const guint *members, guint n);
/* Members of group @i: a GArray of guint; borrowed. */
const GArray *topology_group(const Topology *topology, guint i);

/* The resolved job as JSON text (caller frees) and back. job_from_json(job_to_json(j)) equals j.
 * Errors: REEVE_ERROR_INVALID. */
char *job_to_json(const Job *job);
Job *job_from_json(const char *text, size_t length, GError **error);
struct json_t;
/* NULL is not an object, and says so */
Job *job_from_object(const struct json_t *object, GError **error);
/* The same without what belongs to the caller's shell: two jobs with equal text are the same job.
 * Caller frees. */
char *job_digest_text(const Job *job);
/* Canonical JSON of what makes a running process of @agent what it is (argv, environment, dir,
 * user, limits, port, health...): two specs with equal text need no restart. Without peers' URLs.
 * Caller frees. */
char *agent_spec_digest_text(const Job *job, const AgentSpec *agent);
/* Are these two texts equal? */
bool agent_spec_same(const Job *a_job, const AgentSpec *a, const Job *b_job, const AgentSpec *b);

const char *topology_type_word(TopologyType type); /* "hub-spoke" ... */
int topology_type_parse(const char *word);
/* The variable by which key @key of an agent's config reaches it: "AGENT_LOG_LEVEL" of "log-level".
 * Caller frees. */
char *job_config_variable(const char *key);
const char *agent_target_word(AgentTarget target);
const char *restart_policy_word(RestartPolicy policy);
const char *notify_event_word(NotifyEvent event);
/* A webhook for all events, not yet in a job; @url copied. */
NotifySpec *notify_spec_new(const char *url);
const char *schedule_overlap_word(ScheduleOverlap overlap);
