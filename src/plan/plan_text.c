/* Owns the two machine-readable faces of a plan: JSON (`plan -o json`, its first four keys as in
 * the original) and Graphviz. */
#include "base/json.h"
#include "plan/plan.h"

static const char *plan_id(const Plan *plan, guint agent)
{
  return job_agent(plan->job, agent)->id;
}

static void plan_write_url(const Plan *plan, guint agent, int replica, const char *key,
                           GString *out)
{
  g_autofree char *url = plan_url(plan->job, agent, plan_declared_port(plan->job, agent, replica));
  jw_str(out, key, url);
}

/* URLs of every replica that has one. */
static void plan_write_urls(const Plan *plan, guint agent, GString *out)
{
  for (int replica = 0; replica < job_agent(plan->job, agent)->replicas; replica++)
    if (plan_declared_port(plan->job, agent, replica) != PORT_NONE)
      plan_write_url(plan, agent, replica, NULL, out);
}

static void plan_write_stages(const Plan *plan, GString *out)
{
  jw_open(out, "stages", '[');
  for (guint i = 0; i < plan->stages->len; i++) {
    const GArray *stage = g_ptr_array_index(plan->stages, i);
    jw_open(out, NULL, '[');
    for (guint k = 0; k < stage->len; k++)
      jw_str(out, NULL, plan_id(plan, g_array_index(stage, guint, k)));
    jw_close(out, ']');
  }
  jw_close(out, ']');
}

/* An agent without connections has an empty list: programs look each agent up without asking first.
 * The text is quadratic for a mesh, which is why `plan` of one is long. */
static void plan_write_connections(const Plan *plan, GString *out)
{
  jw_open(out, "connections", '{');
  for (guint i = 0; i < plan->job->agents->len; i++) {
    PlanCallees callees = plan->connections[i];
    jw_open(out, plan_id(plan, i), '[');
    for (guint k = 0; k < callees.n; k++)
      plan_write_urls(plan, callees.agents[k], out);
    jw_close(out, ']');
  }
  jw_close(out, '}');
}

/* What the job asks for; on which node it will be is not known before it is brought up. */
static void plan_write_placement(const Plan *plan, GString *out)
{
  jw_open(out, "placement", '{');
  for (guint i = 0; i < plan->job->agents->len; i++) {
    const AgentSpec *agent = job_agent(plan->job, i);
    jw_open(out, agent->id, '{');
    jw_str(out, "target", agent_target_word(agent->target));
    if (agent->target == TARGET_REMOTE)
      jw_str(out, "host", agent->host);
    jw_int(out, "replicas", agent->replicas);
    if (agent->working_dir || plan->job->directory)
      jw_str(out, "working_dir", agent->working_dir ? agent->working_dir : plan->job->directory);
    jw_int(out, "stage", g_array_index(plan->stage_of, int, i));
    jw_close(out, '}');
  }
  jw_close(out, '}');
}

/* Marks the agents that the topology names. */
static void plan_mark_named(const Topology *topology, bool *named)
{
  if (topology->hub >= 0)
    named[topology->hub] = true;
  for (guint i = 0; i < topology->groups->len; i++) {
    const GArray *group = topology_group(topology, i);
    for (guint k = 0; k < group->len; k++)
      named[g_array_index(group, guint, k)] = true;
  }
  for (guint i = 0; i < topology->connections->len; i++) {
    const Connection *edge = &g_array_index(topology->connections, Connection, i);
    named[edge->from] = named[edge->to] = true;
  }
}

static void plan_warn(GString *out, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void plan_warn(GString *out, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  jw_str(out, NULL, text);
}

static void plan_write_warnings(const Plan *plan, GString *out)
{
  const Job *job = plan->job;
  guint n = job->agents->len;
  g_autofree bool *named = g_new0(bool, MAX(n, 1));
  g_autofree bool *called = g_new0(bool, MAX(n, 1));
  plan_mark_named(&job->topology, named);
  for (guint i = 0; i < n; i++) {
    PlanCallees callees = plan->connections[i];
    for (guint k = 0; k < callees.n; k++)
      called[callees.agents[k]] = true;
  }
  jw_open(out, "warnings", '[');
  for (guint i = 0; i < n; i++) {
    if (!named[i] && !job_agent(job, i)->schedule.set && job->topology.type != TOPOLOGY_DYNAMIC)
      plan_warn(
          out, "agent '%s' is not part of the topology; it starts in stage %d and is given no URLs",
          plan_id(plan, i), g_array_index(plan->stage_of, int, i) + 1);
    if (called[i] && job_agent(job, i)->port == PORT_NONE)
      plan_warn(out, "agent '%s' has no port; nobody is given its URL", plan_id(plan, i));
  }
  for (guint i = 0; i < job->not_honoured->len; i++)
    plan_warn(out, "not honoured: %s", (const char *)g_ptr_array_index(job->not_honoured, i));
  jw_close(out, ']');
}

char *plan_to_json(const Plan *plan)
{
  const Job *job = plan->job;
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "job", job->name);
  plan_write_stages(plan, out);
  jw_open(out, "agent_urls", '{');
  for (guint i = 0; i < job->agents->len; i++)
    plan_write_url(plan, i, 0, plan_id(plan, i), out);
  jw_close(out, '}');
  plan_write_connections(plan, out);
  jw_open(out, "instance_urls", '{');
  for (guint i = 0; i < job->agents->len; i++) {
    jw_open(out, plan_id(plan, i), '[');
    plan_write_urls(plan, i, out);
    jw_close(out, ']');
  }
  jw_close(out, '}');
  plan_write_placement(plan, out);
  plan_write_warnings(plan, out);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

/* Graphviz quotes like C, but knows only \" inside. */
static void plan_dot_quote(GString *out, const char *text)
{
  g_string_append_c(out, '"');
  for (const char *p = text; *p; p++) {
    if (*p == '"' || *p == '\\')
      g_string_append_c(out, '\\');
    g_string_append_c(out, *p);
  }
  g_string_append_c(out, '"');
}

char *plan_to_dot(const Plan *plan)
{
  GString *out = g_string_new("digraph ");
  plan_dot_quote(out, plan->job->name ? plan->job->name : "job");
  g_string_append(out, " {\n  rankdir=LR;\n  node [shape=box];\n");
  for (guint i = 0; i < plan->stages->len; i++) {
    const GArray *stage = g_ptr_array_index(plan->stages, i);
    g_string_append_printf(out, "  subgraph cluster_%u {\n    label=\"stage %u\";\n", i + 1, i + 1);
    for (guint k = 0; k < stage->len; k++) {
      g_string_append(out, "    ");
      plan_dot_quote(out, plan_id(plan, g_array_index(stage, guint, k)));
      g_string_append(out, ";\n");
    }
    g_string_append(out, "  }\n");
  }
  for (guint i = 0; i < plan->job->agents->len; i++) {
    PlanCallees callees = plan->connections[i];
    for (guint k = 0; k < callees.n; k++) {
      g_string_append(out, "  ");
      plan_dot_quote(out, plan_id(plan, i));
      g_string_append(out, " -> ");
      plan_dot_quote(out, plan_id(plan, callees.agents[k]));
      g_string_append(out, ";\n");
    }
  }
  g_string_append(out, "}\n");
  return g_string_free(out, FALSE);
}
