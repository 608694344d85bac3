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

/* Of one frame, which is answered as a whole and so is not split (frame_pages). */
enum { RESERVE_SLOTS_MAX = 250 };

/* Does this rollout have to ask the node about @instance? */
static bool reserve_wanted(const Instance *instance)
{
  return instance->step == STEP_WAITING && instance->target > 0;
}

/* 0 while nobody knows which ports the processes of its node have - reserve_missing follows with
 * the node's list - and when none is left. */
static int reserve_next_port(const Core *core, Ports *used, Instance *instance)
{
  const NodeObject *node = instance->node;
  if (node && !node->linked)
    return 0;
  return ports_next(used, instance, core_config(core)->port_base);
}

void reserve_back(const Core *core, Deployment *deployment)
{
  g_autoptr(Ports) used = NULL;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    bool runs = instance->port > 0 && (instance->step != STEP_WAITING || instance_live(instance));
    if (instance->target == 0 || runs || ports_declared(instance) != PORT_AUTO)
      continue;
    if (!used)
      used = ports_used(core, deployment);
    const Instance *owner = ports_owner(used, instance, instance->port);
    if (instance->port > 0 && (!owner || owner == instance))
      continue; /* nobody took it meanwhile */
    instance->port = reserve_next_port(core, used, instance);
  }
}

/* Who has it: a process, or a slot that is to go and whose start may still be on its way. */
static Instance *reserve_holder(const Instance *instance, int port)
{
  const GPtrArray *leaving = instance->deployment->rollout->leaving;
  Instance *holder = ports_live(instance, port);
  for (guint i = 0; !holder && i < leaving->len; i++) {
    Instance *other = leaving->pdata[i];
    if (other->port == port && other->desired_running && !other->outcome &&
        other->node == instance->node)
      holder = other;
  }
  return holder;
}

Instance *reserve_giver(const Instance *instance, int port)
{
  Instance *holder = port > 0 ? reserve_holder(instance, port) : NULL;
  if (!holder || holder == instance)
    return NULL;
  bool leaves =
      holder->target == 0 || (holder->step == STEP_WAITING && ports_declared(holder) != PORT_AUTO);
  /* its successor is asked for, its process still there */
  bool left = holder->step == STEP_STARTING && holder->port != port;
  return leaves || left ? holder : NULL;
}

/* Proposes a port for @instance and puts it into @frame. A slot whose process runs holds its port
 * itself. False when no port is left. */
static bool reserve_add(Core *core, Instance *instance, Ports *used, Frame *frame)
{
  int declared = ports_declared(instance), port = declared;
  if (declared == PORT_AUTO) {
    bool keeps = ports_owner(used, instance, instance->port) == instance;
    port = keeps ? instance->port : reserve_next_port(core, used, instance);
    if (port == 0)
      return false;
  }
  bool holds = port > 0 && port == instance->seen_port && instance_live(instance);
  /* it is free when its turn comes: rollout_clear_port */
  bool given = declared != PORT_AUTO && reserve_giver(instance, port);
  int revision = instance->revision;
  instance->revision = instance->target; /* the spec of what shall run */
  Instruction *instruction =
      instruction_new(instance->id, instance->epoch, instance->generation + 1);
  instruction->spec = instance_make_outline(instance);
  instance->revision = revision;
  instruction->spec->port = holds || given ? 0 : port;
  instruction->port_fixed = declared != PORT_AUTO || core_config(core)->ports_fixed;
  g_ptr_array_add(frame->instructions, instruction);
  instance->asked = true;
  return true;
}

bool reserve_taken(const Core *core, const Deployment *deployment, Refusal *refusal)
{
  g_autoptr(Ports) used = ports_elsewhere(core, deployment);
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    int port = reserve_wanted(instance) ? ports_declared(instance) : PORT_NONE;
    const Instance *owner = ports_owner(used, instance, port);
    if (!owner)
      continue;
    refusal->instance = instance;
    refusal->cause = g_strdup_printf("agent '%s': port %d is that of agent '%s' of deployment '%s'",
                                     instance->agent, port, owner->agent, owner->deployment->name);
    return true;
  }
  return false;
}

/* ---- what nodes are asked ---- */

/* What @node was asked last; NULL = nothing. */
static Reserve *reserve_of(const Rollout *rollout, const NodeObject *node)
{
  for (guint i = rollout->reserves->len; i > 0; i--) {
    Reserve *reserve = rollout->reserves->pdata[i - 1];
    if (reserve->node == node)
      return reserve;
  }
  return NULL;
}

Reserve *reserve_find(const NodeObject *node, int64_t request)
{
  GHashTableIter iter;
  gpointer reserve;
  g_hash_table_iter_init(&iter, node->reserves);
  while (g_hash_table_iter_next(&iter, &reserve, NULL))
    if (((const Reserve *)reserve)->request == request)
      return reserve;
  return NULL;
}

void reserve_forget(Rollout *rollout, const NodeObject *node)
{
  GPtrArray *slots = rollout->deployment->instances;
  for (guint i = 0; i < slots->len; i++) {
    Instance *instance = slots->pdata[i];
    if (!node || instance->node == node)
      instance->asked = false;
  }
  for (guint i = rollout->reserves->len; i > 0; i--)
    if (!node || ((const Reserve *)rollout->reserves->pdata[i - 1])->node == node)
      g_ptr_array_remove_index(rollout->reserves, i - 1);
}

void reserve_forget_all(const NodeObject *node)
{
  GHashTableIter iter;
  gpointer reserve;
  for (;;) {
    g_hash_table_iter_init(&iter, node->reserves); /* anew: what goes leaves the set */
    if (!g_hash_table_iter_next(&iter, &reserve, NULL))
      return;
    reserve_forget(((Reserve *)reserve)->rollout, node);
  }
}

void reserve_release(Core *core, Rollout *rollout, const NodeObject *node)
{
  for (guint i = rollout->reserves->len; i > 0; i--) {
    const Reserve *reserve = rollout->reserves->pdata[i - 1];
    if ((!node || reserve->node == node) && reserve->node->linked)
      turn_frame(core, reserve->node, FRAME_RELEASE, reserve->request);
  }
  reserve_forget(rollout, node);
}

/* Every waiting slot is given a node that can be asked. False when there is none for some. */
static bool reserve_place(Core *core, const Deployment *deployment)
{
  bool placed = true;
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (!reserve_wanted(instance))
      continue;
    NodeObject *node = place_choose(core, instance);
    if (node && node->linked)
      instance_place(core, instance, node);
    placed &= node && node->linked;
  }
  return placed;
}

/* No automatic port is left for @instance. What nodes were to be asked in this turn is taken back:
 * the answer to nothing is let go like any of a rollout that is gone. */
static ReserveResult reserve_exhausted(Core *core, Rollout *rollout, const Instance *instance,
                                       Refusal *refusal)
{
  for (guint i = rollout->reserves->len; i > 0; i--) {
    const Reserve *reserve = rollout->reserves->pdata[i - 1];
    if (!reserve->fresh)
      continue;
    Frame *frame = turn_frame(core, reserve->node, FRAME_RESERVE, reserve->request);
    g_ptr_array_set_size(frame->instructions, 0);
    g_ptr_array_remove_index(rollout->reserves, i - 1);
  }
  refusal->instance = instance;
  refusal->cause =
      g_strdup_printf("agent '%s': no port from %d to 65535 is left; give it a fixed one below",
                      instance->agent, core_config(core)->port_base);
  return RESERVE_REFUSED;
}

/* Asks the nodes about their waiting slots that they were not asked about yet: a slot may come to a
 * node that was asked about others before. */
static ReserveResult reserve_ask_nodes(Core *core, Rollout *rollout, Refusal *refusal)
{
  const Deployment *deployment = rollout->deployment;
  g_autoptr(Ports) used = NULL; /* mostly there is nobody left to ask */
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    NodeObject *node = instance->node;
    if (instance->asked || !reserve_wanted(instance) || !node || !node->linked)
      continue;
    Reserve *reserve = reserve_of(rollout, node);
    if (!reserve || !reserve->fresh || reserve->slots == RESERVE_SLOTS_MAX)
      reserve = reserve_new(rollout, node, core_next_request(core));
    Frame *frame = turn_frame(core, node, FRAME_RESERVE, reserve->request);
    frame->port_base = core_config(core)->port_base;
    reserve->slots++;
    if (!used)
      used = ports_used(core, deployment);
    if (!reserve_add(core, instance, used, frame))
      return reserve_exhausted(core, rollout, instance, refusal);
  }
  for (guint i = 0; i < rollout->reserves->len; i++)
    ((Reserve *)rollout->reserves->pdata[i])->fresh = false;
  return RESERVE_WAITS;
}

/* Invariant: reserve_ask_nodes has asked about every waiting slot whose node is linked. */
static bool reserve_is_answered(const Rollout *rollout)
{
  for (guint i = 0; i < rollout->reserves->len; i++)
    if (!((const Reserve *)rollout->reserves->pdata[i])->answered)
      return false;
  return true;
}

ReserveResult reserve_ask(Core *core, Rollout *rollout, Refusal *refusal)
{
  if (rollout->reserves->len == 0 && reserve_taken(core, rollout->deployment, refusal))
    return RESERVE_REFUSED;
  bool placed = reserve_place(core, rollout->deployment);
  core_set_unplaced(core, rollout, !placed);
  if (reserve_ask_nodes(core, rollout, refusal) == RESERVE_REFUSED)
    return RESERVE_REFUSED;
  return placed && reserve_is_answered(rollout) ? RESERVE_READY : RESERVE_WAITS;
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
static void reserve_keep_auto(Core *core, Instance *instance, Ports **used)
{
  if (!*used)
    *used = ports_used(core, instance->deployment);
  int port = instance->seen_port > 0 ? instance->seen_port : instance->port;
  const Instance *owner = ports_owner(*used, instance, port);
  bool ours = port > 0 && (!owner || owner == instance || instance_live(instance));
  reserve_give(core, instance, ours ? port : reserve_next_port(core, *used, instance));
  ports_claim(*used, instance, instance->port);
}

void reserve_keep(Core *core, Instance *instance, Ports **used)
{
  if (instance->revision > 0 && !instance_can_start(instance))
    return; /* what it declares is not known: it keeps what it has */
  int declared = ports_declared_by(instance, instance->revision);
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

void reserve_doubt(const Core *core, Instance *instance, int port)
{
  instance->seen_port = port;
  ports_seen(instance);
  if (ports_declared_by(instance, reserve_revision(instance)) == PORT_AUTO)
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
  return ports_declared_by(instance, reserve_revision(instance)) == PORT_AUTO;
}

/* Deployment by deployment, each in its order: what one is given the next does not get. */
static gint reserve_compare(gconstpointer a, gconstpointer b)
{
  return instance_order(*(Instance *const *)a, *(Instance *const *)b);
}

void reserve_missing(Core *core, const NodeObject *node)
{
  g_autoptr(GPtrArray) missing = g_ptr_array_new();
  g_autoptr(Ports) used = NULL;
  for (guint i = 0; i < node->instances->len; i++)
    if (reserve_misses(node->instances->pdata[i]))
      g_ptr_array_add(missing, node->instances->pdata[i]);
  g_ptr_array_sort(missing, reserve_compare);
  for (guint i = 0; i < missing->len; i++) {
    Instance *one = missing->pdata[i];
    if (i > 0 && one->deployment != ((const Instance *)missing->pdata[i - 1])->deployment)
      g_clear_pointer(&used, ports_free);
    reserve_keep_auto(core, one, &used);
  }
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
    int declared = ports_declared(instance);
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
static bool reserve_clash(Core *core, const Rollout *rollout, Ports *used, GHashTable *asked)
{
  bool clash = false;
  for (guint i = 0; i < rollout->deployment->instances->len; i++) {
    Instance *instance = rollout->deployment->instances->pdata[i];
    const Instance *owner = ports_owner(used, instance, instance->port);
    bool moves = owner && g_hash_table_contains(asked, owner) && owner->port != instance->port &&
                 !instance_on_its_way(owner);
    bool ours = !owner || owner == instance || moves;
    if (!g_hash_table_contains(asked, instance) || ours || ports_declared(instance) != PORT_AUTO)
      continue;
    int port = instance->port;
    while (port < 65535 && ports_owner(used, instance, port))
      port++;
    reserve_give(core, instance, port);
    ports_claim(used, instance, port);
    clash = true;
  }
  return clash;
}

ReserveResult reserve_answer(Core *core, Rollout *rollout, Reserve *reserve, const Frame *frame,
                             Refusal *refusal)
{
  if (reserve_refused(core, rollout, frame, refusal))
    return RESERVE_REFUSED;
  if (reserve_taken(core, rollout->deployment, refusal)) /* since it was asked */
    return RESERVE_REFUSED;
  /* before the answer is applied */
  g_autoptr(Ports) used = ports_used(core, rollout->deployment);
  g_autoptr(GHashTable) asked = reserve_apply(core, rollout, frame);
  if (reserve_clash(core, rollout, used, asked))
    reserve_release(core, rollout, reserve->node); /* frees @reserve */
  else
    reserve->answered = true;
  return reserve_ask(core, rollout, refusal);
}
