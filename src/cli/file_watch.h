#pragma once
/* Files watched for a command that stays: one call when they have changed and then been left alone
 * for a moment. */
#include "net/loop.h"

#include <glib.h>

enum { FILE_WATCH_QUIET_MS = 200 };

typedef struct FileWatch FileWatch;
/* @fn is called on the loop once nothing has happened to the files for FILE_WATCH_QUIET_MS. */
FileWatch *file_watch_new(Loop *loop, LoopFn fn, void *data, GError **error);
void file_watch_free(FileWatch *files);
/* Watches each of @paths (of char*, absolute) from now on, in addition to those before; a path may
 * not be there yet. Links are watched on both ends. */
void file_watch_add(FileWatch *files, const GPtrArray *paths);
/* As if a file had changed now. */
void file_watch_touch(FileWatch *files);
