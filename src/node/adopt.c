/* At start: every instance directory is told to the supervisor, with what is still alive of it. And
 * the end of trees without a shim. */
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "node/internal.h"

enum {
  ADOPT_FILE_MAX = 8 * 1024 * 1024,
  ADOPT_READ_TRIES = 20,
  ADOPT_READ_MS = 50,
  ADOPT_FIRST_MS = 20,
  ADOPT_MOST_MS = 1000
};

/* ---- shims ---- */

static void adopt_absent(Hold *hold)
{
  hold->adopting = false;
  groups_remove(hold->node->groups, hold->id);
  bool known = identity_read(hold->directory, &hold->orphan);
  NodeEvent absent = {.type = NODE_EVENT_SHIM_ABSENT,
                      .instance = hold->id,
                      .generation = hold->orphan.generation,
                      .attempt = hold->orphan.attempt,
                      .orphan = known && identity_alive(&hold->orphan)};
  node_event(hold->node, &absent, NULL);
}

/* A shim may hold the lock and not listen yet, or be frozen with many callers waiting: it is asked
 * until the supervisor has it ended; never is a second one started beside it. */
static void adopt_connect(void *data)
{
  Hold *hold = data;
  bool held;
  hold->shim = shim_connect(hold->node->loop, hold->directory, &hold_shim_events, hold, &held);
  if (hold->shim)
    return; /* its hello follows */
  if (!held) {
    adopt_absent(hold);
    return;
  }
  int64_t gap_ms = (int64_t)ADOPT_FIRST_MS << MIN(hold->adopt_tries, 16);
  hold->adopt_tries++;
  gap_ms = MIN(gap_ms, ADOPT_MOST_MS);
  loop_timer_set(hold->timer, clock_boot_ms() + gap_ms);
}

/* ---- files ---- */

static void adopt_told(Node *node)
{
  g_assert(node->adopting > 0);
  if (--node->adopting > 0)
    return;
  NodeEvent done = {.type = NODE_EVENT_FILES_DONE};
  node_event(node, &done, NULL);
}

static void adopt_file(Hold *hold, const char *text, const char *why)
{
  loop_timer_free(hold->timer);
  hold->timer = loop_timer_new(hold->node->loop, adopt_connect, hold);
  hold->adopt_tries = 0;
  NodeEvent file = {.type = NODE_EVENT_FILE, .instance = hold->id, .text = text, .found = why};
  node_event(hold->node, &file, NULL);
  adopt_connect(hold);
  adopt_told(hold->node);
}

/* Only a file that is not there was never stored. One that cannot be read for the moment - no
 * descriptor left, an error of the disk - may have a living agent: it is read again for a while,
 * then told as what it is. */
static void adopt_read(void *data)
{
  Hold *hold = data;
  g_autofree char *path = g_build_filename(hold->directory, "instance.json", NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *text = fs_read(path, ADOPT_FILE_MAX, NULL, &error);
  if (text || (!g_error_matches(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND) &&
               ++hold->adopt_tries > ADOPT_READ_TRIES)) {
    if (!text)
      log_error("instance file cannot be read: what runs is ended, its logs stay",
                "instance=%s error=\"%s\"", hold->id, error->message);
    adopt_file(hold, text, error ? error->message : NULL);
    return;
  }
  if (!g_error_matches(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND)) {
    loop_timer_set(hold->timer, clock_boot_ms() + ADOPT_READ_MS);
    return;
  }
  Node *node = hold->node;
  /* made but never stored: nothing was started from it */
  log_warn("instance without a file removed", "instance=%s", hold->id);
  fs_remove_tree(hold->directory, NULL);
  g_hash_table_remove(node->holds, hold->id);
  adopt_told(node);
}

void adopt_begin(Node *node)
{
  g_autoptr(GDir) dir = g_dir_open(node->instances_dir, 0, NULL);
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  node->adopting = 1; /* ours: nothing is done before everything was looked at */
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir))
    if (id_is(name, "ins"))
      g_ptr_array_add(all, node_hold(node, name, true));
  for (guint i = 0; i < all->len; i++) {
    Hold *hold = all->pdata[i];
    hold->adopting = true;
    hold->timer = loop_timer_new(node->loop, adopt_read, hold);
    node->adopting++;
  }
  for (guint i = 0; i < all->len; i++)
    adopt_read(all->pdata[i]);
  groups_sweep(node->groups);
  adopt_told(node);
}

/* ---- orphans ---- */

static void orphan_ended(void *data, const ProcessIdentity *was)
{
  Hold *hold = data;
  hold->end = NULL;
  groups_remove(hold->node->groups, hold->id);
  NodeEvent ended = {.type = NODE_EVENT_ORPHAN_ENDED,
                     .instance = hold->id,
                     .generation = was->generation,
                     .attempt = was->attempt};
  node_event(hold->node, &ended, NULL);
}

void adopt_orphan_end(Hold *hold)
{
  loop_timer_free(g_steal_pointer(&hold->timer));
  hold_drop_probe(hold);
  shim_free(g_steal_pointer(&hold->shim));
  hold->adopting = hold->shim_starting = false;
  log_info("ending what is left without a shim", "instance=%s", hold->id);
  end_forget(hold->end);
  hold->end = ends_tree(hold->node->ends, &(EndSpec){.directory = hold->directory,
                                                     .with_shim = true,
                                                     .ended = orphan_ended,
                                                     .data = hold});
}
