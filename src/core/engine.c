/* Owns the core, the release queue and the states of store and core; see engine.h. */
#include "core/engine.h"

#include "base/error.h"
#include "core/release.h"

/* What the store is at. */
typedef enum EngineWork { WORK_NONE, WORK_COMMIT, WORK_LOAD, WORK_DROP, WORK_PROBE } EngineWork;

struct Engine {
  const EngineHands *hands;
  void *data;
  Core *core;
  ReleaseQueue *queue;
  CoreState core_state;
  StoreState store_state;
  GError *store_reason; /* why not OK */
  EngineWork work;
  bool busy;           /* a turn is being applied, or something leaves */
  bool deaf;           /* nodes are not heard before they were asked for their lists */
  bool relist_at_load; /* they are as soon as there is a core */
  int64_t wake_at_ms;  /* boot clock; INT64_MAX = not armed */
  int64_t absent_ms;   /* taken out of the core's boot clock */
};

static void engine_leave(Effects *effects, void *data)
{
  const Engine *engine = data;
  engine->hands->leave(engine->data, effects);
}

static void engine_tell(const Engine *engine, EngineNews news, const GError *error)
{
  engine->hands->news(engine->data, news, error, 0);
}

Engine *engine_new(const EngineHands *hands, void *data)
{
  Engine *engine = g_new0(Engine, 1);
  engine->hands = hands;
  engine->data = data;
  engine->queue = release_new(engine_leave, engine);
  engine->core_state = CORE_STATE_LOADING;
  engine->work = WORK_LOAD;
  engine->wake_at_ms = INT64_MAX;
  return engine;
}

void engine_free(Engine *engine)
{
  if (!engine)
    return;
  release_free(engine->queue);
  core_free(engine->core);
  g_clear_error(&engine->store_reason);
  g_free(engine);
}

/* ---- time ---- */

Now engine_now(Engine *engine)
{
  Now now = engine->hands->now(engine->data);
  int64_t late_ms = engine->wake_at_ms == INT64_MAX ? 0 : now.boot_ms - engine->wake_at_ms;
  if (late_ms > ENGINE_LATE_MS) {
    engine->absent_ms += late_ms;
    engine->wake_at_ms += late_ms;
    engine->hands->news(engine->data, ENGINE_AWAY, NULL, late_ms);
  }
  now.boot_ms -= engine->absent_ms;
  return now;
}

/* @wake_at_ms of the core's clock. Not while the store is not OK: what a tick makes needs records.
 */
static void engine_arm(Engine *engine, int64_t wake_at_ms)
{
  bool sleeps = engine->store_state != STORE_STATE_OK || wake_at_ms == INT64_MAX;
  engine->wake_at_ms = sleeps ? INT64_MAX : wake_at_ms + engine->absent_ms;
  engine->hands->wake_at(engine->data, engine->wake_at_ms);
}

static void engine_probe_later(const Engine *engine)
{
  engine->hands->probe_at(engine->data, engine->hands->now(engine->data).boot_ms + ENGINE_PROBE_MS);
}

/* ---- another core ---- */

/* As soon as the store is free. */
static void engine_load(Engine *engine)
{
  if (engine->core_state != CORE_STATE_LOADING || engine->work != WORK_NONE)
    return;
  engine->work = WORK_LOAD;
  engine->hands->load(engine->data, engine->absent_ms);
}

/* The core is ahead of the store. @relist: nodes are asked as soon as there is another one; else
 * when it can store what they tell. */
static void engine_reload(Engine *engine, bool relist)
{
  engine->core_state = CORE_STATE_LOADING;
  engine->deaf = true;
  engine->relist_at_load = relist;
  engine_arm(engine, INT64_MAX);
  engine->hands->probe_at(engine->data, INT64_MAX);
  engine_tell(engine, ENGINE_RELOADS, NULL);
  engine_load(engine);
}

static void engine_relist(Engine *engine)
{
  engine->deaf = false;
#ifndef REEVE_BUG_NO_RELIST
  engine->hands->relist(engine->data);
#endif
}

/* The store is free, and it was not OK: on with the load that waits for it, or with the next probe.
 */
static void engine_continue(Engine *engine)
{
  engine->work = WORK_NONE;
  if (engine->core_state == CORE_STATE_LOADING)
    engine_load(engine);
  else if (engine->core_state == CORE_STATE_READY)
    engine_probe_later(engine);
}

/* ---- turns ---- */

/* The next commit, then what waited. */
static void engine_after(Engine *engine)
{
  if (engine->store_state == STORE_STATE_OK && release_ready(engine->queue)) {
    engine->work = WORK_COMMIT;
    engine->hands->commit(engine->data, release_take(engine->queue));
  }
  engine->hands->after(engine->data);
}

void engine_add(Engine *engine, Effects *effects)
{
  bool outer = engine->busy;
  engine->busy = true;
  release_add(engine->queue, effects);
  engine->busy = outer;
}

static void engine_release(Engine *engine, Effects *effects)
{
  engine_arm(engine, effects->wake_at_ms);
  engine_add(engine, effects);
}

/* Else it would happen to a core that is thrown away, or be told to one that has not asked yet. */
static bool engine_takes(const Engine *engine, const Command *command)
{
#ifdef REEVE_BUG_APPLY_WHILE_LOADING
  return engine->core != NULL;
#endif
  bool of_node = command->type == COMMAND_NODE_FRAME || command->type == COMMAND_NODE_GONE;
  return engine->core_state == CORE_STATE_READY && !(of_node && engine->deaf);
}

void engine_apply(Engine *engine, const Command *command)
{
  if (!engine_takes(engine, command))
    return;
  g_autoptr(Effects) effects = effects_new();
  if (command->frame && command->frame->type == FRAME_HELLO)
    release_new_link(engine->queue, command->node);
  core_apply(engine->core, command, engine_now(engine), effects);
  if (engine->store_state != STORE_STATE_OK && effects->records->len) {
    /* It cannot be stored, so it must not have happened; the node tells it again when there is
     * room. */
    engine_reload(engine, false);
    return;
  }
  engine_release(engine, g_steal_pointer(&effects));
  if (!engine->busy)
    engine_after(engine);
}

bool engine_refuses(const Engine *engine, int *code, const char **why)
{
  bool written = engine->store_state == STORE_STATE_OK;
  if (written && !release_full(engine->queue))
    return false;
  *code = written                                   ? REEVE_ERROR_UNAVAILABLE
          : engine->store_state == STORE_STATE_FULL ? REEVE_ERROR_STORE_FULL
                                                    : REEVE_ERROR_STORE_FAILED;
  *why = written ? "too many changes wait for the store" : engine->store_reason->message;
  return true;
}

void engine_tick(Engine *engine)
{
  if (engine->store_state == STORE_STATE_OK)
    engine_apply(engine, &(Command){.type = COMMAND_TICK});
}

void engine_probe(Engine *engine)
{
  g_assert(engine->work == WORK_NONE);
  engine->work = WORK_PROBE;
  engine->hands->probe(engine->data);
}

/* ---- answers of the store ---- */

static void engine_commit_failed(Engine *engine, const GError *error)
{
  bool full = error->code == REEVE_ERROR_STORE_FULL;
  engine->store_state = full ? STORE_STATE_FULL : STORE_STATE_FAILED;
  g_clear_error(&engine->store_reason);
  engine->store_reason = g_error_copy(error);
  engine_tell(engine, ENGINE_COMMIT_FAILED, error);
  engine->busy = true;
  release_failed(engine->queue, full ? REEVE_ERROR_STORE_FULL : REEVE_ERROR_STORE_FAILED,
                 error->message);
  engine->busy = false;
  engine_reload(engine, true);
}

void engine_committed(Engine *engine, const GError *error)
{
  g_assert(engine->work == WORK_COMMIT);
  engine->work = WORK_NONE;
  if (error) {
    engine_commit_failed(engine, error);
  } else {
    engine_tell(engine, ENGINE_COMMITTED, NULL);
    engine->busy = true;
    release_committed(engine->queue);
    engine->busy = false;
  }
  engine_after(engine);
}

void engine_probed(Engine *engine, const GError *error)
{
  g_assert(engine->work == WORK_PROBE);
  if (error || engine->core_state != CORE_STATE_READY) { /* room is of no use without a core */
    engine_continue(engine);
    return;
  }
  engine->work = WORK_NONE;
  engine->store_state = STORE_STATE_OK;
  g_autoptr(GError) was = g_steal_pointer(&engine->store_reason);
  engine_tell(engine, ENGINE_WRITABLE, was);
  if (engine->deaf)
    engine_relist(engine);
  engine_tick(engine);
}

void engine_loaded(Engine *engine, Core *core, Effects *effects)
{
  g_assert(engine->work == WORK_LOAD);
  Core *old = engine->core;
  engine->core = core;
  engine->core_state = CORE_STATE_READY;
  engine_release(engine, effects);
  engine->work = old ? WORK_DROP : WORK_NONE;
  if (old)
    engine->hands->drop(engine->data, old);
  if (engine->relist_at_load)
    engine_relist(engine);
  engine_tell(engine, ENGINE_LOADED, NULL);
  engine_after(engine);
}

void engine_load_failed(Engine *engine, const GError *error)
{
  g_assert(engine->work == WORK_LOAD);
  engine->work = WORK_NONE;
  engine->core_state = CORE_STATE_UNREADABLE;
  engine_tell(engine, ENGINE_UNREADABLE, error);
  engine_after(engine);
}

void engine_dropped(Engine *engine)
{
  g_assert(engine->work == WORK_DROP);
  engine_continue(engine);
}

/* ---- how it stands ---- */

bool engine_hears(const Engine *engine)
{
  return engine->core_state == CORE_STATE_READY && !engine->deaf;
}

Core *engine_core(const Engine *engine)
{
  return engine->core;
}

CoreState engine_core_state(const Engine *engine)
{
  return engine->core_state;
}

StoreState engine_store_state(const Engine *engine)
{
  return engine->store_state;
}

const char *engine_store_reason(const Engine *engine)
{
  return engine->store_reason ? engine->store_reason->message : NULL;
}

bool engine_busy(const Engine *engine)
{
  return engine->busy;
}

bool engine_idle(const Engine *engine)
{
  return release_idle(engine->queue);
}

bool engine_full(const Engine *engine)
{
  return release_full(engine->queue);
}

void engine_depth(const Engine *engine, guint *records, size_t *bytes)
{
  release_depth(engine->queue, records, bytes);
}
