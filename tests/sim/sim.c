/* The simulator: the real core, release queue and supervisor in virtual time, with a modelled store, link, disk, shims and agents, and
 * seeded faults. A seed that finds a bug finds it for ever. Usage: sim --seeds FROM..TO [--verbose] [--coverage]; exit 1 names the seed and
 * the broken invariant. */
#include "base/error.h"
#include "core/coverage.h"
#include "core/objects.h"
#include "core/release.h"
#include "supervise/coverage.h"
#include "supervise/supervise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIM_FAULT_MS = 120000, SIM_QUIET_MS = 900000, SIM_TRACE = 60 };

/* ---- the world ---- */

/* The process tree of one attempt. */
typedef struct Proc {
  bool alive, healthy_later;
  bool ignores_term, flapping;
  int64_t healthy_at;
} Proc;

/* A shim and what it holds; outlives the node. */
typedef struct SimShim {
  char *id;
  bool alive;
  int64_t generation;
  int attempt;
  bool running, ended;
  ExitStatus exit;
  int64_t pid;
  Proc proc;
} SimShim;

typedef struct Sim Sim;
typedef void (*SimFn)(Sim *sim, void *data);
typedef struct SimEvent {
  int64_t at;
  uint64_t seq;
  SimFn fn;
  void *data;
  int server_life, node_life, link_life; /* -1 = any; else the event dies with that life */
} SimEvent;

struct Sim {
  uint64_t random;
  int64_t boot_ms, wall_offset;
  uint64_t seq, next_pid;
  GSequence *events;
  GString *trace[SIM_TRACE];
  guint traced;
  bool verbose, faults;
  /* server */
  Core *core;
  ReleaseQueue *queue;
  GHashTable *rows[TABLE_N]; /* durable */
  int server_life;
  bool server_up, committing, commit_fails, store_full;
  uint64_t next_token;
  GHashTable *promised; /* deployment name -> revision acknowledged */
  int64_t server_wake;
  /* node */
  Supervisor *node;
  NodeActions *actions;
  GHashTable *files; /* id -> text, durable */
  GHashTable *shims; /* id -> SimShim* */
  int node_life, link_life;
  bool node_up, link_up;
  int64_t node_wake;
  char boot_id[32];
  int boots;
  /* checks */
  GHashTable *was_healthy; /* "id/epoch/generation" set */
  char *broken;
};

static GHashTable *sim_cells; /* "table state event" -> count, over all seeds; the program's own */

static void sim_server_start(Sim *sim, void *data);
static void sim_node_start(Sim *sim, void *data);
static void sim_node_event(Sim *sim, const NodeEvent *event);

static uint64_t sim_random(Sim *sim)
{
  uint64_t z = (sim->random += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

static int sim_below(Sim *sim, int n)
{
  return (int)(sim_random(sim) % (uint64_t)n);
}

static bool sim_chance(Sim *sim, int percent)
{
  return sim_below(sim, 100) < percent;
}

static Now sim_now(const Sim *sim)
{
  return (Now){.boot_ms = sim->boot_ms, .wall_ms = sim->boot_ms + sim->wall_offset};
}

G_GNUC_PRINTF(2, 3) static void sim_say(Sim *sim, const char *format, ...)
{
  GString **line = &sim->trace[sim->traced++ % SIM_TRACE];
  if (!*line)
    *line = g_string_new(NULL);
  va_list args;
  va_start(args, format);
  g_string_printf(*line, "%8" G_GINT64_FORMAT " ", sim->boot_ms);
  g_string_append_vprintf(*line, format, args);
  va_end(args);
  if (sim->verbose)
    printf("%s\n", (*line)->str);
}

G_GNUC_PRINTF(2, 3) static void sim_break(Sim *sim, const char *format, ...)
{
  if (sim->broken)
    return;
  va_list args;
  va_start(args, format);
  sim->broken = g_strdup_vprintf(format, args);
  va_end(args);
}

static gint sim_compare(gconstpointer a, gconstpointer b, gpointer data)
{
  (void)data;
  const SimEvent *x = a, *y = b;
  return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->seq < y->seq ? -1 : 1;
}

static SimEvent *sim_at(Sim *sim, int64_t delay, SimFn fn, void *data)
{
  SimEvent *event = g_new0(SimEvent, 1);
  *event = (SimEvent){
      .at = sim->boot_ms + delay, .seq = sim->seq++, .fn = fn, .data = data, .server_life = -1, .node_life = -1, .link_life = -1};
  g_sequence_insert_sorted(sim->events, event, sim_compare, NULL);
  return event;
}

static void sim_cover_core(const char *table, int state, int event, void *data)
{
  (void)data;
  char *key = g_strdup_printf("%s %d %d", table, state, event);
  g_hash_table_replace(sim_cells, key, GINT_TO_POINTER(1));
}

static void sim_cover_life(int life, int event, void *data)
{
  sim_cover_core("life", life, event, data);
}

/* ---- store ---- */

static void sim_write_rows(Sim *sim, const GPtrArray *records)
{
  for (guint i = 0; i < records->len; i++) {
    const Record *record = records->pdata[i];
    if (record->deleted) {
      g_hash_table_remove(sim->rows[record->table], record->values[0].text);
      continue;
    }
    Record *copy = record_new(record->table);
    *copy = *record;
    for (int k = 0; k < RECORD_COLUMNS_MAX; k++)
      if (copy->values[k].text)
        g_ref_string_acquire(copy->values[k].text);
    g_hash_table_replace(sim->rows[record->table], copy->values[0].text, copy);
  }
}

static Core *sim_load(const Sim *sim, Effects *effects)
{
  Core *core = core_new(NULL);
  g_autoptr(GError) error = NULL;
  for (int table = 0; table < TABLE_N; table++) {
    GHashTableIter iter;
    gpointer record;
    if (table_specs[table].history)
      continue;
    g_hash_table_iter_init(&iter, sim->rows[table]);
    while (g_hash_table_iter_next(&iter, NULL, &record))
      if (!core_load_row(core, (TableId)table, ((const Record *)record)->values, &error))
        g_error("load: %s", error->message);
  }
  core_load_done(core, sim_now(sim), effects);
  return core;
}

/* The fold of what is stored is the core that stored it. */
static void sim_check_fold(Sim *sim)
{
  if (!release_idle(sim->queue))
    return;
  g_autoptr(Effects) effects = effects_new();
  g_autoptr(Core) again = sim_load(sim, effects);
  g_autofree char *is = core_dump(sim->core), *was = core_dump(again);
  if (strcmp(is, was) != 0)
    sim_break(sim, "core_load differs from the core that wrote\n--- core\n%s\n--- loaded\n%s", is, was);
}

static void sim_check_promises(Sim *sim)
{
  GHashTableIter iter;
  gpointer name, revision;
  g_hash_table_iter_init(&iter, sim->promised);
  while (g_hash_table_iter_next(&iter, &name, &revision)) {
    const Deployment *deployment = core_deployment(sim->core, name);
    if (!deployment || !deployment_revision(deployment, GPOINTER_TO_INT(revision)))
      sim_break(sim, "acknowledged revision %d of '%s' is lost", GPOINTER_TO_INT(revision), (char *)name);
  }
}

/* ---- server ---- */

static void sim_server_commit(Sim *sim);

static void sim_to_node(Sim *sim, void *data)
{
  g_autofree char *text = data;
  g_autoptr(Frame) frame = frame_parse(text, strlen(text), NULL);
  if (!frame)
    g_error("frame that does not parse: %s", text);
  if (!sim->node_up)
    return;
  NodeEvent event = {.type = NODE_EVENT_FRAME, .frame = frame};
  sim_node_event(sim, &event);
}

static void sim_leave(Effects *effects, void *data)
{
  Sim *sim = data;
  for (guint i = 0; i < effects->replies->len; i++) {
    const Reply *reply = effects->replies->pdata[i];
    if (reply->code >= 0 || reply->status != 202)
      continue;
    char name[64];
    int revision = 0;
    const char *at = strstr(reply->body, "\"name\":\""), *number = strstr(reply->body, "\"revision\":");
    if (at && number && sscanf(at + 8, "%63[^\"]", name) == 1 && sscanf(number + 11, "%d", &revision) == 1 && revision > 0) {
      int before = GPOINTER_TO_INT(g_hash_table_lookup(sim->promised, name));
      g_hash_table_replace(sim->promised, g_strdup(name), GINT_TO_POINTER(MAX(before, revision)));
    }
  }
  for (guint i = 0; sim->link_up && i < effects->messages->len; i++) {
    const Message *message = effects->messages->pdata[i];
    SimEvent *event = sim_at(sim, 1, sim_to_node, g_strdup(message->frame));
    event->link_life = sim->link_life;
  }
  effects_free(effects);
}

static void sim_apply(Sim *sim, const Command *command)
{
  Effects *effects = effects_new();
  core_apply(sim->core, command, sim_now(sim), effects);
  sim->server_wake = effects->wake_at_ms;
  release_add(sim->queue, effects);
  sim_server_commit(sim);
}

static void sim_server_reload(Sim *sim)
{
  core_free(sim->core);
  Effects *effects = effects_new();
  sim->core = sim_load(sim, effects);
  core_set_coverage(sim->core, sim_cover_core, NULL);
  sim->server_wake = effects->wake_at_ms;
  effects_free(effects);
  sim_check_promises(sim);
}

static void sim_link_break(Sim *sim);

static void sim_committed(Sim *sim, void *data)
{
  (void)data;
  sim->committing = false;
  if (sim->commit_fails) {
    sim_say(sim, "commit refused: full");
    sim_link_break(sim);
    release_failed(sim->queue, REEVE_ERROR_STORE_FULL, "full");
    sim_server_reload(sim);
    return;
  }
  release_committed(sim->queue);
  sim_check_fold(sim);
  sim_server_commit(sim);
}

static void sim_server_commit(Sim *sim)
{
  if (sim->committing || !release_ready(sim->queue))
    return;
  const GPtrArray *records = release_take(sim->queue);
  sim->committing = true;
  sim->commit_fails = sim->store_full;
  if (!sim->commit_fails)
    sim_write_rows(sim, records); /* durable now, known to be later: a crash between is one of the faults */
  sim_at(sim, 1 + sim_below(sim, 5), sim_committed, NULL)->server_life = sim->server_life;
}

static void sim_server_crash(Sim *sim)
{
  if (!sim->server_up)
    return;
  sim_say(sim, "server crashes");
  sim_link_break(sim);
  sim->server_up = sim->committing = false;
  sim->server_life++;
  release_free(sim->queue);
  sim->queue = NULL;
  g_clear_pointer(&sim->core, core_free);
  sim_at(sim, 50 + sim_below(sim, 5000), sim_server_start, NULL);
}

static void sim_server_start(Sim *sim, void *data)
{
  (void)data;
  sim_say(sim, "server starts");
  sim->server_up = true;
  sim->queue = release_new(sim_leave, sim);
  sim_server_reload(sim);
}

/* ---- link ---- */

static void sim_link_break(Sim *sim)
{
  if (!sim->link_up)
    return;
  sim_say(sim, "link breaks");
  sim->link_up = false;
  sim->link_life++;
  if (sim->server_up) {
    Command gone = {.type = COMMAND_NODE_GONE, .node = "local"};
    sim_apply(sim, &gone);
  }
  if (sim->node_up) {
    NodeEvent down = {.type = NODE_EVENT_LINK_DOWN};
    sim_node_event(sim, &down);
  }
}

static void sim_link_connect(Sim *sim)
{
  if (sim->link_up || !sim->server_up || !sim->node_up || sim->store_full)
    return;
  sim->link_up = true;
  NodeEvent up = {.type = NODE_EVENT_LINK_UP};
  sim_node_event(sim, &up);
}

static void sim_to_server(Sim *sim, void *data)
{
  g_autofree char *text = data;
  g_autoptr(Frame) frame = frame_parse(text, strlen(text), NULL);
  if (!frame)
    g_error("frame that does not parse: %s", text);
  if (!sim->server_up)
    return;
  Command command = {.type = COMMAND_NODE_FRAME, .node = "local", .actor = "node:local", .frame = frame};
  sim_apply(sim, &command);
  if (sim->faults && sim_chance(sim, 2) && sim->server_up) /* the same news twice */
    sim_apply(sim, &command);
}

/* ---- processes ---- */

static void sim_tell(Sim *sim, const SimShim *shim, NodeEvent event)
{
  event.instance = shim->id;
  if (sim->node_up)
    sim_node_event(sim, &event);
}

typedef struct ProcEnd {
  char *id;
  int64_t pid;
  int code, signal;
} ProcEnd;

static void sim_proc_end(Sim *sim, void *data)
{
  ProcEnd *end = data;
  SimShim *shim = g_hash_table_lookup(sim->shims, end->id);
  if (shim && shim->proc.alive && shim->pid == end->pid) {
    shim->proc.alive = false;
    if (shim->alive) {
      shim->running = false;
      shim->ended = true;
      shim->exit = (ExitStatus){.code = end->code, .signal = end->signal};
      shim->pid = 0;
      sim_say(sim, "%s ends: %d/%d", end->id, end->code, end->signal);
      sim_tell(sim, shim, (NodeEvent){.type = NODE_EVENT_EXITED, .attempt = shim->attempt, .exit = shim->exit});
    }
  }
  g_free(end->id);
  g_free(end);
}

static void sim_end_later(Sim *sim, const SimShim *shim, int64_t delay, int code, int signal)
{
  ProcEnd *end = g_new0(ProcEnd, 1);
  *end = (ProcEnd){.id = g_strdup(shim->id), .pid = shim->pid, .code = code, .signal = signal};
  sim_at(sim, delay, sim_proc_end, end);
}

static Instance *sim_instance(const Sim *sim, const char *id)
{
  return sim->core ? (Instance *)(uintptr_t)core_instance(sim->core, id) : NULL;
}

/* No agent of a later stage starts before every earlier one was healthy in what the rollout wants. */
static void sim_check_stage(Sim *sim, const char *id, int64_t generation)
{
  const Instance *instance = sim_instance(sim, id);
  const Rollout *rollout = instance ? instance->deployment->rollout : NULL;
  if (!rollout || rollout->phase != ROLLOUT_PHASE_APPLY || rollout->verdict != OUTCOME_SUCCEEDED || instance->generation != generation ||
      instance->step != STEP_STARTING)
    return;
  for (guint i = 0; i < instance->deployment->instances->len; i++) {
    const Instance *earlier = instance->deployment->instances->pdata[i];
    if (earlier->stage >= instance->stage || earlier->target == 0 || earlier->step != STEP_READY)
      continue;
    g_autofree char *key = g_strdup_printf("%s/%" G_GINT64_FORMAT, earlier->id, earlier->generation);
    if (!g_hash_table_contains(sim->was_healthy, key))
      sim_break(sim, "'%s' of stage %d starts before '%s' of stage %d was healthy", instance->agent, instance->stage, earlier->agent,
                earlier->stage);
  }
}

static void sim_mark_healthy(Sim *sim, const SimShim *shim)
{
  g_hash_table_add(sim->was_healthy, g_strdup_printf("%s/%" G_GINT64_FORMAT, shim->id, shim->generation));
}

static void sim_start_attempt(Sim *sim, SimShim *shim, int attempt, AgentKind kind)
{
  if (shim->running || shim->proc.alive) {
    sim_break(sim, "two process trees of '%s' at once", shim->id);
    return;
  }
  shim->attempt = attempt;
  shim->running = true;
  shim->ended = false;
  shim->pid = (int64_t)++sim->next_pid;
  int unlucky = sim->faults ? 1 : 0;
  shim->proc = (Proc){.alive = true, .healthy_at = sim->boot_ms + 5 + sim_below(sim, 300)};
  shim->proc.ignores_term = unlucky && sim_chance(sim, 10);
  shim->proc.flapping = unlucky && sim_chance(sim, 5);
  if (unlucky && sim_chance(sim, 3))
    shim->proc.healthy_at = INT64_MAX;
  sim_check_stage(sim, shim->id, shim->generation);
  sim_tell(sim, shim, (NodeEvent){.type = NODE_EVENT_STARTED, .attempt = attempt, .pid = shim->pid});
  if (kind == AGENT_BATCH) {
    if (!(unlucky && sim_chance(sim, 10))) {
      sim_mark_healthy(sim, shim);
      sim_end_later(sim, shim, 10 + sim_below(sim, 500), 0, 0);
    } else {
      sim_end_later(sim, shim, 10, 3, 0);
    }
  } else if (unlucky && sim_chance(sim, 8)) {
    sim_end_later(sim, shim, 1 + sim_below(sim, 3000), 1, 0);
  }
}

/* ---- the node's actions ---- */

typedef struct Deed {
  NodeActionType type;
  char *id, *text;
  int attempt;
  int64_t generation;
  AgentKind kind;
  HealthKind health;
} Deed;

static SimShim *sim_shim(Sim *sim, const char *id)
{
  SimShim *shim = g_hash_table_lookup(sim->shims, id);
  if (!shim) {
    shim = g_new0(SimShim, 1);
    shim->id = g_strdup(id);
    shim->exit.code = -1;
    g_hash_table_insert(sim->shims, shim->id, shim);
  }
  return shim;
}

static void deed_store(Sim *sim, const Deed *deed)
{
  g_hash_table_replace(sim->files, g_strdup(deed->id), g_strdup(deed->text));
  NodeEvent stored = {.type = NODE_EVENT_STORED, .instance = deed->id, .generation = deed->generation};
  sim_node_event(sim, &stored);
}

static void deed_start_shim(Sim *sim, const Deed *deed)
{
  SimShim *shim = sim_shim(sim, deed->id);
  if (sim->faults && sim_chance(sim, 1)) {
    sim_tell(sim, shim, (NodeEvent){.type = NODE_EVENT_SHIM_FAILED, .text = "no memory"});
    return;
  }
  if (shim->proc.alive)
    sim_break(sim, "a new shim of '%s' while its old tree lives", shim->id);
  shim->alive = true;
  shim->generation = deed->generation;
  shim->attempt = 0;
  shim->running = shim->ended = false;
  sim_tell(sim, shim, (NodeEvent){.type = NODE_EVENT_SHIM_UP});
}

static void deed_start(Sim *sim, const Deed *deed)
{
  SimShim *shim = sim_shim(sim, deed->id);
  if (!shim->alive)
    sim_tell(sim, shim, (NodeEvent){.type = NODE_EVENT_SHIM_GONE});
  else if (sim->faults && sim_chance(sim, 2))
    sim_tell(sim, shim, (NodeEvent){.type = NODE_EVENT_START_FAILED, .attempt = deed->attempt, .text = "no such file"});
  else
    sim_start_attempt(sim, shim, deed->attempt, deed->kind);
}

static void deed_signal(Sim *sim, const Deed *deed)
{
  const SimShim *shim = sim_shim(sim, deed->id);
  if (shim->alive && shim->running && !shim->proc.ignores_term)
    sim_end_later(sim, shim, 1 + sim_below(sim, 200), 0, 0);
}

static void deed_kill(Sim *sim, const Deed *deed)
{
  const SimShim *shim = sim_shim(sim, deed->id);
  if (shim->alive && shim->running)
    sim_end_later(sim, shim, 1, -1, 9);
}

static void deed_end_shim(Sim *sim, const Deed *deed)
{
  SimShim *shim = sim_shim(sim, deed->id);
  if (!shim->running)
    shim->alive = false;
}

static void deed_end_orphan(Sim *sim, const Deed *deed)
{
  SimShim *shim = sim_shim(sim, deed->id);
  shim->proc.alive = shim->running = false;
  sim_tell(sim, shim, (NodeEvent){.type = NODE_EVENT_ORPHAN_ENDED});
}

static void deed_probe(Sim *sim, const Deed *deed)
{
  const SimShim *shim = sim_shim(sim, deed->id);
  bool up = shim->alive && shim->running && shim->proc.healthy_at <= sim->boot_ms && !(shim->proc.flapping && sim_chance(sim, 50));
  if (up)
    sim_mark_healthy(sim, shim);
  sim_tell(sim, shim,
           (NodeEvent){.type = NODE_EVENT_PROBE, .attempt = deed->attempt, .ok = up, .text = up ? NULL : "no answer", .found = "/health"});
}

static void deed_remove(Sim *sim, const Deed *deed)
{
  g_hash_table_remove(sim->files, deed->id);
}

static void deed_do(Sim *sim, void *data)
{
  static void (*const table[NODE_ACTION_N])(Sim *, const Deed *) = {[NODE_ACTION_STORE] = deed_store,
                                                                    [NODE_ACTION_START_SHIM] = deed_start_shim,
                                                                    [NODE_ACTION_START] = deed_start,
                                                                    [NODE_ACTION_SIGNAL] = deed_signal,
                                                                    [NODE_ACTION_KILL] = deed_kill,
                                                                    [NODE_ACTION_END_SHIM] = deed_end_shim,
                                                                    [NODE_ACTION_END_ORPHAN] = deed_end_orphan,
                                                                    [NODE_ACTION_PROBE] = deed_probe,
                                                                    [NODE_ACTION_REMOVE] = deed_remove};
  Deed *deed = data;
  if (table[deed->type])
    table[deed->type](sim, deed);
  g_free(deed->id);
  g_free(deed->text);
  g_free(deed);
}

/* Every port is free in this world. */
static char *sim_reserved(const Frame *reserve)
{
  g_autoptr(Frame) answer = frame_new(FRAME_RESERVED);
  answer->request = reserve->request;
  for (guint i = 0; i < reserve->instructions->len; i++) {
    const Instruction *instruction = reserve->instructions->pdata[i];
    g_ptr_array_add(answer->reservations, reservation_new(instruction->id, instruction->spec ? instruction->spec->port : 0, NULL));
  }
  return frame_write(answer);
}

/* The kind of an instance, from the file that the node keeps. */
static AgentKind sim_kind(const Sim *sim, const char *id)
{
  const char *text = g_hash_table_lookup(sim->files, id);
  return text && strstr(text, "\"kind\":1,\"argv\"") ? AGENT_BATCH : AGENT_SERVICE;
}

static void sim_carry_out(Sim *sim, const NodeAction *action)
{
  if (action->type == NODE_ACTION_SEND || action->type == NODE_ACTION_RESERVE_PORTS) {
    if (!sim->link_up)
      return;
    char *text = action->type == NODE_ACTION_SEND ? g_strdup(action->text) : sim_reserved(action->frame);
    sim_at(sim, 1, sim_to_server, text)->link_life = sim->link_life;
    return;
  }
  Deed *deed = g_new0(Deed, 1);
  *deed = (Deed){.type = action->type,
                 .id = g_strdup(action->instance),
                 .text = g_strdup(action->text),
                 .attempt = action->attempt,
                 .generation = action->generation};
  if (action->type == NODE_ACTION_START)
    deed->kind = sim_kind(sim, action->instance);
  bool at_once = action->type == NODE_ACTION_END_SHIM;
  SimEvent *event = sim_at(sim, at_once ? 0 : 1, deed_do, deed);
  event->node_life = sim->node_life;
}

static void sim_node_event(Sim *sim, const NodeEvent *event)
{
  node_apply(sim->node, event, sim_now(sim), sim->actions);
  for (guint i = 0; i < sim->actions->items->len; i++)
    sim_carry_out(sim, &g_array_index(sim->actions->items, NodeAction, i));
  sim->node_wake = sim->actions->wake_at_ms;
  node_actions_clear(sim->actions);
}

static void sim_node_crash(Sim *sim)
{
  if (!sim->node_up)
    return;
  sim_say(sim, "node crashes");
  sim->node_up = false;
  sim->node_life++;
  sim_link_break(sim);
  g_clear_pointer(&sim->node, supervisor_free);
  sim_at(sim, 20 + sim_below(sim, 3000), sim_node_start, NULL);
}

static gint sim_compare_text(gconstpointer a, gconstpointer b)
{
  return strcmp(a, b);
}

static void sim_node_start(Sim *sim, void *data)
{
  (void)data;
  sim_say(sim, "node starts, boot %s", sim->boot_id);
  SupervisorConfig config = {.node_id = "local", .node_name = "sim", .boot_id = sim->boot_id, .version = "sim"};
  sim->node = supervisor_new(&config);
  supervisor_set_coverage(sim->node, sim_cover_life, NULL);
  sim->node_up = true;
  g_autoptr(GList) ids = g_list_sort(g_hash_table_get_keys(sim->files), sim_compare_text);
  for (GList *at = ids; at; at = at->next) {
    g_autofree char *id = g_strdup(at->data);
    NodeEvent file = {.type = NODE_EVENT_FILE, .instance = id, .text = g_hash_table_lookup(sim->files, id)};
    sim_node_event(sim, &file);
    const SimShim *shim = g_hash_table_lookup(sim->shims, id);
    NodeEvent found = {
        .type = NODE_EVENT_SHIM_ABSENT, .instance = id, .attempt = shim ? shim->attempt : 0, .orphan = shim && shim->proc.alive};
    if (shim && shim->alive)
      found = (NodeEvent){.type = NODE_EVENT_SHIM_FOUND,
                          .instance = id,
                          .generation = shim->generation,
                          .attempt = shim->attempt,
                          .pid = shim->running ? shim->pid : 0,
                          .exit = shim->exit};
    sim_node_event(sim, &found);
  }
  NodeEvent done = {.type = NODE_EVENT_FILES_DONE};
  sim_node_event(sim, &done);
}

static void sim_reboot(Sim *sim)
{
  sim_say(sim, "the machine reboots");
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, sim->shims);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    SimShim *shim = value;
    shim->alive = shim->running = shim->proc.alive = false;
    shim->attempt = 0;
  }
  g_snprintf(sim->boot_id, sizeof sim->boot_id, "boot-%d", ++sim->boots);
  sim_node_crash(sim);
  sim_server_crash(sim);
}

static void sim_shim_dies(Sim *sim)
{
  g_autoptr(GList) ids = g_list_sort(g_hash_table_get_keys(sim->shims), sim_compare_text);
  for (GList *at = ids; at; at = at->next) {
    SimShim *shim = g_hash_table_lookup(sim->shims, at->data);
    if (!shim->alive || !sim_chance(sim, 20))
      continue;
    sim_say(sim, "shim of %s dies", shim->id);
    shim->alive = shim->running = false;
    sim_tell(sim, shim, (NodeEvent){.type = NODE_EVENT_SHIM_GONE, .orphan = shim->proc.alive});
    return;
  }
}

/* ---- users ---- */

static Job *sim_job(Sim *sim, const char *name, int variant)
{
  Job *job = job_new();
  job->name = g_strdup(name);
  job->timeout_ms = 20000;
  job->on_failure = (FailurePolicy)sim_below(sim, 3);
  int n = 2 + sim_below(sim, 6);
  for (int i = 0; i < n; i++) {
    g_autofree char *id = g_strdup_printf("a%d", i);
    AgentSpec *agent = agent_spec_new(id);
    char *argv[] = {(char *)(uintptr_t) "run", g_strdup_printf("v%d", sim_chance(sim, 50) ? 0 : variant), NULL};
    agent->command = g_strdupv(argv);
    g_free(argv[1]);
    agent->kind = sim_chance(sim, 15) ? AGENT_BATCH : AGENT_SERVICE;
    agent->port = agent->kind == AGENT_SERVICE ? 9000 + i * 10 : PORT_NONE;
    agent->replicas = 1 + (sim_chance(sim, 20) ? 1 : 0);
    agent->health.kind = HEALTH_HTTP;
    agent->health.path = g_strdup("/health");
    agent->health.interval_ms = 2000;
    agent->restart.max = 2;
    agent->restart.policy = sim_chance(sim, 25) ? RESTART_NEVER : RESTART_ON_FAILURE;
    agent->restart.delay_ms = sim_below(sim, 2) * 200;
    agent->stop.grace_ms = 500;
    job_add_agent(job, agent);
  }
  Topology *topology = &job->topology;
  topology->type = (TopologyType)sim_below(sim, 6);
  if (topology->type == TOPOLOGY_HUB_SPOKE || topology->type == TOPOLOGY_HIERARCHICAL)
    topology->hub = 0;
  guint first = topology->hub >= 0 ? 1 : 0;
  if (topology->type == TOPOLOGY_PIPELINE || topology->type == TOPOLOGY_HIERARCHICAL) {
    for (guint i = first; i < (guint)n; i++)
      topology_add_group(topology, &i, 1);
  } else if (topology->type != TOPOLOGY_DAG && topology->type != TOPOLOGY_DYNAMIC) {
    guint members[16];
    for (guint i = first; i < (guint)n; i++)
      members[i - first] = i;
    topology_add_group(topology, members, (guint)n - first);
  }
  for (guint i = 1; topology->type == TOPOLOGY_DAG && i < (guint)n; i++) {
    Connection edge = {.from = (guint)sim_below(sim, (int)i), .to = i};
    g_array_append_val(topology->connections, edge);
  }
  return job;
}

static void sim_user(Sim *sim)
{
  if (!sim->server_up)
    return;
  static const char *const names[] = {"red", "blue"};
  const char *name = names[sim_below(sim, 2)];
  Command command = {.reply_to = ++sim->next_token, .actor = "uid:0", .deployment = name};
  static const CommandType types[] = {COMMAND_DEPLOY,  COMMAND_DEPLOY, COMMAND_DEPLOY,  COMMAND_DOWN,
                                      COMMAND_RESTART, COMMAND_CANCEL, COMMAND_ROLLBACK};
  command.type = types[sim_below(sim, (int)G_N_ELEMENTS(types))];
  sim_say(sim, "user: command %d on %s", (int)command.type, name);
  if (command.type != COMMAND_DEPLOY) {
    sim_apply(sim, &command);
    return;
  }
  g_autoptr(Job) job = sim_job(sim, name, 1 + sim_below(sim, 3));
  g_autofree char *json = job_to_json(job);
  command.job = job;
  command.job_json = json;
  command.source = "";
  command.source_name = "sim.yaml";
  command.replace = sim_chance(sim, 40);
  sim_apply(sim, &command);
}

/* ---- one run ---- */

static void sim_fault(Sim *sim)
{
  int kind = sim_below(sim, 100);
  if (kind < 12)
    sim_server_crash(sim);
  else if (kind < 24)
    sim_node_crash(sim);
  else if (kind < 34)
    sim_link_break(sim);
  else if (kind < 44)
    sim_shim_dies(sim);
  else if (kind < 48)
    sim_reboot(sim);
  else if (kind < 56)
    sim->wall_offset += (sim_below(sim, 2) ? 1 : -1) * sim_below(sim, 3600000);
  else if (kind < 62)
    sim->store_full = !sim->store_full;
  else if (kind < 65)
    sim->boot_ms += sim_below(sim, 90000); /* suspend */
  else
    sim_user(sim);
}

static void sim_pulse(Sim *sim, void *data)
{
  (void)data;
  if (sim->faults)
    sim_fault(sim);
  else
    sim->store_full = false;
  if (sim_chance(sim, 50) || !sim->faults)
    sim_link_connect(sim);
  sim_at(sim, sim->faults ? 1 + sim_below(sim, 2000) : 500, sim_pulse, NULL);
}

static bool sim_event_dead(const Sim *sim, const SimEvent *event)
{
  return (event->server_life >= 0 && event->server_life != sim->server_life) ||
         (event->node_life >= 0 && event->node_life != sim->node_life) || (event->link_life >= 0 && event->link_life != sim->link_life);
}

/* An event that will not happen owns its data. */
static void sim_event_drop(SimEvent *event)
{
  if (event->fn == deed_do) {
    g_free(((Deed *)event->data)->id);
    g_free(((Deed *)event->data)->text);
  } else if (event->fn == sim_proc_end) {
    g_free(((ProcEnd *)event->data)->id);
  }
  g_free(event->data);
  g_free(event);
}

/* The earliest of the next event, the core's and the node's wake-up. */
static void sim_step(Sim *sim)
{
  GSequenceIter *first = g_sequence_get_begin_iter(sim->events);
  SimEvent *event = g_sequence_get(first);
  int64_t server = sim->server_up && !sim->store_full ? sim->server_wake : INT64_MAX, node = sim->node_up ? sim->node_wake : INT64_MAX;
  if (server <= event->at && server <= node) {
    sim->boot_ms = MAX(sim->boot_ms, server);
    sim->server_wake = INT64_MAX;
    Command tick = {.type = COMMAND_TICK};
    sim_apply(sim, &tick);
    return;
  }
  if (node <= event->at) {
    sim->boot_ms = MAX(sim->boot_ms, node);
    sim->node_wake = INT64_MAX;
    NodeEvent tick = {.type = NODE_EVENT_TICK};
    sim_node_event(sim, &tick);
    return;
  }
  sim->boot_ms = MAX(sim->boot_ms, event->at);
  g_sequence_remove(first);
  if (sim_event_dead(sim, event) && event->fn != sim_proc_end) {
    sim_event_drop(event);
    return;
  }
  event->fn(sim, event->data);
  g_free(event);
}

/* Everything is settled: no rollout open, what should run runs once, what should not does not. */
static void sim_check_quiet(Sim *sim)
{
  const GPtrArray *deployments = core_deployments(sim->core);
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    if (deployment->rollout && deployment->rollout->phase != ROLLOUT_PHASE_DONE)
      sim_break(sim, "rollout '%s' (%s, phase %s, stage %d, waits for %u) of '%s' is open for ever", deployment->rollout->id,
                rollout_kind_word(deployment->rollout->kind), rollout_phase_word(deployment->rollout->phase), deployment->rollout->stage,
                deployment->rollout->waiting, deployment->name);
    for (guint k = 0; k < deployment->instances->len; k++) {
      const Instance *instance = deployment->instances->pdata[k];
      const SimShim *shim = g_hash_table_lookup(sim->shims, instance->id);
      bool lives = shim && shim->proc.alive;
      if (lives && !instance->desired_running)
        sim_break(sim, "'%s' of '%s' runs and should not", instance->agent, deployment->name);
      bool should = instance->desired_running && !instance->outcome;
      if (should && !lives && instance->state != INSTANCE_BACKOFF)
        sim_break(sim,
                  "'%s' (%s) of '%s' should run and does not; the core sees it %s, step %s, generation %" G_GINT64_FORMAT
                  " seen %" G_GINT64_FORMAT,
                  instance->agent, instance->id, deployment->name, instance_state_word(instance->state), instance_step_word(instance->step),
                  instance->generation, instance->seen_generation);
      if (lives && instance->desired_running && shim->generation != instance->generation)
        sim_break(sim, "'%s' of '%s' runs generation %" G_GINT64_FORMAT ", wanted %" G_GINT64_FORMAT, instance->agent, deployment->name,
                  shim->generation, instance->generation);
    }
  }
}

static void sim_shim_free(gpointer data)
{
  SimShim *shim = data;
  g_free(shim->id);
  g_free(shim);
}

static char *sim_run(uint64_t seed, bool verbose)
{
  Sim sim = {.random = seed * 7919,
             .boot_ms = 1000,
             .wall_offset = 1700000000000,
             .verbose = verbose,
             .faults = true,
             .server_wake = INT64_MAX,
             .node_wake = INT64_MAX};
  sim.events = g_sequence_new(NULL);
  for (int table = 0; table < TABLE_N; table++)
    sim.rows[table] = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)record_free);
  sim.promised = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim.files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  sim.shims = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, sim_shim_free);
  sim.was_healthy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim.actions = node_actions_new();
  g_strlcpy(sim.boot_id, "boot-0", sizeof sim.boot_id);
  sim_server_start(&sim, NULL);
  sim_node_start(&sim, NULL);
  sim_at(&sim, 10, sim_pulse, NULL);
  while (!sim.broken && sim.boot_ms < SIM_FAULT_MS)
    sim_step(&sim);
  sim.faults = false;
  sim_say(&sim, "faults end");
  int64_t end = sim.boot_ms + SIM_QUIET_MS;
  while (!sim.broken && sim.boot_ms < end)
    sim_step(&sim);
  if (!sim.broken && sim.core)
    sim_check_quiet(&sim);
  if (sim.broken) {
    printf("seed %" G_GUINT64_FORMAT ": %s\n", seed, sim.broken);
    for (guint i = sim.traced > SIM_TRACE ? sim.traced - SIM_TRACE : 0; i < sim.traced && !verbose; i++)
      printf("  %s\n", sim.trace[i % SIM_TRACE]->str);
  }
  while (!g_sequence_is_empty(sim.events)) {
    GSequenceIter *first = g_sequence_get_begin_iter(sim.events);
    sim_event_drop(g_sequence_get(first));
    g_sequence_remove(first);
  }
  for (guint i = 0; i < SIM_TRACE; i++)
    if (sim.trace[i])
      g_string_free(sim.trace[i], TRUE);
  release_free(sim.queue);
  core_free(sim.core);
  supervisor_free(sim.node);
  node_actions_free(sim.actions);
  g_sequence_free(sim.events);
  for (int table = 0; table < TABLE_N; table++)
    g_hash_table_unref(sim.rows[table]);
  g_hash_table_unref(sim.promised);
  g_hash_table_unref(sim.files);
  g_hash_table_unref(sim.shims);
  g_hash_table_unref(sim.was_healthy);
  return sim.broken;
}

static int sim_print_coverage(void)
{
  int missing = 0, all = 0;
  for (int life = 0; life < SUPERVISE_LIVES; life++)
    for (int event = 0; event < SUPERVISE_EVENTS; event++) {
      g_autofree char *key = g_strdup_printf("life %d %d", life, event);
      if (!supervise_cell_exists(life, event))
        continue;
      all++;
      if (g_hash_table_contains(sim_cells, key))
        continue;
      printf("not reached: %s x %s\n", supervise_life_name(life), supervise_event_name(event));
      missing++;
    }
  printf("life table: %d of %d cells reached\n", all - missing, all);
  return missing;
}

int main(int argc, char **argv)
{
  uint64_t from = 1, to = 200;
  bool verbose = false, coverage = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
      sscanf(argv[++i], "%" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT, &from, &to);
    verbose = verbose || strcmp(argv[i], "--verbose") == 0;
    coverage = coverage || strcmp(argv[i], "--coverage") == 0;
  }
  sim_cells = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  int failed = 0;
  for (uint64_t seed = from; seed <= to && !failed; seed++) {
    g_autofree char *broken = sim_run(seed, verbose);
    failed = broken != NULL;
  }
  if (!failed)
    printf("seeds %" G_GUINT64_FORMAT "..%" G_GUINT64_FORMAT " hold\n", from, to);
  if (coverage)
    sim_print_coverage();
  g_hash_table_unref(sim_cells);
  return failed;
}
