/* Copies of files, with what went wrong in words: for those who write a backup and those who put
 * one back. */
#include "base/error.h"
#include "store/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool backup_errno(const char *what, const char *path, GError **error)
{
  int e = errno;
  g_set_error(error, REEVE_ERROR,
              e == ENOSPC || e == EDQUOT ? REEVE_ERROR_STORE_FULL : REEVE_ERROR_INTERNAL,
              "%s '%s': %s", what, path, g_strerror(e));
  return false;
}

bool backup_copy(int from, int to, int64_t bytes, char digest[65], int64_t *copied, GError **error)
{
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_autofree unsigned char *buffer = g_malloc(1 << 16);
  int64_t done = 0;
  while (bytes < 0 || done < bytes) {
    size_t want = bytes < 0 ? 1 << 16 : (size_t)MIN(bytes - done, 1 << 16);
    ssize_t n = read(from, buffer, want);
    if (n < 0)
      return backup_errno("read", "the backup", error);
    if (n == 0)
      break;
    g_checksum_update(checksum, buffer, n);
    for (ssize_t written = 0, m; to >= 0 && written < n; written += m)
      if ((m = write(to, buffer + written, (size_t)(n - written))) < 0)
        return backup_errno("write", "the backup", error);
    done += n;
  }
  g_strlcpy(digest, g_checksum_get_string(checksum), 65);
  if (copied)
    *copied = done;
  if (bytes < 0 || done == bytes)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "damaged backup: it is cut short");
  return false;
}

bool backup_keep(const char *directory, const char *name, const char *former, GError **error)
{
  g_autofree char *from = g_build_filename(directory, name, NULL),
                  *to = g_build_filename(former, name, NULL);
  if (link(from, to) == 0 || errno == ENOENT)
    return true;
  char digest[65];
  int in = open(from, O_RDONLY | O_CLOEXEC),
      out = in >= 0 ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
  bool ok = (out >= 0 || backup_errno("keep", from, error)) &&
            backup_copy(in, out, -1, digest, NULL, error) &&
            (fsync(out) == 0 || backup_errno("keep", from, error));
  if (in >= 0)
    close(in);
  if (out >= 0)
    close(out);
  return ok;
}
