#pragma once
/* What grows and is only queried (the audit trail), read on a thread and a read-only connection of
 * its own with a limit of 1 s, so that no query holds up the loop or a commit. The write-ahead log
 * is folded into the database on this thread too, never inside a commit. */
#include "net/loop.h"

#include <glib.h>

typedef struct History History;

enum { HISTORY_WAITING_MAX = 64, HISTORY_ROWS_MAX = 1000 };

/* What of the audit trail is wanted, newest first. Texts are copied; NULL = any. */
typedef struct AuditQuery {
  const char *actor, *action, *object;
  const char *before; /* only entries older than the one with this id */
  int64_t since_ms;   /* 0 = from the beginning */
  int limit;          /* 1..HISTORY_ROWS_MAX */
} AuditQuery;

/* @body: JSON {"entries": [...], "next": ID or null}, or NULL with @error: TIMEOUT after 1 s,
 * UNAVAILABLE when the server leaves, STORE_FAILED. Runs on the loop. */
typedef void (*HistoryDone)(const char *body, const GError *error, void *data);

/* Reads the store in @directory (sqlite). Opens nothing before the first question. */
History *history_new(Loop *loop, const char *directory);
/* Ends the thread; what still waits is answered with UNAVAILABLE first. NULL is fine. */
void history_free(History *history);
/* Asks; false when too much waits already (then @done is not called). */
bool history_audit(History *history, const AuditQuery *query, HistoryDone done, void *data);
/* Folds the log into the database soon, when it has grown. Cheap to call after each commit. */
void history_checkpoint(History *history);
