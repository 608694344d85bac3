/* When an agent is probed and what the answers mean. Until the first healthy answer probes come at
 * 10 ms, doubling to the interval or a second; failures count only after the first healthy answer,
 * or when the agent had all the time that its settings give it. */
#include "supervise/probes.h"

#include <string.h>

enum { PROBE_FIRST_MS = 10, PROBE_STARTING_MS = 1000 };

/* A batch is done when it ends, and an agent without a port has nothing to discover. */
static bool probes_needed(const NodeInstance *instance)
{
  const HealthSpec *health = &instance->spec->health;
  if (instance->spec->kind == AGENT_BATCH || health->kind == HEALTH_NONE)
    return false;
  return health->kind != HEALTH_DISCOVER || instance->spec->port > 0;
}

void probes_begin(NodeInstance *instance)
{
  instance->failures = 0;
  instance->probing = instance->was_healthy = false;
  instance->health = HEALTH_UNKNOWN;
  if (probes_needed(instance)) {
    instance->probe_gap_ms = PROBE_FIRST_MS;
    instance->probe_boot_ms = instance->supervisor->now.boot_ms + PROBE_FIRST_MS;
  } else if (instance->spec->kind != AGENT_BATCH) {
    instance->act_boot_ms = instance->supervisor->now.boot_ms + INSTANCE_SETTLE_MS;
  }
  node_instance_schedule(instance);
}

void probes_end(NodeInstance *instance)
{
  instance->probe_boot_ms = INT64_MAX;
  instance->probing = instance->was_healthy = false;
  instance->health = HEALTH_UNKNOWN;
  node_instance_schedule(instance);
}

void probes_due(NodeInstance *instance)
{
  NodeAction *action = act(instance->supervisor, NODE_ACTION_PROBE, instance);
  action->spec = instance->spec;
  action->health = &instance->spec->health;
  action->port = instance->spec->port;
  action->path = g_strdup(instance->probe_path);
  action->attempt = instance->attempt;
  action->timeout_ms = instance->spec->health.timeout_ms;
  instance->probing = true;
  instance->probe_boot_ms = INT64_MAX;
  node_instance_schedule(instance);
}

static void probes_next(NodeInstance *instance)
{
  const HealthSpec *health = &instance->spec->health;
  instance->probe_gap_ms =
      MIN(instance->probe_gap_ms * 2, MIN(health->interval_ms, PROBE_STARTING_MS));
  int64_t gap = instance->was_healthy ? health->interval_ms : instance->probe_gap_ms;
  instance->probe_boot_ms = instance->supervisor->now.boot_ms + gap;
  node_instance_schedule(instance);
}

/* Reported only when something changes: probes come for as long as an agent lives. */
static void probes_set(NodeInstance *instance, Health health, const char *reason)
{
  bool same = instance->health == health && g_strcmp0(instance->reason, reason) == 0;
  if (same)
    return;
  /* to learn how it is changes nothing */
  if (instance->health != health && instance->health != HEALTH_UNKNOWN)
    instance->since_ms = instance->supervisor->now.wall_ms;
  instance->health = health;
  g_free(instance->reason);
  instance->reason = g_strdup(reason);
  node_instance_changed(instance);
}

/* It had its chance: @start_period and as many intervals as failures are allowed. */
static bool probes_out_of_time(const NodeInstance *instance)
{
  const HealthSpec *health = &instance->spec->health;
  int64_t allowed =
      health->start_period_ms + health->retries * (health->interval_ms + health->timeout_ms);
  return instance->supervisor->now.boot_ms - instance->started_boot_ms >= allowed;
}

char *probes_result(NodeInstance *instance, const NodeEvent *event)
{
  const HealthSpec *health = &instance->spec->health;
  if (event->attempt != instance->attempt || !instance->probing)
    return NULL;
  instance->probing = false;
  if (event->ok) {
    instance->failures = 0;
    instance->was_healthy = true;
    g_free(instance->probe_path);
    instance->probe_path = g_strdup(event->found);
    probes_set(instance, HEALTH_HEALTHY, NULL);
    probes_next(instance);
    return NULL;
  }
  /* something is there that is not well, or nothing answers at all */
  bool answered = event->text &&
                  (g_str_has_prefix(event->text, "HTTP") || g_str_has_prefix(event->text, "exit"));
  Health bad = answered ? HEALTH_UNHEALTHY : HEALTH_UNREACHABLE;
  instance->failures++;
  bool counts =
      instance->was_healthy ? instance->failures >= health->retries : probes_out_of_time(instance);
  if (!counts) {
    if (!instance->was_healthy)
      probes_set(instance, bad, event->text);
    probes_next(instance);
    return NULL;
  }
  probes_set(instance, bad, event->text);
  if (instance->spec->restart.policy == RESTART_NEVER) { /* said, and left running */
    probes_next(instance);
    return NULL;
  }
  return g_strdup_printf("unhealthy: %s", event->text ? event->text : "no answer");
}
