/* What a rollout wants of every slot: a revision, or none; which of them have to be started for it,
 * and with which port. */
#include "core/targets.h"

#include "core/build.h"
#include "core/deployment.h"
#include "core/instance.h"
#include "core/reserve.h"
#include "core/rolling.h"
#include "core/state.h"
#include "core/turn.h"

#include <string.h>

/* One agent of the plan whose slots are gone through. Comparing two revisions of it costs two
 * texts: replicas, which mostly run the same revision, share the answer. */
typedef struct Wanted {
  const Plan *plan;
  guint index;
  const AgentSpec *agent;
  int compared; /* number of the revision that @same is about; 0: none yet */
  bool same;
} Wanted;

/* Is the process that @instance was last started with the wanted one? */
static bool rollout_same_agent(const Instance *instance, Wanted *wanted)
{
  if (instance->revision == wanted->compared)
    return wanted->same;
  const Revision *revision = revision_find(instance->deployment, instance->revision);
  const Job *job = revision_job(revision); /* NULL: what is not known is not the same */
  const AgentSpec *before = job ? job_agent_named(job, wanted->agent->id) : NULL;
  wanted->compared = instance->revision;
  wanted->same = before && agent_spec_same(job, before, wanted->plan->job, wanted->agent);
  return wanted->same;
}

/* Does the restart @rollout, of AGENT or AGENT/REPLICA, name @instance? */
static bool rollout_names(const Rollout *rollout, const Instance *instance)
{
  g_autofree char *slot = slot_key(instance->agent, instance->replica);
  return strcmp(rollout->agent, instance->agent) == 0 || strcmp(rollout->agent, slot) == 0;
}

/* Must the slot be started (again) to be what @rollout wants? */
static bool rollout_needs(const Rollout *rollout, const Instance *instance, Wanted *wanted)
{
  const AgentSpec *agent = wanted->agent;
  bool completed = agent->kind == AGENT_BATCH && g_strcmp0(instance->outcome, "completed") == 0;
  bool undoing = rollout->verdict != OUTCOME_SUCCEEDED;
  if (rollout->kind == ROLLOUT_KIND_RESTART && !undoing)
    return rollout->agent ? rollout_names(rollout, instance) : !completed;
  if (rollout->kind == ROLLOUT_KIND_RECOVER)
    return instance->desired_running && !instance->outcome && !instance_in_place(instance);
  if (!instance->desired_running || instance->generation == 0 ||
      g_strcmp0(instance->outcome, "failed") == 0)
    return true;
  if (instance->sight.present && !instance_live(instance) && !completed)
    return true; /* a reboot ended it */
  if (instance->deployment->settled != DEPLOYMENT_RUNNING && !undoing && instance->sight.present &&
      agent->kind == AGENT_SERVICE && !instance_ready(instance))
    return true; /* left over from what failed before: to pass it by would call that a success */
  return !rollout_same_agent(instance, wanted);
}

/* The way back asks nobody: the port that the slot had before. @declared: in the former revision. 0
 * = none, or an automatic one is to be found. */
static int rollout_port_back(const Rollout *rollout, const Instance *instance, int declared)
{
  if (declared != PORT_AUTO)
    return MAX(declared, 0);
  bool has = revision_agent(instance->deployment, rollout->to, instance->agent);
  int given = has ? ports_declared_by(instance, rollout->to) : PORT_AUTO;
  if (rollout->phase == ROLLOUT_PHASE_RESERVE || given == PORT_AUTO ||
      instance->port != MAX(given, 0))
    return instance->port; /* no port of the abandoned revision was given to it */
  /* its process is not replaced yet */
  bool former = instance_live(instance) && instance->seen_port != given;
  return former ? instance->seen_port : 0;
}

/* A restart of other agents leaves this one as it is, and brings it back so after a reboot, also
 * when it was kept at a former revision. */
static bool rollout_stays(const Rollout *rollout, const Instance *instance, Wanted *wanted,
                          bool needs)
{
  bool restart = rollout->kind == ROLLOUT_KIND_RESTART && !wanted->agent->schedule.set;
  return restart && !needs && instance->revision > 0 && !rollout_same_agent(instance, wanted);
}

static void rollout_target_slot(Core *core, Rollout *rollout, Wanted *wanted, int replica)
{
  Deployment *deployment = rollout->deployment;
  const AgentSpec *agent = wanted->agent;
  int declared = plan_declared_port(wanted->plan->job, wanted->index, replica);
  Instance *instance = deployment_slot(deployment, agent->id, replica);
  if (!instance) {
    char id[ID_BYTES];
    core_new_id(core, id, "ins");
    instance = instance_new(deployment, id, agent->id, replica);
    instance->created_at_ms = core_now(core).wall_ms;
    core_add_instance(core, instance);
  }
  instance_spare(core, instance);
  int revision = revision_find(deployment, rollout->to)->number;
  if (rollout->verdict != OUTCOME_SUCCEEDED)
    revision = rollout->from;
  if (rollout->verdict != OUTCOME_SUCCEEDED)
    instance->port = rollout_port_back(rollout, instance, declared);
  bool needs = !agent->schedule.set && rollout_needs(rollout, instance, wanted);
  if (agent->schedule.set && instance->desired_running && !instance_is_scheduled(instance))
    instance_stop(core, instance); /* it was a service, or ran once */
  if (agent->schedule.set)
    instance->port = MAX(declared, 0); /* its runs come without a reserve */
  instance->target =
      rollout_stays(rollout, instance, wanted, needs) ? instance->revision : revision;
  instance->stage = g_array_index(wanted->plan->stage_of, int, wanted->index);
  if (needs || instance->step != STEP_STARTING)
    instance->step = needs ? STEP_WAITING : STEP_IDLE;
  if (!needs && rollout_same_agent(instance, wanted))
    instance->revision = revision;
  if (!needs && !agent->schedule.set) {
    if (instance_live(instance) && instance->sight.seen_generation == instance->generation)
      /* a port that was meant for a start which now does not happen is void */
      instance->port = instance->seen_port;
  }
  touch_instance(core, instance, TOUCH_STORED);
}

/* Starts that slots waited for do not come: each has the port of what it runs again. */
static void rollout_forget_ports(Core *core, const Deployment *deployment)
{
  g_autoptr(Ports) used = NULL;
  for (guint i = 0; i < deployment->instances->len; i++)
    if (((const Instance *)deployment->instances->pdata[i])->step == STEP_WAITING)
      reserve_keep(core, deployment->instances->pdata[i], &used);
}

/* The step of a slot before anything is wanted of it. One that was begun (@goes_on) and has not
 * been ready yet stays begun. */
static InstanceStep rollout_first_step(const Instance *instance, bool goes_on)
{
  bool fell = instance->outcome || instance->attempt > 1 || instance->state == INSTANCE_BACKOFF;
  if (goes_on && instance->desired_running && instance->step == STEP_STARTING &&
      !instance_ready(instance) && !fell)
    return STEP_STARTING;
  return instance->desired_running || (instance->sight.present && instance_live(instance))
             ? STEP_IDLE
             : STEP_GONE;
}

void rollout_targets(Core *core, Rollout *rollout, int revision, bool goes_on)
{
  Deployment *deployment = rollout->deployment;
  if (rollout->verdict != OUTCOME_SUCCEEDED)
    rollout_forget_ports(core, deployment);
  g_ptr_array_set_size(rollout->leaving, 0);
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    instance->target = 0;
    instance->step = rollout_first_step(instance, goes_on);
    touch_instance(core, instance, TOUCH_STORED);
  }
  if (revision > 0) {
    const Plan *plan = revision_plan(revision_find(deployment, revision));
    g_assert(plan); /* who asks for a revision has looked whether it can be read */
    for (guint i = 0; i < plan->job->agents->len; i++) {
      const AgentSpec *agent = job_agent(plan->job, i);
      Wanted wanted = {.plan = plan, .index = i, .agent = agent};
      for (int replica = 0; replica < agent->replicas; replica++)
        rollout_target_slot(core, rollout, &wanted, replica);
      int first = rolling_first_extra(rollout, agent),
          extra = rolling_extra_slots(rollout, plan->job, agent);
      for (int replica = first; replica < first + extra; replica++)
        rollout_target_slot(core, rollout, &wanted, replica);
    }
  }
  if (rollout->verdict != OUTCOME_SUCCEEDED)
    reserve_back(core, deployment);
  for (guint i = 0; i < deployment->instances->len; i++) {
    Instance *instance = deployment->instances->pdata[i];
    if (instance->target == 0)
      g_ptr_array_add(rollout->leaving, instance);
    if (instance->target == 0 && instance->step == STEP_STARTING)
      instance->step = STEP_IDLE;
    if (instance->target > 0 && instance->step == STEP_IDLE && instance->desired_running)
      /* while it waited for a rollout that is given up, its own start may have been lost */
      instance_reconcile(core, instance);
  }
  deployment_sort(deployment);
  deployment_look_at_jobs(deployment);
}
