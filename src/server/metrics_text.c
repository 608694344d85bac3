/* Owns the rendering of /metrics: counters of this run, and gauges read from the core. */
#include "server/metrics_text.h"

#include "base/clock.h"
#include "server/route.h"

static void metrics_head(GString *out, const char *name, const char *type, const char *help)
{
  g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void metrics_one(GString *out, const char *name, const char *type, const char *help,
                        guint64 value)
{
  metrics_head(out, name, type, help);
  g_string_append_printf(out, "%s %" G_GUINT64_FORMAT "\n", name, value);
}

static void metrics_requests(const Server *server, GString *out)
{
  const Metrics *metrics = &server->metrics;
  metrics_head(out, "reeve_http_requests_total", "counter",
               "Answered requests by route and status.");
  for (guint route = 0; route <= METRICS_ROUTES_MAX; route++) {
    for (guint slot = 0; slot <= METRICS_STATUS_MAX; slot++) {
      if (!metrics->requests[route][slot])
        continue;
      const Route *row = route < METRICS_ROUTES_MAX ? &server->routes[route] : NULL;
      g_string_append_printf(out, "reeve_http_requests_total{method=\"%s\",route=\"%s\",status=\"",
                             row ? row->method : "", row ? row->pattern : "none");
      if (slot < METRICS_STATUS_MAX)
        g_string_append_printf(out, "%d", metrics_statuses[slot]);
      else
        g_string_append(out, "other");
      g_string_append_printf(out, "\"} %" G_GUINT64_FORMAT "\n", metrics->requests[route][slot]);
    }
  }
}

static void metrics_rollouts(const Metrics *metrics, GString *out)
{
  metrics_head(out, "reeve_rollouts_total", "counter",
               "Rollouts that ended in this run, by outcome.");
  for (int i = OUTCOME_OPEN + 1; i < OUTCOME_N; i++)
    g_string_append_printf(out, "reeve_rollouts_total{outcome=\"%s\"} %" G_GUINT64_FORMAT "\n",
                           rollout_outcome_word((RolloutOutcome)i), metrics->rollouts[i]);
}

/* What waits: for the disk, for an answer. */
static void metrics_queue(const Server *server, GString *out)
{
  guint records;
  size_t bytes;
  engine_depth(server->engine, &records, &bytes);
  metrics_one(out, "reeve_release_queue_records", "gauge", "Records that are not durable yet.",
              records);
  metrics_one(out, "reeve_release_queue_bytes", "gauge", "Bytes of them.", bytes);
  metrics_one(out, "reeve_requests_waiting", "gauge", "Requests whose answer waits for a commit.",
              g_hash_table_size(server->waiters));
  metrics_one(out, "reeve_tokens", "gauge", "Tokens of the API.",
              core_tokens(engine_core(server->engine))->len);
  metrics_one(out, "reeve_secrets", "gauge", "Secrets.",
              core_secrets(engine_core(server->engine))->len);
}

static void metrics_auth(const Metrics *metrics, GString *out)
{
  metrics_head(out, "reeve_auth_failures_total", "counter",
               "Requests refused for who sent them, by reason.");
  for (int i = 0; i < AUTH_FAILURE_N; i++)
    g_string_append_printf(out, "reeve_auth_failures_total{reason=\"%s\"} %" G_GUINT64_FORMAT "\n",
                           auth_failure_word((AuthFailure)i), metrics->auth_failures[i]);
}

static void metrics_objects(const Server *server, GString *out)
{
  guint deployments[DEPLOYMENT_N] = {0}, instances[INSTANCE_N] = {0}, nodes[NODE_N] = {0};
  guint64 restarts = 0;
  const GPtrArray *all = core_deployments(engine_core(server->engine));
  for (guint i = 0; i < all->len; i++) {
    const Deployment *deployment = g_ptr_array_index(all, i);
    deployments[deployment->status]++;
    for (guint k = 0; k < deployment->instances->len; k++) {
      const Instance *instance = g_ptr_array_index(deployment->instances, k);
      instances[instance->state]++;
      restarts += (guint64)MAX(instance->restarts, 0);
    }
  }
  const GPtrArray *every = core_nodes(engine_core(server->engine));
  for (guint i = 0; i < every->len; i++)
    nodes[((const NodeObject *)g_ptr_array_index(every, i))->status]++;
  metrics_head(out, "reeve_deployments", "gauge", "Deployments by status.");
  for (int i = 0; i < DEPLOYMENT_N; i++)
    g_string_append_printf(out, "reeve_deployments{status=\"%s\"} %u\n", deployment_status_word(i),
                           deployments[i]);
  metrics_head(out, "reeve_instances", "gauge", "Instances by state.");
  for (int i = 0; i < INSTANCE_N; i++)
    g_string_append_printf(out, "reeve_instances{state=\"%s\"} %u\n", instance_state_word(i),
                           instances[i]);
  metrics_one(out, "reeve_instance_restarts", "gauge",
              "Restarts in a row of all instances, as their nodes count them.", restarts);
  metrics_one(out, "reeve_instance_restarts_total", "counter",
              "Times that a node started an agent again by itself.",
              core_restarts(engine_core(server->engine)));
  metrics_head(out, "reeve_nodes", "gauge", "Nodes by status.");
  for (int i = 0; i < NODE_N; i++)
    g_string_append_printf(out, "reeve_nodes{status=\"%s\"} %u\n", node_status_word(i), nodes[i]);
}

void metrics_render(const Server *server, GString *out)
{
  const Metrics *metrics = &server->metrics;
  metrics_head(out, "reeve_build_info", "gauge", "Version of this server; always 1.");
  g_string_append(out, "reeve_build_info{version=\"" REEVE_VERSION "\"} 1\n");
  metrics_one(out, "reeve_uptime_seconds", "gauge", "Seconds since this server started.",
              (guint64)(clock_boot_ms() - server->started_boot_ms) / 1000);
  metrics_objects(server, out);
  metrics_one(out, "reeve_store_writable", "gauge",
              "1 when the store takes changes, 0 when it is full or failed.",
              engine_store_state(server->engine) == STORE_STATE_OK);
  metrics_one(out, "reeve_store_commits_total", "counter", "Batches that became durable.",
              metrics->commits);
  metrics_one(out, "reeve_store_commit_errors_total", "counter",
              "Batches that could not be stored and never happened.", metrics->commit_errors);
  metrics_one(out, "reeve_store_waits_total", "counter",
              "Batches that waited because another program held the database.",
              store_thread_waits(server->store));
  metrics_one(out, "reeve_core_reloads_total", "counter",
              "Times that the core was loaded again after a failed commit.", metrics->reloads);
  metrics_one(out, "reeve_node_frames_received_total", "counter", "Frames from nodes.",
              metrics->frames_in);
  metrics_one(out, "reeve_node_frames_sent_total", "counter", "Frames to nodes.",
              metrics->frames_out);
  metrics_one(out, "reeve_event_streams", "gauge", "Open event streams.",
              events_streams(server->events));
  metrics_one(out, "reeve_event_streams_dropped_total", "counter",
              "Event streams ended because their reader was too slow.",
              (guint64)events_dropped(server->events));
  metrics_rollouts(metrics, out);
  metrics_queue(server, out);
  metrics_auth(metrics, out);
  metrics_one(out, "reeve_agent_files_read_total", "counter",
              "Files of the agents directory that were read.", metrics->agent_files_read);
  metrics_one(out, "reeve_agent_scans_total", "counter",
              "Times that the whole agents directory was looked at.", metrics->agent_scans);
  metrics_requests(server, out);
}
