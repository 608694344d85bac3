#pragma once
/* Directories watched by inotify, coalesced: however many events come, the callback runs once for
 * all of them, with each name once, and watching takes at most a tenth of one processor's time. */
#include "net/loop.h"

#include <glib.h>

typedef struct Watch Watch;

/* Something happened to @name in directory @id; name "" = to the directory itself (gone, moved). */
typedef struct WatchChange {
  int id;
  const char *name; /* borrowed for the call */
} WatchChange;

/* @lost: the kernel dropped events, so that everything must be looked at again; @changes are what
 * is known nevertheless. The callback may add and remove directories. */
typedef void (*WatchFn)(const WatchChange *changes, guint n, bool lost, void *data);

/* @delay_ms: 1..1000, how long events are gathered after the first. NULL with REEVE_ERROR_LIMIT
 * when the kernel gives no instance. */
Watch *watch_new(Loop *loop, int64_t delay_ms, WatchFn fn, void *data, GError **error);
void watch_free(Watch *watch);
/* Watches the directory @path itself, never what a link leads to. Returns its id (0 or more; the
 * same for the same directory), or -1 with REEVE_ERROR_NOT_FOUND, or REEVE_ERROR_LIMIT when the
 * user may watch no more directories. */
int watch_add(Watch *watch, const char *path, GError **error);
/* No change with @id is reported after the present callback. */
void watch_remove(Watch *watch, int id);
