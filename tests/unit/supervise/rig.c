/* The test's side of a supervisor: events in, a log of actions out. */
#include "rig.h"

#include <string.h>

static void rig_frame_free(gpointer data)
{
  frame_free(data);
}

Rig *rig_new(const char *boot_id)
{
  return rig_new_as(boot_id, &(NodeIdentity){.incarnation = "1a2b", .term = 1});
}

Rig *rig_new_as(const char *boot_id, const NodeIdentity *identity)
{
  Rig *rig = g_new0(Rig, 1);
  rig->identity = *identity;
  SupervisorConfig config = {.node_id = "local",
                             .node_name = "host",
                             .boot_id = boot_id,
                             .version = "test",
                             .identity = *identity};
  rig->node = supervisor_new(&config);
  rig->actions = node_actions_new();
  rig->now = (Now){.boot_ms = 1000, .wall_ms = 1700000000000};
  rig->log = g_string_new(NULL);
  rig->files = g_string_new(NULL);
  rig->frames = g_ptr_array_new_with_free_func(rig_frame_free);
  return rig;
}

void rig_free(Rig *rig)
{
  if (!rig)
    return;
  supervisor_free(rig->node);
  node_actions_free(rig->actions);
  g_string_free(rig->log, TRUE);
  g_string_free(rig->files, TRUE);
  g_ptr_array_unref(rig->frames);
  g_free(rig);
}

static void rig_note(Rig *rig, const NodeAction *action)
{
  static const struct {
    const char *word;
    char mark; /* g: generation, a: attempt, s: signal */
  } notes[NODE_ACTION_N] = {[NODE_ACTION_STORE] = {"store", 'g'},
                            [NODE_ACTION_PREPARE] = {"prepare", 'g'},
                            [NODE_ACTION_START] = {"start", 'a'},
                            [NODE_ACTION_SIGNAL] = {"signal", 's'},
                            [NODE_ACTION_KILL] = {"kill", 0},
                            [NODE_ACTION_RELEASE] = {"release", 0},
                            [NODE_ACTION_CLEAR] = {"clear", 0},
                            [NODE_ACTION_PROBE] = {"probe", 'a'},
                            [NODE_ACTION_RESERVE_PORTS] = {"reserve-ports", 0},
                            [NODE_ACTION_RELEASE_PORTS] = {"release-ports", 0},
                            [NODE_ACTION_PEERS] = {"peers", 0},
                            [NODE_ACTION_REMOVE] = {"remove", 0},
                            [NODE_ACTION_LOG] = {"log", 0},
                            [NODE_ACTION_KEEP_IDENTITY] = {"keep-identity", 0},
                            [NODE_ACTION_REFUSED] = {"refused", 0}};
  if (action->type == NODE_ACTION_SEND) {
    g_autoptr(GError) error = NULL;
    Frame *frame = frame_parse(action->text, strlen(action->text), &error);
    g_assert_no_error(error);
    g_ptr_array_add(rig->frames, frame);
    return;
  }
  if (action->type == NODE_ACTION_KEEP_IDENTITY)
    g_assert_true(node_identity_parse(action->text, strlen(action->text), &rig->identity, NULL));
  if (action->type == NODE_ACTION_STORE) {
    g_string_assign(rig->files, action->text);
    rig->stores++;
  }
  g_string_append_printf(rig->log, "%s%s", rig->log->len ? "; " : "", notes[action->type].word);
  if (notes[action->type].mark == 'g')
    g_string_append_printf(rig->log, " g%" G_GINT64_FORMAT, action->generation);
  else if (notes[action->type].mark == 'a')
    g_string_append_printf(rig->log, " a%d", action->attempt);
  else if (notes[action->type].mark == 's')
    g_string_append_printf(rig->log, " %d", action->signal);
}

static void rig_apply(Rig *rig, const NodeEvent *event)
{
  node_apply(rig->node, event, rig->now, rig->actions);
  for (guint i = 0; i < rig->actions->items->len; i++)
    rig_note(rig, &g_array_index(rig->actions->items, NodeAction, i));
  node_actions_clear(rig->actions);
}

static bool rig_of_instance(NodeEventType type)
{
  return type != NODE_EVENT_LINK_UP && type != NODE_EVENT_LINK_DOWN && type != NODE_EVENT_FRAME &&
         type != NODE_EVENT_FILES_DONE && type != NODE_EVENT_TICK && type != NODE_EVENT_RESERVED;
}

void rig_event(Rig *rig, NodeEvent event)
{
  if (!event.instance && rig_of_instance(event.type))
    event.instance = "ins_1";
  if (event.type == NODE_EVENT_STORED || event.type == NODE_EVENT_STORE_FAILED)
    rig->stores--;
  rig_apply(rig, &event);
}

void rig_stored(Rig *rig, int64_t generation)
{
  while (rig->stores > 0)
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = generation});
}

void rig_pass(Rig *rig, int64_t ms)
{
  int64_t end = rig->now.boot_ms + ms;
  while (rig->actions->wake_at_ms <= end) {
    int64_t step = MAX(rig->actions->wake_at_ms - rig->now.boot_ms, 0);
    rig->now.boot_ms += step;
    rig->now.wall_ms += step;
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_TICK});
    /* it never asks for a moment that is over */
    g_assert_cmpint(rig->actions->wake_at_ms, >, rig->now.boot_ms);
  }
  rig->now.wall_ms += end - rig->now.boot_ms;
  rig->now.boot_ms = end;
}

void rig_frame(Rig *rig, FrameType type, int64_t epoch, int64_t generation,
               const InstanceSpec *spec)
{
  g_autoptr(Frame) frame = frame_new(type);
  frame->term = 1;
  Instruction *instruction = instruction_new("ins_1", epoch, generation);
  if (spec)
    instruction->spec = instance_spec_copy(spec);
  g_ptr_array_add(frame->instructions, instruction);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = frame});
}

void rig_forget(Rig *rig)
{
  g_string_truncate(rig->log, 0);
  g_ptr_array_set_size(rig->frames, 0);
}

void rig_wants(Rig *rig, const char *log)
{
  g_assert_cmpstr(rig->log->str, ==, log);
  rig_forget(rig);
}

void rig_is(const Rig *rig, const char *report)
{
  InstanceReport *is = supervisor_report(rig->node, "ins_1");
  if (!is) {
    g_assert_cmpstr("absent", ==, report);
    return;
  }
  g_autofree char *text =
      g_strdup_printf("%s %s a%d r%d %s", instance_state_word(is->state), health_word(is->health),
                      is->attempt, is->restarts, is->reason ? is->reason : "-");
  instance_report_free(is);
  g_assert_cmpstr(text, ==, report);
}

InstanceSpec *rig_spec(void)
{
  InstanceSpec *spec = instance_spec_new();
  spec->deployment = g_strdup("desk");
  spec->agent = g_strdup("clerk");
  spec->argv = g_strsplit("/bin/clerk", " ", -1);
  spec->environment = g_strsplit("A=b", " ", -1);
  spec->working_dir = g_strdup("/");
  spec->port = 9000;
  spec->health.kind = HEALTH_HTTP;
  g_free(spec->health.path);
  spec->health.path = g_strdup("/health");
  spec->health.interval_ms = 1000;
  spec->health.timeout_ms = 200;
  spec->health.retries = 2;
  spec->restart = (RestartSpec){.policy = RESTART_ON_FAILURE,
                                .max = 2,
                                .delay_ms = 100,
                                .max_delay_ms = 300,
                                .stable_ms = 10000};
  spec->stop.grace_ms = 500;
  return spec;
}

Rig *rig_running(const InstanceSpec *spec)
{
  Rig *rig = rig_new("boot-1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  rig_frame(rig, FRAME_START, 1, 1, spec);
  rig_wants(rig, "store g1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 1});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED});
  rig_wants(rig, "prepare g1; start a1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STARTED, .attempt = 1, .pid = 101});
  rig_is(rig, "running unknown a1 r0 -");
  rig_forget(rig);
  return rig;
}
