#pragma once
/* The one path from a command to its effects: core_apply, the release queue, the commit, and what
 * follows from it. Pure: it reads no clock, writes no file, knows no thread; what it wants done it
 * asks of its hands. The server and the simulator drive the same code.
 *
 * Three things have a state. The store: while it is not OK nothing that needs a record is accepted,
 * the core gets no ticks, and a probe write is tried until one commits. The core: when a commit
 * fails, or a turn made records that cannot be stored, it is ahead of the store and another one is
 * loaded; nothing is applied to it then, and nothing answered from it. The nodes: their links
 * last, but the next core knows of none what it holds; each is asked to say hello again. Until they
 * are asked nothing that they tell is taken, a hello neither: that is asked for then.
 *
 *   core   READY --commit failed, or a turn that cannot be stored--> LOADING --loaded--> READY
 *                                                                       \--failed--> UNREADABLE
 *   store  OK --commit failed--> FULL or FAILED --a probe is through and the core is READY--> OK
 *
 * The store does one thing at a time: of commit, load, drop and probe one is under way, each
 * answered once. */
#include "core/core.h"

typedef struct Engine Engine;

/* What the store can do at the moment. Not OK: read-only until a probe write commits. */
typedef enum StoreState { STORE_STATE_OK, STORE_STATE_FULL, STORE_STATE_FAILED } StoreState;

/* Whether the core is what is stored. LOADING: it is ahead of it, and another one is on its way (at
 * first: there is none yet); UNREADABLE: that one could not be loaded, and the engine does nothing
 * more. In both nothing may be answered from it; it is there, since much points into it. */
typedef enum CoreState { CORE_STATE_READY, CORE_STATE_LOADING, CORE_STATE_UNREADABLE } CoreState;

/* What the owner may want to count, to say in its log or to do on its side. */
typedef enum EngineNews {
  ENGINE_COMMITTED,     /* a batch is durable; its effects are about to leave */
  ENGINE_COMMIT_FAILED, /* @error; its replies are about to leave as failed */
  ENGINE_RELOADS,       /* the core is thrown away */
  ENGINE_LOADED,        /* the next core counts: whoever waited for it can be answered */
  ENGINE_UNREADABLE,    /* @error: it could not be loaded */
  ENGINE_WRITABLE,      /* @error: why the store was not; it is OK again */
  ENGINE_AWAY           /* a tick came too late; @late_ms */
} EngineNews;

enum { ENGINE_PROBE_MS = 1000, ENGINE_LATE_MS = 5000 };

/* Every slot is set; all get @data of engine_new. None may free the engine. What is to be answered
 * ("then ...") is answered later, never from inside the hand. */
typedef struct EngineHands {
  Now (*now)(void *data);
  void (*wake_at)(void *data, int64_t boot_ms);  /* then engine_tick; INT64_MAX = no need */
  void (*probe_at)(void *data, int64_t boot_ms); /* then engine_probe; INT64_MAX = no need */
  /* store these (of Record*, borrowed until the answer) as one, then engine_committed */
  void (*commit)(void *data, const GPtrArray *records);
  /* make the core that is stored, whose boot clock is @absent_ms behind; then engine_loaded or
   * engine_load_failed */
  void (*load)(void *data, int64_t absent_ms);
  void (*drop)(void *data, Core *core); /* free it, which takes long; then engine_dropped */
  void (*probe)(void *data);            /* can the store be written? then engine_probed */
  /* these may leave now, in this order; ownership moves, its records are empty */
  void (*leave)(void *data, Effects *effects);
  /* every node that has said hello, heard or not, is to say it again (a RELIST frame): the core
   * knows of none what it holds */
  void (*relist)(void *data);
  void (*news)(void *data, EngineNews news, const GError *error, int64_t late_ms);
  /* a turn or a commit is over: what waited for that goes on */
  void (*after)(void *data);
} EngineHands;

/* An engine that waits for its first core: engine_loaded. @hands and @data are borrowed. Caller
 * frees. */
Engine *engine_new(const EngineHands *hands, void *data);
/* With its core and all that waits, which never leaves. NULL is fine; never from inside a hand. */
void engine_free(Engine *engine);

/* Applies @command; its effects leave when nothing that they could have seen is uncommitted. Does
 * nothing while the core is not READY, and with what nodes tell while !engine_hears. A change that
 * somebody asks for must not come while engine_refuses. */
void engine_apply(Engine *engine, const Command *command);
/* True when no change can be taken now: @code (a ReeveError) and @why (borrowed) for who asks. */
bool engine_refuses(const Engine *engine, int *code, const char **why);
/* What no turn has made, such as the answer to a read: leaves (ownership moves) as soon as nothing
 * that it may have seen is uncommitted, at once when nothing is. */
void engine_add(Engine *engine, Effects *effects);
/* It is the time of wake_at, of probe_at. */
void engine_tick(Engine *engine);
void engine_probe(Engine *engine);

/* Answers of the store. @error NULL = it is done; else nothing of it happened, or what became of it
 * is not known and @error says so. */
void engine_committed(Engine *engine, const GError *error);
void engine_probed(Engine *engine, const GError *error);
/* @core with the effects of its core_load_done; both move. Also the first one, unasked. */
void engine_loaded(Engine *engine, Core *core, Effects *effects);
void engine_load_failed(Engine *engine, const GError *error);
void engine_dropped(Engine *engine);

/* False while nothing that nodes tell is taken: those that have said hello will be asked again. */
bool engine_hears(const Engine *engine);
/* Borrowed; another one after each load. NULL before the first. */
Core *engine_core(const Engine *engine);
CoreState engine_core_state(const Engine *engine);
StoreState engine_store_state(const Engine *engine);
/* Why it is not OK, or NULL. Borrowed until it changes. */
const char *engine_store_reason(const Engine *engine);
/* The present on the core's clock. When the tick that it asked for is over ENGINE_LATE_MS late we
 * were asleep or stopped, which is nobody's fault: that time is taken out of its boot clock, so
 * that no deadline runs out by our absence. */
Now engine_now(Engine *engine);
/* True inside a turn, or while something leaves: what nodes send meanwhile waits. */
bool engine_busy(const Engine *engine);
/* True when nothing is uncommitted. */
bool engine_idle(const Engine *engine);
/* True when the open batch is full: nodes are not read. */
bool engine_full(const Engine *engine);
/* What waits to become durable: records and bytes. */
void engine_depth(const Engine *engine, guint *records, size_t *bytes);
