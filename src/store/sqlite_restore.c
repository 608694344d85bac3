/* The way back to a backup of the SQLite store: unpack beside the database, raise, keep what is
 * there, one rename. See the restore slot of store.h. */
#include "base/error.h"
#include "base/fs.h"
#include "store/backup_file.h"
#include "store/migrations.h"
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct Restore {
  const char *directory;
  const StoreRestore *caller;
  char *fresh; /* unpacked beside its place */
  int lock;
  char id[65]; /* of the restored store */
} Restore;

static char *restore_path(const Restore *restore, const char *name)
{
  return g_build_filename(restore->directory, name, NULL);
}

/* The same lock that a server holds. */
static bool restore_lock(Restore *restore, GError **error)
{
  g_autofree char *path = restore_path(restore, SQLITE_LOCK);
  if (!fs_mkdirs(restore->directory, 0700, error))
    return false;
  restore->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (restore->lock >= 0 && flock(restore->lock, LOCK_EX | LOCK_NB) == 0)
    return true;
  g_set_error(
      error, REEVE_ERROR, REEVE_ERROR_CONFLICT,
      "a server uses '%s'; stop it first with 'reeve server stop --keep' (agents go on and are adopted again)",
      restore->directory);
  return false;
}

/* The id of the store @db into @id: "" when it has none. */
static void restore_read_id(sqlite3 *db, char id[65])
{
  sqlite3_stmt *statement = NULL;
  id[0] = '\0';
  if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key='store'", -1, &statement, NULL) ==
          SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0))
    g_strlcpy(id, (const char *)sqlite3_column_text(statement, 0), 65);
  sqlite3_finalize(statement);
}

/* What the present store counts to, as far as it can be read. */
static void restore_look_at_present(const Restore *restore, StoreFacts *present, char id[65])
{
  g_autofree char *path = restore_path(restore, SQLITE_FILE);
  sqlite3 *db = NULL;
  *present = (StoreFacts){.term = 1, .next_id = 1};
  if (access(path, F_OK) == 0 && sqlite_look(path, false, present, &db, NULL))
    sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  if (db)
    restore_read_id(db, id);
  sqlite3_close(db);
}

/* The unpacked database gets a term above both, and ids that nobody has seen. */
static bool restore_raise(Restore *restore, int64_t *term, GError **error)
{
  StoreFacts inside = {0}, present;
  sqlite3 *db = NULL;
  char id[65] = "";
  restore_look_at_present(restore, &present, id);
  bool ok = sqlite_look(restore->fresh, true, &inside, &db, error);
  *term = MAX(present.term, inside.term) + 1;
  char *sql = sqlite3_mprintf(
      "BEGIN; INSERT OR REPLACE INTO meta VALUES ('term', '%lld'); INSERT OR REPLACE INTO meta VALUES ('next_id', '%lld');"
      "INSERT OR IGNORE INTO meta SELECT 'store', %Q WHERE %Q <> ''; " STORE_NAME_SQL "COMMIT;",
      (long long)*term, (long long)MAX(present.next_id, inside.next_id) + STORE_ID_GAP, id, id);
  if (ok &&
      sqlite3_exec(db, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;", NULL, NULL, NULL) +
              sqlite3_exec(db, sql, NULL, NULL, NULL) !=
          SQLITE_OK) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "raise the term in '%s': %s",
                restore->fresh, sqlite3_errmsg(db));
    ok = false;
  }
  if (ok)
    restore_read_id(db, restore->id);
  /* the directory of its nodes may be another by now; an older schema does not know any */
  if (ok && inside.schema > 4 &&
      sqlite3_exec(db, "UPDATE nodes SET incarnation=NULL", NULL, NULL, NULL) != SQLITE_OK) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "change the nodes in '%s': %s",
                restore->fresh, sqlite3_errmsg(db));
    ok = false;
  }
  sqlite3_free(sql);
  sqlite3_close(db);
  return ok;
}

/* Second names in the directory of the former for all that will be replaced, durable before
 * anything is. */
static bool restore_keep(const Restore *restore, GError **error)
{
  static const char *const names[] = SQLITE_FILES;
  g_autofree char *former = NULL;
  bool any = false;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = restore_path(restore, names[i]);
    any = any || access(path, F_OK) == 0;
  }
  if (!restore->caller->keep(any, &former, restore->caller->data, error))
    return false;
  if (!former)
    return true;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    if (!backup_keep(restore->directory, names[i], former, error))
      return false;
  return fs_sync_directory(former, error) && fs_sync_directory(restore->directory, error);
}

/* A process that ends anywhere in here leaves the former database or the restored one, never none:
 * the last step is one rename. The log goes before it, since it would be read into the restored
 * database; it is empty, unless the former one could not be read. */
static bool restore_swap(const Restore *restore, GError **error)
{
  g_autofree char *db = restore_path(restore, SQLITE_FILE),
                  *log = restore_path(restore, SQLITE_LOG),
                  *index = restore_path(restore, SQLITE_INDEX);
  if (!restore_keep(restore, error) ||
      !restore->caller->place(restore->id, restore->caller->data, error))
    return false;
  if ((unlink(log) != 0 && errno != ENOENT) || (unlink(index) != 0 && errno != ENOENT))
    return backup_errno("remove", log, error);
  if (rename(restore->fresh, db) != 0)
    return backup_errno("put in place", db, error);
  return fs_sync_directory(restore->directory, error);
}

bool sqlite_restore(const char *where, const StoreRestore *caller, int64_t *term, GError **error)
{
  Restore restore = {.directory = where, .caller = caller, .lock = -1};
  restore.fresh = restore_path(&restore, "restore.db");
  bool locked = restore_lock(&restore, error);
  if (locked)
    unlink(restore.fresh); /* of one that was interrupted */
  bool ok = locked && caller->unpack(restore.fresh, caller->data, error) &&
            restore_raise(&restore, term, error) && restore_swap(&restore, error);
  if (locked && !ok)
    unlink(restore.fresh);
  if (restore.lock >= 0)
    close(restore.lock);
  g_free(restore.fresh);
  return ok;
}
