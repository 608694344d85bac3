/* Ends trees that have no shim, or a frozen one, on a thread: each look reads all of /proc, for all
 * of them at once, and is repeated until nothing is left. */
#include "drivers/ends.h"

#include "base/fs.h"
#include "base/log.h"
#include "drivers/tree.h"

#include <pthread.h>
#include <time.h>

enum { ENDS_FIRST_MS = 10, ENDS_MOST_MS = 1000, ENDS_SAID_AFTER = 10 };

struct End {
  ProcessTree tree;
  char *directory, *group;
  bool with_shim, remove;
  EndedFn ended; /* the loop's; NULL = nobody waits any more */
  void *data;
  int looks;
};

struct Ends {
  Loop *loop;
  pthread_t thread;
  pthread_mutex_t lock; /* guards fresh, done, ending, posted */
  pthread_cond_t wake;
  GPtrArray *fresh; /* of End* */
  GQueue done;      /* of End* */
  bool ending, posted;
};

static void end_free(gpointer data)
{
  End *end = data;
  g_free(end->directory);
  g_free(end->group);
  g_free(end);
}

/* On the loop: tells of all that have ended. What is told may begin another end. */
static void ends_on_done(void *data)
{
  Ends *ends = data;
  GQueue told = G_QUEUE_INIT;
  pthread_mutex_lock(&ends->lock);
  while (!g_queue_is_empty(&ends->done))
    g_queue_push_tail(&told, g_queue_pop_head(&ends->done));
  ends->posted = false;
  pthread_mutex_unlock(&ends->lock);
  for (End *end = g_queue_pop_head(&told); end; end = g_queue_pop_head(&told)) {
    if (end->ended)
      end->ended(end->data, &end->tree.main);
    end_free(end);
  }
}

/* Nothing of it is left. */
static void ends_finish(Ends *ends, End *end)
{
  if (end->remove)
    fs_remove_tree(end->directory, NULL);
  pthread_mutex_lock(&ends->lock);
  g_queue_push_tail(&ends->done, end);
  bool post = !ends->posted;
  ends->posted = true;
  pthread_mutex_unlock(&ends->lock);
  if (post)
    loop_post(ends->loop, ends_on_done, ends);
}

/* One look for all of @all; those of which nothing is left leave it. */
static void ends_look(Ends *ends, GPtrArray *all)
{
  g_autofree ProcessTree **trees = g_new0(ProcessTree *, all->len);
  for (guint i = 0; i < all->len; i++) {
    End *end = all->pdata[i];
    if (end->with_shim && !tree_find_shim(end->directory, &end->tree.shim))
      end->tree.shim = (ProcessIdentity){0};
    trees[i] = &end->tree;
  }
  trees_kill(trees, all->len);
  for (guint i = all->len; i-- > 0;) {
    End *end = all->pdata[i];
    if (end->tree.left == 0)
      ends_finish(ends, g_ptr_array_steal_index_fast(all, i));
    else if (++end->looks == ENDS_SAID_AFTER)
      log_warn("processes do not end", "directory=%s left=%d pid=%d", end->directory,
               end->tree.left, (int)end->tree.main.pid);
  }
}

/* Takes what is fresh; waits for it when there is nothing else to do, at most @gap_ms otherwise.
 * False when the thread shall end. */
static bool ends_take(Ends *ends, GPtrArray *all, int64_t gap_ms)
{
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += gap_ms / 1000;
  until.tv_nsec += gap_ms % 1000 * 1000000;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_mutex_lock(&ends->lock);
  int code = 0;
  while (!ends->ending && !ends->fresh->len && code == 0)
    code = all->len ? pthread_cond_timedwait(&ends->wake, &ends->lock, &until)
                    : pthread_cond_wait(&ends->wake, &ends->lock);
  while (ends->fresh->len)
    g_ptr_array_add(all, g_ptr_array_steal_index_fast(ends->fresh, ends->fresh->len - 1));
  bool ending = ends->ending;
  pthread_mutex_unlock(&ends->lock);
  return !ending;
}

/* What is killed needs a moment, and what is stuck in the kernel may need for ever: looks come ever
 * more seldom until something new is to be ended. */
static void *ends_main(void *data)
{
  Ends *ends = data;
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(end_free);
  int64_t gap_ms = ENDS_FIRST_MS;
  for (;;) {
    guint before = all->len;
    if (!ends_take(ends, all, gap_ms))
      return NULL;
    gap_ms = all->len > before ? ENDS_FIRST_MS : MIN(gap_ms * 2, ENDS_MOST_MS);
    ends_look(ends, all);
  }
}

Ends *ends_new(Loop *loop)
{
  Ends *ends = g_new0(Ends, 1);
  ends->loop = loop;
  ends->fresh = g_ptr_array_new_with_free_func(end_free);
  g_queue_init(&ends->done);
  pthread_mutex_init(&ends->lock, NULL);
  pthread_condattr_t clock;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&ends->wake, &clock);
  pthread_condattr_destroy(&clock);
  int failed = pthread_create(&ends->thread, NULL, ends_main, ends);
  g_assert(!failed);
  return ends;
}

void ends_free(Ends *ends)
{
  if (!ends)
    return;
  pthread_mutex_lock(&ends->lock);
  ends->ending = true;
  pthread_cond_signal(&ends->wake);
  pthread_mutex_unlock(&ends->lock);
  pthread_join(ends->thread, NULL);
  g_queue_clear_full(&ends->done, end_free);
  g_ptr_array_unref(ends->fresh);
  pthread_cond_destroy(&ends->wake);
  pthread_mutex_destroy(&ends->lock);
  g_free(ends);
}

End *ends_tree(Ends *ends, const EndSpec *spec)
{
  End *end = g_new0(End, 1);
  *end = (End){.directory = g_strdup(spec->directory),
               .group = g_strdup(spec->group),
               .with_shim = spec->with_shim,
               .remove = spec->remove,
               .ended = spec->ended,
               .data = spec->data};
  if (!identity_read(spec->directory, &end->tree.main))
    end->tree.main = (ProcessIdentity){0};
  end->tree.group = end->group;
  tree_mark(spec->directory, end->tree.mark);
  pthread_mutex_lock(&ends->lock);
  g_ptr_array_add(ends->fresh, end);
  pthread_cond_signal(&ends->wake);
  pthread_mutex_unlock(&ends->lock);
  return end;
}

void end_forget(End *end)
{
  if (end)
    end->ended = NULL;
}
