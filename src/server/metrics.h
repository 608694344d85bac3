#pragma once
/* Counters of this run. */
#include "core/core.h"
#include "server/auth.h"

#include <glib.h>

enum { METRICS_ROUTES_MAX = 96, METRICS_STATUS_MAX = 16 };

typedef struct Metrics {
  /* by route (last: no route) and status (last: any other) */
  guint64 requests[METRICS_ROUTES_MAX + 1][METRICS_STATUS_MAX + 1];
  guint64 auth_failures[AUTH_FAILURE_N];
  guint64 rollouts[OUTCOME_N]; /* that ended in this run */
  guint64 commits;
  guint64 commit_errors;
  guint64 reloads;
  guint64 frames_in, frames_out;
  guint64 agent_files_read, agent_scans;
} Metrics;

/* Statuses that are told apart; everything else is "other". */
extern const int metrics_statuses[METRICS_STATUS_MAX];

/* Counts one answered request. @route: index in the table, or METRICS_ROUTES_MAX. */
void metrics_count(Metrics *metrics, guint route, int status);

/* Counts what @event tells: a rollout that has ended. */
void metrics_event(Metrics *metrics, const Event *event);
