/* Every stored object as its row; core_dump prints the same rows. What stands in them:
 * model/tables.h. */
#include "core/records.h"

#include "base/json.h"
#include "core/rows.h"
#include "core/state.h"

#include <string.h>

/* One for each noun, so that only an object of the type that the table is made of gets there. */
#define RECORD_OF(noun, Type, TABLE, owner)       \
  Record *record_of_##noun(const Type *noun)      \
  {                                               \
    return row_write(TABLE_##TABLE, noun, owner); \
  }

RECORD_OF(meta, MetaEntry, META, NULL)
RECORD_OF(deployment, Deployment, DEPLOYMENTS, NULL)
RECORD_OF(instance, Instance, INSTANCES, instance->deployment->id)
RECORD_OF(rollout, Rollout, ROLLOUTS, rollout->deployment->id)
RECORD_OF(schedule, Schedule, SCHEDULES, schedule->deployment->id)
RECORD_OF(schedule_run, ScheduleRun, SCHEDULE_RUNS, schedule_run->schedule->id)
RECORD_OF(node, NodeObject, NODES, NULL)
RECORD_OF(token, Token, TOKENS, NULL)
RECORD_OF(secret, Secret, SECRETS, NULL)
RECORD_OF(notice, Notice, NOTICES, NULL)
RECORD_OF(audit, AuditEntry, AUDIT, NULL)

Record *record_of_revision(const Deployment *deployment, const Revision *revision)
{
  return row_write(TABLE_REVISIONS, revision, deployment->id);
}

Record *record_of_registration(const Instance *instance)
{
  return row_write(TABLE_REGISTRATIONS, instance->registration, instance->id);
}

/* ---- all of them as text ---- */

static void dump_line(GPtrArray *lines, Record *record)
{
  const TableSpec *spec = &table_specs[record->table];
  GString *line = g_string_new(spec->name);
  for (int i = 0; i < spec->n_columns; i++) {
    const Value *value = &record->values[i];
    g_string_append_printf(line, " %s=", spec->columns[i].name);
    if (spec->columns[i].type == COLUMN_INT)
      g_string_append_printf(line, "%" G_GINT64_FORMAT, value->number);
    else if (value->text)
      jw_quote(line, value->text, g_ref_string_length(value->text));
  }
  record_free(record);
  g_ptr_array_add(lines, g_string_free(line, FALSE));
}

static gint dump_compare(gconstpointer a, gconstpointer b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

char *core_dump(const Core *core)
{
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *next = g_strdup_printf("%" G_GUINT64_FORMAT, core_block_end(core));
  dump_line(lines, record_of_meta(&(MetaEntry){"next_id", next}));
  for (guint i = 0; i < core_deployments(core)->len; i++) {
    const Deployment *deployment = core_deployments(core)->pdata[i];
    dump_line(lines, record_of_deployment(deployment));
    for (guint k = 0; k < deployment->revisions->len; k++)
      dump_line(lines, record_of_revision(deployment, deployment->revisions->pdata[k]));
    for (guint k = 0; k < deployment->instances->len; k++) {
      const Instance *instance = deployment->instances->pdata[k];
      dump_line(lines, record_of_instance(instance));
      if (instance->registration)
        dump_line(lines, record_of_registration(instance));
    }
    for (guint k = 0; k < deployment->rollouts->len; k++)
      dump_line(lines, record_of_rollout(deployment->rollouts->pdata[k]));
    for (guint k = 0; k < deployment->schedules->len; k++) {
      const Schedule *schedule = deployment->schedules->pdata[k];
      dump_line(lines, record_of_schedule(schedule));
      for (guint r = 0; r < schedule->runs->len; r++)
        dump_line(lines, record_of_schedule_run(schedule->runs->pdata[r]));
    }
  }
  for (guint i = 0; i < core_nodes(core)->len; i++)
    dump_line(lines, record_of_node(core_nodes(core)->pdata[i]));
  for (guint i = 0; i < core_tokens(core)->len; i++)
    dump_line(lines, record_of_token(core_tokens(core)->pdata[i]));
  for (guint i = 0; i < core_secrets(core)->len; i++)
    dump_line(lines, record_of_secret(core_secrets(core)->pdata[i]));
  for (guint i = 0; i < core_notices(core)->len; i++)
    dump_line(lines, record_of_notice(core_notices(core)->pdata[i]));
  g_ptr_array_sort(lines, dump_compare);
  g_ptr_array_add(lines, NULL);
  return g_strjoinv("\n", (char **)lines->pdata);
}
