/* Directories watched: one callback for many events, renames, and what is lost. */
#include "base/clock.h"
#include "base/fs.h"
#include "net/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEADLINE_MS = 10000 };

typedef struct Seen {
  Loop *loop;
  Watch *watch;
  GHashTable *names; /* "id/name" -> how often */
  int calls;
  bool lost;
  char *dir;
} Seen;

static void seen_changes(const WatchChange *changes, guint n, bool lost, void *data)
{
  Seen *seen = data;
  seen->calls++;
  seen->lost = seen->lost || lost;
  for (guint i = 0; i < n; i++) {
    char *key = g_strdup_printf("%d/%s", changes[i].id, changes[i].name);
    g_hash_table_insert(
        seen->names, key,
        GINT_TO_POINTER(GPOINTER_TO_INT(g_hash_table_lookup(seen->names, key)) + 1));
  }
}

static void seen_late(void *data)
{
  g_error("nothing was seen within %d ms", DEADLINE_MS);
}

static void seen_open(Seen *seen)
{
  *seen = (Seen){.loop = loop_new(),
                 .names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  seen->dir = g_dir_make_tmp("reeve-watch-XXXXXX", NULL);
  seen->watch = watch_new(seen->loop, 15, seen_changes, seen, NULL);
  g_assert_nonnull(seen->watch);
}

static void seen_close(Seen *seen)
{
  watch_free(seen->watch);
  loop_free(seen->loop);
  g_hash_table_unref(seen->names);
  fs_remove_tree(seen->dir, NULL);
  g_free(seen->dir);
}

static bool seen_has(const Seen *seen, int id, const char *name)
{
  g_autofree char *key = g_strdup_printf("%d/%s", id, name);
  return g_hash_table_contains(seen->names, key);
}

static void seen_until(Seen *seen, int id, const char *name)
{
  LoopTimer *timer = loop_timer_new(seen->loop, seen_late, NULL);
  loop_timer_set(timer, clock_boot_ms() + DEADLINE_MS);
  while (!seen_has(seen, id, name))
    event_base_loop(loop_base(seen->loop), EVLOOP_ONCE);
  loop_timer_free(timer);
}

static void seen_write(const Seen *seen, const char *name)
{
  g_autofree char *path = g_build_filename(seen->dir, name, NULL);
  g_assert_true(g_file_set_contents(path, "x", 1, NULL));
}

/* A thousand writes to one file within the delay are one change. */
static void test_once(void)
{
  Seen seen;
  seen_open(&seen);
  int id = watch_add(seen.watch, seen.dir, NULL);
  g_autofree char *path = g_build_filename(seen.dir, "f", NULL);
  for (int i = 0; i < 1000; i++) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_cmpint(write(fd, "x", 1), ==, 1);
    close(fd);
  }
  seen_until(&seen, id, "f");
  g_assert_cmpint(seen.calls, ==, 1);
  g_assert_false(seen.lost);
  seen_close(&seen);
}

/* A directory that was renamed keeps its id; one that was removed is told of. */
static void test_rename_and_removal(void)
{
  Seen seen;
  seen_open(&seen);
  g_autofree char *a = g_build_filename(seen.dir, "a", NULL),
                  *b = g_build_filename(seen.dir, "b", NULL);
  g_assert_cmpint(mkdir(a, 0700), ==, 0);
  int root = watch_add(seen.watch, seen.dir, NULL), id = watch_add(seen.watch, a, NULL);
  g_assert_cmpint(root, !=, id);
  g_assert_cmpint(rename(a, b), ==, 0);
  seen_until(&seen, root, "b");
  g_assert_true(seen_has(&seen, root, "a"));
  g_assert_cmpint(watch_add(seen.watch, b, NULL), ==, id);
  seen_write(&seen, "b/inside");
  seen_until(&seen, id, "inside");
  g_assert_true(fs_remove_tree(b, NULL));
  seen_until(&seen, id, "");
  watch_remove(seen.watch, -1);
  seen_close(&seen);
}

static void test_refusals(void)
{
  Seen seen;
  seen_open(&seen);
  g_autoptr(GError) error = NULL;
  g_autofree char *link = g_build_filename(seen.dir, "link", NULL),
                  *nowhere = g_build_filename(seen.dir, "nowhere", NULL);
  g_assert_cmpint(symlink("/", link), ==, 0);
  g_assert_cmpint(watch_add(seen.watch, link, NULL), ==, -1);
  g_assert_cmpint(watch_add(seen.watch, nowhere, &error), ==, -1);
  g_assert_nonnull(error);
  seen_close(&seen);
}

/* More events than the kernel keeps: said, once. */
static void test_lost(void)
{
  Seen seen;
  seen_open(&seen);
  int id = watch_add(seen.watch, seen.dir, NULL), max = 16384;
  FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
  g_assert_true(limit && fscanf(limit, "%d", &max) == 1);
  fclose(limit);
  g_autofree char *path = g_build_filename(seen.dir, "x", NULL);
  /* made, closed, removed: three events that are never equal to the one before */
  for (int i = 0; i <= max / 2; i++) {
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    unlink(path);
  }
  seen_until(&seen, id, "x");
  g_assert_true(seen.lost);
  seen_close(&seen);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/watch/once", test_once);
  g_test_add_func("/watch/rename-and-removal", test_rename_and_removal);
  g_test_add_func("/watch/refusals", test_refusals);
  g_test_add_func("/watch/lost", test_lost);
  return g_test_run();
}
