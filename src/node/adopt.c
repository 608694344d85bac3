/* At start: every instance directory is told to the supervisor, with what is still alive of it. And the end of trees without a shim. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "node/internal.h"

enum { ADOPT_FILE_MAX = 8 * 1024 * 1024, ADOPT_RETRY_MS = 50, ADOPT_TRIES = 100, ORPHAN_LOOK_MS = 20 };

void adopt_told(Node *node)
{
  g_assert(node->adopting > 0);
  if (--node->adopting > 0)
    return;
  node->adopted = true;
  NodeEvent done = {.type = NODE_EVENT_FILES_DONE};
  node_event(node, &done, NULL);
}

static void adopt_absent(Hold *hold)
{
  hold->adopting = false;
  bool known = identity_read(hold->directory, &hold->orphan);
  bool orphan = known && identity_alive(&hold->orphan);
  NodeEvent absent = {.type = NODE_EVENT_SHIM_ABSENT,
                      .instance = hold->id,
                      .generation = hold->orphan.generation,
                      .attempt = hold->orphan.attempt,
                      .orphan = orphan};
  node_event(hold->node, &absent, NULL);
  adopt_told(hold->node);
}

/* A shim may hold the lock and not listen yet: ask again for a while, never start a second one beside it. */
static void adopt_connect(void *data)
{
  Hold *hold = data;
  bool held;
  hold->shim = shim_connect(hold->node->loop, hold->directory, &hold_shim_events, hold, &held);
  if (hold->shim)
    return; /* its hello follows */
  if (held && ++hold->adopt_tries < ADOPT_TRIES)
    loop_timer_set(hold->timer, clock_boot_ms() + ADOPT_RETRY_MS);
  else
    adopt_absent(hold);
}

static void adopt_one(Node *node, const char *id)
{
  g_autofree char *path = g_build_filename(node->instances_dir, id, "instance.json", NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *text = fs_read(path, ADOPT_FILE_MAX, NULL, &error);
  if (!text) { /* made but never stored: nothing was started from it */
    g_autofree char *directory = g_build_filename(node->instances_dir, id, NULL);
    log_warn("instance without a file removed", "instance=%s error=\"%s\"", id, error->message);
    fs_remove_tree(directory, NULL);
    return;
  }
  Hold *hold = node_hold(node, id, true);
  hold->adopting = true;
  hold->timer = loop_timer_new(node->loop, adopt_connect, hold);
  node->adopting++;
  NodeEvent file = {.type = NODE_EVENT_FILE, .instance = id, .text = text};
  node_event(node, &file, NULL);
}

void adopt_begin(Node *node)
{
  g_autoptr(GDir) dir = g_dir_open(node->instances_dir, 0, NULL);
  node->adopting = 1; /* ours: nothing is done before everything was looked at */
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir))
    if (id_is(name, "ins"))
      adopt_one(node, name);
  GHashTableIter iter;
  gpointer hold;
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  g_hash_table_iter_init(&iter, node->holds);
  while (g_hash_table_iter_next(&iter, NULL, &hold))
    g_ptr_array_add(all, hold);
  for (guint i = 0; i < all->len; i++)
    adopt_connect(all->pdata[i]);
  adopt_told(node);
}

/* ---- orphans ---- */

static void orphan_look(void *data)
{
  Hold *hold = data;
  if (identity_kill_tree(&hold->orphan) > 0) {
    loop_timer_set(hold->timer, clock_boot_ms() + ORPHAN_LOOK_MS);
    return;
  }
  NodeEvent ended = {.type = NODE_EVENT_ORPHAN_ENDED, .instance = hold->id};
  node_event(hold->node, &ended, NULL);
}

void adopt_orphan_end(Hold *hold)
{
  loop_timer_free(hold->timer);
  hold->timer = loop_timer_new(hold->node->loop, orphan_look, hold);
  log_info("ending a tree without a shim", "instance=%s pid=%d", hold->id, (int)hold->orphan.pid);
  identity_kill_tree(&hold->orphan);
  loop_timer_set(hold->timer, clock_boot_ms());
}
