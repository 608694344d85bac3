/* Owns the one path from a command to its effects: core_apply, release queue, store thread, leave.
 * Also what happens when a commit fails: the core is thrown away and loaded again (reload.c), and
 * nothing that needs a record is accepted until a probe write commits. */
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "server/internal.h"
#include "server/routes.h"

#include <string.h>

enum { PROBE_MS = 1000, LATE_MS = 5000 };

/* A request whose answer is in the release queue. @request is NULL once the peer has gone. */
typedef struct Waiter {
  HttpRequest *request;
  const char *content_type;
  TurnLeaveFn leave; /* NULL = answer with the body */
  void *data;        /* of leave */
  char *rollout;     /* of a conflict: what is in the way */
  bool read;         /* changes nothing: can be done again when its batch failed */
} Waiter;

static void waiter_free(Waiter *waiter)
{
  g_free(waiter->rollout);
  g_free(waiter);
}

static void waiter_gone(void *data)
{
  Waiter *waiter = data;
  waiter->request = NULL;
}

static uint64_t waiter_add(Server *server, HttpRequest *request, const char *content_type)
{
  Waiter *waiter = g_new0(Waiter, 1);
  waiter->request = request;
  waiter->content_type = content_type;
  http_request_on_gone(request, waiter_gone, waiter);
  uint64_t *token = g_new(uint64_t, 1);
  *token = ++server->next_token;
  g_hash_table_insert(server->waiters, token, waiter);
  return *token;
}

static void waiter_answer(Server *server, Waiter *waiter, const Reply *reply)
{
  HttpRequest *request = waiter->request;
  if (request)
    http_request_on_gone(request, NULL, NULL);
  bool refused = reply->code >= 0 && !waiter->read;
  if (waiter->leave)
    waiter->leave(server, refused ? NULL : request, reply->body, waiter->data);
  if (waiter->leave && !refused)
    return;
  if (request && reply->code < 0)
    route_reply(server, request, reply->status, waiter->content_type,
                reply->body ? reply->body : "{}", reply->body ? strlen(reply->body) : 2);
  else if (request)
    route_problem(server, request, reply->code, reply->body, NULL, waiter->rollout);
}

static void turn_reply(Server *server, const Reply *reply)
{
  Waiter *waiter = g_hash_table_lookup(server->waiters, &reply->to);
  if (!waiter)
    return;
  if (waiter->read && waiter->request && reply->code >= 0) {
    http_request_on_gone(waiter->request, NULL, NULL);
    reload_hold(server, waiter->request);
    waiter->request = NULL;
  }
  waiter_answer(server, waiter, reply);
  g_hash_table_remove(server->waiters, &reply->to);
}

/* ReleaseFn: what may leave now. Watchers hear of a change before the one who asked for it gets the
 * answer. */
static void turn_leave(Effects *effects, void *data)
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

static void turn_committed(const GError *error, void *data);

void turn_after(Server *server)
{
  if (server->store_state == STORE_STATE_OK && release_ready(server->queue))
    store_thread_commit(server->store, release_take(server->queue), turn_committed, server);
  hub_drain(server->hub);
  agents_continue(server->agents);
  stop_continue(server);
}

/* The present as the core sees it. When the tick that it asked for is over 5 s late we were asleep
 * or stopped, which is nobody's fault: that time is taken out of its boot clock, so that no
 * deadline runs out by our absence. */
Now turn_now(Server *server)
{
  Now now = clock_now();
  int64_t late_ms = server->wake_at_ms == INT64_MAX ? 0 : now.boot_ms - server->wake_at_ms;
  if (late_ms > LATE_MS) {
    log_warn("server was away, deadlines are moved", "late_ms=%" G_GINT64_FORMAT, late_ms);
    server->absent_ms += late_ms;
    server->wake_at_ms += late_ms;
  }
  now.boot_ms -= server->absent_ms;
  return now;
}

/* Arms the timer for @wake_at_ms of the core's clock. */
static void turn_arm(Server *server, int64_t wake_at_ms)
{
  bool sleeps = server->store_state != STORE_STATE_OK || wake_at_ms == INT64_MAX;
  server->wake_at_ms = sleeps ? INT64_MAX : wake_at_ms + server->absent_ms;
  loop_timer_set(server->wake, server->wake_at_ms);
}

void turn_sleep(Server *server)
{
  turn_arm(server, INT64_MAX);
  loop_timer_set(server->probe, INT64_MAX);
}

void turn_release(Server *server, Effects *effects)
{
  bool outer = server->in_turn;
  server->in_turn = true;
  turn_arm(server, effects->wake_at_ms);
  release_add(server->queue, effects);
  server->in_turn = outer;
}

static void turn_failed(Server *server, const GError *error)
{
  bool full = error->code == REEVE_ERROR_STORE_FULL;
  log_error("commit failed, read-only until the store can be written", "code=%s error=\"%s\"",
            reeve_error_word(error->code), error->message);
  server->metrics.commit_errors++;
  server->store_state = full ? STORE_STATE_FULL : STORE_STATE_FAILED;
  g_free(server->store_reason);
  server->store_reason = g_strdup(error->message);
  server->in_turn = true;
  release_failed(server->queue, full ? REEVE_ERROR_STORE_FULL : REEVE_ERROR_STORE_FAILED,
                 error->message);
  server->in_turn = false;
  reload_begin(server, true);
}

static void turn_committed(const GError *error, void *data)
{
  Server *server = data;
  if (error) {
    turn_failed(server, error);
  } else {
    fs_crash_point("server committed");
    server->metrics.commits++;
    history_maintain(server->history);
    server->in_turn = true;
    release_committed(server->queue);
    server->in_turn = false;
  }
  turn_after(server);
}

void turn_probe_later(Server *server)
{
  loop_timer_set(server->probe, clock_boot_ms() + PROBE_MS);
}

static void turn_tick(void *data)
{
  Server *server = data;
  if (server->store_state == STORE_STATE_OK)
    turn_apply(server, &(Command){.type = COMMAND_TICK});
}

static void turn_probed(const GError *error, void *data)
{
  Server *server = data;
  if (error || server->core_state != CORE_STATE_READY) { /* room is of no use without a core */
    reload_continue(server);
    return;
  }
  log_info("store can be written again", "was=\"%s\"", server->store_reason);
  server->store_state = STORE_STATE_OK;
  g_clear_pointer(&server->store_reason, g_free);
  hub_listen(server->hub);
  turn_tick(server);
}

static void turn_probe(void *data)
{
  Server *server = data;
  store_thread_probe(server->store, turn_probed, server);
}

bool turn_open(Server *server, GError **error)
{
  server->waiters =
      g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)waiter_free);
  server->queue = release_new(turn_leave, server);
  server->wake = loop_timer_new(server->loop, turn_tick, server);
  server->probe = loop_timer_new(server->loop, turn_probe, server);
  server->wake_at_ms = INT64_MAX;
  server->scratch = g_string_sized_new(4096);
  return reload_first(server, error);
}

void turn_drop_waiters(Server *server)
{
  GHashTableIter iter;
  gpointer value;
  if (!server->waiters)
    return;
  g_hash_table_iter_init(&iter, server->waiters);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Waiter *waiter = value;
    if (waiter->request)
      http_request_on_gone(waiter->request, NULL, NULL);
    if (waiter->leave)
      waiter->leave(server, NULL, NULL, waiter->data);
  }
  g_hash_table_remove_all(server->waiters);
}

void turn_close(Server *server)
{
  if (server->wake)
    loop_timer_free(server->wake);
  if (server->probe)
    loop_timer_free(server->probe);
  release_free(server->queue);
  g_clear_pointer(&server->waiters, g_hash_table_unref);
  core_free(server->core);
  g_free(server->store_reason);
  if (server->scratch)
    g_string_free(server->scratch, TRUE);
}

/* The id of the rollout that a refused change ran into goes with the problem document. */
static void turn_note_conflict(Server *server, const Command *command, const Effects *effects)
{
  const Deployment *deployment =
      command->deployment ? core_deployment(server->core, command->deployment) : NULL;
  if (!deployment || !deployment->rollout || deployment->rollout->phase == ROLLOUT_PHASE_DONE)
    return;
  for (guint i = 0; i < effects->replies->len; i++) {
    const Reply *reply = g_ptr_array_index(effects->replies, i);
    Waiter *waiter = reply->code == REEVE_ERROR_CONFLICT
                         ? g_hash_table_lookup(server->waiters, &reply->to)
                         : NULL;
    if (waiter)
      waiter->rollout = g_strdup(deployment->rollout->id);
  }
}

void turn_apply(Server *server, const Command *command)
{
  if (server->core_state != CORE_STATE_READY)
    return; /* it would happen to a core that is thrown away; no request comes so far */
  g_autoptr(Effects) effects = effects_new();
  if (command->frame && command->frame->type == FRAME_HELLO)
    release_new_link(server->queue, command->node);
  core_apply(server->core, command, turn_now(server), effects);
  if (command->reply_to)
    turn_note_conflict(server, command, effects);
  if (server->store_state != STORE_STATE_OK && effects->records->len) {
    /* It cannot be stored, so it must not have happened; the node tells it again when there is
     * room. */
    reload_begin(server, false);
    return;
  }
  turn_release(server, g_steal_pointer(&effects));
  if (!server->in_turn)
    turn_after(server);
}

/* True when no change can be taken now; @request has its answer then. */
static bool turn_refuse_change(Server *server, HttpRequest *request)
{
  bool stopping = server->leaving || server->stopping;
  if (server->store_state != STORE_STATE_OK)
    route_problem(server, request,
                  server->store_state == STORE_STATE_FULL ? REEVE_ERROR_STORE_FULL
                                                          : REEVE_ERROR_STORE_FAILED,
                  server->store_reason, NULL, NULL);
  else if (stopping || release_full(server->queue))
    route_problem(server, request, REEVE_ERROR_UNAVAILABLE,
                  stopping ? "the server is stopping" : "too many changes wait for the store", NULL,
                  NULL);
  else
    return false;
  return true;
}

void turn_change(Server *server, Command *command, HttpRequest *request)
{
  if (turn_refuse_change(server, request))
    return;
  command->reply_to = waiter_add(server, request, "application/json");
  turn_apply(server, command);
}

void turn_change_then(Server *server, Command *command, HttpRequest *request, TurnLeaveFn leave,
                      void *data)
{
  if (turn_refuse_change(server, request)) {
    leave(server, NULL, NULL, data);
    return;
  }
  command->reply_to = waiter_add(server, request, "application/json");
  Waiter *waiter = g_hash_table_lookup(server->waiters, &command->reply_to);
  waiter->leave = leave;
  waiter->data = data;
  turn_apply(server, command);
}

GString *turn_scratch(Server *server)
{
  return g_string_truncate(server->scratch, 0);
}

/* A read that saw something uncommitted: its answer joins the open batch. */
static Waiter *turn_queue(Server *server, HttpRequest *request, int status,
                          const char *content_type, const GString *body, Effects **effects)
{
  Reply *reply = g_new0(Reply, 1);
  reply->to = waiter_add(server, request, content_type);
  reply->code = -1;
  reply->status = status;
  reply->body = g_strndup(body->str, body->len);
  *effects = effects_new();
  g_ptr_array_add((*effects)->replies, reply);
  Waiter *waiter = g_hash_table_lookup(server->waiters, &reply->to);
  waiter->read = true;
  return waiter;
}

void turn_answer(Server *server, HttpRequest *request, int status, const char *content_type,
                 const GString *body)
{
  if (server->core_state == CORE_STATE_LOADING) {
    reload_hold(server, request);
    return;
  }
  if (release_idle(server->queue)) {
    route_reply(server, request, status, content_type, body->str, body->len);
    return;
  }
  Effects *effects;
  turn_queue(server, request, status, content_type, body, &effects);
  release_add(server->queue, effects);
}

void turn_leave_later(Server *server, HttpRequest *request, const GString *body, TurnLeaveFn leave,
                      void *data)
{
  if (release_idle(server->queue)) {
    leave(server, request, body->str, data);
    return;
  }
  Effects *effects;
  Waiter *waiter = turn_queue(server, request, 200, "application/json", body, &effects);
  waiter->leave = leave;
  waiter->data = data;
  release_add(server->queue, effects);
}

void turn_send_later(Server *server, Message *message)
{
  Effects *effects = effects_new();
  g_ptr_array_add(effects->messages, message);
  bool outer = server->in_turn;
  server->in_turn = true;
  release_add(server->queue, effects);
  server->in_turn = outer;
}

bool turn_full(const Server *server)
{
  return release_full(server->queue);
}
