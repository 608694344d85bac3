/* Whole-file reads, atomic writes, trees, and the crash points of test builds; see fs.h. */
#include "base/fs.h"

#include "base/error.h"
#include "base/system.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fs_set_error(GError **error, const char *verb, const char *path)
{
  int e = errno;
  int code = e == ENOENT                  ? REEVE_ERROR_NOT_FOUND
             : e == ENOSPC || e == EDQUOT ? REEVE_ERROR_STORE_FULL
                                          : REEVE_ERROR_INTERNAL;
  if (code == REEVE_ERROR_INTERNAL && system_may_pass(e))
    code = REEVE_ERROR_UNAVAILABLE;
  if (e == EACCES || e == EPERM)
    code = REEVE_ERROR_DENIED;
  g_set_error(error, REEVE_ERROR, code, "%s '%s': %s", verb, path, g_strerror(e));
}

static bool fs_fail(GError **error, const char *verb, const char *path)
{
  fs_set_error(error, verb, path);
  return false;
}

static bool fs_read_fd(int fd, const char *path, size_t max, GString *out, GError **error)
{
  char buffer[65536];
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fs_fail(error, "read", path);
    if (n == 0)
      return true;
    if (out->len + (size_t)n > max) {
      struct stat st;
      bool known = fstat(fd, &st) == 0 && (size_t)st.st_size > max;
      g_autofree char *found =
          known ? g_strdup_printf("%" G_GINT64_FORMAT " bytes, ", (gint64)st.st_size) : NULL;
      g_set_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT, "read '%s': %slarger than %zu bytes", path,
                  found ? found : "", max);
      return false;
    }
    g_string_append_len(out, buffer, n);
  }
}

char *fs_read(const char *path, size_t max, size_t *length, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    fs_fail(error, "open", path);
    return NULL;
  }
  struct stat st;
  if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
    close(fd);
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "read '%s': not a regular file", path);
    return NULL;
  }
  GString *out = g_string_sized_new((gsize)MIN((size_t)MAX(st.st_size, 0), max) + 1);
  bool ok = fs_read_fd(fd, path, max, out, error);
  close(fd);
  if (!ok) {
    g_string_free(out, TRUE);
    return NULL;
  }
  if (length)
    *length = out->len;
  return g_string_free(out, FALSE);
}

bool fs_require_private(const struct stat *status, const char *path, GError **error)
{
  if (!S_ISREG(status->st_mode)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "read '%s': not a regular file", path);
    return false;
  }
  if (!(status->st_mode & 077))
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_DENIED,
              "'%s': others may read it (mode %04o); run: chmod 600 '%s'", path,
              (unsigned)status->st_mode & 07777, path);
  return false;
}

/* Reads the value of the open file into @text, which has room for @max + 2 bytes of zero. One read:
 * no copy is left in another buffer. */
static bool fs_read_value_fd(int fd, const char *path, size_t max, char *text, GError **error)
{
  ssize_t n = read(fd, text, max + 1);
  if (n < 0)
    return fs_fail(error, "read", path);
  bool fits = (size_t)n <= max, whole = strlen(text) == (size_t)n;
  if (!fits)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT, "read '%s': larger than %zu bytes", path,
                max);
  else if (!whole)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "read '%s': there is a NUL in it", path);
  else
    text_take_value(text, (size_t)n);
  return fits && whole;
}

char *fs_read_value(const char *path, size_t max, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    fs_fail(error, "open", path);
    return NULL;
  }
  struct stat st;
  bool known = fstat(fd, &st) == 0 || fs_fail(error, "read", path);
  char *text = known && fs_require_private(&st, path, error) ? g_malloc0(max + 2) : NULL;
  if (text && !fs_read_value_fd(fd, path, max, text, error)) {
    explicit_bzero(text, max + 2);
    g_clear_pointer(&text, g_free);
  }
  close(fd);
  return text;
}

static bool fs_write_all(int fd, const char *data, size_t length)
{
  while (length > 0) {
    ssize_t n = write(fd, data, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return false;
    data += n;
    length -= (size_t)n;
  }
  return true;
}

bool fs_sync_directory(const char *path, GError **error)
{
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return fs_fail(error, "open", path);
  bool ok = fsync(fd) == 0 || fs_fail(error, "sync", path);
  close(fd);
  return ok;
}

bool fs_write(const char *path, const char *data, size_t length, mode_t mode, bool sync,
              GError **error)
{
  g_autofree char *temporary = g_strdup_printf("%s.new", path);
  fs_crash_point("file write");
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0)
    return fs_fail(error, "create", temporary);
  bool ok = fs_write_all(fd, data, length) && (!sync || fsync(fd) == 0);
  int saved = errno;
  close(fd);
  errno = saved;
  if (!ok) {
    fs_fail(error, "write", temporary);
    unlink(temporary);
    return false;
  }
  fs_crash_point("file rename");
  if (rename(temporary, path) != 0) {
    fs_fail(error, "rename to", path);
    unlink(temporary);
    return false;
  }
  g_autofree char *parent = g_path_get_dirname(path); /* "." for a plain name */
  return !sync || fs_sync_directory(parent, error);
}

bool fs_mkdirs(const char *path, mode_t mode, GError **error)
{
  if (g_mkdir_with_parents(path, (gint)mode) == 0)
    return true;
  return fs_fail(error, "make directory", path);
}

bool fs_close_to_others(const char *path, GError **error)
{
  DIR *dir = opendir(path);
  if (!dir)
    return fs_fail(error, "open", path);
  bool ok = true;
  for (struct dirent *entry = readdir(dir); entry && ok; entry = readdir(dir)) {
    struct stat st;
    if (entry->d_name[0] == '.' ||
        fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || S_ISLNK(st.st_mode))
      continue;
    ok = !(st.st_mode & 077) || fchmodat(dirfd(dir), entry->d_name, st.st_mode & 07700, 0) == 0 ||
         errno == ENOENT || fs_fail(error, "close to others", entry->d_name);
  }
  closedir(dir);
  return ok;
}

static bool fs_remove_at(int dir_fd, const char *name, int depth)
{
  if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
    return true;
  if (errno != EISDIR && errno != EPERM)
    return false;
  int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || depth > 64)
    return false;
  DIR *dir = fdopendir(fd);
  if (!dir) {
    close(fd);
    return false;
  }
  bool ok = true;
  for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      ok = fs_remove_at(dirfd(dir), entry->d_name, depth + 1) && ok;
  closedir(dir);
  return (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) && ok;
}

bool fs_remove_tree(const char *path, GError **error)
{
  return fs_remove_at(AT_FDCWD, path, 0) || fs_fail(error, "remove", path);
}

#ifdef REEVE_CRASH_POINTS
static const char *fs_role = "server";

void fs_crash_role(const char *role)
{
  fs_role = role;
}

void fs_crash_point(const char *what)
{
  static long left = -1;
  static long passed;
  if (left == -1) {
    const char *at = getenv("REEVE_CRASH_AT");
    const char *role = getenv("REEVE_CRASH_ROLE");
    left = at && (!role || strcmp(role, fs_role) == 0) ? strtol(at, NULL, 10) : 0;
  }
  passed++;
  if (left == 0 || passed != left)
    return;
  dprintf(STDERR_FILENO, "crash point %ld (%s) reached in %s\n", passed, what, fs_role);
  _exit(97);
}
#else
void fs_crash_role(const char *role)
{
  (void)role;
}

void fs_crash_point(const char *what)
{
  (void)what;
}
#endif
