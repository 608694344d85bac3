/* How much of the logs is kept: a cap for the whole node, oldest files first, and an end for
 * instances that are long gone. */
#include "drivers/keep.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"

#include <sys/stat.h>
#include <unistd.h>

enum { KEEP_SOON_MS = 5000, KEEP_EVERY_MS = 3600 * 1000, KEEP_FILES = 5 };
#define KEEP_CAP_BYTES ((int64_t)2 * 1024 * 1024 * 1024)
#define KEEP_GONE_MS   ((int64_t)7 * 24 * 3600 * 1000)

struct Keep {
  ProcessDriver *driver;
  LoopTimer *timer;
  int64_t due_ms;
};

typedef struct KeepFile {
  char *path;
  int64_t bytes, at_ms;
  bool written; /* somebody writes to it: stays */
} KeepFile;

static void keep_file_free(gpointer data)
{
  KeepFile *file = data;
  g_free(file->path);
  g_free(file);
}

static int64_t keep_time_ms(const struct stat *st)
{
  return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

/* Adds the log files of one instance to @files. Returns when anything was last written about it; 0
 * = nothing is there. */
static int64_t keep_collect(const char *directory, bool written, GPtrArray *files)
{
  static const char *const names[] = {"log", "log.1", "log.2", "log.3", "log.4", "instance.json"};
  int64_t last_ms = 0;
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *path = g_build_filename(directory, names[i], NULL);
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
      continue;
    last_ms = MAX(last_ms, keep_time_ms(&st));
    if (i >= KEEP_FILES)
      continue;
    KeepFile *file = g_new0(KeepFile, 1);
    *file = (KeepFile){.path = g_steal_pointer(&path),
                       .bytes = st.st_size,
                       .at_ms = keep_time_ms(&st),
                       .written = written && i == 0};
    g_ptr_array_add(files, file);
  }
  return last_ms;
}

/* By age, then by path, so that a sweep is the same twice. */
static gint keep_older(gconstpointer a, gconstpointer b)
{
  const KeepFile *x = *(KeepFile *const *)a, *y = *(KeepFile *const *)b;
  return x->at_ms != y->at_ms ? (x->at_ms < y->at_ms ? -1 : 1) : g_strcmp0(x->path, y->path);
}

/* Removes files from @first on until those after it have at most @most bytes. Returns the bytes
 * removed. */
static int64_t keep_remove(const GPtrArray *files, guint first, int64_t most)
{
  int64_t total = 0, removed = 0;
  for (guint i = first; i < files->len; i++)
    total += ((const KeepFile *)files->pdata[i])->bytes;
  for (guint i = first; i < files->len && total - removed > most; i++) {
    const KeepFile *file = files->pdata[i];
    if (!file->written && unlink(file->path) == 0)
      removed += file->bytes;
  }
  return removed;
}

int64_t keep_sweep(const char *instances_dir, KeepWrittenFn written, void *data,
                   const KeepLimits *limits)
{
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(keep_file_free);
  g_autoptr(GDir) dir = g_dir_open(instances_dir, 0, NULL);
  int64_t removed = 0;
  for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
    if (!id_is(name, "ins"))
      continue;
    g_autofree char *directory = g_build_filename(instances_dir, name, NULL);
    bool is_written = written(name, data);
    guint first = files->len;
    int64_t last_ms = keep_collect(directory, is_written, files);
    if (is_written || last_ms >= limits->now_ms - limits->gone_ms)
      continue;
    removed += keep_remove(files, first, -1);
    g_ptr_array_set_size(files, (gint)first);
  }
  g_ptr_array_sort(files, keep_older);
  return removed + keep_remove(files, 0, limits->cap_bytes);
}

/* One sweep, in the background; what is being written was looked up before, on the loop. */
typedef struct KeepJob {
  char *instances_dir;
  GHashTable *written; /* set of ids */
  KeepLimits limits;
  int64_t removed;
} KeepJob;

static bool keep_job_written(const char *id, void *data)
{
  const KeepJob *job = data;
  return g_hash_table_contains(job->written, id);
}

static void keep_job_work(void *data)
{
  KeepJob *job = data;
  job->removed = keep_sweep(job->instances_dir, keep_job_written, job, &job->limits);
}

/* The instances whose log a shim may be writing now. */
static GHashTable *keep_written(const ProcessDriver *driver)
{
  GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, driver->processes);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Process *process = value;
    if (process->shim || process->finding || process->preparing)
      g_hash_table_add(ids, g_strdup(process->id));
  }
  return ids;
}

static void keep_arm(Keep *keep, int64_t in_ms)
{
  keep->due_ms = clock_boot_ms() + in_ms;
  loop_timer_set(keep->timer, keep->due_ms);
}

static void keep_job_done(void *data)
{
  KeepJob *job = data;
  if (job->removed > 0)
    log_info("old logs removed", "bytes=%" G_GINT64_FORMAT, job->removed);
  g_hash_table_unref(job->written);
  g_free(job->instances_dir);
  g_free(job);
}

static void keep_due(void *data)
{
  Keep *keep = data;
  const DriverWorld *world = &keep->driver->world;
  KeepJob *job = g_new0(KeepJob, 1);
  *job = (KeepJob){
      .instances_dir = g_strdup(world->instances_dir),
      .written = keep_written(keep->driver),
      .limits = {.cap_bytes = KEEP_CAP_BYTES, .gone_ms = KEEP_GONE_MS, .now_ms = clock_wall_ms()}};
  world->background(world->data, keep_job_work, keep_job_done, job);
  keep_arm(keep, KEEP_EVERY_MS);
}

void keep_soon(Keep *keep)
{
  if (keep->due_ms > clock_boot_ms() + KEEP_SOON_MS)
    keep_arm(keep, KEEP_SOON_MS);
}

Keep *keep_new(ProcessDriver *driver)
{
  Keep *keep = g_new0(Keep, 1);
  keep->driver = driver;
  keep->timer = loop_timer_new(driver->world.loop, keep_due, keep);
  keep_arm(keep, KEEP_SOON_MS);
  return keep;
}

void keep_free(Keep *keep)
{
  if (!keep)
    return;
  loop_timer_free(keep->timer);
  g_free(keep);
}
