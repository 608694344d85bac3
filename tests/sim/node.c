/* The node: the real dispatcher and supervisor with hands on a modelled disk, over the driver of
 * modelled shims; crashes between any two actions, adoption at start. */
#include "sim.h"

#include "base/json.h"
#include "supervise/coverage.h"

#include <string.h>

enum { NODE_SLOW_DISK_MS = 3000 };

/* One action on its way to the disk. */
typedef struct Deed {
  char *id, *text;
  int attempt;
  int64_t generation;
} Deed;

static void deed_free(gpointer data)
{
  Deed *deed = data;
  g_free(deed->id);
  g_free(deed->text);
  g_free(deed);
}

/* ---- deeds ---- */

static void node_stored(Sim *sim, void *data)
{
  const Deed *deed = data;
  sim_node_event(sim, &(NodeEvent){.type = NODE_EVENT_STORED,
                                   .instance = deed->id,
                                   .generation = deed->generation,
                                   .attempt = deed->attempt});
}

/* What went wrong may pass, or not. */
static void node_not_stored(Sim *sim, void *data)
{
  const Deed *deed = data;
  sim_node_event(sim,
                 &(NodeEvent){.type = NODE_EVENT_STORE_FAILED,
                              .instance = deed->id,
                              .generation = deed->generation,
                              .attempt = deed->attempt,
                              .text = "no space left",
                              .failure = sim_chance(sim, 50) ? FAILURE_PASSING : FAILURE_FINAL});
}

/* The file is there; the node hears of it a little later, if it lives so long. */
static void deed_store(Sim *sim, void *data)
{
  const Deed *deed = data;
  bool failed = sim_fault_chance(sim, sim->rates.store_failed);
  if (!failed)
    g_hash_table_replace(sim->files, g_strdup(deed->id), g_strdup(deed->text));
  Deed *told = g_new0(Deed, 1);
  *told =
      (Deed){.id = g_strdup(deed->id), .attempt = deed->attempt, .generation = deed->generation};
  sim_at(sim, 1, LIVES_WITH_NODE, failed ? node_not_stored : node_stored, told, deed_free);
}

/* Nothing that it asks for has to be waited for. */
static void deed_prepare(Sim *sim, void *data)
{
  const Deed *deed = data;
  DriverJob job = {.id = deed->id, .generation = deed->generation};
  sim->driver->ops->prepare(sim->driver, &job);
}

static void deed_probe(Sim *sim, void *data)
{
  const Deed *deed = data;
  bool up = sim_answers(sim, deed->id);
  const char *what = up ? NULL : sim_below(sim, 2) ? "HTTP 503" : "connection refused";
  NodeEvent event = {.type = NODE_EVENT_PROBE,
                     .instance = deed->id,
                     .attempt = deed->attempt,
                     .ok = up,
                     .text = what,
                     .found = up ? "/health" : NULL};
  sim_node_event(sim, &event);
}

static void deed_remove(Sim *sim, void *data)
{
  const Deed *deed = data;
  sim_release_instance(sim, deed->id);
  g_hash_table_remove(sim->files, deed->id);
}

/* ---- hands: what the dispatcher has done of its actions besides the driver's part ---- */

static void node_plan(Sim *sim, const NodeAction *action, int64_t delay_ms, SimLife lives, SimFn fn)
{
  Deed *deed = g_new0(Deed, 1);
  *deed = (Deed){.id = g_strdup(action->instance),
                 .text = g_strdup(action->text),
                 .attempt = action->attempt,
                 .generation = action->generation};
  sim_at(sim, delay_ms, lives, fn, deed, deed_free);
}

static void do_send(void *data, const NodeAction *action)
{
  sim_send(data, TO_SERVER, action->text);
}

/* Files and directories keep their order: one thread writes them. */
static void do_store(void *data, const NodeAction *action)
{
  Sim *sim = data;
  int64_t delay =
      sim_fault_chance(sim, 20) ? sim_below(sim, NODE_SLOW_DISK_MS) : 1 + sim_below(sim, 10);
  sim->disk_at = MAX(sim->disk_at, sim->boot_ms + delay);
  node_plan(sim, action, sim->disk_at - sim->boot_ms, LIVES_WITH_NODE, deed_store);
}

/* What was handed to the kernel may still happen after the node died. */
static void do_prepare(void *data, const NodeAction *action)
{
  Sim *sim = data;
  node_plan(sim, action, 1, sim_below(sim, 2) ? LIVES_WITH_MACHINE : LIVES_WITH_NODE, deed_prepare);
}

static void do_probe(void *data, const NodeAction *action)
{
  Sim *sim = data;
  node_plan(sim, action, 1 + (sim->faults ? sim_below(sim, 20) : 0), LIVES_WITH_NODE, deed_probe);
}

static void do_reserve_ports(void *data, const NodeAction *action)
{
  g_autofree char *text = sim_reserve(data, action->frame);
  sim_send(data, TO_SERVER, text);
}

static void do_release_ports(void *data, const NodeAction *action)
{
  sim_release_request(data, action->frame ? action->frame->request : 0);
}

static void do_remove(void *data, const NodeAction *action)
{
  node_plan(data, action, 0, LIVES_WITH_NODE, deed_remove);
}

/* The model has no such files and commands. */
static void do_nothing(void *data, const NodeAction *action)
{
  (void)data;
  (void)action;
}

static void do_keep_identity(void *data, const NodeAction *action)
{
  Sim *sim = data;
  if (!node_identity_parse(action->text, strlen(action->text), &sim->identity, NULL))
    sim_break(sim, "an identity that cannot be read: %s", action->text);
}

static void do_refused(void *data, const NodeAction *action)
{
  sim_say(data, "the node does not obey: %s", action->text);
}

static Now hand_now(void *data)
{
  return sim_now(data);
}

static void hand_wake_at(void *data, int64_t boot_ms)
{
  ((Sim *)data)->node_wake = boot_ms;
}

/* A node can die between any two actions. */
static bool hand_allows(void *data, const NodeAction *action)
{
  Sim *sim = data;
  (void)action;
  if (sim_fault_chance(sim, sim->rates.node_crash))
    sim_node_crash(sim);
  return sim->node_up;
}

static Driver *hand_driver(void *data, const char *id)
{
  (void)id;
  return ((Sim *)data)->driver;
}

/* The port goes when the start or the release arrives, a moment later: sim_driver. */
static void hand_free_port(void *data, const char *id)
{
  (void)data;
  (void)id;
}

/* One that arrives too late is the supervisor's to ignore. */
static void hand_drop_probe(void *data, const char *id)
{
  (void)data;
  (void)id;
}

static const DispatchHands sim_hands = {.now = hand_now,
                                        .wake_at = hand_wake_at,
                                        .allows = hand_allows,
                                        .driver = hand_driver,
                                        .free_port = hand_free_port,
                                        .drop_probe = hand_drop_probe,
                                        .actions = {
                                            [NODE_ACTION_SEND] = do_send,
                                            [NODE_ACTION_STORE] = do_store,
                                            [NODE_ACTION_PREPARE] = do_prepare,
                                            [NODE_ACTION_PROBE] = do_probe,
                                            [NODE_ACTION_RESERVE_PORTS] = do_reserve_ports,
                                            [NODE_ACTION_RELEASE_PORTS] = do_release_ports,
                                            [NODE_ACTION_PEERS] = do_nothing,
                                            [NODE_ACTION_REMOVE] = do_remove,
                                            [NODE_ACTION_LOG] = do_nothing,
                                            [NODE_ACTION_EXEC] = do_nothing,
                                            [NODE_ACTION_KEEP_IDENTITY] = do_keep_identity,
                                            [NODE_ACTION_REFUSED] = do_refused,
                                        }};

void sim_node_event(Sim *sim, const NodeEvent *event)
{
  if (sim->node_up)
    dispatch_event(sim->node, event, NULL);
}

void sim_node_frame(Sim *sim, Frame *frame)
{
  if (sim->node_up)
    dispatch_event(sim->node, &(NodeEvent){.type = NODE_EVENT_FRAME}, frame);
  else
    frame_free(frame);
}

void sim_node_hears(void *data, const DriverNews *news)
{
  dispatch_tell(((Sim *)data)->node, news);
}

void sim_node_news(Sim *sim, const DriverNews *news)
{
  if (sim->node_up)
    sim->world.tell(sim->world.data, news);
}

/* ---- life ---- */

void sim_node_crash(Sim *sim)
{
  if (!sim->node_up)
    return;
  sim_say(sim, "node crashes");
  sim->node_up = false;
  sim->lives[LIVES_WITH_NODE]++;
  sim_link_break(sim);
  dispatch_stop(sim->node); /* it may be carrying something out: freed at the next start */
  g_hash_table_remove_all(sim->reserved);
  sim_at(sim, 20 + sim_below(sim, 3000), LIVES_ALWAYS, sim_node_start, NULL, NULL);
}

static void node_adopted(Sim *sim, void *data)
{
  (void)data;
  NodeEvent done = {.type = NODE_EVENT_FILES_DONE};
  sim_node_event(sim, &done);
}

void sim_node_start(Sim *sim, void *data)
{
  (void)data;
  sim_say(sim, "node starts, boot %s", sim->boot_id);
  SupervisorConfig config = {.page_bytes = sim->page_bytes,
                             .node_id = "local",
                             .node_name = "sim",
                             .boot_id = sim->boot_id,
                             .version = "sim",
                             .identity = sim->identity};
  dispatch_free(sim->node);
  sim->node = dispatch_new(&config, &sim_hands, sim);
  supervisor_set_coverage(dispatch_supervisor(sim->node), sim_cover_life, NULL);
  sim->node_up = true;
  sim->node_starts++;
  sim->disk_at = sim->boot_ms;
  g_autoptr(GList) ids = sim_sorted_keys(sim->files);
  for (GList *at = ids; at && sim->node_up; at = at->next) {
    NodeEvent file = {.type = NODE_EVENT_FILE,
                      .instance = at->data,
                      .text = g_hash_table_lookup(sim->files, at->data)};
    if (sim_fault_chance(sim, sim->rates.unreadable)) {
      sim_say(sim, "the file of %s cannot be read", (const char *)at->data);
      file.text = NULL;
      file.found = "input/output error";
      sim_shim(sim, at->data)->starts = 0; /* what it had done is not known any more */
    }
    sim_node_event(sim, &file);
    sim->driver->ops->find(sim->driver, at->data);
  }
  if (sim->node_up)
    sim_at(sim, sim_below(sim, 5), LIVES_WITH_NODE, node_adopted, NULL, NULL);
}

/* ---- its files ---- */

InstanceSpec *sim_file_spec(const Sim *sim, const char *id)
{
  const char *text = g_hash_table_lookup(sim->files, id);
  json_t *object = text ? json_parse(text, strlen(text), NULL) : NULL;
  const json_t *spec = object ? json_object_get(object, "spec") : NULL;
  InstanceSpec *found = spec ? instance_spec_from_json(spec, NULL) : NULL;
  json_decref(object);
  return found;
}

int64_t sim_file_number(const Sim *sim, const char *id, const char *key)
{
  const char *text = g_hash_table_lookup(sim->files, id);
  g_autofree char *member = g_strdup_printf("\"%s\":", key);
  const char *at = text ? strstr(text, member) : NULL;
  return at ? g_ascii_strtoll(at + strlen(member), NULL, 10) : 0;
}
