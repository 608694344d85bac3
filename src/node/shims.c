/* A hold and its shim: starting one, and what it tells. */
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "node/internal.h"

#include <errno.h>
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
  hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_FOUND,
                              .generation = message->generation,
                              .attempt = message->attempt,
                              .pid = message->pid,
                              .up_ms = known ? MAX(clock_boot_ms() - identity_started_boot_ms(&identity), 0) : 0,
                              .exit = message->exit,
                              .out_of_memory = message->ended && hold_out_of_memory(hold),
                              .text = output});
  adopt_told(hold->node);
}

static void hold_on_started(void *data, const ShimMessage *message)
{
  hold_tell(data, (NodeEvent){.type = NODE_EVENT_STARTED, .attempt = message->attempt, .pid = message->pid});
}

/* May the same start succeed a moment later? The program is being written, or something of the machine's is used up. */
static bool shims_error_passes(int number)
{
  static const int passing[] = {ETXTBSY, EAGAIN, ENOMEM, EMFILE, ENFILE, ENOSPC, EDQUOT, EINTR, EBUSY, ESTALE, EIO};
  for (guint i = 0; i < G_N_ELEMENTS(passing); i++)
    if (number == passing[i])
      return true;
  return false;
}

static void hold_on_start_failed(void *data, const ShimMessage *message)
{
  hold_tell(data, (NodeEvent){.type = NODE_EVENT_START_FAILED,
                              .attempt = message->attempt,
                              .text = g_strerror(message->error_number),
                              .passing = shims_error_passes(message->error_number)});
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
  bool orphan = identity_read(hold->directory, &hold->orphan) && identity_alive(&hold->orphan);
  log_warn("shim died", "instance=%s orphan=%s", hold->id, orphan ? "yes" : "no");
  if (hold->adopting) {
    hold->adopting = false;
    hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_ABSENT, .attempt = hold->orphan.attempt, .orphan = orphan});
    adopt_told(hold->node);
    return;
  }
  bool starting = hold->shim_starting;
  hold->shim_starting = false;
  hold_tell(hold, starting ? (NodeEvent){.type = NODE_EVENT_SHIM_FAILED, .text = "it ended at once", .passing = true}
                           : (NodeEvent){.type = NODE_EVENT_SHIM_GONE, .orphan = orphan});
}

const ShimEvents hold_shim_events = {.hello = hold_on_hello,
                                     .started = hold_on_started,
                                     .start_failed = hold_on_start_failed,
                                     .exited = hold_on_exited,
                                     .rotated = hold_on_rotated,
                                     .gone = hold_on_gone};

/* The files that the agent is told of, beside its instance, whose file was stored before. */
static bool hold_write_files(const Hold *hold, const InstanceSpec *spec, GError **error)
{
  g_autofree char *peers = g_build_filename(hold->directory, "peers.json", NULL);
  if (!fs_write_at(AT_FDCWD, peers, spec->peers, strlen(spec->peers), 0644, false, error))
    return false;
  if (!spec->agent_text)
    return true;
  const char *p = spec->agent_text;
  while (g_ascii_isspace(*p))
    p++;
  g_autofree char *agent = g_build_filename(hold->directory, *p == '{' ? "agent.json" : "agent.toml", NULL);
  return fs_write_at(AT_FDCWD, agent, spec->agent_text, strlen(spec->agent_text), 0644, false, error);
}

void hold_launch(Hold *hold, const InstanceSpec *spec, int64_t generation, char *const *secrets)
{
  Node *node = hold->node;
  ShimLaunch launch = {.shim_path = node->shim_path,
                       .directory = hold->directory,
                       .instance_dir = hold->directory,
                       .reeve_path = node->reeve_path,
                       .id = hold->id,
                       .cgroups = node->cgroups,
                       .spec = spec,
                       .secrets = secrets,
                       .generation = generation};
  g_autoptr(GError) error = NULL;
  if (hold_write_files(hold, spec, &error))
    hold->shim = shim_spawn(node->loop, node->reaper, &launch, &hold_shim_events, hold, &error);
  hold->shim_starting = hold->shim != NULL;
  hold->limited = cgroups_wanted(&spec->resources);
  if (!hold->shim)
    hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_FAILED, .text = error->message, .passing = true});
}

void hold_start_shim(Hold *hold, const NodeAction *action)
{
  shim_free(g_steal_pointer(&hold->shim));
  g_clear_pointer(&hold->waiting, instance_spec_free);
  secrets_drop(hold);
  if (action->spec->references && action->spec->references[0])
    secrets_ask(hold, action);
  else
    hold_launch(hold, action->spec, action->generation, NULL);
}
