/* A hold and its shim: starting one, and what it tells. */
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
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

static void hold_on_hello(void *data, int64_t generation, int attempt, int64_t pid, bool ended, ExitStatus exit)
{
  Hold *hold = data;
  (void)ended;
  if (hold->shim_starting) {
    hold->shim_starting = false;
    hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_UP});
    return;
  }
  if (!hold->adopting)
    return;
  hold->adopting = false;
  hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_FOUND, .generation = generation, .attempt = attempt, .pid = pid, .exit = exit});
  adopt_told(hold->node);
}

static void hold_on_started(void *data, int attempt, int64_t pid)
{
  hold_tell(data, (NodeEvent){.type = NODE_EVENT_STARTED, .attempt = attempt, .pid = pid});
}

static void hold_on_start_failed(void *data, int attempt, int error_number)
{
  hold_tell(data, (NodeEvent){.type = NODE_EVENT_START_FAILED, .attempt = attempt, .text = g_strerror(error_number)});
}

static void hold_on_exited(void *data, int attempt, ExitStatus exit)
{
  Hold *hold = data;
  hold_drop_probe(hold);
  bool clean = exit.code == 0 && exit.signal == 0;
  g_autofree char *output = clean ? NULL : shim_log_tail(hold->directory, HOLD_OUTPUT_BYTES);
  hold_tell(hold, (NodeEvent){.type = NODE_EVENT_EXITED, .attempt = attempt, .exit = exit, .text = output});
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
  hold_tell(hold, starting ? (NodeEvent){.type = NODE_EVENT_SHIM_FAILED, .text = "it ended at once"}
                           : (NodeEvent){.type = NODE_EVENT_SHIM_GONE, .orphan = orphan});
}

const ShimEvents hold_shim_events = {.hello = hold_on_hello,
                                     .started = hold_on_started,
                                     .start_failed = hold_on_start_failed,
                                     .exited = hold_on_exited,
                                     .gone = hold_on_gone};

/* The files that the agent is told of, beside its instance. */
static bool hold_write_files(const Hold *hold, const InstanceSpec *spec, GError **error)
{
  if (!fs_mkdirs(hold->directory, 0755, error))
    return false;
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

void hold_start_shim(Hold *hold, const NodeAction *action)
{
  Node *node = hold->node;
  shim_free(g_steal_pointer(&hold->shim));
  ShimLaunch launch = {.shim_path = node->shim_path,
                       .directory = hold->directory,
                       .reeve_path = node->reeve_path,
                       .id = hold->id,
                       .spec = action->spec,
                       .generation = action->generation};
  g_autoptr(GError) error = NULL;
  if (hold_write_files(hold, action->spec, &error))
    hold->shim = shim_spawn(node->loop, node->reaper, &launch, &hold_shim_events, hold, &error);
  hold->shim_starting = hold->shim != NULL;
  if (!hold->shim)
    hold_tell(hold, (NodeEvent){.type = NODE_EVENT_SHIM_FAILED, .text = error->message});
}
