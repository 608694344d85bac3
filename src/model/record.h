#pragma once
/* Rows of the store. The core emits Records; a store writes them as they come and gives the rows
 * back at start. Which tables and columns there are: model/tables.h. */
#include "model/tables.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { RECORD_COLUMNS_MAX = 20, STORE_SCHEMA_VERSION = 5 };

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

/* TABLE_META ..., in load order (parents first). */
#define TABLE_ITEM(TABLE, ...) TABLE_##TABLE,
typedef enum TableId { TABLES(TABLE_ITEM) TABLE_N } TableId;

/* The columns of each table, so that no code counts positions: INS_ID, INS_DEPLOYMENT ... */
#define COLUMN_ITEM(T, column, ...)    column,
#define TABLE_COLUMN_ITEMS(TABLE, ...) enum { TABLE##_COLUMNS(COLUMN_ITEM, ) };
TABLES(TABLE_COLUMN_ITEMS)

/* The schema: table_specs[TABLE_X].name etc. Defined in record.c. */
extern const TableSpec table_specs[TABLE_N];

/* One value; the type of its column says which. */
typedef union Value {
  int64_t number; /* COLUMN_INT; SQL NULL is 0 */
  /* COLUMN_TEXT; NULL = SQL NULL. In a Record: owned (GRefString, so big payloads are shared, never
   * copied); in a load callback: borrowed plain C text */
  char *text;
} Value;

typedef struct Record {
  TableId table;
  bool deleted;   /* remove the row with values[0]; other values unset */
  Value values[]; /* as many as @table has columns */
} Record;

/* Makes an empty row of @table; set values with record_int / record_text, which assert the column's
 * type. */
Record *record_new(TableId table);
/* The same row once more; texts are shared. */
Record *record_copy(const Record *record);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)
void record_int(Record *record, int column, int64_t number);
void record_text(Record *record, int column, const char *text); /* copied; NULL = SQL NULL */
void record_ref(Record *record, int column, char *ref_string);  /* shares a GRefString */
/* Approximate size in bytes, for the bound of the open batch. */
size_t record_bytes(const Record *record);
