/* The node: the supervisor's actions carried out on a modelled disk and modelled shims, crashes
 * between any two of them, adoption at start.
 */
#include "sim.h"

#include "base/json.h"
#include "supervise/coverage.h"

#include <string.h>

enum { NODE_SLOW_DISK_MS = 3000 };

/* One action on its way to the disk or to a shim. */
typedef struct Deed {
  NodeActionType type;
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

static void node_tell(Sim *sim, const Deed *deed, NodeEventType type)
{
  NodeEvent event = {
      .type = type, .instance = deed->id, .generation = deed->generation, .attempt = deed->attempt};
  sim_node_event(sim, &event);
}

static void node_stored(Sim *sim, void *data)
{
  node_tell(sim, data, NODE_EVENT_STORED);
}

/* What went wrong may pass, or not. */
static void node_tell_failed(Sim *sim, const Deed *deed, NodeEventType type, const char *text)
{
  NodeEvent event = {.type = type,
                     .instance = deed->id,
                     .generation = deed->generation,
                     .attempt = deed->attempt,
                     .text = text,
                     .failure = sim_chance(sim, 50) ? FAILURE_PASSING : FAILURE_FINAL};
  sim_node_event(sim, &event);
}

static void node_not_stored(Sim *sim, void *data)
{
  node_tell_failed(sim, data, NODE_EVENT_STORE_FAILED, "no space left");
}

/* The file is there; the node hears of it a little later, if it lives so long. */
static void deed_store(Sim *sim, const Deed *deed)
{
  bool failed = sim_fault_chance(sim, sim->rates.store_failed);
  if (!failed)
    g_hash_table_replace(sim->files, g_strdup(deed->id), g_strdup(deed->text));
  Deed *told = g_new0(Deed, 1);
  *told =
      (Deed){.id = g_strdup(deed->id), .attempt = deed->attempt, .generation = deed->generation};
  sim_at(sim, 1, LIVES_WITH_NODE, failed ? node_not_stored : node_stored, told, deed_free);
}

static void deed_prepare(Sim *sim, const Deed *deed)
{
  if (sim_shim(sim, deed->id)->frozen) { /* it was told to leave, and has its lock */
    NodeEvent locked = {.type = NODE_EVENT_PREPARE_FAILED,
                        .instance = deed->id,
                        .text = "another shim holds it",
                        .failure = FAILURE_PASSING};
    sim_node_event(sim, &locked);
    return;
  }
  if (sim_fault_chance(sim, sim->rates.shim_failed)) {
    node_tell_failed(sim, deed, NODE_EVENT_PREPARE_FAILED, "no memory");
    return;
  }
  sim_shim_start(sim, deed->id, deed->generation);
  node_tell(sim, deed, NODE_EVENT_CREATED);
}

static void deed_start(Sim *sim, const Deed *deed)
{
  sim_release_instance(sim, deed->id);
  if (!sim_shim(sim, deed->id)->alive)
    return; /* the news of its death is on its way */
  if (!sim_shim(sim, deed->id)->frozen && sim_fault_chance(sim, sim->rates.start_failed))
    node_tell_failed(sim, deed, NODE_EVENT_START_FAILED, "no such file");
  else
    sim_shim_run(sim, deed->id, deed->attempt);
}

static void deed_signal(Sim *sim, const Deed *deed)
{
  sim_shim_signal(sim, deed->id, false);
}

static void deed_kill(Sim *sim, const Deed *deed)
{
  sim_shim_signal(sim, deed->id, true);
}

static void node_shim_stayed(Sim *sim, void *data)
{
  SimShim *shim = sim_shim(sim, data);
  if (shim->frozen && !shim->running && !g_queue_is_empty(&shim->inbox))
    sim_tree_end(sim, data);
}

/* The node looks whether it leaves, and kills it otherwise. */
static void deed_release(Sim *sim, const Deed *deed)
{
  enum { STAYED_MS = 1000 };
  sim_release_instance(sim, deed->id);
  sim_shim_end(sim, deed->id);
  if (sim_shim(sim, deed->id)->frozen)
    sim_at(sim, STAYED_MS, LIVES_WITH_NODE, node_shim_stayed, g_strdup(deed->id), g_free);
}

static void node_cleared(Sim *sim, void *data)
{
  const Deed *deed = data;
  SimShim *shim = sim_shim(sim, deed->id);
  shim->ended_at = sim->boot_ms; /* nobody can know that it ended before */
  NodeEvent ended = {.type = NODE_EVENT_CLEARED,
                     .instance = deed->id,
                     .generation = shim->generation,
                     .attempt = shim->known_attempt};
  sim_node_event(sim, &ended);
}

/* Processes that were killed take a moment to be gone, and the node looks until they are. */
static void deed_clear(Sim *sim, const Deed *deed)
{
  sim_tree_end(sim, deed->id);
  Deed *told = g_new0(Deed, 1);
  told->id = g_strdup(deed->id);
  sim_at(sim, 1 + (sim->faults ? sim_below(sim, 300) : 0), LIVES_WITH_NODE, node_cleared, told,
         deed_free);
}

static void deed_probe(Sim *sim, const Deed *deed)
{
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

static void deed_remove(Sim *sim, const Deed *deed)
{
  sim_release_instance(sim, deed->id);
  SimShim *shim = sim_shim(sim, deed->id);
  /* a restored backup may know it, and start it for the first time */
  shim->starts = shim->known_attempt = 0;
  g_hash_table_remove(sim->files, deed->id);
}

static void deed_do(Sim *sim, void *data)
{
  static void (*const table[NODE_ACTION_N])(Sim *, const Deed *) = {
      [NODE_ACTION_STORE] = deed_store,  [NODE_ACTION_PREPARE] = deed_prepare,
      [NODE_ACTION_START] = deed_start,  [NODE_ACTION_SIGNAL] = deed_signal,
      [NODE_ACTION_KILL] = deed_kill,    [NODE_ACTION_RELEASE] = deed_release,
      [NODE_ACTION_CLEAR] = deed_clear,  [NODE_ACTION_PROBE] = deed_probe,
      [NODE_ACTION_REMOVE] = deed_remove};
  const Deed *deed = data;
  if (table[deed->type])
    table[deed->type](sim, deed);
}

/* How long an action takes. Files and directories keep their order: one thread writes them. */
static int64_t node_delay(Sim *sim, NodeActionType type)
{
  switch (type) {
  case NODE_ACTION_RELEASE:
  case NODE_ACTION_REMOVE:
    return 0;
  case NODE_ACTION_STORE: {
    int64_t delay =
        sim_fault_chance(sim, 20) ? sim_below(sim, NODE_SLOW_DISK_MS) : 1 + sim_below(sim, 10);
    sim->disk_at = MAX(sim->disk_at, sim->boot_ms + delay);
    return sim->disk_at - sim->boot_ms;
  }
  case NODE_ACTION_PROBE:
    return 1 + (sim->faults ? sim_below(sim, 20) : 0);
  default:
    return 1;
  }
}

/* What was handed to the kernel or a shim may still happen after the node died. */
static SimLife node_lives(Sim *sim, NodeActionType type)
{
  static const bool survives[NODE_ACTION_N] = {[NODE_ACTION_PREPARE] = true,
                                               [NODE_ACTION_START] = true,
                                               [NODE_ACTION_SIGNAL] = true,
                                               [NODE_ACTION_KILL] = true,
                                               [NODE_ACTION_RELEASE] = true};
  return survives[type] && (type == NODE_ACTION_RELEASE || sim_below(sim, 2)) ? LIVES_WITH_MACHINE
                                                                              : LIVES_WITH_NODE;
}

static void node_carry_out(Sim *sim, const NodeAction *action)
{
  if (action->type == NODE_ACTION_SEND) {
    sim_send(sim, TO_SERVER, action->text);
    return;
  }
  if (action->type == NODE_ACTION_KEEP_STORE) {
    g_strlcpy(sim->node_store, action->text, sizeof sim->node_store);
    return;
  }
  if (action->type == NODE_ACTION_REFUSED) {
    sim_say(sim, "the node does not obey: %s", action->text);
    return;
  }
  if (action->type == NODE_ACTION_RELEASE_PORTS) {
    sim_release_request(sim, action->frame->request);
    return;
  }
  if (action->type == NODE_ACTION_RESERVE_PORTS) {
    g_autofree char *text = sim_reserve(sim, action->frame);
    sim_send(sim, TO_SERVER, text);
    return;
  }
  Deed *deed = g_new0(Deed, 1);
  *deed = (Deed){.type = action->type,
                 .id = g_strdup(action->instance),
                 .text = g_strdup(action->text),
                 .attempt = action->attempt,
                 .generation = action->generation};
  SimLife lives = node_lives(sim, action->type);
  sim_at(sim, node_delay(sim, action->type), lives, deed_do, deed, deed_free);
}

void sim_node_event(Sim *sim, const NodeEvent *event)
{
  if (!sim->node_up)
    return;
  node_apply(sim->node, event, sim_now(sim), sim->actions);
  sim->node_wake = sim->actions->wake_at_ms;
  for (guint i = 0; i < sim->actions->items->len && sim->node_up; i++) {
    if (sim_fault_chance(sim, sim->rates.node_crash))
      sim_node_crash(sim);
    else
      node_carry_out(sim, &g_array_index(sim->actions->items, NodeAction, i));
  }
  node_actions_clear(sim->actions);
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
  g_clear_pointer(&sim->node, supervisor_free);
  g_hash_table_remove_all(sim->reserved);
  sim_at(sim, 20 + sim_below(sim, 3000), LIVES_ALWAYS, sim_node_start, NULL, NULL);
}

static void node_asks(Sim *sim, void *data)
{
  sim_shim_ask(sim, data);
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
                             .store = sim->node_store[0] ? sim->node_store : NULL};
  sim->node = supervisor_new(&config);
  supervisor_set_coverage(sim->node, sim_cover_life, NULL);
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
    sim_at(sim, sim_below(sim, 20), LIVES_WITH_NODE, node_asks, g_strdup(at->data), g_free);
    sim_node_event(sim, &file);
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
