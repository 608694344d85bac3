/* What is stored of each object, and what is read of it: the lines of model/tables.h as rows that
 * say where a column stands in its object. A line whose kind does not suit its member does not
 * compile. */
#include "core/rows.h"

#include "base/error.h"
#include "core/build.h"
#include "core/state.h"

#include <stddef.h>

enum { OTHER_BYTES = 32 };

typedef enum RowKind {
  KIND_ID,
  KIND_NEEDED,
  KIND_TEXT,
  KIND_SHARED,
  KIND_INT,
  KIND_INT64,
  KIND_BOOL,
  KIND_WORD,
  KIND_OWNER,
  KIND_OTHER
} RowKind;

typedef struct Row {
  RowKind kind;
  size_t offset;                                   /* of the member in its object */
  const Words *words;                              /* KIND_WORD */
  void *(*find)(const Core *core, const char *id); /* KIND_OWNER; NULL = none */
  const char *(*write)(const void *object, char buffer[OTHER_BYTES]); /* KIND_OTHER */
  bool (*read)(void *object, const char *text);                       /* false: no such word */
} Row;

/* ---- columns of their own ---- */

/* For people who look into the database: the core knows the last one by its id. */
static const char *row_write_last_rollout(const void *object, char *buffer)
{
  const Deployment *deployment = object;
  return deployment->rollout ? deployment->rollout->id : NULL;
}

static bool row_read_last_rollout(void *object, const char *text)
{
  return true;
}

static const char *row_write_told(const void *object, char *buffer)
{
  return ((const Deployment *)object)->told;
}

static bool row_read_told(void *object, const char *text)
{
  ((Deployment *)object)->told = notice_told(text);
  return true;
}

/* Which one it is its maker knows. */
static const char *row_write_node(const void *object, char *buffer)
{
  const NodeObject *node = ((const Instance *)object)->node;
  return node ? node->id : NULL;
}

static bool row_read_node(void *object, const char *text)
{
  return true;
}

static const char *row_write_outcome(const void *object, char *buffer)
{
  return ((const Instance *)object)->outcome;
}

static bool row_read_outcome(void *object, const char *text)
{
  int state = text ? instance_state_parse(text) : -1;
  ((Instance *)object)->outcome = state < 0 ? NULL : instance_state_word((InstanceState)state);
  return !text || state >= 0;
}

static const char *row_write_desired(const void *object, char *buffer)
{
  return ((const Instance *)object)->desired_running ? "running" : "stopped";
}

static bool row_read_desired(void *object, const char *text)
{
  ((Instance *)object)->desired_running = g_strcmp0(text, "running") == 0;
  return true;
}

/* "code/signal"; NULL = it has not ended yet. */
static const char *row_write_last_exit(const void *object, char *buffer)
{
  ExitStatus status = ((const Instance *)object)->last_exit;
  if (status.code < 0 && status.signal == 0)
    return NULL;
  g_snprintf(buffer, OTHER_BYTES, "%d/%d", status.code, status.signal);
  return buffer;
}

/* A number of few digits, as strtol reads it but cheaper: each slot has two. */
static int row_small(const char **text)
{
  bool negative = **text == '-';
  int number = 0;
  for (*text += negative; g_ascii_isdigit(**text) && number < 100000; (*text)++)
    number = number * 10 + (**text - '0');
  return negative ? -number : number;
}

static bool row_read_last_exit(void *object, const char *text)
{
  ExitStatus *status = &((Instance *)object)->last_exit;
  *status = (ExitStatus){.code = -1};
  if (!text)
    return true;
  status->code = row_small(&text);
  if (*text++ == '/')
    status->signal = row_small(&text);
  return true;
}

/* ---- owners ---- */

static void *row_find_deployment(const Core *core, const char *id)
{
  return core_find(core, id);
}

static void *row_find_instance(const Core *core, const char *id)
{
  return core_find_instance(core, id);
}

static void *row_find_schedule(const Core *core, const char *id)
{
  return core_loaded_schedule(core, id);
}

/* ---- the rows ---- */

/* What a member must be for its kind, else there is no row of it. */
#define MEMBER(T, member) &((T *)0)->member
#define TEXT_AT(T, member) \
  _Generic(MEMBER(T, member), char ** : offsetof(T, member), const char ** : offsetof(T, member))
#define ID_AT(T, member) _Generic(MEMBER(T, member), char(*)[ID_BYTES] : offsetof(T, member))
#define NUMBER(T, member) \
  _Generic(MEMBER(T, member), int * : KIND_INT, int64_t * : KIND_INT64, bool * : KIND_BOOL)
/* clang-format off */
#define WORDS(T, member) \
  _Generic(MEMBER(T, member), \
           DeploymentStatus *: &deployment_status_words, \
           RolloutOutcome *: &rollout_outcome_words, \
           RolloutKind *: &rollout_kind_words, \
           RolloutPhase *: &rollout_phase_words, \
           InstanceStep *: &instance_step_words, \
           Role *: &role_words)
/* clang-format on */

/* The row of a line of each kind. */
#define ROW_ID(T, member)     .kind = KIND_ID, .offset = ID_AT(T, member)
#define ROW_NEEDED(T, member) .kind = KIND_NEEDED, .offset = TEXT_AT(T, member)
#define ROW_TEXT(T, member)   .kind = KIND_TEXT, .offset = TEXT_AT(T, member)
#define ROW_SHARED(T, member) .kind = KIND_SHARED, .offset = TEXT_AT(T, member)
#define ROW_INT(T, member)    .kind = NUMBER(T, member), .offset = offsetof(T, member)
#define ROW_WORD(T, member) \
  .kind = KIND_WORD, .words = WORDS(T, member), .offset = offsetof(T, member)
#define ROW_OWNER(T, noun) .kind = KIND_OWNER, .find = row_find_##noun
#define ROW_OTHER(T, noun) .kind = KIND_OTHER, .write = row_write_##noun, .read = row_read_##noun

#define ROW(T, column, label, KIND, ...) [column] = {ROW_##KIND(T, __VA_ARGS__)},
#define TABLE_ROWS(TABLE, label, T, ...) [TABLE_##TABLE] = {TABLE##_COLUMNS(ROW, T)},

static const Row rows[TABLE_N][RECORD_COLUMNS_MAX] = {TABLES(TABLE_ROWS)};

/* The columns that must have something, a bit each. */
#define NEEDS_ID     1u
#define NEEDS_NEEDED 1u
#define NEEDS_OWNER  1u
#define NEEDS_TEXT   0u
#define NEEDS_SHARED 0u
#define NEEDS_INT    0u
#define NEEDS_WORD   0u
#define NEEDS_OTHER  0u

#define NEEDS(T, column, label, KIND, ...) | NEEDS_##KIND << (column)
#define TABLE_NEEDS(TABLE, ...)            [TABLE_##TABLE] = 0u TABLE##_COLUMNS(NEEDS, ),

static const uint32_t rows_needed[TABLE_N] = {TABLES(TABLE_NEEDS)};

static int64_t row_number(const Row *row, const void *at)
{
  return row->kind == KIND_INT     ? *(const int *)at
         : row->kind == KIND_INT64 ? *(const int64_t *)at
                                   : *(const bool *)at;
}

static const char *row_text(const Row *row, const void *object, const char *owner, char *buffer)
{
  const void *at = (const char *)object + row->offset;
  switch (row->kind) {
  case KIND_ID:
    return at;
  case KIND_WORD:
    return words_at(row->words, (int)*(const unsigned *)at);
  case KIND_OWNER:
    return owner;
  case KIND_OTHER:
    return row->write(object, buffer);
  default:
    return *(char *const *)at;
  }
}

Record *row_write(TableId table, const void *object, const char *owner)
{
  Record *record = record_new(table);
  char buffer[OTHER_BYTES];
  for (int i = 0; i < table_specs[table].n_columns; i++) {
    const Row *row = &rows[table][i];
    const void *at = (const char *)object + row->offset;
    if (table_specs[table].columns[i].type == COLUMN_INT)
      record_int(record, i, row_number(row, at));
    else if (row->kind == KIND_SHARED)
      record_ref(record, i, *(char *const *)at);
    else
      record_text(record, i, row_text(row, object, owner, buffer));
  }
  return record;
}

bool row_bad(GError **error, TableId table, int column, const char *what)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED, "column '%s': %s",
              table_specs[table].columns[column].name, what);
  return false;
}

bool row_check(const Core *core, TableId table, const Value *values, void **owner, GError **error)
{
  *owner = NULL;
  for (uint32_t left = rows_needed[table]; left; left &= left - 1) {
    int i = __builtin_ctz(left);
    const Row *row = &rows[table][i];
    if (!values[i].text)
      return row_bad(error, table, i, "nothing is stored");
    if (row->kind != KIND_OWNER)
      continue;
    *owner = row->find(core, values[i].text);
    if (!*owner) {
      g_autofree char *what = g_strdup_printf("there is no '%s'", values[i].text);
      return row_bad(error, table, i, what);
    }
  }
  return true;
}

static void row_read_number(const Row *row, int64_t number, void *at)
{
  if (row->kind == KIND_INT)
    *(int *)at = (int)number;
  else if (row->kind == KIND_INT64)
    *(int64_t *)at = number;
  else
    *(bool *)at = number != 0;
}

/* False: no such word. */
static bool row_read_text(const Row *row, const char *text, void *object)
{
  void *at = (char *)object + row->offset;
  char **member = at;
  int word = row->kind == KIND_WORD ? words_find(row->words, text) : 0;
  switch (row->kind) {
  case KIND_ID:
    g_strlcpy(at, text, ID_BYTES);
    break;
  case KIND_WORD:
    *(unsigned *)at = (unsigned)MAX(word, 0);
    break;
  case KIND_SHARED:
    *member = g_ref_string_new(text ? text : "");
    break;
  case KIND_OWNER:
    break; /* its maker knows */
  case KIND_OTHER:
    return row->read(object, text);
  default: /* what its maker gave it stays */
    *member = *member ? *member : g_strdup(text);
  }
  return word >= 0;
}

bool row_read(TableId table, const Value *values, void *object, GError **error)
{
  for (int i = 0; i < table_specs[table].n_columns; i++) {
    const Row *row = &rows[table][i];
    if (table_specs[table].columns[i].type == COLUMN_INT)
      row_read_number(row, values[i].number, (char *)object + row->offset);
    else if (!row_read_text(row, values[i].text, object)) {
      g_autofree char *what =
          g_strdup_printf("unknown word '%s'", values[i].text ? values[i].text : "");
      return row_bad(error, table, i, what);
    }
  }
  return true;
}
