/* Owns the watching of single files: their directories are watched, since editors write a new file
 * and rename it. */
#include "cli/file_watch.h"

#include "base/clock.h"
#include "net/watch.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_WATCH_GATHER_MS = 10, LINKS_MAX = 40 };

struct FileWatch {
  Loop *loop;
  Watch *watch;
  LoopTimer *quiet;
  GHashTable *names; /* "id/name" of each file, owned */
};

void file_watch_touch(FileWatch *files)
{
  loop_timer_set(files->quiet, clock_boot_ms() + FILE_WATCH_QUIET_MS);
}

static void file_watch_changes(const WatchChange *changes, guint n, bool lost, void *data)
{
  FileWatch *files = data;
  bool ours = lost;
  for (guint i = 0; i < n && !ours; i++) {
    g_autofree char *key = g_strdup_printf("%d/%s", changes[i].id, changes[i].name);
    ours = g_hash_table_contains(files->names, key);
  }
  if (ours)
    file_watch_touch(files);
}

static void file_watch_one(FileWatch *files, const char *path)
{
  g_autofree char *directory = g_path_get_dirname(path), *name = g_path_get_basename(path);
  int id = watch_add(files->watch, directory, NULL);
  if (id >= 0)
    g_hash_table_add(files->names, g_strdup_printf("%d/%s", id, name));
}

/* Watches every link on the way to @path, and on the way to where those point: `current ->
 * release-7` is turned, the file is not touched.
 * @links bounds how many are followed. */
static void file_watch_links(FileWatch *files, const char *path, int links)
{
  g_autofree char *whole = g_canonicalize_filename(path, NULL);
  for (char *end = strchr(whole + 1, '/'); links > 0; end = strchr(end + 1, '/')) {
    g_autofree char *part = end ? g_strndup(whole, (gsize)(end - whole)) : g_strdup(whole);
    g_autofree char *target = g_file_read_link(part, NULL);
    if (target) {
      g_autofree char *directory = g_path_get_dirname(part),
                      *rest = g_canonicalize_filename(target, directory);
      g_autofree char *onward = g_strconcat(rest, end, NULL);
      file_watch_one(files, part);
      file_watch_links(files, onward, links - 1);
      return;
    }
    if (!end)
      break;
  }
}

void file_watch_add(FileWatch *files, const GPtrArray *paths)
{
  for (guint i = 0; i < paths->len; i++) {
    const char *path = paths->pdata[i];
    file_watch_one(files, path);
    file_watch_links(files, path, LINKS_MAX);
    char *real = realpath(path, NULL);
    if (real && !g_str_equal(real, path))
      file_watch_one(files, real);
    free(real);
  }
}

FileWatch *file_watch_new(Loop *loop, LoopFn fn, void *data, GError **error)
{
  FileWatch *files = g_new0(FileWatch, 1);
  *files = (FileWatch){.loop = loop};
  files->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  files->quiet = loop_timer_new(loop, fn, data);
  files->watch = watch_new(loop, FILE_WATCH_GATHER_MS, file_watch_changes, files, error);
  if (files->watch)
    return files;
  file_watch_free(files);
  return NULL;
}

void file_watch_free(FileWatch *files)
{
  if (!files)
    return;
  watch_free(files->watch);
  loop_timer_free(files->quiet);
  g_hash_table_unref(files->names);
  g_free(files);
}
