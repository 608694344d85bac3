/* The embedded store, as its owner has it: one SQLite file in WAL mode, synchronous=FULL, one
 * connection, one lock file that names who holds it. What goes on beside it is in sqlite_side.c,
 * the way back to a backup in sqlite_restore.c.
 *
 * A commit whose sync fails has left its frames in the log, commit mark included, and whoever reads
 * the log next would take them for committed. So after a failed commit the log is cut back to the
 * end of the last one that succeeded, before anybody is answered. A process that is killed before
 * the cut has answered nobody; what the next one then finds is folded into the database at once,
 * because the kernel may hold frames of a failed sync in memory only and never write them again.
 *
 * Hence the outcomes of a commit that fails: NOT when the cut succeeded, UNKNOWN until it does. The
 * number of the batch, in the same transaction, is looked at besides: it has the last word. */
#include "store/sqlite.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "store/migrations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  STORE_BUSY_MS = 2000, /* another program holds the database: so long one try waits */
  LOG_HEADER_BYTES = 32,
  LOG_FRAME_BYTES = 24, /* before each page */
  INDEX_REGION_BYTES = 32 * 1024,
  INDEX_VERSION = 3007000
};

/* The head of the log's index in memory, which all connections share; its layout is fixed
 * (sqlite.org/walformat.html, section 2.1). */
typedef struct LogIndex {
  uint32_t version, unused, changes;
  uint8_t ready, big_endian;
  uint16_t page_bytes; /* 1 = 65536 */
  uint32_t last_frame; /* of the last commit that succeeded; 0 = the log holds nothing */
} LogIndex;

typedef struct SqliteStore {
  Store base;
  char *directory, *path;
  int lock;
  sqlite3 *db;
  sqlite3_stmt *upsert[TABLE_N], *delete[TABLE_N], *begin, *commit, *rollback, *batch;
  bool broken; /* a sync failed, or it could not be opened: this connection is not used again */
  bool uncut;  /* the log still holds a commit that failed */
} SqliteStore;

/* ---- errors ---- */

static bool sqlite_fail(SqliteStore *store, const char *what, GError **error)
{
  int code = sqlite3_extended_errcode(store->db), saved = sqlite3_system_errno(store->db);
  bool full = (code & 0xff) == SQLITE_FULL || saved == ENOSPC || saved == EDQUOT;
  if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
    store->broken = true;
  g_set_error(error, REEVE_ERROR, full ? REEVE_ERROR_STORE_FULL : REEVE_ERROR_STORE_FAILED,
              "%s '%s': %s", what, store->path,
              full ? "no room on the disk" : sqlite3_errmsg(store->db));
  return false;
}

/* ---- opening ---- */

static bool sqlite_lock(SqliteStore *store, GError **error)
{
  g_autofree char *path = g_build_filename(store->directory, SQLITE_LOCK, NULL);
  store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (store->lock < 0) {
    int e = errno;
    g_set_error(error, REEVE_ERROR, e == ENOSPC ? REEVE_ERROR_STORE_FULL : REEVE_ERROR_STORE_FAILED,
                "open '%s': %s", path, g_strerror(e));
    return false;
  }
  if (flock(store->lock, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = "";
    ssize_t n = pread(store->lock, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT, "data directory '%s' is in use by pid %s",
                store->directory, pid[0] ? g_strstrip(pid) : "?");
    close(store->lock);
    store->lock = -1;
    return false;
  }
  char pid[32];
  int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
  if (ftruncate(store->lock, 0) != 0 || pwrite(store->lock, pid, (size_t)n, 0) != n)
    return true; /* a full disk hides our pid from others, no more */
  return true;
}

static char *sqlite_create_sql(const TableSpec *spec)
{
  GString *sql = g_string_new(NULL);
  g_string_printf(sql, "CREATE TABLE %s (", spec->name);
  for (int i = 0; i < spec->n_columns; i++)
    g_string_append_printf(sql, "%s%s %s%s", i ? ", " : "", spec->columns[i].name,
                           spec->columns[i].type == COLUMN_INT ? "INTEGER" : "TEXT",
                           i ? "" : " PRIMARY KEY NOT NULL");
  g_string_append(sql, ") WITHOUT ROWID;");
  if (spec->index)
    g_string_append_printf(sql, "CREATE INDEX %s_%s ON %s (%s);", spec->name, spec->index,
                           spec->name, spec->index);
  return g_string_free(sql, FALSE);
}

static bool sqlite_run(SqliteStore *store, const char *sql, GError **error)
{
  return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
         sqlite_fail(store, "prepare store", error);
}

static int sqlite_number(SqliteStore *store, const char *sql)
{
  sqlite3_stmt *statement = NULL;
  int value = 0;
  if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    value = sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  return value;
}

static bool sqlite_create(SqliteStore *store, GError **error)
{
  GString *sql = g_string_new("BEGIN IMMEDIATE;");
  for (int table = 0; table < TABLE_N; table++) {
    g_autofree char *create = sqlite_create_sql(&table_specs[table]);
    g_string_append(sql, create);
  }
  g_string_append_printf(sql, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;",
                         SQLITE_APPLICATION_ID, STORE_SCHEMA_VERSION);
  bool ok = sqlite_run(store, sql->str, error);
  g_string_free(sql, TRUE);
  return ok;
}

static bool sqlite_migrate(SqliteStore *store, GError **error)
{
  int version = sqlite_number(store, "PRAGMA user_version");
  if (version == 0)
    return sqlite_create(store, error);
  if (sqlite_number(store, "PRAGMA application_id") != SQLITE_APPLICATION_ID ||
      version > STORE_SCHEMA_VERSION) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "store '%s': %s", store->path,
                version > STORE_SCHEMA_VERSION ? "written by a newer Reeve; upgrade this one"
                                               : "not a store of Reeve");
    return false;
  }
  for (; version < STORE_SCHEMA_VERSION; version++) {
    g_autofree char *sql = g_strdup_printf("BEGIN IMMEDIATE; %s; PRAGMA user_version=%d; COMMIT;",
                                           migration_sql(version), version + 1);
    if (!sqlite_run(store, sql, error))
      return false;
  }
  return true;
}

/* Gives the store its id, by which nodes know whose instances they hold. Without room it has none
 * until the next start; nodes go with it as with one of an older release. */
static void sqlite_name(SqliteStore *store)
{
  if (sqlite_number(store, "SELECT count(*) FROM meta WHERE key='store'") == 0)
    sqlite3_exec(store->db, STORE_NAME_SQL, NULL, NULL, NULL);
}

static bool sqlite_prepare(SqliteStore *store, GError **error)
{
  bool ok = true;
  for (int table = 0; ok && table < TABLE_N; table++) {
    const TableSpec *spec = &table_specs[table];
    GString *sql = g_string_new(NULL);
    g_string_printf(sql, "INSERT OR REPLACE INTO %s VALUES (?", spec->name);
    for (int i = 1; i < spec->n_columns; i++)
      g_string_append(sql, ",?");
    g_string_append_c(sql, ')');
    ok = sqlite3_prepare_v3(store->db, sql->str, -1, SQLITE_PREPARE_PERSISTENT,
                            &store->upsert[table], NULL) == SQLITE_OK;
    g_string_printf(sql, "DELETE FROM %s WHERE %s=?", spec->name, spec->columns[0].name);
    ok = ok && sqlite3_prepare_v3(store->db, sql->str, -1, SQLITE_PREPARE_PERSISTENT,
                                  &store->delete[table], NULL) == SQLITE_OK;
    g_string_free(sql, TRUE);
  }
  ok = ok && sqlite3_prepare_v2(store->db, "BEGIN IMMEDIATE", -1, &store->begin, NULL) == SQLITE_OK;
  ok = ok && sqlite3_prepare_v2(store->db, "COMMIT", -1, &store->commit, NULL) == SQLITE_OK;
  ok = ok && sqlite3_prepare_v2(store->db, "ROLLBACK", -1, &store->rollback, NULL) == SQLITE_OK;
  ok = ok &&
       sqlite3_prepare_v2(store->db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key='batch'",
                          -1, &store->batch, NULL) == SQLITE_OK;
  return ok || sqlite_fail(store, "prepare store", error);
}

static void sqlite_disconnect(SqliteStore *store)
{
  for (int table = 0; table < TABLE_N; table++) {
    g_clear_pointer(&store->upsert[table], sqlite3_finalize);
    g_clear_pointer(&store->delete[table], sqlite3_finalize);
  }
  g_clear_pointer(&store->begin, sqlite3_finalize);
  g_clear_pointer(&store->commit, sqlite3_finalize);
  g_clear_pointer(&store->rollback, sqlite3_finalize);
  g_clear_pointer(&store->batch, sqlite3_finalize);
  g_clear_pointer(&store->db, sqlite3_close);
}

static bool sqlite_connect(SqliteStore *store, GError **error)
{
  store->broken = true;
  if (sqlite3_open_v2(store->path, &store->db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                      NULL) != SQLITE_OK)
    return sqlite_fail(store, "open store", error);
  sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
  static const char *const pragmas =
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA foreign_keys=OFF;"
      "PRAGMA journal_size_limit=65536;" /* a log that was folded begins small again: its size says
                                            what is left to fold */
      "PRAGMA cache_size=-2000; PRAGMA temp_store=MEMORY;";
  if (!sqlite_run(store, pragmas, error) || !sqlite_migrate(store, error))
    return false;
  sqlite_name(store);
  store->broken = !sqlite_prepare(store, error);
  return !store->broken;
}

static void sqlite_close(Store *base)
{
  SqliteStore *store = (SqliteStore *)base;
  if (!store)
    return;
  sqlite_disconnect(store);
  if (store->lock >= 0)
    close(store->lock);
  g_free(store->directory);
  g_free(store->path);
  g_free(store);
}

/* Whoever may write here is the server, and whoever may read has its tokens' hashes and its
 * secrets' ciphertext: what a careless umask or copy left open is closed. False when the directory
 * is open to others and not ours to close. */
static bool sqlite_close_to_others(const char *where, GError **error)
{
  static const char *const names[] = SQLITE_FILES;
  struct stat status;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(where, names[i], NULL);
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_mode & 077 &&
        chmod(path, 0600) == 0)
      log_warn("file was open to others, closed", "path=%s mode=%o", path,
               (unsigned)status.st_mode & 07777);
  }
  if (stat(where, &status) != 0 || !(status.st_mode & 022))
    return true;
  /* a mount of its own, or /tmp: not ours to change */
  bool ours = status.st_uid == geteuid(), sticky = status.st_mode & S_ISVTX;
  if (ours && (sticky || chmod(where, status.st_mode & 07755) == 0)) {
    log_warn(sticky ? "data directory can be written by others"
                    : "data directory could be written by others, closed",
             "path=%s mode=%o", where, (unsigned)status.st_mode & 07777);
    return true;
  }
  g_set_error(
      error, REEVE_ERROR, REEVE_ERROR_DENIED,
      "data directory '%s' can be written by others (mode %o); use one of your own, mode 700",
      where, (unsigned)status.st_mode & 07777);
  return false;
}

/* ---- after a failed commit ---- */

static bool store_step(sqlite3_stmt *statement)
{
  int code = sqlite3_step(statement);
  sqlite3_reset(statement);
  return code == SQLITE_DONE;
}

/* Where the last commit that succeeded ends in the log, in bytes; -1 = it cannot be told. The
 * caller holds the writer's lock. */
static off_t sqlite_log_end(const SqliteStore *store)
{
  sqlite3_file *file = NULL;
  void volatile *region = NULL;
  if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
      !file->pMethods || file->pMethods->iVersion < 2 ||
      file->pMethods->xShmMap(file, 0, INDEX_REGION_BYTES, 0, &region) != SQLITE_OK || !region)
    return -1;
  LogIndex index = *(const LogIndex volatile *)region;
  if (index.version != INDEX_VERSION || !index.ready)
    return -1;
  off_t page_bytes = index.page_bytes == 1 ? 65536 : index.page_bytes;
  return index.last_frame
             ? LOG_HEADER_BYTES + (off_t)index.last_frame * (LOG_FRAME_BYTES + page_bytes)
             : 0;
}

/* Takes what lies behind the last commit that succeeded out of the log, so that nobody reads it: no
 * other connection, and no process after a kill. True when it is out. The sync is for the loss of
 * power and may fail as the commit's did. */
static bool sqlite_cut(SqliteStore *store)
{
  if (!store_step(store->begin)) /* nobody else may add to the log meanwhile */
    return false;
  g_autofree char *log = g_strconcat(store->path, "-wal", NULL);
  off_t end = sqlite_log_end(store);
  /* SQLite holds no locks on this file that closing it could drop */
  int fd = end >= 0 ? open(log, O_WRONLY | O_CLOEXEC) : -1;
  struct stat status;
  bool cut =
      fd >= 0 && fstat(fd, &status) == 0 && (status.st_size <= end || ftruncate(fd, end) == 0);
  if (cut && fdatasync(fd) != 0)
    store->broken = true;
  if (fd >= 0)
    close(fd);
  store_step(store->rollback);
  return cut;
}

/* A connection that can be trusted. */
static bool sqlite_again(SqliteStore *store, GError **error)
{
  if (store->uncut && !sqlite_cut(store)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED,
                "take a failed commit out of '%s-wal': it cannot be written", store->path);
    return false;
  }
  store->uncut = false;
  if (!store->broken)
    return true;
  sqlite_disconnect(store);
  return sqlite_connect(store, error);
}

/* What ran did not succeed: @cause, and nothing of it may be read again. False when it could not be
 * taken out of the log. */
static bool sqlite_undo(SqliteStore *store, GError **cause)
{
  sqlite_fail(store, "write", cause);
  if (!sqlite3_get_autocommit(store->db))
    store_step(store->rollback);
  store->uncut = !sqlite_cut(store);
  return !store->uncut;
}

/* Number of the last batch that is stored, 0 = none has one; -1 with @error when it cannot be read.
 */
static int64_t sqlite_last_batch(SqliteStore *store, GError **error)
{
  int step = sqlite3_step(store->batch);
  int64_t number = step == SQLITE_ROW ? sqlite3_column_int64(store->batch, 0) : 0;
  sqlite3_reset(store->batch);
  if (step == SQLITE_ROW || step == SQLITE_DONE)
    return number;
  sqlite_fail(store, "read", error);
  return -1;
}

/* Did batch @number happen? There is nothing in the log any more that could become part of the
 * store, so what is read now is the truth for good. @error: why the commit failed, cleared when it
 * did not. */
static StoreOutcome sqlite_decide(SqliteStore *store, int64_t number, GError **error)
{
  int64_t last = sqlite_last_batch(store, error && *error ? NULL : error);
  if (last < 0)
    return STORE_UNKNOWN;
  if (last != number)
    return STORE_NOT;
  g_clear_error(error);
  return STORE_DONE;
}

static StoreOutcome sqlite_settle(Store *base, int64_t number, GError **error)
{
  SqliteStore *store = (SqliteStore *)base;
  if (sqlite_again(store, error))
    return sqlite_decide(store, number, error);
  return store->uncut && sqlite3_errcode(store->db) == SQLITE_BUSY ? STORE_BUSY : STORE_UNKNOWN;
}

/* ---- reading ---- */

static bool sqlite_load_table(SqliteStore *store, TableId table, StoreRowFn row, void *data,
                              GError **error)
{
  const TableSpec *spec = &table_specs[table];
  g_autofree char *sql = g_strdup_printf("SELECT * FROM %s", spec->name);
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
    return sqlite_fail(store, "read", error);
  bool ok = true;
  int step;
  while (ok && (step = sqlite3_step(statement)) == SQLITE_ROW) {
    Value values[RECORD_COLUMNS_MAX] = {0};
    for (int i = 0; i < spec->n_columns; i++) {
      if (spec->columns[i].type == COLUMN_INT)
        values[i].number = sqlite3_column_int64(statement, i);
      else
        values[i].text = (char *)(uintptr_t)sqlite3_column_text(statement, i);
    }
    ok = row(table, values, data, error);
  }
  if (ok && step != SQLITE_DONE)
    ok = sqlite_fail(store, "read", error);
  sqlite3_finalize(statement);
  return ok;
}

static bool sqlite_load(Store *base, StoreRowFn row, void *data, GError **error)
{
  SqliteStore *store = (SqliteStore *)base;
  if (!sqlite_again(store, error))
    return false;
  for (int table = 0; table < TABLE_N; table++)
    if (!table_specs[table].history && !sqlite_load_table(store, (TableId)table, row, data, error))
      return false;
  return true;
}

/* ---- writing ---- */

static bool sqlite_write(SqliteStore *store, const Record *record)
{
  sqlite3_stmt *statement =
      record->deleted ? store->delete[record->table] : store->upsert[record->table];
  const TableSpec *spec = &table_specs[record->table];
  int columns = record->deleted ? 1 : spec->n_columns;
  for (int i = 0; i < columns; i++) {
    const Value *value = &record->values[i];
    if (spec->columns[i].type == COLUMN_INT)
      sqlite3_bind_int64(statement, i + 1, value->number);
    else if (value->text)
      sqlite3_bind_text(statement, i + 1, value->text, (int)g_ref_string_length(value->text),
                        SQLITE_STATIC);
    else
      sqlite3_bind_null(statement, i + 1);
  }
  return store_step(statement);
}

static bool sqlite_write_batch(SqliteStore *store, int64_t number)
{
  char text[24];
  sqlite3_stmt *statement = store->upsert[TABLE_META];
  int length = snprintf(text, sizeof text, "%" G_GINT64_FORMAT, number);
  sqlite3_bind_text(statement, META_KEY + 1, "batch", -1, SQLITE_STATIC);
  sqlite3_bind_text(statement, META_VALUE + 1, text, length, SQLITE_STATIC);
  return store_step(statement);
}

static StoreOutcome sqlite_commit(Store *base, const GPtrArray *records, int64_t number,
                                  GError **error)
{
  SqliteStore *store = (SqliteStore *)base;
  if (!sqlite_again(store, error))
    return STORE_NOT;
  fs_crash_point("commit begins");
  if (!store_step(store->begin)) {
    if (sqlite3_errcode(store->db) != SQLITE_BUSY) {
      sqlite_fail(store, "write", error);
      return STORE_NOT;
    }
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
                "write '%s': another program holds the database", store->path);
    return STORE_BUSY;
  }
  bool ok = sqlite_write_batch(store, number);
  for (guint i = 0; ok && i < records->len; i++)
    ok = sqlite_write(store, records->pdata[i]);
  ok = ok && store_step(store->commit);
  if (!ok) {
    g_autoptr(GError) cause = NULL;
    StoreOutcome outcome =
        sqlite_undo(store, &cause) ? sqlite_decide(store, number, &cause) : STORE_UNKNOWN;
    if (outcome != STORE_DONE) {
      g_propagate_error(error, g_steal_pointer(&cause));
      return outcome;
    }
  }
  fs_crash_point("commit done");
  return STORE_DONE;
}

static bool sqlite_probe(Store *base, GError **error)
{
  SqliteStore *store = (SqliteStore *)base;
  if (!sqlite_again(store, error))
    return false;
  /* Enough to see room for a batch, not only for one page. */
  static const char *const sql =
      "BEGIN IMMEDIATE; INSERT OR REPLACE INTO meta VALUES ('probe', hex(randomblob(32768)));"
      "COMMIT; DELETE FROM meta WHERE key='probe';";
  if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
    return true;
  if (sqlite3_errcode(store->db) == SQLITE_BUSY)
    return sqlite_fail(store, "write", error);
  /* Should it stay in the log, the next use of the store takes it out first. */
  sqlite_undo(store, error);
  return false;
}

/* ---- opening and the table ---- */

static Store *sqlite_open(const char *where, GError **error)
{
  if (!*where) {
    g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                        "open store 'sqlite:': it names no directory");
    return NULL;
  }
  if (!fs_mkdirs(where, 0700, error) || !sqlite_close_to_others(where, error))
    return NULL;
  SqliteStore *store = g_new0(SqliteStore, 1);
  store->lock = -1;
  store->directory = g_strdup(where);
  store->path = g_build_filename(where, SQLITE_FILE, NULL);
  if (sqlite_lock(store, error) && sqlite_connect(store, error) &&
      (store->base.last_batch = sqlite_last_batch(store, error)) >= 0) {
    /* Without room, or while another program reads, the log stays as it is. */
    sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return &store->base;
  }
  sqlite_close(&store->base);
  return NULL;
}

const StoreDriver store_sqlite = {
    .scheme = "sqlite",
    .form = "sqlite:DIRECTORY",
    .open = sqlite_open,
    .close = sqlite_close,
    .load = sqlite_load,
    .commit = sqlite_commit,
    .settle = sqlite_settle,
    .probe = sqlite_probe,
    .side_open = sqlite_side_open,
    .side_close = sqlite_side_close,
    .audit = sqlite_audit,
    .maintain = sqlite_maintain,
    .backup = sqlite_backup,
    .restore = sqlite_restore,
};
