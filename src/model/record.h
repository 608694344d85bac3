#pragma once
/* What the store keeps: rows of tables, described once here. The core emits Records; a store writes
 * them as they come and gives the rows back at start. Adding a column: append it with a default,
 * raise STORE_SCHEMA_VERSION, add a migration (src/store/migrations.c). */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { RECORD_COLUMNS_MAX = 20, STORE_SCHEMA_VERSION = 4 };

typedef enum ColumnType { COLUMN_INT, COLUMN_TEXT } ColumnType;

/* The first column is the primary key. Every table is loaded at start except those with @history:
 * they grow, and are queried. */
typedef struct TableSpec {
  const char *name;
  int n_columns;
  struct {
    const char *name;
    ColumnType type;
  } columns[RECORD_COLUMNS_MAX];
  bool history;
  const char *index; /* column to index, or NULL */
} TableSpec;

typedef enum TableId {
  TABLE_META,
  TABLE_DEPLOYMENTS,
  TABLE_REVISIONS,
  TABLE_INSTANCES,
  TABLE_ROLLOUTS,
  TABLE_SCHEDULES,
  TABLE_SCHEDULE_RUNS,
  TABLE_NODES,
  TABLE_TOKENS,
  TABLE_SECRETS,
  TABLE_NOTICES,
  TABLE_REGISTRATIONS,
  TABLE_AUDIT,
  TABLE_N
} TableId;

/* The schema, in load order (parents first); table_specs[TABLE_X].name etc. Defined in record.c. */
extern const TableSpec table_specs[TABLE_N];

/* One value: text == NULL and !is_int is SQL NULL. */
typedef struct Value {
  bool is_int;
  int64_t number;
  /* in a Record: owned (GRefString, so big payloads are shared, never copied); in a load callback:
   * borrowed plain C text */
  char *text;
} Value;

typedef struct Record {
  TableId table;
  bool deleted;                     /* remove the row with values[0]; other values unset */
  Value values[RECORD_COLUMNS_MAX]; /* n_columns of them */
} Record;

/* Makes an empty row of @table; set values with record_int / record_text, which assert the column's
 * type. */
Record *record_new(TableId table);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)
void record_int(Record *record, int column, int64_t number);
void record_text(Record *record, int column, const char *text); /* copied; NULL = SQL NULL */
void record_ref(Record *record, int column, char *ref_string);  /* shares a GRefString */
/* Approximate size in bytes, for the bound of the open batch. */
size_t record_bytes(const Record *record);

/* Columns by name, so that no code counts positions. Order = table_specs. */
enum { META_KEY, META_VALUE };
enum {
  DEP_ID,
  DEP_NAME,
  DEP_STATUS,
  DEP_REVISION,
  DEP_ROLLOUT,
  DEP_CREATED_AT,
  DEP_UPDATED_AT,
  DEP_REASON,
  DEP_OUTCOME,
  DEP_TOLD
};
enum {
  REV_ID,
  REV_DEPLOYMENT,
  REV_NUMBER,
  REV_SOURCE_NAME,
  REV_SOURCE,
  REV_JOB,
  REV_CREATED_AT,
  REV_ACTOR,
  REV_CAUSE
};
enum {
  INS_ID,
  INS_DEPLOYMENT,
  INS_AGENT,
  INS_REPLICA,
  INS_NODE,
  INS_EPOCH,
  INS_GENERATION,
  INS_REVISION,
  INS_DESIRED,
  INS_STEP,
  INS_STAGE,
  INS_PORT,
  INS_OUTCOME,
  INS_REASON,
  INS_EXIT,
  INS_CREATED_AT,
  INS_ENDED_AT,
  INS_TARGET,
  INS_SECRETS
};
enum {
  ROL_ID,
  ROL_DEPLOYMENT,
  ROL_KIND,
  ROL_PHASE,
  ROL_STAGE,
  ROL_FROM,
  ROL_TO,
  ROL_OUTCOME,
  ROL_CAUSE,
  ROL_STARTED_AT,
  ROL_STAGE_AT,
  ROL_DURATION,
  ROL_ENDED_AT,
  ROL_ACTOR,
  ROL_FAILED,
  ROL_VERDICT,
  ROL_AGENT,
  ROL_ROLLING
};
enum {
  SCH_ID,
  SCH_DEPLOYMENT,
  SCH_AGENT,
  SCH_HANDLED_AT,
  SCH_QUEUED /* when the run that waits was due; 0 = none */,
  SCH_SPEC
};
enum {
  RUN_ID,
  RUN_SCHEDULE,
  RUN_DUE_AT,
  RUN_STARTED_AT,
  RUN_ENDED_AT,
  RUN_OUTCOME,
  RUN_REASON,
  RUN_GENERATION,
  RUN_ACTOR
};
enum { NOD_ID, NOD_NAME, NOD_BOOT_ID, NOD_EPOCH_SEEN, NOD_CREATED_AT };
enum { TOK_ID, TOK_NAME, TOK_ROLE, TOK_HASH, TOK_CREATED_AT, TOK_EXPIRES_AT, TOK_ACTOR };
enum { SEC_NAME, SEC_SEALED, SEC_VERSION, SEC_CREATED_AT, SEC_UPDATED_AT, SEC_ACTOR };
enum {
  NTC_ID,
  NTC_DEPLOYMENT,
  NTC_URL,
  NTC_EVENT,
  NTC_BODY,
  NTC_CREATED_AT,
  NTC_TRIES,
  NTC_NEXT_AT
};
enum { REG_INSTANCE, REG_GENERATION, REG_SAID, REG_SAID_AT, REG_HIDDEN, REG_ATTEMPT };
enum { AUD_ID, AUD_AT, AUD_ACTOR, AUD_ACTION, AUD_OBJECT, AUD_DETAIL };
