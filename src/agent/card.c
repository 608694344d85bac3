/* Owns the documents that tell who the agent is: the agent-configuration card and the status. */
#include "agent/a2a.h"
#include "agent/door.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"

enum { PEERS_BYTES_MAX = 1024 * 1024 };

static const char *card_version(const Agent *agent)
{
  return agent->file->version ? agent->file->version : "0.0.0";
}

static void card_modes(GString *out, const char *key)
{
  jw_open(out, key, '[');
  jw_str(out, NULL, "text");
  jw_close(out, ']');
}

/* A capability is a word; that is all that the file tells about a skill. */
static void card_skill(GString *out, const char *capability)
{
  jw_open(out, NULL, '{');
  jw_str(out, "id", capability);
  jw_str(out, "name", capability);
  jw_str(out, "description", capability);
  jw_open(out, "tags", '[');
  jw_str(out, NULL, capability);
  jw_close(out, ']');
  jw_open(out, "examples", '[');
  jw_close(out, ']');
  jw_close(out, '}');
}

char *card_text(const Agent *agent)
{
  const AgentFile *file = agent->file;
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "name", file->name);
  jw_str(out, "description", file->description ? file->description : "");
  jw_str(out, "url", agent->file->server_public_url ? agent->file->server_public_url : agent->url);
  jw_str(out, "version", card_version(agent));
  jw_open(out, "capabilities", '{');
  jw_bool(out, "streaming", true);
  jw_bool(out, "push_notifications", false);
  jw_close(out, '}');
  card_modes(out, "default_input_modes");
  card_modes(out, "default_output_modes");
  jw_open(out, "skills", '[');
  for (guint i = 0; i < file->capabilities->len; i++)
    card_skill(out, g_ptr_array_index(file->capabilities, i));
  jw_close(out, ']');
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

/* The peers as the supervisor keeps them in AGENT_PEERS_FILE; it is replaced while we run, so it is
 * read each time. */
static bool card_peers_file(GString *out)
{
  const char *path = g_getenv("AGENT_PEERS_FILE");
  size_t length = 0;
  g_autofree char *text = path ? fs_read(path, PEERS_BYTES_MAX, &length, NULL) : NULL;
  json_t *peers = text ? json_parse(text, length, NULL) : NULL;
  bool is_list = json_is_array(peers);
  if (is_list) {
    char *dump = json_dumps(peers, JSON_COMPACT);
    jw_raw(out, "peers", dump);
    free(dump);
  }
  json_decref(peers);
  return is_list;
}

static void card_peers(GString *out)
{
  if (card_peers_file(out))
    return;
  const char *connected = g_getenv("CONNECTED_AGENTS");
  g_auto(GStrv) urls = g_strsplit(connected ? connected : "", ",", -1);
  jw_open(out, "peers", '[');
  for (guint i = 0; urls[i]; i++) {
    if (!urls[i][0])
      continue;
    jw_open(out, NULL, '{');
    jw_open(out, "urls", '[');
    jw_str(out, NULL, urls[i]);
    jw_close(out, ']');
    jw_close(out, '}');
  }
  jw_close(out, ']');
}

static void metrics_gauge(GString *out, const char *name, const char *help, int64_t value)
{
  g_string_append_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %" G_GINT64_FORMAT "\n", name,
                         help, name, name, value);
}

void agent_metrics(const Agent *agent, GString *out)
{
  agent_stats_metrics(&agent->stats, out);
  metrics_gauge(out, "reeve_agent_in_flight", "Questions that a brain or its tools work on.",
                agent->running.length);
  metrics_gauge(out, "reeve_agent_in_flight_max", "How many may be worked on at once.",
                agent->running_max);
  metrics_gauge(out, "reeve_agent_held_back",
                "Questions whose brain waits until the client has read.", agent->held);
  metrics_gauge(out, "reeve_agent_queued", "Questions that wait for their turn.",
                agent->waiting.length);
  metrics_gauge(out, "reeve_agent_sessions", "Sessions with a history.",
                sessions_count(agent->sessions));
  if (agent->doors)
    metrics_gauge(out, "reeve_agent_a2a_tasks", "Tasks of the A2A door in memory.",
                  a2a_tasks_count(agent->doors->tasks));
  tools_metrics(agent->tools, out);
}

char *card_status_text(const Agent *agent)
{
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "name", agent->file->name);
  jw_str(out, "version", card_version(agent));
  jw_str(out, "status", agent->draining ? "stopping" : "running");
  jw_int(out, "uptime_ms", clock_boot_ms() - agent->started_ms);
  jw_str(out, "provider", agent->brain->provider);
  jw_str(out, "model", agent->file->llm_model);
  agent_stats_status(&agent->stats, out);
  jw_int(out, "in_flight", agent->running.length);
  jw_int(out, "held_back", agent->held);
  jw_int(out, "queued", agent->waiting.length);
  jw_int(out, "sessions", sessions_count(agent->sessions));
  tools_status(agent->tools, out);
  card_peers(out);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}
