/* Invariants of change: how many ready slots may be out at once in a rolling rollout, and that a
 * schedule fires once for each time. */
#include "sim.h"

#include <string.h>

/* ---- rolling ---- */

static const AgentSpec *change_agent(const Instance *instance, int number)
{
  const Revision *revision = deployment_revision(instance->deployment, number);
  int index = revision ? job_find_agent(revision_job(revision), instance->agent) : -1;
  return index < 0 ? NULL : job_agent(revision_job(revision), (guint)index);
}

static int change_replicas(const Instance *instance, int number)
{
  const AgentSpec *agent = change_agent(instance, number);
  return agent ? agent->replicas : 0;
}

static bool change_ready(const Instance *instance)
{
  const AgentSpec *agent = change_agent(instance, instance->revision);
  return agent && agent->kind == AGENT_SERVICE && instance->desired_running &&
         instance->sight.present && instance->state == INSTANCE_RUNNING &&
         instance->health == HEALTH_HEALTHY &&
         instance->sight.seen_generation == instance->generation;
}

/* The rollout of @deployment when it has to be gentle, or NULL. */
static const Rollout *change_gentle(const Deployment *deployment)
{
  const Rollout *rollout = deployment->rollout;
  if (!rollout || rollout->phase != ROLLOUT_PHASE_APPLY || rollout->kind == ROLLOUT_KIND_RECOVER)
    return NULL;
  return rollout->kind == ROLLOUT_KIND_RESTART && !rollout->rolling ? NULL : rollout;
}

static bool change_extra(const Rollout *rollout, const Instance *instance)
{
  return instance->replica >=
         MAX(change_replicas(instance, rollout->from), change_replicas(instance, rollout->to));
}

static char *change_key(const Instance *instance, int64_t generation)
{
  return g_strdup_printf("%s/%" G_GINT64_FORMAT, instance->id, generation);
}

/* Does this very command tell that @instance serves no more? */
static bool change_told_otherwise(const Command *command, const Instance *instance)
{
  for (guint i = 0; command->frame && i < command->frame->reports->len; i++) {
    const InstanceReport *report = command->frame->reports->pdata[i];
    if (strcmp(report->id, instance->id) == 0 &&
        (report->state != INSTANCE_RUNNING || report->health > HEALTH_HEALTHY))
      return true;
  }
  return false;
}

void sim_rolling_before(Sim *sim, const Command *command)
{
  const GPtrArray *deployments = core_deployments(sim_core(sim));
  g_hash_table_remove_all(sim->ready_before);
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    for (guint k = 0; change_gentle(deployment) && k < deployment->instances->len; k++) {
      const Instance *instance = deployment->instances->pdata[k];
      if (instance->step == STEP_WAITING && change_ready(instance) &&
          !change_told_otherwise(command, instance))
        g_hash_table_add(sim->ready_before, change_key(instance, instance->generation + 1));
    }
  }
}

typedef struct Change {
  bool surge, taken; /* has extra slots; a ready slot was taken in this turn */
  guint out, ready;  /* slots taken while ready and not back; extra slots that are ready */
} Change;

static void change_count(Sim *sim, const Rollout *rollout, const Instance *instance, Change *change)
{
  g_autofree char *key = change_key(instance, instance->generation);
  bool extra = instance->target > 0 && change_extra(rollout, instance);
  if (instance->step == STEP_STARTING && g_hash_table_contains(sim->ready_before, key)) {
    change->taken = true;
    g_hash_table_add(sim->taken, g_strdup(key));
  }
  change->surge |= extra;
  change->ready += extra && change_ready(instance);
  change->out +=
      !extra && instance->step == STEP_STARTING && g_hash_table_contains(sim->taken, key);
}

static void change_check(Sim *sim, const Rollout *rollout)
{
  const Deployment *deployment = rollout->deployment;
  const Revision *revision =
      deployment_revision(deployment, rollout->to ? rollout->to : rollout->from);
  g_autoptr(GHashTable) agents = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  for (guint k = 0; k < deployment->instances->len; k++) {
    const Instance *instance = deployment->instances->pdata[k];
    Change *change = g_hash_table_lookup(agents, instance->agent);
    if (!change)
      g_hash_table_insert(agents, instance->agent, change = g_new0(Change, 1));
    change_count(sim, rollout, instance, change);
  }
  guint out = 0, allowed = (guint)revision_job(revision)->update.max_unavailable;
  bool taken = false;
  GHashTableIter iter;
  gpointer agent, value;
  g_hash_table_iter_init(&iter, agents);
  while (g_hash_table_iter_next(&iter, &agent, &value)) {
    const Change *change = value;
    if (change->surge && change->taken && change->out > change->ready)
      sim_break(sim, "%u ready slots of '%s' of '%s' are out, and %u extra ones stand in for them",
                change->out, (char *)agent, deployment->name, change->ready);
    out += change->surge ? 0 : change->out;
    taken |= !change->surge && change->taken;
  }
  if (taken && out > allowed)
    sim_break(sim, "%u ready slots of '%s' are out at once, allowed are %u", out, deployment->name,
              allowed);
}

void sim_rolling_loaded(Sim *sim)
{
  const GPtrArray *deployments = core_deployments(sim_core(sim));
  g_autoptr(GHashTable) former = g_steal_pointer(&sim->taken);
  sim->taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < deployments->len; i++) {
    const Deployment *deployment = deployments->pdata[i];
    for (guint k = 0; k < deployment->instances->len; k++) {
      const Instance *instance = deployment->instances->pdata[k];
      char *key = change_key(instance, instance->generation);
      if (g_hash_table_contains(former, key))
        g_hash_table_add(sim->taken, key);
      else
        g_free(key);
    }
  }
}

void sim_rolling_after(Sim *sim)
{
  const GPtrArray *deployments = core_deployments(sim_core(sim));
  for (guint i = 0; i < deployments->len; i++)
    if (change_gentle(deployments->pdata[i]))
      change_check(sim, change_gentle(deployments->pdata[i]));
}

/* ---- schedules ---- */

/* A new run: no other was begun for the same time by the clock. */
void sim_check_run(Sim *sim, const Record *run)
{
  bool fired = g_strcmp0(run->values[RUN_ACTOR].text, "schedule") == 0 &&
               g_strcmp0(run->values[RUN_OUTCOME].text, "missed") != 0;
  if (!fired)
    return;
  sim_say(sim, "schedule %s fires for %" G_GINT64_FORMAT ": %s", run->values[RUN_SCHEDULE].text,
          run->values[RUN_DUE_AT].number, run->values[RUN_OUTCOME].text);
  g_autofree char *key = g_strdup_printf("%s/%" G_GINT64_FORMAT, run->values[RUN_SCHEDULE].text,
                                         run->values[RUN_DUE_AT].number);
  if (g_hash_table_contains(sim->fired, key))
    sim_break(sim,
              "schedule '%s' fires twice for the same time %" G_GINT64_FORMAT
              ", at %" G_GINT64_FORMAT " (%s, %s)",
              run->values[RUN_SCHEDULE].text, run->values[RUN_DUE_AT].number,
              run->values[RUN_STARTED_AT].number, run->values[RUN_OUTCOME].text,
              run->values[RUN_ID].text);
  g_hash_table_add(sim->fired, g_steal_pointer(&key));
}

bool sim_run_is_new(const Sim *sim, const Instance *instance)
{
  for (guint i = 0; i < instance->deployment->schedules->len; i++) {
    const Schedule *schedule = instance->deployment->schedules->pdata[i];
    const ScheduleRun *last =
        schedule->runs->len ? schedule->runs->pdata[schedule->runs->len - 1] : NULL;
    if (last && strcmp(schedule->agent, instance->agent) == 0 &&
        sim_now(sim).wall_ms - last->started_at_ms < SIM_START_MS)
      return true;
  }
  return false;
}

/* A run that goes has a process, or one that is coming. */
void sim_check_runs(Sim *sim, const Deployment *deployment)
{
  for (guint i = 0; i < deployment->schedules->len; i++) {
    const Schedule *schedule = deployment->schedules->pdata[i];
    for (guint k = 0; k < schedule->runs->len; k++) {
      const ScheduleRun *run = schedule->runs->pdata[k];
      bool lives = false;
      for (guint n = 0; n < deployment->instances->len; n++) {
        const Instance *instance = deployment->instances->pdata[n];
        const SimShim *shim = g_hash_table_lookup(sim->shims, instance->id);
        lives |= strcmp(instance->agent, schedule->agent) == 0 &&
                 ((shim && shim->proc.alive) || instance->state == INSTANCE_BACKOFF ||
                  instance->state == INSTANCE_STARTING);
      }
      if (strcmp(run->outcome, "running") == 0 && !lives &&
          sim_now(sim).wall_ms - run->started_at_ms > SIM_START_MS)
        sim_break(sim, "run '%s' of '%s' goes on for ever", run->id, schedule->agent);
    }
  }
}
