/* One event at a time: what its actions cause is queued behind it; see dispatch.h. */
#include "node/dispatch.h"

/* An event that waits for its turn; owns copies. */
typedef struct QueuedEvent {
  NodeEvent event;
  char *instance, *text, *found;
  Frame *frame;
} QueuedEvent;

/* Invariants: no action is carried out inside another one; and what is told to the supervisor is
 * told in the order in which it was seen. */
struct Dispatch {
  Supervisor *supervisor;
  NodeActions *actions;
  GQueue events; /* of QueuedEvent* */
  bool working;  /* events wait */
  bool stopped;
  const DispatchHands *hands;
  void *data;
};

/* ---- actions that are the driver's ---- */

/* The agent binds its port itself, so ours is closed first. */
static void do_start(const Dispatch *dispatch, Driver *driver, const NodeAction *action)
{
  dispatch->hands->free_port(dispatch->data, action->instance);
  driver->ops->start(driver, action->instance, action->attempt);
}

static void do_signal(const Dispatch *dispatch, Driver *driver, const NodeAction *action)
{
  (void)dispatch;
  driver->ops->signal(driver, action->instance, action->signal);
}

static void do_kill(const Dispatch *dispatch, Driver *driver, const NodeAction *action)
{
  (void)dispatch;
  driver->ops->kill(driver, action->instance);
}

static void do_release(const Dispatch *dispatch, Driver *driver, const NodeAction *action)
{
  dispatch->hands->drop_probe(dispatch->data, action->instance);
  dispatch->hands->free_port(dispatch->data, action->instance);
  driver->ops->release(driver, action->instance);
}

static void do_clear(const Dispatch *dispatch, Driver *driver, const NodeAction *action)
{
  dispatch->hands->drop_probe(dispatch->data, action->instance);
  driver->ops->clear(driver, action->instance);
}

static void do_remove(const Dispatch *dispatch, Driver *driver, const NodeAction *action)
{
  dispatch->hands->free_port(dispatch->data, action->instance);
  dispatch->hands->actions[NODE_ACTION_REMOVE](dispatch->data, action);
  driver->ops->forget(driver, action->instance);
}

static void dispatch_carry_out(const Dispatch *dispatch, const NodeAction *action)
{
  static void (*const table[NODE_ACTION_N])(const Dispatch *, Driver *, const NodeAction *) = {
      [NODE_ACTION_START] = do_start, [NODE_ACTION_SIGNAL] = do_signal,
      [NODE_ACTION_KILL] = do_kill,   [NODE_ACTION_RELEASE] = do_release,
      [NODE_ACTION_CLEAR] = do_clear, [NODE_ACTION_REMOVE] = do_remove};
  if (!dispatch->hands->allows(dispatch->data, action))
    return;
  if (table[action->type])
    table[action->type](dispatch, dispatch->hands->driver(dispatch->data, action->instance),
                        action);
  else
    dispatch->hands->actions[action->type](dispatch->data, action);
}

/* ---- the cycle ---- */

static void queued_free(gpointer data)
{
  QueuedEvent *queued = data;
  g_free(queued->instance);
  g_free(queued->text);
  g_free(queued->found);
  frame_free(queued->frame);
  g_free(queued);
}

static void dispatch_work(Dispatch *dispatch)
{
  NodeActions *actions = dispatch->actions;
  dispatch->working = true;
  while (!g_queue_is_empty(&dispatch->events)) {
    QueuedEvent *queued = g_queue_pop_head(&dispatch->events);
    node_apply(dispatch->supervisor, &queued->event, dispatch->hands->now(dispatch->data), actions);
    for (guint i = 0; i < actions->items->len && !dispatch->stopped; i++)
      dispatch_carry_out(dispatch, &g_array_index(actions->items, NodeAction, i));
    node_actions_clear(actions);
    queued_free(queued);
  }
  dispatch->working = false;
  if (!dispatch->stopped)
    dispatch->hands->wake_at(dispatch->data, actions->wake_at_ms);
}

void dispatch_event(Dispatch *dispatch, const NodeEvent *event, Frame *frame)
{
  if (dispatch->stopped) {
    frame_free(frame);
    return;
  }
  QueuedEvent *queued = g_new0(QueuedEvent, 1);
  queued->event = *event;
  queued->event.instance = queued->instance = g_strdup(event->instance);
  queued->event.text = queued->text = g_strdup(event->text);
  queued->event.found = queued->found = g_strdup(event->found);
  queued->event.frame = queued->frame = frame;
  g_queue_push_tail(&dispatch->events, queued);
  if (!dispatch->working)
    dispatch_work(dispatch);
}

void dispatch_tell(void *data, const DriverNews *news)
{
  static const struct {
    NodeEventType type;
    bool over; /* nothing that runs is left to be probed */
  } events[DRIVER_NEWS_N] = {[DRIVER_FOUND] = {NODE_EVENT_FOUND, false},
                             [DRIVER_ABSENT] = {NODE_EVENT_ABSENT, true},
                             [DRIVER_CREATED] = {NODE_EVENT_CREATED, false},
                             [DRIVER_PREPARED] = {NODE_EVENT_PREPARED, false},
                             [DRIVER_PREPARE_FAILED] = {NODE_EVENT_PREPARE_FAILED, true},
                             [DRIVER_STARTED] = {NODE_EVENT_STARTED, false},
                             [DRIVER_START_FAILED] = {NODE_EVENT_START_FAILED, false},
                             [DRIVER_EXITED] = {NODE_EVENT_EXITED, true},
                             [DRIVER_VANISHED] = {NODE_EVENT_VANISHED, true},
                             [DRIVER_UNREACHABLE] = {NODE_EVENT_UNREACHABLE, false},
                             [DRIVER_REACHABLE] = {NODE_EVENT_REACHABLE, false},
                             [DRIVER_CLEARED] = {NODE_EVENT_CLEARED, false}};
  Dispatch *dispatch = data;
  if (events[news->type].over && !dispatch->stopped)
    dispatch->hands->drop_probe(dispatch->data, news->instance);
  NodeEvent event = {.type = events[news->type].type,
                     .instance = news->instance,
                     .text = news->text,
                     .attempt = news->attempt,
                     .generation = news->generation,
                     .pid = news->pid,
                     .up_ms = news->up_ms,
                     .exit = news->exit,
                     .tree_lives = news->tree_lives,
                     .failure = news->failure,
                     .out_of_memory = news->out_of_memory};
  dispatch_event(dispatch, &event, NULL);
}

/* ---- life ---- */

Dispatch *dispatch_new(const SupervisorConfig *config, const DispatchHands *hands, void *data)
{
  Dispatch *dispatch = g_new0(Dispatch, 1);
  dispatch->supervisor = supervisor_new(config);
  dispatch->actions = node_actions_new();
  g_queue_init(&dispatch->events);
  dispatch->hands = hands;
  dispatch->data = data;
  return dispatch;
}

void dispatch_stop(Dispatch *dispatch)
{
  dispatch->stopped = true;
  g_queue_clear_full(&dispatch->events, queued_free);
}

void dispatch_free(Dispatch *dispatch)
{
  if (!dispatch)
    return;
  g_assert(!dispatch->working);
  dispatch_stop(dispatch);
  node_actions_free(dispatch->actions);
  supervisor_free(dispatch->supervisor);
  g_free(dispatch);
}

Supervisor *dispatch_supervisor(const Dispatch *dispatch)
{
  return dispatch->supervisor;
}
