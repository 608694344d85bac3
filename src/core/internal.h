#pragma once
/* What the files of core/ share and nobody else sees: the core itself and the present turn. */
#include "base/id.h"
#include "core/coverage.h"
#include "core/objects.h"
#include "core/render.h"
#include "model/cron.h"
#include "plan/plan.h"

struct Core {
  CoreConfig config;
  uint64_t next_id;        /* of every kind of object; stored in meta */
  uint64_t stored_next_id; /* as last written */
  int64_t next_request;    /* of reserves (volatile) */
  int64_t term;
  /* of the store that this core was loaded from; NULL = it has none (an older release, a test) */
  char *store_id;
  bool greeting;               /* within the list of a hello (volatile) */
  GPtrArray *deployments;      /* of Deployment*, sorted by name; owned */
  GHashTable *by_key;          /* name and id -> Deployment* */
  GHashTable *loading;         /* id -> Schedule*, while rows are loaded */
  GHashTable *instances;       /* id -> Instance* */
  GPtrArray *nodes;            /* of NodeObject*; owned */
  GHashTable *nodes_by_id;     /* id -> NodeObject* */
  GPtrArray *tokens, *secrets; /* of Token*, Secret*, sorted by name; owned */
  GPtrArray *notices;          /* of Notice*, the oldest first; owned */
  GPtrArray *schedules;        /* of Schedule* in force (volatile) */
  GPtrArray *open;             /* of Rollout* not done (volatile) */
  GPtrArray *doomed;           /* of Instance*: leave for good at the end of this turn */
  GPtrArray *removed;          /* of Record*: deletions of this turn */
  /* of this turn */
  GPtrArray *touched_deployments, *touched_rollouts, *touched_instances, *touched_nodes;
  GPtrArray *outbox; /* of Outgoing*: frames of this turn by node and type */
  Now now;
  Effects *effects;  /* of this turn */
  uint64_t restarts; /* that nodes made since this core was loaded (volatile) */
  CoreCoverageFn coverage;
  void *coverage_data;
};

typedef enum Touch { TOUCH_SEEN, TOUCH_STORED } Touch; /* announce only; store and announce */

/* core.c */
void core_refuse(Core *core, const Command *command, int code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
void core_accept(Core *core, const Command *command, int status, const char *body);
void core_new_id(Core *core, char out[20], const char *prefix);
void core_audit(Core *core, const Command *command, const char *action, const char *object,
                const char *detail);
void core_cover(Core *core, const char *table, int state, int event);

/* turn.c */
void touch_deployment(Core *core, Deployment *deployment, Touch touch);
void touch_rollout(Core *core, Rollout *rollout, Touch touch);
void touch_instance(Core *core, Instance *instance, Touch touch);
void touch_node(Core *core, NodeObject *node, Touch touch);
/* Adds @instruction (ownership moves) to the frame of @type that goes to @node at the end of the
 * turn. */
void turn_send(Core *core, const char *node, FrameType type, Instruction *instruction);
/* A start that was decided earlier in this turn does not leave: the slot is stopped after all. */
void turn_unsend_start(Core *core, const char *node, const char *instance);
/* Announces @object of @deployment with @data, which it takes. */
void turn_event(Core *core, const char *type, const char *deployment, const char *object,
                GString *data);
/* @instance goes for good at the end of this turn, with its logs; may be said more than once. */
void instance_doom(Core *core, Instance *instance);
/* It stays after all: something wants the slot again in the same turn. */
void instance_spare(Core *core, Instance *instance);
/* The row of @table with key @id goes at the end of the turn. */
void turn_remove(Core *core, TableId table, const char *id);
/* The frame itself, for its other members. */
Frame *turn_frame(Core *core, const char *node, FrameType type, int64_t request);
void turn_flush(Core *core);

/* records.c */
Record *record_of_deployment(const Deployment *deployment);
Record *record_of_revision(const Deployment *deployment, const Revision *revision);
Record *record_of_instance(const Instance *instance);
Record *record_of_rollout(const Rollout *rollout);
Record *record_of_node(const NodeObject *node);
Record *record_of_schedule(const Schedule *schedule);
Record *record_of_schedule_run(const ScheduleRun *run);
Record *record_of_token(const Token *token);
Record *record_of_secret(const Secret *secret);
Record *record_of_notice(const Notice *notice);
/* @instance->registration is there. */
Record *record_of_registration(const Instance *instance);
Record *record_of_meta(const MetaEntry *meta);
Record *record_of_audit(const AuditEntry *audit);

/* objects.c */
Deployment *deployment_new(const char *id, const char *name);
void deployment_free(Deployment *deployment);
void deployment_sort(Deployment *deployment);
Deployment *core_find(const Core *core, const char *key);
void core_add_deployment(Core *core, Deployment *deployment);
void core_remove_deployment(Core *core, Deployment *deployment);
void core_remove_instance(Core *core, Instance *instance);
Revision *revision_find(const Deployment *deployment, int number);
/* NULL when its job cannot be read, and of NULL */
const Plan *revision_plan(const Revision *revision);
/* Its text has changed: what was made of it is made again when it is asked for. */
void revision_forget_cache(Revision *revision);
/* Agent @id as revision @number has it; NULL when there is no such revision, it cannot be read, or
 * it has no such agent. */
const AgentSpec *revision_agent(const Deployment *deployment, int number, const char *id);
Instance *instance_new(Deployment *deployment, const char *id, const char *agent, int replica);
/* As people name it: "worker", or "worker/1" when its agent has several replicas. Caller frees. */
char *instance_name(const Instance *instance);
/* "worker", or "worker/1" of a further replica: unlike instance_name() it stays the same when the
 * agent is scaled. Caller frees. */
char *instance_short_name(const Instance *instance);
Instance *deployment_slot(const Deployment *deployment, const char *agent, int replica);
Rollout *rollout_new(Deployment *deployment, const char *id, RolloutKind kind);
NodeObject *node_new_object(const char *id);
/* Takes @node, whose id is new. */
void core_add_node(Core *core, NodeObject *node);
NodeObject *core_node(const Core *core, const char *id);
void text_set(char **slot, const char *text);

/* instances.c */
bool instance_live(const Instance *instance); /* a process may be alive */
/* its start was sent, and nothing was heard of it yet */
bool instance_on_its_way(const Instance *instance);
/* the node says that nothing runs, and no start is on its way to it */
bool instance_ended(const Instance *instance);
/* nobody wanted it stopped and no rollout will start it */
bool instance_stopped_unasked(const Instance *instance);
/* Such a slot, stopped by an order that these records do not know (they were restored from an older
 * copy) or by a reboot, is wanted. */
bool instance_start_unasked(Core *core, Instance *instance);
bool instance_ready(const Instance *instance);
bool instance_is_batch(const Instance *instance);
/* is there a job that says how its revision is run? */
bool instance_can_start(const Instance *instance);
void instance_set_step(Core *core, Instance *instance, InstanceStep step);
/* after @present, and after every one of an earlier term */
int64_t instance_new_epoch(const Core *core, int64_t present);
/* next generation, runs @revision */
void instance_start(Core *core, Instance *instance, int revision);
void instance_stop(Core *core, Instance *instance);
/* The port is the one that the process was started with, unless a start with another one is on its
 * way. */
void instance_keep_port(Core *core, Instance *instance);
void instance_observe(Core *core, Instance *instance, const InstanceReport *report);
/* Sends what the node must hear about @instance: desired minus observed. */
void instance_reconcile(Core *core, Instance *instance);
void instance_recount(Instance *instance); /* bad and healthy counters of its deployment */
void instance_place(Core *core, Instance *instance, const char *node);

/* deployments.c */
/* derives status; announces a change; tells agents of moved peers */
void deployment_settle(Core *core, Deployment *deployment);
/* Sets Deployment.unreadable. Called when it was loaded, and when another revision is needed:
 * targets are given, a rollout has ended. */
void deployment_look_at_jobs(Deployment *deployment);
/* The revision that a change starts from, and goes back to when it fails: the present one while all
 * or some of it runs; 0 = there is none.
 */
int deployment_base(const Deployment *deployment);
/* The last good revision, which a rollback without a number goes to; 0 = there is none. */
int deployment_previous(const Deployment *deployment);
/* The command that starts @deployment: "reeve up FILE" of its last revision, "reeve deploy NAME"
 * for one of the agents directory. Caller frees. */
char *deployment_way_up(const Deployment *deployment);
/* Does the present revision, or the first one that is on its way, do without the slot? It is kept
 * for its logs. */
bool instance_is_left_over(const Instance *instance);

/* targets.c */
/* Gives every slot its target and step, and makes new slots. @revision: what is wanted, 0 =
 * nothing. @goes_on: slots that a start was sent for by what this takes the place of, and that have
 * not been ready since, are waited for where they may stay. */
void rollout_targets(Core *core, Rollout *rollout, int revision, bool goes_on);

/* retain.c */
/* what is too old goes, after a rollout */
void deployment_retain(Core *core, Deployment *deployment);

/* rollout.c */
Rollout *rollout_begin(Core *core, Deployment *deployment, RolloutKind kind, int to,
                       const Command *command);
void rollout_enter(Core *core, Rollout *rollout, RolloutPhase phase, int stage);
void rollout_pump(Core *core, Rollout *rollout);
void rollout_fail(Core *core, Rollout *rollout, RolloutOutcome verdict, const Instance *failed,
                  const char *cause);
void rollout_close(Core *core, Rollout *rollout, RolloutOutcome outcome);
void rollout_instance_changed(Core *core, Instance *instance);
/* some slots may have been healthy for long enough by now */
void rollout_settle(Core *core, Rollout *rollout);
/* what its stage waits for is healthy, and only not yet for long enough */
bool rollout_only_settles(const Rollout *rollout);
void rollout_recount(Rollout *rollout);
void rollout_after_reboot(Core *core, Deployment *deployment, const char *node);
bool rollout_is_open(const Rollout *rollout);

/* rolling.c */
typedef struct Rolling Rolling;
/* The count of what is out among slots @first to @end - 1 of @rollout's deployment, one stage. */
Rolling *rolling_new(const Rollout *rollout, guint first, guint end);
void rolling_free(Rolling *rolling);
/* may it be replaced now? Counts it when it may */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rolling, rolling_free)
bool rolling_take(Rolling *rolling, const Instance *instance);
/* A slot beyond the replicas of both revisions: it covers for those that are being replaced, and
 * goes when the rollout ends. */
bool rolling_is_extra(const Rollout *rollout, const Instance *instance);
/* how many, once its own slots have steps */
int rolling_extra_slots(const Rollout *rollout, const Job *job, const AgentSpec *agent);
/* replica number of the first */
int rolling_first_extra(const Rollout *rollout, const AgentSpec *agent);

/* reserve.c */
/* The port that revision @number declares for the slot; PORT_NONE when it does not have the agent.
 */
int reserve_declared_by(const Instance *instance, int number);
void reserve_send(Core *core, Rollout *rollout);
/* A fixed port that a slot of @deployment waits for to be started with, and that another deployment
 * has: its agent may not be there at this moment, so no node would see it. Why, for people, with
 * the slot in @who; NULL = there is none. Caller frees. */
char *reserve_taken(const Core *core, const Deployment *deployment, const Instance **who);
/* The way back asks no node: targets with an automatic port and none left get one that nobody here
 * has. */
void reserve_back(const Core *core, Deployment *deployment);
/* Ports that processes of @deployment have now, each with its slot. Caller unrefs. */
GHashTable *reserve_held(const Deployment *deployment);
/* The other slot that has @port now and gives it up in the open rollout; NULL = nobody does. @held:
 * from reserve_held. */
Instance *reserve_giver(GHashTable *held, const Instance *instance, int port);
/* A slot whose new start does not come: the port that its own revision declares; an automatic one
 * of its last process, unless somebody else has that by now. *@used is what is taken, made by the
 * first call that needs it and kept for the next of the same deployment and turn; the caller frees
 * it. */
void reserve_keep(Core *core, Instance *instance, GHashTable **used);
/* Its node has a later life of @instance, with @port, than these records: an automatic port that
 * they tell may be another's by now. It is left open, and reserve_missing finds one. */
void reserve_doubt(Instance *instance, int port);
/* A node is there again: the automatic ports that were left open because nobody knew what its
 * processes have. */
void reserve_missing(Core *core);
void reserve_answer(Core *core, const char *node, const Frame *frame);

/* schedule.c */
Schedule *schedule_new(Deployment *deployment, const char *id, const char *agent);
void schedule_free(Schedule *schedule);
ScheduleRun *schedule_add_run(Schedule *schedule, const char *id);
bool instance_is_scheduled(const Instance *instance);      /* by the job of its revision */
void schedules_settle(Core *core, Deployment *deployment); /* after a rollout: which are in force */
/* finds its next time; also when it was loaded */
void schedule_attach(Core *core, Schedule *schedule);
void schedules_tick(Core *core);
int64_t schedules_next_deadline(const Core *core);            /* boot clock; INT64_MAX = none */
void schedule_instance_ended(Core *core, Instance *instance); /* its outcome is known */
void schedule_interrupted(Core *core, Instance *instance);    /* a reboot ended its run */

/* spec.c */
InstanceSpec *instance_make_spec(const Instance *instance);
/* What a node looks at before anything is started (node/check.c): of the environment only PATH,
 * which finds the command. */
InstanceSpec *instance_make_outline(const Instance *instance);
char *instance_peers(const Instance *instance);
/* Sends @instance its peers, unless it knows them; its node must be linked. */
void instance_send_peers(Core *core, Instance *instance);
char *instance_url(const Instance *instance);

/* place.c */
NodeObject *place_choose(const Core *core, const Instance *instance);

/* commands */
/* Refuses what needs the jobs of @deployment when they cannot be read: true then. */
bool command_refuse_unreadable(Core *core, const Command *command, const Deployment *deployment);
void command_deploy(Core *core, const Command *command);
void command_down(Core *core, const Command *command);
void command_restart(Core *core, const Command *command);
void command_cancel(Core *core, const Command *command);
void command_rollback(Core *core, const Command *command);
void command_exec(Core *core, const Command *command);
void command_run(Core *core, const Command *command);
void command_scale(Core *core, const Command *command);
void command_forget(Core *core, const Command *command);
void command_node_frame(Core *core, const Command *command);
void command_node_gone(Core *core, const Command *command);
void command_tick(Core *core, const Command *command);

/* tokens.c */
void command_token_create(Core *core, const Command *command);
void command_token_revoke(Core *core, const Command *command);
gint token_compare(gconstpointer a, gconstpointer b); /* of two places in a list: by name */
void token_free(Token *token);

/* secrets.c */
void command_secret_set(Core *core, const Command *command);
void command_secret_remove(Core *core, const Command *command);
gint secret_compare(gconstpointer a, gconstpointer b); /* as token_compare */
void secret_free(Secret *secret);
void command_secrets_given(Core *core, const Command *command);
/* which instances run with an environment that is no longer what it should be */
void secrets_loaded(Core *core);
/* Names what @job wants and nobody has set; NULL when nothing is missing. Caller frees. */
char *secrets_missing(const Core *core, const Job *job);

/* notices.c */
void command_notice_tried(Core *core, const Command *command);
void notice_free(Notice *notice);
/* the static word for a stored one; NULL when it is none */
const char *notice_told(const char *word);
/* @rollout has ended and its deployment is settled: webhooks are told when that is bad. */
void notices_rollout(Core *core, const Rollout *rollout);
/* How @deployment is: webhooks are told when that is worse or well again. */
void notices_look(Core *core, Deployment *deployment);

/* registry.c */
void command_register(Core *core, const Command *command);
void command_deregister(Core *core, const Command *command);
void registration_free(Registration *registration);
/* what it told goes, in the store too; also when it told nothing */
void registration_drop(Core *core, Instance *instance);

/* nodes.c */
void nodes_tick(Core *core);
int64_t nodes_next_deadline(const Core *core);
