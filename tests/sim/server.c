/* The server: hands of the real engine. Commits take time, fail, or are the last thing that it did;
 * a load takes time too.
 */
#include "sim.h"

#include "base/error.h"
#include "core/coverage.h"

enum {
  SERVER_BUSY_MS = 20000,
  SERVER_LOAD_MS = 2000,
  SERVER_STORE_MS = 20,
  SERVER_UNKNOWN_MS = 12000,
  SERVER_SETTLE_MS =
      5000,              /* as STORE_SETTLE_MS: so long the store is asked, then it is a failure */
  SERVER_UNREADABLE = 20 /* of a thousand loads */
};

Core *sim_core(const Sim *sim)
{
  return sim->engine ? engine_core(sim->engine) : NULL;
}

/* ---- what leaves ---- */

static void hand_leave(void *data, Effects *effects)
{
  Sim *sim = data;
  bool ahead = engine_core_state(sim->engine) != CORE_STATE_READY;
  if (ahead && effects->messages->len)
    sim_break(sim, "the node is told something by a core that is thrown away");
  for (guint i = 0; i < effects->replies->len; i++) {
    const Reply *reply = effects->replies->pdata[i];
    if (ahead && reply->code < 0)
      sim_break(sim, "somebody is answered by a core that is thrown away");
    sim_digest_text(&sim->digest, reply->body ? reply->body : "");
    sim_check_reply(sim, reply);
  }
  for (guint i = 0; i < effects->messages->len; i++) {
    sim_check_message(sim, ((const Message *)effects->messages->pdata[i])->frame);
    sim_send(sim, TO_NODE, ((const Message *)effects->messages->pdata[i])->frame);
  }
  for (guint i = 0; i < effects->events->len; i++)
    sim_hook_event(sim, effects->events->pdata[i]);
  effects_free(effects);
}

/* ---- the store ---- */

static void server_commit_failed(Sim *sim, int code, const char *why)
{
  g_autoptr(GError) error = g_error_new_literal(REEVE_ERROR, code, why);
  engine_committed(sim->engine, error);
}

static void server_committed(Sim *sim, void *data)
{
  (void)data;
  if (sim->commit_crashes) {
    sim_server_crash(sim);
    return;
  }
  if (sim->boot_ms < sim->settled_at) { /* it is not asked for ever */
    sim_say(sim, "what became of a commit is not known");
    g_array_set_size(sim->refused, 0); /* it may be there */
    server_commit_failed(sim, REEVE_ERROR_STORE_FAILED, "not known");
  } else if (sim->commit_fails) {
    sim_say(sim, "commit refused");
    sim_cut_log(sim);
    server_commit_failed(sim,
                         sim->commit_unknown ? REEVE_ERROR_STORE_FAILED : REEVE_ERROR_STORE_FULL,
                         "did not happen");
  } else {
    engine_committed(sim->engine, NULL);
    sim_check_fold(sim);
  }
}

/* The connection breaks in the middle: the batch is stored or it is not, and only after a while the
 * store can say which. How long until there is an answer. */
static int64_t server_commit_breaks(Sim *sim, const GPtrArray *records, bool crashes)
{
  int64_t settles_ms = 1 + sim_below(sim, SERVER_UNKNOWN_MS);
  sim->settled_at = sim->boot_ms + settles_ms;
  sim->commit_unknown = true;
  sim->commit_fails = sim->store_full || sim_below(sim, 2);
#ifdef REEVE_BUG_UNKNOWN_IS_NOT
  sim_note_refused(sim, records);
  if (!sim->commit_fails && !crashes)
    sim_write_rows(sim, records);
  sim->commit_fails = true;
  sim->settled_at = sim->boot_ms;
  return 1;
#endif
  if (sim->commit_fails)
    sim_note_refused(sim, records);
  else if (!crashes)
    sim_write_rows(sim, records);
  return MIN(settles_ms, SERVER_SETTLE_MS);
}

/* A crash before the write loses the batch; one after it loses only the news of it. A commit whose
 * sync fails lies in the log until it is cut out, before anybody hears of it. While another program
 * holds the database the commit waits. */
static void hand_commit(void *data, const GPtrArray *records)
{
  Sim *sim = data;
  bool before = sim_fault_chance(sim, sim->rates.server_crash),
       after = sim_fault_chance(sim, sim->rates.server_crash);
  bool unsynced = !sim->store_full && sim_fault_chance(sim, sim->rates.unsynced),
       busy = sim_fault_chance(sim, sim->rates.busy);
  sim->commit_fails = sim->store_full || unsynced;
  sim->commit_crashes = before || after;
  sim->commit_unknown = false;
  if (!unsynced && sim_fault_chance(sim, sim->rates.unknown)) {
    sim_at(sim, server_commit_breaks(sim, records, before), LIVES_WITH_SERVER, server_committed,
           NULL, NULL);
    return;
  }
  if (sim->commit_fails)
    sim_note_refused(sim, records);
  if (unsynced && !before) {
    sim_leave_in_log(sim, records);
    sim_disk_fails(sim, 1000);
  }
  if (!sim->commit_fails && !before)
    sim_write_rows(sim, records);
  sim_at(sim, 1 + sim_below(sim, busy ? SERVER_BUSY_MS : 5), LIVES_WITH_SERVER, server_committed,
         NULL, NULL);
}

/* What is stored, whatever came before, becomes the core. */
static void server_load(Sim *sim)
{
  sim_read_log(sim);
  Effects *effects = effects_new();
  Core *core = sim_load(sim, sim->absent_ms, effects);
  core_set_coverage(core, sim_cover_core, NULL);
  engine_loaded(sim->engine, core, effects);
  sim_rolling_loaded(sim);
  sim_check_promises(sim);
  sim_hooks_loaded(sim);
}

static void server_loaded(Sim *sim, void *data)
{
  (void)data;
  sim_say(sim, "the state is read again");
  server_load(sim);
  sim_check_refused(sim);
}

static void server_not_loaded(Sim *sim, void *data)
{
  (void)data;
  g_autoptr(GError) error =
      g_error_new_literal(REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "cannot be read");
  engine_load_failed(sim->engine, error);
}

/* Many rows take seconds; meanwhile the world goes on. Nothing is read before it is known what the
 * last commit has become. */
static void hand_load(void *data, int64_t absent_ms)
{
  Sim *sim = data;
  int64_t settles_ms = MAX(0, sim->settled_at - sim->boot_ms),
          takes_ms = 1 + sim_below(sim, sim_below(sim, 2) ? SERVER_LOAD_MS : SERVER_STORE_MS);
  bool fails = settles_ms > SERVER_SETTLE_MS || sim_fault_chance(sim, SERVER_UNREADABLE);
  sim->absent_ms = absent_ms;
  sim_at(sim, MIN(settles_ms, SERVER_SETTLE_MS) + takes_ms, LIVES_WITH_SERVER,
         fails ? server_not_loaded : server_loaded, NULL, NULL);
}

static void server_dropped(Sim *sim, void *data)
{
  (void)data;
  engine_dropped(sim->engine);
}

static void hand_drop(void *data, Core *core)
{
  Sim *sim = data;
  core_free(core);
  sim_at(sim, 1 + sim_below(sim, SERVER_STORE_MS), LIVES_WITH_SERVER, server_dropped, NULL, NULL);
}

static void server_probed(Sim *sim, void *data)
{
  (void)data;
  g_autoptr(GError) error = NULL;
  if (sim->store_full || sim_fault_chance(sim, sim->rates.unsynced))
    error = g_error_new_literal(REEVE_ERROR, REEVE_ERROR_STORE_FULL, "still full");
  engine_probed(sim->engine, error);
}

static void hand_probe(void *data)
{
  Sim *sim = data;
  sim_at(sim, 1 + sim_below(sim, SERVER_STORE_MS), LIVES_WITH_SERVER, server_probed, NULL, NULL);
}

/* ---- the other hands ---- */

static Now hand_now(void *data)
{
  return sim_now(data);
}

static void hand_wake_at(void *data, int64_t boot_ms)
{
  ((Sim *)data)->server_wake = boot_ms;
}

static void hand_probe_at(void *data, int64_t boot_ms)
{
  ((Sim *)data)->server_probe = boot_ms;
}

static void hand_relist(void *data)
{
  Sim *sim = data;
  if (!sim->greeted)
    return;
  g_autoptr(Frame) relist = frame_new(FRAME_RELIST);
  relist->term = core_term(sim_core(sim));
  g_autofree char *text = frame_write(relist);
  sim_send(sim, TO_NODE, text);
}

static void server_leaves(Sim *sim, void *data)
{
  (void)data;
  sim_server_crash(sim);
}

static void hand_news(void *data, EngineNews news, const GError *error, int64_t late_ms)
{
  if (news == ENGINE_UNREADABLE) {
    sim_say(data, "the state %s, the server leaves", error->message);
    sim_at(data, 1 + sim_below(data, SERVER_STORE_MS), LIVES_WITH_SERVER, server_leaves, NULL,
           NULL);
  }
  if (news == ENGINE_AWAY)
    sim_say(data, "the server was away for %" G_GINT64_FORMAT " ms", late_ms);
  else if (news == ENGINE_WRITABLE)
    sim_say(data, "the server can write again");
}

static void hand_after(void *data)
{
  (void)data;
}

static const EngineHands server_hands = {.now = hand_now,
                                         .wake_at = hand_wake_at,
                                         .probe_at = hand_probe_at,
                                         .commit = hand_commit,
                                         .load = hand_load,
                                         .drop = hand_drop,
                                         .probe = hand_probe,
                                         .leave = hand_leave,
                                         .relist = hand_relist,
                                         .news = hand_news,
                                         .after = hand_after};

/* ---- calls ---- */

int64_t sim_server_due(const Sim *sim)
{
  return sim->server_up ? MIN(sim->server_wake, sim->server_probe) : INT64_MAX;
}

static void server_watch(Sim *sim, const Command *command)
{
  sim_epochs_before(sim, command);
  sim_rolling_before(sim, command);
}

static void server_seen(Sim *sim, const Command *command)
{
  sim_rolling_after(sim);
  sim_epochs_after(sim, command);
  sim_check_ports(sim);
}

void sim_server_call(Sim *sim)
{
  static const Command tick = {.type = COMMAND_TICK};
  sim->boot_ms = MAX(sim->boot_ms, sim_server_due(sim));
  if (sim->server_probe <= sim->boot_ms) {
    sim->server_probe = INT64_MAX;
    engine_probe(sim->engine);
    return;
  }
  sim->server_wake = INT64_MAX;
  server_watch(sim, &tick);
  engine_tick(sim->engine);
  server_seen(sim, &tick);
}

/* Who asks for a change while none can be taken is told so, and nothing else happens. */
void sim_apply(Sim *sim, const Command *command)
{
  int code;
  const char *why;
  if (command->reply_to && engine_refuses(sim->engine, &code, &why)) {
    sim_say(sim, "refused: %s", why);
    return;
  }
  server_watch(sim, command);
  engine_apply(sim->engine, command);
  server_seen(sim, command);
}

/* While there is no core the request waits for the next one. */
void sim_look(Sim *sim, const char *name)
{
  const Deployment *deployment = core_deployment(sim_core(sim), name);
  if (!deployment || engine_core_state(sim->engine) != CORE_STATE_READY)
    return;
  const Revision *newest = deployment->revisions->pdata[deployment->revisions->len - 1];
  Effects *effects = effects_new();
  Reply *reply = g_new0(Reply, 1);
  *reply = (Reply){.to = ++sim->next_token,
                   .code = -1,
                   .status = 200,
                   .body = g_strdup_printf("{\"id\":\"%s\",\"name\":\"%s\",\"revision\":%d}",
                                           deployment->id, name, newest->number)};
  g_ptr_array_add(effects->replies, reply);
  engine_add(sim->engine, effects);
}

/* ---- life ---- */

void sim_server_crash(Sim *sim)
{
  if (!sim->server_up)
    return;
  sim_say(sim, "server crashes");
  sim_link_break(sim);
  sim->server_up = false;
  sim->lives[LIVES_WITH_SERVER]++;
  g_clear_pointer(&sim->engine, engine_free);
  sim->server_wake = sim->server_probe = INT64_MAX;
  int64_t away_ms = 50 + sim_below(sim, 5000) + sim->server_away_ms;
  sim->server_away_ms = 0;
  sim_at(sim, away_ms, LIVES_ALWAYS, sim_server_start, NULL, NULL);
}

void sim_server_start(Sim *sim, void *data)
{
  (void)data;
  sim_say(sim, "server starts");
  sim->server_up = true;
  sim->absent_ms = sim->settled_at = 0;
  sim->engine = engine_new(&server_hands, sim);
  server_load(sim);
}
