/* The server's disk: durable rows, the core that is loaded from them, and backups. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static void store_name(Sim *sim, const char *name)
{
  Record *row = record_new(TABLE_META);
  record_text(row, META_KEY, "store");
  record_text(row, META_VALUE, name);
  g_hash_table_replace(sim->rows[TABLE_META], row->values[0].text, row);
}

void sim_store_init(Sim *sim)
{
  for (int table = 0; table < TABLE_N; table++)
    sim->rows[table] =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)record_free);
  sim->restored = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  sim->log_tail = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
  sim->refused = g_array_new(FALSE, FALSE, sizeof(SimRefused));
  store_name(sim, "own");
  g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, sim->first_id);
  Record *next_id = record_new(TABLE_META);
  record_text(next_id, META_KEY, "next_id");
  record_text(next_id, META_VALUE, text);
  g_hash_table_replace(sim->rows[TABLE_META], next_id->values[0].text, next_id);
}

static void backup_free(SimBackup *backup)
{
  for (int table = 0; backup && table < TABLE_N; table++)
    g_hash_table_unref(backup->rows[table]);
  if (backup)
    g_hash_table_unref(backup->promised);
  g_free(backup);
}

void sim_store_done(Sim *sim)
{
  if (sim_is_other(sim))
    sim_own_store(sim);
  for (int table = 0; table < TABLE_N; table++)
    g_hash_table_unref(sim->rows[table]);
  g_ptr_array_unref(sim->log_tail);
  g_array_unref(sim->refused);
  backup_free(sim->backup);
  g_hash_table_unref(sim->restored);
}

void sim_write_rows(Sim *sim, const GPtrArray *records)
{
  for (guint i = 0; i < records->len; i++) {
    const Record *record = records->pdata[i];
    GHashTable *rows = sim->rows[record->table];
    if (table_specs[record->table].history)
      continue;
    if (record->deleted) {
      if (record->table == TABLE_NOTICES)
        sim_check_hook_gone(sim, record->values[0].text);
      const Record *was = record->table == TABLE_DEPLOYMENTS
                              ? g_hash_table_lookup(rows, record->values[0].text)
                              : NULL;
      if (was)
        /* forgotten, whether or not the answer arrives */
        g_hash_table_remove(sim->promised, was->values[DEP_NAME].text);
      g_hash_table_remove(rows, record->values[0].text);
      continue;
    }
    if (record->table == TABLE_ROLLOUTS)
      sim_say(sim, "rollout %s: %s, %s, stage %d, %s", record->values[ROL_ID].text,
              record->values[ROL_KIND].text, record->values[ROL_PHASE].text,
              (int)record->values[ROL_STAGE].number, record->values[ROL_OUTCOME].text);
    sim_check_row(sim, g_hash_table_lookup(rows, record->values[0].text), record);
    Record *copy = record_copy(record);
    g_hash_table_replace(rows, copy->values[0].text, copy);
  }
}

/* ---- the log ---- */

void sim_leave_in_log(Sim *sim, const GPtrArray *records)
{
  g_ptr_array_set_size(sim->log_tail, 0);
  for (guint i = 0; i < records->len; i++)
    g_ptr_array_add(sim->log_tail, record_copy(records->pdata[i]));
}

void sim_cut_log(Sim *sim)
{
#ifndef REEVE_BUG_LOG_NOT_CUT
  g_ptr_array_set_size(sim->log_tail, 0);
#endif
}

void sim_read_log(Sim *sim)
{
  sim_write_rows(sim, sim->log_tail);
  g_ptr_array_set_size(sim->log_tail, 0);
}

/* ---- another store ---- */

bool sim_is_other(const Sim *sim)
{
  return sim->away_promised != NULL;
}

void sim_other_store(Sim *sim)
{
  sim_read_log(sim); /* a kill before the cut */
  for (int table = 0; table < TABLE_N; table++) {
    sim->away[table] = sim->rows[table];
    sim->rows[table] =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)record_free);
  }
  sim->away_promised = sim->promised;
  sim->promised = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  store_name(sim, "other");
  sim_say(sim, "the server finds another store");
}

void sim_own_store(Sim *sim)
{
  g_ptr_array_set_size(sim->log_tail, 0);
  for (int table = 0; table < TABLE_N; table++) {
    g_hash_table_unref(sim->rows[table]);
    sim->rows[table] = g_steal_pointer(&sim->away[table]);
  }
  g_hash_table_unref(sim->promised);
  sim->promised = g_steal_pointer(&sim->away_promised);
  sim_say(sim, "the server has its own store again");
}

Core *sim_load(const Sim *sim, int64_t absent_ms, Effects *effects)
{
  Now now = sim_now(sim);
  now.boot_ms -= absent_ms;
  Core *core = core_new(&(CoreConfig){.page_bytes = sim->page_bytes});
  g_autoptr(GError) error = NULL;
  for (int table = 0; table < TABLE_N; table++) {
    GHashTableIter iter;
    gpointer record;
    g_hash_table_iter_init(&iter, sim->rows[table]);
    while (g_hash_table_iter_next(&iter, NULL, &record))
      if (!core_load_row(core, (TableId)table, ((const Record *)record)->values, &error))
        g_error("load: %s", error->message);
  }
  core_load_done(core, now, effects);
  return core;
}

/* ---- backups ---- */

static void store_copy_rows(GHashTable *from, GHashTable *to)
{
  GHashTableIter iter;
  gpointer record;
  g_hash_table_iter_init(&iter, from);
  while (g_hash_table_iter_next(&iter, NULL, &record)) {
    Record *copy = record_copy(record);
    g_hash_table_replace(to, copy->values[0].text, copy);
  }
}

static void store_copy_promises(GHashTable *from, GHashTable *to)
{
  GHashTableIter iter;
  gpointer name, revision;
  g_hash_table_iter_init(&iter, from);
  while (g_hash_table_iter_next(&iter, &name, &revision))
    g_hash_table_replace(to, g_strdup(name), revision);
}

void sim_backup(Sim *sim)
{
  backup_free(sim->backup);
  sim->backup = g_new0(SimBackup, 1);
  for (int table = 0; table < TABLE_N; table++) {
    sim->backup->rows[table] =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)record_free);
    store_copy_rows(sim->rows[table], sim->backup->rows[table]);
  }
  sim->backup->promised = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  store_copy_promises(sim->promised, sim->backup->promised);
  sim_say(sim, "backup");
}

static int64_t store_meta(const Sim *sim, const char *key)
{
  const Record *row = g_hash_table_lookup(sim->rows[TABLE_META], key);
  return row ? strtoll(row->values[META_VALUE].text, NULL, 10) : 1;
}

static void store_set_meta(Sim *sim, const char *key, int64_t number)
{
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);
  Record *row = record_new(TABLE_META);
  record_text(row, META_KEY, key);
  record_text(row, META_VALUE, text);
  g_hash_table_replace(sim->rows[TABLE_META], row->values[0].text, row);
}

static bool store_open(const Record *rollout)
{
  return strcmp(rollout->values[ROL_OUTCOME].text, "open") == 0;
}

/* As `reeve restore` does: the rows of the backup, under a term that no node has seen; ids go on
 * far above what was given. */
void sim_restore(Sim *sim)
{
  enum { ID_GAP = 1 << 20 };
  g_ptr_array_set_size(sim->log_tail, 0);
  int64_t term = store_meta(sim, "term") + 1, next_id = store_meta(sim, "next_id") + ID_GAP;
  for (int table = 0; table < TABLE_N; table++) {
    g_hash_table_remove_all(sim->rows[table]);
    store_copy_rows(sim->backup->rows[table], sim->rows[table]);
  }
  g_hash_table_remove_all(sim->promised);
  g_hash_table_remove_all(sim->heard);
  g_hash_table_remove_all(sim->fired);
  g_hash_table_remove_all(sim->taken);
  store_copy_promises(sim->backup->promised, sim->promised);
  g_autoptr(GList) rollouts = sim_sorted_keys(sim->rows[TABLE_ROLLOUTS]);
  for (GList *at = rollouts; at; at = at->next)
    if (store_open(g_hash_table_lookup(sim->rows[TABLE_ROLLOUTS], at->data)))
      g_hash_table_add(sim->restored, g_strdup(at->data));
  store_set_meta(sim, "term", term);
  store_set_meta(sim, "next_id", next_id);
  sim_say(sim, "the backup is restored, term %" G_GINT64_FORMAT, term);
}
