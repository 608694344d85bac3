/* The node as a whole: hello, reports, terms, adoption after its own absence, deadlines of many
 * instances. */
#include "rig.h"

#include <string.h>

static const Frame *node_frame(const Rig *rig, guint i)
{
  g_assert_cmpuint(i, <, rig->frames->len);
  return rig->frames->pdata[i];
}

/* The file as a node left it that ran attempt 1 and was killed then. */
static char *node_file(const InstanceSpec *spec)
{
  g_autoptr(Rig) rig = rig_new("boot-1");
  rig_frame(rig, FRAME_START, 1, 1, spec);
  return g_strdup(rig->files->str);
}

/* A node of boot @boot that finds @file; its shim is told by the caller. */
static Rig *node_reborn(const char *boot, const char *file)
{
  Rig *rig = rig_new(boot);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILE, .text = file});
  rig_wants(rig, "");
  return rig;
}

static void test_hello(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) rig = node_reborn("boot-1", file);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  g_assert_cmpuint(rig->frames->len, ==, 0); /* not before it knows what it holds */
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FOUND, .generation = 1, .attempt = 4, .pid = 77});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  g_assert_cmpuint(rig->frames->len, ==, 1);
  const Frame *hello = node_frame(rig, 0);
  g_assert_cmpint(hello->type, ==, FRAME_HELLO);
  g_assert_cmpstr(hello->boot_id, ==, "boot-1");
  g_assert_cmpint(hello->protocol, ==, PROTOCOL_VERSION);
  g_assert_cmpuint(hello->reports->len, ==, 1);
  const InstanceReport *report = hello->reports->pdata[0];
  g_assert_cmpint(report->state, ==, INSTANCE_RUNNING);
  g_assert_cmpint(report->attempt, ==, 4);
  g_assert_cmpint(report->pid, ==, 77);
}

/* While the link is down nothing is queued: the next hello says how things are then. */
static void test_reconnect(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_DOWN});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_EXITED, .attempt = 1, .exit = {.code = 1}});
  g_assert_cmpuint(rig->frames->len, ==, 0);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  g_assert_cmpuint(rig->frames->len, ==, 1);
  g_assert_cmpint(node_frame(rig, 0)->type, ==, FRAME_HELLO);
  g_assert_cmpint(((InstanceReport *)node_frame(rig, 0)->reports->pdata[0])->state, ==,
                  INSTANCE_BACKOFF);
}

static void test_idempotent_start(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  static const struct {
    int64_t epoch, generation;
  } old[] = {{1, 1}, {1, 0}, {0, 9}};
  for (guint i = 0; i < G_N_ELEMENTS(old); i++) {
    rig_frame(rig, FRAME_START, old[i].epoch, old[i].generation, spec);
    g_assert_cmpuint(rig->frames->len, ==, 1); /* answered by a report, and nothing is done */
    g_assert_cmpint(node_frame(rig, 0)->type, ==, FRAME_REPORT);
    rig_wants(rig, "");
  }
  rig_frame(rig, FRAME_STOP, 0, 9, NULL); /* of an older epoch */
  rig_wants(rig, "");
  rig_is(rig, "running unknown a1 r0 -");
  rig_frame(rig, FRAME_START, 2, 1, spec);
  rig_wants(rig, "signal 15");
}

static void test_stop_unknown(void)
{
  g_autoptr(Rig) rig = rig_new("boot-1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  rig_forget(rig);
  rig_frame(rig, FRAME_STOP, 3, 5, NULL);
  const InstanceReport *report = node_frame(rig, 0)->reports->pdata[0];
  g_assert_cmpint(report->state, ==, INSTANCE_STOPPED);
  g_assert_cmpint(report->epoch, ==, 3);
  g_assert_cmpint(report->generation, ==, 5);
  g_assert_cmpuint(supervisor_size(rig->node), ==, 0);
}

/* A server that was replaced commands nothing any more. */
static void test_term(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  g_autoptr(Frame) welcome = frame_new(FRAME_WELCOME);
  welcome->term = 2;
  welcome->heartbeat_ms = 1000;
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = welcome});
  /* kept before what was reserved over the former link goes */
  rig_wants(rig, "keep-identity; release-ports");
  rig_frame(rig, FRAME_STOP, 1, 1, NULL); /* term 1 */
  rig_wants(rig, "");
  rig_is(rig, "running unknown a1 r0 -");
}

static void test_heartbeat(void)
{
  g_autoptr(Rig) rig = rig_new("boot-1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  g_assert_cmpint(rig->actions->wake_at_ms, ==, INT64_MAX);
  g_autoptr(Frame) welcome = frame_new(FRAME_WELCOME);
  welcome->term = 1;
  welcome->heartbeat_ms = 1000;
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = welcome});
  rig_forget(rig);
  rig_pass(rig, 3500);
  g_assert_cmpuint(rig->frames->len, ==, 3);
  g_assert_cmpint(node_frame(rig, 2)->type, ==, FRAME_HEARTBEAT);
  g_assert_cmpint(node_frame(rig, 2)->seq, ==, 3);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_DOWN});
  g_assert_cmpint(rig->actions->wake_at_ms, ==, INT64_MAX);
}

static void test_frames_pass(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  rig_frame(rig, FRAME_RESERVE, 1, 2, spec);
  rig_frame(rig, FRAME_RELEASE, 1, 2, NULL);
  rig_wants(rig, "reserve-ports; release-ports");
  g_autoptr(Frame) reserved = frame_new(FRAME_RESERVED);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_RESERVED, .frame = reserved});
  g_assert_cmpint(node_frame(rig, 0)->type, ==, FRAME_RESERVED);
  rig_forget(rig);
  g_autoptr(Frame) strange = frame_new(FRAME_UNKNOWN);
  strange->data = g_strdup("dance");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = strange});
  g_assert_cmpint(node_frame(rig, 0)->type, ==, FRAME_UNKNOWN_TYPE);
  g_assert_cmpstr(node_frame(rig, 0)->data, ==, "dance");
}

static Frame *peers_frame(int64_t generation)
{
  Frame *frame = frame_new(FRAME_PEERS);
  frame->term = 1;
  Instruction *instruction = instruction_new("ins_1", 1, generation);
  instruction->peers = g_strdup("[{\"id\":\"b\"}]");
  g_ptr_array_add(frame->instructions, instruction);
  return frame;
}

/* New peers are written for the running agent and kept for the next attempt; nobody restarts. */
static void test_peers(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  g_autoptr(Frame) frame = peers_frame(1);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = frame});
  rig_wants(rig, "peers; store g1");
  g_assert_nonnull(strstr(rig->files->str, "\\\"b\\\""));
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = frame});
  rig_wants(rig, "");
}

/* The next generation waits for the end of the present one: it starts with the peers that were told
 * meanwhile. */
static void test_peers_of_the_next(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  rig_frame(rig, FRAME_START, 1, 2, spec);
  rig_forget(rig);
  g_autoptr(Frame) frame = peers_frame(2);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = frame});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_EXITED, .attempt = 1, .exit = {.signal = 15}});
  g_assert_cmpstr(supervisor_spec(rig->node, "ins_1")->peers, ==, "[{\"id\":\"b\"}]");
}

/* ---- adoption ---- */

static void test_adopt_running(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) rig = node_reborn("boot-1", file);
  rig_event(rig,
            (NodeEvent){
                .type = NODE_EVENT_FOUND, .generation = 1, .attempt = 4, .pid = 77, .up_ms = 5000});
  rig_is(rig, "running unknown a4 r0 -");
  /* a node that was started anew is no news of the agent */
  int64_t since_ms = rig->now.wall_ms - 5000;
  rig_pass(rig, 10);
  rig_wants(rig, "probe a4");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PROBE, .attempt = 4, .ok = true});
  InstanceReport *report = supervisor_report(rig->node, "ins_1");
  g_assert_cmpint(report->health, ==, HEALTH_HEALTHY);
  g_assert_cmpint(report->since_ms, ==, since_ms);
  instance_report_free(report);
}

static void test_adopt_ended(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) rig = node_reborn("boot-1", file);
  rig_event(rig, (NodeEvent){
                     .type = NODE_EVENT_FOUND, .generation = 1, .attempt = 1, .exit = {.code = 3}});
  rig_is(rig, "backoff unknown a1 r1 exit status 3, while nobody watched");
  rig_pass(rig, 100);
  rig_wants(rig, "start a2");
}

/* A batch that ended well while we were away is done, also after the file was read once more. */
static void test_adopt_batch_done(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->kind = AGENT_BATCH;
  g_autofree char *file = node_file(spec);
  g_autofree char *then = NULL;
  {
    g_autoptr(Rig) rig = node_reborn("boot-1", file);
    rig_event(
        rig,
        (NodeEvent){.type = NODE_EVENT_FOUND, .generation = 1, .attempt = 1, .exit = {.code = 0}});
    rig_wants(rig, "store g1");
    then = g_strdup(rig->files->str);
  }
  g_autoptr(Rig) rig = node_reborn("boot-1", then);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_ABSENT, .attempt = 1});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_pass(rig, 100000);
  rig_wants(rig, "");
  rig_is(rig, "completed unknown a0 r0 exit status 0, while nobody watched");
}

static void test_adopt_tree(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) rig = node_reborn("boot-1", file);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_ABSENT, .attempt = 2, .tree_lives = true});
  rig_wants(rig, "clear");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_CLEARED});
  rig_pass(rig, 100);
  rig_wants(rig, "prepare g1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED});
  rig_wants(rig, "start a3");
}

/* What a former generation left says nothing of the one that was stored and never started. */
static void test_adopt_former_state(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->restart.policy = RESTART_NEVER;
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) gone = node_reborn("boot-1", file);
  rig_event(gone, (NodeEvent){.type = NODE_EVENT_ABSENT, .attempt = 2, .generation = 7});
  rig_wants(gone, "clear"); /* its main process is dead; others of its tree may not be */
  rig_event(gone, (NodeEvent){.type = NODE_EVENT_CLEARED, .attempt = 2, .generation = 7});
  rig_wants(gone, "prepare g1");
  g_autoptr(Rig) lives = node_reborn("boot-1", file);
  rig_event(
      lives,
      (NodeEvent){.type = NODE_EVENT_ABSENT, .attempt = 2, .generation = 7, .tree_lives = true});
  rig_wants(lives, "clear");
  rig_event(lives, (NodeEvent){.type = NODE_EVENT_CLEARED});
  rig_wants(lives, "prepare g1");
}

/* Stored and never started: that is no failure, it starts now. */
static void test_adopt_never_started(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->restart.policy = RESTART_NEVER;
  g_autofree char *file = node_file(spec);
  {
    g_autoptr(Rig) rig = node_reborn("boot-1", file);
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_ABSENT});
    rig_wants(rig, "prepare g1");
  }
  /* the shim is an idle one of a former generation */
  g_autoptr(Rig) rig = node_reborn("boot-1", file);
  rig_event(rig, (NodeEvent){
                     .type = NODE_EVENT_FOUND, .generation = 0, .attempt = 5, .exit = {.code = 0}});
  rig_wants(rig, "release; prepare g1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED});
  rig_wants(rig, "start a1");
  rig_is(rig, "starting unknown a1 r0 -");
}

/* What runs is of a former generation: it ends, however it ends, and then ours starts for the first
 * time. */
static void test_adopt_former_generation(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->restart.policy = RESTART_NEVER;
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) rig = node_reborn("boot-1", file);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FOUND, .generation = 0, .attempt = 5, .pid = 55});
  rig_wants(rig, "kill");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_EXITED, .attempt = 5, .exit = {.code = 0}});
  rig_wants(rig, "release; prepare g1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED});
  rig_wants(rig, "start a1");
}

/* After a reboot nothing starts until the server says so, where none has taken the node in. */
static void test_adopt_rebooted(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) rig = node_reborn("boot-2", file);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_ABSENT, .attempt = 1});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_pass(rig, 100000);
  rig_wants(rig, "");
  rig_is(rig, "stopped unknown a1 r0 the machine was restarted");
  rig_frame(rig, FRAME_START, 1, 2, spec);
  rig_wants(rig, "store g2");
}

/* An unreadable file does not hide a living process, and nothing starts beside it. */
static void test_adopt_unreadable(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  static const char *const bad[] = {"", "{", "[]", "{\"id\":\"ins_2\"}",
                                    "{\"id\":\"ins_1\",\"spec\":{\"argv\":7}}"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(Rig) rig = node_reborn("boot-1", bad[i]);
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_FOUND, .generation = 1, .attempt = 1, .pid = 77});
    rig_wants(rig, "kill");
    rig_frame(rig, FRAME_START, 1, 1, spec);
    rig_wants(rig, "");
    rig_event(rig, (NodeEvent){
                       .type = NODE_EVENT_EXITED, .attempt = 1, .exit = {.code = -1, .signal = 9}});
    rig_wants(rig, "release; store g1");
  }
  g_autoptr(Rig) rig = node_reborn("boot-1", "{");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_ABSENT, .attempt = 1, .tree_lives = true});
  rig_wants(rig, "clear");
  rig_frame(rig, FRAME_START, 1, 1, spec);
  rig_wants(rig, ""); /* not before the old tree ended */
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_CLEARED});
  rig_wants(rig, "store g1");
}

/* It is there and cannot be read for the moment: so it is with what runs from it. */
static void test_adopt_file_error(void)
{
  g_autoptr(Rig) rig = rig_new("boot-1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILE, .found = "read: Input/output error"});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FOUND, .generation = 1, .attempt = 1, .pid = 77});
  rig_wants(rig, "kill");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_EXITED,
                             .attempt = 1,
                             .out_of_memory = true,
                             .exit = {.code = -1, .signal = 9}});
  rig_wants(rig, "release");
  rig_is(rig, "failed unknown a1 r0 instance file: read: Input/output error");
  g_autoptr(Rig) gone = rig_new("boot-1");
  rig_event(gone, (NodeEvent){.type = NODE_EVENT_FILE, .found = "read: Input/output error"});
  rig_event(gone, (NodeEvent){.type = NODE_EVENT_ABSENT, .generation = 1, .attempt = 1});
  rig_wants(gone, "clear"); /* of what ran, something may be left */
}

/* A shim that does not answer keeps nobody away: it is said, waited for, and in the end not left
 * alone. */
static void test_adopt_frozen(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) rig = node_reborn("boot-1", file);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  /* most shims answer at once, and a list that is whole saves the server a change */
  g_assert_cmpuint(rig->frames->len, ==, 0);
  rig_pass(rig, SUPERVISOR_HELLO_MS);
  g_assert_cmpuint(rig->frames->len, ==, 1);
  g_assert_cmpint(node_frame(rig, 0)->type, ==, FRAME_HELLO);
  rig_is(rig, "starting unknown a0 r0 its shim has not answered since the node started");
  rig_frame(rig, FRAME_START, 1, 2, spec);
  rig_wants(rig, ""); /* never beside it */
  rig->now.boot_ms += 3600000;
  /* the machine slept for an hour, and so did the shim */
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_TICK});
  rig_pass(rig, INSTANCE_ANSWER_MS - 1);
  rig_wants(rig, "");
  rig_pass(rig, 1);
  rig_wants(rig, "clear");
  /* too late */
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FOUND, .generation = 1, .attempt = 1, .pid = 77});
  rig_pass(rig, INSTANCE_CLEAR_MS - 1);
  rig_wants(rig, "");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_CLEARED, .generation = 1, .attempt = 1});
  rig_wants(rig, "store g2");
}

/* What ended well is not run again because its shim does not answer; and a start or a removal waits
 * for that answer. */
static void test_adopt_frozen_outcome(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->kind = AGENT_BATCH;
  g_autoptr(Rig) before = rig_running(spec);
  rig_event(before, (NodeEvent){.type = NODE_EVENT_EXITED, .attempt = 1, .exit = {.code = 0}});
  const char *const then[] = {"", "start", "forget"};
  const char *const wanted[] = {"", "store g2", "remove"};
  for (guint i = 0; i < G_N_ELEMENTS(then); i++) {
    g_autoptr(Rig) rig = node_reborn("boot-1", before->files->str);
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
    rig_pass(rig, SUPERVISOR_HELLO_MS);
    rig_is(rig, "completed unknown a0 r0 exit status 0");
    if (*then[i] == 's')
      rig_frame(rig, FRAME_START, 1, 2, spec);
    else if (*then[i])
      rig_frame(rig, FRAME_FORGET, 1, 1, NULL);
    rig_stored(rig, 1);
    rig_forget(rig);
    rig_pass(rig, INSTANCE_ANSWER_MS);
    rig_wants(rig, "clear");
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_CLEARED, .generation = 1, .attempt = 1});
    rig_wants(rig, wanted[i]);
    rig_is(rig, *then[i] == 'f' ? "absent"
                : *then[i]      ? "starting unknown a0 r0 -"
                                : "completed unknown a1 r0 exit status 0");
  }
}

static void test_adopt_stopping(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) before = rig_running(spec);
  rig_frame(before, FRAME_STOP, 1, 1, NULL);
  g_autoptr(Rig) rig = node_reborn("boot-1", before->files->str);
  rig_is(rig, "stopping unknown a0 r0 its shim has not answered since the node started");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FOUND, .generation = 1, .attempt = 1, .pid = 77});
  rig_wants(rig, "signal 15"); /* it goes on stopping */
  rig_pass(rig, 500);
  rig_wants(rig, "kill");
}

/* ---- many ---- */

static void test_ten_thousand(void)
{
  enum { N = 10000 };
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_new("boot-1");
  g_autoptr(Frame) start = frame_new(FRAME_START);
  start->term = 1;
  for (int i = 0; i < N; i++) {
    g_autofree char *id = g_strdup_printf("ins_%05d", i);
    Instruction *instruction = instruction_new(id, 1, 1);
    instruction->spec = instance_spec_copy(spec);
    g_ptr_array_add(start->instructions, instruction);
  }
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = start});
  for (int i = 0; i < N; i++) {
    g_autofree char *id = g_strdup_printf("ins_%05d", i);
    rig->now.boot_ms++;
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .instance = id, .generation = 1});
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED, .instance = id});
    rig_event(
        rig, (NodeEvent){.type = NODE_EVENT_STARTED, .instance = id, .attempt = 1, .pid = 100 + i});
  }
  g_assert_cmpuint(supervisor_size(rig->node), ==, N);
  /* the one started nine moments ago: probes go out in order */
  g_assert_cmpint(rig->actions->wake_at_ms, ==, rig->now.boot_ms + 1);
  rig_forget(rig);
  rig_pass(rig, 9);
  guint probes = 0;
  for (const char *at = rig->log->str; (at = strstr(at, "probe")); at++)
    probes++;
  g_assert_cmpuint(probes, ==, 9);
}

static void node_welcomed(Rig *rig, const char *store)
{
  g_autoptr(Frame) welcome = frame_new(FRAME_WELCOME);
  welcome->term = 1;
  welcome->store = g_strdup(store);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = welcome});
}

static void node_dials(Rig *rig)
{
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_DOWN});
  rig_forget(rig);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
}

/* What is held belongs to one store: the server of another is not obeyed, whatever its term; the
 * right one is, later. */
static void test_store(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  node_dials(rig);
  g_assert_null(node_frame(rig, 0)->store);
  rig_forget(rig);
  node_welcomed(rig, "aaaa");
  rig_wants(rig, "keep-identity; release-ports");
  node_dials(rig);
  g_assert_cmpstr(node_frame(rig, 0)->store, ==, "aaaa");
  rig_forget(rig);
  g_autoptr(Frame) foreign = frame_new(FRAME_WELCOME);
  foreign->term = 9;
  foreign->store = g_strdup("bbbb");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = foreign});
  rig_wants(rig, "refused");
  rig_frame(rig, FRAME_FORGET, 9, 9, NULL);
  rig_frame(rig, FRAME_STOP, 9, 9, NULL);
  rig_frame(rig, FRAME_START, 9, 9, spec);
  rig_wants(rig, "");
  node_dials(rig);
  rig_forget(rig);
  node_welcomed(rig, NULL); /* of an older release */
  rig_wants(rig, "release-ports");
  node_dials(rig);
  rig_forget(rig);
  g_autoptr(Frame) refuse = frame_new(FRAME_REFUSE);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = refuse});
  rig_frame(rig, FRAME_FORGET, 9, 9, NULL);
  rig_wants(rig, "refused");
  rig_pass(rig, SUPERVISOR_REFUSED_MS - 1);
  g_assert_null(strstr(rig->log->str, "refused"));
  g_assert_cmpuint(rig->frames->len, ==, 0);
  rig_pass(rig, 1); /* it may be another server by now */
  g_assert_cmpint(node_frame(rig, 0)->type, ==, FRAME_HELLO);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = refuse});
  g_assert_null(strstr(rig->log->str, "refused")); /* which was said */
  node_dials(rig);
  rig_forget(rig);
  node_welcomed(rig, "aaaa");
  rig_wants(rig, "release-ports");
  rig_frame(rig, FRAME_STOP, 1, 1, NULL); /* its term is still the right server's */
  rig_wants(rig, "store g1; signal 15");
}

/* A later term is kept before anything is done in its name, and outlives the node. */
static void test_term_kept(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  node_welcomed(rig, "aaaa");
  rig_forget(rig);
  g_autoptr(Frame) stop = frame_new(FRAME_STOP);
  stop->term = 5;
  g_ptr_array_add(stop->instructions, instruction_new("ins_1", 1, 1));
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = stop});
  rig_wants(rig, "keep-identity; store g1; signal 15");
  g_assert_cmpint(rig->identity.term, ==, 5);
  g_assert_cmpstr(rig->identity.store, ==, "aaaa");
  g_autoptr(Rig) again = rig_new_as("boot-1", &rig->identity);
  rig_event(again, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_event(again, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  g_assert_cmpint(node_frame(again, 0)->term, ==, 5);
  g_assert_cmpstr(node_frame(again, 0)->incarnation, ==, "1a2b");
  rig_forget(again);
  rig_frame(again, FRAME_START, 1, 2, spec); /* of term 1 */
  rig_wants(again, "");
}

/* ---- without a server after a reboot ---- */

static char *alone_file(const char *id, const char *agent, int stage)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(GString) text = g_string_new(NULL);
  g_free(spec->deployment);
  spec->deployment = g_strdup("desk");
  g_free(spec->agent);
  spec->agent = g_strdup(agent);
  spec->stage = stage;
  instance_spec_write(spec, text);
  return g_strdup_printf("{\"version\":1,\"id\":\"%s\",\"epoch\":1,\"generation\":3,\"desired\":"
                         "\"running\",\"boot_id\":\"boot-1\",\"spec\":%s}",
                         id, text->str);
}

/* A node of another boot that holds ins_1 of stage 0, ins_2 of stage 1 and the run ins_3. */
static Rig *alone_reborn(const NodeIdentity *identity)
{
  static const struct {
    const char *id, *agent;
    int stage;
  } rows[] = {{"ins_1", "first", 0}, {"ins_2", "second", 1}, {"ins_3", "nightly", -1}};
  Rig *rig = rig_new_as("boot-2", identity);
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *file = alone_file(rows[i].id, rows[i].agent, rows[i].stage);
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILE, .instance = rows[i].id, .text = file});
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_ABSENT, .instance = rows[i].id, .attempt = 1});
  }
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  return rig;
}

static const NodeIdentity alone_known = {
    .incarnation = "1a2b", .store = "aaaa", .term = 1, .lease_ms = 20000};

static void alone_answers(Rig *rig, const char *id, int attempt)
{
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .instance = id, .generation = 3});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED, .instance = id});
  rig_event(rig,
            (NodeEvent){.type = NODE_EVENT_STARTED, .instance = id, .attempt = attempt, .pid = 7});
}

static void test_alone_in_order(void)
{
  g_autoptr(Rig) rig = alone_reborn(&alone_known);
  rig_pass(rig, alone_known.lease_ms - 1);
  rig_wants(rig, "");
  rig_pass(rig, 1);
  rig_wants(rig, "store g3"); /* of the first alone, in the generation that it had */
  g_assert_nonnull(strstr(rig->files->str, "first"));
  g_assert_nonnull(strstr(rig->files->str, "boot-2"));
  alone_answers(rig, "ins_1", 2);
  rig_pass(rig, 5);
  rig_wants(rig, "prepare g3; start a2");
  rig_pass(rig, 5);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PROBE,
                             .instance = "ins_1",
                             .attempt = 2,
                             .ok = true,
                             .found = "/health"});
  rig_wants(rig, "probe a2");
  rig_pass(rig, ALONE_LOOK_MS);
  rig_wants(rig, "store g3");
  g_assert_nonnull(strstr(rig->files->str, "second"));
  rig_pass(rig, 100000);
  g_assert_null(strstr(rig->files->str, "nightly")); /* a run is the server's to begin */
}

/* One that does not come up holds the next stage back for a while, not for ever. */
static void test_alone_goes_on(void)
{
  g_autoptr(Rig) rig = alone_reborn(&alone_known);
  rig_pass(rig, alone_known.lease_ms);
  alone_answers(rig, "ins_1", 2);
  rig_pass(rig, ALONE_STAGE_MS - 100);
  g_assert_null(strstr(rig->files->str, "second"));
  rig_pass(rig, 200);
  g_assert_nonnull(strstr(rig->files->str, "second"));
}

/* A server that comes within the lease decides; a copy of the directory starts nothing. */
static void test_alone_not(void)
{
  g_autoptr(Rig) rig = alone_reborn(&alone_known);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  node_welcomed(rig, "aaaa");
  rig_forget(rig);
  rig_pass(rig, 2 * alone_known.lease_ms);
  rig_wants(rig, "");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_DOWN}); /* before it has said anything */
  rig_forget(rig);
  rig_pass(rig, alone_known.lease_ms);
  rig_wants(rig, "store g3");
  NodeIdentity copy = alone_known;
  copy.copied = true;
  g_autoptr(Rig) copied = alone_reborn(&copy);
  rig_pass(copied, 10 * alone_known.lease_ms);
  rig_wants(copied, "");
  /* the copy of a whole machine: another one is linked as this node */
  g_autoptr(Rig) refused = alone_reborn(&alone_known);
  rig_event(refused, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  g_autoptr(Frame) refuse = frame_new(FRAME_REFUSE);
  rig_event(refused, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = refuse});
  rig_event(refused, (NodeEvent){.type = NODE_EVENT_LINK_DOWN});
  rig_pass(refused, 10 * alone_known.lease_ms);
  rig_wants(refused, "refused; release-ports");
}

static void node_relist(Rig *rig, int64_t term)
{
  g_autoptr(Frame) relist = frame_new(FRAME_RELIST);
  relist->term = term;
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = relist});
}

/* A server that begins anew over the same link gets the whole list, and no answer to what was asked
 * before. Not while nothing is known yet: the hello follows anyway; nor when it is not obeyed. */
static void test_relist(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autofree char *file = node_file(spec);
  g_autoptr(Rig) rig = node_reborn("boot-1", file);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_LINK_UP});
  node_relist(rig, 2);
  g_assert_cmpuint(rig->frames->len, ==, 0);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FOUND, .generation = 1, .attempt = 1, .pid = 77});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  g_assert_cmpuint(rig->frames->len, ==, 1);
  rig_forget(rig);
  node_relist(rig, 2);
  g_assert_cmpuint(rig->frames->len, ==, 1);
  g_assert_cmpint(node_frame(rig, 0)->type, ==, FRAME_HELLO);
  g_assert_cmpuint(node_frame(rig, 0)->reports->len, ==, 1);
  rig_wants(rig, "release-ports");
  node_relist(rig, 1); /* a server that was replaced */
  rig_wants(rig, "");
  g_autoptr(Frame) refuse = frame_new(FRAME_REFUSE);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FRAME, .frame = refuse});
  rig_wants(rig, "refused");
  node_relist(rig, 2);
  rig_wants(rig, "");
  g_assert_cmpuint(rig->frames->len, ==, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/node/term-kept", test_term_kept);
  g_test_add_func("/node/alone-in-order", test_alone_in_order);
  g_test_add_func("/node/alone-goes-on", test_alone_goes_on);
  g_test_add_func("/node/alone-not", test_alone_not);
  g_test_add_func("/node/hello", test_hello);
  g_test_add_func("/node/adopt-former-state", test_adopt_former_state);
  g_test_add_func("/node/reconnect", test_reconnect);
  g_test_add_func("/node/idempotent-start", test_idempotent_start);
  g_test_add_func("/node/stop-unknown", test_stop_unknown);
  g_test_add_func("/node/term", test_term);
  g_test_add_func("/node/heartbeat", test_heartbeat);
  g_test_add_func("/node/frames-pass", test_frames_pass);
  g_test_add_func("/node/peers", test_peers);
  g_test_add_func("/node/peers-of-the-next", test_peers_of_the_next);
  g_test_add_func("/node/adopt-running", test_adopt_running);
  g_test_add_func("/node/adopt-ended", test_adopt_ended);
  g_test_add_func("/node/adopt-batch-done", test_adopt_batch_done);
  g_test_add_func("/node/adopt-file-error", test_adopt_file_error);
  g_test_add_func("/node/adopt-frozen", test_adopt_frozen);
  g_test_add_func("/node/adopt-frozen-outcome", test_adopt_frozen_outcome);
  g_test_add_func("/node/adopt-tree", test_adopt_tree);
  g_test_add_func("/node/adopt-never-started", test_adopt_never_started);
  g_test_add_func("/node/adopt-former-generation", test_adopt_former_generation);
  g_test_add_func("/node/adopt-rebooted", test_adopt_rebooted);
  g_test_add_func("/node/adopt-unreadable", test_adopt_unreadable);
  g_test_add_func("/node/adopt-stopping", test_adopt_stopping);
  g_test_add_func("/node/ten-thousand", test_ten_thousand);
  g_test_add_func("/node/store", test_store);
  g_test_add_func("/node/relist", test_relist);
  return g_test_run();
}
