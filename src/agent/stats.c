/* Owns the counters of an agent and how they are told. */
#include "agent/stats.h"

#include "base/json.h"

#include <string.h>

enum { STATUS_GONE = 499, SMOOTH = 8 };

static const int64_t bucket_ms[STATS_BUCKETS] = {5,    10,   50,   100,   250,   500,
                                                 1000, 2500, 5000, 10000, 30000, 120000};

void agent_stats_init(AgentStats *stats)
{
  *stats = (AgentStats){.by_door = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
}

void agent_stats_done(AgentStats *stats)
{
  g_hash_table_unref(stats->by_door);
}

/* Doors and statuses are ours, so the table stays small. */
static void stats_count(AgentStats *stats, const char *door, int status)
{
  g_autofree char *key = g_strdup_printf("%s %d", door, status);
  int64_t *count = g_hash_table_lookup(stats->by_door, key);
  stats->errors += status != 200;
  if (!count) {
    count = g_new0(int64_t, 1);
    g_hash_table_insert(stats->by_door, g_steal_pointer(&key), count);
  }
  ++*count;
}

static void stats_add_work(AgentStats *stats, const AskResult *result)
{
  int bucket = 0;
  while (bucket < STATS_BUCKETS && result->duration_ms > bucket_ms[bucket])
    bucket++;
  stats->buckets[bucket]++;
  stats->duration_sum_ms += result->duration_ms;
  stats->answer_ms +=
      stats->answer_ms ? (result->duration_ms - stats->answer_ms) / SMOOTH : result->duration_ms;
  stats->prompt_tokens += MAX(result->usage.prompt_tokens, 0);
  stats->completion_tokens += MAX(result->usage.completion_tokens, 0);
  stats->rounds += result->usage.rounds;
  stats->tool_calls += result->usage.tool_calls;
  if (result->first_token_ms >= 0) {
    stats->first_token_sum_ms += result->first_token_ms;
    stats->first_tokens++;
  }
}

void agent_stats_ask(AgentStats *stats, const char *door, const AskResult *result)
{
  stats_count(stats, door, result->status);
  if (result->status != 429)
    stats_add_work(stats, result);
}

void agent_stats_cancelled(AgentStats *stats, const char *door, const AskResult *result)
{
  stats_count(stats, door, STATUS_GONE);
  stats_add_work(stats, result);
}

void agent_stats_refused(AgentStats *stats, const char *door, int status)
{
  stats->requests++;
  stats_count(stats, door, status);
}

void agent_stats_status(const AgentStats *stats, GString *out)
{
  jw_int(out, "requests", stats->requests);
  jw_int(out, "errors", stats->errors);
  jw_open(out, "usage", '{');
  jw_int(out, "prompt_tokens", stats->prompt_tokens);
  jw_int(out, "completion_tokens", stats->completion_tokens);
  jw_int(out, "rounds", stats->rounds);
  jw_int(out, "tool_calls", stats->tool_calls);
  jw_int(out, "duration_ms", stats->duration_sum_ms);
  jw_close(out, '}');
}

static void stats_head(GString *out, const char *name, const char *type, const char *help)
{
  g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void stats_requests(const AgentStats *stats, GString *out)
{
  GHashTableIter iter;
  gpointer key, count;
  stats_head(out, "reeve_agent_requests_total", "counter",
             "Questions by door and status; 499 = the caller left.");
  g_hash_table_iter_init(&iter, stats->by_door);
  while (g_hash_table_iter_next(&iter, &key, &count)) {
    const char *status = strchr(key, ' ');
    g_string_append_printf(
        out, "reeve_agent_requests_total{door=\"%.*s\",status=\"%s\"} %" G_GINT64_FORMAT "\n",
        (int)(status - (char *)key), (char *)key, status + 1, *(int64_t *)count);
  }
}

static void stats_durations(const AgentStats *stats, GString *out)
{
  int64_t total = 0;
  stats_head(out, "reeve_agent_request_duration_seconds", "histogram",
             "From arrival to end, of questions that were taken.");
  for (int i = 0; i < STATS_BUCKETS; i++) {
    total += stats->buckets[i];
    g_string_append_printf(
        out, "reeve_agent_request_duration_seconds_bucket{le=\"%g\"} %" G_GINT64_FORMAT "\n",
        (double)bucket_ms[i] / 1000, total);
  }
  total += stats->buckets[STATS_BUCKETS];
  g_string_append_printf(
      out,
      "reeve_agent_request_duration_seconds_bucket{le=\"+Inf\"} %" G_GINT64_FORMAT "\n"
      "reeve_agent_request_duration_seconds_sum %.3f\nreeve_agent_request_duration_seconds_count %" G_GINT64_FORMAT
      "\n",
      total, (double)stats->duration_sum_ms / 1000, total);
  stats_head(out, "reeve_agent_first_token_seconds", "summary",
             "From the start at the brain to its first word.");
  g_string_append_printf(
      out,
      "reeve_agent_first_token_seconds_sum %.3f\nreeve_agent_first_token_seconds_count %" G_GINT64_FORMAT
      "\n",
      (double)stats->first_token_sum_ms / 1000, stats->first_tokens);
}

void agent_stats_metrics(const AgentStats *stats, GString *out)
{
  const struct {
    const char *labels;
    int64_t value;
  } tokens[] = {{"direction=\"in\"", stats->prompt_tokens},
                {"direction=\"out\"", stats->completion_tokens}};
  stats_requests(stats, out);
  stats_durations(stats, out);
  stats_head(out, "reeve_agent_tokens_total", "counter", "Tokens as the brain tells them.");
  for (size_t i = 0; i < G_N_ELEMENTS(tokens); i++)
    g_string_append_printf(out, "reeve_agent_tokens_total{%s} %" G_GINT64_FORMAT "\n",
                           tokens[i].labels, tokens[i].value);
  stats_head(out, "reeve_agent_rounds_total", "counter",
             "Turns of the brain, more than one per question when it wants tools called.");
  g_string_append_printf(out, "reeve_agent_rounds_total %" G_GINT64_FORMAT "\n", stats->rounds);
}
