/* Which cells of the state tables any run reached, and the comparison with the list of those that
 * may stay unreached. Cells are text, as in that list: "life running x probe". */
#include "sim.h"

#include "core/coverage.h"
#include "supervise/coverage.h"

#include <stdio.h>
#include <string.h>

static GHashTable *cells; /* text -> count, over all runs; the program's own */

/* ---- names ---- */

static const char *name_command(int i)
{
  static const char *const words[COMMAND_N] = {
      [COMMAND_DEPLOY] = "deploy",
      [COMMAND_DOWN] = "down",
      [COMMAND_RESTART] = "restart",
      [COMMAND_SCALE] = "scale",
      [COMMAND_RUN] = "run",
      [COMMAND_EXEC] = "exec",
      [COMMAND_REGISTER] = "register",
      [COMMAND_DEREGISTER] = "deregister",
      [COMMAND_NOTICE_TRIED] = "notice-tried",
      [COMMAND_SECRETS_GIVEN] = "secrets-given",
      [COMMAND_CANCEL] = "cancel",
      [COMMAND_ROLLBACK] = "rollback",
      [COMMAND_FORGET] = "forget",
      [COMMAND_NODE_FRAME] = "node-frame",
      [COMMAND_NODE_GONE] = "node-gone",
      [COMMAND_TICK] = "tick",
      [COMMAND_TOKEN_CREATE] = "token-create",
      [COMMAND_TOKEN_REVOKE] = "token-revoke",
      [COMMAND_SECRET_SET] = "secret-set",
      [COMMAND_SECRET_REMOVE] = "secret-remove",
  };
  return words[i] ? words[i] : "?";
}

static const char *name_frame(int i)
{
  return frame_type_word((FrameType)i);
}

static const char *name_phase(int i)
{
  return rollout_phase_word((RolloutPhase)i);
}

static const char *name_kind(int i)
{
  return rollout_kind_word((RolloutKind)i);
}

static const char *name_outcome(int i)
{
  return rollout_outcome_word((RolloutOutcome)i);
}

static const char *name_step(int i)
{
  return instance_step_word((InstanceStep)i);
}

static const char *name_state(int i)
{
  return instance_state_word((InstanceState)i);
}

static const char *name_always(int i)
{
  return i == 0 ? "comes" : "?";
}

static int exists_always(int state, int event)
{
  (void)state;
  (void)event;
  return 1;
}

/* What a node sends and the core handles. */
static int exists_frame(int state, int event)
{
  (void)event;
  return state == FRAME_HELLO || state == FRAME_HEARTBEAT || state == FRAME_REPORT ||
         state == FRAME_RESERVED;
}

typedef struct CoverTable {
  const char *name;
  int states, events;
  const char *(*state)(int i);
  const char *(*event)(int i);
  int (*exists)(int state, int event);
} CoverTable;

static const CoverTable tables[] = {
    {"life", SUPERVISE_LIVES, SUPERVISE_EVENTS, supervise_life_name, supervise_event_name,
     supervise_cell_exists},
    {"rollout", ROLLOUT_PHASE_N, ROLLOUT_KIND_N, name_phase, name_kind, exists_always},
    {"failure", ROLLOUT_PHASE_N, ROLLOUT_KIND_N, name_phase, name_kind, exists_always},
    {"outcome", ROLLOUT_KIND_N, OUTCOME_N, name_kind, name_outcome, exists_always},
    {"instance-step", STEP_N, INSTANCE_N, name_step, name_state, exists_always},
    {"command", COMMAND_N, 1, name_command, name_always, exists_always},
    {"frame", FRAME_N, 1, name_frame, name_always, exists_frame},
};

static char *cell_text(const CoverTable *table, int state, int event)
{
  return g_strdup_printf("%s %s x %s", table->name, table->state(state), table->event(event));
}

/* ---- counting ---- */

void sim_cover_begin(void)
{
  cells = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void sim_cover_end(void)
{
  g_clear_pointer(&cells, g_hash_table_unref);
}

static void cell_count(const CoverTable *table, int state, int event)
{
  char *text = cell_text(table, state, event);
  int count = GPOINTER_TO_INT(g_hash_table_lookup(cells, text));
  g_hash_table_replace(cells, text, GINT_TO_POINTER(count + 1));
}

void sim_cover_core(const char *name, int state, int event, void *data)
{
  (void)data;
  for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
    if (strcmp(tables[i].name, name) == 0 && event < tables[i].events)
      cell_count(&tables[i], state, event);
}

void sim_cover_life(int life, int event, void *data)
{
  (void)data;
  cell_count(&tables[0], life, event);
}

/* ---- telling ---- */

typedef void (*CellFn)(const char *text, int count, void *data);

static void cells_each(CellFn fn, void *data)
{
  for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
    for (int state = 0; state < tables[i].states; state++)
      for (int event = 0; event < tables[i].events; event++) {
        if (!tables[i].exists(state, event))
          continue;
        g_autofree char *text = cell_text(&tables[i], state, event);
        fn(text, GPOINTER_TO_INT(g_hash_table_lookup(cells, text)), data);
      }
}

static void cell_print(const char *text, int count, void *data)
{
  int *reached = data;
  if (count)
    printf("%8d  %s\n", count, text);
  else
    printf("       -  %s\n", text);
  reached[count ? 0 : 1]++;
}

void sim_cover_print(void)
{
  int reached[2] = {0, 0};
  cells_each(cell_print, reached);
  printf("%d of %d cells of the state tables reached\n", reached[0], reached[0] + reached[1]);
}

typedef struct Comparison {
  GHashTable *listed; /* cell -> reason */
  bool all;           /* a long run: seldom cells are told */
  int wrong;
} Comparison;

enum { SELDOM_SEEDS = 5000 };

/* A cell that is seldom reached is no reason to fail; a long run tells of it. */
static bool cell_seldom(Comparison *comparison, const char *text, int count)
{
  g_autofree char *marked = g_strconcat("~ ", text, NULL);
  if (!g_hash_table_remove(comparison->listed, marked))
    return false;
  if (comparison->all && !count)
    printf("seldom, and not reached in so many seeds: %s\n", text);
  return true;
}

static void cell_compare(const char *text, int count, void *data)
{
  Comparison *comparison = data;
  if (cell_seldom(comparison, text, count))
    return;
  const char *reason = g_hash_table_lookup(comparison->listed, text);
  if (!count && !reason)
    printf("not reached, and no reason in the list: %s\n", text);
  else if (count && reason)
    printf("listed as unreached, and reached %d times: %s\n", count, text);
  comparison->wrong += (count != 0) == (reason != NULL);
  g_hash_table_remove(comparison->listed, text);
}

/* Lines "cell: reason", or "~ cell: reason" for a seldom one; '#' begins a comment. */
static GHashTable *cells_read(const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  if (!g_file_get_contents(path, &text, NULL, &error))
    g_error("read list of unreached cells: %s", error->message);
  GHashTable *listed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (size_t i = 0; lines[i]; i++) {
    char *reason = lines[i][0] == '#' ? NULL : strstr(lines[i], ": ");
    if (reason && reason[2])
      g_hash_table_insert(listed, g_strndup(lines[i], (gsize)(reason - lines[i])),
                          g_strdup(reason + 2));
  }
  return listed;
}

int sim_cover_compare(const char *path, uint64_t seeds)
{
  g_autoptr(GHashTable) listed = cells_read(path);
  Comparison comparison = {.listed = listed, .all = seeds >= SELDOM_SEEDS};
  cells_each(cell_compare, &comparison);
  GHashTableIter iter;
  gpointer text;
  g_hash_table_iter_init(&iter, listed);
  while (g_hash_table_iter_next(&iter, &text, NULL)) {
    printf("listed as unreached, and no cell of any table: %s\n", (const char *)text);
    comparison.wrong++;
  }
  return comparison.wrong;
}
