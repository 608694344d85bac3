/* At start: every instance directory is told to the supervisor, and its driver looks for what is
 * still alive of it. */
#include "node/adopt.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"

enum { ADOPT_FILE_MAX = 8 * 1024 * 1024, ADOPT_READ_TRIES = 20, ADOPT_READ_MS = 50 };

static void adopt_told(Node *node)
{
  g_assert(node->adopting > 0);
  if (--node->adopting > 0)
    return;
  node->driver->ops->sweep(node->driver);
  NodeEvent done = {.type = NODE_EVENT_FILES_DONE};
  node_event(node, &done, NULL);
}

static void adopt_file(Runner *runner, const char *text, const char *why)
{
  loop_timer_free(g_steal_pointer(&runner->timer));
  NodeEvent file = {.type = NODE_EVENT_FILE, .instance = runner->id, .text = text, .found = why};
  Node *node = runner->node;
  g_autofree char *id = g_strdup(runner->id);
  node_event(node, &file, NULL);
  Driver *driver = driver_of(node, supervisor_spec(dispatch_supervisor(node->dispatch), id));
  driver->ops->find(driver, id);
  adopt_told(node);
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
    runner->timer = loop_timer_new(node->loop, adopt_read, runner);
    node->adopting++;
  }
  for (guint i = 0; i < all->len; i++)
    adopt_read(all->pdata[i]);
  adopt_told(node);
}
