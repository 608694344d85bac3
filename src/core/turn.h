#pragma once
/* One turn of the core: what a command changed, and what leaves at its end. Handlers change objects
 * and put them into queues; core_apply takes them out again, phase by phase. */
#include "core/objects.h"

/* An object is in a queue once, however often it is marked. */
typedef enum TurnQueueId {
  TURN_NEWS,      /* Instance: its node told something of it that its rollout must hear */
  TURN_RESUMED,   /* Rollout: a node that it may wait for is there again */
  TURN_GREETED,   /* Instance: its node is there again and hears what holds for it */
  TURN_UNASKED,   /* Instance: perhaps it was stopped and nobody asked for that */
  TURN_ENDED,     /* Instance: what runs in it has an outcome, which its schedule must hear */
  TURN_CLOSED,    /* Rollout: it is done, and its deployment not settled yet */
  TURN_SETTLED,   /* Rollout: ... and now it is */
  TURN_UNSETTLED, /* Deployment: its status may be another */
  /* what changed, to be announced at the end, and to be stored when it is dirty: see touch_* */
  TURN_NODES,
  TURN_INSTANCES,
  TURN_DOOMED, /* Instance: leaves for good, with its logs */
  TURN_ROLLOUTS,
  TURN_DEPLOYMENTS,
  TURN_TIMED,  /* Rollout: the core is to look at it at another time than before */
  TURN_OUTBOX, /* NodeObject: it is told something */
  TURN_QUEUE_N
} TurnQueueId;

/* The turn of @now begins; what it leaves goes to @effects, borrowed until turn_end. */
void turn_begin(Core *core, Now now, Effects *effects);
/* Records what ids were given, and forgets the effects. Every queue must be empty by now. */
void turn_end(Core *core);

/* Was the wall clock set since this said so last? */
bool turn_clock_was_set(Core *core);

/* Puts @object, of the type that @queue says, at the end of it, unless it is in it. */
void turn_mark(Core *core, TurnQueueId queue, gpointer object);
/* Takes it out again. */
void turn_unmark(Core *core, TurnQueueId queue, gpointer object);
bool turn_is_marked(TurnQueueId queue, gconstpointer object);
/* Takes the first out of @queue; NULL when it is empty. What is marked meanwhile comes, too. */
gpointer turn_next(Core *core, TurnQueueId queue);
/* What is in @queue and not taken: the @i-th, or NULL. */
gpointer turn_peek(const Core *core, TurnQueueId queue, guint i);

typedef enum Touch { TOUCH_SEEN, TOUCH_STORED } Touch; /* announce only; store and announce */
/* The object has changed: announced, and stored, once at the end of the turn. */
void touch_deployment(Core *core, Deployment *deployment, Touch touch);
void touch_rollout(Core *core, Rollout *rollout, Touch touch);
void touch_instance(Core *core, Instance *instance, Touch touch);
void touch_node(Core *core, NodeObject *node, Touch touch);

/* Adds @record, which it takes. */
void turn_store(Core *core, Record *record);
/* The row of @table with key @id goes at the end of the turn, after every other record. */
void turn_remove(Core *core, TableId table, const char *id);
/* Announces @object of @deployment (NULL = of none) with @data, which it takes. */
void turn_event(Core *core, const char *type, const char *deployment, const char *object,
                GString *data);

/* The frame of @type that goes to @node at the end of the turn; made by the first call. @request: 0
 * = it belongs to none. Borrowed until then. */
Frame *turn_frame(Core *core, NodeObject *node, FrameType type, int64_t request);
/* Adds @instruction (ownership moves) to that frame. */
void turn_send(Core *core, NodeObject *node, FrameType type, Instruction *instruction);
/* A start that was decided earlier in this turn does not leave: the slot is stopped after all. */
void turn_unsend_start(const NodeObject *node, const char *instance);
/* Writes the frames, those that free something before those that need it, and the deletions. */
void turn_flush(Core *core);

/* Answers @command: an error, whose detail is @format; or success, with a JSON object. */
void turn_refuse(Core *core, const Command *command, int code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
void turn_accept(Core *core, const Command *command, int status, const char *body);
/* A row of the audit trail: who did @action to @object. @detail: NULL = nothing more to say. */
void turn_audit(Core *core, const Command *command, const char *action, const char *object,
                const char *detail);
