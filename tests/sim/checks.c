/* The invariants: what must hold after every commit, at every start of a process, and when
 * everything has come to rest. */
#include "sim.h"

#include "core/build.h"
#include "core/instance.h"
#include "core/objects.h"
#include "core/ports.h"
#include "core/spec.h"

#include <stdio.h>
#include <string.h>

/* ---- what was acknowledged ---- */

/* The answer to a forget: nothing but "id" and "name". */
static bool check_is_forgotten(const Reply *reply, char name[64])
{
  int end = 0;
  return sscanf(reply->body, "{\"id\":\"%*[^\"]\",\"name\":\"%63[^\"]\"}%n", name, &end) == 1 &&
         end > 0 && !reply->body[end];
}

void sim_check_reply(Sim *sim, const Reply *reply)
{
  char name[64];
  int revision = 0;
  if (reply->code >= 0 || (reply->status != 202 && reply->status != 200))
    return;
  if (check_is_forgotten(reply, name)) /* changes before it may have been answered just now */
    g_hash_table_remove(sim->promised, name);
  const char *at = strstr(reply->body, "\"name\":\""),
             *number = strstr(reply->body, "\"revision\":");
  if (!at || !number || sscanf(at + 8, "%63[^\"]", name) != 1 ||
      sscanf(number + 11, "%d", &revision) != 1 || revision <= 0)
    return;
  int before = GPOINTER_TO_INT(g_hash_table_lookup(sim->promised, name));
  g_hash_table_replace(sim->promised, g_strdup(name), GINT_TO_POINTER(MAX(before, revision)));
}

void sim_check_promises(Sim *sim)
{
  GHashTableIter iter;
  gpointer name, revision;
  g_hash_table_iter_init(&iter, sim->promised);
  while (g_hash_table_iter_next(&iter, &name, &revision)) {
    const Deployment *deployment = core_deployment(sim_core(sim), name);
    if (!deployment || !deployment_revision(deployment, GPOINTER_TO_INT(revision)))
      sim_break(sim, "acknowledged revision %d of '%s' is lost", GPOINTER_TO_INT(revision),
                (char *)name);
  }
}

/* ---- what is stored ---- */

/* The fold of what is stored is the core that stored it. */
void sim_check_fold(Sim *sim)
{
  if (!engine_idle(sim->engine) || sim->commits++ % sim->fold_every != 0)
    return;
  g_autoptr(Effects) effects = effects_new();
  g_autoptr(Core) again = sim_load(sim, 0, effects);
  g_autofree char *is = core_dump(sim_core(sim)), *was = core_dump(again);
  if (strcmp(is, was) != 0)
    sim_break(sim, "core_load differs from the core that wrote\n--- core\n%s\n--- loaded\n%s", is,
              was);
}

/* What is to run is stored before anybody hears of it. */
static void check_starts(Sim *sim, const char *text)
{
  g_autoptr(Frame) frame = frame_parse(text, strlen(text), NULL);
  for (guint i = 0; i < frame->instructions->len; i++) {
    const Instruction *start = frame->instructions->pdata[i];
    const Record *row = g_hash_table_lookup(sim->rows[TABLE_INSTANCES], start->id);
    int64_t epoch = row ? row->values[INS_EPOCH].number : 0,
            generation = row ? row->values[INS_GENERATION].number : 0;
    if (start->epoch > epoch || (start->epoch == epoch && start->generation > generation))
      sim_break(sim,
                "'%s' is started in epoch %" G_GINT64_FORMAT " generation %" G_GINT64_FORMAT
                ", stored are %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT,
                start->id, start->epoch, start->generation, epoch, generation);
  }
}

/* A server with another store tells the node nothing that would touch what it holds. */
void sim_check_message(Sim *sim, const char *frame)
{
  static const char *const words[] = {"\"type\":\"stop\"", "\"type\":\"forget\"",
                                      "\"type\":\"start\""};
  for (size_t i = 0; sim_is_other(sim) && i < G_N_ELEMENTS(words); i++)
    if (strstr(frame, words[i]))
      sim_break(sim, "a server with another store sends %s", frame);
  if (strstr(frame, words[2]))
    check_starts(sim, frame);
}

void sim_note_refused(Sim *sim, const GPtrArray *records)
{
  g_array_set_size(sim->refused, 0);
  for (guint i = 0; i < records->len; i++) {
    const Record *record = records->pdata[i];
    SimRefused refused = {
        .table = record->table,
        .before = g_hash_table_lookup(sim->rows[record->table], record->values[0].text)};
    g_strlcpy(refused.key, record->values[0].text, sizeof refused.key);
    g_array_append_val(sim->refused, refused);
  }
}

void sim_check_refused(Sim *sim)
{
  for (guint i = 0; i < sim->refused->len; i++) {
    const SimRefused *refused = &g_array_index(sim->refused, SimRefused, i);
    if (g_hash_table_lookup(sim->rows[refused->table], refused->key) != refused->before)
      sim_break(sim, "'%s' of '%s' was changed by a commit that was refused", refused->key,
                table_specs[refused->table].name);
  }
  g_array_set_size(sim->refused, 0);
}

static bool check_same(const Record *was, const Record *is, int column)
{
  return g_strcmp0(was->values[column].text, is->values[column].text) == 0;
}

/* A rollout has one outcome, a revision one text, and the numbers of an instance only grow. */
void sim_check_row(Sim *sim, const Record *was, const Record *is)
{
  if (!was) {
    if (is->table == TABLE_SCHEDULE_RUNS)
      sim_check_run(sim, is);
    return;
  }
  const char *id = is->values[0].text;
  if (is->table == TABLE_ROLLOUTS && strcmp(was->values[ROL_OUTCOME].text, "open") != 0 &&
      !check_same(was, is, ROL_OUTCOME))
    sim_break(sim, "rollout '%s' was %s and is %s", id, was->values[ROL_OUTCOME].text,
              is->values[ROL_OUTCOME].text);
  if (is->table == TABLE_REVISIONS && !check_same(was, is, REV_JOB))
    sim_break(sim, "the job of revision '%s' changed", id);
  if (is->table == TABLE_INSTANCES &&
      (is->values[INS_EPOCH].number < was->values[INS_EPOCH].number ||
       (is->values[INS_EPOCH].number == was->values[INS_EPOCH].number &&
        is->values[INS_GENERATION].number < was->values[INS_GENERATION].number)))
    sim_break(sim, "epoch or generation of '%s' went back", id);
}

/* ---- ports ---- */

static bool check_port_automatic(const Instance *instance)
{
  const Revision *revision = deployment_revision(instance->deployment, instance->revision);
  int index = revision ? job_find_agent(revision_job(revision), instance->agent) : -1;
  return index >= 0 && job_agent(revision_job(revision), (guint)index)->port == PORT_AUTO;
}

static void check_port_of(Sim *sim, GHashTable *used, Instance *instance)
{
  if (instance->port <= 0 || !instance->desired_running || instance->step == STEP_WAITING ||
      instance->outcome)
    return;
  const Instance *other = g_hash_table_lookup(used, GINT_TO_POINTER(instance->port));
  if (other && (check_port_automatic(instance) || check_port_automatic(other)))
    sim_break(sim,
              "port %d is handed out to '%s' (%s, %s, generation %" G_GINT64_FORMAT
              ") of '%s' and to '%s' (%s, %s, generation %" G_GINT64_FORMAT ") of '%s'",
              instance->port, instance->agent, instance->id, instance_step_word(instance->step),
              instance->generation, instance->deployment->name, other->agent, other->id,
              instance_step_word(other->step), other->generation, other->deployment->name);
  g_hash_table_insert(used, GINT_TO_POINTER(instance->port), instance);
}

/* An automatic port belongs to one slot. (Two jobs may declare the same fixed port: the node
 * refuses the second.) */
void sim_check_ports(Sim *sim)
{
  if (!ports_are_right(sim_core(sim)))
    sim_break(sim, "the index of live ports is not what the instances say");
  g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
  const GPtrArray *deployments = core_deployments(sim_core(sim));
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    for (guint k = 0; k < deployment->instances->len; k++)
      check_port_of(sim, used, deployment->instances->pdata[k]);
  }
}

/* ---- starts ---- */

static char *check_healthy_key(const char *id, int64_t epoch, int64_t generation)
{
  return g_strdup_printf("%s/%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, id, epoch, generation);
}

void sim_mark_healthy(Sim *sim, const SimShim *shim)
{
  g_hash_table_add(sim->was_healthy,
                   check_healthy_key(shim->id, shim->proc.epoch, shim->proc.generation));
}

/* No agent of a later stage starts before every earlier one was healthy in what the rollout wants.
 */
static void check_stage(Sim *sim, const SimShim *shim)
{
  const Instance *instance = sim_core(sim) ? core_instance(sim_core(sim), shim->id) : NULL;
  const Rollout *rollout = instance ? instance->deployment->rollout : NULL;
  if (!rollout || rollout->phase != ROLLOUT_PHASE_APPLY || rollout->verdict != OUTCOME_SUCCEEDED ||
      instance->generation != shim->generation || instance->epoch != shim->epoch ||
      instance->step != STEP_STARTING || g_hash_table_contains(sim->restored, rollout->id))
    return;
  for (guint i = 0; i < instance->deployment->instances->len; i++) {
    const Instance *earlier = instance->deployment->instances->pdata[i];
    if (earlier->stage >= instance->stage || earlier->target == 0 || earlier->step != STEP_READY)
      continue;
    g_autofree char *key = check_healthy_key(earlier->id, earlier->epoch, earlier->generation);
    if (!g_hash_table_contains(sim->was_healthy, key))
      sim_break(sim, "'%s' of stage %d starts before '%s' of stage %d was healthy", instance->agent,
                instance->stage, earlier->agent, earlier->stage);
  }
}

/* Starts in a row, as the agent's settings allow. The node counts anew when it was started anew;
 * `never` and a batch that completed are for ever. */
static void check_restarts(Sim *sim, SimShim *shim, const InstanceSpec *spec)
{
  const RestartSpec *restart = &spec->restart;
  if (shim->node_life != sim->node_starts ||
      shim->ended_at - shim->started_at >= restart->stable_ms)
    shim->starts = MIN(shim->starts, 1);
  shim->node_life = sim->node_starts;
  bool completed =
      shim->starts > 0 && spec->kind == AGENT_BATCH && shim->exit.code == 0 && !shim->exit.signal;
  if (shim->starts > 0 && (restart->policy == RESTART_NEVER || completed))
    sim_break(sim, "'%s' (%s) is restarted against its policy", shim->id, spec->agent);
  /* which is a first start for the node of now */
  if (restart->max >= 0 && shim->starts > restart->max + (int)shim->decided_before)
    sim_break(sim, "'%s' (%s) is restarted %d times, allowed are %d", shim->id, spec->agent,
              shim->starts, restart->max);
  if (shim->starts > 0 && sim->boot_ms - shim->ended_at < restart->delay_ms)
    sim_break(sim, "'%s' (%s) is restarted before its delay", shim->id, spec->agent);
  shim->starts++;
  shim->started_at = sim->boot_ms;
}

void sim_check_start(Sim *sim, SimShim *shim, const InstanceSpec *spec)
{
  check_stage(sim, shim);
  check_restarts(sim, shim, spec);
}

/* ---- epochs ---- */

void sim_epochs_before(Sim *sim, const Command *command)
{
  g_hash_table_remove_all(sim->former);
  bool reports = command->frame && command->frame->type == FRAME_REPORT;
  for (guint i = 0; reports && i < command->frame->reports->len; i++) {
    const InstanceReport *report = command->frame->reports->pdata[i];
    const Instance *instance = core_instance(sim_core(sim), report->id);
    if (instance && report->epoch < instance->epoch && report->state != instance->state)
      g_hash_table_insert(sim->former, report->id, GINT_TO_POINTER(instance->state));
  }
}

void sim_epochs_after(Sim *sim, const Command *command)
{
  for (guint i = 0; g_hash_table_size(sim->former) && i < command->frame->reports->len; i++) {
    const InstanceReport *report = command->frame->reports->pdata[i];
    const Instance *instance = core_instance(sim_core(sim), report->id);
    if (instance && g_hash_table_contains(sim->former, report->id) &&
        instance->state == report->state)
      sim_break(sim,
                "'%s' is believed to be %s, by a report of epoch %" G_GINT64_FORMAT
                " and not %" G_GINT64_FORMAT,
                report->id, instance_state_word(report->state), report->epoch, instance->epoch);
  }
}

/* ---- at rest ---- */

bool sim_settled(const Sim *sim)
{
  if (!sim->server_up || !sim->node_up || !sim->link_up || !engine_idle(sim->engine) ||
      engine_core_state(sim->engine) != CORE_STATE_READY ||
      engine_store_state(sim->engine) != STORE_STATE_OK)
    return false;
  const GPtrArray *deployments = core_deployments(sim_core(sim)),
                  *nodes = core_nodes(sim_core(sim));
  for (guint i = 0; i < nodes->len; i++)
    if (((const NodeObject *)nodes->pdata[i])->problem)
      return false; /* it is refused, and asks again */
  for (guint i = 0; i < deployments->len; i++) {
    const Rollout *rollout = ((const Deployment *)deployments->pdata[i])->rollout;
    if (rollout && rollout->phase != ROLLOUT_PHASE_DONE)
      return false;
  }
  return true;
}

static void check_closed(Sim *sim, const Deployment *deployment)
{
  for (guint i = 0; i < deployment->rollouts->len; i++) {
    const Rollout *rollout = deployment->rollouts->pdata[i];
    if (rollout->phase != ROLLOUT_PHASE_DONE || rollout->outcome == OUTCOME_OPEN)
      sim_break(sim, "rollout '%s' (%s, phase %s, stage %d, waits for %u) of '%s' is open for ever",
                rollout->id, rollout_kind_word(rollout->kind), rollout_phase_word(rollout->phase),
                rollout->stage, rollout->waiting, deployment->name);
  }
}

/* What should run runs once, as the core counts it; what should not does not. */
static void check_alive(Sim *sim, const Instance *instance)
{
  const SimShim *shim = g_hash_table_lookup(sim->shims, instance->id);
  const char *agent = instance->agent, *name = instance->deployment->name;
  bool lives = shim && shim->proc.alive;
  if (lives && !instance->desired_running)
    sim_break(sim, "'%s' (%s) of '%s' runs and should not", agent, instance->id, name);
  /* its shim cannot tell of its end, and nothing is asked of it: a node does not see that */
  bool unseen = shim && shim->frozen && shim->unreaped;
  bool coming = unseen || sim_run_is_new(sim, instance) ||
                g_hash_table_contains(sim->foreign, GINT_TO_POINTER(instance->port));
  if (instance->desired_running && !instance->outcome && !lives &&
      instance->state != INSTANCE_BACKOFF && !coming)
    sim_break(
        sim,
        "'%s' (%s) of '%s' should run and does not; the core sees it %s, step %s, epoch %" G_GINT64_FORMAT
        " generation %" G_GINT64_FORMAT " seen %" G_GINT64_FORMAT,
        agent, instance->id, name, instance_state_word(instance->state),
        instance_step_word(instance->step), instance->epoch, instance->generation,
        instance->sight.seen_generation);
  if (lives && instance->desired_running &&
      (shim->generation != instance->generation || shim->epoch != instance->epoch))
    sim_break(sim,
              "'%s' (%s) of '%s' runs epoch %" G_GINT64_FORMAT " generation %" G_GINT64_FORMAT
              ", wanted %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT,
              agent, instance->id, name, shim->epoch, shim->generation, instance->epoch,
              instance->generation);
}

static bool check_environment(const InstanceSpec *spec, const AgentSpec *agent)
{
  for (guint i = 0; i < strmap_size(&agent->environment); i++) {
    const StrPair *pair = strmap_at(&agent->environment, i);
    g_autofree char *word = g_strdup_printf("%s=%s", pair->key, pair->value);
    if (!g_strv_contains((const char *const *)spec->environment, word))
      return false;
  }
  return true;
}

/* The first field of what runs that is not as @agent of the revision says, or NULL. */
static const char *check_fields(const InstanceSpec *spec, const AgentSpec *agent, int replica)
{
  const HealthSpec *health = &spec->health, *wanted = &agent->health;
  if (!g_strv_equal((const char *const *)spec->argv, (const char *const *)agent->command))
    return "argv";
  if (!check_environment(spec, agent))
    return "environment";
  if (g_strcmp0(spec->working_dir, agent->working_dir) != 0)
    return "working_dir";
  if (spec->kind != agent->kind)
    return "kind";
  if (agent->port >= 0 && spec->port != (agent->port ? agent->port + replica : 0))
    return "port";
  if (agent->port == PORT_AUTO && spec->port <= 0)
    return "port";
  if (health->kind != wanted->kind || g_strcmp0(health->path, wanted->path) != 0 ||
      health->interval_ms != wanted->interval_ms || health->timeout_ms != wanted->timeout_ms)
    return "health";
  if (memcmp(&spec->restart, &agent->restart, sizeof spec->restart) != 0)
    return "restart";
  return spec->stop.grace_ms != agent->stop.grace_ms ? "stop" : NULL;
}

/* What runs is its revision, field by field. */
static void check_revision(Sim *sim, const Instance *instance)
{
  const Revision *revision = deployment_revision(instance->deployment, instance->revision);
  const SimShim *shim = g_hash_table_lookup(sim->shims, instance->id);
  g_autoptr(InstanceSpec) spec = sim_file_spec(sim, instance->id);
  if (!instance->desired_running || !shim || !shim->proc.alive || !spec)
    return;
  int index = revision ? job_find_agent(revision_job(revision), instance->agent) : -1;
  if (index < 0) {
    sim_break(sim, "'%s' of '%s' runs and revision %d does not have it", instance->agent,
              instance->deployment->name, instance->revision);
    return;
  }
  const char *wrong =
      check_fields(spec, job_agent(revision_job(revision), (guint)index), instance->replica);
  if (wrong)
    sim_break(sim, "'%s' (%s) of '%s': %s is not that of revision %d", instance->agent,
              instance->id, instance->deployment->name, wrong, instance->revision);
  if (spec->port != instance->port)
    sim_break(sim, "'%s' (%s) of '%s' has port %d, the core says %d", instance->agent, instance->id,
              instance->deployment->name, spec->port, instance->port);
}

/* What runs has been told who its peers are now, whatever was lost on the way and however the last
 * change ended. */
static void check_peers(Sim *sim, const Instance *instance)
{
  const InstanceSpec *spec = supervisor_spec(dispatch_supervisor(sim->node), instance->id);
  const SimShim *shim = g_hash_table_lookup(sim->shims, instance->id);
  if (!instance->desired_running || !shim || !shim->proc.alive || !spec)
    return;
  g_autofree char *peers = instance_peers(instance);
  if (strcmp(peers, spec->peers) != 0)
    sim_break(sim, "'%s' (%s) of '%s' has the peers %s, right is %s", instance->agent, instance->id,
              instance->deployment->name, spec->peers, peers);
}

/* A deployment that runs - deployed, updated, rolled back - has every slot of its revision and no
 * other. */
static void check_whole(Sim *sim, const Deployment *deployment)
{
  const Revision *revision = deployment_revision(deployment, deployment->revision);
  bool whole = deployment->settled == DEPLOYMENT_RUNNING && deployment->outcome != OUTCOME_FAILED;
  if (!whole || !revision)
    return;
  const Job *job = revision_job(revision);
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    int index = job_find_agent(job, instance->agent);
    bool wanted = index >= 0 && instance->replica < job_agent(job, (guint)index)->replicas;
    if (wanted && (g_strcmp0(instance->outcome, "completed") == 0 ||
                   job_agent(job, (guint)index)->schedule.set))
      continue;
    if (wanted != instance->desired_running ||
        (wanted && instance->revision != deployment->revision))
      sim_break(sim, "'%s' replica %d of '%s' (%s, revision %d after %s) is %s at revision %d",
                instance->agent, instance->replica, deployment->name,
                deployment_status_word(deployment->settled), deployment->revision,
                rollout_outcome_word(deployment->outcome),
                instance->desired_running ? "wanted" : "not wanted", instance->revision);
  }
}

/* The node keeps nothing that nobody knows. */
static void check_node(Sim *sim)
{
  g_autoptr(GList) files = sim_sorted_keys(sim->files), shims = sim_sorted_keys(sim->shims);
  for (GList *at = files; at; at = at->next)
    if (!core_instance(sim_core(sim), at->data))
      sim_break(sim, "the node keeps '%s' that the server does not know", (const char *)at->data);
  for (GList *at = shims; at; at = at->next) {
    const SimShim *shim = g_hash_table_lookup(sim->shims, at->data);
    if (sim_shim_lives(shim) && !core_instance(sim_core(sim), at->data))
      sim_break(sim, "'%s' runs and the server does not know it", shim->id);
    const Instance *instance = core_instance(sim_core(sim), at->data);
    /* Nobody can ask it what became of its agent; or its node died before it looked whether it
     * left. */
    bool unknown = shim->frozen && (shim->silent || !g_hash_table_contains(sim->files, at->data));
    if (shim->alive && !unknown && !shim->proc.alive &&
        sim->boot_ms - MAX(shim->ended_at, shim->spawned_at) > SIM_START_MS &&
        (!instance || instance->state != INSTANCE_BACKOFF))
      sim_break(sim, "the shim of '%s' is left over", shim->id);
  }
}

/* Also when its server was away, or has begun anew over the same link. */
static void check_heard(Sim *sim)
{
  const GPtrArray *nodes = core_nodes(sim_core(sim));
  for (guint i = 0; i < nodes->len; i++)
    if (!((const NodeObject *)nodes->pdata[i])->linked)
      sim_break(sim, "the node has a link, and the core does not hear it");
}

void sim_check_quiet(Sim *sim)
{
  sim->commits = 0;
  sim_check_fold(sim);
  const GPtrArray *deployments = core_deployments(sim_core(sim));
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    check_closed(sim, deployment);
    for (guint k = 0; k < deployment->instances->len; k++) {
      check_alive(sim, deployment->instances->pdata[k]);
      check_revision(sim, deployment->instances->pdata[k]);
      check_peers(sim, deployment->instances->pdata[k]);
    }
    check_whole(sim, deployment);
    sim_check_runs(sim, deployment);
    sim_check_hooks(sim, deployment);
  }
  check_node(sim);
  check_heard(sim);
}
