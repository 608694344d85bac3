#pragma once
/* What the agent has done since its start, for /status and /metrics. */
#include "agent/ask.h"

#include <glib.h>

enum { STATS_BUCKETS = 12 };

typedef struct AgentStats {
  int64_t requests; /* questions that came, also those that were refused */
  int64_t errors;   /* those of them that were not answered with 200 */
  int64_t prompt_tokens, completion_tokens, rounds, tool_calls;
  int64_t answer_ms;       /* of an answer, smoothed; 0 = none yet */
  int64_t duration_sum_ms; /* of all that a brain had */
  int64_t buckets[STATS_BUCKETS + 1];
  int64_t first_token_sum_ms, first_tokens;
  GHashTable *by_door; /* "door status" -> int64_t* */
} AgentStats;

void agent_stats_init(AgentStats *stats);
void agent_stats_done(AgentStats *stats);
/* A question that came to ask_begin ended with @result. */
void agent_stats_ask(AgentStats *stats, const char *door, const AskResult *result);
/* Nobody waited for it any more; status 499 in the counters. */
void agent_stats_cancelled(AgentStats *stats, const char *door, const AskResult *result);
/* A door refused a request itself with @status; it never came to ask_begin. */
void agent_stats_refused(AgentStats *stats, const char *door, int status);
/* Members "requests", "errors" and "usage" of an object. */
void agent_stats_status(const AgentStats *stats, GString *out);
/* The counters as Prometheus text; the gauges are the caller's. */
void agent_stats_metrics(const AgentStats *stats, GString *out);
