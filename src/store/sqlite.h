#pragma once
/* What the files of the SQLite store share: where its files are, and the slots that have a file of
 * their own. Only they include this. */
#include "store/store.h"

#include <sqlite3.h>

enum { SQLITE_APPLICATION_ID = 0x52454556 }; /* "REEV" */

/* The files of a store in its directory; the lock is apart, and stays. */
#define SQLITE_FILE  "reeve.db"
#define SQLITE_LOG   SQLITE_FILE "-wal"
#define SQLITE_INDEX SQLITE_FILE "-shm"
#define SQLITE_LOCK  "lock"
#define SQLITE_FILES                      \
  {                                       \
    SQLITE_FILE, SQLITE_LOG, SQLITE_INDEX \
  }

/* --- sqlite_side.c: beside the owner --- */
StoreSide *sqlite_side_open(const char *where);
void sqlite_side_close(StoreSide *side);
bool sqlite_audit(StoreSide *side, const AuditQuery *query, StoreRowFn row, void *data,
                  GError **error);
void sqlite_maintain(StoreSide *side);
bool sqlite_backup(StoreSide *side, const char *file, StoreFacts *facts, GError **error);
/* Opens the database @path and reads its facts; checks its integrity when @thorough. Caller closes
 * @db, also after an error: STORE_FAILED when it cannot be read, INVALID when it is no store of
 * Reeve, or damaged. */
bool sqlite_look(const char *path, bool thorough, StoreFacts *facts, sqlite3 **db, GError **error);

/* --- sqlite_restore.c --- */
bool sqlite_restore(const char *where, const StoreRestore *restore, int64_t *term, GError **error);
