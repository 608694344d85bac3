/* What a handle needs before its driver is asked for it, step by step, each only where it is
 * needed: secrets, user, files. The values of secrets stay in memory; a restart by the node happens
 * inside the handle and needs none. */
#include "node/equip.h"

#include "node/access.h"
#include "node/secrets.h"
#include "node/users.h"

#include <string.h>

static void equip_fail(const Runner *runner, const char *why, FailureClass failure)
{
  NodeEvent failed = {
      .type = NODE_EVENT_PREPARE_FAILED, .instance = runner->id, .text = why, .failure = failure};
  node_event(runner->node, &failed, NULL);
}

/* The files that the agent is told of, beside its instance, whose file was stored before. */
static bool equip_write_files(const Runner *runner, const InstanceSpec *spec, const User *user,
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
static void equip_hand_over(Runner *runner, const InstanceSpec *spec, int64_t generation,
                            const User *user)
{
  g_autoptr(GError) error = NULL;
  if (!equip_write_files(runner, spec, user, &error)) {
    equip_fail(runner, error->message, failure_class(error));
    return;
  }
  DriverJob job = {.id = runner->id,
                   .generation = generation,
                   .spec = spec,
                   .user = user,
                   .secrets = runner->secrets};
  Driver *driver = driver_of(runner->node, spec);
  driver->ops->prepare(driver, &job);
}

static void equip_on_user(void *data, const User *user, const GError *error)
{
  Runner *runner = data;
  g_autoptr(InstanceSpec) spec = g_steal_pointer(&runner->waiting);
  runner->asking = NULL;
  if (user) {
    equip_hand_over(runner, spec, runner->waiting_generation, user);
    return;
  }
  g_autofree char *why =
      g_strdup_printf("run as '%s': %s", node_user_of(runner->node, spec), error->message);
  equip_fail(runner, why, failure_class(error));
}

/* Its secrets are here. */
static void equip_ask_user(Runner *runner, const InstanceSpec *spec, int64_t generation)
{
  const char *user = node_user_of(runner->node, spec);
  if (!user) {
    equip_hand_over(runner, spec, generation, NULL);
    return;
  }
  instance_spec_free(runner->waiting);
  runner->waiting = instance_spec_copy(spec);
  runner->waiting_generation = generation;
  runner->asking = users_ask(runner->node->users, user, equip_on_user, runner);
}

/* ---- secrets ---- */

static void equip_send(const Runner *runner)
{
  g_autoptr(Frame) frame = frame_new(FRAME_SECRET_READ);
  frame->instance = g_strdup(runner->id);
  frame->request = runner->waiting_generation;
  node_send_frame(runner->node, frame);
}

static bool equip_waits_for_secrets(const Runner *runner)
{
  return runner->waiting && !runner->asking;
}

void equip_begin(Runner *runner, const NodeAction *action)
{
  equip_drop(runner);
  if (!action->spec->references || !action->spec->references[0]) {
    equip_ask_user(runner, action->spec, action->generation);
    return;
  }
  /* the action's lives no longer than the action */
  runner->waiting = instance_spec_copy(action->spec);
  runner->waiting_generation = action->generation;
  equip_send(runner); /* without a link, and before the hello: equip_welcome */
}

void equip_welcome(Node *node)
{
  GHashTableIter iter;
  gpointer runner;
  g_hash_table_iter_init(&iter, node->runners);
  while (g_hash_table_iter_next(&iter, NULL, &runner))
    if (equip_waits_for_secrets(runner))
      equip_send(runner);
}

void equip_secrets(Node *node, const Frame *frame)
{
  Runner *runner = frame->instance ? node_runner(node, frame->instance, false) : NULL;
  if (!runner || !equip_waits_for_secrets(runner) || runner->waiting_generation != frame->request)
    return; /* an answer to a start that is over */
  g_autoptr(InstanceSpec) spec = g_steal_pointer(&runner->waiting);
  g_autoptr(GError) error = NULL;
  char **pairs = secrets_values(spec, frame, &error);
  if (!pairs) {
    equip_fail(runner, error->message, FAILURE_FINAL);
    return;
  }
  secrets_wipe(runner->secrets);
  runner->secrets = pairs;
  equip_ask_user(runner, spec, runner->waiting_generation);
}

void equip_peers(const Runner *runner, const char *peers)
{
  if (!runner->waiting)
    return;
  g_free(runner->waiting->peers);
  runner->waiting->peers = g_strdup(peers);
}

void equip_drop(Runner *runner)
{
  g_clear_pointer(&runner->waiting, instance_spec_free);
  users_forget(g_steal_pointer(&runner->asking));
  secrets_wipe(g_steal_pointer(&runner->secrets));
}
