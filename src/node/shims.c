/* A hold and its shim: starting one, and what it tells. */
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/system.h"
#include "node/internal.h"

#include <fcntl.h>
#include <string.h>

enum { HOLD_OUTPUT_BYTES = 4000 };

void hold_drop_probe(Hold *hold)
{
  probe_cancel(g_steal_pointer(&hold->probe));
}

static void hold_tell(Hold *hold, NodeEvent event)
{
  event.instance = hold->id;
  node_event(hold->node, &event, NULL);
}

/* What the attempt that ended said last, unless it ended well. */
static char *hold_output(const Hold *hold, const ShimMessage *message)
{
  bool clean = message->exit.code == 0 && message->exit.signal == 0;
  return clean ? NULL : shim_log_tail(hold->directory, HOLD_OUTPUT_BYTES, message->output);
}

/* Was a process of the attempt that ended killed for want of memory? */
static bool hold_out_of_memory(const Hold *hold)
{
  return hold->limited && cgroups_oom_kills(hold->node->cgroups, hold->id) > hold->oom_kills;
}

static void hold_on_hello(void *data, const ShimMessage *message)
{
  Hold *hold = data;
  asks_answered(hold);
  if (hold->shim_starting) {
    hold->shim_starting = false;
    hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_UP});
    return;
  }
  if (!hold->adopting)
    return;
  hold->adopting = false;
  hold->limited = true; /* as far as anybody knows */
  g_autofree char *output = message->ended ? hold_output(hold, message) : NULL;
  ProcessIdentity identity;
  bool known = message->pid && identity_read(hold->directory, &identity);
  hold_tell(hold,
            (NodeEvent){
                .type = NODE_EVENT_SHIM_FOUND,
                .generation = message->generation,
                .attempt = message->attempt,
                .pid = message->pid,
                .up_ms = known ? MAX(clock_boot_ms() - identity_started_boot_ms(&identity), 0) : 0,
                .exit = message->exit,
                .out_of_memory = message->ended && hold_out_of_memory(hold),
                .text = output});
}

static void hold_on_started(void *data, const ShimMessage *message)
{
  hold_tell(
      data,
      (NodeEvent){.type = NODE_EVENT_STARTED, .attempt = message->attempt, .pid = message->pid});
}

static void hold_on_start_failed(void *data, const ShimMessage *message)
{
  const Hold *hold = data;
  g_autofree char *why =
      check_start_failed(message, supervisor_spec(hold->node->supervisor, hold->id));
  hold_tell(data, (NodeEvent){.type = NODE_EVENT_START_FAILED,
                              .attempt = message->attempt,
                              .text = why,
                              .passing = system_may_pass(message->error_number)});
}

static void hold_on_exited(void *data, const ShimMessage *message)
{
  Hold *hold = data;
  hold_drop_probe(hold);
  g_autofree char *output = hold_output(hold, message);
  hold_tell(hold, (NodeEvent){.type = NODE_EVENT_EXITED,
                              .attempt = message->attempt,
                              .exit = message->exit,
                              .out_of_memory = hold_out_of_memory(hold),
                              .text = output});
}

static void hold_on_rotated(void *data, const ShimMessage *message)
{
  const Hold *hold = data;
  (void)message;
  keep_soon(hold->node->keep);
}

static void hold_on_gone(void *data)
{
  Hold *hold = data;
  hold_drop_probe(hold);
  shim_free(g_steal_pointer(&hold->shim));
  bool ran = identity_read(hold->directory, &hold->orphan),
       alive = ran && identity_alive(&hold->orphan);
  log_warn("shim died", "instance=%s agent=%s", hold->id, alive ? "alive" : "dead");
  if (!alive)
    groups_remove(hold->node->groups, hold->id);
  if (hold->adopting) {
    hold->adopting = false;
    hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_ABSENT,
                                .generation = hold->orphan.generation,
                                .attempt = hold->orphan.attempt,
                                .orphan = alive});
    return;
  }
  bool starting = hold->shim_starting;
  hold->shim_starting = false;
  hold_tell(hold, starting ? (NodeEvent){.type = NODE_EVENT_SHIM_FAILED,
                                         .text = "it ended at once",
                                         .passing = true}
                           : (NodeEvent){.type = NODE_EVENT_SHIM_GONE, .orphan = ran});
}

const ShimEvents hold_shim_events = {.hello = hold_on_hello,
                                     .started = hold_on_started,
                                     .start_failed = hold_on_start_failed,
                                     .exited = hold_on_exited,
                                     .rotated = hold_on_rotated,
                                     .gone = hold_on_gone};

/* The files that the agent is told of, beside its instance, whose file was stored before. */
static bool hold_write_files(const Hold *hold, const InstanceSpec *spec, const User *user,
                             GError **error)
{
  if (!hold_write_file(hold, user, "peers.json", spec->peers, error))
    return false;
  if (!spec->agent_text)
    return true;
  const char *p = spec->agent_text;
  while (g_ascii_isspace(*p))
    p++;
  return hold_write_file(hold, user, *p == '{' ? "agent.json" : "agent.toml", spec->agent_text,
                         error);
}

static void hold_spawn(Hold *hold, const InstanceSpec *spec, int64_t generation, const User *user)
{
  Node *node = hold->node;
  ShimLaunch launch = {.shim_path = node->shim_path,
                       .directory = hold->directory,
                       .instance_dir = hold->directory,
                       .reeve_path = node->reeve_path,
                       .id = hold->id,
                       .cgroups = node->cgroups,
                       .spec = spec,
                       .user = user,
                       .secrets = hold->secrets,
                       .generation = generation};
  g_autoptr(GError) error = NULL;
  if (hold_write_files(hold, spec, user, &error))
    hold->shim = shim_spawn(node->loop, node->reaper, &launch, &hold_shim_events, hold, &error);
  hold->shim_starting = hold->shim != NULL;
  hold->limited = cgroups_wanted(&spec->resources);
  if (hold->shim)
    hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_SPAWNED});
  else
    hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_FAILED,
                                .text = error->message,
                                .passing = node_may_pass(error)});
}

static void hold_on_user(void *data, const User *user, const GError *error)
{
  Hold *hold = data;
  g_autoptr(InstanceSpec) spec = g_steal_pointer(&hold->waiting);
  hold->asking = NULL;
  if (user) {
    hold_spawn(hold, spec, hold->waiting_generation, user);
    return;
  }
  g_autofree char *why =
      g_strdup_printf("run as '%s': %s", node_user_of(hold->node, spec), error->message);
  hold_tell(
      hold,
      (NodeEvent){.type = NODE_EVENT_SHIM_FAILED, .text = why, .passing = node_may_pass(error)});
}

void hold_launch(Hold *hold, const InstanceSpec *spec, int64_t generation)
{
  const char *user = node_user_of(hold->node, spec);
  if (!user) {
    hold_spawn(hold, spec, generation, NULL);
    return;
  }
  instance_spec_free(hold->waiting);
  hold->waiting = instance_spec_copy(spec);
  hold->waiting_generation = generation;
  hold->asking = users_ask(hold->node->users, user, hold_on_user, hold);
}

/* ---- departures ---- */

enum { DEPARTURE_MS = 1000 };

typedef struct Departing {
  ProcessIdentity shim;
  int64_t at_ms;
} Departing;

/* A shim that was told to leave and is there still is frozen. It holds nothing, and its lock is in
 * the way of the next. */
static void departures_due(void *data)
{
  Node *node = data;
  for (Departing *first = g_queue_peek_head(&node->departing); first;
       first = g_queue_peek_head(&node->departing)) {
    if (first->at_ms > clock_boot_ms()) {
      loop_timer_set(node->departure, first->at_ms);
      return;
    }
    if (identity_kill(&first->shim))
      log_warn("a shim that did not leave was killed", "pid=%d", (int)first->shim.pid);
    g_free(g_queue_pop_head(&node->departing));
  }
}

void departures_free(Node *node)
{
  g_queue_clear_full(&node->departing, g_free);
  loop_timer_free(node->departure);
}

void hold_end_shim(Hold *hold)
{
  Node *node = hold->node;
  if (!hold->shim)
    return;
  Departing *departing = g_new0(Departing, 1);
  *departing =
      (Departing){.shim = shim_identity(hold->shim), .at_ms = clock_boot_ms() + DEPARTURE_MS};
  shim_end(g_steal_pointer(&hold->shim));
  g_queue_push_tail(&node->departing, departing);
  if (!node->departure)
    node->departure = loop_timer_new(node->loop, departures_due, node);
  if (node->departing.length == 1)
    loop_timer_set(node->departure, departing->at_ms);
}

void hold_start_shim(Hold *hold, const NodeAction *action)
{
  shim_free(g_steal_pointer(&hold->shim));
  g_clear_pointer(&hold->waiting, instance_spec_free);
  users_forget(g_steal_pointer(&hold->asking));
  secrets_drop(hold);
  if (action->spec->references && action->spec->references[0])
    secrets_ask(hold, action);
  else
    hold_launch(hold, action->spec, action->generation);
}
