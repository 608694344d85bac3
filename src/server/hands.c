/* Owns what the engine's hands do in the server: timers, the store's thread, what leaves, and who
 * hears of what. Stands above all of these, so that none of them calls up. */
#include "server/hands.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "server/agents.h"
#include "server/hub.h"
#include "server/leave.h"
#include "server/reload.h"
#include "server/stop.h"
#include "server/turn.h"

/* Watchers hear of a change before the one who asked for it gets the answer. */
static void hand_leave(void *data, Effects *effects)
{
  Server *server = data;
  for (guint i = 0; i < effects->messages->len; i++) {
    const Message *message = g_ptr_array_index(effects->messages, i);
    hub_send(server->hub, message->node, message->frame);
  }
  for (guint i = 0; i < effects->events->len; i++) {
    const Event *event = g_ptr_array_index(effects->events, i);
    metrics_event(&server->metrics, event);
    events_publish(server->events, event);
    notify_event(server->notify, event);
  }
  for (guint i = 0; i < effects->replies->len; i++)
    turn_reply(server, g_ptr_array_index(effects->replies, i));
  effects_free(effects);
}

static Now hand_now(void *data)
{
  (void)data;
  return clock_now();
}

static void hand_wake_at(void *data, int64_t boot_ms)
{
  loop_timer_set(((Server *)data)->wake, boot_ms);
}

static void hand_probe_at(void *data, int64_t boot_ms)
{
  loop_timer_set(((Server *)data)->probe, boot_ms);
}

static void hand_committed(const GError *error, void *data)
{
  engine_committed(((Server *)data)->engine, error);
}

static void hand_commit(void *data, const GPtrArray *records)
{
  store_thread_commit(((Server *)data)->store, records, hand_committed, data);
}

static void hand_probed(const GError *error, void *data)
{
  engine_probed(((Server *)data)->engine, error);
}

static void hand_probe(void *data)
{
  store_thread_probe(((Server *)data)->store, hand_probed, data);
}

static void hand_load(void *data, int64_t absent_ms)
{
  reload_load(data, absent_ms);
}

static void hand_drop(void *data, Core *core)
{
  reload_drop(data, core);
}

static void hand_relist(void *data)
{
  hub_relist(((Server *)data)->hub);
}

/* Deployments whose stored jobs cannot be read are left alone: a person must act. */
static void hand_tell_unreadable(const Core *core)
{
  const GPtrArray *deployments = core_deployments(core);
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    if (deployment->unreadable)
      log_error("deployment cannot be read", "deployment=%s reason=\"%s\"", deployment->name,
                deployment->unreadable);
  }
}

static void hand_news(void *data, EngineNews news, const GError *error, int64_t late_ms)
{
  Server *server = data;
  switch (news) {
  case ENGINE_COMMITTED:
    fs_crash_point("server committed");
    server->metrics.commits++;
    history_maintain(server->history);
    break;
  case ENGINE_COMMIT_FAILED:
    log_error("commit failed, read-only until the store can be written", "code=%s error=\"%s\"",
              reeve_error_word(error->code), error->message);
    server->metrics.commit_errors++;
    break;
  case ENGINE_RELOADS:
    server->metrics.reloads++;
    break;
  case ENGINE_LOADED:
    hand_tell_unreadable(engine_core(server->engine));
    notify_begin(server->notify);
    reload_answer_held(server);
    break;
  case ENGINE_UNREADABLE:
    log_error("state cannot be read again, leaving", "error=\"%s\"", error->message);
    server_leave(server, reeve_error_exit(error->code));
    reload_answer_held(server);
    break;
  case ENGINE_WRITABLE:
    log_info("store can be written again", "was=\"%s\"", error->message);
    break;
  case ENGINE_AWAY:
    log_warn("server was away, deadlines are moved", "late_ms=%" G_GINT64_FORMAT, late_ms);
    break;
  }
}

static void hand_after(void *data)
{
  Server *server = data;
  hub_drain(server->hub);
  agents_continue(server->agents);
  stop_continue(server);
}

const EngineHands server_hands = {.now = hand_now,
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
