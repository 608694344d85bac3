/* The steps from one schema to the next; see migrations.h. Version 1 is the first; an empty
 * database gets the newest whole from the table specs, so a step must end at the same columns in
 * the same order. */
#include "store/migrations.h"

#include <glib.h>

#define SQL_TABLE(name, columns, index)                                              \
  "CREATE TABLE " name " (id TEXT PRIMARY KEY NOT NULL, " columns ") WITHOUT ROWID;" \
  "CREATE INDEX " name "_" index " ON " name " (" index ");"

#define TOKENS                                                                                                                   \
  "CREATE TABLE tokens (id TEXT PRIMARY KEY NOT NULL, name TEXT, role TEXT, hash TEXT, created_at INTEGER, expires_at INTEGER, " \
  "actor TEXT) WITHOUT ROWID;"
#define SECRETS                                                                                                                  \
  "CREATE TABLE secrets (name TEXT PRIMARY KEY NOT NULL, sealed TEXT, version INTEGER, created_at INTEGER, updated_at INTEGER, " \
  "actor TEXT) WITHOUT ROWID;"

/* 1 -> 2: rolling restarts; schedules and their runs; tokens and secrets. */
static const char step_1[] =
    "ALTER TABLE rollouts ADD COLUMN rolling INTEGER; ALTER TABLE instances ADD COLUMN secrets INTEGER;" /* */
    SQL_TABLE("schedules",
              "deployment TEXT, agent TEXT, handled_at INTEGER, queued INTEGER, spec TEXT",
              "deployment")
        SQL_TABLE(
            "schedule_runs",
            "schedule TEXT, due_at INTEGER, started_at INTEGER, ended_at INTEGER, outcome TEXT, reason TEXT, generation INTEGER, actor TEXT",
            "schedule") TOKENS SECRETS;

/* 2 -> 3: webhooks that have not arrived, and what was told last of a deployment. */
static const char step_2[] =
    "ALTER TABLE deployments ADD COLUMN told TEXT;"
    "CREATE TABLE notices (id TEXT PRIMARY KEY NOT NULL, deployment TEXT, url TEXT, event TEXT, body TEXT, "
    "created_at INTEGER, tries INTEGER, next_at INTEGER) WITHOUT ROWID;";

/* 3 -> 4: what agents told the registry of their deployment. */
static const char step_3[] =
    "CREATE TABLE registrations (instance TEXT PRIMARY KEY NOT NULL, generation INTEGER, said TEXT, said_at INTEGER, "
    "hidden INTEGER, attempt INTEGER) WITHOUT ROWID;";

/* 4 -> 5: which state directory a node was last seen with; what was never read goes. */
static const char step_4[] = "ALTER TABLE nodes DROP COLUMN epoch_seen;"
                             "ALTER TABLE nodes ADD COLUMN incarnation TEXT;";

static const char *const steps[] = {NULL, step_1, step_2, step_3, step_4};

const char *migration_sql(int from_version)
{
  g_assert(from_version > 0 && (size_t)from_version < G_N_ELEMENTS(steps));
  return steps[from_version];
}
