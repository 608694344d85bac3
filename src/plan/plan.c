/* Owns the order of starting and who is given whose URL, for each kind of topology: facts C.2 as a
 * table of builders. Everything is linear in agents and edges; only a mesh, in which everybody
 * knows everybody, is quadratic.
 *
 * The graph: a vertex is an agent, by its index in the job; an edge from a to b means that a is
 * given b's URL, so a calls b. Stages and connections are two answers from one graph: connections
 * never turn round, the order of stages does (start_order). A URL is known before anything starts,
 * since ports are reserved for the whole revision, so no order is needed for correctness: it is
 * what the author of the topology wants to see run first.
 *
 * Invariants of a plan that is done: every agent is in exactly one stage, stage_of says in which; a
 * stage has at least one agent; all lists are in the order of the topology, else of declaration, so
 * that the same job gives the same plan on every machine - plan ids and digests depend on it. */
#include "plan/plan.h"

#include "base/error.h"
#include "plan/cycle.h"

#include <string.h>

enum { STAGE_NONE = -1 };

/* Fills stages and connections of a plan whose stage_of is all STAGE_NONE. */
typedef bool (*PlanBuilder)(Plan *plan, GError **error);

static guint plan_agents(const Plan *plan)
{
  return plan->job->agents->len;
}

static int *plan_stage_at(Plan *plan, guint agent)
{
  return &g_array_index(plan->stage_of, int, agent);
}

static GArray *plan_new_stage(Plan *plan)
{
  GArray *stage = g_array_new(FALSE, FALSE, sizeof(guint));
  g_ptr_array_add(plan->stages, stage);
  return stage;
}

/* Puts @agent into the last stage, unless it has one: named twice, it starts where it was named
 * first. */
static void plan_place(Plan *plan, guint agent)
{
  int *stage = plan_stage_at(plan, agent);
  if (*stage != STAGE_NONE)
    return;
  *stage = (int)plan->stages->len - 1;
  g_array_append_val(g_ptr_array_index(plan->stages, *stage), agent);
}

static void plan_place_group(Plan *plan, const GArray *group)
{
  plan_new_stage(plan);
  for (guint i = 0; i < group->len; i++)
    plan_place(plan, g_array_index(group, guint, i));
}

/* @callees is the job's, or one of the plan's blocks. Who is given some already keeps those. */
static void plan_connect(Plan *plan, guint agent, const guint *callees, guint n)
{
  if (!plan->connections[agent].n)
    plan->connections[agent] = (PlanCallees){.agents = callees, .n = n};
}

static void plan_connect_group(Plan *plan, guint agent, const GArray *group)
{
  plan_connect(plan, agent, &g_array_index(group, guint, 0), group->len);
}

/* Only stages: who is given whose URL stays. Agents outside the topology have no stage yet, and
 * come last in either order. */
static void plan_reverse_stages(Plan *plan)
{
  guint n = plan->stages->len;
  for (guint i = 0; i < n / 2; i++) {
    gpointer other = plan->stages->pdata[n - 1 - i];
    plan->stages->pdata[n - 1 - i] = plan->stages->pdata[i];
    plan->stages->pdata[i] = other;
  }
  for (guint i = 0; i < plan_agents(plan); i++)
    if (*plan_stage_at(plan, i) != STAGE_NONE)
      *plan_stage_at(plan, i) = (int)n - 1 - *plan_stage_at(plan, i);
}

/* The spokes first: a hub looks its spokes up when it boots, so this topology is callees-first
 * already. */
static bool plan_hub_spoke(Plan *plan, GError **error)
{
  const Topology *topology = &plan->job->topology;
  GArray *spokes = g_array_index(topology->groups, GArray *, 0);
  if (spokes->len)
    plan_place_group(plan, spokes);
  plan_new_stage(plan);
  plan_place(plan, (guint)topology->hub);
  plan_connect_group(plan, (guint)topology->hub, spokes);
  return true;
}

/* Every member of one group is given the whole next group. */
static void plan_chain(Plan *plan, const GArray *groups)
{
  for (guint i = 0; i < groups->len; i++) {
    const GArray *group = g_array_index(groups, GArray *, i);
    plan_place_group(plan, group);
    for (guint k = 0; i + 1 < groups->len && k < group->len; k++)
      plan_connect_group(plan, g_array_index(group, guint, k),
                         g_array_index(groups, GArray *, i + 1));
  }
  if (plan->job->start_order == START_CALLEES_FIRST)
    plan_reverse_stages(plan);
}

static bool plan_pipeline(Plan *plan, GError **error)
{
  plan_chain(plan, plan->job->topology.groups);
  return true;
}

/* The one topology whose lists cannot be shared, since each leaves out another agent: n (n - 1)
 * entries, which JOB_CONNECTIONS bounds before a plan is made. */
static bool plan_mesh(Plan *plan, GError **error)
{
  const GArray *group = topology_group(&plan->job->topology, 0);
  plan_place_group(plan, group);
  for (guint i = 0; i < group->len; i++) {
    const guint *all = &g_array_index(group, guint, 0);
    guint *others = g_new(guint, group->len);
    memcpy(others, all, i * sizeof *all);
    memcpy(others + i, all + i + 1, (group->len - i - 1) * sizeof *all);
    g_ptr_array_add(plan->blocks, others);
    plan_connect(plan, all[i], others, group->len - 1);
  }
  return true;
}

/* No connections: agents look for each other in the registry while they run. */
static bool plan_dynamic(Plan *plan, GError **error)
{
  if (plan_agents(plan))
    plan_new_stage(plan);
  for (guint i = 0; i < plan_agents(plan); i++)
    plan_place(plan, i);
  return true;
}

/* The cycle begins with the agent declared first, so that the same file has the same message; a
 * cycle through thousands of agents is told by its begin. */
static void plan_cycle_error(const Plan *plan, const GArray *cycle, GError **error)
{
  enum { CYCLE_SHOWN_MAX = 50 };
  g_autoptr(GString) text = g_string_new("cycle: ");
  guint shown = MIN(cycle->len, (guint)CYCLE_SHOWN_MAX);
  for (guint i = 0; i < shown; i++)
    g_string_append_printf(text, "%s -> ",
                           job_agent(plan->job, g_array_index(cycle, guint, i))->id);
  if (shown < cycle->len)
    g_string_append_printf(text, "(%u more) -> ", cycle->len - shown);
  g_string_append(text, job_agent(plan->job, g_array_index(cycle, guint, 0))->id);
  g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_INVALID, text->str);
}

/* What a walk knows of a vertex, in one place. */
typedef struct PlanVertex {
  guint waits; /* callers that have no place in the order yet */
  int stage;
} PlanVertex;

/* Puts every vertex that @skip does not name into @order, behind all that call it, with the stage
 * that it has when callers come first. Returns how many there are; when some are missing, they are
 * on a cycle or behind one.
 *
 * Kahn's algorithm: @waits counts the edges into a vertex whose source has no place yet; one that
 * waits for nothing enters the queue, which is @order. A queue, not a stack: vertices leave it in
 * the order of their stages, so the source that frees a vertex is the last it waited for, and its
 * stage the highest. Linear in vertices and edges. */
static guint plan_order(const Adjacency *adjacency, const bool *skip, PlanVertex *vertices,
                        guint *order)
{
  guint n = adjacency->n, head = 0, tail = 0;
  for (guint i = 0; i < adjacency->offsets[n]; i++)
    vertices[adjacency->targets[i]].waits++;
  for (guint i = 0; i < n; i++)
    if (!vertices[i].waits && !skip[i]) /* NOLINT: @skip has n entries, all set */
      order[tail++] = i;
  for (; head < tail; head++) {
    guint vertex = order[head];
    for (guint e = adjacency->offsets[vertex]; e < adjacency->offsets[vertex + 1]; e++) {
      PlanVertex *callee = &vertices[adjacency->targets[e]];
      if (--callee->waits > 0)
        continue;
      callee->stage = vertices[vertex].stage + 1; /* in this order the last caller is the deepest */
      order[tail++] = adjacency->targets[e];
    }
  }
  return tail;
}

/* The stages of @n vertices in @order when callees come first. */
static void plan_turn_round(const Adjacency *adjacency, PlanVertex *vertices, const guint *order,
                            guint n)
{
  for (guint i = n; i > 0; i--) {
    guint vertex = order[i - 1];
    int stage = 0;
    for (guint e = adjacency->offsets[vertex]; e < adjacency->offsets[vertex + 1]; e++)
      stage = MAX(stage, vertices[adjacency->targets[e]].stage + 1);
    vertices[vertex].stage = stage;
  }
}

/* Fills stages from those of the vertices; walking the agents in order makes every stage sorted by
 * declaration. @skip: agents that have none. */
static void plan_fill_stages(Plan *plan, const PlanVertex *vertices, const bool *skip)
{
  guint n = plan_agents(plan);
  g_autoptr(GArray) sizes = g_array_new(FALSE, TRUE, sizeof(guint));
  for (guint i = 0; i < n; i++) {
    if (skip[i])
      continue;
    if (sizes->len <= (guint)vertices[i].stage)
      g_array_set_size(sizes, (guint)vertices[i].stage + 1);
    g_array_index(sizes, guint, vertices[i].stage)++;
  }
  for (guint s = 0; s < sizes->len; s++) {
    g_array_set_size(plan_new_stage(plan), g_array_index(sizes, guint, s));
    g_array_index(sizes, guint, s) = 0;
  }
  for (guint i = 0; i < n; i++) {
    if (skip[i])
      continue;
    int stage = *plan_stage_at(plan, i) = vertices[i].stage;
    guint place = g_array_index(sizes, guint, stage)++;
    g_array_index((GArray *)plan->stages->pdata[stage], guint, place) = i;
  }
}

/* Edges of one source lie side by side in @adjacency, in the order of the file: that is the order
 * of CONNECTED_AGENTS. The plan has its targets from now on. */
static void plan_connect_edges(Plan *plan, Adjacency *adjacency)
{
  const guint *offsets = adjacency->offsets;
  for (guint i = 0; i < adjacency->n; i++)
    plan_connect(plan, i, adjacency->targets + offsets[i], offsets[i + 1] - offsets[i]);
  g_ptr_array_add(plan->blocks, g_steal_pointer(&adjacency->targets));
}

/* Stages and connections from explicit edges; @skip: agents that are no vertex. That there is a
 * cycle comes out of the stages for nothing; which one is searched for only then. */
static bool plan_edges(Plan *plan, const bool *skip, guint skipped, GError **error)
{
  const GArray *edges = plan->job->topology.connections;
  guint n = plan_agents(plan);
  Adjacency adjacency;
  g_autofree guint *order = g_new(guint, MAX(n, 1));
  g_autofree PlanVertex *vertices = g_new0(PlanVertex, MAX(n, 1));
  adjacency_init(&adjacency, n, edges);
  guint placed = plan_order(&adjacency, skip, vertices, order);
  if (plan->job->start_order == START_CALLEES_FIRST)
    plan_turn_round(&adjacency, vertices, order, placed);
  plan_connect_edges(plan, &adjacency);
  adjacency_done(&adjacency);
  if (placed + skipped < n) {
    g_autoptr(GArray) cycle = plan_find_cycle(n, edges);
    g_assert(cycle);
    plan_cycle_error(plan, cycle, error);
    return false;
  }
  plan_fill_stages(plan, vertices, skip);
  return true;
}

/* Every agent is a vertex, also one without edges: it waits for nobody and starts in stage 0. */
static bool plan_dag(Plan *plan, GError **error)
{
  g_autofree bool *skip = g_new0(bool, MAX(plan_agents(plan), 1));
  return plan_edges(plan, skip, 0, error);
}

/* A tree of {parent, children}: a level is a distance, and only the own children are given. */
static bool plan_tree(Plan *plan, GError **error)
{
  const Topology *topology = &plan->job->topology;
  guint n = plan_agents(plan), skipped = 0;
  g_autofree bool *skip = g_new(bool, MAX(n, 1));
  for (guint i = 0; i < n; i++)
    skip[i] = (gint)i != topology->hub;
  for (guint i = 0; i < topology->connections->len; i++) {
    const Connection *edge = &g_array_index(topology->connections, Connection, i);
    skip[edge->from] = skip[edge->to] = false;
  }
  for (guint i = 0; i < n; i++)
    skipped += skip[i];
  return plan_edges(plan, skip, skipped, error);
}

/* Written as levels it is a chain that begins with the root alone; written as {parent, children} it
 * is a graph. The groups are borrowed from the topology. */
static bool plan_hierarchical(Plan *plan, GError **error)
{
  const Topology *topology = &plan->job->topology;
  if (topology->is_tree)
    return plan_tree(plan, error);
  g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(GArray *));
  g_autoptr(GArray) root = g_array_new(FALSE, FALSE, sizeof(guint));
  guint hub = (guint)topology->hub;
  g_array_append_val(root, hub);
  g_array_append_val(groups, root);
  g_array_append_vals(groups, topology->groups->data, topology->groups->len);
  plan_chain(plan, groups);
  return true;
}

static const PlanBuilder plan_builders[] = {
    [TOPOLOGY_HUB_SPOKE] = plan_hub_spoke,
    [TOPOLOGY_PIPELINE] = plan_pipeline,
    [TOPOLOGY_DAG] = plan_dag,
    [TOPOLOGY_MESH] = plan_mesh,
    [TOPOLOGY_HIERARCHICAL] = plan_hierarchical,
    [TOPOLOGY_DYNAMIC] = plan_dynamic,
};

/* Agents that the topology does not name start in the last stage. (A dag has placed them in its
 * first one: vertices without edges.) */
static void plan_place_outsiders(Plan *plan)
{
  for (guint i = 0; i < plan_agents(plan); i++) {
    if (*plan_stage_at(plan, i) != STAGE_NONE)
      continue;
    if (!plan->stages->len)
      plan_new_stage(plan);
    plan_place(plan, i);
  }
}

Plan *plan_new(const Job *job, GError **error)
{
  guint n = job->agents->len;
  g_autoptr(Plan) plan = g_new0(Plan, 1);
  plan->job = job;
  plan->stages = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
  plan->stage_of = g_array_sized_new(FALSE, FALSE, sizeof(int), n);
  g_array_set_size(plan->stage_of, n);
  for (guint i = 0; i < n; i++)
    *plan_stage_at(plan, i) = STAGE_NONE;
  plan->connections = g_new0(PlanCallees, n);
  plan->blocks = g_ptr_array_new_with_free_func(g_free);
  g_assert(job->topology.type < G_N_ELEMENTS(plan_builders));
  if (!plan_builders[job->topology.type](plan, error))
    return NULL;
  plan_place_outsiders(plan);
  return g_steal_pointer(&plan);
}

void plan_free(Plan *plan)
{
  if (!plan)
    return;
  g_clear_pointer(&plan->stages, g_ptr_array_unref);
  g_clear_pointer(&plan->stage_of, g_array_unref);
  g_free(plan->connections);
  g_clear_pointer(&plan->blocks, g_ptr_array_unref);
  g_free(plan);
}
