/* Before the first stage: every node binds the ports of the revision and checks its commands; an
 * automatic port may be replaced, a fixed one not. */
#include "core/reserve.h"

#include "core/build.h"
#include "core/instance.h"
#include "core/place.h"
#include "core/spec.h"
#include "core/state.h"
#include "core/turn.h"

#include <string.h>

/* Does this rollout have to ask the node about @instance? */
static bool reserve_wanted(const Instance *instance)
{
  return instance->step == STEP_WAITING && instance->target > 0;
}

int reserve_declared_by(const Instance *instance, int number)
{
  const Revision *revision = revision_find(instance->deployment, number);
  const Job *job = revision_job(revision);
  int index = job ? job_find_agent(job, instance->agent) : -1;
  return index < 0 ? PORT_NONE : plan_declared_port(job, (guint)index, instance->replica);
}

/* By the target revision. */
static int reserve_declared(const Instance *instance)
{
  return reserve_declared_by(instance, instance->target);
}

/* The fixed port that the open rollout of its deployment would give back to the slot, should it
 * fail. */
static int reserve_way_back(const Instance *instance)
{
  const Rollout *rollout = instance->deployment->rollout;
  bool may = rollout && rollout_is_open(rollout) && rollout->verdict == OUTCOME_SUCCEEDED &&
             rollout->from > 0;
  return may ? reserve_declared_by(instance, rollout->from) : PORT_NONE;
}

/* Which slot may have a port: the first that claims it. */
static void reserve_claim(GHashTable *used, int port, Instance *instance)
{
  if (port > 0 && !g_hash_table_contains(used, GINT_TO_POINTER(port)))
    g_hash_table_insert(used, GINT_TO_POINTER(port), instance);
}

/* What processes have, until they are replaced. */
static void reserve_claim_live(GHashTable *used, const Deployment *deployment)
{
  for (guint i = 0; i < deployment->instances->len; i++)
    if (instance_live(deployment->instances->pdata[i]))
      reserve_claim(used, ((const Instance *)deployment->instances->pdata[i])->seen_port,
                    deployment->instances->pdata[i]);
}

/* What slots are to have. @asks: it is for this deployment, whose waiting slots may still get
 * another. */
static void reserve_claim_wanted(GHashTable *used, const Deployment *deployment, bool asks)
{
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    bool waits = !asks && instance->step == STEP_WAITING;
    if (instance->desired_running || instance_live(instance) || waits)
      reserve_claim(used, instance->port, instance);
    if (!asks)
      reserve_claim(used, reserve_way_back(instance), instance);
  }
}

/* Ports that are not free for a proposal, each with its slot: what processes have anywhere, what
 * other deployments are to have, then what
 * @deployment does, declares, and what its agents had before - so that neither a running nor a
 * declared port is proposed to another, and an agent keeps its port over a stop. */
static GHashTable *reserve_used(const Core *core, const Deployment *deployment)
{
  GHashTable *used = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < core_deployments(core)->len; i++)
    reserve_claim_live(used, core_deployments(core)->pdata[i]);
  for (guint i = 0; i < core_deployments(core)->len; i++)
    if (core_deployments(core)->pdata[i] != deployment)
      reserve_claim_wanted(used, core_deployments(core)->pdata[i], false);
  reserve_claim_wanted(used, deployment, true);
  for (guint i = 0; i < deployment->instances->len; i++)
    if (reserve_wanted(deployment->instances->pdata[i]))
      reserve_claim(used, reserve_declared(deployment->instances->pdata[i]),
                    deployment->instances->pdata[i]);
  for (guint i = 0; i < deployment->instances->len; i++)
    if (reserve_wanted(deployment->instances->pdata[i]))
      reserve_claim(used, ((const Instance *)deployment->instances->pdata[i])->port,
                    deployment->instances->pdata[i]);
  return used;
}

/* 0 while nobody knows which ports the processes of its node have - reserve_missing follows with
 * the node's list - and when none is left.
 */
static int reserve_next_port(const Core *core, GHashTable *used, Instance *instance)
{
  const NodeObject *node = core_node(core, instance->node);
  if (node && !node->linked)
    return 0;
  int port = core_config(core)->port_base;
  while (port <= 65535 && g_hash_table_contains(used, GINT_TO_POINTER(port)))
    port++;
  if (port > 65535)
    return 0;
  reserve_claim(used, port, instance);
  return port;
}

void reserve_back(const Core *core, Deployment *deployment)
{
  GHashTable *used = NULL;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    bool runs = instance->port > 0 && (instance->step != STEP_WAITING || instance_live(instance));
    if (instance->target == 0 || runs || reserve_declared(instance) != PORT_AUTO)
      continue;
    if (!used)
      used = reserve_used(core, deployment);
    const Instance *owner = g_hash_table_lookup(used, GINT_TO_POINTER(instance->port));
    if (instance->port > 0 && (!owner || owner == instance))
      continue; /* nobody took it meanwhile */
    instance->port = reserve_next_port(core, used, instance);
  }
  g_clear_pointer(&used, g_hash_table_unref);
}

GHashTable *reserve_held(const Deployment *deployment)
{
  GHashTable *held = g_hash_table_new(NULL, NULL);
  reserve_claim_live(held, deployment);
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (instance->target == 0 && instance->desired_running && !instance->outcome)
      reserve_claim(held, instance->port, instance); /* its start may be on the way */
  }
  return held;
}

Instance *reserve_giver(GHashTable *held, const Instance *instance, int port)
{
  Instance *holder = port > 0 ? g_hash_table_lookup(held, GINT_TO_POINTER(port)) : NULL;
  if (!holder || holder == instance)
    return NULL;
  bool leaves = holder->target == 0 ||
                (holder->step == STEP_WAITING && reserve_declared(holder) != PORT_AUTO);
  /* its successor is asked for, its process still there */
  bool left = holder->step == STEP_STARTING && holder->port != port;
  return leaves || left ? holder : NULL;
}

/* Proposes a port for @instance and puts it into @frame. A slot whose process runs holds its port
 * itself. False when no port is left. */
static bool reserve_add(Core *core, Instance *instance, GHashTable *used, GHashTable *held,
                        Frame *frame)
{
  int declared = reserve_declared(instance), port = declared;
  if (declared == PORT_AUTO) {
    bool keeps = instance->port > 0 &&
                 g_hash_table_lookup(used, GINT_TO_POINTER(instance->port)) == instance;
    port = keeps ? instance->port : reserve_next_port(core, used, instance);
    if (port == 0)
      return false;
  }
  bool holds = port > 0 && port == instance->seen_port && instance_live(instance);
  /* it is free when its turn comes: rollout_clear_port */
  bool given = declared != PORT_AUTO && reserve_giver(held, instance, port);
  int revision = instance->revision;
  instance->revision = instance->target; /* the spec of what shall run */
  Instruction *instruction =
      instruction_new(instance->id, instance->epoch, instance->generation + 1);
  instruction->spec = instance_make_outline(instance);
  instance->revision = revision;
  instruction->spec->port = holds || given ? 0 : port;
  instruction->port_fixed = declared != PORT_AUTO || core_config(core)->ports_fixed;
  g_ptr_array_add(frame->instructions, instruction);
  return true;
}

/* No automatic port is left. What the node was to be asked already is taken back: the answer to
 * nothing is let go like any of a rollout that is gone. */
static ReserveResult reserve_exhausted(const Core *core, Rollout *rollout, const Instance *instance,
                                       Frame *frame, Refusal *refusal)
{
  g_ptr_array_set_size(frame->instructions, 0);
  rollout->request = 0;
  refusal->instance = instance;
  refusal->cause =
      g_strdup_printf("agent '%s': no port from %d to 65535 is left; give it a fixed one below",
                      instance->agent, core_config(core)->port_base);
  return RESERVE_REFUSED;
}

/* Ports of what shall run in other deployments. */
static GHashTable *reserve_elsewhere(const Core *core, const Deployment *deployment)
{
  GHashTable *used = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < core_deployments(core)->len; i++) {
    const Deployment *other = core_deployments(core)->pdata[i];
    for (guint k = 0; other != deployment && k < other->instances->len; k++) {
      Instance *instance = other->instances->pdata[k];
      bool given = instance->step == STEP_WAITING && other->rollout->phase == ROLLOUT_PHASE_APPLY;
      if (given || (instance->desired_running && !instance->outcome))
        reserve_claim(used, instance->port, instance);
      reserve_claim(used, reserve_way_back(instance), instance);
    }
  }
  return used;
}

bool reserve_taken(const Core *core, const Deployment *deployment, Refusal *refusal)
{
  g_autoptr(GHashTable) used = reserve_elsewhere(core, deployment);
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    int port = reserve_wanted(instance) ? reserve_declared(instance) : PORT_NONE;
    const Instance *owner = port > 0 ? g_hash_table_lookup(used, GINT_TO_POINTER(port)) : NULL;
    if (!owner)
      continue;
    refusal->instance = instance;
    refusal->cause = g_strdup_printf("agent '%s': port %d is that of agent '%s' of deployment '%s'",
                                     instance->agent, port, owner->agent, owner->deployment->name);
    return true;
  }
  return false;
}

ReserveResult reserve_ask(Core *core, Rollout *rollout, Refusal *refusal)
{
  if (rollout->request)
    return RESERVE_WAITS;
  Deployment *deployment = rollout->deployment;
  if (reserve_taken(core, deployment, refusal))
    return RESERVE_REFUSED;
  g_autoptr(GHashTable) used = reserve_used(core, deployment), held = reserve_held(deployment);
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
      rollout->request = core_next_request(core);
      frame = turn_frame(core, node->id, FRAME_RESERVE, rollout->request);
      frame->port_base = core_config(core)->port_base;
      on_node = node->id;
    }
    instance_place(core, instance, node->id);
    if (!reserve_add(core, instance, used, held, frame))
      return reserve_exhausted(core, rollout, instance, frame, refusal);
  }
  return !frame && placed ? RESERVE_READY : RESERVE_WAITS;
}

static void reserve_give(Core *core, Instance *instance, int port)
{
  if (instance->port == port)
    return;
  instance->port = port;
  instance->deployment->peers_moved = true;
  touch_instance(core, instance, TOUCH_STORED);
}

/* The port of its last process, unless somebody else has it by now. */
static void reserve_keep_auto(Core *core, Instance *instance, GHashTable **used)
{
  if (!*used)
    *used = reserve_used(core, instance->deployment);
  int port = instance->seen_port > 0 ? instance->seen_port : instance->port;
  const Instance *owner = g_hash_table_lookup(*used, GINT_TO_POINTER(port));
  bool ours = port > 0 && (!owner || owner == instance || instance_live(instance));
  reserve_give(core, instance, ours ? port : reserve_next_port(core, *used, instance));
  reserve_claim(*used, instance->port, instance);
}

void reserve_keep(Core *core, Instance *instance, GHashTable **used)
{
  if (instance->revision > 0 && !instance_can_start(instance))
    return; /* what it declares is not known: it keeps what it has */
  int declared = reserve_declared_by(instance, instance->revision);
  if (declared == PORT_AUTO)
    reserve_keep_auto(core, instance, used);
  else if (instance->generation > 0)
    reserve_give(core, instance, MAX(declared, 0));
}

/* The revision whose port the slot is to have: of the start that it waits for, or of what it runs.
 */
static int reserve_revision(const Instance *instance)
{
  return instance->step == STEP_WAITING && instance->target > 0 ? instance->target
                                                                : instance->revision;
}

void reserve_doubt(Instance *instance, int port)
{
  instance->seen_port = port;
  if (reserve_declared_by(instance, reserve_revision(instance)) == PORT_AUTO)
    instance->port = 0;
}

static bool reserve_misses(const Instance *instance)
{
  const Rollout *rollout = instance->deployment->rollout;
  /* the node is about to be asked */
  bool asks = rollout && rollout->phase == ROLLOUT_PHASE_RESERVE && reserve_wanted(instance);
  bool idle = instance->step != STEP_WAITING && (!instance->desired_running || instance->outcome);
  if (instance->port > 0 || asks || idle || instance_is_scheduled(instance))
    return false;
  return reserve_declared_by(instance, reserve_revision(instance)) == PORT_AUTO;
}

static void reserve_missing_in(Core *core, const Deployment *deployment)
{
  g_autoptr(GHashTable) used = NULL;
  for (guint i = 0; i < deployment->instances->len; i++)
    if (reserve_misses(deployment->instances->pdata[i]))
      reserve_keep_auto(core, deployment->instances->pdata[i], &used);
}

void reserve_missing(Core *core)
{
  for (guint i = 0; i < core_deployments(core)->len; i++)
    reserve_missing_in(core, core_deployments(core)->pdata[i]);
}

static Instance *reserve_instance(const Core *core, const Rollout *rollout,
                                  const Reservation *reservation)
{
  Instance *instance = core_find_instance(core, reservation->id);
  return instance && instance->deployment == rollout->deployment ? instance : NULL;
}

/* One refusal is enough; then no port of the answer counts. */
static bool reserve_refused(const Core *core, const Rollout *rollout, const Frame *frame,
                            Refusal *refusal)
{
  for (guint i = 0; i < frame->reservations->len; i++) {
    const Reservation *reservation = frame->reservations->pdata[i];
    const Instance *instance =
        reservation->error ? reserve_instance(core, rollout, reservation) : NULL;
    if (!instance)
      continue;
    refusal->instance = instance;
    refusal->cause = g_strdup_printf("agent '%s': %s", instance->agent, reservation->error);
    return true;
  }
  return false;
}

/* The slots that the answer is about, each with its port. */
static GHashTable *reserve_apply(Core *core, const Rollout *rollout, const Frame *frame)
{
  GHashTable *asked = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < frame->reservations->len; i++) {
    const Reservation *reservation = frame->reservations->pdata[i];
    Instance *instance = reserve_instance(core, rollout, reservation);
    if (!instance)
      continue;
    g_hash_table_add(asked, instance);
    int declared = reserve_declared(instance);
    if (declared != PORT_AUTO)
      reserve_give(core, instance, MAX(declared, 0));
    else if (reservation->port > 0) /* else its process has it */
      reserve_give(core, instance, reservation->port);
  }
  return asked;
}

/* The node put an automatic port in the place of one that was taken. It sees what is bound, not
 * what we gave to a slot whose process is not there at the moment: such a slot is given the next
 * port above, and the node is asked again. */
static bool reserve_clash(Core *core, const Rollout *rollout, GHashTable *used, GHashTable *asked)
{
  bool clash = false;
  for (guint i = 0; i < rollout->deployment->instances->len; i++) {
    Instance *instance = rollout->deployment->instances->pdata[i];
    const Instance *owner = g_hash_table_lookup(used, GINT_TO_POINTER(instance->port));
    bool moves = owner && g_hash_table_contains(asked, owner) && owner->port != instance->port &&
                 !instance_on_its_way(owner);
    bool ours = !owner || owner == instance || moves;
    if (!g_hash_table_contains(asked, instance) || ours || reserve_declared(instance) != PORT_AUTO)
      continue;
    int port = instance->port;
    while (port < 65535 && g_hash_table_contains(used, GINT_TO_POINTER(port)))
      port++;
    reserve_give(core, instance, port);
    reserve_claim(used, port, instance);
    clash = true;
  }
  return clash;
}

ReserveResult reserve_answer(Core *core, Rollout *rollout, const char *node, const Frame *frame,
                             Refusal *refusal)
{
  if (reserve_refused(core, rollout, frame, refusal)) {
    turn_frame(core, node, FRAME_RELEASE, frame->request);
    return RESERVE_REFUSED;
  }
  if (reserve_taken(core, rollout->deployment, refusal)) /* since it was asked */
    return RESERVE_REFUSED;
  /* before the answer is applied */
  g_autoptr(GHashTable) used = reserve_used(core, rollout->deployment);
  g_autoptr(GHashTable) asked = reserve_apply(core, rollout, frame);
  if (!reserve_clash(core, rollout, used, asked))
    return RESERVE_READY;
  turn_frame(core, node, FRAME_RELEASE, frame->request);
  rollout->request = 0;
  return reserve_ask(core, rollout, refusal);
}
