/* The process driver with real shims, in a directory of its own. */
#include "bench.h"

#include "base/clock.h"
#include "base/fs.h"
#include "drivers/process.h"
#include "drivers/tree.h"
#include "net/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BENCH_WAIT_MS = 20000, BENCH_STEP_MS = 5 };

static struct {
  char *dir, *instances, *busy;
  int busy_fd;
  Loop *loop;
  LoopTimer *tick;
  DriverTell tell;
  GPtrArray *ids; /* of char* */
  int64_t until_ms;
} bench;

static void bench_on_tick(void *data)
{
  (void)data;
}

static void bench_begin(DriverTell tell)
{
  bench.dir = g_dir_make_tmp("reeve-contract-XXXXXX", NULL);
  bench.instances = g_build_filename(bench.dir, "instances", NULL);
  bench.busy = g_build_filename(bench.dir, "busy", NULL);
  bench.busy_fd = -1;
  g_assert_true(fs_mkdirs(bench.instances, 0700, NULL));
  bench.loop = loop_new();
  bench.tick = loop_timer_new(bench.loop, bench_on_tick, NULL);
  bench.tell = tell;
  bench.ids = g_ptr_array_new_with_free_func(g_free);
  bench.until_ms = clock_boot_ms() + BENCH_WAIT_MS;
}

static bool bench_shim(const char *id, ProcessIdentity *shim)
{
  g_autofree char *directory = g_build_filename(bench.instances, id, NULL);
  return tree_find_shim(directory, shim);
}

/* How many carry the mark of the directory of @id. One that is just being executed shows none. */
static int bench_living(const char *id)
{
  g_autofree char *directory = g_build_filename(bench.instances, id, NULL);
  char mark[TREE_MARK_BYTES];
  tree_mark(directory, mark);
  g_autofree char *wanted = g_strconcat(TREE_MARK_NAME "=", mark, NULL);
  g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
  int n = 0;
  for (const char *name = g_dir_read_name(proc); name; name = g_dir_read_name(proc)) {
    g_autofree char *path = g_build_filename("/proc", name, "environ", NULL), *text = NULL;
    pid_t pid = (pid_t)strtol(name, NULL, 10);
    ProcStat stat;
    gsize length;
    n += pid > 0 && g_file_get_contents(path, &text, &length, NULL) && length &&
         strcmp(text, wanted) == 0 && proc_stat(pid, &stat) && !proc_dead(&stat);
  }
  return n;
}

/* The next directory may have the same inode, and so its processes the same mark: nothing stays. */
static void bench_end_tree(const char *id)
{
  g_autofree char *directory = g_build_filename(bench.instances, id, NULL);
  ProcessTree tree = {0}, *trees[] = {&tree};
  tree_mark(directory, tree.mark);
  identity_read(directory, &tree.main);
  do {
    if (!tree_find_shim(directory, &tree.shim))
      tree.shim = (ProcessIdentity){0};
    trees_kill(trees, 1);
    g_usleep(1000);
  } while (tree.left || bench_living(id));
}

static void bench_end(void)
{
  for (guint i = 0; i < bench.ids->len; i++)
    bench_end_tree(bench.ids->pdata[i]);
  if (bench.busy_fd >= 0)
    close(bench.busy_fd);
  loop_timer_free(bench.tick);
  loop_free(bench.loop);
  fs_remove_tree(bench.dir, NULL);
  g_ptr_array_unref(bench.ids);
  g_free(bench.dir);
  g_free(bench.instances);
  g_free(bench.busy);
}

static void bench_background(void *data, void (*work)(void *), void (*done)(void *), void *item)
{
  (void)data;
  work(item);
  loop_post(bench.loop, done, item);
}

static const InstanceSpec *bench_spec_of(void *data, const char *id)
{
  (void)data;
  (void)id;
  return NULL;
}

static Driver *bench_open(void)
{
  DriverWorld world = {.loop = bench.loop,
                       .state_dir = bench.dir,
                       .instances_dir = bench.instances,
                       .shim_path = g_getenv("REEVE_SHIM"),
                       .reeve_path = "/no/reeve",
                       .background = bench_background,
                       .spec_of = bench_spec_of,
                       .tell = bench.tell};
  return driver_open(&process_driver, &world, NULL);
}

/* A program that somebody has open for writing. */
static const char *bench_make_busy(void)
{
  g_autofree char *bytes = NULL;
  gsize length;
  g_assert_true(g_file_get_contents("/bin/sleep", &bytes, &length, NULL));
  bench.busy_fd = open(bench.busy, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
  g_assert_cmpint(write(bench.busy_fd, bytes, length), ==, (gssize)length);
  return bench.busy;
}

static InstanceSpec *bench_equip(const char *id, BenchProgram program)
{
  static const char *const scripts[] = {
      [BENCH_SLEEPS] = "exec sleep 600",
      [BENCH_EXITS_3] = "sleep 0.1; exit 3",
      [BENCH_HOLDS] = "trap '' TERM; while :; do sleep 600; done",
      [BENCH_TREE] = "setsid -f sleep 600; exec sleep 600",
      [BENCH_SAYS] = "for i in 1 2 3; do echo line $i; done; exec sleep 600"};
  g_autofree char *directory = g_build_filename(bench.instances, id, NULL);
  g_assert_true(fs_mkdirs(directory, 0700, NULL));
  g_ptr_array_add(bench.ids, g_strdup(id));
  InstanceSpec *spec = instance_spec_new();
  spec->deployment = g_strdup("test");
  spec->agent = g_strdup("a");
  spec->environment = g_strsplit("PATH=/usr/bin:/bin", " ", -1);
  spec->working_dir = g_strdup("/");
  if (program == BENCH_ABSENT || program == BENCH_BUSY)
    spec->argv =
        g_strsplit(program == BENCH_BUSY ? bench_make_busy() : "/no/such/program", " ", -1);
  else
    spec->argv = g_strdupv(
        (char *[]){(char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)scripts[program], NULL});
  return spec;
}

static bool bench_step(void)
{
  loop_timer_set(bench.tick, clock_boot_ms() + BENCH_STEP_MS);
  event_base_loop(loop_base(bench.loop), EVLOOP_ONCE);
  return clock_boot_ms() < bench.until_ms;
}

static bool bench_handle(const char *id)
{
  ProcessIdentity shim;
  return bench_shim(id, &shim) && identity_alive(&shim);
}

static void bench_signal(const char *id, int signal)
{
  ProcessIdentity shim;
  g_assert_true(bench_shim(id, &shim));
  g_assert_cmpint(kill(shim.pid, signal), ==, 0);
}

static void bench_freeze(const char *id)
{
  bench_signal(id, SIGSTOP);
}

static void bench_wake(const char *id)
{
  bench_signal(id, SIGCONT);
}

static void bench_kill_handle(const char *id)
{
  bench_signal(id, SIGKILL);
}

const Bench process_bench = {.name = "process",
                             .begin = bench_begin,
                             .end = bench_end,
                             .open = bench_open,
                             .equip = bench_equip,
                             .step = bench_step,
                             .living = bench_living,
                             .handle = bench_handle,
                             .freeze = bench_freeze,
                             .wake = bench_wake,
                             .kill_handle = bench_kill_handle,
                             .real = true};
