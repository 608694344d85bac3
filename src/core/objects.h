#pragma once
/* The core's objects, for reading: server/ renders them, tests look at them. Only core/ writes
 * them. What is stored of them: model/tables.h. Fields marked (volatile) are not, and differ after
 * a reload. */
#include "base/heap.h"
#include "base/pool.h"
#include "core/core.h"

/* When an object wants the core to look at it: in one of the core's heaps while it does. */
typedef enum DeadlineKind {
  DEADLINE_NODE,
  DEADLINE_ROLLOUT,
  DEADLINE_SCHEDULE,
  DEADLINE_N
} DeadlineKind;
typedef struct Deadline {
  int64_t at_boot_ms;
  HeapNode slot;
} Deadline;

typedef struct Revision {
  char id[20];
  int number; /* 1, 2, ... in its deployment */
  char *source_name;
  char *source;   /* GRefString */
  char *job_json; /* GRefString; parsed lazily */
  int64_t created_at_ms;
  char *actor;
  char *cause;          /* "deploy", "rollback to 3" */
  Job *job;             /* (volatile) cache */
  struct Plan *plan;    /* (volatile) cache */
  char *hosts;          /* (volatile) cache, see revision_hosts */
  int64_t grace_end_ms; /* (volatile) cache, 1 + revision_grace_ms; 0 = not looked up */
  char *problem; /* (volatile) why @job_json cannot be read; NULL = it can, or nobody has tried */
} Revision;

/* Where an instance stands in the open rollout. */
#define INSTANCE_STEPS(X) \
  X(IDLE, "idle")         \
  X(WAITING, "waiting")   \
  X(STARTING, "starting") X(READY, "ready") X(STOPPING, "stopping") X(GONE, "gone")
typedef enum InstanceStep {
#define X(id, word) STEP_##id,
  INSTANCE_STEPS(X)
#undef X
      STEP_N
} InstanceStep;

/* What an agent told the registry of its deployment of itself: core/registry.c. */
typedef struct Registration {
  int64_t generation; /* of the instance that told it: the next one has told nothing yet */
  /* JSON object of id, name, description, skills, tags, metadata; NULL = it only took itself out */
  char *said;
  int64_t said_at_ms; /* the first time */
  bool hidden; /* taken out of the registry, up to and with attempt @attempt of that generation */
  int attempt;
} Registration;

/* What is known of an instance over the present link of its node, and what was said over it. A new
 * link begins with instance_unhear, which forgets all of it. */
typedef struct Sight {
  int64_t seen_generation;
  int64_t sent_generation; /* of the last start sent; 0 = none */
  bool present;            /* the node told of it since its hello */
  bool listed;             /* its last hello named it, in whatever life */
  bool sent_stop;
  /* instance_peers_digest of the peers that the node was sent or told of; "" = not known */
  char peers_known[PEERS_DIGEST_BYTES];
} Sight;

/* A slot (agent, replica) of a deployment and what runs in it. The id stays over revisions and
 * restarts. There may be a hundred thousand: members stand so that there are no holes. */
typedef struct Instance {
  char id[20];
  int replica;
  struct Deployment *deployment;
  char *agent;             /* @short_agent, or of its own when that is too small for it */
  struct NodeObject *node; /* NULL = not placed */
  int64_t epoch;
  int64_t generation; /* grows with each desired change */
  int revision;       /* number that the desired generation runs */
  int target;         /* revision number that the open rollout wants here; 0 = none: to be pruned */
  InstanceStep step;
  int stage;
  const char *outcome; /* word of the last final state: failed, completed, stopped; NULL = none */
  char *reason;        /* of the outcome, at most 2 KiB */
  ExitStatus last_exit;
  /* newest version among the secrets that its node was last given for it; 0 = none */
  int64_t secrets_version;
  Registration *registration; /* NULL = nothing */
  int64_t created_at_ms, ended_at_ms;
  int port; /* 0 = none; stays over restarts */
  bool desired_running;
  bool dirty; /* is stored at the end of the turn */
  /* (volatile) what follows */
  bool sent_start; /* a start left, or may leave, since this core was loaded */
  bool asked;      /* its node was asked for what its start needs, see core/reserve.h */
  bool stale;      /* a secret of its environment has changed or gone since it was given */
  /* as last reported by the node */
  InstanceState state;
  Health health;
  InstanceState told_state; /* what is behind LOST */
  Health told_health;
  int attempt, restarts;
  int64_t pid;
  int64_t since_ms;
  char *observed_reason;
  char *output;
  char *unenforced; /* limits that its node cannot enforce, NULL = none */
  Sight sight;
  /* since when this core has seen the present process ready without a break; 0 = it is not */
  int64_t healthy_boot_ms;
  /* where and by which port it is in an index of live ports: core/ports.h */
  struct NodeObject *live_at;
  struct Instance *live_next;
  int live_port;
  int seen_port;     /* that its process was started with */
  guint node_index;  /* its place among the instances of its node */
  guint marks;       /* queues of the turn that it is in: core/turn.h */
  bool degraded;     /* counted in Deployment.degraded */
  bool counts_ready; /* counted in Deployment.ready */
  bool unknown;      /* counted in Deployment.unknown */
  bool scheduled;    /* runs by the clock: fine whether it runs or not */
  char short_agent[24];
} Instance;

typedef struct Rollout {
  char id[20];
  struct Deployment *deployment;
  RolloutKind kind;
  RolloutPhase phase;
  int stage;    /* in APPLY and PRUNE */
  int from, to; /* revision numbers; 0 = none */
  RolloutOutcome outcome;
  char *cause; /* why it failed, or what asked for it */
  char *actor;
  char *failed;                                    /* id of the instance that failed it, or NULL */
  int64_t started_at_ms, stage_at_ms, ended_at_ms; /* wall */
  int64_t duration_ms;                             /* of a stage */
  int64_t deadline_boot_ms;                        /* (volatile) derived */
  RolloutOutcome verdict; /* what the outcome will be once its work is done */
  char *agent;            /* restart: only this agent; NULL = all */
  bool rolling;           /* restart: as gently as an update, see rolling.c */
  Deadline deadline;      /* (volatile) the earlier of the two times below */
  GPtrArray *reserves;    /* (volatile) of Reserve*: the nodes that were asked for ports */
  bool unplaced;          /* (volatile) some slots have no node that can be asked */
  /* (volatile) of Instance*: slots that are to go, and that may have a port which another waits for
   */
  GPtrArray *leaving;
  guint waiting; /* (volatile) instances that the present stage still waits for */
  guint queued;  /* (volatile) those of them whose turn has not come: rolling.c */
  bool blocked;  /* (volatile) some of the queued wait for a port of another slot */
  /* (volatile) when the first of those that are healthy has been so for long enough; INT64_MAX =
   * none is */
  int64_t settle_boot_ms;
  bool dirty;  /* (volatile) */
  guint marks; /* (volatile) see Instance */
} Rollout;

/* What one node was asked for a rollout; for many slots there are several. Owned by the rollout,
 * and in the set of its node as long as it is there (reserve_new). */
typedef struct Reserve {
  struct Rollout *rollout;
  struct NodeObject *node;
  int64_t request; /* number of its RESERVE frame; the answer repeats it */
  guint slots;     /* that its frame asks for */
  bool answered;
  bool fresh; /* its frame is being filled in this turn */
} Reserve;

/* One time that a scheduled agent ran, or should have. */
typedef struct ScheduleRun {
  char id[20];
  struct Schedule *schedule;
  int64_t due_at_ms, started_at_ms, ended_at_ms; /* wall; ended 0 = not yet */
  char *outcome;      /* running, completed, failed, stopped, skipped, missed, replaced */
  char *reason;       /* of the outcome, or NULL */
  int64_t generation; /* of the instance that carries it; 0 = none */
  char *actor;        /* "schedule", or who asked for it */
} ScheduleRun;

/* A batch agent that runs by the clock. */
typedef struct Schedule {
  char id[20];
  struct Deployment *deployment;
  char *agent;
  int64_t handled_at_ms; /* wall: every time until then was fired or told */
  /* wall: when the run was due that waits for the end of the present one; 0 = none waits */
  int64_t queued_due_ms;
  char *spec;         /* the text of what is in force, NULL = not in force */
  GPtrArray *runs;    /* of ScheduleRun*, ascending; the last 20 */
  Deadline deadline;  /* (volatile) */
  int64_t next_at_ms; /* (volatile) derived; INT64_MAX = never */
  /* (volatile) of `every`: when the next time is by a clock that nobody sets; INT64_MAX = of cron
   */
  int64_t every_boot_ms;
} Schedule;

typedef struct Deployment {
  char id[20];
  char *name;
  DeploymentStatus status;  /* (volatile) settled, seen with what the instances report */
  DeploymentStatus settled; /* running, failed or stopped: what the last rollout left; stored */
  int revision;             /* current good one; 0 = none yet */
  Rollout *rollout;         /* the open or last one */
  GPtrArray *revisions;     /* of Revision*, ascending */
  GPtrArray *rollouts;      /* of Rollout*, ascending */
  Pool slot_pool;           /* (volatile) where its instances lie */
  GPtrArray *instances;     /* of Instance*, stage order then declaration order then replica */
  GPtrArray *schedules;     /* of Schedule* */
  char *reason;             /* why degraded or failed */
  /* (volatile) a stored job that it needs cannot be read: nothing is started or stopped for it; why
   * and what to do; NULL = all can. Set by deployment_look_at_jobs */
  char *unreadable;
  RolloutOutcome outcome; /* of the last rollout */
  int64_t created_at_ms, updated_at_ms;
  GHashTable *nodes; /* (volatile) NodeObject* -> how many of its slots are there */
  GHashTable *slots; /* (volatile) Instance* set, by agent and replica: deployment_slot */
  /* the bad news that webhooks were told last, "failed" or "degraded" (static); NULL = none since
   * it was well */
  const char *told;
  /* (volatile) instances that are not as they should be; that are healthy or completed */
  guint degraded, ready;
  guint unknown; /* (volatile) instances of which nobody knows yet */
  /* (volatile) agents may know other peers than they have: they are told when no rollout is open */
  bool peers_moved;
  bool dirty;  /* (volatile) */
  guint marks; /* (volatile) see Instance */
} Deployment;

/* An instance that a node holds and that this store never gave out, as far as it knows. */
typedef struct UnknownInstance {
  int64_t epoch, generation, since_boot_ms;
  bool listed; /* in the present hello */
} UnknownInstance;

typedef struct NodeObject {
  char *id, *name, *boot_id;
  char *incarnation; /* of its state directory; NULL = not known: any may come */
  int64_t created_at_ms;
  NodeStatus status;     /* (volatile) */
  int64_t heard_boot_ms; /* (volatile) */
  bool linked;           /* (volatile) */
  char *cgroups;         /* (volatile) what it enforces limits with; NULL = it did not say */
  char *unenforced;      /* (volatile) limits that it cannot enforce, NULL = none */
  GPtrArray *instances;  /* (volatile) of Instance*, in no order: placed here */
  GHashTable *live;      /* (volatile) port -> Instance*: what their processes have */
  Deadline deadline;     /* (volatile) of its lease, or of what runs there unexplained */
  GPtrArray *outbox;     /* (volatile) of Frame*: what it is told at the end of the turn */
  bool confirmed;        /* (volatile) it knows that what it holds belongs to our store */
  char *problem;         /* (volatile) why nothing can be done with it; NULL = nothing is wrong */
  GHashTable *reserves;  /* (volatile) Reserve* set: what it was asked */
  GHashTable *unknown; /* (volatile) id -> UnknownInstance*: what it holds and no record explains */
  bool dirty;          /* (volatile) */
  guint marks;         /* (volatile) see Instance */
} NodeObject;

enum { TOKEN_HASH_LENGTH = 64 };
/* A bearer token: what is stored of it. */
typedef struct Token {
  char id[20];
  char *name; /* unique */
  Role role;
  char *hash; /* SHA-256, 64 hex digits */
  int64_t created_at_ms;
  int64_t expires_at_ms; /* 0 = never */
  char *actor;
} Token;

/* A secret as it is stored: sealed by the server, which holds the key. */
typedef struct Secret {
  char *name; /* unique */
  char *sealed;
  /* 1, 2, ...: grows with each set, also after a removal (it comes from the counter of ids) */
  int64_t version;
  int64_t created_at_ms, updated_at_ms;
  char *actor;
} Secret;

/* A message for a webhook that has not arrived. It goes when it was delivered or given up. */
typedef struct Notice {
  char id[20];
  char *deployment; /* its name; it may be gone by now */
  char *url;        /* whose path is a secret in practice: never shown, never logged */
  char *event;      /* "failed", "degraded", "recovered" */
  char *body;       /* JSON, as it is posted; has an id that is the same in each try */
  int64_t created_at_ms;
  int tries;          /* that failed */
  int64_t next_at_ms; /* wall: no try before */
} Notice;
/* Messages wait in a lane for each deployment and URL, and go in order. A lane holds so many; when
 * one more comes, the oldest is given up. A message is tried so often, over about an hour. */
enum {
  NOTICE_LANE_MAX = 20,
  NOTICE_TRIES = 16,
  NOTICE_FIRST_MS = 2000,
  NOTICE_LONGEST_MS = 300000,
  NOTICE_AGENTS_MAX = 50
};

/* All that wait (of Notice*), the oldest first; borrowed until the next core_apply. */
const GPtrArray *core_notices(const Core *core);
const Notice *core_notice(const Core *core, const char *id);
/* The secret that messages to the URL of @notice are signed with, as the last revision of its
 * deployment says that names the URL; NULL = none, or the deployment is forgotten. */
const char *core_notice_secret(const Core *core, const Notice *notice);

/* The token with @hash (64 hex digits) that is valid at @wall_ms, or NULL. Takes the same time
 * wherever the texts differ. */
const Token *core_token_of_hash(const Core *core, const char *hash, int64_t wall_ms);
/* All tokens (of Token*), all secrets (of Secret*), sorted by name; borrowed until the next
 * core_apply. */
const GPtrArray *core_tokens(const Core *core);
const GPtrArray *core_secrets(const Core *core);
const Secret *core_secret(const Core *core, const char *name);
/* What the node fetches to start @instance as it is desired: "KEY=secret:NAME", "KEY=file:PATH".
 * Caller frees (g_strfreev). NULL with REEVE_ERROR_CONFLICT when the job of its revision cannot be
 * read, or it was never started. */
char **core_instance_references(const Instance *instance, GError **error);
/* What is looked for in the registry of a deployment. Texts are parts of what must contain them, in
 * whatever case; NULL = not asked. */
typedef struct RegistryQuery {
  const char *skill; /* in id, name or description of one skill */
  const char *tag, *name;
  bool healthy_only;
} RegistryQuery;
/* Lists name at most so many agents; what all agents of one deployment told is no larger than the
 * second, what one told than the third. */
enum {
  REGISTRY_LIST_MAX = 1000,
  REGISTRY_TOLD_MAX = 4 * 1024 * 1024,
  REGISTRY_SAID_MAX = 64 * 1024
};
/* Appends, as JSON: a list of the agents that fit @query; the one with @id (false: there is none,
 * and nothing is appended); counts. */
void registry_list(GString *out, const Core *core, const Deployment *deployment,
                   const RegistryQuery *query, Now now);
bool registry_entry(GString *out, const Core *core, const Deployment *deployment, const char *id,
                    Now now);
void registry_health(GString *out, const Deployment *deployment);
/* Deployment by name or id, NULL = none. */
const Deployment *core_deployment(const Core *core, const char *name);
/* All deployments sorted by name: of Deployment*; borrowed until the next core_apply. */
const GPtrArray *core_deployments(const Core *core);
const Instance *core_instance(const Core *core, const char *id);
/* How often nodes started an agent again by themselves since this core was loaded. */
uint64_t core_restarts(const Core *core);
/* All nodes: of NodeObject*. */
const GPtrArray *core_nodes(const Core *core);
/* The node @id; NULL when there is none, and of NULL. Changed by the core alone. */
NodeObject *core_node(const Core *core, const char *id);
const Revision *deployment_revision(const Deployment *deployment, int number);
/* The newest; NULL when there is none. */
Revision *deployment_last_revision(const Deployment *deployment);
/* The parsed job of a revision (cached inside); NULL when what is stored cannot be read, and of
 * NULL. That is no empty job: nothing is known of what it wanted. */
const Job *revision_job(const Revision *revision);
/* Why @revision of @deployment cannot be used, in words that name both; NULL = it can. Caller
 * frees. */
char *revision_unreadable(const Deployment *deployment, const Revision *revision);
/* Why @deployment is as it is, for people; NULL = there is nothing to say. Borrowed. */
const char *deployment_reason(const Deployment *deployment);
/* When the present revision says that @schedule runs; NULL when it does no more. */
const ScheduleSpec *schedule_spec(const Schedule *schedule);
const char *instance_step_word(InstanceStep step);
extern const Words instance_step_words;

/* Two tables whose rows are of no object: what the store says of itself, and the audit trail, which
 * is only written. */
typedef struct MetaEntry {
  const char *key, *value;
} MetaEntry;
typedef struct AuditEntry {
  char id[20];
  int64_t at_ms;
  const char *actor, *action, *object, *detail;
} AuditEntry;
