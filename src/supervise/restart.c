/* What follows the end of an agent's main process: replaced, stopped, completed, restarted after a
 * delay, or given up. */
#include "supervise/restart.h"

#include "base/text.h"
#include "supervise/probes.h"
#include "supervise/steps.h"

static bool restart_clean(const NodeInstance *instance)
{
  return instance->last_exit.code == 0 && instance->last_exit.signal == 0;
}

/* Nothing runs and nothing shall: the outcome is stored, and only then may the handle go that
 * remembers how it ended. */
static void restart_final(NodeInstance *instance, Life life, const char *reason)
{
  node_instance_set_life(instance, life, reason);
  if (instance->forget)
    node_instance_leave(instance);
  else
    node_instance_store(instance);
}

/* Its file tells a final life, and now nothing of it is left. */
static void restart_outcome(NodeInstance *instance, Life outcome)
{
  node_instance_release(instance); /* what it remembers is on the disk, or was told */
  node_instance_set_life(instance, outcome, instance->reason);
  if (instance->forget)
    node_instance_leave(instance);
}

/* Does the policy of its spec want another attempt? A batch that ended well is done. */
static bool restart_wanted(const NodeInstance *instance, bool unhealthy)
{
  const RestartSpec *restart = &instance->spec->restart;
  if (restart->policy == RESTART_NEVER ||
      (instance->spec->kind == AGENT_BATCH && restart_clean(instance)))
    return false;
  return unhealthy || restart->policy == RESTART_ALWAYS || !restart_clean(instance);
}

void restart_now(NodeInstance *instance)
{
  if (instance->unstored) { /* nothing of a generation starts before its file is durable */
    instance->unstored = false;
    node_instance_set_life(instance, LIFE_STORING, instance->reason);
    node_instance_store(instance);
    return;
  }
  if (instance->prepared)
    node_instance_start_attempt(instance, instance->reason);
  else
    node_instance_prepare(instance, instance->reason);
}

void restart_passing(NodeInstance *instance, const char *reason)
{
  int64_t delay = restart_delay_ms(&instance->spec->restart, ++instance->passing_failures);
  node_instance_set_life(instance, LIFE_BACKOFF, reason);
  instance->act_boot_ms = instance->supervisor->now.boot_ms + MAX(delay, INSTANCE_RETRY_MS);
  node_instance_schedule(instance);
}

/* The first start of a generation that was stored and got no further; no restart, whatever became
 * of its predecessor. */
static void restart_first(NodeInstance *instance)
{
  node_instance_release(instance);
  instance->unstarted = false;
  instance->attempt = 0;
  instance->last_exit = (ExitStatus){.code = -1};
  g_clear_pointer(&instance->output, g_free);
  g_clear_pointer(&instance->reason, g_free);
  restart_now(instance);
}

static void restart_again(NodeInstance *instance, const char *reason)
{
  const RestartSpec *restart = &instance->spec->restart;
  int64_t up_ms =
      instance->started_boot_ms ? instance->supervisor->now.boot_ms - instance->started_boot_ms : 0;
  /* an attempt that ends before it ran was not up as long as the one before it */
  instance->started_boot_ms = 0;
  if (up_ms >= restart->stable_ms) /* it was well: the count begins anew */
    instance->restarts = 0;
  if (restart->max >= 0 && instance->restarts >= restart->max) {
    g_autofree char *why =
        restart->max ? g_strdup_printf("%s, after %d restart%s", reason, instance->restarts,
                                       text_plural(instance->restarts))
                     : g_strdup(reason);
    restart_final(instance, LIFE_FAILED, why);
    return;
  }
  instance->restarts++;
  int64_t delay = restart_delay_ms(restart, instance->restarts);
  node_instance_set_life(instance, LIFE_BACKOFF, reason);
  if (delay == 0) {
    restart_now(instance);
    return;
  }
  instance->act_boot_ms = instance->supervisor->now.boot_ms + delay;
  node_instance_schedule(instance);
}

/* What is left over of the attempt goes first, so that whatever follows begins clean; @reason may
 * be the instance's own. */
void node_instance_ended(NodeInstance *instance, const char *reason)
{
  bool unhealthy = instance->unhealthy_stop;
  g_autofree char *kept = g_strdup(unhealthy && instance->reason ? instance->reason : reason);
  probes_end(instance);
  instance->pid = 0;
  instance->unhealthy_stop = instance->killed = false;
  instance->act_boot_ms = INT64_MAX;
  node_instance_schedule(instance);
  Life outcome = instance->outcome;
  instance->outcome = LIFE_ADOPTING;
  if (instance->pending) {
    Instruction *next = g_steal_pointer(&instance->pending);
    node_instance_set_life(instance, LIFE_STOPPED, kept);
    node_instance_begin(instance, next);
    instruction_free(next);
    return;
  }
  if (outcome)
    restart_outcome(instance, outcome);
  else if (!instance->desired_running)
    restart_final(instance, LIFE_STOPPED, kept);
  else if (instance->unstarted)
    restart_first(instance);
  else if (restart_wanted(instance, unhealthy))
    restart_again(instance, kept);
  else
    restart_final(instance, restart_clean(instance) ? LIFE_COMPLETED : LIFE_FAILED, kept);
}
