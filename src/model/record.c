/* The schema of the store and the records that fill it; see record.h. */
#include "model/record.h"

#define TYPE_ID     COLUMN_TEXT
#define TYPE_NEEDED COLUMN_TEXT
#define TYPE_TEXT   COLUMN_TEXT
#define TYPE_SHARED COLUMN_TEXT
#define TYPE_WORD   COLUMN_TEXT
#define TYPE_OWNER  COLUMN_TEXT
#define TYPE_OTHER  COLUMN_TEXT
#define TYPE_INT    COLUMN_INT

#define COLUMN_SPEC(T, column, label, KIND, ...) [column] = {label, TYPE_##KIND},
#define COLUMN_ONE(...)                          +1
#define TABLE_SPEC(TABLE, label, Type, ...)                       \
  [TABLE_##TABLE] = {.name = label,                               \
                     .n_columns = TABLE##_COLUMNS(COLUMN_ONE, ),  \
                     .columns = {TABLE##_COLUMNS(COLUMN_SPEC, )}, \
                     __VA_ARGS__},

const TableSpec table_specs[TABLE_N] = {TABLES(TABLE_SPEC)};

static size_t record_size(TableId table)
{
  return sizeof(Record) + (size_t)table_specs[table].n_columns * sizeof(Value);
}

/* The text in @column; NULL for numbers. */
static char *record_owned(const Record *record, int column)
{
  bool text = table_specs[record->table].columns[column].type == COLUMN_TEXT;
  return text ? record->values[column].text : NULL;
}

Record *record_new(TableId table)
{
  Record *record = g_malloc0(record_size(table));
  record->table = table;
  return record;
}

Record *record_copy(const Record *record)
{
  Record *copy = g_memdup2(record, record_size(record->table));
  for (int i = 0; i < table_specs[copy->table].n_columns; i++)
    if (record_owned(copy, i))
      g_ref_string_acquire(copy->values[i].text);
  return copy;
}

void record_free(Record *record)
{
  if (!record)
    return;
  for (int i = 0; i < table_specs[record->table].n_columns; i++)
    if (record_owned(record, i))
      g_ref_string_release(record->values[i].text);
  g_free(record);
}

static Value *record_slot(Record *record, int column, ColumnType type)
{
  const TableSpec *spec = &table_specs[record->table];
  g_assert(column >= 0 && column < spec->n_columns && spec->columns[column].type == type);
  return &record->values[column];
}

void record_int(Record *record, int column, int64_t number)
{
  record_slot(record, column, COLUMN_INT)->number = number;
}

/* Takes @ref_string. */
static void record_set(Record *record, int column, char *ref_string)
{
  Value *value = record_slot(record, column, COLUMN_TEXT);
  if (value->text)
    g_ref_string_release(value->text);
  value->text = ref_string;
}

void record_ref(Record *record, int column, char *ref_string)
{
  record_set(record, column, ref_string ? g_ref_string_acquire(ref_string) : NULL);
}

void record_text(Record *record, int column, const char *text)
{
  record_set(record, column, text ? g_ref_string_new(text) : NULL);
}

size_t record_bytes(const Record *record)
{
  size_t bytes = 64; /* numbers and keys on disk, about */
  for (int i = 0; i < table_specs[record->table].n_columns; i++)
    if (record_owned(record, i))
      bytes += g_ref_string_length(record->values[i].text);
  return bytes;
}
