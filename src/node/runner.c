/* A runner and its shim: starting one, what it tells, and letting it go. The shim is what the
 * supervisor knows as the handle of the process driver. */
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/system.h"
#include "node/internal.h"

#include <fcntl.h>
#include <string.h>

enum { RUNNER_OUTPUT_BYTES = 4000 };

void runner_drop_probe(Runner *runner)
{
  probe_cancel(g_steal_pointer(&runner->probe));
}

static void runner_tell(Runner *runner, NodeEvent event)
{
  event.instance = runner->id;
  node_event(runner->node, &event, NULL);
}

/* What the attempt that ended said last, unless it ended well. */
static char *runner_output(const Runner *runner, const ShimMessage *message)
{
  bool clean = message->exit.code == 0 && message->exit.signal == 0;
  return clean ? NULL : shim_log_tail(runner->directory, RUNNER_OUTPUT_BYTES, message->output);
}

/* Was a process of the attempt that ended killed for want of memory? */
static bool runner_out_of_memory(const Runner *runner)
{
  return runner->limited &&
         cgroups_oom_kills(runner->node->cgroups, runner->id) > runner->oom_kills;
}

/* The first hello of a connection says where the shim stands; a later one only that it answers. */
static void runner_on_hello(void *data, const ShimMessage *message)
{
  Runner *runner = data;
  asks_answered(runner);
  if (runner->preparing) {
    runner->preparing = false;
    runner_tell(runner, (NodeEvent){.type = NODE_EVENT_PREPARED});
    return;
  }
  if (!runner->adopting)
    return;
  runner->adopting = false;
  runner->limited = true; /* as far as we know: it was started by an earlier node */
  g_autofree char *output = message->ended ? runner_output(runner, message) : NULL;
  ProcessIdentity identity;
  bool known = message->pid && identity_read(runner->directory, &identity);
  runner_tell(
      runner,
      (NodeEvent){.type = NODE_EVENT_FOUND,
                  .generation = message->generation,
                  .attempt = message->attempt,
                  .pid = message->pid,
                  .up_ms =
                      known ? MAX(clock_boot_ms() - identity_started_boot_ms(&identity), 0) : 0,
                  .exit = message->exit,
                  .out_of_memory = message->ended && runner_out_of_memory(runner),
                  .text = output});
}

static void runner_on_started(void *data, const ShimMessage *message)
{
  runner_tell(
      data,
      (NodeEvent){.type = NODE_EVENT_STARTED, .attempt = message->attempt, .pid = message->pid});
}

static void runner_on_start_failed(void *data, const ShimMessage *message)
{
  const Runner *runner = data;
  g_autofree char *why =
      check_start_failed(message, supervisor_spec(runner->node->supervisor, runner->id));
  runner_tell(data, (NodeEvent){.type = NODE_EVENT_START_FAILED,
                                .attempt = message->attempt,
                                .text = why,
                                .failure = system_may_pass(message->error_number) ? FAILURE_PASSING
                                                                                  : FAILURE_FINAL});
}

static void runner_on_exited(void *data, const ShimMessage *message)
{
  Runner *runner = data;
  runner_drop_probe(runner);
  g_autofree char *output = runner_output(runner, message);
  runner_tell(runner, (NodeEvent){.type = NODE_EVENT_EXITED,
                                  .attempt = message->attempt,
                                  .exit = message->exit,
                                  .out_of_memory = runner_out_of_memory(runner),
                                  .text = output});
}

static void runner_on_rotated(void *data, const ShimMessage *message)
{
  const Runner *runner = data;
  (void)message;
  keep_soon(runner->node->keep);
}

/* The connection broke, and that only a dead shim does. What it held may live: its state file says
 * who that is. */
static void runner_on_gone(void *data)
{
  Runner *runner = data;
  runner_drop_probe(runner);
  shim_free(g_steal_pointer(&runner->shim));
  bool ran = identity_read(runner->directory, &runner->main_process),
       alive = ran && identity_alive(&runner->main_process);
  log_warn("shim died", "instance=%s agent=%s", runner->id, alive ? "alive" : "dead");
  if (!alive)
    groups_remove(runner->node->groups, runner->id);
  if (runner->adopting) {
    runner->adopting = false;
    runner_tell(runner, (NodeEvent){.type = NODE_EVENT_ABSENT,
                                    .generation = runner->main_process.generation,
                                    .attempt = runner->main_process.attempt,
                                    .tree_lives = alive});
    return;
  }
  bool starting = runner->preparing;
  runner->preparing = false;
  runner_tell(runner, starting ? (NodeEvent){.type = NODE_EVENT_PREPARE_FAILED,
                                             .text = "it ended at once",
                                             .failure = FAILURE_PASSING}
                               : (NodeEvent){.type = NODE_EVENT_VANISHED, .tree_lives = ran});
}

const ShimEvents runner_shim_events = {.hello = runner_on_hello,
                                       .started = runner_on_started,
                                       .start_failed = runner_on_start_failed,
                                       .exited = runner_on_exited,
                                       .rotated = runner_on_rotated,
                                       .gone = runner_on_gone};

/* The files that the agent is told of, beside its instance, whose file was stored before. */
static bool runner_write_files(const Runner *runner, const InstanceSpec *spec, const User *user,
                               GError **error)
{
  if (!runner_write_file(runner, user, "peers.json", spec->peers, error))
    return false;
  if (!spec->agent_text)
    return true;
  const char *p = spec->agent_text;
  while (g_ascii_isspace(*p))
    p++;
  return runner_write_file(runner, user, *p == '{' ? "agent.json" : "agent.toml", spec->agent_text,
                           error);
}

/* Everything that the spec asks for is here. */
static void runner_spawn(Runner *runner, const InstanceSpec *spec, int64_t generation,
                         const User *user)
{
  Node *node = runner->node;
  ShimLaunch launch = {.shim_path = node->shim_path,
                       .directory = runner->directory,
                       .instance_dir = runner->directory,
                       .reeve_path = node->reeve_path,
                       .id = runner->id,
                       .cgroups = node->cgroups,
                       .spec = spec,
                       .user = user,
                       .secrets = runner->secrets,
                       .generation = generation};
  g_autoptr(GError) error = NULL;
  if (runner_write_files(runner, spec, user, &error))
    runner->shim =
        shim_spawn(node->loop, node->reaper, &launch, &runner_shim_events, runner, &error);
  runner->preparing = runner->shim != NULL;
  runner->limited = cgroups_wanted(&spec->resources);
  if (runner->shim)
    runner_tell(runner, (NodeEvent){.type = NODE_EVENT_CREATED});
  else
    runner_tell(runner, (NodeEvent){.type = NODE_EVENT_PREPARE_FAILED,
                                    .text = error->message,
                                    .failure = node_failure(error)});
}

static void runner_on_user(void *data, const User *user, const GError *error)
{
  Runner *runner = data;
  g_autoptr(InstanceSpec) spec = g_steal_pointer(&runner->waiting);
  runner->asking = NULL;
  if (user) {
    runner_spawn(runner, spec, runner->waiting_generation, user);
    return;
  }
  g_autofree char *why =
      g_strdup_printf("run as '%s': %s", node_user_of(runner->node, spec), error->message);
  runner_tell(
      runner,
      (NodeEvent){.type = NODE_EVENT_PREPARE_FAILED, .text = why, .failure = node_failure(error)});
}

void runner_launch(Runner *runner, const InstanceSpec *spec, int64_t generation)
{
  const char *user = node_user_of(runner->node, spec);
  if (!user) {
    runner_spawn(runner, spec, generation, NULL);
    return;
  }
  instance_spec_free(runner->waiting);
  runner->waiting = instance_spec_copy(spec);
  runner->waiting_generation = generation;
  runner->asking = users_ask(runner->node->users, user, runner_on_user, runner);
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

void runner_release(Runner *runner)
{
  Node *node = runner->node;
  if (!runner->shim)
    return;
  Departing *departing = g_new0(Departing, 1);
  *departing =
      (Departing){.shim = shim_identity(runner->shim), .at_ms = clock_boot_ms() + DEPARTURE_MS};
  shim_end(g_steal_pointer(&runner->shim));
  g_queue_push_tail(&node->departing, departing);
  if (!node->departure)
    node->departure = loop_timer_new(node->loop, departures_due, node);
  if (node->departing.length == 1)
    loop_timer_set(node->departure, departing->at_ms);
}

/* Three steps, each only where it is needed: secrets, user, shim. What an earlier start still waits
 * for is void. */
void runner_prepare(Runner *runner, const NodeAction *action)
{
  shim_free(g_steal_pointer(&runner->shim));
  g_clear_pointer(&runner->waiting, instance_spec_free);
  users_forget(g_steal_pointer(&runner->asking));
  secrets_drop(runner);
  if (action->spec->references && action->spec->references[0])
    secrets_ask(runner, action);
  else
    runner_launch(runner, action->spec, action->generation);
}
