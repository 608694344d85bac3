/* The schema of the store and the records that fill it; see record.h. */
#include "model/record.h"

#include <string.h>

#define INT(column)    \
  {                    \
    column, COLUMN_INT \
  }
#define TEXT(column)    \
  {                     \
    column, COLUMN_TEXT \
  }

const TableSpec table_specs[TABLE_N] = {
    [TABLE_META] = {.name = "meta",
                    .n_columns = 2,
                    .columns = {[META_KEY] = TEXT("key"), [META_VALUE] = TEXT("value")}},
    [TABLE_DEPLOYMENTS] = {.name = "deployments",
                           .n_columns = 10,
                           .columns = {[DEP_ID] = TEXT("id"),
                                       [DEP_NAME] = TEXT("name"),
                                       [DEP_STATUS] = TEXT("status"),
                                       [DEP_REVISION] = INT("revision"),
                                       [DEP_ROLLOUT] = TEXT("rollout"),
                                       [DEP_CREATED_AT] = INT("created_at"),
                                       [DEP_UPDATED_AT] = INT("updated_at"),
                                       [DEP_REASON] = TEXT("reason"),
                                       [DEP_OUTCOME] = TEXT("outcome"),
                                       [DEP_TOLD] = TEXT("told")}},
    [TABLE_REVISIONS] = {.name = "revisions",
                         .n_columns = 9,
                         .columns = {[REV_ID] = TEXT("id"),
                                     [REV_DEPLOYMENT] = TEXT("deployment"),
                                     [REV_NUMBER] = INT("number"),
                                     [REV_SOURCE_NAME] = TEXT("source_name"),
                                     [REV_SOURCE] = TEXT("source"),
                                     [REV_JOB] = TEXT("job"),
                                     [REV_CREATED_AT] = INT("created_at"),
                                     [REV_ACTOR] = TEXT("actor"),
                                     [REV_CAUSE] = TEXT("cause")},
                         .index = "deployment"},
    [TABLE_INSTANCES] = {.name = "instances",
                         .n_columns = 19,
                         .columns = {[INS_ID] = TEXT("id"),
                                     [INS_DEPLOYMENT] = TEXT("deployment"),
                                     [INS_AGENT] = TEXT("agent"),
                                     [INS_REPLICA] = INT("replica"),
                                     [INS_NODE] = TEXT("node"),
                                     [INS_EPOCH] = INT("epoch"),
                                     [INS_GENERATION] = INT("generation"),
                                     [INS_REVISION] = INT("revision"),
                                     [INS_DESIRED] = TEXT("desired"),
                                     [INS_STEP] = TEXT("step"),
                                     [INS_STAGE] = INT("stage"),
                                     [INS_PORT] = INT("port"),
                                     [INS_OUTCOME] = TEXT("outcome"),
                                     [INS_REASON] = TEXT("reason"),
                                     [INS_EXIT] = TEXT("exit"),
                                     [INS_CREATED_AT] = INT("created_at"),
                                     [INS_ENDED_AT] = INT("ended_at"),
                                     [INS_TARGET] = INT("target"),
                                     [INS_SECRETS] = INT("secrets")},
                         .index = "deployment"},
    [TABLE_ROLLOUTS] = {.name = "rollouts",
                        .n_columns = 18,
                        .columns = {[ROL_ID] = TEXT("id"),
                                    [ROL_DEPLOYMENT] = TEXT("deployment"),
                                    [ROL_KIND] = TEXT("kind"),
                                    [ROL_PHASE] = TEXT("phase"),
                                    [ROL_STAGE] = INT("stage"),
                                    [ROL_FROM] = INT("from_revision"),
                                    [ROL_TO] = INT("to_revision"),
                                    [ROL_OUTCOME] = TEXT("outcome"),
                                    [ROL_CAUSE] = TEXT("cause"),
                                    [ROL_STARTED_AT] = INT("started_at"),
                                    [ROL_STAGE_AT] = INT("stage_at"),
                                    [ROL_DURATION] = INT("duration"),
                                    [ROL_ENDED_AT] = INT("ended_at"),
                                    [ROL_ACTOR] = TEXT("actor"),
                                    [ROL_FAILED] = TEXT("failed"),
                                    [ROL_VERDICT] = TEXT("verdict"),
                                    [ROL_AGENT] = TEXT("agent"),
                                    [ROL_ROLLING] = INT("rolling")},
                        .index = "deployment"},
    [TABLE_SCHEDULES] = {.name = "schedules",
                         .n_columns = 6,
                         .columns = {[SCH_ID] = TEXT("id"),
                                     [SCH_DEPLOYMENT] = TEXT("deployment"),
                                     [SCH_AGENT] = TEXT("agent"),
                                     [SCH_HANDLED_AT] = INT("handled_at"),
                                     [SCH_QUEUED] = INT("queued"),
                                     [SCH_SPEC] = TEXT("spec")},
                         .index = "deployment"},
    [TABLE_SCHEDULE_RUNS] = {.name = "schedule_runs",
                             .n_columns = 9,
                             .columns = {[RUN_ID] = TEXT("id"),
                                         [RUN_SCHEDULE] = TEXT("schedule"),
                                         [RUN_DUE_AT] = INT("due_at"),
                                         [RUN_STARTED_AT] = INT("started_at"),
                                         [RUN_ENDED_AT] = INT("ended_at"),
                                         [RUN_OUTCOME] = TEXT("outcome"),
                                         [RUN_REASON] = TEXT("reason"),
                                         [RUN_GENERATION] = INT("generation"),
                                         [RUN_ACTOR] = TEXT("actor")},
                             .index = "schedule"},
    [TABLE_NODES] = {.name = "nodes",
                     .n_columns = 5,
                     .columns = {[NOD_ID] = TEXT("id"),
                                 [NOD_NAME] = TEXT("name"),
                                 [NOD_BOOT_ID] = TEXT("boot_id"),
                                 [NOD_EPOCH_SEEN] = INT("epoch_seen"),
                                 [NOD_CREATED_AT] = INT("created_at")}},
    [TABLE_TOKENS] = {.name = "tokens",
                      .n_columns = 7,
                      .columns = {[TOK_ID] = TEXT("id"),
                                  [TOK_NAME] = TEXT("name"),
                                  [TOK_ROLE] = TEXT("role"),
                                  [TOK_HASH] = TEXT("hash"),
                                  [TOK_CREATED_AT] = INT("created_at"),
                                  [TOK_EXPIRES_AT] = INT("expires_at"),
                                  [TOK_ACTOR] = TEXT("actor")}},
    [TABLE_SECRETS] = {.name = "secrets",
                       .n_columns = 6,
                       .columns = {[SEC_NAME] = TEXT("name"),
                                   [SEC_SEALED] = TEXT("sealed"),
                                   [SEC_VERSION] = INT("version"),
                                   [SEC_CREATED_AT] = INT("created_at"),
                                   [SEC_UPDATED_AT] = INT("updated_at"),
                                   [SEC_ACTOR] = TEXT("actor")}},
    [TABLE_NOTICES] =
        {.name = "notices",
         .n_columns = 8,
         .columns = {[NTC_ID] = TEXT("id"),
                     [NTC_DEPLOYMENT] = TEXT("deployment"),
                     [NTC_URL] = TEXT("url"),
                     [NTC_EVENT] = TEXT("event"),
                     [NTC_BODY] = TEXT("body"),
                     [NTC_CREATED_AT] = INT("created_at"),
                     [NTC_TRIES] = INT("tries"),
                     [NTC_NEXT_AT] = INT("next_at")}},
    [TABLE_REGISTRATIONS] = {.name = "registrations",
                             .n_columns = 6,
                             .columns = {[REG_INSTANCE] = TEXT("instance"),
                                         [REG_GENERATION] = INT("generation"),
                                         [REG_SAID] = TEXT("said"),
                                         [REG_SAID_AT] = INT("said_at"),
                                         [REG_HIDDEN] = INT("hidden"),
                                         [REG_ATTEMPT] = INT("attempt")}},
    [TABLE_AUDIT] = {.name = "audit",
                     .n_columns = 6,
                     .columns = {[AUD_ID] = TEXT("id"),
                                 [AUD_AT] = INT("at"),
                                 [AUD_ACTOR] = TEXT("actor"),
                                 [AUD_ACTION] = TEXT("action"),
                                 [AUD_OBJECT] = TEXT("object"),
                                 [AUD_DETAIL] = TEXT("detail")},
                     .history = true,
                     .index = "at"},
};

Record *record_new(TableId table)
{
  Record *record = g_new0(Record, 1);
  record->table = table;
  return record;
}

void record_free(Record *record)
{
  if (!record)
    return;
  for (int i = 0; i < RECORD_COLUMNS_MAX; i++)
    if (record->values[i].text)
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
  Value *value = record_slot(record, column, COLUMN_INT);
  value->is_int = true;
  value->number = number;
}

void record_ref(Record *record, int column, char *ref_string)
{
  Value *value = record_slot(record, column, COLUMN_TEXT);
  if (value->text)
    g_ref_string_release(value->text);
  value->text = ref_string ? g_ref_string_acquire(ref_string) : NULL;
}

void record_text(Record *record, int column, const char *text)
{
  Value *value = record_slot(record, column, COLUMN_TEXT);
  if (value->text)
    g_ref_string_release(value->text);
  value->text = text ? g_ref_string_new(text) : NULL;
}

size_t record_bytes(const Record *record)
{
  size_t bytes = 64; /* numbers and keys on disk, about */
  for (int i = 0; i < table_specs[record->table].n_columns; i++)
    if (record->values[i].text)
      bytes += g_ref_string_length(record->values[i].text);
  return bytes;
}
