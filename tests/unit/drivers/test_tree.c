/* What is left of an instance without its shim: all of it is found, and nobody else. */
#include "drivers/tree.h"

#include "base/fs.h"

#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static ProcessIdentity identity_of(pid_t pid)
{
  ProcStat stat;
  g_assert_true(proc_stat(pid, &stat));
  return (ProcessIdentity){.attempt = 1, .pid = pid, .start_time = stat.start_time};
}

/* A process that waits; with @mark in its environment unless that is NULL. */
static pid_t make_one(const char *mark, bool session)
{
  g_autofree char *pair = g_strconcat(TREE_MARK_NAME "=", mark ? mark : "", NULL);
  char *environment[] = {pair, NULL}, *none[] = {NULL},
       *argv[] = {(char *)(uintptr_t) "sleep", (char *)(uintptr_t) "1000", NULL};
  int ready[2];
  char byte;
  g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
  pid_t pid = fork();
  if (pid == 0) {
    if (session)
      setsid();
    execve("/bin/sleep", argv, mark ? environment : none);
    _exit(1);
  }
  close(ready[1]);
  g_assert_cmpint(read(ready[0], &byte, 1), ==, 0); /* closed by the exec */
  close(ready[0]);
  return pid;
}

/* A session with a child and a grandchild; the pipe is held open by all of them, so its end says
 * that all are gone. */
static pid_t make_tree(int *end)
{
  int pipes[2], ready[2];
  g_assert_true(pipe(pipes) == 0 && pipe(ready) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    if (fork() == 0) {
      if (fork() == 0 && write(ready[1], "r", 1) != 1)
        _exit(1);
      for (;;)
        pause();
    }
    for (;;)
      pause();
  }
  char byte;
  close(pipes[1]);
  close(ready[1]);
  g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
  close(ready[0]);
  *end = pipes[0];
  return pid;
}

static int kill_one(ProcessTree *tree)
{
  trees_kill(&tree, 1);
  return tree->left;
}

/* A process that ends closes its files a moment before it is a zombie. */
static void kill_until_gone(ProcessTree *tree)
{
  while (kill_one(tree) > 0)
    sched_yield();
}

static int reap(pid_t pid)
{
  int status;
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_main_and_below(void)
{
  int end;
  pid_t pid = make_tree(&end);
  ProcessTree tree = {.main = identity_of(pid)}, older = tree, younger = tree;
  /* the number was given anew: neither that process nor its session is ours */
  older.main.start_time--;
  younger.main.start_time += 1000000;
  g_assert_cmpint(kill_one(&older), ==, 0);
  g_assert_cmpint(kill_one(&younger), ==, 0);
  g_assert_true(identity_alive(&tree.main));
  g_assert_cmpint(kill_one(&tree), ==, 3);
  char byte;
  g_assert_cmpint(read(end, &byte, 1), ==, 0);
  close(end);
  reap(pid);
  kill_until_gone(&tree);
}

/* Who left parent and session is known by the mark; another mark, or none, is somebody else. */
static void test_mark(void)
{
  pid_t ours = make_one("10-20", true), other = make_one("10-201", true),
        bare = make_one(NULL, true);
  ProcessTree tree = {.mark = "10-20"}, unmarked = {0};
  g_assert_cmpint(kill_one(&unmarked), ==, 0);
  g_assert_cmpint(kill_one(&tree), ==, 1);
  g_assert_cmpint(reap(ours), ==, SIGKILL);
  kill_until_gone(&tree);
  ProcessIdentity stays = identity_of(other), too = identity_of(bare);
  g_assert_true(identity_alive(&stays) && identity_alive(&too));
  g_assert_true(identity_kill(&stays) && identity_kill(&too));
  g_assert_cmpint(reap(other), ==, SIGKILL);
  g_assert_cmpint(reap(bare), ==, SIGKILL);
}

static void test_two_in_one_look(void)
{
  pid_t pids[] = {make_one("1-1", true), make_one("2-2", true)};
  ProcessTree one = {.mark = "1-1"}, two = {.main = identity_of(pids[1])}, *both[] = {&one, &two};
  trees_kill(both, 2);
  g_assert_cmpint(one.left, ==, 1);
  g_assert_cmpint(two.left, ==, 1);
  reap(pids[0]);
  reap(pids[1]);
}

/* A frozen shim is found by the lock and the directory that it has, and ends with SIGKILL; who has
 * only one of them is none. */
static void test_find_shim(void)
{
  g_autofree char *directory = g_dir_make_tmp("reeve-tree-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(directory, "state", NULL);
  int ready[2];
  char byte;
  ProcessIdentity shim = {0};
  g_assert_false(tree_find_shim(directory, &shim));
  for (int with_directory = 0; with_directory < 2; with_directory++) {
    g_assert_cmpint(pipe(ready), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
      int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
          dir = open(with_directory ? directory : "/", O_RDONLY | O_DIRECTORY);
      int high = fcntl(ready[1], F_DUPFD, 50);
      if (flock(lock, LOCK_EX) != 0 || dup2(fcntl(dir, F_DUPFD, 51), 4) != 4 ||
          write(high, "r", 1) != 1)
        _exit(1);
      raise(SIGSTOP);
    }
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    g_assert_cmpint(tree_find_shim(directory, &shim), ==, with_directory);
    ProcessTree tree = {.shim = shim};
    if (with_directory)
      g_assert_cmpint(shim.pid, ==, pid);
    g_assert_cmpint(kill_one(&tree), ==, with_directory);
    kill(pid, SIGKILL);
    reap(pid);
    close(ready[0]);
    close(ready[1]);
  }
  fs_remove_tree(directory, NULL);
}

static void test_marks_differ(void)
{
  char one[TREE_MARK_BYTES], same[TREE_MARK_BYTES], other[TREE_MARK_BYTES], none[TREE_MARK_BYTES];
  tree_mark("/", one);
  tree_mark("/../", same);
  tree_mark("/proc", other);
  tree_mark("/nonexistent", none);
  g_assert_cmpstr(one, ==, same);
  g_assert_cmpstr(one, !=, other);
  g_assert_cmpstr(none, ==, "");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/tree/main-and-below", test_main_and_below);
  g_test_add_func("/tree/mark", test_mark);
  g_test_add_func("/tree/two-in-one-look", test_two_in_one_look);
  g_test_add_func("/tree/find-shim", test_find_shim);
  g_test_add_func("/tree/marks-differ", test_marks_differ);
  return g_test_run();
}
