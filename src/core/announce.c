/* The end of a turn: every changed object becomes one record and one event. */
#include "core/announce.h"

#include "core/instance.h"
#include "core/records.h"
#include "core/render.h"
#include "core/state.h"
#include "core/turn.h"

static void announce_node(Core *core, NodeObject *node)
{
  if (node->dirty)
    turn_store(core, record_of_node(node));
  node->dirty = false;
  GString *data = g_string_new(NULL);
  render_node(data, node);
  turn_event(core, "node", NULL, node->id, data);
}

static void announce_instance(Core *core, Instance *instance)
{
  if (instance->dirty)
    turn_store(core, record_of_instance(instance));
  instance->dirty = false;
  GString *data = g_string_new(NULL);
  render_instance(data, instance);
  turn_event(core, "instance", instance->deployment->name, instance->id, data);
}

static void announce_rollout(Core *core, Rollout *rollout)
{
  if (rollout->dirty)
    turn_store(core, record_of_rollout(rollout));
  rollout->dirty = false;
  GString *data = g_string_new(NULL);
  render_rollout(data, rollout);
  turn_event(core, "rollout", rollout->deployment->name, rollout->id, data);
}

static void announce_deployment(Core *core, Deployment *deployment)
{
  if (deployment->dirty)
    turn_store(core, record_of_deployment(deployment));
  deployment->dirty = false;
  GString *data = g_string_new(NULL);
  render_deployment(data, deployment, RENDER_BRIEF);
  turn_event(core, "deployment", deployment->name, deployment->id, data);
}

void announce_forget(Core *core, Instance *instance)
{
  NodeObject *node = instance->node;
  if (node && node->linked)
    turn_send(core, node, FRAME_FORGET,
              instruction_new(instance->id, instance->epoch, instance->generation));
  registration_drop(core, instance);
  turn_remove(core, TABLE_INSTANCES, instance->id);
}

/* Called when its last word was announced. Frees @instance. */
static void announce_end_of(Core *core, Instance *instance)
{
  announce_forget(core, instance);
  core_remove_instance(core, instance);
}

void announce(Core *core)
{
  NodeObject *node;
  Instance *instance;
  Rollout *rollout;
  Deployment *deployment;
  while ((node = turn_next(core, TURN_NODES)))
    announce_node(core, node);
  while ((instance = turn_next(core, TURN_INSTANCES)))
    announce_instance(core, instance);
  while ((instance = turn_next(core, TURN_DOOMED)))
    announce_end_of(core, instance);
  while ((rollout = turn_next(core, TURN_ROLLOUTS))) /* watchers learn the outcome with its cause */
    announce_rollout(core, rollout);
  while (
      (deployment = turn_next(core, TURN_DEPLOYMENTS))) /* ... before what it makes of the whole */
    announce_deployment(core, deployment);
  turn_flush(core);
}
