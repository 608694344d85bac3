#pragma once
/* What the files of the simulator share: one world of virtual time that holds the real engine with
 * its core and release queue, the real supervisor, and models of all around them. Everything random
 * comes from the world's seed, so a seed that finds a bug finds it for ever. */
#include "core/engine.h"
#include "core/objects.h"
#include "drivers/driver.h"
#include "node/dispatch.h"
#include "supervise/supervise.h"

enum {
  SIM_PULSES = 100,
  SIM_STEPS_MAX = 500000,
  SIM_QUIET_MS = 1800000,
  SIM_SETTLED_MS = 45000, /* a node waits 30,000 for a shim's answer */
  SIM_START_MS = 5000,
  SIM_TRACE = 80
};

/* The process tree of one attempt; outlives its shim. */
typedef struct Proc {
  bool alive, batch, ignores_term, flapping;
  /* a process that left its parent: lives on without the main one until its shim ends it, or the
   * node */
  bool escaped;
  int64_t pid, healthy_at;
  int64_t epoch, generation;
  int port; /* that it holds while it lives; 0 = none */
} Proc;

/* A shim and what it holds; outlives the node. */
typedef struct SimShim {
  char *id;
  bool alive;
  int told_life;   /* the life of the node that has a connection to it */
  int64_t told_at; /* when its last message arrives: they keep their order */
  int64_t epoch, generation;
  int attempt, known_attempt; /* since the shim is there; on disk, whatever became of the shim */
  bool running, ended;
  ExitStatus exit;
  Proc proc;
  int64_t spawned_at, started_at, ended_at; /* the shim; its agent */
  int starts, node_life;                    /* in a row, under one life of the node */
  bool silent;                              /* its node was told that it does not answer */
  int clearing;                             /* 1 + the life of the node that clears it; 0 = none */
  /* does nothing until it wakes, which may be never; what it is sent waits in @inbox */
  bool frozen;
  bool wakes;    /* it will */
  GQueue inbox;  /* of ShimMail* */
  bool unreaped; /* its agent ended meanwhile, as @exit says */
  /* the node of an earlier life began it, and had not yet started anything in it */
  bool decided_before;
} SimShim;

typedef struct Sim Sim;
typedef void (*SimFn)(Sim *sim, void *data);

/* What can go away between an event's planning and its time: it dies with it. */
typedef enum SimLife {
  LIVES_ALWAYS,
  LIVES_WITH_SERVER,
  LIVES_WITH_NODE,
  LIVES_WITH_LINK,
  LIVES_WITH_MACHINE,
  SIM_LIFE_N
} SimLife;

/* How much goes wrong, in parts of a thousand for each chance; drawn from the seed, so that seeds
 * differ in character. */
typedef struct SimRates {
  int server_crash, node_crash, shim_crash; /* at each commit, action, message */
  int late, repeated, lost;                 /* of each frame */
  int store_failed, shim_failed, start_failed;
  int unreadable; /* each instance file at each start of a node */
  /* of each commit: another program holds the database; its sync fails; the connection breaks, and
   * what became of it is not known for a while */
  int busy, unsynced, unknown;
  int restores; /* of 100 seeds */
} SimRates;

/* A row as it was before the commit that fails. */
typedef struct SimRefused {
  TableId table;
  char key[64];
  const Record *before;
} SimRefused;

/* A copy of the durable rows, and what was acknowledged when it was made. */
typedef struct SimBackup {
  GHashTable *rows[TABLE_N];
  GHashTable *promised;
} SimBackup;

/* See digest.c. */
typedef struct SimDigest {
  uint64_t hash;
  GHashTable *ids; /* id -> its number by the order of appearance, from 1 */
} SimDigest;

struct Sim {
  /* world.c */
  uint64_t random, seq, next_pid, steps;
  int64_t boot_ms, wall_offset;
  GSequence *events;
  GString *trace[SIM_TRACE];
  guint traced;
  SimDigest digest;
  guint pulses; /* of faults and requests so far */
  bool verbose, faults;
  SimRates rates;
  int lives[SIM_LIFE_N]; /* the present ones */
  char *broken;
  /* store.c */
  GHashTable *rows[TABLE_N]; /* durable */
  uint64_t first_id;         /* in every fifth run ids are about to become longer */
  size_t page_bytes;         /* of frames; 0 = as in life */
  FrameJoin join;
  bool store_full;
  GPtrArray *log_tail; /* of Record*: a commit whose sync failed, as long as it lies in the log */
  GHashTable *away[TABLE_N]; /* the rows, while a server runs on another, empty store; else NULL */
  GHashTable *away_promised;
  SimBackup *backup;
  /* ids of the rollouts that were open in a restored backup: stages of theirs may be done anew */
  GHashTable *restored;
  /* server.c */
  Engine *engine; /* NULL = the server is down */
  bool server_up, commit_fails, commit_crashes, commit_unknown;
  int64_t settled_at; /* when the store can say what became of the last commit */
  int64_t absent_ms;  /* of the core that is being loaded */
  GArray *refused;    /* of SimRefused: the rows that the commit that fails would have written */
  int64_t server_wake, server_probe; /* when the engine wants to be called; INT64_MAX = not */
  int64_t server_away_ms;            /* what its next start takes longer */
  /* link.c */
  bool link_up, greeted; /* a hello came over it, whether or not it was heard */
  bool lossy[2];         /* a direction whose frames do not arrive any more */
  int64_t arrives_at[2]; /* of the last frame of a direction */
  /* node.c */
  Dispatch *node;
  Driver *driver;    /* outlives the node, as messages that are on their way do */
  DriverWorld world; /* of it */
  bool scripted;     /* agents do what their first words say, for the contract of drivers */
  GHashTable *files; /* id -> text, durable */
  bool node_up;
  int64_t node_wake, disk_at; /* next timer; when its last write is done */
  char boot_id[32];
  NodeIdentity identity; /* durable */
  int boots, node_starts;
  GHashTable *reserved; /* port -> who has it; dies with the node */
  GHashTable *foreign;  /* set of ports that programs of others hold */
  bool command_missing; /* the program "tool" cannot be found for the moment */
  /* shim.c */
  GHashTable *shims; /* id -> SimShim* */
  /* users.c */
  uint64_t next_token;
  /* checks.c */
  GHashTable *promised;    /* deployment name -> revision acknowledged */
  GHashTable *was_healthy; /* "id/epoch/generation" set */
  /* id -> state that the core sees: of instances that this command reports in a former epoch */
  GHashTable *former;
  /* set of "id/generation": waiting slots that were ready before this turn, and what they are when
   * taken */
  GHashTable *ready_before;
  GHashTable *taken; /* set of "id/generation": slots that were ready when they were taken out */
  GHashTable *posts; /* webhook -> boot time of its next try, in milliseconds */
  GHashTable *heard; /* set of webhooks that their receiver was told of */
  GHashTable *fired; /* set of "schedule/time" */
  guint commits, fold_every; /* the fold of the rows is compared after each so many-th commit */
};

/* ---- world.c: time, chance, events, one run ---- */
uint64_t sim_random(Sim *sim);
int sim_below(Sim *sim, int n);
bool sim_chance(Sim *sim, int percent);
/* True @thousandth of 1000 times while faults happen, never after. */
bool sim_fault_chance(Sim *sim, int thousandth);
Now sim_now(const Sim *sim);
/* A line of the trace that is printed with a broken invariant. */
void sim_say(Sim *sim, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* An invariant does not hold; the first one counts and ends the run. */
void sim_break(Sim *sim, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* @fn with @data in @delay_ms, unless what it @lives with is gone by then; @data is freed with
 * @done (NULL = not owned) in any case. */
void sim_at(Sim *sim, int64_t delay_ms, SimLife lives, SimFn fn, void *data, GDestroyNotify done);
GList *sim_sorted_keys(GHashTable *table); /* of text keys; the list is the caller's */
/* A world in which nothing runs yet; what it made goes with sim_done. */
void sim_init(Sim *sim);
void sim_done(Sim *sim);
/* The next thing happens. */
void sim_step(Sim *sim);
/* One run: the text of what broke (caller frees), or NULL. *@digest: of its trace. */
char *sim_run(uint64_t seed, bool verbose, uint64_t *digest);

/* ---- digest.c ---- */
void sim_digest_init(SimDigest *digest);
void sim_digest_done(SimDigest *digest);
void sim_digest_text(SimDigest *digest, const char *text);

/* ---- faults.c ---- */
void sim_draw_rates(Sim *sim);
void sim_fault(Sim *sim);
/* Nothing can be written for so long. */
void sim_disk_fails(Sim *sim, int64_t ms);

/* ---- store.c: what is on the server's disk ---- */
void sim_store_init(Sim *sim);
void sim_store_done(Sim *sim);
void sim_write_rows(Sim *sim, const GPtrArray *records);
/* The core that the rows give, whose clock is @absent_ms behind; its first effects into @effects.
 */
Core *sim_load(const Sim *sim, int64_t absent_ms, Effects *effects);
/* What a commit that failed left in the log is read with it, when the log is read: unless it was
 * cut. */
void sim_leave_in_log(Sim *sim, const GPtrArray *records);
void sim_cut_log(Sim *sim);
void sim_read_log(Sim *sim);
/* The server, which is down, finds another store, and its own again. */
void sim_other_store(Sim *sim);
void sim_own_store(Sim *sim);
bool sim_is_other(const Sim *sim);
void sim_backup(Sim *sim);
void sim_restore(Sim *sim); /* only while the server is down */

/* ---- server.c ---- */
Core *sim_core(const Sim *sim); /* that of the engine; NULL while the server is down */
void sim_apply(Sim *sim, const Command *command);
/* Somebody looks at the deployment @name: what he is told leaves as the answer to a read does. */
void sim_look(Sim *sim, const char *name);
void sim_server_start(Sim *sim, void *data);
void sim_server_crash(Sim *sim);
/* The engine wants a tick or a probe then, INT64_MAX = not; and here it is. */
int64_t sim_server_due(const Sim *sim);
void sim_server_call(Sim *sim);

/* ---- link.c ---- */
typedef enum SimWay { TO_NODE, TO_SERVER } SimWay;
void sim_send(Sim *sim, SimWay way, const char *text);
void sim_link_break(Sim *sim);
void sim_link_connect(Sim *sim);

/* ---- node.c ---- */
void sim_node_event(Sim *sim, const NodeEvent *event);
void sim_node_frame(Sim *sim, Frame *frame);            /* from the server; takes @frame */
void sim_node_news(Sim *sim, const DriverNews *news);   /* from its driver */
void sim_node_hears(void *sim, const DriverNews *news); /* a DriverTell */
void sim_node_start(Sim *sim, void *data);
void sim_node_crash(Sim *sim);
/* of the node's file, or NULL; the caller's */
InstanceSpec *sim_file_spec(const Sim *sim, const char *id);
int64_t sim_file_number(const Sim *sim, const char *id, const char *key);

/* ---- ports.c: what the node has bound ---- */
char *sim_reserve(Sim *sim, const Frame *reserve); /* the answer as text, the caller's */
void sim_release_request(Sim *sim, int64_t request);
void sim_release_instance(Sim *sim, const char *id);
bool sim_port_free(const Sim *sim, int port);

/* ---- driver.c: the row of the modelled shims; its world's data is the Sim ---- */
extern const DriverOps sim_driver;

/* ---- shim.c ---- */
SimShim *sim_shim(Sim *sim, const char *id);
void sim_shim_free(void *shim);
void sim_shim_start(Sim *sim, const char *id, int64_t generation);
void sim_shim_run(Sim *sim, const char *id, int attempt);
void sim_shim_signal(Sim *sim, const char *id, bool kill);
void sim_shim_end(Sim *sim, const char *id);
void sim_shim_dies(Sim *sim, SimShim *shim);
void sim_some_shim_dies(Sim *sim);
void sim_shims_wake(Sim *sim);
void sim_some_shim_freezes(Sim *sim);
/* Scripted: does the agent of @id say that it cannot be started? */
bool sim_script_fails(const Sim *sim, const char *id, FailureClass *failure);
/* It does nothing from now on, until it wakes or for ever. */
void sim_shim_freeze(Sim *sim, SimShim *shim, bool wakes);
bool sim_shim_lives(const SimShim *shim);    /* may anything of its tree be alive? */
void sim_tree_end(Sim *sim, const char *id); /* kills the shim, and all of the tree */
bool sim_answers(Sim *sim, const char *id);  /* would a probe of its agent succeed now? */
/* A node asks at its start: what it is told, at once or when the shim wakes. */
void sim_shim_ask(Sim *sim, const char *id);

/* ---- users.c ---- */
void sim_user(Sim *sim);

/* ---- hooks.c: the receiver of webhooks ---- */
void sim_hook_event(Sim *sim, const Event *event);
void sim_hooks_loaded(Sim *sim);
void sim_check_hook_gone(Sim *sim, const char *id);
void sim_check_hooks(Sim *sim, const Deployment *deployment);

/* ---- checks.c: the invariants ---- */
void sim_check_reply(Sim *sim, const Reply *reply);
void sim_check_fold(Sim *sim);
void sim_check_promises(Sim *sim);
void sim_check_message(Sim *sim, const char *frame);
/* Around a commit that fails: what was refused is not there. */
void sim_note_refused(Sim *sim, const GPtrArray *records);
void sim_check_refused(Sim *sim);
void sim_check_ports(Sim *sim);
void sim_check_row(Sim *sim, const Record *was, const Record *is);
void sim_check_start(Sim *sim, SimShim *shim, const InstanceSpec *spec);
void sim_mark_healthy(Sim *sim, const SimShim *shim);
/* checks_change.c; around each command */
/* Around a command: a report of a former epoch is not believed. */
void sim_epochs_before(Sim *sim, const Command *command);
void sim_epochs_after(Sim *sim, const Command *command);
void sim_rolling_before(Sim *sim, const Command *command);
void sim_rolling_after(Sim *sim);
/* a core was loaded: what a turn took that was never committed is not out */
void sim_rolling_loaded(Sim *sim);
void sim_check_run(Sim *sim, const Record *run);
/* began just now: the clock does not rest when faults end */
bool sim_run_is_new(const Sim *sim, const Instance *instance);
void sim_check_runs(Sim *sim, const Deployment *deployment);
bool sim_settled(const Sim *sim);
void sim_check_quiet(Sim *sim);

/* ---- coverage.c: which cells of the state tables were reached, over all runs ---- */
void sim_cover_begin(void);
void sim_cover_end(void);
void sim_cover_core(const char *table, int state, int event, void *data);
void sim_cover_life(int life, int event, void *data);
/* Prints every cell with its count. */
void sim_cover_print(void);
/* Compares what @seeds runs reached with the file of cells that may stay unreached; prints and
 * counts what does not agree. */
int sim_cover_compare(const char *path, uint64_t seeds);
