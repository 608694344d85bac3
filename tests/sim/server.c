/* The server: commands into the core, effects through the release queue, commits that take time,
 * fail, or are the last thing that it did.
 */
#include "sim.h"

#include "base/error.h"
#include "core/coverage.h"

enum { SERVER_BUSY_MS = 20000 };

static void server_leave(Effects *effects, void *data)
{
  Sim *sim = data;
  for (guint i = 0; i < effects->replies->len; i++) {
    const Reply *reply = effects->replies->pdata[i];
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

static void server_reload(Sim *sim)
{
  core_free(sim->core);
  sim_read_log(sim);
  Effects *effects = effects_new();
  sim->core = sim_load(sim, effects);
  sim_rolling_loaded(sim);
  core_set_coverage(sim->core, sim_cover_core, NULL);
  sim->server_wake = effects->wake_at_ms;
  effects_free(effects);
  sim_check_promises(sim);
  sim_hooks_loaded(sim);
}

static void server_commit(Sim *sim);

static void server_committed(Sim *sim, void *data)
{
  (void)data;
  sim->committing = false;
  if (sim->commit_crashes) {
    sim_server_crash(sim);
    return;
  }
  if (sim->commit_fails) {
    sim_say(sim, "commit refused");
    sim_cut_log(sim);
    sim_link_break(sim);
    release_failed(sim->queue, REEVE_ERROR_STORE_FULL, "full");
    server_reload(sim);
    sim_check_refused(sim);
    return;
  }
  release_committed(sim->queue);
  sim_check_fold(sim);
  server_commit(sim);
}

/* A crash before the write loses the batch; one after it loses only the news of it. A commit whose
 * sync fails lies in the log until it is cut out, before anybody hears of it. While another program
 * holds the database the commit waits. */
static void server_commit(Sim *sim)
{
  if (sim->committing || !release_ready(sim->queue))
    return;
  const GPtrArray *records = release_take(sim->queue);
  bool before = sim_fault_chance(sim, sim->rates.server_crash),
       after = sim_fault_chance(sim, sim->rates.server_crash);
  sim->committing = true;
  bool unsynced = !sim->store_full && sim_fault_chance(sim, sim->rates.unsynced),
       busy = sim_fault_chance(sim, sim->rates.busy);
  sim->commit_fails = sim->store_full || unsynced;
  sim->commit_crashes = before || after;
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

void sim_apply(Sim *sim, const Command *command)
{
  Effects *effects = effects_new();
  sim_epochs_before(sim, command);
  sim_rolling_before(sim, command);
  if (command->frame && command->frame->type == FRAME_HELLO)
    release_new_link(sim->queue, command->node);
  core_apply(sim->core, command, sim_now(sim), effects);
  sim->server_wake = effects->wake_at_ms;
  sim_rolling_after(sim);
  sim_epochs_after(sim, command);
  sim_check_ports(sim);
  release_add(sim->queue, effects);
  server_commit(sim);
}

void sim_server_crash(Sim *sim)
{
  if (!sim->server_up)
    return;
  sim_say(sim, "server crashes");
  sim_link_break(sim);
  sim->server_up = sim->committing = false;
  sim->lives[LIVES_WITH_SERVER]++;
  release_free(sim->queue);
  sim->queue = NULL;
  g_clear_pointer(&sim->core, core_free);
  int64_t away_ms = 50 + sim_below(sim, 5000) + sim->server_away_ms;
  sim->server_away_ms = 0;
  sim_at(sim, away_ms, LIVES_ALWAYS, sim_server_start, NULL, NULL);
}

void sim_server_start(Sim *sim, void *data)
{
  (void)data;
  sim_say(sim, "server starts");
  sim->server_up = true;
  sim->queue = release_new(server_leave, sim);
  server_reload(sim);
}
