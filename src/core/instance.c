/* One slot: what is wanted in it, what the node reports of it, and the instruction that follows
 * from the difference. */
#include "core/instance.h"

#include "core/build.h"
#include "core/ports.h"
#include "core/spec.h"
#include "core/state.h"
#include "core/turn.h"

#include <string.h>

enum { INSTANCE_REASON_MAX = 2048 };

bool instance_is_batch(const Instance *instance)
{
  const AgentSpec *agent =
      revision_agent(instance->deployment, instance->revision, instance->agent);
  return agent && agent->kind == AGENT_BATCH;
}

bool instance_can_start(const Instance *instance)
{
  return revision_plan(revision_find(instance->deployment, instance->revision));
}

bool instance_in_place(const Instance *instance)
{
  return instance->sight.present && instance_live(instance) &&
         instance->sight.seen_generation == instance->generation;
}

bool instance_on_its_way(const Instance *instance)
{
  return instance->sight.sent_generation == instance->generation &&
         instance->sight.seen_generation < instance->generation;
}

bool instance_ended(const Instance *instance)
{
  return instance->sight.present && !instance_live(instance) && !instance_on_its_way(instance);
}

/* A reboot that came in the middle of a change can leave a slot stopped that nobody asked to stop
 * and that no rollout will start. */
bool instance_stopped_unasked(const Instance *instance)
{
  return instance->desired_running && instance->sight.present && !instance->outcome &&
         instance->state == INSTANCE_STOPPED &&
         instance->sight.seen_generation == instance->generation && instance->step != STEP_WAITING;
}

bool instance_ready(const Instance *instance)
{
  if (instance->sight.seen_generation != instance->generation)
    return false;
#ifdef REEVE_BUG_ADVANCE_ON_START
  if (instance->state == INSTANCE_RUNNING || instance->state == INSTANCE_STARTING)
    return true;
#endif
  if (instance->state == INSTANCE_COMPLETED)
    return instance_is_batch(instance);
  return instance->state == INSTANCE_RUNNING && instance->health == HEALTH_HEALTHY &&
         !instance_is_batch(instance);
}

bool instance_is_left_over(const Instance *instance)
{
  const Deployment *deployment = instance->deployment;
  int number =
      deployment->revision || !deployment->rollout ? deployment->revision : deployment->rollout->to;
  const Revision *revision = revision_find(deployment, number);
  const AgentSpec *agent = revision_agent(deployment, number, instance->agent);
  if (instance->desired_running || instance->target > 0)
    return false;
  if (revision && !revision_job(revision))
    /* what it wants is not known, but it runs without the slot */
    return deployment->settled != DEPLOYMENT_STOPPED;
  return !agent || instance->replica >= agent->replicas;
}

char *instance_name(const Instance *instance)
{
  const Instance *second = deployment_slot(instance->deployment, instance->agent, 1);
  bool several = instance->replica > 0 || (second && !instance_is_left_over(second));
  return several ? slot_key(instance->agent, instance->replica) : g_strdup(instance->agent);
}

char *instance_short_name(const Instance *instance)
{
  return instance->replica > 0 ? slot_key(instance->agent, instance->replica)
                               : g_strdup(instance->agent);
}

/* ---- what is wanted ---- */

void instance_recount(Instance *instance)
{
  Deployment *deployment = instance->deployment;
  bool wanted = instance->desired_running;
  bool completed = g_strcmp0(instance->outcome, "completed") == 0;
  bool ready = instance->scheduled || (wanted && (instance_ready(instance) || completed));
  bool begins = instance->health == HEALTH_UNKNOWN && !instance->outcome &&
                (instance->state == INSTANCE_PENDING || instance->state == INSTANCE_STARTING ||
                 instance->state == INSTANCE_RUNNING);
  bool degraded = wanted && !ready && !begins; /* not yet probed is not yet degraded */
  bool unknown = wanted && !ready && !degraded;
  deployment->degraded += (guint)degraded - (guint)instance->degraded;
  deployment->ready += (guint)ready - (guint)instance->counts_ready;
  deployment->unknown += (guint)unknown - (guint)instance->unknown;
  instance->degraded = degraded;
  instance->counts_ready = ready;
  instance->unknown = unknown;
}

void registration_drop(Core *core, Instance *instance)
{
  if (!instance->registration)
    return;
  turn_remove(core, TABLE_REGISTRATIONS, instance->id);
  g_clear_pointer(&instance->registration, registration_free);
}

void instance_set_step(Core *core, Instance *instance, InstanceStep step)
{
  if (instance->step == step)
    return;
  instance->step = step;
  touch_instance(core, instance, TOUCH_STORED);
}

void instance_place(Core *core, Instance *instance, NodeObject *node)
{
  if (instance->node == node)
    return;
  core_place_instance(core, instance, node);
  instance->epoch++;
  instance->sight = (Sight){0};
  touch_instance(core, instance, TOUCH_STORED);
}

int64_t instance_new_epoch(const Core *core, int64_t present)
{
  enum { EPOCHS_OF_A_TERM = 1000 }; /* two restored backups never come to the same epoch */
  return MAX(present, (core_term(core) - 1) * EPOCHS_OF_A_TERM) + 1;
}

void instance_start(Core *core, Instance *instance, int revision)
{
  /* Records from a restored backup may be behind what the node holds. Before it has told, its
   * generations are anybody's guess. */
  if (instance->generation > 0 && !instance->sight.present)
    instance->epoch = instance_new_epoch(core, instance->epoch);
  instance->generation++;
  instance->revision = revision;
  instance->desired_running = true;
  instance->outcome = NULL;
  text_set(&instance->reason, NULL);
  text_set(&instance->observed_reason, NULL);
  text_set(&instance->output, NULL);
  instance->last_exit = (ExitStatus){.code = -1};
  instance->ended_at_ms = 0;
  instance->stale = false; /* what the node will be given is new */
  registration_drop(core, instance);
  instance->health = HEALTH_UNKNOWN;
  instance->healthy_boot_ms = 0;
  touch_instance(core, instance, TOUCH_STORED);
  instance_recount(instance);
  instance_reconcile(core, instance);
}

void instance_stop(Core *core, Instance *instance)
{
  if (instance->desired_running) {
    instance->desired_running = false;
    instance->sight.sent_stop = false;
    touch_instance(core, instance, TOUCH_STORED);
  }
  instance_recount(instance);
  instance_reconcile(core, instance);
}

/* A reboot ended its run. */
static void instance_interrupt(Core *core, Instance *instance)
{
  instance->desired_running = false;
  instance->outcome = instance_state_word(INSTANCE_FAILED);
  text_set(&instance->reason, "interrupted by a restart of the machine");
  instance->ended_at_ms = core_now(core).wall_ms;
  touch_instance(core, instance, TOUCH_STORED);
  turn_mark(core, TURN_ENDED, instance);
}

bool instance_start_unasked(Core *core, Instance *instance)
{
  if (!instance_stopped_unasked(instance) || !instance_can_start(instance))
    return false;
  if (instance_is_scheduled(instance))
    instance_interrupt(core, instance);
  else
    instance_start(core, instance, instance->revision);
  return true;
}

void instance_doom(Core *core, Instance *instance)
{
  turn_mark(core, TURN_DOOMED, instance);
}

void instance_spare(Core *core, Instance *instance)
{
  turn_unmark(core, TURN_DOOMED, instance);
}

/* ---- what its node must hear ---- */

static void instance_send(Core *core, Instance *instance, FrameType type, int64_t epoch)
{
  turn_send(core, instance->node, type, instruction_new(instance->id, epoch, instance->generation));
}

void instance_reconcile(Core *core, Instance *instance)
{
  NodeObject *node = instance->node;
  if (!node || !node->linked)
    return;
  if (!instance->desired_running) {
    /* Also when nothing was reported yet: a start may be on its way. Stopping what is not there is
     * answered by "stopped". */
    turn_unsend_start(instance->node, instance->id);
    if (!instance_ended(instance) && !instance->sight.sent_stop && instance->epoch > 0 &&
        instance->generation > 0) {
      instance_send(core, instance, FRAME_STOP, instance->epoch);
      instance->sight.sent_stop = true;
    }
    return;
  }
  bool known = instance->sight.present && instance->sight.seen_generation >= instance->generation;
  /* completed or failed before the node forgot: not again */
  bool finished = instance->outcome && !instance->sight.present;
  if (known || finished || instance->step == STEP_WAITING ||
      instance->sight.sent_generation == instance->generation)
    return;
  if (!instance_can_start(instance))
    return;
  Instruction *instruction = instruction_new(instance->id, instance->epoch, instance->generation);
  instruction->spec = instance_make_spec(instance);
  instance_peers_digest(instruction->spec->peers, instance->sight.peers_known);
  turn_send(core, instance->node, FRAME_START, instruction);
  instance->sight.sent_generation = instance->generation;
  instance->sent_start = true;
  instance->sight.sent_stop = false;
}

void instance_send_peers(Core *core, Instance *instance)
{
  NodeObject *node = instance->node;
  if (!node || !node->linked || !instance_can_start(instance))
    return; /* the last: whom it is connected to is not known, which is not nobody */
  g_autofree char *peers = instance_peers(instance);
  char digest[PEERS_DIGEST_BYTES];
  instance_peers_digest(peers, digest);
  if (strcmp(instance->sight.peers_known, digest) == 0)
    return;
  g_strlcpy(instance->sight.peers_known, digest, sizeof instance->sight.peers_known);
  Instruction *instruction = instruction_new(instance->id, instance->epoch, instance->generation);
  instruction->peers = g_steal_pointer(&peers);
  turn_send(core, node, FRAME_PEERS, instruction);
}

/* ---- what is seen ---- */

/* Stores a final state of the wanted generation: it must be readable after every restart. */
static void instance_keep_outcome(Core *core, Instance *instance, const InstanceReport *report)
{
  bool final = report->state == INSTANCE_FAILED || report->state == INSTANCE_COMPLETED ||
               (report->state == INSTANCE_STOPPED && !instance->desired_running);
  if (!final || g_strcmp0(instance->outcome, instance_state_word(report->state)) == 0)
    return;
  if (report->state == INSTANCE_STOPPED && instance->outcome)
    return; /* it failed or completed before it was stopped: that is what people want to know */
  instance->outcome = instance_state_word(report->state);
  g_autofree char *reason = report->reason ? g_strndup(report->reason, INSTANCE_REASON_MAX) : NULL;
  text_set(&instance->reason, reason);
  instance->last_exit = report->last_exit;
  instance->ended_at_ms = core_now(core).wall_ms;
  touch_instance(core, instance, TOUCH_STORED);
  turn_mark(core, TURN_ENDED, instance);
}

void instance_keep_port(Core *core, Instance *instance)
{
  bool told = instance->sight.present && instance_live(instance) && instance->desired_running &&
              instance->sight.seen_generation == instance->generation;
  /* it may be of a former life, which another port was given to */
  bool leaves = instance->state == INSTANCE_STOPPING;
  if (!told || leaves || instance->step == STEP_WAITING || instance->port == instance->seen_port)
    return;
  instance->port = instance->seen_port;
  instance->deployment->peers_moved = true;
  touch_instance(core, instance, TOUCH_STORED);
}

static bool instance_same(const Instance *instance, const InstanceReport *report)
{
  return instance->sight.present && instance->state == report->state &&
         instance->health == report->health &&
         instance->sight.seen_generation == report->generation &&
         instance->attempt == report->attempt && instance->pid == report->pid &&
         g_strcmp0(instance->observed_reason, report->reason) == 0;
}

/* What has completed stays so: a node that cannot read its file any more knows no better. */
static InstanceReport instance_hear(const Instance *instance, const InstanceReport *report)
{
  InstanceReport heard = *report;
  bool lost = report->state == INSTANCE_FAILED && report->generation <= instance->generation &&
              g_strcmp0(instance->outcome, "completed") == 0;
  if (lost) {
    heard.state = INSTANCE_COMPLETED;
    heard.reason = instance->reason;
  }
  return heard;
}

bool instance_observe(Core *core, Instance *instance, const InstanceReport *told)
{
  const InstanceReport heard = instance_hear(instance, told), *report = &heard;
#ifndef REEVE_BUG_NO_EPOCH_CHECK
  if (report->epoch != instance->epoch)
    return false;
#endif
  if (report->generation < instance->generation && instance->desired_running) {
    /* the old life of the slot is still ending; until then nobody may think that nothing runs */
    instance->sight.present = true;
    if (report->generation < instance->sight.seen_generation)
      return false;
    instance->state = report->state;
    instance->sight.seen_generation = report->generation;
    instance->seen_port = report->port;
    ports_seen(instance);
    return false;
  }
  bool same = instance_same(instance, report);
  instance->sight.present = true;
  instance->state = report->state;
  instance->health = report->health;
  if (instance->attempt > 0 && instance->sight.seen_generation == report->generation &&
      report->attempt > instance->attempt)
    core_count_restarts(core, (uint64_t)(report->attempt - instance->attempt));
  instance->sight.seen_generation = report->generation;
  instance->attempt = report->attempt;
  instance->restarts = report->restarts;
  instance->pid = report->pid;
  instance->seen_port = report->port;
  instance->since_ms = report->since_ms;
  ports_seen(instance);
  instance_keep_port(core, instance);
  if (report->last_exit.code >= 0 || report->last_exit.signal)
    text_set(&instance->output, report->output ? report->output : instance->output);
  text_set(&instance->observed_reason, report->reason);
  text_set(&instance->unenforced, report->unenforced);
  instance_keep_outcome(core, instance, report);
  instance_recount(instance);
  if (!instance_ready(instance))
    instance->healthy_boot_ms = 0;
  else if (!instance->healthy_boot_ms)
    instance->healthy_boot_ms = core_now(core).boot_ms;
  if (!same)
    touch_instance(core, instance, TOUCH_SEEN);
  turn_mark(core, TURN_UNSETTLED, instance->deployment);
  return true;
}

void instance_unhear(Instance *instance)
{
  instance->sight = (Sight){0};
  instance->state = INSTANCE_PENDING;
  instance->pid = 0;
  ports_seen(instance);
  instance_recount(instance);
}

void instances_run(Core *core)
{
  Instance *instance;
  g_autoptr(GPtrArray) greeted = g_ptr_array_new();
  while ((instance = turn_next(core, TURN_UNASKED))) {
    if (!instance->desired_running) /* its node may have started it by itself, after its list */
      instance_reconcile(core, instance);
    else if (!deployment_changes(instance->deployment))
      instance_start_unasked(core, instance);
  }
  while ((instance = turn_next(core, TURN_GREETED))) {
    instance_reconcile(core, instance);
    instance_start_unasked(core, instance);
    g_ptr_array_add(greeted, instance);
  }
  /* Peers that changed while the node was away, or of which it was told by a link or a server that
   * broke. Those that a rollout is about to change are sent at its end. */
  for (guint i = 0; i < greeted->len; i++) {
    instance = greeted->pdata[i];
    if (instance->sight.present && instance->desired_running &&
        !deployment_changes(instance->deployment))
      instance_send_peers(core, instance);
  }
}
