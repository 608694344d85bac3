/* Owns what HTTP requests have of the path from a command to its effects, which is the engine's
 * (core/engine.h): those that wait for an answer, and the answers. */
#include "server/turn.h"
#include "base/error.h"
#include "server/reload.h"
#include "server/route.h"

#include <string.h>

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
    route_problem(server, request, reply->code, reply->body, NULL,
                  reply->code == REEVE_ERROR_CONFLICT ? waiter->rollout : NULL);
}

void turn_reply(Server *server, const Reply *reply)
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

/* ---- life ---- */

static void turn_tick(void *data)
{
  engine_tick(((Server *)data)->engine);
}

static void turn_probe(void *data)
{
  engine_probe(((Server *)data)->engine);
}

bool turn_open(Server *server, const EngineHands *hands, GError **error)
{
  server->waiters =
      g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)waiter_free);
  server->engine = engine_new(hands, server);
  server->wake = loop_timer_new(server->loop, turn_tick, server);
  server->probe = loop_timer_new(server->loop, turn_probe, server);
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
  g_clear_pointer(&server->engine, engine_free);
  g_clear_pointer(&server->waiters, g_hash_table_unref);
  if (server->scratch)
    g_string_free(server->scratch, TRUE);
}

/* ---- changes ---- */

/* True when no change can be taken now; @request has its answer then. */
static bool turn_refuse_change(Server *server, HttpRequest *request)
{
  int code = 0;
  const char *why = NULL;
  bool refuses = engine_refuses(server->engine, &code, &why);
  if ((server->leaving || server->stopping) && (!refuses || code == REEVE_ERROR_UNAVAILABLE)) {
    refuses = true;
    code = REEVE_ERROR_UNAVAILABLE;
    why = "the server is stopping";
  }
  if (refuses)
    route_problem(server, request, code, why, NULL, NULL);
  return refuses;
}

/* The id of the rollout that a change ran into goes with the problem document. A refusal changes
 * nothing, so what is in the way is what was there before. */
static void waiter_note_rollout(Waiter *waiter, const Core *core, const Command *command)
{
  const Deployment *deployment =
      command->deployment ? core_deployment(core, command->deployment) : NULL;
  if (deployment && deployment->rollout && deployment->rollout->phase != ROLLOUT_PHASE_DONE)
    waiter->rollout = g_strdup(deployment->rollout->id);
}

void turn_change_then(Server *server, Command *command, HttpRequest *request, TurnLeaveFn leave,
                      void *data)
{
  if (turn_refuse_change(server, request)) {
    if (leave)
      leave(server, NULL, NULL, data);
    return;
  }
  command->reply_to = waiter_add(server, request, "application/json");
  Waiter *waiter = g_hash_table_lookup(server->waiters, &command->reply_to);
  waiter->leave = leave;
  waiter->data = data;
  waiter_note_rollout(waiter, engine_core(server->engine), command);
  engine_apply(server->engine, command);
}

void turn_change(Server *server, Command *command, HttpRequest *request)
{
  turn_change_then(server, command, request, NULL, NULL);
}

/* ---- reads ---- */

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
  if (engine_core_state(server->engine) == CORE_STATE_LOADING) {
    reload_hold(server, request);
    return;
  }
  if (engine_idle(server->engine)) {
    route_reply(server, request, status, content_type, body->str, body->len);
    return;
  }
  Effects *effects;
  turn_queue(server, request, status, content_type, body, &effects);
  engine_add(server->engine, effects);
}

void turn_leave_later(Server *server, HttpRequest *request, const GString *body, TurnLeaveFn leave,
                      void *data)
{
  if (engine_idle(server->engine)) {
    leave(server, request, body->str, data);
    return;
  }
  Effects *effects;
  Waiter *waiter = turn_queue(server, request, 200, "application/json", body, &effects);
  waiter->leave = leave;
  waiter->data = data;
  engine_add(server->engine, effects);
}

void turn_send_later(Server *server, Message *message)
{
  Effects *effects = effects_new();
  g_ptr_array_add(effects->messages, message);
  engine_add(server->engine, effects);
}
