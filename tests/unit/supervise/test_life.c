/* The life of one instance: start, probes, restarts, stop, replacement. */
#include "rig.h"

#include <string.h>

static void life_exit(Rig *rig, int attempt, int code, int signal)
{
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_EXITED,
                             .attempt = attempt,
                             .exit = {.code = code, .signal = signal},
                             .text = "last words"});
}

static void life_started(Rig *rig, int attempt)
{
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STARTED, .attempt = attempt, .pid = 100 + attempt});
}

static void life_probe(Rig *rig, int attempt, bool ok)
{
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PROBE,
                             .attempt = attempt,
                             .ok = ok,
                             .text = ok ? NULL : "HTTP 503",
                             .found = ok ? "/health" : NULL});
}

/* The outcome is written, and the shim that remembers it leaves when that is durable. */
static void life_over(Rig *rig, int64_t generation)
{
  g_autofree char *wanted = g_strdup_printf("store g%" G_GINT64_FORMAT, generation);
  rig_wants(rig, wanted);
  rig_stored(rig, generation);
  rig_wants(rig, "release");
}

static Rig *life_healthy(const InstanceSpec *spec)
{
  Rig *rig = rig_running(spec);
  rig_pass(rig, 10);
  rig_wants(rig, "probe a1");
  life_probe(rig, 1, true);
  rig_is(rig, "running healthy a1 r0 -");
  rig_forget(rig);
  return rig;
}

/* 10 ms, doubling up to the interval, until the first healthy answer; then each interval. */
static void test_probe_times(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  static const int64_t gaps[] = {10, 20, 40, 80, 160, 320, 640};
  for (guint i = 0; i < G_N_ELEMENTS(gaps); i++) {
    rig_pass(rig, gaps[i] - 1);
    rig_wants(rig, "");
    rig_pass(rig, 1);
    rig_wants(rig, "probe a1");
    life_probe(rig, 1, i == G_N_ELEMENTS(gaps) - 1);
  }
  rig_is(rig, "running healthy a1 r0 -");
  rig_pass(rig, 999);
  rig_wants(rig, "");
  rig_pass(rig, 1);
  rig_wants(rig, "probe a1");
  rig_pass(rig, 5000); /* one at a time */
  rig_wants(rig, "");
}

/* One failure is nothing, retries in a row are: reported, stopped, started again, counted. */
static void test_unhealthy_restarts(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = life_healthy(spec);
  rig_pass(rig, 1000);
  life_probe(rig, 1, false);
  rig_is(rig, "running healthy a1 r0 -");
  rig_pass(rig, 1000);
  life_probe(rig, 1, true);
  rig_pass(rig, 1000);
  life_probe(rig, 1, false);
  rig_pass(rig, 1000);
  rig_forget(rig);
  life_probe(rig, 1, false);
  rig_wants(rig, "signal 15");
  rig_is(rig, "stopping unknown a1 r0 unhealthy: HTTP 503");
  life_exit(rig, 1, 0, 0); /* it ended well, and yet it is wanted */
  rig_is(rig, "backoff unknown a1 r1 unhealthy: HTTP 503");
  rig_pass(rig, 100);
  rig_wants(rig, "start a2");
}

static void test_unhealthy_never(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->restart.policy = RESTART_NEVER;
  g_autoptr(Rig) rig = life_healthy(spec);
  for (int i = 0; i < 3; i++) {
    rig_pass(rig, 1000);
    rig_wants(rig, "probe a1");
    life_probe(rig, 1, false);
  }
  rig_is(rig, "running unhealthy a1 r0 HTTP 503");
  rig_pass(rig, 1000);
  life_probe(rig, 1, true);
  rig_is(rig, "running healthy a1 r0 -");
}

/* Before the first healthy answer failures count only when start_period and the retries are used
 * up. */
static void test_start_period(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->health.start_period_ms = 5000;
  g_autoptr(Rig) rig = rig_running(spec);
  int64_t began = rig->now.boot_ms;
  while (rig->now.boot_ms - began < 7300) { /* 5,000 + 2 x (1,000 + 200) = 7,400 */
    rig_is(rig, rig->now.boot_ms == began ? "running unknown a1 r0 -"
                                          : "running unhealthy a1 r0 HTTP 503");
    rig_pass(rig, MAX(rig->actions->wake_at_ms - rig->now.boot_ms, 1));
    if (rig->now.boot_ms - began < 7300)
      life_probe(rig, 1, false);
  }
  rig_forget(rig);
  life_probe(rig, 1, false);
  rig_wants(rig, "signal 15");
}

/* However long the interval, whoever starts is asked at least once a second. */
static void test_probe_times_of_a_slow_starter(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->health.interval_ms = 30000;
  g_autoptr(Rig) rig = rig_running(spec);
  static const int64_t gaps[] = {10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000};
  for (guint i = 0; i < G_N_ELEMENTS(gaps); i++) {
    rig_pass(rig, gaps[i] - 1);
    rig_wants(rig, "");
    rig_pass(rig, 1);
    rig_wants(rig, "probe a1");
    life_probe(rig, 1, i == G_N_ELEMENTS(gaps) - 1);
  }
  rig_pass(rig, 29999);
  rig_wants(rig, "");
  rig_pass(rig, 1);
  rig_wants(rig, "probe a1");
}

/* Without port or probe an agent is healthy when it stays up. */
static void test_settles(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->health.kind = HEALTH_DISCOVER;
  spec->port = 0;
  g_autoptr(Rig) rig = rig_running(spec);
  rig_pass(rig, INSTANCE_SETTLE_MS - 1);
  rig_is(rig, "running unknown a1 r0 -");
  rig_pass(rig, 1);
  rig_is(rig, "running healthy a1 r0 -");
  g_assert_cmpint(rig->actions->wake_at_ms, ==, INT64_MAX); /* no timer when nothing is due */
  rig_wants(rig, "");
}

static void test_backoff_doubles_and_gives_up(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->restart.max = 4;
  g_autoptr(Rig) rig = rig_running(spec);
  static const int64_t delays[] = {100, 200, 300, 300};
  for (int i = 0; i < 4; i++) {
    life_exit(rig, i + 1, 3, 0);
    g_assert_cmpint(rig->actions->wake_at_ms, ==, rig->now.boot_ms + delays[i]);
    rig_pass(rig, delays[i]);
    g_autofree char *wanted = g_strdup_printf("start a%d", i + 2);
    rig_wants(rig, wanted); /* same shim; no file is written for a restart */
    life_started(rig, i + 2);
  }
  life_exit(rig, 5, 3, 0);
  life_over(rig, 1);
  rig_is(rig, "failed unknown a5 r4 exit status 3, after 4 restarts");
  g_assert_cmpint(rig->actions->wake_at_ms, ==, INT64_MAX);
}

static void test_restart_unlimited_at_once(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->restart.max = -1;
  spec->restart.delay_ms = 0;
  g_autoptr(Rig) rig = rig_running(spec);
  for (int i = 1; i < 50; i++) {
    life_exit(rig, i, -1, 9);
    g_autofree char *wanted = g_strdup_printf("start a%d", i + 1);
    rig_wants(rig, wanted); /* no timer hop */
    life_started(rig, i + 1);
  }
  rig_is(rig, "running unknown a50 r49 -");
}

static void test_stable_resets(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->health.kind = HEALTH_NONE;
  g_autoptr(Rig) rig = rig_running(spec);
  for (int i = 1; i < 6; i++) { /* more often than max allows, but never in a row */
    rig_pass(rig, 10000);
    life_exit(rig, i, 1, 0);
    rig_pass(rig, 100);
    life_started(rig, i + 1);
  }
  rig_is(rig, "running unknown a6 r1 -");
}

/* An attempt that ends before it runs was not up as long as the one before it. */
static void test_unborn_is_not_stable(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->health.kind = HEALTH_NONE;
  g_autoptr(Rig) rig = rig_running(spec);
  rig_pass(rig, 20000);
  life_exit(rig, 1, 1, 0);
  rig_is(rig, "backoff unknown a1 r1 exit status 1");
  rig_pass(rig, 100);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_VANISHED}); /* before attempt 2 was said to run */
  rig_is(rig, "backoff unknown a2 r2 its shim died");
}

static void test_policies(void)
{
  static const struct {
    RestartPolicy policy;
    AgentKind kind;
    int code;
    const char *then;
  } cases[] = {{RESTART_NEVER, AGENT_SERVICE, 1, "failed unknown a1 r0 exit status 1"},
               {RESTART_NEVER, AGENT_SERVICE, 0, "completed unknown a1 r0 exit status 0"},
               {RESTART_ON_FAILURE, AGENT_SERVICE, 0, "completed unknown a1 r0 exit status 0"},
               {RESTART_ON_FAILURE, AGENT_SERVICE, 1, "backoff unknown a1 r1 exit status 1"},
               {RESTART_ALWAYS, AGENT_SERVICE, 0, "backoff unknown a1 r1 exit status 0"},
               {RESTART_ALWAYS, AGENT_BATCH, 0, "completed unknown a1 r0 exit status 0"},
               {RESTART_ON_FAILURE, AGENT_BATCH, 2, "backoff unknown a1 r1 exit status 2"},
               {RESTART_NEVER, AGENT_BATCH, 2, "failed unknown a1 r0 exit status 2"}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(InstanceSpec) spec = rig_spec();
    spec->restart.policy = cases[i].policy;
    spec->kind = cases[i].kind;
    g_autoptr(Rig) rig = rig_running(spec);
    life_exit(rig, 1, cases[i].code, 0);
    rig_is(rig, cases[i].then);
  }
}

/* Signal, grace, kill; a shim leaves only after its tree. */
static void test_stop(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->stop.signal = 2;
  g_autoptr(Rig) rig = life_healthy(spec);
  rig_frame(rig, FRAME_STOP, 1, 1, NULL);
  rig_wants(rig, "store g1; signal 2");
  g_assert_nonnull(strstr(rig->files->str, "\"desired\":\"stopped\""));
  rig_is(rig, "stopping unknown a1 r0 stopped by request");
  rig_frame(rig, FRAME_STOP, 1, 1, NULL); /* said twice: the grace does not begin anew */
  rig_forget(rig);
  rig_pass(rig, 499);
  rig_wants(rig, "");
  rig_pass(rig, 1);
  rig_wants(rig, "kill");
  life_exit(rig, 1, -1, 9);
  life_over(rig, 1);
  rig_is(rig, "stopped unknown a1 r0 killed by signal 9 (Killed)");
  g_assert_nonnull(strstr(rig->files->str, "\"outcome\":\"stopped\""));
}

/* The signal that a stop sends is no news when it comes back as the end. */
static void test_stop_obeyed(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->stop.signal = 2;
  g_autoptr(Rig) rig = life_healthy(spec);
  rig_frame(rig, FRAME_STOP, 1, 1, NULL);
  rig_forget(rig);
  life_exit(rig, 1, -1, 2);
  life_over(rig, 1);
  rig_is(rig, "stopped unknown a1 r0 stopped by request");
}

static void test_stop_while_starting(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  life_exit(rig, 1, 1, 0);
  rig_pass(rig, 100);
  rig_forget(rig); /* attempt 2 is on its way */
  rig_frame(rig, FRAME_STOP, 1, 1, NULL);
  rig_wants(rig, "store g1");
  life_started(rig, 2);
  rig_wants(rig, "signal 15");
  life_exit(rig, 2, 0, 0);
  life_over(rig, 1);
  rig_is(rig, "stopped unknown a2 r1 exit status 0");
}

/* The start took longer than the grace: a signal that may be ignored is not enough, nobody would
 * ever kill it. */
static void test_stop_while_starting_slowly(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  life_exit(rig, 1, 1, 0);
  rig_pass(rig, 100);
  rig_frame(rig, FRAME_STOP, 1, 1, NULL);
  rig_pass(rig, 500);
  rig_forget(rig);
  life_started(rig, 2);
  rig_wants(rig, "kill");
}

static void test_stop_in_backoff(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  life_exit(rig, 1, 1, 0);
  rig_frame(rig, FRAME_STOP, 1, 1, NULL);
  life_over(rig, 1);
  rig_is(rig, "stopped unknown a1 r1 stopped by request");
  rig_pass(rig, 60000);
  rig_wants(rig, "");
}

/* The successor waits for the end of the whole old tree, is stored, gets a shim of its own. */
static void test_replace(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = life_healthy(spec);
  rig_frame(rig, FRAME_START, 1, 2, spec);
  rig_wants(rig, "signal 15");
  /* a still newer one takes the place of the one that waits */
  rig_frame(rig, FRAME_START, 1, 3, spec);
  rig_pass(rig, 500);
  rig_wants(rig, "kill");
  life_exit(rig, 1, -1, 9);
  rig_wants(rig, "release; store g3");
  rig_is(rig, "starting unknown a0 r0 -");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 2}); /* of something else */
  rig_wants(rig, "");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 3});
  rig_wants(rig, "prepare g3");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED});
  rig_wants(rig, "start a1");
  life_exit(rig, 7, 0, 0); /* news of an attempt that is over */
  life_started(rig, 1);
  rig_is(rig, "running unknown a1 r0 -");
}

static void test_stop_cancels_successor(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = life_healthy(spec);
  rig_frame(rig, FRAME_START, 1, 2, spec);
  rig_frame(rig, FRAME_STOP, 1, 3, NULL);
  rig_forget(rig);
  life_exit(rig, 1, 0, 0);
  life_over(rig, 3);
  rig_is(rig, "stopped unknown a1 r0 exit status 0");
}

static void test_start_failures(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  {
    g_autoptr(Rig) rig = rig_running(spec);
    life_exit(rig, 1, 1, 0);
    rig_pass(rig, 100);
    rig_forget(rig);
    rig_event(rig, (NodeEvent){.type = NODE_EVENT_START_FAILED,
                               .attempt = 2,
                               .text = "No such file or directory"});
    life_over(rig, 1);
    rig_is(rig, "failed unknown a2 r1 start '/bin/clerk': No such file or directory");
  }
  g_autoptr(Rig) rig = rig_new("boot-1");
  rig_frame(rig, FRAME_START, 1, 1, spec);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORE_FAILED,
                             .generation = 1,
                             .text = "No space left on device"});
  rig_wants(rig, "store g1; store g1"); /* nothing starts that is not stored; then its outcome */
  rig_is(rig, "failed unknown a0 r0 instance file: No space left on device");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORE_FAILED, .generation = 1, .text = "again"});
  rig_pass(rig, 10 * INSTANCE_STORE_AGAIN_MS);
  rig_wants(rig, ""); /* nothing is lost with a file that never was */
  rig_frame(rig, FRAME_START, 1, 2, spec);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 2});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARE_FAILED,
                             .text = "Resource temporarily unavailable"});
  rig_wants(rig, "store g2; prepare g2; store g2");
  rig_is(rig, "failed unknown a0 r0 its shim did not start: Resource temporarily unavailable");
  g_assert_nonnull(strstr(rig->files->str, "\"outcome\":\"failed\""));
  g_autofree char *file = g_strdup(rig->files->str);
  g_autoptr(Rig) next = rig_new("boot-1"); /* the node's next life does not try it again */
  rig_event(next, (NodeEvent){.type = NODE_EVENT_FILE, .text = file});
  rig_event(next, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_event(next, (NodeEvent){.type = NODE_EVENT_ABSENT});
  rig_wants(next, "");
  rig_is(next, "failed unknown a0 r0 its shim did not start: Resource temporarily unavailable");
}

/* What may pass is tried again, whatever `restart` says, and is no restart: a full disk, a table of
 * processes that is full, a program that is just being replaced. */
static void test_passing(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->restart.policy = RESTART_NEVER;
  g_autoptr(Rig) rig = rig_new("boot-1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_frame(rig, FRAME_START, 1, 1, spec);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORE_FAILED,
                             .generation = 1,
                             .text = "No space left on device",
                             .failure = FAILURE_PASSING});
  rig_wants(rig, "store g1");
  rig_is(rig, "backoff unknown a0 r0 instance file: No space left on device");
  rig_pass(rig, 100);
  rig_wants(rig, "store g1"); /* nothing starts that is not stored */
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 1});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARE_FAILED,
                             .text = "Cannot allocate memory",
                             .failure = FAILURE_PASSING});
  rig_wants(rig, "prepare g1");
  rig_pass(rig, 199);
  rig_wants(rig, "");
  rig_pass(rig, 1);
  rig_wants(rig, "prepare g1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED});
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_START_FAILED,
                             .attempt = 1,
                             .text = "Text file busy",
                             .failure = FAILURE_PASSING});
  rig_wants(rig, "start a1");
  rig_is(rig, "backoff unknown a1 r0 start '/bin/clerk': Text file busy");
  rig_pass(rig, 300);
  rig_wants(rig, "start a2");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STARTED, .attempt = 2, .pid = 7});
  rig_is(rig, "running unknown a2 r0 -");
}

/* A shim owes an answer to a start, and the end of what it was told to kill. */
static void test_shim_silent(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  rig_frame(rig, FRAME_STOP, 1, 1, NULL);
  rig_stored(rig, 1);
  rig_pass(rig, 500);
  rig_wants(rig, "store g1; signal 15; kill");
  rig_pass(rig, INSTANCE_KILLED_MS - 1);
  rig_wants(rig, "");
  rig_pass(rig, 1);
  rig_wants(rig, "clear");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_CLEARED, .generation = 1, .attempt = 1});
  rig_is(rig, "stopped unknown a1 r0 stopped by request");
  g_autoptr(Rig) start = rig_new("boot-1");
  rig_event(start, (NodeEvent){.type = NODE_EVENT_FILES_DONE});
  rig_frame(start, FRAME_START, 1, 1, spec);
  rig_stored(start, 1);
  rig_pass(start,
           10 * INSTANCE_ANSWER_MS); /* its secrets have not come yet: nobody owes anything */
  rig_event(start, (NodeEvent){.type = NODE_EVENT_CREATED});
  rig_wants(start, "store g1; prepare g1");
  rig_pass(start, INSTANCE_ANSWER_MS);
  rig_wants(start, "clear");
  rig_event(start, (NodeEvent){.type = NODE_EVENT_CLEARED});
  rig_is(start, "backoff unknown a0 r1 its shim did not answer");
  rig_pass(start, 100);
  rig_event(start, (NodeEvent){.type = NODE_EVENT_PREPARED});
  rig_wants(start, "prepare g1; start a1");
  rig_pass(start, INSTANCE_ANSWER_MS);
  rig_wants(start, "clear"); /* it does not say whether it started */
}

/* What does not end is said, and killed again; nothing starts beside it, however long that takes.
 */
static void test_cleared_late(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = rig_running(spec);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_VANISHED, .tree_lives = true});
  rig_wants(rig, "clear");
  rig_is(rig, "stopping unknown a1 r0 its shim died");
  rig_pass(rig, INSTANCE_CLEAR_MS - 1);
  rig_wants(rig, "");
  rig_pass(rig, 1);
  rig_wants(rig, "clear");
  InstanceReport *report = supervisor_report(rig->node, "ins_1");
  g_assert_true(
      g_str_has_prefix(report->reason, "its shim died; processes of it have been killed since 20"));
  instance_report_free(report);
  rig_pass(rig, INSTANCE_CLEAR_MS);
  rig_wants(rig, "clear");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_CLEARED, .generation = 1, .attempt = 1});
  rig_is(rig, "backoff unknown a1 r1 its shim died");
}

/* A shim that dies leaves a tree: cleared first, then a new shim and a new attempt. */
static void test_shim_dies(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = life_healthy(spec);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_VANISHED, .tree_lives = true});
  rig_wants(rig, "clear");
  rig_pass(rig, 5000);
  rig_wants(rig, "");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_CLEARED});
  rig_is(rig, "backoff unknown a1 r1 its shim died");
  rig_pass(rig, 100);
  rig_wants(rig, "prepare g1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_PREPARED});
  rig_wants(rig, "start a2");
}

/* The shim remembers how a batch ended until that is durable: also when an older write is answered
 * first, or the disk refuses. */
static void test_outcome_before_shim(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->kind = AGENT_BATCH;
  g_autoptr(Rig) rig = rig_running(spec);
  rig_frame(rig, FRAME_STOP, 1, 1, NULL); /* writes */
  rig_forget(rig);
  life_exit(rig, 1, 0, 0);
  rig_wants(rig, "store g1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 1}); /* of the stop */
  rig_wants(rig, "");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 1});
  rig_wants(rig, "release");
  g_autoptr(Rig) full = rig_running(spec);
  life_exit(full, 1, 0, 0);
  rig_event(full, (NodeEvent){.type = NODE_EVENT_STORE_FAILED,
                              .generation = 1,
                              .text = "No space left on device"});
  rig_wants(full, "store g1");
  rig_is(full, "completed unknown a1 r0 exit status 0");
  rig_frame(full, FRAME_START, 1, 2, spec);
  rig_wants(full, "release; store g2");
}

/* A restored server counts epochs anew and may name the same generation again: what answers an
 * older write does not start it. */
static void test_same_generation_of_another_epoch(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->kind = AGENT_BATCH;
  g_autoptr(Rig) rig = rig_running(spec);
  life_exit(rig, 1, 0, 0);
  rig_wants(rig, "store g1");
  rig_frame(rig, FRAME_START, 1001, 1, spec);
  rig_wants(rig, "release; store g1");
  /* the outcome of epoch 1 */
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 1});
  rig_wants(rig, "");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 1});
  rig_wants(rig, "prepare g1");
}

/* A disk that is full for a while: the shim stays, and the outcome is written again. */
static void test_outcome_is_written_again(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  spec->kind = AGENT_BATCH;
  g_autoptr(Rig) rig = rig_running(spec);
  life_exit(rig, 1, 0, 0);
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORE_FAILED,
                             .generation = 1,
                             .text = "No space left on device"});
  rig_wants(rig, "store g1");
  rig_pass(rig, INSTANCE_STORE_AGAIN_MS);
  rig_wants(rig, "store g1");
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 1});
  rig_wants(rig, "release");
  rig_pass(rig, 10 * INSTANCE_STORE_AGAIN_MS);
  rig_wants(rig, "");
}

static void test_forget(void)
{
  g_autoptr(InstanceSpec) spec = rig_spec();
  g_autoptr(Rig) rig = life_healthy(spec);
  rig_frame(rig, FRAME_FORGET, 1, 1, NULL);
  rig_wants(rig, "store g1; signal 15"); /* first it ends */
  rig_frame(rig, FRAME_FORGET, 1, 1, NULL);
  rig_wants(rig, ""); /* said twice, done once */
  life_exit(rig, 1, 0, 0);
  /* its file is on its way to the disk, and would come after */
  g_assert_null(strstr(rig->log->str, "remove"));
  rig_event(rig, (NodeEvent){.type = NODE_EVENT_STORED, .generation = 1});
  g_assert_true(g_str_has_suffix(rig->log->str, "remove"));
  rig_is(rig, "absent");
  g_assert_cmpuint(supervisor_size(rig->node), ==, 0);
  g_assert_cmpint(rig->actions->wake_at_ms, ==, INT64_MAX);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/life/probe-times", test_probe_times);
  g_test_add_func("/life/probe-times-of-a-slow-starter", test_probe_times_of_a_slow_starter);
  g_test_add_func("/life/unhealthy-restarts", test_unhealthy_restarts);
  g_test_add_func("/life/unhealthy-never", test_unhealthy_never);
  g_test_add_func("/life/start-period", test_start_period);
  g_test_add_func("/life/settles", test_settles);
  g_test_add_func("/life/backoff-doubles", test_backoff_doubles_and_gives_up);
  g_test_add_func("/life/restart-unlimited", test_restart_unlimited_at_once);
  g_test_add_func("/life/stable-resets", test_stable_resets);
  g_test_add_func("/life/unborn-is-not-stable", test_unborn_is_not_stable);
  g_test_add_func("/life/policies", test_policies);
  g_test_add_func("/life/stop", test_stop);
  g_test_add_func("/life/stop-obeyed", test_stop_obeyed);
  g_test_add_func("/life/stop-while-starting", test_stop_while_starting);
  g_test_add_func("/life/stop-while-starting-slowly", test_stop_while_starting_slowly);
  g_test_add_func("/life/stop-in-backoff", test_stop_in_backoff);
  g_test_add_func("/life/replace", test_replace);
  g_test_add_func("/life/stop-cancels-successor", test_stop_cancels_successor);
  g_test_add_func("/life/start-failures", test_start_failures);
  g_test_add_func("/life/shim-dies", test_shim_dies);
  g_test_add_func("/life/shim-silent", test_shim_silent);
  g_test_add_func("/life/cleared-late", test_cleared_late);
  g_test_add_func("/life/passing", test_passing);
  g_test_add_func("/life/outcome-before-shim", test_outcome_before_shim);
  g_test_add_func("/life/outcome-is-written-again", test_outcome_is_written_again);
  g_test_add_func("/life/same-generation-of-another-epoch", test_same_generation_of_another_epoch);
  g_test_add_func("/life/forget", test_forget);
  return g_test_run();
}
