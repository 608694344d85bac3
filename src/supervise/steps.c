/* The steps of a life: what is asked of disk and driver, together with the life that waits for the
 * answer. */
#include "supervise/steps.h"

#include "supervise/instance_file.h"
#include "supervise/probes.h"

void node_instance_store(NodeInstance *instance)
{
  NodeAction *action = act(instance->supervisor, NODE_ACTION_STORE, instance);
  action->text = instance_file_write(instance);
  action->generation = instance->generation;
  instance->stores++;
}

void node_instance_release(NodeInstance *instance)
{
  if (instance->prepared)
    act(instance->supervisor, NODE_ACTION_RELEASE, instance);
  instance->prepared = false;
}

/* ---- forward ---- */

/* Takes over what @instruction says; nothing of an older generation lives. A handle belongs to one
 * generation, whose spec it was given. */
static void node_instance_take_spec(NodeInstance *instance, const Instruction *instruction)
{
  node_instance_release(instance);
  instance->epoch = instruction->epoch;
  instance->generation = instruction->generation;
  instance_spec_free(instance->spec);
  instance->spec = instance_spec_copy(instruction->spec);
  instance->desired_running = true;
  instance->rebooted = instance->forget = instance->unhealthy_stop = instance->release_wanted =
      instance->unstarted = instance->unstored = false;
  instance->attempt = instance->restarts = instance->passing_failures = 0;
  instance->alone_boot_ms = 0;
  instance->last_exit = (ExitStatus){.code = -1};
  instance->health = HEALTH_UNKNOWN;
  g_clear_pointer(&instance->output, g_free);
  g_clear_pointer(&instance->probe_path, g_free);
}

void node_instance_begin(NodeInstance *instance, const Instruction *instruction)
{
  instance->act_boot_ms = INT64_MAX;
  node_instance_schedule(instance);
  node_instance_take_spec(instance, instruction);
  node_instance_set_life(instance, LIFE_STORING, NULL);
  node_instance_store(instance);
}

void node_instance_prepare(NodeInstance *instance, const char *reason)
{
  act(instance->supervisor, NODE_ACTION_PREPARE, instance)->spec = instance->spec;
  node_instance_set_life(instance, LIFE_PREPARING, reason);
}

void node_instance_start_attempt(NodeInstance *instance, const char *reason)
{
  act(instance->supervisor, NODE_ACTION_START, instance)->attempt = ++instance->attempt;
  node_instance_set_life(instance, LIFE_STARTING, reason);
  node_instance_await_answer(instance);
}

/* ---- back ---- */

void node_instance_kill(NodeInstance *instance)
{
  instance->killed = true;
  act(instance->supervisor, NODE_ACTION_KILL, instance);
  node_instance_await_answer(instance);
}

void node_instance_begin_clear(NodeInstance *instance, const char *reason)
{
  instance->prepared = instance->release_wanted = instance->clear_late = false;
  probes_end(instance);
  act(instance->supervisor, NODE_ACTION_CLEAR, instance);
  node_instance_set_life(instance, LIFE_CLEARING, reason);
  node_instance_await_answer(instance);
}

void node_instance_begin_stop(NodeInstance *instance, const char *reason)
{
  if (instance->life == LIFE_STOPPING || instance->life == LIFE_ADOPTING ||
      instance->life == LIFE_CLEARING)
    return;
  if (instance->life == LIFE_PREPARING) { /* nothing to signal yet: PREPARED is waited for */
    instance->release_wanted = true;
    node_instance_set_life(instance, LIFE_PREPARING, reason);
    return;
  }
  bool known = instance->life == LIFE_RUNNING;
  probes_end(instance);
  node_instance_set_life(instance, LIFE_STOPPING, reason);
  if (known)
    act(instance->supervisor, NODE_ACTION_SIGNAL, instance)->signal = instance->spec->stop.signal;
  instance->act_boot_ms = instance->supervisor->now.boot_ms + instance->spec->stop.grace_ms;
  node_instance_schedule(instance);
}

void node_instance_leave(NodeInstance *instance)
{
  node_instance_release(instance);
  if (instance->stores == 0) {
    node_instance_drop(instance);
    return;
  }
  /* a file that is on its way to the disk would come after the directory went: wait for it */
  instance->life = LIFE_STOPPED;
  instance->desired_running = false;
  instance->act_boot_ms = INT64_MAX;
  node_instance_schedule(instance);
}
