#pragma once
/* The middle of a node: events go to the supervisor one after another, what it wants done goes to
 * the driver of the instance, or to the node's hands; what drivers tell comes back as events. Knows
 * no loop, no file and no clock: the simulator runs the same code with hands and a driver of its
 * own. */
#include "drivers/driver.h"
#include "supervise/supervise.h"

typedef struct Dispatch Dispatch;

/* What the node does itself; every slot is set, except in @actions those that are the driver's. All
 * get @data of dispatch_new. None may free the Dispatch. */
typedef struct DispatchHands {
  Now (*now)(void *data);
  void (*wake_at)(void *data, int64_t boot_ms); /* then tell TICK; INT64_MAX = no need */
  /* Shall @action be carried out at all? Asked right before it. */
  bool (*allows)(void *data, const NodeAction *action);
  /* Who runs @id; borrowed, and the same until it is removed. */
  Driver *(*driver)(void *data, const char *id);
  void (*free_port)(void *data, const char *id);  /* what is claimed for @id is free again */
  void (*drop_probe)(void *data, const char *id); /* one on its way is over, and not told */
  /* PREPARE: finds what the spec asks for, then hands a DriverJob to the driver. REMOVE: the
   * directory, and all that the node keeps of the instance. Others as their names say. */
  void (*actions[NODE_ACTION_N])(void *data, const NodeAction *action);
} DispatchHands;

/* @config is copied; @hands and @data are borrowed. Caller frees. */
Dispatch *dispatch_new(const SupervisorConfig *config, const DispatchHands *hands, void *data);
/* Events that wait are dropped, and so is the supervisor. NULL is fine; never from inside a hand.
 */
void dispatch_free(Dispatch *dispatch);
/* Nothing is carried out any more, and no event is taken; from anywhere. */
void dispatch_stop(Dispatch *dispatch);
/* Queues an event (its texts are copied, the ownership of @frame moves; NULL = none) and works it
 * off, with all that follows from it, unless that is under way. */
void dispatch_event(Dispatch *dispatch, const NodeEvent *event, Frame *frame);
/* The same of what a driver tells: a DriverTell. */
void dispatch_tell(void *dispatch, const DriverNews *news);
/* Borrowed. */
Supervisor *dispatch_supervisor(const Dispatch *dispatch);
