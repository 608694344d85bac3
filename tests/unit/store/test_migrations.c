/* What an older Reeve wrote becomes what this one writes: every released schema is kept here as it
 * was, and migrated. */
#include "base/error.h"
#include "base/fs.h"
#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

/* The schema as version 1 made it, and one row of it. */
static const char schema_1[] =
    "CREATE TABLE audit (id TEXT PRIMARY KEY NOT NULL, at INTEGER, actor TEXT, action TEXT, object TEXT, detail TEXT) WITHOUT"
    " ROWID;"
    "CREATE INDEX audit_at ON audit (at);"
    "CREATE TABLE deployments (id TEXT PRIMARY KEY NOT NULL, name TEXT, status TEXT, revision INTEGER, rollout TEXT, "
    "created_at INTEGER, updated_at INTEGER, reason TEXT, outcome TEXT) WITHOUT ROWID;"
    "CREATE TABLE instances (id TEXT PRIMARY KEY NOT NULL, deployment TEXT, agent TEXT, replica INTEGER, node TEXT, epoch "
    "INTEGER, generation INTEGER, revision INTEGER, desired TEXT, step TEXT, stage INTEGER, port INTEGER, outcome TEXT, "
    "reason TEXT, exit TEXT, created_at INTEGER, ended_at INTEGER, target INTEGER) WITHOUT ROWID;"
    "CREATE INDEX instances_deployment ON instances (deployment);"
    "CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE nodes (id TEXT PRIMARY KEY NOT NULL, name TEXT, boot_id TEXT, epoch_seen INTEGER, created_at INTEGER) "
    "WITHOUT ROWID;"
    "CREATE TABLE revisions (id TEXT PRIMARY KEY NOT NULL, deployment TEXT, number INTEGER, source_name TEXT, source TEXT, "
    "job TEXT, created_at INTEGER, actor TEXT, cause TEXT) WITHOUT ROWID;"
    "CREATE INDEX revisions_deployment ON revisions (deployment);"
    "CREATE TABLE rollouts (id TEXT PRIMARY KEY NOT NULL, deployment TEXT, kind TEXT, phase TEXT, stage INTEGER, "
    "from_revision INTEGER, to_revision INTEGER, outcome TEXT, cause TEXT, started_at INTEGER, stage_at INTEGER, duration "
    "INTEGER, ended_at INTEGER, actor TEXT, failed TEXT, verdict TEXT, agent TEXT) WITHOUT ROWID;"
    "CREATE INDEX rollouts_deployment ON rollouts (deployment);"
    "INSERT INTO meta VALUES ('next_id', '42');"
    "INSERT INTO deployments VALUES ('dep_000001', 'desk', 'running', 1, 'rol_000002', 1000, 2000, NULL, 'succeeded');"
    "PRAGMA application_id=1380271446; PRAGMA user_version=1;";

/* What version 2 had more. */
static const char schema_2[] =
    "ALTER TABLE rollouts ADD COLUMN rolling INTEGER;"
    "ALTER TABLE instances ADD COLUMN secrets INTEGER;"
    "CREATE TABLE schedules (id TEXT PRIMARY KEY NOT NULL, deployment TEXT, agent TEXT, handled_at INTEGER, queued INTEGER, "
    "spec TEXT) WITHOUT ROWID;"
    "CREATE INDEX schedules_deployment ON schedules (deployment);"
    "CREATE TABLE schedule_runs (id TEXT PRIMARY KEY NOT NULL, schedule TEXT, due_at INTEGER, started_at INTEGER, ended_at "
    "INTEGER, outcome TEXT, reason TEXT, generation INTEGER, actor TEXT) WITHOUT ROWID;"
    "CREATE INDEX schedule_runs_schedule ON schedule_runs (schedule);"
    "CREATE TABLE tokens (id TEXT PRIMARY KEY NOT NULL, name TEXT, role TEXT, hash TEXT, created_at INTEGER, expires_at "
    "INTEGER, actor TEXT) WITHOUT ROWID;"
    "CREATE TABLE secrets (name TEXT PRIMARY KEY NOT NULL, sealed TEXT, version INTEGER, created_at INTEGER, updated_at "
    "INTEGER, actor TEXT) WITHOUT ROWID;"
    "PRAGMA user_version=2;";

/* And version 3. */
static const char schema_3[] =
    "ALTER TABLE deployments ADD COLUMN told TEXT;"
    "CREATE TABLE notices (id TEXT PRIMARY KEY NOT NULL, deployment TEXT, url TEXT, event TEXT, body TEXT, "
    "created_at INTEGER, tries INTEGER, next_at INTEGER) WITHOUT ROWID;"
    "PRAGMA user_version=3;";

/* And version 4. */
static const char schema_4[] =
    "CREATE TABLE registrations (instance TEXT PRIMARY KEY NOT NULL, generation INTEGER, said TEXT, said_at INTEGER, "
    "hidden INTEGER, attempt INTEGER) WITHOUT ROWID;"
    "PRAGMA user_version=4;";

static sqlite3 *database(const char *directory)
{
  g_autofree char *path = g_build_filename(directory, "reeve.db", NULL);
  sqlite3 *db = NULL;
  g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
  return db;
}

/* Tables, columns, types and indices, in an order of their own. */
static char *schema_of(const char *directory)
{
  sqlite3 *db = database(directory);
  GString *text = g_string_new(NULL);
  sqlite3_stmt *statement = NULL;
  static const char sql[] =
      "SELECT m.type, m.name, i.cid, i.name, i.type, i.\"notnull\", i.pk FROM sqlite_master m LEFT JOIN "
      "pragma_table_info(m.name) i ORDER BY m.type, m.name, i.cid";
  g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), ==, SQLITE_OK);
  while (sqlite3_step(statement) == SQLITE_ROW) {
    for (int i = 0; i < sqlite3_column_count(statement); i++)
      g_string_append_printf(text, "%s ",
                             sqlite3_column_text(statement, i)
                                 ? (const char *)sqlite3_column_text(statement, i)
                                 : "-");
    g_string_append_c(text, '\n');
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return g_string_free(text, FALSE);
}

static bool count_row(TableId table, const Value *values, void *data, GError **error)
{
  if (table == TABLE_DEPLOYMENTS) {
    g_assert_cmpstr(values[DEP_NAME].text, ==, "desk");
    g_assert_cmpint(values[DEP_UPDATED_AT].number, ==, 2000);
  }
  if (table == TABLE_META && g_str_equal(values[META_KEY].text, "store"))
    g_assert_cmpuint(strlen(values[META_VALUE].text), ==, 32); /* which an older store is given */
  ++*(int *)data;
  return true;
}

/* A store of the version that @more, statements one after the other, brings the first to becomes
 * what a new one is. */
static void test_version(gconstpointer more)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *old = g_dir_make_tmp("reeve-store-XXXXXX", NULL),
                  *fresh = g_dir_make_tmp("reeve-store-XXXXXX", NULL);
  sqlite3 *db = database(old);
  g_assert_cmpint(sqlite3_exec(db, schema_1, NULL, NULL, NULL), ==, SQLITE_OK);
  g_assert_cmpint(sqlite3_exec(db, more, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(db);
  Store *store = store_open(old, &error);
  g_assert_no_error(error);
  int rows = 0;
  g_assert_true(store->driver->load(store, count_row, &rows, &error));
  g_assert_cmpint(rows, ==, 3);
  store_close(store);
  store_close(store_open(fresh, &error));
  g_autofree char *migrated = schema_of(old), *made = schema_of(fresh);
  g_assert_cmpstr(migrated, ==, made);
  g_assert_true(fs_remove_tree(old, NULL) && fs_remove_tree(fresh, NULL));
}

static void test_newer(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *where = g_dir_make_tmp("reeve-store-XXXXXX", NULL);
  store_close(store_open(where, &error));
  sqlite3 *db = database(where);
  g_assert_cmpint(sqlite3_exec(db, "PRAGMA user_version=9999", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close(db);
  g_assert_null(store_open(where, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_INVALID);
  g_assert_nonnull(g_strrstr(error->message, "newer"));
  g_assert_true(fs_remove_tree(where, NULL));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_data_func("/store/migrate/version-1", "", test_version);
  g_test_add_data_func("/store/migrate/version-2", schema_2, test_version);
  g_autofree char *to_3 = g_strconcat(schema_2, schema_3, NULL);
  g_test_add_data_func("/store/migrate/version-3", to_3, test_version);
  g_autofree char *to_4 = g_strconcat(schema_2, schema_3, schema_4, NULL);
  g_test_add_data_func("/store/migrate/version-4", to_4, test_version);
  g_test_add_func("/store/migrate/newer", test_newer);
  return g_test_run();
}
