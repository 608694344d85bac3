/* The world of the core's tests; see world.h. */
#include "world.h"

#include "base/error.h"

#include <string.h>

enum { WORLD_ROUNDS_MAX = 10000 };
/* wall; the node says of everything that it is so since then */
static const int64_t WORLD_BEGAN_MS = 1700000000000;

static void held_free(gpointer data)
{
  Held *held = data;
  instance_spec_free(held->spec);
  g_free(held);
}

static GHashTable *world_table(GDestroyNotify value_free)
{
  return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free);
}

static void world_fold(World *world, const GPtrArray *records)
{
  for (guint i = 0; i < records->len; i++) {
    const Record *record = records->pdata[i];
    const char *key = record->values[0].text;
    if (record->deleted) {
      g_assert_true(g_hash_table_remove(world->rows[record->table], key));
      continue;
    }
    g_hash_table_replace(world->rows[record->table], g_strdup(key), record_copy(record));
  }
}

static Core *world_load(const World *world, Effects *effects)
{
  Core *core = core_new(NULL);
  for (int table = 0; table < TABLE_N; table++) {
    GHashTableIter iter;
    gpointer row;
    if (table_specs[table].history)
      continue;
    g_hash_table_iter_init(&iter, world->rows[table]);
    while (g_hash_table_iter_next(&iter, NULL, &row)) {
      g_autoptr(GError) error = NULL;
      g_assert_true(core_load_row(core, (TableId)table, ((const Record *)row)->values, &error));
      g_assert_no_error(error);
    }
  }
  core_load_done(core, world->now, effects);
  return core;
}

static void world_check_fold(const World *world)
{
  g_autoptr(Effects) effects = effects_new();
  g_autoptr(Core) again = world_load(world, effects);
  g_autofree char *is = core_dump(world->core), *was = core_dump(again);
  g_assert_cmpstr(is, ==, was);
  g_assert_cmpuint(effects->records->len, ==, 0);
}

static void world_take_effects(World *world, Effects *effects)
{
  world->records = effects->records->len;
  world->wake_at_ms = effects->wake_at_ms;
  world_fold(world, effects->records);
  for (guint i = 0; i < effects->messages->len; i++) {
    const Message *message = effects->messages->pdata[i];
    g_autoptr(GError) error = NULL;
    Frame *frame = frame_parse(message->frame, strlen(message->frame), &error);
    g_assert_no_error(error);
    g_assert_cmpint(frame->term, ==, core_term(world->core));
    if (world->linked)
      g_queue_push_tail(world->mail, frame);
    else
      frame_free(frame);
  }
  for (guint i = 0; i < effects->events->len; i++)
    g_string_append_printf(world->events, "%s ", ((const Event *)effects->events->pdata[i])->type);
  if (effects->replies->len > 0) {
    reply_free(world->reply);
    g_ptr_array_set_free_func(effects->replies, NULL);
    world->reply = effects->replies->pdata[0];
    g_assert_cmpuint(effects->replies->len, ==, 1);
  }
}

static void world_turn(World *world, const Command *command)
{
  g_autoptr(Effects) effects = effects_new();
  core_apply(world->core, command, world->now, effects);
  world_take_effects(world, effects);
  world_check_fold(world);
  if (world->turns++ != world->crash_turn)
    return;
  world_reload(world);
  world_connect(world);
}

/* ---- the node ---- */

static void world_send(World *world, Frame *frame)
{
  world_turn(world, &(Command){.type = COMMAND_NODE_FRAME,
                               .node = "local",
                               .actor = "node:local",
                               .frame = frame});
}

static InstanceReport *world_make_report(const char *id, const Held *held, const char *reason)
{
  InstanceReport *report = instance_report_new(id);
  report->epoch = held->epoch;
  report->generation = held->generation;
  report->state = held->state;
  report->health = held->health;
  report->attempt = held->attempt;
  report->since_ms = WORLD_BEGAN_MS;
  report->port = held->spec ? held->spec->port : 0;
  report->last_exit = (ExitStatus){.code = -1};
  report->reason = g_strdup(reason);
  if (held->state == INSTANCE_FAILED || held->state == INSTANCE_BACKOFF) {
    report->last_exit.code = 3;
    report->output = g_strdup("no such model\n");
  }
  return report;
}

static void world_send_report(World *world, const char *id, const Held *held, const char *reason)
{
  g_autoptr(Frame) frame = frame_new(FRAME_REPORT);
  g_ptr_array_add(frame->reports, world_make_report(id, held, reason));
  world_send(world, frame);
}

static const char *node_start(const World *world, Held *held)
{
  Habit habit = (Habit)GPOINTER_TO_INT(g_hash_table_lookup(world->habits, held->spec->agent));
  held->attempt = 1;
  held->health = HEALTH_UNKNOWN;
  held->state = INSTANCE_RUNNING;
  if (habit == HABIT_DIES || habit == HABIT_FLUTTERS) {
    held->state = habit == HABIT_DIES ? INSTANCE_FAILED : INSTANCE_BACKOFF;
    return "exit status 3";
  }
  if (habit == HABIT_HEALTHY && held->spec->kind == AGENT_BATCH)
    held->state = INSTANCE_COMPLETED;
  else if (habit == HABIT_HEALTHY)
    held->health = HEALTH_HEALTHY;
  return habit == HABIT_HANGS ? "no answer on port" : NULL;
}

static void node_on_start(World *world, Instruction *order)
{
  Held *held = g_hash_table_lookup(world->held, order->id);
  if (!held) {
    held = g_new0(Held, 1);
    g_hash_table_insert(world->held, g_strdup(order->id), held);
  }
  g_assert_nonnull(order->spec);
  g_string_append_printf(world->log, "start %s/%d g%" G_GINT64_FORMAT "; ", order->spec->agent,
                         order->spec->replica, order->generation);
  instance_spec_free(held->spec);
  held->spec = g_steal_pointer(&order->spec);
  held->epoch = order->epoch;
  held->generation = order->generation;
  const char *reason = node_start(world, held);
  if (GPOINTER_TO_INT(g_hash_table_lookup(world->habits, held->spec->agent)) != HABIT_SILENT)
    world_send_report(world, order->id, held, reason);
}

static void node_on_stop(World *world, Instruction *order)
{
  Held *held = g_hash_table_lookup(world->held, order->id);
  Held none = {.epoch = order->epoch, .generation = order->generation};
  if (held)
    g_string_append_printf(world->log, "stop %s/%d; ", held->spec->agent, held->spec->replica);
  else
    held = &none;
  if (held->state != INSTANCE_FAILED && held->state != INSTANCE_COMPLETED)
    held->state = INSTANCE_STOPPED;
  held->health = HEALTH_UNKNOWN;
  held->generation = MAX(held->generation, order->generation);
  world_send_report(world, order->id, held, NULL);
}

static void node_on_forget(World *world, Instruction *order)
{
  g_string_append(world->log, "forget; ");
  g_hash_table_remove(world->held, order->id);
}

static void node_on_peers(World *world, Instruction *order)
{
  Held *held = g_hash_table_lookup(world->held, order->id);
  g_assert_nonnull(held);
  g_string_append_printf(world->log, "peers %s/%d; ", held->spec->agent, held->spec->replica);
  g_free(held->spec->peers);
  held->spec->peers = g_strdup(order->peers);
}

static void node_on_reserve(World *world, const Frame *frame)
{
  if (world->holds_reserve)
    return;
  g_autoptr(Frame) answer = frame_new(FRAME_RESERVED);
  answer->request = frame->request;
  for (guint i = 0; i < frame->instructions->len; i++) {
    const Instruction *order = frame->instructions->pdata[i];
    const char *agent = order->spec->agent;
    int moved = GPOINTER_TO_INT(g_hash_table_lookup(world->moved, agent));
    int port = moved && !order->port_fixed ? moved : order->spec->port;
    g_hash_table_replace(world->wanted, g_strdup_printf("%s/%d", agent, order->spec->replica),
                         GINT_TO_POINTER(order->spec->port));
    g_ptr_array_add(answer->reservations,
                    reservation_new(order->id, port, g_hash_table_lookup(world->taken, agent)));
  }
  world_send(world, answer);
}

static void world_answer(World *world, const Frame *frame)
{
  static void (*const table[FRAME_N])(World *, Instruction *) = {[FRAME_START] = node_on_start,
                                                                 [FRAME_STOP] = node_on_stop,
                                                                 [FRAME_FORGET] = node_on_forget,
                                                                 [FRAME_PEERS] = node_on_peers};
  if (frame->type == FRAME_RESERVE)
    node_on_reserve(world, frame);
  for (guint i = 0; table[frame->type] && i < frame->instructions->len; i++)
    table[frame->type](world, frame->instructions->pdata[i]);
}

void world_run(World *world)
{
  int rounds = 0;
  while (world->answers && !g_queue_is_empty(world->mail)) {
    g_autoptr(Frame) frame = g_queue_pop_head(world->mail);
    world_answer(world, frame);
    g_assert_cmpint(++rounds, <, WORLD_ROUNDS_MAX); /* else the two talk for ever */
  }
}

/* ---- life ---- */

World *world_new(void)
{
  World *world = g_new0(World, 1);
  world->core = core_new(NULL);
  for (int table = 0; table < TABLE_N; table++)
    world->rows[table] = world_table((GDestroyNotify)record_free);
  world->now = (Now){.boot_ms = 5000, .wall_ms = WORLD_BEGAN_MS};
  world->wake_at_ms = INT64_MAX;
  world->answers = world->tells_peers = true;
  world->boot_id = g_strdup("boot-1");
  world->mail = g_queue_new();
  world->held = world_table(held_free);
  world->habits = world_table(NULL);
  world->taken = world_table(g_free);
  world->moved = world_table(NULL);
  world->wanted = world_table(NULL);
  world->log = g_string_new(NULL);
  world->events = g_string_new(NULL);
  world->crash_turn = -1;
  return world;
}

void world_free(World *world)
{
  if (!world)
    return;
  core_free(world->core);
  for (int table = 0; table < TABLE_N; table++)
    g_hash_table_unref(world->rows[table]);
  GHashTable *tables[] = {world->held, world->habits, world->taken, world->moved, world->wanted};
  for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
    g_hash_table_unref(tables[i]);
  g_queue_free_full(world->mail, (GDestroyNotify)frame_free);
  g_string_free(world->log, TRUE);
  g_string_free(world->events, TRUE);
  reply_free(world->reply);
  g_free(world->boot_id);
  g_free(world);
}

void world_connect(World *world)
{
  g_autoptr(Frame) hello = frame_new(FRAME_HELLO);
  hello->node = g_strdup("local");
  hello->name = g_strdup("host");
  hello->boot_id = g_strdup(world->boot_id);
  hello->incarnation = g_strdup(world->incarnation);
  hello->protocol = PROTOCOL_VERSION;
  GHashTableIter iter;
  gpointer id, held;
  g_hash_table_iter_init(&iter, world->held);
  while (g_hash_table_iter_next(&iter, &id, &held)) {
    InstanceReport *report = world_make_report(id, held, NULL);
    const InstanceSpec *spec = ((const Held *)held)->spec;
    report->peers = spec && world->tells_peers ? g_malloc(PEERS_DIGEST_BYTES) : NULL;
    if (report->peers)
      instance_peers_digest(spec->peers, report->peers);
    g_ptr_array_add(hello->reports, report);
  }
  world->linked = true;
  world_send(world, hello);
  world_run(world);
}

static void world_cut(World *world)
{
  world->linked = false;
  Frame *frame;
  while ((frame = g_queue_pop_head(world->mail)))
    frame_free(frame);
}

void world_disconnect(World *world)
{
  world_cut(world);
  world_turn(world, &(Command){.type = COMMAND_NODE_GONE, .node = "local"});
}

void world_reboot(World *world)
{
  GHashTableIter iter;
  gpointer value;
  world_disconnect(world);
  g_hash_table_iter_init(&iter, world->held);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Held *held = value;
    held->health = HEALTH_UNKNOWN;
    if (held->state != INSTANCE_COMPLETED && held->state != INSTANCE_FAILED)
      held->state = INSTANCE_STOPPED;
  }
  char *boot = g_strconcat(world->boot_id, "+", NULL);
  g_free(world->boot_id);
  world->boot_id = boot;
  world_connect(world);
}

void world_reload(World *world)
{
  world_cut(world);
  g_autoptr(Effects) effects = effects_new();
  Core *core = world_load(world, effects);
  core_free(world->core);
  world->core = core;
  world->wake_at_ms = effects->wake_at_ms;
}

void world_apply(World *world, Command command)
{
  command.reply_to = 1;
  command.actor = "uid:1000";
  world_turn(world, &command);
  world_run(world);
}

void world_do(World *world, CommandType type, const char *deployment)
{
  world_apply(world, (Command){.type = type, .deployment = deployment});
}

void world_pass(World *world, int64_t ms)
{
  int64_t end = world->now.boot_ms + ms;
  while (world->wake_at_ms <= end) {
    int64_t step = MAX(world->wake_at_ms - world->now.boot_ms, 0);
    int64_t due = world->wake_at_ms;
    world->now.boot_ms += step;
    world->now.wall_ms += step;
    world_turn(world, &(Command){.type = COMMAND_TICK});
    world_run(world);
    g_assert_cmpint(world->wake_at_ms, >, due); /* else it would spin */
  }
  world->now.wall_ms += end - world->now.boot_ms;
  world->now.boot_ms = end;
}

void world_report_as(World *world, const char *id, int64_t epoch, int64_t generation,
                     InstanceState state, Health health)
{
  Held held = {
      .epoch = epoch, .generation = generation, .state = state, .health = health, .attempt = 1};
  world_send_report(world, id, &held, NULL);
  world_run(world);
}

void world_report(World *world, const char *agent, int replica, InstanceState state, Health health,
                  const char *reason)
{
  Held *held = (Held *)(uintptr_t)world_held(world, agent, replica);
  g_assert_nonnull(held);
  held->state = state;
  held->health = health;
  world_send_report(world, world_slot(world, agent, replica)->id, held, reason);
  world_run(world);
}

void world_habit(World *world, const char *agent, Habit habit)
{
  g_hash_table_replace(world->habits, g_strdup(agent), GINT_TO_POINTER((int)habit));
}

void world_forget_log(World *world)
{
  g_string_truncate(world->log, 0);
  g_string_truncate(world->events, 0);
}

/* ---- jobs and looks ---- */

Job *world_job(const char *agents)
{
  Job *job = job_new();
  job->name = g_strdup("desk");
  job->directory = g_strdup("/srv/desk");
  job->topology.type = TOPOLOGY_PIPELINE;
  g_auto(GStrv) names = g_strsplit(agents, " ", -1);
  for (guint i = 0; names[i]; i++) {
    AgentSpec *agent = agent_spec_new(names[i]);
    agent->command = g_strsplit("run v1", " ", -1);
    agent->port = 9000 + (int)i * 10;
    agent->health.min_healthy_ms = 0; /* what is about it sets it */
    g_assert_true(job_add_agent(job, agent));
    topology_add_group(&job->topology, &i, 1);
  }
  return job;
}

AgentSpec *world_agent(Job *job, const char *id)
{
  int index = job_find_agent(job, id);
  g_assert_cmpint(index, >=, 0);
  return job->agents->pdata[index];
}

void world_deploy(World *world, const Job *job, bool replace)
{
  g_autofree char *json = job_to_json(job);
  world_apply(world, (Command){.type = COMMAND_DEPLOY,
                               .job = job,
                               .job_json = json,
                               .source = "agents:",
                               .source_name = "desk.yaml",
                               .replace = replace});
}

const Deployment *world_desk(const World *world)
{
  const Deployment *deployment = core_deployment(world->core, "desk");
  g_assert_nonnull(deployment);
  return deployment;
}

const Instance *world_slot(const World *world, const char *agent, int replica)
{
  const Deployment *deployment = world_desk(world);
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (strcmp(instance->agent, agent) == 0 && instance->replica == replica)
      return instance;
  }
  g_error("no slot '%s/%d'", agent, replica);
}

const Held *world_held(const World *world, const char *agent, int replica)
{
  return g_hash_table_lookup(world->held, world_slot(world, agent, replica)->id);
}

const char *world_environment(const World *world, const char *agent, int replica, const char *key)
{
  const Held *held = world_held(world, agent, replica);
  g_assert_nonnull(held);
  size_t n = strlen(key);
  for (int i = 0; held->spec->environment[i]; i++)
    if (strncmp(held->spec->environment[i], key, n) == 0 && held->spec->environment[i][n] == '=')
      return held->spec->environment[i] + n + 1;
  return NULL;
}

void world_assert_reply(const World *world, int code, int status, const char *part)
{
  g_assert_nonnull(world->reply);
  g_test_message("reply %s", world->reply->body);
  g_assert_cmpint(world->reply->code, ==, code);
  g_assert_cmpint(world->reply->status, ==, status);
  g_assert_nonnull(strstr(world->reply->body, part));
}

void world_assert_status(const World *world, DeploymentStatus status, RolloutOutcome outcome)
{
  const Deployment *desk = world_desk(world);
  g_assert_cmpstr(deployment_status_word(desk->status), ==, deployment_status_word(status));
  g_assert_cmpstr(rollout_outcome_word(desk->outcome), ==, rollout_outcome_word(outcome));
}
