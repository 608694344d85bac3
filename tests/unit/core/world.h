#pragma once
/* A world for the core: a store that keeps rows, one scripted node that answers instructions, and a
 * clock that only the test moves. After every turn the core is compared with the fold of its
 * records. */
#include "core/objects.h"

/* What the agent of a slot does when it is started. */
typedef enum Habit {
  HABIT_HEALTHY,  /* running and healthy at once; a batch completes */
  HABIT_HANGS,    /* runs, never healthy */
  HABIT_DIES,     /* exit status 3 with output, restarts over: failed */
  HABIT_FLUTTERS, /* exit status 3, the node will try again: backoff */
  HABIT_SILENT    /* the node says nothing */
} Habit;

typedef struct World {
  Core *core;
  GHashTable *rows[TABLE_N]; /* key -> Record*; audit too */
  Now now;
  int64_t wake_at_ms;
  bool linked, answers; /* @answers: the node works off what it was sent */
  bool tells_peers;   /* its hello says which peers each instance was told of; older nodes do not */
  bool holds_reserve; /* reserves stay unanswered */
  char *boot_id;
  const char *incarnation; /* that the node tells; NULL = none; static */
  GQueue *mail;            /* of Frame*, to the node */
  GHashTable *held;        /* id -> Held*: what the node holds */
  GHashTable *habits;      /* agent -> Habit */
  GHashTable *taken;       /* agent -> why its reserve is refused */
  GHashTable *moved;       /* agent -> port that the node gives in place of the proposed one */
  GHashTable *wanted;      /* "agent/replica" -> port of the last reserve */
  GString *log;            /* "start a/0 g1 p9000; stop a/0; ..." */
  GString *events;         /* "type:word ..." of the events since world_forget_log */
  int turns, crash_turn;   /* the server is loaded again after turn @crash_turn; -1 = never */
  guint records;           /* of the last turn */
  Reply *reply;            /* the last one, or NULL */
} World;

/* One instance as the node holds it. */
typedef struct Held {
  int64_t epoch, generation;
  InstanceState state;
  Health health;
  int attempt;
  InstanceSpec *spec;
} Held;

World *world_new(void);
void world_free(World *world);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)
/* The node's hello with all that it holds; connects first. */
void world_connect(World *world);
void world_disconnect(World *world);
/* Another boot id, nothing runs: the node connects anew. */
void world_reboot(World *world);
/* Throws the core away and loads it from the rows; the link is broken by that. */
void world_reload(World *world);
/* One command, then everything that follows from it until nothing moves. */
void world_apply(World *world, Command command);
void world_do(World *world, CommandType type, const char *deployment);
/* Works off the mail while the node answers. */
void world_run(World *world);
/* Moves both clocks and lets the core wake when it asked for it. */
void world_pass(World *world, int64_t ms);
/* A report of one instance with a new state of what the node holds. */
void world_report(World *world, const char *agent, int replica, InstanceState state, Health health,
                  const char *reason);
/* The same with any epoch and generation. */
void world_report_as(World *world, const char *id, int64_t epoch, int64_t generation,
                     InstanceState state, Health health);
void world_habit(World *world, const char *agent, Habit habit);
void world_forget_log(World *world);

/* A pipeline of one agent a stage: "a b c"; fixed ports from 9000 on, 10 apart. */
Job *world_job(const char *agents);
AgentSpec *world_agent(Job *job, const char *id);
void world_deploy(World *world, const Job *job, bool replace);
const Deployment *world_desk(const World *world); /* the deployment 'desk'; never NULL */
const Instance *world_slot(const World *world, const char *agent, int replica);
const Held *world_held(const World *world, const char *agent, int replica);
/* of the running spec, or NULL */
const char *world_environment(const World *world, const char *agent, int replica, const char *key);

void world_assert_reply(const World *world, int code, int status, const char *part);
void world_assert_status(const World *world, DeploymentStatus status, RolloutOutcome outcome);
