/* Owns what an agent is told about the others: URLs by target, CONNECTED_AGENTS, the peers file.
 *
 * The port comes through a callback, since who asks knows another one: the file the declared port,
 * the core what a node has bound, the limits the longest that there is. Texts are built at each
 * start and never kept: of a mesh they would be quadratic for as long as the deployment is there.
 */
#include "base/json.h"
#include "plan/plan.h"

#include <string.h>

int plan_declared_port(const Job *job, guint agent, int replica)
{
  int port = job_agent(job, agent)->port;
  return port > 0 ? port + replica : port;
}

/* Host part of an agent's URL: facts C.2. */
static char *plan_host(const AgentSpec *agent)
{
  switch (agent->target) {
  case TARGET_LOCALHOST:
    break;
  case TARGET_REMOTE:
    if (agent->host)
      return strchr(agent->host, ':') ? g_strdup_printf("[%s]", agent->host)
                                      : g_strdup(agent->host);
    break;
  case TARGET_CONTAINER:
    return g_strdup(agent->container_name ? agent->container_name : agent->id);
  case TARGET_KUBERNETES:
    return g_strdup_printf("%s.%s.svc.cluster.local", agent->id,
                           agent->k8s_namespace ? agent->k8s_namespace : "default");
  }
  return g_strdup("localhost");
}

char *plan_url(const Job *job, guint agent, int port)
{
  if (port == PORT_NONE)
    return NULL;
  g_autofree char *host = plan_host(job_agent(job, agent));
  return port == PORT_AUTO ? g_strdup_printf("http://%s:auto", host)
                           : g_strdup_printf("http://%s:%d", host, port);
}

/* Replicas of one callee stand together, in order: an agent that takes the first URL of each gets
 * replica 0 of it. One without port has no URL and is left out. */
char *plan_connected_agents(const Plan *plan, guint agent, PlanPortFn port, void *data)
{
  PlanCallees callees = plan->connections[agent];
  if (!callees.n)
    return NULL;
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < callees.n; i++) {
    guint callee = callees.agents[i];
    for (int replica = 0; replica < job_agent(plan->job, callee)->replicas; replica++) {
      g_autofree char *url = plan_url(plan->job, callee, port(callee, replica, data));
      if (url)
        g_string_append_printf(text, "%s%s", text->len ? "," : "", url);
    }
  }
  return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

/* What a peer is to the agent that is given its URL. */
static const char *const plan_peer_roles[] = {
    [TOPOLOGY_HUB_SPOKE] = "spoke", [TOPOLOGY_PIPELINE] = "next",      [TOPOLOGY_DAG] = "next",
    [TOPOLOGY_MESH] = "peer",       [TOPOLOGY_HIERARCHICAL] = "child", [TOPOLOGY_DYNAMIC] = "peer",
};

/* Unlike CONNECTED_AGENTS it names also who has no port, with an empty list: that it is there is
 * known, too. */
void plan_peer_json(const Plan *plan, guint callee, PlanPortFn port, void *data, GString *out)
{
  const AgentSpec *peer = job_agent(plan->job, callee);
  jw_open(out, NULL, '{');
  jw_str(out, "id", peer->id);
  jw_str(out, "role", plan_peer_roles[plan->job->topology.type]);
  jw_open(out, "urls", '[');
  for (int replica = 0; replica < peer->replicas; replica++) {
    g_autofree char *url = plan_url(plan->job, callee, port(callee, replica, data));
    if (url)
      jw_str(out, NULL, url);
  }
  jw_close(out, ']');
  jw_close(out, '}');
}

char *plan_peers_json(const Plan *plan, guint agent, PlanPortFn port, void *data)
{
  PlanCallees callees = plan->connections[agent];
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '[');
  for (guint i = 0; i < callees.n; i++)
    plan_peer_json(plan, callees.agents[i], port, data, out);
  jw_close(out, ']');
  return g_string_free(out, FALSE);
}
