/* Whom a connection comes from: this process, one that has gone, one below something that looks
 * like a shim and is none of ours. */
#include "node/peer.h"

#include <glib.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_free(void)
{
  int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  g_assert_cmpint(peer_origin(getpid(), fd, "/"), ==, PEER_FREE);
  g_assert_cmpint(peer_origin(getpid(), fd, "/no/such/directory"), ==, PEER_FREE);
  g_assert_cmpint(peer_origin(getpid(), fd, NULL), ==, PEER_FREE);
  g_assert_cmpint(peer_origin(0, -1, NULL), ==, PEER_FREE); /* of another pid namespace */
  close(fd);
}

static void test_gone(void)
{
  g_assert_cmpint(peer_origin(getpid(), -1, NULL), ==, PEER_GONE);
  pid_t pid = fork();
  if (pid == 0)
    _exit(0);
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  siginfo_t info;
  waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
  g_assert_cmpint(peer_origin(pid, fd, NULL), ==, PEER_GONE); /* dead, not yet reaped */
  waitpid(pid, NULL, 0);
  g_assert_cmpint(peer_origin(pid, fd, NULL), ==, PEER_GONE); /* the number may be anybody's */
  g_assert_cmpint(peer_origin(getpid(), fd, NULL), ==, PEER_GONE);
  close(fd);
}

static void test_socket(void)
{
  int pair[2];
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
  g_assert_cmpint(peer_origin_of_socket(pair[0], NULL), ==, PEER_FREE);
  close(pair[0]);
  close(pair[1]);
}

static void on_alarm(int number)
{
  (void)number;
}

/* Children of a server end all the time: a signal in the middle of the look is no end of the peer.
 */
static void test_signals(void)
{
  enum { LOOKS = 20000 };
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  struct itimerval often = {.it_interval = {.tv_usec = 20}, .it_value = {.tv_usec = 20}},
                   never = {0};
  sigaction(SIGALRM, &action, NULL);
  int fd = (int)syscall(SYS_pidfd_open, getpid(), 0), gone = 0;
  setitimer(ITIMER_REAL, &often, NULL);
  for (int i = 0; i < LOOKS; i++)
    gone += peer_origin(getpid(), fd, "/no/such/directory") != PEER_FREE;
  setitimer(ITIMER_REAL, &never, NULL);
  close(fd);
  g_assert_cmpint(gone, ==, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/peer/free", test_free);
  g_test_add_func("/peer/gone", test_gone);
  g_test_add_func("/peer/socket", test_socket);
  g_test_add_func("/peer/signals", test_signals);
  return g_test_run();
}
