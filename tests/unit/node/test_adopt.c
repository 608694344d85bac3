/* A real node with real shims: what a second node finds when the first one is gone, in every order
 * of dying. */
#include "base/clock.h"
#include "base/fs.h"
#include "drivers/asks.h"
#include "node/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 15000 };

static char *dir;

/* ---- a disk that confirms nothing, and what was synced: the linker puts these in place of the
 * calls ---- */

int __wrap_fsync(int fd);
int __wrap_syncfs(int fd);
int __real_fsync(int fd);
int __real_syncfs(int fd);

static atomic_bool sync_fails;
static atomic_ulong synced_directory; /* inode of the last one */

static int sync_failed(void)
{
  errno = EIO;
  return -1;
}

int __wrap_fsync(int fd)
{
  struct stat st;
  if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
    synced_directory = st.st_ino;
  return sync_fails ? sync_failed() : __real_fsync(fd);
}

int __wrap_syncfs(int fd)
{
  return sync_fails ? sync_failed() : __real_syncfs(fd);
}

typedef struct Rig {
  Loop *loop;
  Node *node;
  LoopTimer *late;
  GHashTable *reports; /* id -> InstanceReport*: the last of each */
  InstanceState wanted;
  int attempt;
  const char *id;
  bool hello;
  FrameType until;    /* the loop ends when the node sends one; FRAME_UNKNOWN = by a report */
  guint secret_reads; /* since its hello, or of a node without one */
} Rig;

static bool rig_there(const Rig *rig)
{
  const InstanceReport *report = g_hash_table_lookup(rig->reports, rig->id);
  return report && report->state == rig->wanted && report->attempt >= rig->attempt;
}

static void rig_sent(const char *text, void *data)
{
  Rig *rig = data;
  g_autoptr(Frame) frame = frame_parse(text, strlen(text), NULL);
  g_assert_nonnull(frame);
  rig->hello |= frame->type == FRAME_HELLO;
  rig->secret_reads =
      frame->type == FRAME_HELLO ? 0 : rig->secret_reads + (frame->type == FRAME_SECRET_READ);
  if (rig->until != FRAME_UNKNOWN && frame->type == rig->until)
    loop_stop(rig->loop);
  for (guint i = 0; i < frame->reports->len; i++) {
    InstanceReport *copy = instance_report_copy(frame->reports->pdata[i]);
    g_hash_table_replace(rig->reports, copy->id, copy);
  }
  if (rig->id && rig_there(rig))
    loop_stop(rig->loop);
}

static void rig_is_late(void *data)
{
  const Rig *rig = data;
  if (!rig->id)
    g_error("not within %d ms: no frame '%s' was sent", WAIT_MS, frame_type_word(rig->until));
  const InstanceReport *report = g_hash_table_lookup(rig->reports, rig->id);
  g_error("not within %d ms: '%s' is %s (%s), wanted %s", WAIT_MS, rig->id,
          report ? instance_state_word(report->state) : "unheard of",
          report && report->reason ? report->reason : "", instance_state_word(rig->wanted));
}

static void rig_free_report(gpointer report)
{
  instance_report_free(report);
}

static void rig_open(Rig *rig)
{
  *rig = (Rig){.loop = loop_new(), .until = FRAME_UNKNOWN};
  rig->reports = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, rig_free_report);
  rig->late = loop_timer_new(rig->loop, rig_is_late, rig);
  g_autoptr(GError) error = NULL;
  NodeConfig config = {.state_dir = dir,
                       .node_id = "local",
                       .shim_path = g_getenv("REEVE_SHIM"),
                       .reeve_path = "/no/reeve"};
  rig->node = node_new(rig->loop, &config, &error);
  g_assert_no_error(error);
  node_link_up(rig->node, rig_sent, rig);
}

/* A node on a new directory. */
static void rig_begin(Rig *rig)
{
  dir = g_dir_make_tmp("reeve-node-XXXXXX", NULL);
  rig_open(rig);
}

/* The node goes; shims and agents stay. */
static void rig_close(Rig *rig)
{
  node_free(rig->node);
  loop_timer_free(rig->late);
  loop_free(rig->loop);
  g_hash_table_unref(rig->reports);
}

/* Until what is waited for has come. */
static void rig_run(Rig *rig)
{
  loop_timer_set(rig->late, clock_boot_ms() + WAIT_MS);
  loop_run(rig->loop);
  loop_timer_set(rig->late, INT64_MAX);
}

/* The last report of @id once it is in @state, in attempt @attempt or later. */
static const InstanceReport *rig_wait(Rig *rig, const char *id, InstanceState state, int attempt)
{
  rig->id = id;
  rig->wanted = state;
  rig->attempt = attempt;
  if (!rig_there(rig))
    rig_run(rig);
  rig->id = NULL;
  return g_hash_table_lookup(rig->reports, id);
}

/* The node sends a frame of @type from now on. */
static void rig_until(Rig *rig, FrameType type)
{
  rig->until = type;
  rig_run(rig);
  rig->until = FRAME_UNKNOWN;
}

static void rig_send(Rig *rig, FrameType type, const char *id, int64_t generation,
                     InstanceSpec *spec)
{
  g_autoptr(Frame) frame = frame_new(type);
  frame->term = 1;
  Instruction *instruction = instruction_new(id, 1, generation);
  instruction->spec = spec;
  g_ptr_array_add(frame->instructions, instruction);
  g_autofree char *text = frame_write(frame);
  node_receive(rig->node, text, strlen(text));
}

static InstanceSpec *sleeper(const char *script)
{
  InstanceSpec *spec = instance_spec_new();
  spec->deployment = g_strdup("test");
  spec->agent = g_strdup("a");
  spec->argv =
      g_strdupv((char *[]){(char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)script, NULL});
  spec->environment = g_strdupv((char *[]){(char *)"PATH=/usr/bin:/bin", NULL});
  spec->working_dir = g_strdup("/");
  spec->restart.policy = RESTART_ALWAYS;
  spec->restart.max = -1;
  spec->restart.delay_ms = spec->restart.max_delay_ms = 10;
  spec->stop.grace_ms = 1000;
  return spec;
}

/* The pid of the shim: the one that has its directory as descriptor 4. */
static pid_t shim_of(const char *id)
{
  g_autofree char *wanted = g_build_filename(dir, "instances", id, NULL);
  g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
  for (const char *name = g_dir_read_name(proc); name; name = g_dir_read_name(proc)) {
    g_autofree char *link = g_strdup_printf("/proc/%s/fd/4", name);
    g_autofree char *target = g_file_read_link(link, NULL);
    g_autofree char *comm_path = g_strdup_printf("/proc/%s/comm", name);
    g_autofree char *comm = NULL;
    if (g_strcmp0(target, wanted) == 0 && g_file_get_contents(comm_path, &comm, NULL, NULL) &&
        g_str_has_prefix(comm, "reeve-shim"))
      return (pid_t)strtol(name, NULL, 10);
  }
  return 0;
}

static bool is_alive(int64_t pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
  g_autofree char *text = NULL;
  return g_file_get_contents(path, &text, NULL, NULL) && !strstr(text, ") Z ");
}

static void wait_dead(int64_t pid)
{
  for (int64_t until = clock_boot_ms() + WAIT_MS; is_alive(pid); g_usleep(1000))
    g_assert_cmpint(clock_boot_ms(), <, until);
}

/* Starts ins_00000a and leaves it running without a node. Returns its pid. */
static int64_t left_running(void)
{
  Rig rig;
  rig_begin(&rig);
  rig_send(&rig, FRAME_START, "ins_00000a", 1, sleeper("exec sleep 60"));
  int64_t pid = rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1)->pid;
  g_assert_cmpint(pid, >, 0);
  rig_close(&rig);
  g_assert_true(is_alive(pid));
  return pid;
}

/* The node may leave before it told a shim to: an idle one would stay, and hold our output. */
static void remove_all(Rig *rig)
{
  rig_close(rig);
  for (const char *const *id = (const char *const[]){"ins_00000a", "ins_00000c", NULL}; *id; id++) {
    pid_t shim = shim_of(*id);
    if (shim)
      kill(shim, SIGKILL);
  }
  fs_remove_tree(dir, NULL);
  g_clear_pointer(&dir, g_free);
}

static void clean_up(Rig *rig)
{
  rig_send(rig, FRAME_STOP, "ins_00000a", 9, NULL);
  rig_wait(rig, "ins_00000a", INSTANCE_STOPPED, 0);
  remove_all(rig);
}

/* A start that waits for its secrets when the node goes. The next node asks before its hello, which
 * no server answers, since another instance's file keeps it; it asks again when it is welcome. */
static void test_secrets_are_asked_for_again(void)
{
  Rig rig;
  rig_begin(&rig);
  InstanceSpec *spec = sleeper("exec sleep 60");
  g_strfreev(spec->references);
  spec->references = g_strdupv((char *[]){(char *)"KEY=secret:key", NULL});
  rig_send(&rig, FRAME_START, "ins_00000a", 1, spec);
  rig_until(&rig, FRAME_SECRET_READ);
  rig_close(&rig);
  g_autofree char *unreadable =
      g_build_filename(dir, "instances", "ins_00000c", "instance.json", NULL);
  g_assert_cmpint(g_mkdir_with_parents(unreadable, 0700), ==, 0);
  rig_open(&rig);
  rig_until(&rig, FRAME_HELLO);
  g_assert_cmpuint(rig.secret_reads, ==, 0);
  rig_send(&rig, FRAME_WELCOME, "ins_00000a", 1, NULL);
  g_assert_cmpuint(rig.secret_reads, ==, 1);
  g_autoptr(Frame) secrets = frame_new(FRAME_SECRETS);
  secrets->term = 1;
  secrets->instance = g_strdup("ins_00000a");
  secrets->request = 1;
  secrets->data = g_strdup("{\"KEY\":\"value\"}");
  g_autofree char *text = frame_write(secrets);
  node_receive(rig.node, text, strlen(text));
  rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1);
  clean_up(&rig);
}

static void test_found_running(void)
{
  int64_t pid = left_running();
  Rig rig;
  rig_open(&rig);
  const InstanceReport *report = rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1);
  g_assert_cmpint(report->pid, ==, pid);
  g_assert_cmpint(report->generation, ==, 1);
  g_assert_true(rig.hello);
  clean_up(&rig);
  wait_dead(pid);
}

static void test_ended_while_nobody_watched(void)
{
  int64_t pid = left_running();
  kill((pid_t)pid, SIGKILL);
  wait_dead(pid);
  Rig rig;
  rig_open(&rig);
  const InstanceReport *report = rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 2);
  g_assert_cmpint(report->pid, !=, pid);
  g_assert_cmpint(report->last_exit.signal, ==, SIGKILL);
  clean_up(&rig);
}

/* Its shim was killed: the agent lives without one. It is ended before its successor starts. */
static void test_an_orphan(void)
{
  int64_t pid = left_running();
  pid_t shim = shim_of("ins_00000a");
  g_assert_cmpint(shim, >, 0);
  kill(shim, SIGKILL);
  wait_dead(shim);
  g_assert_true(is_alive(pid));
  Rig rig;
  rig_open(&rig);
  const InstanceReport *report = rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 2);
  g_assert_cmpint(report->pid, !=, pid);
  g_assert_false(is_alive(pid));
  clean_up(&rig);
}

static void test_both_are_dead(void)
{
  int64_t pid = left_running();
  kill(shim_of("ins_00000a"), SIGKILL);
  kill((pid_t)pid, SIGKILL);
  wait_dead(pid);
  Rig rig;
  rig_open(&rig);
  g_assert_cmpint(rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 2)->pid, !=, pid);
  clean_up(&rig);
}

/* The shim dies under the node's eyes. */
static void test_the_shim_dies(void)
{
  int64_t pid = left_running();
  Rig rig;
  rig_open(&rig);
  rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1);
  kill(shim_of("ins_00000a"), SIGKILL);
  g_assert_cmpint(rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 2)->pid, !=, pid);
  g_assert_false(is_alive(pid));
  clean_up(&rig);
}

static pid_t pid_of_command(const char *seconds)
{
  g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
  for (const char *name = g_dir_read_name(proc); name; name = g_dir_read_name(proc)) {
    g_autofree char *path = g_strdup_printf("/proc/%s/cmdline", name);
    g_autofree char *text = NULL;
    gsize length;
    if (g_file_get_contents(path, &text, &length, NULL) && length > 6 &&
        strcmp(text, "sleep") == 0 && strcmp(text + 6, seconds) == 0)
      return (pid_t)strtol(name, NULL, 10);
  }
  return 0;
}

static pid_t wait_command(const char *seconds)
{
  for (int64_t until = clock_boot_ms() + WAIT_MS;; g_usleep(1000)) {
    pid_t pid = pid_of_command(seconds);
    if (pid)
      return pid;
    g_assert_cmpint(clock_boot_ms(), <, until);
  }
}

/* What left session and parent goes with the shim, too: under the node's eyes, and when nobody
 * watched and the main process is dead as well. */
static void test_escaped(void)
{
  Rig rig;
  rig_begin(&rig);
  rig_send(&rig, FRAME_START, "ins_00000a", 1, sleeper("setsid -f sleep 4711; exec sleep 60"));
  int64_t pid = rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1)->pid;
  pid_t escaped = wait_command("4711");
  kill(shim_of("ins_00000a"), SIGKILL);
  const InstanceReport *report = rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 2);
  g_assert_false(is_alive(pid) || is_alive(escaped));
  pid = report->pid;
  escaped = wait_command("4711");
  rig_close(&rig);
  kill(shim_of("ins_00000a"), SIGKILL);
  kill((pid_t)pid, SIGKILL);
  wait_dead(pid);
  g_assert_true(is_alive(escaped));
  rig_open(&rig);
  rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 3);
  g_assert_false(is_alive(escaped));
  clean_up(&rig);
  g_assert_cmpint(pid_of_command("4711"), ==, 0);
}

/* What left session and parent and took the mark off as well is found by its control group. */
static void test_escaped_without_a_mark(void)
{
  Rig rig;
  rig_begin(&rig);
  const ProcessDriver *driver = (const ProcessDriver *)rig.node->driver;
  g_autofree char *group = cgroups_tree(driver->cgroups, "ins_00000a");
  rig_send(&rig, FRAME_START, "ins_00000a", 1,
           sleeper("setsid -f env -i sleep 4712; exec sleep 60"));
  rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1);
  pid_t escaped = wait_command("4712");
  kill(shim_of("ins_00000a"), SIGKILL);
  rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 2);
  bool ended = !is_alive(escaped);
  if (!ended)
    kill(escaped, SIGKILL);
  pid_t again = wait_command("4712");
  clean_up(&rig);
  if (again && is_alive(again))
    kill(again, SIGKILL);
  if (group)
    g_assert_true(ended);
  else
    g_test_skip("there is no v2 tree of control groups here that we may write");
}

/* Until the last report of @id has a reason that begins with @wanted, or none when that is NULL. */
static void rig_wait_reason(const Rig *rig, const char *id, const char *wanted)
{
  for (int64_t until = clock_boot_ms() + WAIT_MS;;
       event_base_loop(loop_base(rig->loop), EVLOOP_ONCE)) {
    const InstanceReport *report = g_hash_table_lookup(rig->reports, id);
    if (wanted ? report->reason && g_str_has_prefix(report->reason, wanted) : !report->reason)
      return;
    g_assert_cmpint(clock_boot_ms(), <, until);
  }
}

/* A frozen shim keeps nobody waiting, however many nodes came and went before it; awake again, it
 * is adopted with its agent. One that does not wake is ended. */
static void test_frozen(void)
{
  enum { NODES = 6 };
  int64_t pid = left_running();
  Rig rig;
  rig_open(&rig);
  rig_send(&rig, FRAME_START, "ins_00000c", 1, sleeper("exec sleep 60"));
  int64_t other = rig_wait(&rig, "ins_00000c", INSTANCE_RUNNING, 1)->pid;
  pid_t shim = shim_of("ins_00000a");
  g_assert_cmpint(kill(shim, SIGSTOP), ==, 0);
  for (int i = 0; i < NODES; i++) {
    rig_close(&rig);
    rig_open(&rig);
    g_assert_cmpint(rig_wait(&rig, "ins_00000c", INSTANCE_RUNNING, 1)->pid, ==, other);
  }
  g_assert_nonnull(
      strstr(rig_wait(&rig, "ins_00000a", INSTANCE_STARTING, 0)->reason, "has not answered"));
  g_assert_cmpint(kill(shim, SIGCONT), ==, 0);
  g_assert_cmpint(rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1)->pid, ==, pid);
  g_assert_cmpint(kill(shim, SIGSTOP), ==, 0);
  rig_send(&rig, FRAME_STOP, "ins_00000c", 1, NULL);
  rig_send(&rig, FRAME_STOP, "ins_00000a", 1, NULL);
  rig_wait(&rig, "ins_00000a", INSTANCE_STOPPED, 1);
  g_assert_false(is_alive(pid) || is_alive(shim));
  remove_all(&rig);
}

/* One that freezes while its agent runs is noticed although nothing is asked of it, and said to be
 * awake again when it is. */
static void test_frozen_later(void)
{
  enum { ASK_MS = 300 };
  Rig rig;
  rig_begin(&rig);
  rig_send(&rig, FRAME_START, "ins_00000a", 1, sleeper("exec sleep 60"));
  rig_send(&rig, FRAME_START, "ins_00000b", 1, sleeper("exec sleep 60"));
  rig_wait(&rig, "ins_00000b", INSTANCE_RUNNING, 1);
  int64_t pid = rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1)->pid;
  Asks *asks = asks_new((ProcessDriver *)rig.node->driver, ASK_MS);
  pid_t shim = shim_of("ins_00000a");
  g_assert_cmpint(kill(shim, SIGSTOP), ==, 0);
  rig_wait_reason(&rig, "ins_00000a", "its shim has not answered since 20");
  const InstanceReport *report = g_hash_table_lookup(rig.reports, "ins_00000a");
  g_assert_true(report->state == INSTANCE_RUNNING && report->pid == pid);
  g_assert_null(((const InstanceReport *)g_hash_table_lookup(rig.reports, "ins_00000b"))->reason);
  g_assert_cmpint(kill(shim, SIGCONT), ==, 0);
  rig_wait_reason(&rig, "ins_00000a", NULL);
  asks_free(asks);
  rig_send(&rig, FRAME_STOP, "ins_00000b", 1, NULL);
  rig_wait(&rig, "ins_00000b", INSTANCE_STOPPED, 0);
  clean_up(&rig);
}

/* So does the shim of a probe command that is out of time. */
static void test_frozen_probe(void)
{
  Rig rig;
  rig_begin(&rig);
  InstanceSpec *spec = sleeper("exec sleep 60");
  spec->health.kind = HEALTH_EXEC;
  spec->health.argv = g_strsplit("sleep 4714", " ", -1);
  spec->health.timeout_ms = 1500;
  rig_send(&rig, FRAME_START, "ins_00000a", 1, spec);
  rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1);
  pid_t probe = 0;
  for (int64_t until = clock_boot_ms() + WAIT_MS; !(probe = pid_of_command("4714"));
       event_base_loop(loop_base(rig.loop), EVLOOP_ONCE))
    g_assert_cmpint(clock_boot_ms(), <, until);
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)probe), *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_assert_cmpint(kill((pid_t)atoi(strrchr(text, ')') + 4), SIGSTOP), ==, 0); /* its parent */
  for (int64_t until = clock_boot_ms() + WAIT_MS; is_alive(probe);
       event_base_loop(loop_base(rig.loop), EVLOOP_ONCE))
    g_assert_cmpint(clock_boot_ms(), <, until);
  clean_up(&rig);
}

/* A file that is there and cannot be read is no absent one: what runs from it is ended before
 * anything else starts, and its logs stay. */
static void test_unreadable(void)
{
  int64_t pid = left_running();
  g_autofree char *file = g_build_filename(dir, "instances", "ins_00000a", "instance.json", NULL);
  g_assert_cmpint(unlink(file), ==, 0);
  g_assert_cmpint(g_mkdir_with_parents(file, 0700), ==, 0);
  Rig rig;
  rig_open(&rig);
  const InstanceReport *report = rig_wait(&rig, "ins_00000a", INSTANCE_FAILED, 0);
  g_assert_nonnull(strstr(report->reason, "instance file: read"));
  g_assert_false(is_alive(pid));
  g_assert_cmpint(access(file, F_OK), ==, 0);
  remove_all(&rig);
}

/* What only passes is tried again: a program that is being written. */
static void test_text_busy(void)
{
  dir = g_dir_make_tmp("reeve-node-XXXXXX", NULL);
  g_autofree char *program = g_build_filename(dir, "program", NULL);
  g_autofree char *bytes = NULL;
  gsize length;
  g_assert_true(g_file_get_contents("/bin/sleep", &bytes, &length, NULL));
  int fd = open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
  g_assert_cmpint(write(fd, bytes, length), ==, (gssize)length);
  InstanceSpec *spec = sleeper("");
  g_strfreev(spec->argv);
  spec->argv = g_strdupv((char *[]){program, (char *)(uintptr_t) "60", NULL});
  Rig rig;
  rig_open(&rig);
  rig_send(&rig, FRAME_START, "ins_00000a", 1, spec);
  g_assert_nonnull(
      strstr(rig_wait(&rig, "ins_00000a", INSTANCE_BACKOFF, 1)->reason, "Text file busy"));
  close(fd);
  rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 2);
  clean_up(&rig);
}

static void put(const char *id, const char *text)
{
  g_autofree char *directory = g_build_filename(dir, "instances", id, NULL),
                  *path = g_build_filename(directory, "instance.json", NULL);
  g_assert_true(fs_mkdirs(directory, 0755, NULL));
  g_assert_true(!text || g_file_set_contents(path, text, -1, NULL));
}

static void test_files_that_make_no_sense(void)
{
  int64_t pid = left_running();
  put("ins_00000b", NULL); /* made, never stored */
  put("ins_00000c", "{");
  put("ins_00000d", "{\"id\":\"ins_00000a\"}");
  put("ins_00000e", "");
  Rig rig;
  rig_open(&rig);
  g_assert_cmpint(rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1)->pid, ==, pid);
  for (const char *const *id =
           (const char *const[]){"ins_00000c", "ins_00000d", "ins_00000e", NULL};
       *id; id++)
    g_assert_cmpint(rig_wait(&rig, *id, INSTANCE_FAILED, 0)->epoch, ==, 0);
  g_assert_null(g_hash_table_lookup(rig.reports, "ins_00000b"));
  g_autofree char *gone = g_build_filename(dir, "instances", "ins_00000b", NULL);
  g_assert_cmpint(access(gone, F_OK), !=, 0);
  rig_send(&rig, FRAME_START, "ins_00000c", 1, sleeper("exec sleep 60"));
  rig_wait(&rig, "ins_00000c", INSTANCE_RUNNING, 1);
  rig_send(&rig, FRAME_STOP, "ins_00000c", 1, NULL);
  rig_wait(&rig, "ins_00000c", INSTANCE_STOPPED, 0);
  clean_up(&rig);
}

static void test_only_one_node(void)
{
  Rig rig;
  rig_begin(&rig);
  g_autoptr(GError) error = NULL;
  NodeConfig config = {.state_dir = dir,
                       .node_id = "local",
                       .shim_path = g_getenv("REEVE_SHIM"),
                       .reeve_path = "/no/reeve"};
  g_assert_null(node_new(rig.loop, &config, &error));
  g_assert_nonnull(strstr(error->message, "another node runs there"));
  remove_all(&rig);
}

/* The output that is told is that of the attempt which just ended. */
static void test_output_of_its_own(void)
{
  Rig rig;
  rig_begin(&rig);
  InstanceSpec *spec =
      sleeper("test -e seen || { touch seen; echo of the first; exit 3; }; exit 4");
  g_free(spec->working_dir);
  spec->working_dir = g_strdup(dir);
  spec->restart.max = 1;
  rig_send(&rig, FRAME_START, "ins_00000a", 1, spec);
  const InstanceReport *report = rig_wait(&rig, "ins_00000a", INSTANCE_FAILED, 2);
  g_assert_cmpint(report->last_exit.code, ==, 4);
  g_assert_cmpstr(report->output, ==, "");
  remove_all(&rig);
}

/* What the disk does not confirm is not stored, so nothing starts from it; when it does again, that
 * goes on by itself. For one file and for a batch. */
static void test_a_disk_that_confirms_nothing(void)
{
  static const char *const ids[] = {"ins_00000a", "ins_00000c"};
  Rig rig;
  rig_begin(&rig);
  for (guint n = 1; n <= G_N_ELEMENTS(ids); n++) {
    g_autoptr(Frame) frame = frame_new(FRAME_START);
    frame->term = 1;
    for (guint i = 0; i < n; i++) {
      Instruction *instruction = instruction_new(ids[i], 1, n);
      instruction->spec = sleeper("exec sleep 60");
      g_ptr_array_add(frame->instructions, instruction);
    }
    g_autofree char *text = frame_write(frame);
    sync_fails = true;
    node_receive(rig.node, text, strlen(text));
    for (guint i = 0; i < n; i++) {
      const InstanceReport *report = rig_wait(&rig, ids[i], INSTANCE_BACKOFF, 0);
      g_assert_true(g_str_has_prefix(report->reason, "instance file: "));
      g_assert_true(g_str_has_suffix(report->reason, g_strerror(EIO)));
    }
    sync_fails = false;
    for (guint i = 0; i < n; i++)
      rig_wait(&rig, ids[i], INSTANCE_RUNNING, 1);
  }
  for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
    rig_send(&rig, FRAME_STOP, ids[i], 9, NULL);
    rig_wait(&rig, ids[i], INSTANCE_STOPPED, 0);
  }
  remove_all(&rig);
}

/* The directory of the file, not the one that we happen to be in; and the entry of a new instance's
 * directory. */
static void test_directories_are_synced(void)
{
  dir = g_dir_make_tmp("reeve-node-XXXXXX", NULL);
  g_autofree char *file = g_build_filename(dir, "file", NULL),
                  *instances = g_build_filename(dir, "instances", NULL);
  struct stat st;
  g_assert_true(fs_write(file, "text", 4, 0600, true, NULL));
  g_assert_cmpint(stat(dir, &st), ==, 0);
  g_assert_cmpuint(synced_directory, ==, st.st_ino);
  sync_fails = true;
  g_assert_false(fs_write(file, "text", 4, 0600, true, NULL));
  sync_fails = false;
  Rig rig;
  rig_open(&rig);
  rig_send(&rig, FRAME_START, "ins_00000a", 1, sleeper("exec sleep 60"));
  rig_wait(&rig, "ins_00000a", INSTANCE_RUNNING, 1);
  g_assert_cmpint(stat(instances, &st), ==, 0);
  g_assert_cmpuint(synced_directory, ==, st.st_ino);
  clean_up(&rig);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_assert_nonnull(g_getenv("REEVE_SHIM"));
  g_test_add_func("/adopt/found-running", test_found_running);
  g_test_add_func("/adopt/ended-while-nobody-watched", test_ended_while_nobody_watched);
  g_test_add_func("/adopt/orphan", test_an_orphan);
  g_test_add_func("/adopt/secrets", test_secrets_are_asked_for_again);
  g_test_add_func("/adopt/both-are-dead", test_both_are_dead);
  g_test_add_func("/adopt/the-shim-dies", test_the_shim_dies);
  g_test_add_func("/adopt/files-that-make-no-sense", test_files_that_make_no_sense);
  g_test_add_func("/adopt/escaped", test_escaped);
  g_test_add_func("/adopt/escaped-without-a-mark", test_escaped_without_a_mark);
  g_test_add_func("/adopt/frozen", test_frozen);
  g_test_add_func("/adopt/frozen-later", test_frozen_later);
  g_test_add_func("/adopt/frozen-probe", test_frozen_probe);
  g_test_add_func("/adopt/unreadable", test_unreadable);
  g_test_add_func("/attempts/text-busy", test_text_busy);
  g_test_add_func("/adopt/only-one-node", test_only_one_node);
  g_test_add_func("/store/confirms-nothing", test_a_disk_that_confirms_nothing);
  g_test_add_func("/store/directories", test_directories_are_synced);
  g_test_add_func("/attempts/output", test_output_of_its_own);
  return g_test_run();
}
