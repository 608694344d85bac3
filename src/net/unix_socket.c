/* Tells a socket that a killed process left from one that is in use, and from a file that is
 * somebody's; see unix_socket.h. */
#include "net/unix_socket.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Does anybody listen? One whose queue is full does, too (EAGAIN): it is stopped, or busy. */
static bool unix_socket_used(int dir_fd, const char *name)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  /* sun_path ends at 107 bytes */
  g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool used = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ||
                          errno == EAGAIN || errno == EINPROGRESS);
  if (fd >= 0)
    close(fd);
  return used;
}

bool unix_socket_free_name(int dir_fd, const char *name, const char *path, GError **error)
{
  struct stat st;
  if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return true; /* nothing is there; or the bind will say what is wrong */
  bool is_socket = S_ISSOCK(st.st_mode), used = is_socket && unix_socket_used(dir_fd, name);
  if (!is_socket)
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_CONFLICT,
        "listen on '%s': a file of that name is there and is no socket; it was left alone, name another path or move it",
        path);
  else if (used)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT, "listen on '%s': another process does",
                path);
  else
    unlinkat(dir_fd, name, 0); /* where it may not, the bind says so */
  return is_socket && !used;
}
