/* Every column of every table is read into its object and written from it again; what must be there
 * and is not is told by table, row and column. */
#include "base/error.h"
#include "core/objects.h"

#include <stdlib.h>
#include <string.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A row of each table that is loaded, in load order, no column at what an object has by itself:
 * what is not read, or not written, would be missed. */
static const struct {
  TableId table;
  const char *values[RECORD_COLUMNS_MAX];
} samples[] = {
    {TABLE_META, {"next_id", "77"}},
    {TABLE_NODES, {"local", "here", "boot", "15", "1015"}},
    {TABLE_DEPLOYMENTS,
     {"dep_000001", "desk", "failed", "3", "rol_000005", "1001", "1002", "why", "cancelled",
      "degraded"}},
    {TABLE_REVISIONS,
     {"rev_000002", "dep_000001", "3", "job.yaml", "name: desk", "no job", "1003", "uid:1",
      "deploy"}},
    {TABLE_INSTANCES,
     {"ins_000004", "dep_000001", "web", "1", "local", "4294967297", "12", "3", "running", "ready",
      "2", "8101", "failed", "exit", "3/9", "1004", "1005", "5", "13"}},
    {TABLE_ROLLOUTS,
     {"rol_000005", "dep_000001", "update", "done", "2", "6", "7", "failed", "late", "1006", "1007",
      "1008", "1009", "uid:2", "ins_000004", "cancelled", "web", "1"}},
    {TABLE_SCHEDULES, {"sch_000006", "dep_000001", "web", "1010", "1011", "daily"}},
    {TABLE_SCHEDULE_RUNS,
     {"srn_000007", "sch_000006", "1012", "1013", "1014", "failed", "late", "14", "schedule"}},
    {TABLE_TOKENS, {"tok_000008", "ci", "operator", HASH, "1016", "1017", "uid:3"}},
    {TABLE_SECRETS, {"key", "sealed", "16", "1018", "1019", "uid:4"}},
    {TABLE_NOTICES,
     {"ntc_000009", "desk", "https://example.org", "failed", "{}", "1020", "3", "1021"}},
    {TABLE_REGISTRATIONS, {"ins_000004", "12", "{}", "1022", "1", "2"}},
};

static Value value_of(TableId table, int column, const char *text)
{
  return table_specs[table].columns[column].type == COLUMN_INT
             ? (Value){.number = text ? strtoll(text, NULL, 10) : 0}
             : (Value){.text = (char *)(uintptr_t)text};
}

/* Loads the samples until one is refused; @table and @column: of the value that is @text instead,
 * column -1 = none. */
static Core *load_samples(TableId table, int column, const char *text, GError **error)
{
  g_autoptr(Core) core = core_new(NULL);
  g_autoptr(Effects) effects = effects_new();
  for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
    TableId own = samples[i].table;
    Value values[RECORD_COLUMNS_MAX] = {0};
    for (int k = 0; k < table_specs[own].n_columns; k++)
      values[k] = value_of(own, k, own == table && k == column ? text : samples[i].values[k]);
    if (!core_load_row(core, own, values, error))
      return NULL;
  }
  core_load_done(core, (Now){.boot_ms = 1000, .wall_ms = 1700000000000}, effects);
  g_assert_cmpuint(effects->records->len, ==, 0);
  return g_steal_pointer(&core);
}

static gint line_compare(gconstpointer a, gconstpointer b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *samples_dump(void)
{
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
    const TableSpec *spec = &table_specs[samples[i].table];
    GString *line = g_string_new(spec->name);
    for (int k = 0; k < spec->n_columns; k++) {
      const char *text = samples[i].values[k], *quote = "";
      if (!text || strcmp(text, "0") == 0)
        g_error("table '%s': the sample has nothing for column '%s'", spec->name,
                spec->columns[k].name);
      if (spec->columns[k].type == COLUMN_TEXT)
        quote = "\"";
      g_string_append_printf(line, " %s=%s%s%s", spec->columns[k].name, quote, text, quote);
    }
    g_ptr_array_add(lines, g_string_free(line, FALSE));
  }
  g_ptr_array_sort(lines, line_compare);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("\n", (char **)lines->pdata);
}

static void test_every_column(void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(Core) core = load_samples(TABLE_N, -1, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *is = core_dump(core), *should = samples_dump();
  g_assert_cmpstr(is, ==, should);
  int loaded = 0;
  for (int table = 0; table < TABLE_N; table++)
    loaded += !table_specs[table].history;
  g_assert_cmpint((int)G_N_ELEMENTS(samples), ==, loaded);
}

static void test_refused(void)
{
  static const struct {
    TableId table;
    int column;
    const char *text, *message;
  } cases[] = {
      {TABLE_INSTANCES, INS_STEP, "asleep",
       "stored row 'ins_000004' of 'instances', column 'step': unknown word 'asleep'"},
      {TABLE_INSTANCES, INS_OUTCOME, "asleep",
       "stored row 'ins_000004' of 'instances', column 'outcome': unknown word 'asleep'"},
      {TABLE_ROLLOUTS, ROL_VERDICT, NULL,
       "stored row 'rol_000005' of 'rollouts', column 'verdict': unknown word ''"},
      {TABLE_REVISIONS, REV_DEPLOYMENT, "dep_00000x",
       "stored row 'rev_000002' of 'revisions', column 'deployment': there is no 'dep_00000x'"},
      {TABLE_SCHEDULE_RUNS, RUN_SCHEDULE, "dep_000001",
       "stored row 'srn_000007' of 'schedule_runs', column 'schedule': there is no 'dep_000001'"},
      {TABLE_REGISTRATIONS, REG_INSTANCE, "ins_00000x",
       "stored row 'ins_00000x' of 'registrations', column 'instance': there is no 'ins_00000x'"},
      {TABLE_INSTANCES, INS_DEPLOYMENT, NULL,
       "stored row 'ins_000004' of 'instances', column 'deployment': nothing is stored"},
      {TABLE_NOTICES, NTC_BODY, NULL,
       "stored row 'ntc_000009' of 'notices', column 'body': nothing is stored"},
      {TABLE_SECRETS, SEC_NAME, NULL,
       "stored row '?' of 'secrets', column 'name': nothing is stored"},
      {TABLE_TOKENS, TOK_ID, NULL, "stored row '?' of 'tokens', column 'id': nothing is stored"},
      {TABLE_TOKENS, TOK_ROLE, "public",
       "stored row 'tok_000008' of 'tokens', column 'role': no role of a token"},
      {TABLE_TOKENS, TOK_HASH, "0123",
       "stored row 'tok_000008' of 'tokens', column 'hash': not 64 digits"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(load_samples(cases[i].table, cases[i].column, cases[i].text, &error));
    g_assert_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
    g_assert_cmpstr(error->message, ==, cases[i].message);
  }
}

/* What an older release left out, or wrote otherwise. */
static void test_older(void)
{
  static const struct {
    TableId table;
    int column;
    const char *text, *dumped;
  } cases[] = {
      {TABLE_INSTANCES, INS_EXIT, NULL, " exit= "},
      {TABLE_INSTANCES, INS_DESIRED, NULL, " desired=\"stopped\" "},
      {TABLE_INSTANCES, INS_SECRETS, NULL, " secrets=0"},
      {TABLE_REVISIONS, REV_JOB, NULL, " job=\"\" "},
      {TABLE_DEPLOYMENTS, DEP_TOLD, "recovered", " told=\n"},
      {TABLE_SCHEDULES, SCH_QUEUED, "1", " queued=1010 "},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Core) core = load_samples(cases[i].table, cases[i].column, cases[i].text, &error);
    g_assert_no_error(error);
    g_autofree char *dump = core_dump(core);
    if (!strstr(dump, cases[i].dumped))
      g_error("'%s' is not in:\n%s", cases[i].dumped, dump);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/rows/every-column", test_every_column);
  g_test_add_func("/rows/refused", test_refused);
  g_test_add_func("/rows/older", test_older);
  return g_test_run();
}
