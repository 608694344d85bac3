/* Opens the files of the agents directory: never one outside of it, and, as sshd does with keys,
 * none that somebody else could have written. Who may change such a file, or put another in its
 * place, runs commands as the user of the server. */
#include "base/text.h"
#include "server/agents.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int agents_open_parts(int root, const char *path)
{
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
  for (guint i = 0; at >= 0 && parts[i]; i++) {
    bool last = parts[i + 1] == NULL, up = g_str_equal(parts[i], "..");
    int flags = last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
    int next = up ? -1 : openat(at, parts[i], flags | O_CLOEXEC | O_NOFOLLOW),
        cause = up ? EXDEV : errno;
    close(at);
    errno = cause;
    at = next;
  }
  return at;
}

int agents_open_file(int root, const char *path)
{
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
  /* a sandbox without openat2: no links at all */
  return fd < 0 && (errno == ENOSYS || errno == EPERM) ? agents_open_parts(root, path) : fd;
}

/* Why others could change what @st describes, with the command that mends it; NULL = they cannot.
 */
static char *trust_problem(const struct stat *st, const char *path)
{
  g_autofree char *quoted = g_shell_quote(path);
  const char *kind = S_ISDIR(st->st_mode) ? "directory" : "file";
  if (st->st_uid != geteuid() && st->st_uid != 0)
    return g_strdup_printf(
        "%s '%s' belongs to user %u, who is neither root nor the user of the server; run: chown %u %s",
        kind, path, (unsigned)st->st_uid, (unsigned)geteuid(), quoted);
  if (st->st_mode & 022)
    return g_strdup_printf("%s '%s' may be changed by others (mode %04o); run: chmod go-w %s", kind,
                           path, (unsigned)st->st_mode & 07777, quoted);
  return NULL;
}

/* The path of @fd as the kernel knows it, or NULL. Caller frees. */
static char *trust_path(int fd)
{
  char link[64], path[PATH_MAX + 1];
  g_snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  return n > 0 && path[0] == '/' ? g_strndup(path, (gsize)n) : NULL;
}

/* What @fd was opened by may have been a link: every directory between its real place and @root is
 * looked at, each below the one before. */
static char *trust_way(int root, const char *root_path, const char *path)
{
  size_t n = strlen(root_path);
  if (strncmp(path, root_path, n) != 0 || path[n] != '/')
    return g_strdup_printf("file '%s' was moved while it was read", path);
  g_auto(GStrv) parts = g_strsplit(path + n + 1, "/", -1);
  g_autoptr(GString) way = g_string_new(root_path), below = g_string_new(NULL);
  for (guint i = 0; parts[i] && parts[i + 1]; i++) {
    struct stat st;
    g_string_append_printf(way, "/%s", parts[i]);
    g_string_append_printf(below, "%s%s", i ? "/" : "", parts[i]);
    if (fstatat(root, below->str, &st, AT_SYMLINK_NOFOLLOW) != 0)
      return g_strdup_printf("directory '%s': %s", way->str, g_strerror(errno));
    char *problem = trust_problem(&st, way->str);
    if (problem)
      return problem;
  }
  return NULL;
}

char *agents_distrust(int root, int fd)
{
  struct stat st;
  g_autofree char *root_path = trust_path(root), *path = trust_path(fd);
  if (!root_path || !path)
    return g_strdup("its place cannot be told; is /proc there?");
  char *problem =
      fstat(root, &st) == 0 ? trust_problem(&st, root_path) : g_strdup(g_strerror(errno));
  problem = problem ? problem : trust_way(root, root_path, path);
  if (!problem)
    problem = fstat(fd, &st) == 0 ? trust_problem(&st, path) : g_strdup(g_strerror(errno));
  return problem;
}
