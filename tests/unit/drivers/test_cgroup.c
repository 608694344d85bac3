/* Control groups in a directory that looks like /sys/fs/cgroup: what is found, what is written
 * where, and what is said to be missing. */
#include "base/fs.h"
#include "drivers/cgroup.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Fake {
  char *root;
} Fake;

static void fake_init(Fake *fake)
{
  fake->root = g_dir_make_tmp("reeve-cgroup-XXXXXX", NULL);
}

static void fake_done(Fake *fake)
{
  fs_remove_tree(fake->root, NULL);
  g_free(fake->root);
}

static char *fake_path(const Fake *fake, const char *directory, const char *file)
{
  return g_build_filename(fake->root, directory, file, NULL);
}

static void fake_file(const Fake *fake, const char *directory, const char *file, const char *text)
{
  g_autofree char *where = fake_path(fake, directory, "");
  g_autofree char *path = fake_path(fake, directory, file);
  g_assert_true(fs_mkdirs(where, 0755, NULL) && g_file_set_contents(path, text, -1, NULL));
}

static void fake_is(const Fake *fake, const char *directory, const char *file, const char *wanted)
{
  g_autofree char *path = fake_path(fake, directory, file);
  g_autofree char *text = NULL;
  g_file_get_contents(path, &text, NULL, NULL);
  g_assert_cmpstr(text, ==, wanted);
}

/* A v2 group as the kernel shows it. */
static void fake_group(const Fake *fake, const char *directory, const char *controllers,
                       const char *handed_on)
{
  fake_file(fake, directory, "cgroup.controllers", controllers);
  fake_file(fake, directory, "cgroup.subtree_control", handed_on);
  fake_file(fake, directory, "cgroup.procs", "");
}

static const ResourceSpec everything = {.cpu = 1.5, .memory_bytes = 64 * 1024 * 1024, .pids = 20};

static void test_nothing_there(void)
{
  Fake fake;
  fake_init(&fake);
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "");
  cgroups_prepare(cgroups, NULL);
  g_assert_cmpstr(cgroups_describe(cgroups), ==, "no writable cgroup");
  g_assert_cmpstr(cgroups_unenforced(cgroups), ==, "memory cpu pids");
  g_autofree char *missing = NULL;
  g_auto(GStrv) procs = cgroups_make(cgroups, "ins_000001", &everything, &missing);
  g_assert_cmpuint(g_strv_length(procs), ==, 0);
  g_assert_cmpstr(missing, ==, "memory cpu pids");
  cgroups_remove(cgroups, "ins_000001");
  fake_done(&fake);
}

static void test_v1(void)
{
  Fake fake;
  fake_init(&fake);
  fake_file(&fake, "memory/reeve/ins_000001", "memory.limit_in_bytes", "");
  fake_file(&fake, "pids/reeve/ins_000001", "pids.max", "");
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "");
  cgroups_prepare(cgroups, NULL);
  g_assert_cmpstr(cgroups_describe(cgroups), ==, "cgroup v1");
  g_assert_cmpstr(cgroups_unenforced(cgroups), ==, "cpu");
  g_autofree char *missing = NULL;
  g_auto(GStrv) procs = cgroups_make(cgroups, "ins_000001", &everything, &missing);
  g_assert_cmpuint(g_strv_length(procs), ==, 2);
  g_assert_true(g_str_has_suffix(procs[0], "/memory/reeve/ins_000001/cgroup.procs"));
  g_assert_cmpstr(missing, ==, "cpu");
  fake_is(&fake, "memory/reeve/ins_000001", "memory.limit_in_bytes", "67108864");
  fake_is(&fake, "pids/reeve/ins_000001", "pids.max", "20");
  g_assert_cmpint(cgroups_oom_kills(cgroups, "ins_000001"), ==, 0);
  fake_file(&fake, "memory/reeve/ins_000001", "memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  g_assert_cmpint(cgroups_oom_kills(cgroups, "ins_000001"), ==, 2);
  fake_done(&fake);
}

static void test_v2_delegated(void)
{
  Fake fake;
  fake_init(&fake);
  fake_group(&fake, "", "cpu memory pids", "cpu memory pids");
  fake_group(&fake, "user/unit", "cpu memory io pids", "cpu memory pids");
  fake_group(&fake, "user/unit/reeve", "cpu memory pids", "cpu memory pids");
  for (int i = 0; i < 3; i++)
    fake_file(&fake, "user/unit/reeve/ins_000001",
              (const char *[]){"memory.max", "cpu.max", "pids.max"}[i], "");
  g_autoptr(Cgroups) cgroups =
      cgroups_new(fake.root, "12:x:/elsewhere\n0::/user/unit/reeve.self\n");
  cgroups_prepare(cgroups, NULL);
  g_assert_true(g_str_has_suffix(cgroups_describe(cgroups), "/user/unit"));
  g_assert_cmpstr(cgroups_unenforced(cgroups), ==, "");
  g_autofree char *missing = NULL;
  g_auto(GStrv) procs = cgroups_make(cgroups, "ins_000001", &everything, &missing);
  g_assert_cmpuint(g_strv_length(procs), ==, 1);
  g_assert_null(missing);
  fake_is(&fake, "user/unit/reeve/ins_000001", "cpu.max", "150000 100000");
  fake_is(&fake, "user/unit/reeve/ins_000001", "memory.max", "67108864");
  fake_file(&fake, "user/unit/reeve/ins_000001", "memory.events",
            "low 0\nhigh 0\nmax 7\noom 3\noom_kill 3\noom_group_kill 1\n");
  g_assert_cmpint(cgroups_oom_kills(cgroups, "ins_000001"), ==, 3);
  fake_done(&fake);
}

static void test_v2_hands_nothing_on(void)
{
  Fake fake;
  fake_init(&fake);
  fake_group(&fake, "", "cpu memory pids", "cpu memory pids");
  fake_group(&fake, "scope", "memory pids", "");
  fake_group(&fake, "scope/reeve", "memory", "memory"); /* what the kernel gave in the end */
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "0::/scope/reeve.self\n");
  g_assert_cmpstr(cgroups_unenforced(cgroups), ==, "cpu");
  cgroups_prepare(cgroups, NULL);
  /* "+memory" and then "+pids" at the same place, which no kernel keeps */
  fake_is(&fake, "scope", "cgroup.subtree_control", "+pidsry");
  fake_is(&fake, "scope/reeve", "cgroup.subtree_control", "+pidsy");
  g_assert_cmpstr(cgroups_unenforced(cgroups), ==, "cpu");
  fake_done(&fake);
}

static void test_v2_not_ours(void)
{
  Fake fake;
  fake_init(&fake);
  fake_file(&fake, "", "cgroup.controllers", "cpu memory pids");
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "0::/somebody/elses/reeve.self\n");
  cgroups_prepare(cgroups, NULL);
  g_assert_cmpstr(cgroups_unenforced(cgroups), ==, "memory cpu pids");
  fake_done(&fake);
}

/* The group that we are in is left alone, also when we might: else a unit with live agents could
 * not be started again. */
static void test_v2_the_root_and_not_our_own(void)
{
  Fake fake;
  fake_init(&fake);
  fake_group(&fake, "", "cpu memory pids", "cpu memory pids");
  fake_group(&fake, "reeve", "cpu memory pids", "cpu memory pids");
  fake_group(&fake, "system/unit", "cpu memory pids", "");
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "0::/system/unit\n");
  cgroups_prepare(cgroups, NULL);
  g_assert_cmpstr(cgroups_unenforced(cgroups), ==, "");
  fake_is(&fake, "system/unit", "cgroup.subtree_control", "");
  fake_done(&fake);
}

static void test_nothing_asked(void)
{
  Fake fake;
  fake_init(&fake);
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "");
  g_autofree char *missing = NULL;
  g_assert_null(cgroups_make(cgroups, "ins_000001", &(ResourceSpec){0}, &missing));
  g_assert_null(missing);
  fake_done(&fake);
}

static bool fake_has(const Fake *fake, const char *directory)
{
  g_autofree char *path = fake_path(fake, directory, "");
  return g_file_test(path, G_FILE_TEST_IS_DIR);
}

/* A group as the kernel lets it be removed: without the files that it has there. */
static void fake_empty(const Fake *fake, const char *directory)
{
  g_autofree char *path = fake_path(fake, directory, "");
  g_assert_true(fs_mkdirs(path, 0755, NULL));
}

/* Two nodes on one machine, whose instances have the same ids. */
static void test_owners(void)
{
  Fake fake;
  fake_init(&fake);
  fake_file(&fake, "pids/reeve/a-ins_000001", "pids.max", "");
  fake_empty(&fake, "pids/reeve/a-ins_000002");
  fake_empty(&fake, "pids/reeve/b-ins_000001");
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "");
  cgroups_prepare(cgroups, "a");
  g_autofree char *missing = NULL;
  g_auto(GStrv) procs = cgroups_make(cgroups, "ins_000001", &(ResourceSpec){.pids = 20}, &missing);
  g_assert_true(procs[0] && g_str_has_suffix(procs[0], "/pids/reeve/a-ins_000001/cgroup.procs"));
  fake_is(&fake, "pids/reeve/a-ins_000001", "pids.max", "20");
  g_autoptr(GHashTable) ids = cgroups_ids(cgroups);
  g_assert_true(g_hash_table_size(ids) == 2 && g_hash_table_contains(ids, "ins_000001") &&
                g_hash_table_contains(ids, "ins_000002"));
  g_assert_false(cgroups_remove(cgroups, "ins_000001")); /* the file in it stands for a process */
  g_assert_true(cgroups_remove(cgroups, "ins_000002") && cgroups_remove(cgroups, "ins_000003"));
  g_assert_true(fake_has(&fake, "pids/reeve/b-ins_000001") &&
                !fake_has(&fake, "pids/reeve/a-ins_000002"));
  cgroups_leave(cgroups);
  g_assert_true(fake_has(&fake, "pids/reeve"));
  fake_done(&fake);
}

static void test_leave(void)
{
  Fake fake;
  fake_init(&fake);
  fake_empty(&fake, "pids/reeve");
  fake_empty(&fake, "memory");
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "");
  cgroups_prepare(cgroups, "a");
  cgroups_leave(cgroups);
  g_assert_false(fake_has(&fake, "pids/reeve"));
  g_assert_true(fake_has(&fake, "pids"));
  fake_done(&fake);
}

/* Another node that left took the group around ours along: it is made anew, and asked to hand its
 * controllers on. */
static void test_v2_left_by_another(void)
{
  Fake fake;
  fake_init(&fake);
  fake_group(&fake, "", "pids", "pids");
  fake_group(&fake, "scope", "pids", "pids");
  g_autoptr(Cgroups) cgroups = cgroups_new(fake.root, "0::/scope/reeve.self\n");
  g_autofree char *missing = NULL;
  g_auto(GStrv) procs = cgroups_make(cgroups, "ins_000001", &(ResourceSpec){.pids = 20}, &missing);
  g_assert_nonnull(procs);
  g_assert_cmpstr(missing, ==, "pids"); /* a directory of this test has no pids.max */
  g_assert_true(fake_has(&fake, "scope/reeve/ins_000001"));
  g_assert_true(cgroups_remove(cgroups, "ins_000001"));
  cgroups_leave(cgroups);
  g_assert_true(!fake_has(&fake, "scope/reeve") && fake_has(&fake, "scope"));
  fake_done(&fake);
}

/* ---- a real v2 tree, without controllers, in a mount namespace of its own ---- */

/* Mounts one at @directory; the text of why not, or NULL. */
static const char *tree_mount(const char *directory)
{
  if (unshare(CLONE_NEWNS) != 0)
    return "unshare";
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    return "make mounts private";
  return mount("none", directory, "cgroup2", 0, NULL) == 0 ? NULL : "mount cgroup2";
}

/* A process that joins the group of @procs, forks one that leaves its session and parent, and
 * sleeps; both write a byte to @ready. */
static pid_t tree_fork(const char *procs, int ready)
{
  pid_t pid = fork();
  if (pid)
    return pid;
  g_autofree char *text = g_strdup_printf("%d", (int)getpid());
  if (!g_file_set_contents_full(procs, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL))
    _exit(1);
  if (fork() == 0 && fork() != 0)
    _exit(0);
  setsid();
  for (ssize_t n = write(ready, "x", 1);; n = 0)
    n == 1 || n == 0 ? (void)pause() : _exit(2);
}

/* Everything of the tree ends by one write, also what left its parent and has no mark; nobody else.
 */
static void test_tree(void)
{
  g_autofree char *root = g_dir_make_tmp("reeve-cgroup-XXXXXX", NULL);
  g_autofree char *unified = g_build_filename(root, "unified", NULL);
  g_assert_true(fs_mkdirs(unified, 0755, NULL));
  const char *step = tree_mount(unified);
  if (step) {
    g_autofree char *why = g_strdup_printf(
        "no v2 tree of control groups may be mounted here: %s: %s", step, g_strerror(errno));
    fs_remove_tree(root, NULL);
    g_test_skip(why);
    return;
  }
  g_autofree char *owner = g_strdup_printf("test%d", (int)getpid());
  g_autoptr(Cgroups) cgroups = cgroups_new(root, "");
  cgroups_prepare(cgroups, owner);
  /* no limit is enforced with it */
  g_assert_cmpstr(cgroups_unenforced(cgroups), ==, "memory cpu pids");
  g_autofree char *procs = cgroups_make_tree(cgroups, "ins_000001"),
                  *other = cgroups_make_tree(cgroups, "ins_000002"),
                  *group = cgroups_tree(cgroups, "ins_000001");
  g_assert_true(procs && other && group && g_str_has_prefix(procs, group));
  int ready[2];
  char byte;
  g_assert_cmpint(pipe(ready), ==, 0);
  pid_t ours = tree_fork(procs, ready[1]), theirs = tree_fork(other, ready[1]);
  close(ready[1]);
  for (int i = 0; i < 4; i++)
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
  g_assert_false(cgroups_remove(cgroups, "ins_000001"));
  g_autoptr(GHashTable) ids = cgroups_ids(cgroups);
  g_assert_true(g_hash_table_contains(ids, "ins_000001"));
  while (cgroup_kill(group))
    g_usleep(1000);
  int status;
  g_assert_cmpint(waitpid(ours, &status, 0), ==, ours);
  g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  g_assert_cmpint(waitpid(theirs, &status, WNOHANG), ==, 0);
  g_assert_true(cgroups_remove(cgroups, "ins_000001"));
  g_autofree char *left = cgroups_tree(cgroups, "ins_000002");
  while (cgroup_kill(left))
    g_usleep(1000);
  waitpid(theirs, &status, 0);
  g_assert_cmpint(read(ready[0], &byte, 1), ==,
                  0); /* nobody of either has the other end any more */
  close(ready[0]);
  g_assert_true(cgroups_remove(cgroups, "ins_000002"));
  cgroups_leave(cgroups);
  g_assert_false(cgroup_kill(group)); /* which is not there */
  g_assert_cmpint(umount2(unified, MNT_DETACH), ==, 0);
  fs_remove_tree(root, NULL);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/cgroup/nothing-there", test_nothing_there);
  g_test_add_func("/cgroup/v1", test_v1);
  g_test_add_func("/cgroup/v2-delegated", test_v2_delegated);
  g_test_add_func("/cgroup/v2-hands-nothing-on", test_v2_hands_nothing_on);
  g_test_add_func("/cgroup/v2-not-ours", test_v2_not_ours);
  g_test_add_func("/cgroup/v2-root", test_v2_the_root_and_not_our_own);
  g_test_add_func("/cgroup/nothing-asked", test_nothing_asked);
  g_test_add_func("/cgroup/owners", test_owners);
  g_test_add_func("/cgroup/leave", test_leave);
  g_test_add_func("/cgroup/v2-left-by-another", test_v2_left_by_another);
  g_test_add_func("/cgroup/tree", test_tree);
  return g_test_run();
}
