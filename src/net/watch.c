/* Owns an inotify instance on the loop; see watch.h. After the first event the descriptor is not
 * looked at until the delay is over, so a storm costs one wake-up for each delay and not one for
 * each event. */
#include "net/watch.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Files count when their writer closes them, so that a file is not read for each write to it;
 * creation and attributes for links and rights.
 */
enum {
  WATCH_EVENTS = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                 IN_DELETE_SELF | IN_MOVE_SELF,
  /* of WATCH_BUFFER bytes in one go: a writer that is faster than we are does not hold the loop */
  WATCH_READS_MAX = 32,
  WATCH_BUFFER = 64 * 1024,
  WATCH_IDLE_FACTOR = 9 /* after t ms of work, 9 t ms of rest */
};

struct Watch {
  Loop *loop;
  int fd;
  LoopWatch *readable; /* NULL while events are gathered */
  LoopTimer *timer;
  int64_t delay_ms, rest_until_ms;
  WatchFn fn;
  void *data;
};

/* What one go has read: each (id, name) once, in the order of its first event. */
typedef struct WatchBatch {
  GArray *changes; /* of WatchChange; names owned by @known */
  GHashTable *known;
  bool lost;
} WatchBatch;

static void watch_on_readable(void *data)
{
  Watch *watch = data;
  g_clear_pointer(&watch->readable, loop_watch_free);
  loop_timer_set(watch->timer, MAX(clock_boot_ms() + watch->delay_ms, watch->rest_until_ms));
}

static void watch_note(WatchBatch *batch, const struct inotify_event *event)
{
  if (event->mask & IN_Q_OVERFLOW)
    batch->lost = true;
  if (event->wd < 0 || event->mask & IN_IGNORED)
    return;
  const char *name = event->len ? event->name : "";
  char *key = g_strdup_printf("%d/%s", event->wd, name);
  if (g_hash_table_contains(batch->known, key)) {
    g_free(key);
    return;
  }
  g_hash_table_add(batch->known, key);
  WatchChange change = {.id = event->wd, .name = strchr(key, '/') + 1};
  g_array_append_val(batch->changes, change);
}

static void watch_read(const Watch *watch, WatchBatch *batch)
{
  _Alignas(struct inotify_event) char buffer[WATCH_BUFFER];
  for (int i = 0; i < WATCH_READS_MAX; i++) {
    ssize_t n = read(watch->fd, buffer, sizeof buffer);
    if (n <= 0)
      return;
    for (char *p = buffer; p < buffer + n;) {
      const struct inotify_event *event = (const struct inotify_event *)(void *)p;
      watch_note(batch, event);
      p += sizeof *event + event->len;
    }
  }
}

static void watch_on_timer(void *data)
{
  Watch *watch = data;
  int64_t start_ms = clock_boot_ms();
  WatchBatch batch = {.changes = g_array_new(FALSE, FALSE, sizeof(WatchChange)),
                      .known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  watch_read(watch, &batch);
  if (batch.changes->len || batch.lost)
    watch->fn((const WatchChange *)(void *)batch.changes->data, batch.changes->len, batch.lost,
              watch->data);
  g_array_unref(batch.changes);
  g_hash_table_unref(batch.known);
  int64_t end_ms = clock_boot_ms();
  watch->rest_until_ms = end_ms + WATCH_IDLE_FACTOR * (end_ms - start_ms);
  watch->readable = loop_watch_new(watch->loop, watch->fd, watch_on_readable, watch);
}

Watch *watch_new(Loop *loop, int64_t delay_ms, WatchFn fn, void *data, GError **error)
{
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT,
                "watch directories: %s; raise fs.inotify.max_user_instances", g_strerror(errno));
    return NULL;
  }
  Watch *watch = g_new0(Watch, 1);
  *watch = (Watch){.loop = loop, .fd = fd, .delay_ms = delay_ms, .fn = fn, .data = data};
  watch->timer = loop_timer_new(loop, watch_on_timer, watch);
  watch->readable = loop_watch_new(loop, fd, watch_on_readable, watch);
  return watch;
}

void watch_free(Watch *watch)
{
  if (!watch)
    return;
  g_clear_pointer(&watch->readable, loop_watch_free);
  loop_timer_free(watch->timer);
  close(watch->fd);
  g_free(watch);
}

int watch_add(Watch *watch, const char *path, GError **error)
{
  int id = inotify_add_watch(watch->fd, path,
                             WATCH_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK);
  if (id >= 0)
    return id;
  bool full = errno == ENOSPC || errno == ENOMEM;
  g_set_error(error, REEVE_ERROR, full ? REEVE_ERROR_LIMIT : REEVE_ERROR_NOT_FOUND,
              "watch '%s': %s", path,
              full ? "no more directories may be watched; raise fs.inotify.max_user_watches"
                   : g_strerror(errno));
  return -1;
}

void watch_remove(Watch *watch, int id)
{
  if (id >= 0)
    inotify_rm_watch(watch->fd, id);
}
