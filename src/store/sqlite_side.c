/* The SQLite store beside its owner: questions about the past on a read-only connection, the
 * folding of the write-ahead log on another, backups by VACUUM INTO on a third. Each is opened when
 * it is needed first. */
#include "base/clock.h"
#include "base/error.h"
#include "store/sqlite.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  SIDE_STEPS = 1000, /* of SQLite between two looks at the clock */
  SIDE_LOG_BYTES = 4 * 1024 * 1024,
  SIDE_LOG_LARGE = 16 * 1024 * 1024,
  SIDE_FOLD_MS = 200,
  LOOK_BUSY_MS = 30000
};

typedef struct SqliteSide {
  StoreSide base;
  char *path, *log;
  sqlite3 *reader, *folder; /* NULL until they are needed */
  int64_t deadline_ms;      /* of the present question */
} SqliteSide;

StoreSide *sqlite_side_open(const char *where)
{
  SqliteSide *side = g_new0(SqliteSide, 1);
  side->path = g_build_filename(where, SQLITE_FILE, NULL);
  side->log = g_build_filename(where, SQLITE_LOG, NULL);
  return &side->base;
}

void sqlite_side_close(StoreSide *base)
{
  SqliteSide *side = (SqliteSide *)base;
  if (!side)
    return;
  sqlite3_close(side->reader);
  sqlite3_close(side->folder);
  g_free(side->path);
  g_free(side->log);
  g_free(side);
}

/* ---- the past ---- */

static int side_progress(void *data)
{
  return clock_boot_ms() >= ((SqliteSide *)data)->deadline_ms;
}

static bool side_fail(const SqliteSide *side, GError **error)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "read history '%s': %s", side->path,
              sqlite3_errmsg(side->reader));
  return false;
}

static bool side_read(SqliteSide *side, GError **error)
{
  if (side->reader)
    return true;
  if (sqlite3_open_v2(side->path, &side->reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                      NULL) == SQLITE_OK) {
    sqlite3_busy_timeout(side->reader, STORE_AUDIT_MS);
    sqlite3_progress_handler(side->reader, SIDE_STEPS, side_progress, side);
    return true;
  }
  side_fail(side, error);
  g_clear_pointer(&side->reader, sqlite3_close);
  return false;
}

static void audit_bind(sqlite3_stmt *statement, const AuditQuery *query)
{
  const char *texts[] = {query->actor, query->action, query->object, query->before};
  for (int i = 0; i < (int)G_N_ELEMENTS(texts); i++)
    sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC); /* NULL binds NULL */
  sqlite3_bind_int64(statement, 5, query->since_ms);
  sqlite3_bind_int(statement, 6, query->limit);
}

/* One row, as the statement has it now. */
static bool audit_row(sqlite3_stmt *statement, StoreRowFn row, void *data, GError **error)
{
  const TableSpec *spec = &table_specs[TABLE_AUDIT];
  Value values[RECORD_COLUMNS_MAX] = {0};
  for (int i = 0; i < spec->n_columns; i++)
    if (spec->columns[i].type == COLUMN_INT)
      values[i].number = sqlite3_column_int64(statement, i);
    else
      values[i].text = (char *)(uintptr_t)sqlite3_column_text(statement, i);
  return row(TABLE_AUDIT, values, data, error);
}

bool sqlite_audit(StoreSide *base, const AuditQuery *query, StoreRowFn row, void *data,
                  GError **error)
{
  static const char sql[] =
      "SELECT * FROM audit WHERE (?1 IS NULL OR actor = ?1) AND (?2 IS NULL OR action = ?2) "
      "AND (?3 IS NULL OR object = ?3) AND (?4 IS NULL OR id < ?4) AND at >= ?5 ORDER BY id DESC LIMIT ?6";
  SqliteSide *side = (SqliteSide *)base;
  sqlite3_stmt *statement = NULL;
  side->deadline_ms = clock_boot_ms() + STORE_AUDIT_MS;
  if (!side_read(side, error))
    return false;
  int code = sqlite3_prepare_v2(side->reader, sql, -1, &statement, NULL);
  bool ok = true;
  if (code == SQLITE_OK) {
    audit_bind(statement, query);
    while (ok && (code = sqlite3_step(statement)) == SQLITE_ROW)
      ok = audit_row(statement, row, data, error);
  }
  if (ok && (code == SQLITE_INTERRUPT || code == SQLITE_BUSY)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT,
                "the question took longer than %d s; ask for less, with since or a limit",
                STORE_AUDIT_MS / 1000);
    ok = false;
  } else if (ok && code != SQLITE_DONE) {
    ok = side_fail(side, error);
  }
  sqlite3_finalize(statement);
  return ok;
}

/* ---- the log ---- */

/* Passive: no writer waits for it. Under commits without a pause it never comes to the end; then
 * the little that is left is folded with the writer held back, which waits for readers for a moment
 * only. */
void sqlite_maintain(StoreSide *base)
{
  SqliteSide *side = (SqliteSide *)base;
  struct stat status;
  if (stat(side->log, &status) != 0 || status.st_size < SIDE_LOG_BYTES)
    return;
  bool fresh = !side->folder;
  /* which finds the log */
  if (fresh &&
      (sqlite3_open_v2(side->path, &side->folder, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                       NULL) != SQLITE_OK ||
       sqlite3_exec(side->folder, "PRAGMA schema_version", NULL, NULL, NULL) != SQLITE_OK)) {
    g_clear_pointer(&side->folder, sqlite3_close);
    return;
  }
  sqlite3_wal_checkpoint_v2(side->folder, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  sqlite3_busy_timeout(side->folder, SIDE_FOLD_MS);
  if (status.st_size >= SIDE_LOG_LARGE)
    sqlite3_wal_checkpoint_v2(side->folder, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/* ---- backups ---- */

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

bool sqlite_look(const char *path, bool thorough, StoreFacts *facts, sqlite3 **db, GError **error)
{
  *db = NULL;
  if (sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
    return look_fail(*db, path, error);
  sqlite3_busy_timeout(*db, LOOK_BUSY_MS);
  if (look_number(*db, "PRAGMA application_id") != SQLITE_APPLICATION_ID) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "database '%s' is no store of Reeve",
                path);
    return false;
  }
  if (thorough && !look_is_whole(*db, path, error))
    return false;
  facts->schema = look_number(*db, "PRAGMA user_version");
  facts->term =
      MAX(1, look_number(*db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key='term'"));
  facts->next_id =
      MAX(1, look_number(*db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key='next_id'"));
  facts->deployments = MAX(0, look_number(*db, "SELECT count(*) FROM deployments"));
  facts->secrets = MAX(0, look_number(*db, "SELECT count(*) FROM secrets"));
  return true;
}

bool sqlite_backup(StoreSide *base, const char *file, StoreFacts *facts, GError **error)
{
  const char *source = ((SqliteSide *)base)->path;
  sqlite3 *db = NULL, *copy = NULL;
  if (access(source, R_OK) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "back up '%s': %s", source,
                g_strerror(errno));
    return false;
  }
  bool ok = sqlite_look(source, false, facts, &db, error);
  char *sql = sqlite3_mprintf("VACUUM INTO %Q", file);
  if (ok && sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
    int code = sqlite3_errcode(db);
    g_set_error(error, REEVE_ERROR,
                code == SQLITE_FULL ? REEVE_ERROR_STORE_FULL : REEVE_ERROR_STORE_FAILED,
                "copy database to '%s': %s", file, sqlite3_errmsg(db));
    ok = false;
  }
  sqlite3_free(sql);
  sqlite3_close(db);
  /* what the copy holds is what is told of it */
  ok = ok && chmod(file, 0600) == 0 && sqlite_look(file, true, facts, &copy, error);
  sqlite3_close(copy);
  return ok;
}
