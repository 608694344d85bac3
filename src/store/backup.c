/* Owns the writing of backups: what the store copies of itself and the key, behind their manifest.
 * See backup.h. */
#include "store/backup.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/time.h"
#include "store/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the store holds now, in the new file @path. */
static bool write_snapshot(const char *uri, const char *path, BackupManifest *manifest,
                           GError **error)
{
  StoreFacts facts;
  StoreSide *side = store_beside(uri, error);
  bool ok = side && side->driver->backup(side, path, &facts, error);
  store_side_close(side);
  if (!ok)
    return false;
  manifest->schema = facts.schema;
  manifest->term = facts.term;
  manifest->next_id = facts.next_id;
  manifest->deployments = facts.deployments;
  manifest->secrets = facts.secrets;
  return true;
}

static bool write_key(const BackupOptions *options, unsigned char key[BACKUP_KEY_BYTES],
                      BackupManifest *manifest, GError **error)
{
  g_autofree char *path = g_build_filename(options->directory, "secrets.key", NULL);
  size_t length = 0;
  if (!options->with_key || (access(path, F_OK) != 0 && !manifest->secrets))
    return true;
  char *bytes = fs_read(path, BACKUP_KEY_BYTES, &length, error);
  if (!bytes)
    return false;
  bool whole = length == BACKUP_KEY_BYTES;
  if (whole) {
    memcpy(key, bytes, BACKUP_KEY_BYTES);
    g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, key, BACKUP_KEY_BYTES);
    g_strlcpy(manifest->key_sha256, digest, sizeof manifest->key_sha256);
    manifest->with_key = true;
  } else {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "key of the secrets '%s': cut short",
                path);
  }
  explicit_bzero(bytes, length);
  g_free(bytes);
  return whole;
}

/* Head, database, key into @out, durable. */
static bool write_file(int out, int database, const unsigned char *key,
                       const BackupManifest *manifest, const char *path, GError **error)
{
  g_autofree char *head = backup_head_text(manifest);
  char digest[65];
  size_t length = strlen(head);
  if (write(out, head, length) != (ssize_t)length || lseek(database, 0, SEEK_SET) != 0)
    return backup_errno("write", path, error);
  if (!backup_copy(database, out, manifest->database_bytes, digest, NULL, error))
    return false;
  if ((manifest->with_key && write(out, key, BACKUP_KEY_BYTES) != BACKUP_KEY_BYTES) ||
      fsync(out) != 0)
    return backup_errno("write", path, error);
  return true;
}

static bool write_parts(const BackupOptions *options, const char *snapshot, const char *part,
                        BackupManifest *manifest, GError **error)
{
  unsigned char key[BACKUP_KEY_BYTES] = {0};
  int database = open(snapshot, O_RDONLY | O_CLOEXEC),
      out = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool ok = database >= 0 && out >= 0;
  if (!ok)
    backup_errno("make", part, error);
  ok = ok &&
       backup_copy(database, -1, -1, manifest->database_sha256, &manifest->database_bytes, error) &&
       write_key(options, key, manifest, error) &&
       write_file(out, database, key, manifest, part, error);
  explicit_bzero(key, sizeof key);
  if (database >= 0)
    close(database);
  if (out >= 0)
    close(out);
  return ok;
}

bool backup_write(const BackupOptions *options, BackupManifest *manifest, GError **error)
{
  g_autofree char *snapshot = g_strdup_printf("%s.%d.db", options->file, (int)getpid());
  g_autofree char *part = g_strdup_printf("%s.%d.part", options->file, (int)getpid());
  *manifest = (BackupManifest){0};
  time_iso(options->wall_ms, manifest->created_at);
  g_strlcpy(manifest->version, options->version, sizeof manifest->version);
  bool ok = write_snapshot(options->directory, snapshot, manifest, error) &&
            write_parts(options, snapshot, part, manifest, error);
  if (ok && link(part, options->file) != 0) { /* never over a file that is there */
    int e = errno;
    g_set_error(error, REEVE_ERROR, e == EEXIST ? REEVE_ERROR_CONFLICT : REEVE_ERROR_INTERNAL,
                "write backup '%s': %s", options->file, g_strerror(e));
    ok = false;
  }
  unlink(snapshot);
  unlink(part);
  g_autofree char *directory = g_path_get_dirname(options->file);
  return ok && fs_sync_directory(directory, error);
}
