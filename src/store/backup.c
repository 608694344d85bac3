/* Owns the writing of backups: VACUUM INTO on a connection of its own, then database and key behind
 * their manifest. See backup.h. */
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

enum { BACKUP_BUSY_MS = 30000, BACKUP_APPLICATION_ID = 1380271446 };

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

static bool look_fail(sqlite3 *db, const char *path, GError **error)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "read database '%s': %s", path,
              sqlite3_errmsg(db));
  return false;
}

/* One number of the database; -1 when the query gives none. */
static int64_t look_number(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *statement = NULL;
  int64_t number = -1;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    number = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return number;
}

void backup_store_id(sqlite3 *db, char id[65])
{
  sqlite3_stmt *statement = NULL;
  id[0] = '\0';
  if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key='store'", -1, &statement, NULL) ==
          SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
    g_strlcpy(id, (const char *)sqlite3_column_text(statement, 0), 65);
  sqlite3_finalize(statement);
}

static bool look_is_whole(sqlite3 *db, const char *path, GError **error)
{
  sqlite3_stmt *statement = NULL;
  bool whole =
      sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW &&
      g_strcmp0((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
  if (!whole)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "database '%s' is damaged", path);
  sqlite3_finalize(statement);
  return whole;
}

bool backup_look(const char *path, bool thorough, BackupManifest *manifest, sqlite3 **db,
                 GError **error)
{
  *db = NULL;
  if (sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
    return look_fail(*db, path, error);
  sqlite3_busy_timeout(*db, BACKUP_BUSY_MS);
  if (look_number(*db, "PRAGMA application_id") != BACKUP_APPLICATION_ID) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "database '%s' is no store of Reeve",
                path);
    return false;
  }
  if (thorough && !look_is_whole(*db, path, error))
    return false;
  manifest->schema = look_number(*db, "PRAGMA user_version");
  manifest->term =
      MAX(1, look_number(*db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key='term'"));
  manifest->next_id =
      MAX(1, look_number(*db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key='next_id'"));
  manifest->deployments = MAX(0, look_number(*db, "SELECT count(*) FROM deployments"));
  manifest->secrets = MAX(0, look_number(*db, "SELECT count(*) FROM secrets"));
  return true;
}

/* The database as it is now, in the new file @path. */
static bool write_snapshot(const char *source, const char *path, BackupManifest *manifest,
                           GError **error)
{
  sqlite3 *db = NULL, *copy = NULL;
  bool ok = backup_look(source, false, manifest, &db, error);
  char *sql = sqlite3_mprintf("VACUUM INTO %Q", path);
  if (ok && sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
    int code = sqlite3_errcode(db);
    g_set_error(error, REEVE_ERROR,
                code == SQLITE_FULL ? REEVE_ERROR_STORE_FULL : REEVE_ERROR_STORE_FAILED,
                "copy database to '%s': %s", path, sqlite3_errmsg(db));
    ok = false;
  }
  sqlite3_free(sql);
  sqlite3_close(db);
  /* what the copy holds is what the manifest says */
  ok = ok && chmod(path, 0600) == 0 && backup_look(path, true, manifest, &copy, error);
  sqlite3_close(copy);
  return ok;
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
  g_autofree char *source = g_build_filename(options->directory, "reeve.db", NULL);
  g_autofree char *snapshot = g_strdup_printf("%s.%d.db", options->file, (int)getpid());
  g_autofree char *part = g_strdup_printf("%s.%d.part", options->file, (int)getpid());
  *manifest = (BackupManifest){0};
  time_iso(options->wall_ms, manifest->created_at);
  g_strlcpy(manifest->version, options->version, sizeof manifest->version);
  if (access(source, R_OK) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "back up '%s': %s", source,
                g_strerror(errno));
    return false;
  }
  bool ok = write_snapshot(source, snapshot, manifest, error) &&
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
