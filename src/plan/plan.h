#pragma once
/* From a job to what will happen, purely: stages, URLs, who is given whose URL. Deterministic;
 * declaration order breaks every tie. All agents are indices into Job.agents. O(agents + edges),
 * except that a mesh's connections are quadratic by nature. */
#include "model/job.h"

/* Agents whose URLs one is given, in order. */
typedef struct PlanCallees {
  const guint *agents;
  guint n;
} PlanCallees;

typedef struct Plan {
  const Job *job;           /* borrowed; must outlive the plan, and stay as it is */
  GPtrArray *stages;        /* of GArray* of guint: agents that start in parallel; facts C.2 */
  GArray *stage_of;         /* of int: stage of each agent */
  PlanCallees *connections; /* of each agent */
  GPtrArray *blocks;        /* what connections point to and the job does not have */
} Plan;

/* Computes stages and connections of @job. Fails with REEVE_ERROR_INVALID on a cycle («cycle: a ->
 * b -> c -> a»). An edge from a to b means that a is given b's URL. start_order callees-first
 * reverses the dependency for the order of stages, never the connections. */
Plan *plan_new(const Job *job, GError **error);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/* What of @job is above a limit (model/limits.h) that only the whole shows: instances and
 * connections, then for each agent what the kernel and one frame to a node must take. Appends to
 * @problems, with the places that @job has; every agent is named. Linear in agents and edges, and
 * builds nothing before it knows that it is small. */
void plan_check_limits(const Job *job, Problems *problems);

/* Gives the port of replica @replica of agent @agent: what a fixed port, an automatic one or none
 * comes to. */
typedef int (*PlanPortFn)(guint agent, int replica, void *data);

/* Port of a replica by the job alone: fixed port + replica, PORT_AUTO as it is, PORT_NONE as it is.
 * @data unused. */
int plan_declared_port(const Job *job, guint agent, int replica);
/* "http://HOST:PORT" of a replica (facts C.2: localhost, remote host, container name, k8s service),
 * "http://localhost:auto" for PORT_AUTO, NULL without port. Caller frees. */
char *plan_url(const Job *job, guint agent, int port);
/* CONNECTED_AGENTS of @agent: URLs of every replica of every connected agent in order,
 * comma-joined; NULL when there are none. */
char *plan_connected_agents(const Plan *plan, guint agent, PlanPortFn port, void *data);
/* What the peers file says of the agent @callee, a JSON object, to the end of @out. */
void plan_peer_json(const Plan *plan, guint callee, PlanPortFn port, void *data, GString *out);
/* AGENT_PEERS_FILE of @agent as JSON: [{"id","role","urls":[...]}]. Caller frees. */
char *plan_peers_json(const Plan *plan, guint agent, PlanPortFn port, void *data);
/* The first cycle among @n vertices as vertex indices in order (first not repeated), or NULL.
 * @edges: of Connection. */
GArray *plan_find_cycle(guint n, const GArray *edges);

/* plan -o json: keys job, stages, agent_urls, instance_urls, connections, placement, warnings.
 * Caller frees. */
char *plan_to_json(const Plan *plan);
/* Graphviz: one cluster a stage, one edge a connection. Caller frees. */
char *plan_to_dot(const Plan *plan);
