/* When an agent is probed and what the answers mean. Until the first healthy answer probes come at
 * 10 ms, doubling to the interval or a second; failures count only after the first healthy answer,
 * or when the agent had all the time that its settings give it. */
#include "supervise/instance.h"

#include <string.h>

enum { PROBE_FIRST_MS = 10, PROBE_STARTING_MS = 1000 };

static bool probes_needed(const Held *held)
{
  const HealthSpec *health = &held->spec->health;
  if (held->spec->kind == AGENT_BATCH || health->kind == HEALTH_NONE)
    return false;
  return health->kind != HEALTH_DISCOVER || held->spec->port > 0;
}

void probes_begin(Held *held)
{
  held->failures = 0;
  held->probing = held->was_healthy = false;
  held->health = HEALTH_UNKNOWN;
  if (probes_needed(held)) {
    held->probe_gap_ms = PROBE_FIRST_MS;
    held->probe_boot_ms = held->supervisor->now.boot_ms + PROBE_FIRST_MS;
  } else if (held->spec->kind != AGENT_BATCH) {
    held->act_boot_ms = held->supervisor->now.boot_ms + HELD_SETTLE_MS;
  }
  held_schedule(held);
}

void probes_end(Held *held)
{
  held->probe_boot_ms = INT64_MAX;
  held->probing = held->was_healthy = false;
  held->health = HEALTH_UNKNOWN;
  held_schedule(held);
}

void probes_due(Held *held)
{
  NodeAction *action = act(held->supervisor, NODE_ACTION_PROBE, held);
  action->spec = held->spec;
  action->health = &held->spec->health;
  action->port = held->spec->port;
  action->path = g_strdup(held->probe_path);
  action->attempt = held->attempt;
  action->timeout_ms = held->spec->health.timeout_ms;
  held->probing = true;
  held->probe_boot_ms = INT64_MAX;
  held_schedule(held);
}

static void probes_next(Held *held)
{
  const HealthSpec *health = &held->spec->health;
  held->probe_gap_ms = MIN(held->probe_gap_ms * 2, MIN(health->interval_ms, PROBE_STARTING_MS));
  int64_t gap = held->was_healthy ? health->interval_ms : held->probe_gap_ms;
  held->probe_boot_ms = held->supervisor->now.boot_ms + gap;
  held_schedule(held);
}

static void probes_set(Held *held, Health health, const char *reason)
{
  bool same = held->health == health && g_strcmp0(held->reason, reason) == 0;
  if (same)
    return;
  /* to learn how it is changes nothing */
  if (held->health != health && held->health != HEALTH_UNKNOWN)
    held->since_ms = held->supervisor->now.wall_ms;
  held->health = health;
  g_free(held->reason);
  held->reason = g_strdup(reason);
  held_changed(held);
}

/* It had its chance: @start_period and as many intervals as failures are allowed. */
static bool probes_out_of_time(const Held *held)
{
  const HealthSpec *health = &held->spec->health;
  int64_t allowed =
      health->start_period_ms + health->retries * (health->interval_ms + health->timeout_ms);
  return held->supervisor->now.boot_ms - held->started_boot_ms >= allowed;
}

void probes_result(Held *held, const NodeEvent *event)
{
  const HealthSpec *health = &held->spec->health;
  if (event->attempt != held->attempt || !held->probing)
    return;
  held->probing = false;
  if (event->ok) {
    held->failures = 0;
    held->was_healthy = true;
    g_free(held->probe_path);
    held->probe_path = g_strdup(event->found);
    probes_set(held, HEALTH_HEALTHY, NULL);
    probes_next(held);
    return;
  }
  bool answered = event->text &&
                  (g_str_has_prefix(event->text, "HTTP") || g_str_has_prefix(event->text, "exit"));
  Health bad = answered ? HEALTH_UNHEALTHY : HEALTH_UNREACHABLE;
  held->failures++;
  bool counts = held->was_healthy ? held->failures >= health->retries : probes_out_of_time(held);
  if (!counts) {
    if (!held->was_healthy)
      probes_set(held, bad, event->text);
    probes_next(held);
    return;
  }
  probes_set(held, bad, event->text);
  if (held->spec->restart.policy == RESTART_NEVER) {
    probes_next(held);
    return;
  }
  g_autofree char *why = g_strdup_printf("unhealthy: %s", event->text ? event->text : "no answer");
  held->unhealthy_stop = true;
  held_begin_stop(held, why);
}
