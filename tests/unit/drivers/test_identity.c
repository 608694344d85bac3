/* A process is its pid, its start time and its boot: never a bare number. */
#include "drivers/identity.h"

#include "base/clock.h"
#include "base/fs.h"

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t start_time_of(pid_t pid)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
  g_auto(GStrv) fields = g_strsplit(strrchr(text, ')') + 2, " ", 24);
  return g_ascii_strtoull(fields[19], NULL, 10);
}

static ProcessIdentity identity_of(pid_t pid)
{
  return (ProcessIdentity){.attempt = 1, .pid = pid, .start_time = start_time_of(pid)};
}

static bool read_state(const char *text, ProcessIdentity *identity)
{
  g_autofree char *directory = g_dir_make_tmp("reeve-identity-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(directory, "state", NULL);
  g_assert_true(!text || g_file_set_contents(path, text, -1, NULL));
  bool ok = identity_read(directory, identity);
  fs_remove_tree(directory, NULL);
  return ok;
}

static void test_state_file(void)
{
  ProcessIdentity identity;
  g_autofree char *ours = g_strdup_printf("attempt=3 pid=4711 start=99 boot=%s\n", clock_boot_id());
  g_assert_true(read_state(ours, &identity));
  g_assert_cmpint(identity.attempt, ==, 3);
  g_assert_cmpint(identity.pid, ==, 4711);
  g_assert_cmpuint(identity.start_time, ==, 99);
  g_assert_false(read_state("attempt=3 pid=4711 start=99 boot=another-boot\n", &identity));
  g_assert_false(read_state("attempt=3 pid=4711", &identity));
  g_assert_false(read_state("", &identity));
  g_assert_false(read_state(NULL, &identity));
}

static void test_alive(void)
{
  ProcessIdentity me = identity_of(getpid()), other = me;
  g_assert_true(identity_alive(&me));
  other.start_time++; /* the number was given to somebody else */
  g_assert_false(identity_alive(&other));
  g_assert_false(identity_alive(&(ProcessIdentity){0}));
}

static void test_a_zombie_is_dead(void)
{
  pid_t pid = fork();
  if (pid == 0)
    _exit(0);
  siginfo_t info;
  g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
  ProcessIdentity zombie = identity_of(pid);
  g_assert_false(identity_alive(&zombie));
  waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/identity/state-file", test_state_file);
  g_test_add_func("/identity/alive", test_alive);
  g_test_add_func("/identity/zombie", test_a_zombie_is_dead);
  return g_test_run();
}
