/* The floor of every supervisor: posix_spawn of N children, a pidfd each, and a new child at once
 * when one dies. No state, no logs. Usage: spawn_ref N PROGRAM; ends on SIGTERM and takes its
 * children along. */
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile sig_atomic_t ending;

static void on_term(int signal)
{
  (void)signal;
  ending = 1;
}

static int child_start(char *program, int epoll, int slot, pid_t *pids)
{
  char *argv[] = {program, NULL};
  if (posix_spawn(&pids[slot], program, NULL, NULL, argv, environ) != 0)
    return -1;
  int fd = (int)syscall(SYS_pidfd_open, pids[slot], 0);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = ((uint64_t)fd << 32) | (uint32_t)slot};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    return 2;
  int n = atoi(argv[1]), epoll = epoll_create1(EPOLL_CLOEXEC);
  pid_t *pids = calloc((size_t)n, sizeof *pids);
  struct sigaction action = {.sa_handler = on_term};
  sigaction(SIGTERM, &action, NULL);
  for (int i = 0; i < n; i++)
    if (child_start(argv[2], epoll, i, pids) != 0)
      return 1;
  while (!ending) {
    struct epoll_event event;
    if (epoll_wait(epoll, &event, 1, -1) != 1)
      continue;
    int fd = (int)(event.data.u64 >> 32), slot = (int)(uint32_t)event.data.u64;
    siginfo_t info;
    waitid(P_PIDFD, (id_t)fd, &info, WEXITED);
    close(fd);
    if (child_start(argv[2], epoll, slot, pids) != 0)
      return 1;
  }
  for (int i = 0; i < n; i++)
    kill(pids[i], SIGKILL);
  free(pids);
  return 0;
}
