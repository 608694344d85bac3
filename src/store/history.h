#pragma once
/* What grows and is only queried (the audit trail), read on a thread and a connection of its own
 * beside the owner's, with a limit of STORE_AUDIT_MS, so that no query holds up the loop or a
 * commit. What the store wants done now and then, such as folding a log, is done on this thread
 * too, never inside a commit. */
#include "net/loop.h"
#include "store/store.h"

#include <glib.h>

typedef struct History History;

enum { HISTORY_WAITING_MAX = 64, HISTORY_ROWS_MAX = 1000 };

/* @body: JSON {"entries": [...], "next": ID or null}, or NULL with @error: TIMEOUT,
 * UNAVAILABLE when the server leaves, STORE_FAILED. Runs on the loop. */
typedef void (*HistoryDone)(const char *body, const GError *error, void *data);

/* Takes over @side, and closes it in history_free. */
History *history_new(Loop *loop, StoreSide *side);
/* Ends the thread; what still waits is answered with UNAVAILABLE first. NULL is fine. */
void history_free(History *history);
/* Asks, for 1..HISTORY_ROWS_MAX entries; texts are copied. False when too much waits already (then
 * @done is not called). */
bool history_audit(History *history, const AuditQuery *query, HistoryDone done, void *data);
/* The store keeps house soon, when it has to. Cheap to call after each commit. */
void history_maintain(History *history);
