/* The engine by hand: what it asks of its hands and when, with a store that answers as the test
 * says. */
#include "base/error.h"
#include "core/engine.h"

#include "core/objects.h"

#include <string.h>

typedef struct Rig {
  Engine *engine;
  GString *did; /* what it asked for and told since the last look, in order */
  Now now;
  int64_t wake_at_ms, probe_at_ms, absent_ms;
} Rig;

static Now rig_now(void *data)
{
  return ((Rig *)data)->now;
}

static void rig_wake_at(void *data, int64_t boot_ms)
{
  ((Rig *)data)->wake_at_ms = boot_ms;
}

static void rig_probe_at(void *data, int64_t boot_ms)
{
  ((Rig *)data)->probe_at_ms = boot_ms;
}

static void rig_commit(void *data, const GPtrArray *records)
{
  g_assert_cmpuint(records->len, >, 0);
  g_string_append(((Rig *)data)->did, "commit ");
}

static void rig_load(void *data, int64_t absent_ms)
{
  ((Rig *)data)->absent_ms = absent_ms;
  g_string_append(((Rig *)data)->did, "load ");
}

static void rig_drop(void *data, Core *core)
{
  core_free(core);
  g_string_append(((Rig *)data)->did, "drop ");
}

static void rig_probe(void *data)
{
  g_string_append(((Rig *)data)->did, "probe ");
}

static void rig_leave(void *data, Effects *effects)
{
  Rig *rig = data;
  g_assert_cmpuint(effects->records->len, ==, 0);
  for (guint i = 0; i < effects->replies->len; i++) {
    const Reply *reply = effects->replies->pdata[i];
    g_string_append_printf(rig->did, "%" G_GUINT64_FORMAT ":%s ", reply->to,
                           reply->code < 0 ? "yes" : reeve_error_word(reply->code));
  }
  effects_free(effects);
}

static void rig_relist(void *data)
{
  g_assert_true(engine_hears(((Rig *)data)->engine));
  g_string_append(((Rig *)data)->did, "relist ");
}

static void rig_news(void *data, EngineNews news, const GError *error, int64_t late_ms)
{
  static const char *const words[] = {[ENGINE_COMMITTED] = "committed",
                                      [ENGINE_COMMIT_FAILED] = "failed",
                                      [ENGINE_RELOADS] = "reloads",
                                      [ENGINE_LOADED] = "loaded",
                                      [ENGINE_UNREADABLE] = "unreadable",
                                      [ENGINE_WRITABLE] = "writable",
                                      [ENGINE_AWAY] = "away"};
  bool why = news == ENGINE_COMMIT_FAILED || news == ENGINE_UNREADABLE || news == ENGINE_WRITABLE;
  g_assert_true(why == (error != NULL));
  g_assert_true((news == ENGINE_AWAY) == (late_ms != 0));
  g_string_append_printf(((Rig *)data)->did, "%s ", words[news]);
}

static void rig_after(void *data)
{
  g_assert_false(engine_busy(((Rig *)data)->engine));
}

static const EngineHands rig_hands = {.now = rig_now,
                                      .wake_at = rig_wake_at,
                                      .probe_at = rig_probe_at,
                                      .commit = rig_commit,
                                      .load = rig_load,
                                      .drop = rig_drop,
                                      .probe = rig_probe,
                                      .leave = rig_leave,
                                      .relist = rig_relist,
                                      .news = rig_news,
                                      .after = rig_after};

static void rig_did(Rig *rig, const char *text)
{
  g_assert_cmpstr(rig->did->str, ==, text);
  g_string_truncate(rig->did, 0);
}

/* What is loaded is empty every time: nothing was ever stored. */
static void rig_loaded(Rig *rig)
{
  Core *core = core_new(NULL);
  Effects *effects = effects_new();
  core_load_done(core, rig->now, effects);
  engine_loaded(rig->engine, core, effects);
}

static void rig_open(Rig *rig)
{
  *rig = (Rig){.now = {.boot_ms = 1000, .wall_ms = 1700000000000},
               .wake_at_ms = INT64_MAX,
               .probe_at_ms = INT64_MAX,
               .did = g_string_new(NULL)};
  rig->engine = engine_new(&rig_hands, rig);
  rig_loaded(rig);
  rig_did(rig, "loaded ");
}

static void rig_close(Rig *rig)
{
  engine_free(rig->engine);
  g_string_free(rig->did, TRUE);
}

static void rig_secret(Rig *rig, uint64_t token)
{
  SecretAsk ask = {.name = "name", .sealed = "sealed"};
  engine_apply(
      rig->engine,
      &(Command){.type = COMMAND_SECRET_SET, .reply_to = token, .actor = "test", .secret = &ask});
}

static void rig_hello(Rig *rig)
{
  g_autoptr(Frame) frame = frame_new(FRAME_HELLO);
  frame->node = g_strdup("far");
  frame->boot_id = g_strdup("boot");
  engine_apply(
      rig->engine,
      &(Command){.type = COMMAND_NODE_FRAME, .actor = "far", .node = "far", .frame = frame});
}

/* The answer to a read, for @token. */
static void rig_read(Rig *rig, uint64_t token)
{
  Effects *effects = effects_new();
  Reply *reply = g_new0(Reply, 1);
  *reply = (Reply){.to = token, .code = -1, .status = 200, .body = g_strdup("{}")};
  g_ptr_array_add(effects->replies, reply);
  engine_add(rig->engine, effects);
}

static void rig_fail(Rig *rig, int code)
{
  g_autoptr(GError) error = g_error_new_literal(REEVE_ERROR, code, "ordered to fail");
  engine_committed(rig->engine, error);
}

static void rig_probed(Rig *rig, bool ok)
{
  g_autoptr(GError) error =
      ok ? NULL : g_error_new_literal(REEVE_ERROR, REEVE_ERROR_STORE_FULL, "still full");
  engine_probed(rig->engine, error);
}

static void assert_refused(const Rig *rig, int code)
{
  int is = -1;
  const char *why = NULL;
  g_assert_true(engine_refuses(rig->engine, &is, &why));
  g_assert_cmpint(is, ==, code);
  g_assert_nonnull(why);
}

static void test_commits(void)
{
  Rig rig;
  rig_open(&rig);
  rig_read(&rig, 1);
  rig_did(&rig, "1:yes ");
  rig_secret(&rig, 2);
  rig_read(&rig, 3);
  rig_secret(&rig, 4); /* waits for the batch before it */
  rig_did(&rig, "commit ");
  g_assert_false(engine_idle(rig.engine));
  engine_committed(rig.engine, NULL);
  rig_did(&rig, "committed 2:yes commit ");
  engine_committed(rig.engine, NULL);
  rig_did(&rig, "committed 3:yes 4:yes ");
  g_assert_true(engine_idle(rig.engine));
  g_assert_nonnull(core_secret(engine_core(rig.engine), "name"));
  rig_close(&rig);
}

/* A failed commit: another core, then probes until one is through. */
static void test_fails(void)
{
  Rig rig;
  rig_open(&rig);
  rig_secret(&rig, 1);
  rig_read(&rig, 2);
  rig_did(&rig, "commit ");
  rig_fail(&rig, REEVE_ERROR_STORE_FULL);
  rig_did(&rig, "failed 1:store-full 2:store-full reloads load ");
  g_assert_true(engine_core_state(rig.engine) == CORE_STATE_LOADING);
  assert_refused(&rig, REEVE_ERROR_STORE_FULL);
  rig_hello(&rig); /* nothing happens to the core that goes */
  rig_did(&rig, "");
  g_assert_cmpint(rig.wake_at_ms, ==, INT64_MAX);
  rig_loaded(&rig);
  rig_did(&rig, "drop relist loaded ");
  g_assert_null(core_secret(engine_core(rig.engine), "name"));
  g_assert_cmpint(rig.probe_at_ms, ==, INT64_MAX);
  engine_dropped(rig.engine);
  g_assert_cmpint(rig.probe_at_ms, ==, rig.now.boot_ms + ENGINE_PROBE_MS);
  engine_probe(rig.engine);
  rig_probed(&rig, false);
  assert_refused(&rig, REEVE_ERROR_STORE_FULL);
  engine_probe(rig.engine);
  rig_probed(&rig, true);
  rig_did(&rig, "probe probe writable ");
  rig_secret(&rig, 3);
  rig_did(&rig, "commit ");
  rig_close(&rig);
}

/* While the store cannot be written a node tells what needs a record: that must not have happened.
 * A probe that is under way ends before the load. */
static void test_turn_that_cannot_be_stored(void)
{
  Rig rig;
  rig_open(&rig);
  rig_secret(&rig, 1);
  rig_fail(&rig, REEVE_ERROR_STORE_FAILED);
  rig_loaded(&rig);
  engine_dropped(rig.engine);
  engine_probe(rig.engine);
  g_string_truncate(rig.did, 0);
  rig_hello(&rig);
  rig_did(&rig, "reloads ");
  rig_probed(&rig, true); /* there is room, and no core */
  rig_did(&rig, "load ");
  assert_refused(&rig, REEVE_ERROR_STORE_FAILED);
  rig_loaded(&rig);
  rig_did(&rig, "drop loaded ");
  rig_hello(&rig); /* it cannot be stored either: not heard, and asked for later */
  g_assert_false(engine_hears(rig.engine));
  g_assert_true(engine_core_state(rig.engine) == CORE_STATE_READY);
  engine_dropped(rig.engine);
  engine_probe(rig.engine);
  rig_probed(&rig, true);
  rig_did(&rig, "probe writable relist ");
  g_assert_cmpuint(core_nodes(engine_core(rig.engine))->len, ==, 0);
  rig_close(&rig);
}

/* Nothing is applied to a core that is ahead of a store which cannot be read. */
static void test_unreadable(void)
{
  Rig rig;
  rig_open(&rig);
  rig_secret(&rig, 1);
  rig_fail(&rig, REEVE_ERROR_STORE_FAILED);
  g_string_truncate(rig.did, 0);
  g_autoptr(GError) error = g_error_new_literal(REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "broken");
  engine_load_failed(rig.engine, error);
  rig_did(&rig, "unreadable ");
  rig_hello(&rig);
  rig_did(&rig, "");
  g_assert_true(engine_core_state(rig.engine) == CORE_STATE_UNREADABLE);
  g_assert_cmpint(rig.probe_at_ms, ==, INT64_MAX);
  rig_close(&rig);
}

/* The tick that the core asked for comes a minute late: that minute is not counted against anybody,
 * once. */
static void test_away(void)
{
  Rig rig;
  rig_open(&rig);
  rig_hello(&rig);
  rig_did(&rig, "commit ");
  g_assert_cmpint(rig.wake_at_ms, <, INT64_MAX);
  int64_t asked_ms = rig.wake_at_ms;
  rig.now.boot_ms = asked_ms + 60000;
  rig_read(&rig, 1);
  g_assert_cmpint(engine_now(rig.engine).boot_ms, ==, asked_ms);
  rig_did(&rig, "away ");
  g_assert_cmpint(engine_now(rig.engine).boot_ms, ==, asked_ms);
  engine_tick(rig.engine);
  rig_did(&rig, "");
  g_assert_cmpint(rig.wake_at_ms, >, rig.now.boot_ms);
  rig_fail(&rig, REEVE_ERROR_STORE_FULL);
  g_assert_cmpint(rig.absent_ms, ==, 60000); /* the next core goes on with that clock */
  rig_close(&rig);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/engine/commits", test_commits);
  g_test_add_func("/engine/fails", test_fails);
  g_test_add_func("/engine/turn-that-cannot-be-stored", test_turn_that_cannot_be_stored);
  g_test_add_func("/engine/unreadable", test_unreadable);
  g_test_add_func("/engine/away", test_away);
  return g_test_run();
}
