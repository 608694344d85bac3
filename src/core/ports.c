/* Owns the index of live ports that hangs on each node, and the claims of one question. A claim is
 * made in a pass; of two claims the one of the earlier pass counts, and within a pass that of the
 * slot which comes first by deployment, stage and id. So the answer does not depend on the order
 * in which slots are gone through. */
#include "core/ports.h"

#include "core/build.h"
#include "core/instance.h"
#include "core/place.h"
#include "core/state.h"

#include <string.h>

enum { PORTS_END = 65536 };

typedef enum PortPass {
  PASS_LIVE = 1, /* what processes have */
  PASS_OTHERS,   /* what other deployments are to have */
  PASS_OURS,     /* what ours does have */
  PASS_DECLARED, /* ... declares */
  PASS_FORMER,   /* ... had before */
  PASS_GIVEN     /* ... was given since */
} PortPass;

/* The ports of one node: arrays by port, of which only what is used costs memory. */
typedef struct PortTable {
  const NodeObject *node; /* NULL = of slots that have no node */
  Instance **owners;
  uint8_t *passes;
  int next; /* no port from where ports_next was asked first up to here is free */
} PortTable;

struct Ports {
  const Core *core;
  GPtrArray *tables; /* of PortTable*; mostly one */
};

void ports_seen(Instance *instance)
{
  bool has = instance->seen_port > 0 && instance_live(instance);
  NodeObject *node = has ? instance->node : NULL;
  if (node == instance->live_at && (!node || instance->live_port == instance->seen_port))
    return;
  instance_unlist_port(instance);
  if (!node)
    return;
  instance->live_at = node;
  instance->live_port = instance->seen_port;
  gpointer key = GINT_TO_POINTER(instance->live_port);
  instance->live_next = g_hash_table_lookup(node->live, key);
  g_hash_table_insert(node->live, key, instance);
}

Instance *ports_live(const Instance *instance, int port)
{
  const NodeObject *node = instance->node;
  Instance *first = NULL;
  Instance *at = node ? g_hash_table_lookup(node->live, GINT_TO_POINTER(port)) : NULL;
  for (; at; at = at->live_next)
    if (at->deployment == instance->deployment && (!first || instance_order(at, first) < 0))
      first = at;
  return first;
}

bool ports_are_right(const Core *core)
{
  for (guint i = 0; i < core_nodes(core)->len; i++) {
    const NodeObject *node = core_nodes(core)->pdata[i];
    GHashTableIter iter;
    gpointer value;
    guint live = 0, listed = 0;
    for (guint k = 0; k < node->instances->len; k++) {
      const Instance *instance = node->instances->pdata[k];
      bool has = instance->seen_port > 0 && instance_live(instance);
      live += has;
      if (has != (instance->live_at == node) || (has && instance->live_port != instance->seen_port))
        return false;
    }
    g_hash_table_iter_init(&iter, node->live);
    while (g_hash_table_iter_next(&iter, NULL, &value))
      for (const Instance *at = value; at; at = at->live_next)
        listed++;
    if (live != listed)
      return false;
  }
  return true;
}

/* ---- what slots are to have ---- */

int ports_declared_by(const Instance *instance, int number)
{
  const Revision *revision = revision_find(instance->deployment, number);
  const Job *job = revision_job(revision);
  int index = job ? job_find_agent(job, instance->agent) : -1;
  return index < 0 ? PORT_NONE : plan_declared_port(job, (guint)index, instance->replica);
}

int ports_declared(const Instance *instance)
{
  return ports_declared_by(instance, instance->target);
}

/* The fixed port that the open rollout of its deployment would give back to the slot, should it
 * fail. */
static int ports_way_back(const Instance *instance)
{
  const Rollout *rollout = instance->deployment->rollout;
  bool may = deployment_changes(instance->deployment) && rollout->verdict == OUTCOME_SUCCEEDED &&
             rollout->from > 0;
  return may ? ports_declared_by(instance, rollout->from) : PORT_NONE;
}

/* Where @instance is, or would go. */
static const NodeObject *ports_node(const Core *core, const Instance *instance)
{
  return instance->node ? instance->node : place_choose(core, instance);
}

static PortTable *ports_table(const Ports *ports, const NodeObject *node)
{
  for (guint i = 0; i < ports->tables->len; i++) {
    PortTable *table = ports->tables->pdata[i];
    if (table->node == node)
      return table;
  }
  return NULL;
}

static void ports_table_free(gpointer data)
{
  PortTable *table = data;
  g_free(table->owners);
  g_free(table->passes);
  g_free(table);
}

static PortTable *ports_make_table(const Ports *ports, const NodeObject *node)
{
  PortTable *table = ports_table(ports, node);
  if (table)
    return table;
  table = g_new0(PortTable, 1);
  table->node = node;
  table->owners = g_new0(Instance *, PORTS_END);
  table->passes = g_new0(uint8_t, PORTS_END);
  g_ptr_array_add(ports->tables, table);
  return table;
}

static void ports_put(PortTable *table, PortPass pass, int port, Instance *instance)
{
  if (port <= 0 || port >= PORTS_END)
    return;
  const Instance *owner = table->owners[port];
  if (owner && table->passes[port] < pass)
    return;
  if (owner && table->passes[port] == pass &&
      (pass == PASS_GIVEN || instance_order(instance, owner) >= 0))
    return;
  table->owners[port] = instance;
  table->passes[port] = (uint8_t)pass;
}

/* Calls @claim for each slot of another deployment than @deployment at the node of @table. */
static void ports_others(PortTable *table, const Deployment *deployment,
                         void (*claim)(PortTable *table, Instance *instance))
{
  const NodeObject *node = table->node;
  for (guint i = 0; node && i < node->instances->len; i++) {
    Instance *instance = node->instances->pdata[i];
    if (instance->deployment != deployment)
      claim(table, instance);
  }
}

/* What a slot of another deployment has, may have by now, or goes back to: nobody else is given it.
 */
static void ports_claim_wanted(PortTable *table, Instance *instance)
{
  if (instance->desired_running || instance_live(instance) || instance->step == STEP_WAITING)
    ports_put(table, PASS_OTHERS, instance->port, instance);
  ports_put(table, PASS_OTHERS, ports_way_back(instance), instance);
}

/* The same for ports_elsewhere: only what shall run, or is given its port while stages start. */
static void ports_claim_running(PortTable *table, Instance *instance)
{
  bool given =
      instance->step == STEP_WAITING && instance->deployment->rollout->phase == ROLLOUT_PHASE_APPLY;
  if (given || (instance->desired_running && !instance->outcome))
    ports_put(table, PASS_OTHERS, instance->port, instance);
  ports_put(table, PASS_OTHERS, ports_way_back(instance), instance);
}

static void ports_claim_live(PortTable *table)
{
  const NodeObject *node = table->node;
  GHashTableIter iter;
  gpointer value;
  if (!node)
    return;
  g_hash_table_iter_init(&iter, node->live);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    for (Instance *at = value; at; at = at->live_next)
      ports_put(table, PASS_LIVE, at->live_port, at);
}

/* A table for each node that a slot of @deployment is at, or would go to. */
static Ports *ports_new(const Core *core, const Deployment *deployment)
{
  Ports *ports = g_new0(Ports, 1);
  ports->core = core;
  ports->tables = g_ptr_array_new_with_free_func(ports_table_free);
  for (guint i = 0; i < deployment->instances->len; i++)
    ports_make_table(ports, ports_node(core, deployment->instances->pdata[i]));
  return ports;
}

Ports *ports_used(const Core *core, const Deployment *deployment)
{
  Ports *ports = ports_new(core, deployment);
  for (guint i = 0; i < ports->tables->len; i++) {
    ports_claim_live(ports->tables->pdata[i]);
    ports_others(ports->tables->pdata[i], deployment, ports_claim_wanted);
  }
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    PortTable *table = ports_table(ports, ports_node(core, instance));
    if (instance->desired_running || instance_live(instance))
      ports_put(table, PASS_OURS, instance->port, instance);
    if (instance->step != STEP_WAITING || instance->target == 0)
      continue; /* nobody is asked about it */
    ports_put(table, PASS_DECLARED, ports_declared(instance), instance);
    ports_put(table, PASS_FORMER, instance->port, instance);
  }
  return ports;
}

Ports *ports_elsewhere(const Core *core, const Deployment *deployment)
{
  Ports *ports = ports_new(core, deployment);
  for (guint i = 0; i < ports->tables->len; i++)
    ports_others(ports->tables->pdata[i], deployment, ports_claim_running);
  return ports;
}

void ports_free(Ports *ports)
{
  if (!ports)
    return;
  g_ptr_array_unref(ports->tables);
  g_free(ports);
}

Instance *ports_owner(const Ports *ports, const Instance *instance, int port)
{
  const PortTable *table = ports_table(ports, ports_node(ports->core, instance));
  return table && port > 0 && port < PORTS_END ? table->owners[port] : NULL;
}

void ports_claim(Ports *ports, Instance *instance, int port)
{
  ports_put(ports_make_table(ports, ports_node(ports->core, instance)), PASS_GIVEN, port, instance);
}

int ports_next(Ports *ports, Instance *instance, int least)
{
  PortTable *table = ports_make_table(ports, ports_node(ports->core, instance));
  int port = MAX(least, table->next);
  while (port < PORTS_END && table->owners[port])
    port++;
  table->next = port;
  if (port >= PORTS_END)
    return 0;
  ports_put(table, PASS_GIVEN, port, instance);
  return port;
}
