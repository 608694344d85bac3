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

static void adopt_absent(Runner *runner)
{
  runner->adopting = false;
  groups_remove(runner->node->groups, runner->id);
  bool known = identity_read(runner->directory, &runner->main_process);
  NodeEvent absent = {.type = NODE_EVENT_ABSENT,
                      .instance = runner->id,
                      .generation = runner->main_process.generation,
                      .attempt = runner->main_process.attempt,
                      .tree_lives = known && identity_alive(&runner->main_process)};
  node_event(runner->node, &absent, NULL);
}

/* A shim may hold the lock and not listen yet, or be frozen with many callers waiting: it is asked
 * until the supervisor has it ended; never is a second one started beside it. */
static void adopt_connect(void *data)
{
  Runner *runner = data;
  bool locked;
  runner->shim =
      shim_connect(runner->node->loop, runner->directory, &runner_shim_events, runner, &locked);
  if (runner->shim)
    return; /* its hello follows */
  if (!locked) {
    adopt_absent(runner);
    return;
  }
  int64_t gap_ms = (int64_t)ADOPT_FIRST_MS << MIN(runner->adopt_tries, 16);
  runner->adopt_tries++;
  gap_ms = MIN(gap_ms, ADOPT_MOST_MS);
  loop_timer_set(runner->timer, clock_boot_ms() + gap_ms);
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

static void adopt_file(Runner *runner, const char *text, const char *why)
{
  loop_timer_free(runner->timer);
  runner->timer = loop_timer_new(runner->node->loop, adopt_connect, runner);
  runner->adopt_tries = 0;
  NodeEvent file = {.type = NODE_EVENT_FILE, .instance = runner->id, .text = text, .found = why};
  node_event(runner->node, &file, NULL);
  adopt_connect(runner);
  adopt_told(runner->node);
}

/* Only a file that is not there was never stored. One that cannot be read for the moment - no
 * descriptor left, an error of the disk - may have a living agent: it is read again for a while,
 * then told as what it is. */
static void adopt_read(void *data)
{
  Runner *runner = data;
  g_autofree char *path = g_build_filename(runner->directory, "instance.json", NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *text = fs_read(path, ADOPT_FILE_MAX, NULL, &error);
  if (text || (!g_error_matches(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND) &&
               ++runner->adopt_tries > ADOPT_READ_TRIES)) {
    if (!text)
      log_error("instance file cannot be read: what runs is ended, its logs stay",
                "instance=%s error=\"%s\"", runner->id, error->message);
    adopt_file(runner, text, error ? error->message : NULL);
    return;
  }
  if (!g_error_matches(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND)) {
    loop_timer_set(runner->timer, clock_boot_ms() + ADOPT_READ_MS);
    return;
  }
  Node *node = runner->node;
  /* made but never stored: nothing was started from it */
  log_warn("instance without a file removed", "instance=%s", runner->id);
  fs_remove_tree(runner->directory, NULL);
  g_hash_table_remove(node->runners, runner->id);
  adopt_told(node);
}

void adopt_begin(Node *node)
{
  g_autoptr(GDir) dir = g_dir_open(node->instances_dir, 0, NULL);
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  node->adopting = 1; /* ours: nothing is done before everything was looked at */
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir))
    if (id_is(name, "ins"))
      g_ptr_array_add(all, node_runner(node, name, true));
  for (guint i = 0; i < all->len; i++) {
    Runner *runner = all->pdata[i];
    runner->adopting = true;
    runner->timer = loop_timer_new(node->loop, adopt_read, runner);
    node->adopting++;
  }
  for (guint i = 0; i < all->len; i++)
    adopt_read(all->pdata[i]);
  groups_sweep(node->groups);
  adopt_told(node);
}

/* ---- trees without a shim ---- */

static void runner_on_tree_ended(void *data, const ProcessIdentity *was)
{
  Runner *runner = data;
  runner->end = NULL;
  groups_remove(runner->node->groups, runner->id);
  NodeEvent ended = {.type = NODE_EVENT_CLEARED,
                     .instance = runner->id,
                     .generation = was->generation,
                     .attempt = was->attempt};
  node_event(runner->node, &ended, NULL);
}

void runner_clear_tree(Runner *runner)
{
  loop_timer_free(g_steal_pointer(&runner->timer));
  runner_drop_probe(runner);
  shim_free(g_steal_pointer(&runner->shim));
  runner->adopting = runner->preparing = false;
  log_info("ending what is left without a shim", "instance=%s", runner->id);
  end_forget(runner->end);
  runner->end = ends_tree(runner->node->ends, &(EndSpec){.directory = runner->directory,
                                                         .with_shim = true,
                                                         .ended = runner_on_tree_ended,
                                                         .data = runner});
}
