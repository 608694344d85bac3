/* Before the first stage: every node binds the ports of the revision and checks its commands; an automatic port may be replaced, a fixed
 * one not. */
#include "core/internal.h"

#include <string.h>

/* Does this rollout have to ask the node about @instance? */
static bool reserve_wanted(const Instance *instance)
{
  return instance->step == STEP_WAITING && instance->target > 0;
}

/* The port that the target revision declares for the slot. */
static int reserve_declared(const Instance *instance)
{
  const Job *job = revision_job(revision_find(instance->deployment, instance->target));
  int index = job_find_agent(job, instance->agent);
  g_assert(index >= 0);
  return plan_declared_port(job, (guint)index, instance->replica);
}

/* Ports that nobody may be given: those of every slot in use. Then what this rollout's own slots claim: fixed ports, and automatic ones
 * that they had before and that are still free; a slot whose old port is taken loses it. */
static GHashTable *reserve_used(Core *core, const Deployment *own)
{
  GHashTable *used = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < core->deployments->len; i++) {
    const Deployment *deployment = core->deployments->pdata[i];
    for (guint k = 0; k < deployment->instances->len; k++) {
      const Instance *instance = deployment->instances->pdata[k];
      bool claims = deployment == own && reserve_wanted(instance);
      bool keeps = instance->desired_running || instance_live(instance) || instance->step == STEP_WAITING;
      if (instance->port > 0 && keeps && !claims)
        g_hash_table_add(used, GINT_TO_POINTER(instance->port));
    }
  }
  for (guint k = 0; k < own->instances->len; k++) {
    Instance *instance = own->instances->pdata[k];
    if (!reserve_wanted(instance))
      continue;
    int declared = reserve_declared(instance);
    if (declared == PORT_AUTO && (instance->port <= 0 || !g_hash_table_add(used, GINT_TO_POINTER(instance->port))))
      instance->port = 0;
    else if (declared > 0)
      g_hash_table_add(used, GINT_TO_POINTER(declared));
  }
  return used;
}

static int reserve_next_port(const Core *core, GHashTable *used)
{
  int port = core->config.port_base;
  while (port < 65535 && g_hash_table_contains(used, GINT_TO_POINTER(port)))
    port++;
  g_hash_table_add(used, GINT_TO_POINTER(port));
  return port;
}

/* Proposes a port for @instance and puts it into @frame. A slot whose process runs holds its port itself. */
static void reserve_add(Core *core, Instance *instance, GHashTable *used, Frame *frame)
{
  int declared = reserve_declared(instance), port = declared;
  if (declared == PORT_AUTO) {
    port = instance->port > 0 ? instance->port : reserve_next_port(core, used);
  }
  bool holds = port > 0 && port == instance->port && instance_live(instance);
  if (instance->port != port) {
    instance->port = port;
    touch_instance(core, instance, TOUCH_STORED);
  }
  int revision = instance->revision;
  instance->revision = instance->target; /* the spec of what shall run */
  Instruction *instruction = instruction_new(instance->id, instance->epoch, instance->generation + 1);
  instruction->spec = instance_make_spec(instance);
  instance->revision = revision;
  g_clear_pointer(&instruction->spec->agent_text, g_free);
  instruction->spec->port = holds ? 0 : port;
  instruction->port_fixed = declared != PORT_AUTO;
  g_ptr_array_add(frame->instructions, instruction);
}

void reserve_send(Core *core, Rollout *rollout)
{
  if (rollout->request)
    return;
  Deployment *deployment = rollout->deployment;
  g_autoptr(GHashTable) used = reserve_used(core, deployment);
  const char *on_node = NULL;
  Frame *frame = NULL;
  bool placed = true;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (!reserve_wanted(instance))
      continue;
    NodeObject *node = place_choose(core, instance);
    if (!node || !node->linked || (on_node && strcmp(on_node, node->id) != 0)) {
      placed = false;
      continue;
    }
    if (!frame) {
      rollout->request = ++core->next_request;
      frame = turn_frame(core, node->id, FRAME_RESERVE, rollout->request);
      frame->port_base = core->config.port_base;
      on_node = node->id;
    }
    instance_place(core, instance, node->id);
    reserve_add(core, instance, used, frame);
  }
  if (!frame && placed)
    rollout_enter(core, rollout, ROLLOUT_PHASE_APPLY, 0); /* nothing to ask */
}

static Rollout *reserve_find(const Core *core, int64_t request)
{
  for (guint i = 0; i < core->open->len; i++) {
    Rollout *rollout = core->open->pdata[i];
    if (rollout->phase == ROLLOUT_PHASE_RESERVE && rollout->request == request)
      return rollout;
  }
  return NULL;
}

void reserve_answer(Core *core, const char *node, const Frame *frame)
{
  Rollout *rollout = frame->request ? reserve_find(core, frame->request) : NULL;
  if (!rollout) {
    turn_frame(core, node, FRAME_RELEASE, frame->request); /* the rollout that asked is gone */
    return;
  }
  for (guint i = 0; i < frame->reservations->len; i++) {
    const Reservation *reservation = frame->reservations->pdata[i];
    Instance *instance = g_hash_table_lookup(core->instances, reservation->id);
    if (!instance || instance->deployment != rollout->deployment)
      continue;
    if (reservation->error) {
      g_autofree char *cause = g_strdup_printf("agent '%s': %s", instance->agent, reservation->error);
      turn_frame(core, node, FRAME_RELEASE, frame->request);
      rollout_fail(core, rollout, OUTCOME_FAILED, instance, cause);
      return;
    }
    if (reservation->port > 0 && reservation->port != instance->port) {
      instance->port = reservation->port;
      touch_instance(core, instance, TOUCH_STORED);
    }
  }
  rollout_enter(core, rollout, ROLLOUT_PHASE_APPLY, 0);
}
