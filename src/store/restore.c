/* Owns the way back from a backup: check everything, put it in place, keep what was there. See
 * backup.h. */
#include "base/error.h"
#include "base/fs.h"
#include "store/backup_file.h"
#include "store/migrations.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ids that were given out after the backup may still be held by nodes: new ones begin above
 * anything that could have been. */
enum { RESTORE_ID_GAP = 1 << 20 };

typedef struct Restore {
  const BackupOptions *options;
  BackupManifest *manifest;
  char *fresh_db, *fresh_key; /* unpacked beside their places */
  int lock;
  char store[65]; /* id of the restored store */
  BackupRestored *restored;
} Restore;

void backup_restored_done(BackupRestored *restored)
{
  g_clear_pointer(&restored->former, g_free);
}

static char *restore_path(const Restore *restore, const char *name)
{
  return g_build_filename(restore->options->directory, name, NULL);
}

/* The same lock that a server holds. */
static bool restore_lock(Restore *restore, GError **error)
{
  g_autofree char *path = restore_path(restore, "lock");
  if (!fs_mkdirs(restore->options->directory, 0700, error))
    return false;
  restore->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (restore->lock >= 0 && flock(restore->lock, LOCK_EX | LOCK_NB) == 0)
    return true;
  g_set_error(
      error, REEVE_ERROR, REEVE_ERROR_CONFLICT,
      "a server uses '%s'; stop it first with 'reeve server stop --keep' (agents go on and are adopted again)",
      restore->options->directory);
  return false;
}

static bool restore_unpack_key(const Restore *restore, int in, GError **error)
{
  unsigned char key[BACKUP_KEY_BYTES];
  if (!restore->manifest->with_key)
    return true;
  bool ok = read(in, key, sizeof key) == (ssize_t)sizeof key;
  g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, key, sizeof key);
  if (!ok || strcmp(digest, restore->manifest->key_sha256) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "damaged backup: the key of the secrets does not fit its checksum");
    return false;
  }
  ok = fs_write(restore->fresh_key, (const char *)key, sizeof key, 0600, true, error);
  explicit_bzero(key, sizeof key);
  return ok;
}

/* The body of the backup, checked, beside its places. */
static bool restore_unpack_body(const Restore *restore, int in, GError **error)
{
  char digest[65], more;
  unlink(restore->fresh_db);
  int out = open(restore->fresh_db, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (out < 0)
    return backup_errno("make", restore->fresh_db, error);
  bool ok = backup_copy(in, out, restore->manifest->database_bytes, digest, NULL, error) &&
            (fsync(out) == 0 || backup_errno("write", restore->fresh_db, error));
  close(out);
  if (ok && strcmp(digest, restore->manifest->database_sha256) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "damaged backup: the database does not fit its checksum");
    return false;
  }
  if (!ok || !restore_unpack_key(restore, in, error))
    return false;
  if (read(in, &more, 1) == 0)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
              "not a Reeve backup: trailing data after the end");
  return false;
}

static bool restore_unpack(Restore *restore, GError **error)
{
  const char *file = restore->options->file;
  g_autofree char *head = g_malloc(BACKUP_HEAD_MAX);
  size_t body = 0;
  int in = open(file, O_RDONLY | O_CLOEXEC);
  ssize_t n = in >= 0 ? read(in, head, BACKUP_HEAD_MAX) : -1;
  bool ok = n >= 0;
  if (!ok)
    g_set_error(error, REEVE_ERROR, errno == ENOENT ? REEVE_ERROR_NOT_FOUND : REEVE_ERROR_INVALID,
                "read backup: %s", g_strerror(errno));
  ok = ok && backup_head_parse(head, (size_t)n, restore->manifest, &body, error);
  if (ok && restore->manifest->schema > STORE_SCHEMA_VERSION) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "it was written by a newer Reeve (%s); upgrade this one",
                restore->manifest->version);
    ok = false;
  }
  ok = ok && (lseek(in, (off_t)body, SEEK_SET) >= 0 || backup_errno("read", file, error)) &&
       restore_unpack_body(restore, in, error);
  if (in >= 0)
    close(in);
  if (!ok)
    g_prefix_error(error, "restore '%s': ", file);
  return ok;
}

/* What the present store counts to, as far as it can be read. */
static void restore_look_at_present(const Restore *restore, int64_t *term, int64_t *next_id,
                                    char store[65])
{
  g_autofree char *path = restore_path(restore, "reeve.db");
  BackupManifest present = {.term = 1, .next_id = 1};
  sqlite3 *db = NULL;
  if (access(path, F_OK) == 0 && backup_look(path, false, &present, &db, NULL))
    sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  if (db)
    backup_store_id(db, store);
  sqlite3_close(db);
  *term = present.term;
  *next_id = present.next_id;
}

/* The unpacked database gets a term above both, and ids that nobody has seen. */
static bool restore_raise(Restore *restore, GError **error)
{
  BackupManifest inside = {0};
  sqlite3 *db = NULL;
  int64_t term, next_id;
  char store[65] = "";
  restore_look_at_present(restore, &term, &next_id, store);
  bool ok = backup_look(restore->fresh_db, true, &inside, &db, error);
  restore->restored->term = MAX(term, inside.term) + 1;
  char *sql = sqlite3_mprintf(
      "BEGIN; INSERT OR REPLACE INTO meta VALUES ('term', '%lld'); INSERT OR REPLACE INTO meta VALUES ('next_id', '%lld');"
      "INSERT OR IGNORE INTO meta SELECT 'store', %Q WHERE %Q <> ''; " STORE_NAME_SQL "COMMIT;",
      (long long)restore->restored->term, (long long)MAX(next_id, inside.next_id) + RESTORE_ID_GAP,
      store, store);
  if (ok &&
      sqlite3_exec(db, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;", NULL, NULL, NULL) +
              sqlite3_exec(db, sql, NULL, NULL, NULL) !=
          SQLITE_OK) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "raise the term in '%s': %s",
                restore->fresh_db, sqlite3_errmsg(db));
    ok = false;
  }
  if (ok)
    backup_store_id(db, restore->store);
  sqlite3_free(sql);
  sqlite3_close(db);
  return ok;
}

/* Gives the file @name of the data directory a second name in the former's directory, or copies it
 * where files have one name only. Absent is fine. */
static bool restore_keep(const Restore *restore, const char *name, GError **error)
{
  g_autofree char *from = restore_path(restore, name),
                  *to = g_build_filename(restore->restored->former, name, NULL);
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

/* A new directory for what is there now: two restores of one second have two. */
static bool restore_make_former(const Restore *restore, GError **error)
{
  for (int n = 1;; n++) {
    g_autofree char *number = n > 1 ? g_strdup_printf(".%d", n) : g_strdup("");
    g_autofree char *name = g_strdup_printf("before-restore-%" G_GINT64_FORMAT "%s",
                                            restore->options->wall_ms / 1000, number);
    g_autofree char *path = restore_path(restore, name);
    if (mkdir(path, 0700) == 0) {
      restore->restored->former = g_steal_pointer(&path);
      return true;
    }
    if (errno != EEXIST)
      return backup_errno("make directory", path, error);
  }
}

/* Second names for all that will be replaced, durable before anything is. */
static bool restore_keep_all(const Restore *restore, GError **error)
{
  static const char *const names[] = {"reeve.db", "reeve.db-wal", "reeve.db-shm", "secrets.key"};
  bool any = false;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = restore_path(restore, names[i]);
    any = any || access(path, F_OK) == 0;
  }
  if (!any)
    return true;
  if (!restore_make_former(restore, error))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    if (!restore_keep(restore, names[i], error))
      return false;
  return fs_sync_directory(restore->restored->former, error) &&
         fs_sync_directory(restore->options->directory, error);
}

/* The embedded node belongs to what was restored, whatever store it knew before: that is what the
 * caller asks for. */
static bool restore_tell_node(const Restore *restore, GError **error)
{
  /* NODE_STORE_FILE */
  g_autofree char *node = restore_path(restore, "node"),
                  *path = g_build_filename(node, "store", NULL);
  return access(node, F_OK) != 0 ||
         fs_write(path, restore->store, strlen(restore->store), 0600, true, error);
}

/* A process that ends anywhere in here leaves the former database or the restored one, never none:
 * the last step is one rename. The log goes before it, since it would be read into the restored
 * database; it is empty, unless the former one could not be read. */
static bool restore_swap(const Restore *restore, GError **error)
{
  g_autofree char *db = restore_path(restore, "reeve.db"),
                  *key = restore_path(restore, "secrets.key");
  g_autofree char *log = restore_path(restore, "reeve.db-wal"),
                  *index = restore_path(restore, "reeve.db-shm");
  if (!restore_keep_all(restore, error) || !restore_tell_node(restore, error))
    return false;
  if (restore->manifest->with_key && rename(restore->fresh_key, key) != 0)
    return backup_errno("put in place", key, error);
  if ((unlink(log) != 0 && errno != ENOENT) || (unlink(index) != 0 && errno != ENOENT))
    return backup_errno("remove", log, error);
  if (rename(restore->fresh_db, db) != 0)
    return backup_errno("put in place", db, error);
  restore->restored->key_present = !restore->manifest->secrets || access(key, F_OK) == 0;
  return fs_sync_directory(restore->options->directory, error);
}

bool backup_restore(const BackupOptions *options, BackupManifest *manifest,
                    BackupRestored *restored, GError **error)
{
  *restored = (BackupRestored){0};
  Restore restore = {.options = options, .manifest = manifest, .lock = -1, .restored = restored};
  restore.fresh_db = restore_path(&restore, "restore.db");
  restore.fresh_key = restore_path(&restore, "restore.key");
  bool ok = restore_lock(&restore, error) && restore_unpack(&restore, error) &&
            restore_raise(&restore, error) && restore_swap(&restore, error);
  if (!ok) {
    unlink(restore.fresh_db);
    unlink(restore.fresh_key);
    backup_restored_done(restored);
  }
  if (restore.lock >= 0)
    close(restore.lock);
  g_free(restore.fresh_db);
  g_free(restore.fresh_key);
  return ok;
}
