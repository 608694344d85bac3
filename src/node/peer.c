/* Follows a process up to the top of its tree and looks for shims of ours on the way; see peer.h.
 * Processes die and are given new parents while we look: a step counts only when the child still
 * has that parent after the parent was looked at, and the whole walk only when the process that we
 * began with lived all the time. */
#include "node/peer.h"

#include "base/system.h"
#include "drivers/identity.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

enum { PEER_DEPTH_MAX = 1024, PEER_TRIES = 20 };

/* What became of one walk. */
typedef enum WalkEnd { WALK_TOP, WALK_SHIM, WALK_CHANGED } WalkEnd;

/* Decides whether the shim @pid counts. */
typedef bool (*ShimCountsFn)(pid_t pid, const void *data);

/* Looks @pid up. False: no such process, a dead one, or one that this system hides from us. */
static bool walk_look(pid_t pid, ProcStat *out)
{
  return proc_stat(pid, out) && !proc_dead(out);
}

/* Where /proc hides the processes of others (hidepid), what cannot be seen is of another user, and
 * no shim of ours is. */
static bool walk_others_hidden(void)
{
  ProcStat first;
  return !walk_look(1, &first);
}

static WalkEnd walk_up(pid_t pid, ShimCountsFn counts, const void *data)
{
  ProcStat here, up, again;
  if (!walk_look(pid, &here))
    return WALK_CHANGED;
  for (int depth = 0; depth < PEER_DEPTH_MAX; depth++) {
    if (strcmp(here.name, "reeve-shim") == 0 && counts(pid, data))
      return WALK_SHIM;
    if (here.parent == 0)
      return WALK_TOP;
    if (!walk_look(here.parent, &up))
      return walk_others_hidden() ? WALK_TOP : WALK_CHANGED;
    bool same = walk_look(pid, &again) && again.start_time == here.start_time &&
                again.parent == here.parent;
    if (!same || up.start_time > here.start_time)
      return WALK_CHANGED;
    pid = here.parent;
    here = up;
  }
  return WALK_CHANGED;
}

/* Shims hold their instance's directory on descriptor 4 (docs/protocol.md "Shim"); it is
 * STATE/instances/ID or STATE/runs/N. */
static bool shim_in_directory(pid_t pid, const void *data)
{
  const struct stat *state = data;
  struct stat found;
  char path[64];
  g_snprintf(path, sizeof path, "/proc/%d/fd/4/../..", (int)pid);
  return stat(path, &found) == 0 && found.st_dev == state->st_dev && found.st_ino == state->st_ino;
}

static bool shim_is(pid_t pid, const void *data)
{
  return pid == *(const pid_t *)data;
}

static bool shim_not_above_us(pid_t pid, const void *data)
{
  (void)data;
  return walk_up(getpid(), shim_is, &pid) != WALK_SHIM;
}

static PeerOrigin peer_walk(pid_t pid, const char *state_dir)
{
  struct stat state = {0};
  if (state_dir && stat(state_dir, &state) != 0)
    return PEER_FREE; /* no node has ever run an agent there */
  for (int i = 0; i < PEER_TRIES; i++) {
    WalkEnd end = walk_up(pid, state_dir ? shim_in_directory : shim_not_above_us, &state);
    if (end != WALK_CHANGED)
      return end == WALK_SHIM ? PEER_AGENT : PEER_FREE;
  }
  return PEER_AGENT;
}

PeerOrigin peer_origin(pid_t pid, int pidfd, const char *state_dir)
{
  if (pid == 0)
    return PEER_FREE;
  if (pidfd < 0)
    return PEER_GONE;
  PeerOrigin origin = peer_walk(pid, state_dir);
  /* readable: it has ended, and its number may be another's */
  return system_poll_now(pidfd, POLLIN) ? PEER_GONE : origin;
}

/* Pid of the peer of @fd into @pid, and a pidfd of it, which the caller closes; -1 = it has gone.
 */
static int peer_pidfd(int fd, pid_t *pid)
{
  struct ucred credentials = {0};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
    return -1;
  *pid = credentials.pid;
  int pidfd = -1;
  length = sizeof pidfd;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0)
    return pidfd;
  /* An older kernel: the number is asked for at once, so that it is still the peer's unless that
   * ended between its connect and now. */
  return errno == ENOPROTOOPT && *pid > 0 ? (int)syscall(SYS_pidfd_open, *pid, 0) : -1;
}

PeerOrigin peer_origin_of_socket(int fd, const char *state_dir)
{
  pid_t pid = 0;
  int pidfd = peer_pidfd(fd, &pid);
  PeerOrigin origin = peer_origin(pid, pidfd, state_dir);
  if (pidfd >= 0)
    close(pidfd);
  return origin;
}
