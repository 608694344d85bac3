/* See disk.h. What is defined here is found before what the C library has. */
#include "disk.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

int disk_syncs_to_fail, disk_sync_kills, disk_cuts_to_fail;

static bool disk_fails(int *left)
{
  if (*left <= 0)
    return false;
  --*left;
  errno = EIO;
  return true;
}

static int disk_sync(long call, int fd)
{
  if (disk_sync_kills > 0 && --disk_sync_kills == 0)
    kill(getpid(), SIGKILL);
  return disk_fails(&disk_syncs_to_fail) ? -1 : (int)syscall(call, fd);
}

int fsync(int fd)
{
  return disk_sync(SYS_fsync, fd);
}

int fdatasync(int fd)
{
  return disk_sync(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t length)
{
  return disk_fails(&disk_cuts_to_fail) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}
