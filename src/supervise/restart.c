/* What follows the end of an agent's main process: replaced, stopped, completed, restarted after a
 * delay, or given up. */
#include "supervise/instance.h"

#include "base/text.h"

static bool restart_clean(const Held *held)
{
  return held->last_exit.code == 0 && held->last_exit.signal == 0;
}

/* Nothing runs and nothing shall: the outcome is stored, and only then may the shim go that
 * remembers how it ended. */
static void restart_final(Held *held, Life life, const char *reason)
{
  held_set_life(held, life, reason);
  if (held->forget)
    held_forget(held);
  else
    held_store(held);
}

/* Its file tells a final life, and now nothing of it is left. */
static void restart_outcome(Held *held, Life outcome)
{
  if (held->shim_up) /* what it remembers is on the disk, or was told */
    act(held->supervisor, NODE_ACTION_END_SHIM, held);
  held->shim_up = false;
  held_set_life(held, outcome, held->reason);
  if (held->forget)
    held_forget(held);
}

static bool restart_wanted(const Held *held, bool unhealthy)
{
  const RestartSpec *restart = &held->spec->restart;
  if (restart->policy == RESTART_NEVER || (held->spec->kind == AGENT_BATCH && restart_clean(held)))
    return false;
  return unhealthy || restart->policy == RESTART_ALWAYS || !restart_clean(held);
}

void restart_now(Held *held)
{
  if (held->unstored) {
    held->unstored = false;
    held_set_life(held, LIFE_STORING, held->reason);
    held_store(held);
    return;
  }
  NodeAction *action =
      act(held->supervisor, held->shim_up ? NODE_ACTION_START : NODE_ACTION_START_SHIM, held);
  if (held->shim_up)
    action->attempt = ++held->attempt;
  else
    action->spec = held->spec;
  held_set_life(held, held->shim_up ? LIFE_STARTING : LIFE_SHIM, held->reason);
  if (held->shim_up)
    held_owes_answer(held);
}

void restart_passing(Held *held, const char *reason)
{
  int64_t delay = restart_delay_ms(&held->spec->restart, ++held->passing);
  held_set_life(held, LIFE_BACKOFF, reason);
  held->act_boot_ms = held->supervisor->now.boot_ms + MAX(delay, HELD_PASSING_MS);
  held_schedule(held);
}

/* The first start of a generation that was stored and got no further; no restart, whatever became
 * of its predecessor. */
static void restart_first(Held *held)
{
  if (held->shim_up)
    act(held->supervisor, NODE_ACTION_END_SHIM, held);
  held->shim_up = held->unstarted = false;
  held->attempt = 0;
  held->last_exit = (ExitStatus){.code = -1};
  g_clear_pointer(&held->output, g_free);
  g_clear_pointer(&held->reason, g_free);
  restart_now(held);
}

static void restart_again(Held *held, const char *reason)
{
  const RestartSpec *restart = &held->spec->restart;
  int64_t up_ms = held->started_boot_ms ? held->supervisor->now.boot_ms - held->started_boot_ms : 0;
  /* an attempt that ends before it ran was not up as long as the one before it */
  held->started_boot_ms = 0;
  if (up_ms >= restart->stable_ms)
    held->restarts = 0;
  if (restart->max >= 0 && held->restarts >= restart->max) {
    g_autofree char *why = restart->max
                               ? g_strdup_printf("%s, after %d restart%s", reason, held->restarts,
                                                 text_plural(held->restarts))
                               : g_strdup(reason);
    restart_final(held, LIFE_FAILED, why);
    return;
  }
  held->restarts++;
  int64_t delay = restart_delay_ms(restart, held->restarts);
  held_set_life(held, LIFE_BACKOFF, reason);
  if (delay == 0) {
    restart_now(held);
    return;
  }
  held->act_boot_ms = held->supervisor->now.boot_ms + delay;
  held_schedule(held);
}

void held_ended(Held *held, const char *reason)
{
  bool unhealthy = held->unhealthy_stop;
  g_autofree char *kept = g_strdup(unhealthy && held->reason ? held->reason : reason);
  probes_end(held);
  held->pid = 0;
  held->unhealthy_stop = held->killed = false;
  held->act_boot_ms = INT64_MAX;
  held_schedule(held);
  Life outcome = held->outcome;
  held->outcome = LIFE_ADOPTING;
  if (held->pending) {
    Instruction *next = g_steal_pointer(&held->pending);
    held_set_life(held, LIFE_STOPPED, kept);
    held_start(held, next);
    instruction_free(next);
    return;
  }
  if (outcome)
    restart_outcome(held, outcome);
  else if (!held->desired_running)
    restart_final(held, LIFE_STOPPED, kept);
  else if (held->unstarted)
    restart_first(held);
  else if (restart_wanted(held, unhealthy))
    restart_again(held, kept);
  else
    restart_final(held, restart_clean(held) ? LIFE_COMPLETED : LIFE_FAILED, kept);
}
