#pragma once
/* Where truth lives: a store writes batches of records durably and gives the rows back at start. A
 * store is one const table (StoreDriver) in one file and one row in store.c; one contract test
 * suite runs over every row. Nothing outside this room knows which one it has.
 *
 * All functions block. The server has two connections. One owns the store (Store): start-up calls
 * it, then the store's thread (store/store_thread.h) and nobody else. One goes beside it
 * (StoreSide): the thread of history (store/history.h) asks it about the past and keeps house with
 * it. `reeve backup` has such a one, too, in a process of its own. */
#include "model/record.h"

typedef struct StoreDriver StoreDriver;

/* The connection that owns a store. A driver's own struct begins with it. */
typedef struct Store {
  /* set by store_open */
  const StoreDriver *driver;
  char *uri;
  int64_t last_batch; /* number of the last batch that open found; 0 = none has one */
} Store;

/* A connection beside it, which never holds it up. A driver's own struct begins with it. */
typedef struct StoreSide {
  const StoreDriver *driver; /* set by store_beside */
} StoreSide;

/* Called for each row of a live table; values are borrowed. False stops with @error set. */
typedef bool (*StoreRowFn)(TableId table, const Value *values, void *data, GError **error);

/* What became of a batch. */
typedef enum StoreOutcome {
  STORE_DONE, /* durable; @error unset. In all other cases it is set */
  /* Nothing of it happened, and nothing of it will ever be read, by no process: STORE_FULL (no room
   * or quota), STORE_FAILED. */
  STORE_NOT,
  /* Nothing of it happened yet, since another program holds the store: UNAVAILABLE. The same call
   * may be made again at once, as long as it takes. */
  STORE_BUSY,
  /* Nobody can say: the connection broke, or the disk failed and the batch could not be taken back.
   * STORE_FAILED. From now on nothing but settle and close may be called, until settle has said
   * STORE_DONE or STORE_NOT. */
  STORE_UNKNOWN,
} StoreOutcome;

enum {
  STORE_AUDIT_MS = 1000, /* so long a question about the past may take */
  /* Ids that were given out after a backup may still be held by nodes: those that are given out
   * after its restore begin so far above all that can be known. */
  STORE_ID_GAP = 1 << 20
};

/* What of the audit trail is wanted, newest first. NULL = any. */
typedef struct AuditQuery {
  const char *actor, *action, *object;
  const char *before; /* only entries older than the one with this id */
  int64_t since_ms;   /* wall clock; 0 = from the beginning */
  int limit;          /* entries, 1 or more */
} AuditQuery;

/* What a store says of itself. */
typedef struct StoreFacts {
  int64_t schema;        /* version */
  int64_t term, next_id; /* 1 when it never had one */
  int64_t deployments, secrets;
} StoreFacts;

/* What a restore asks of its caller, while it holds the store against every owner. Each is called
 * once at most, in this order; false with @error ends the restore with nothing changed. */
typedef struct StoreRestore {
  /* Writes what the backup slot once wrote to the new file @file, checked and durable. */
  bool (*unpack)(const char *file, void *data, GError **error);
  /* Makes the directory in which what is there now is kept, and sets @former (caller frees); left
   * NULL when there is nothing to keep. @any: the store has something. */
  bool (*keep)(bool any, char **former, void *data, GError **error);
  /* Only the last step is left, which is atomic: puts in place what belongs to the store @id (""
   * when it has none) besides. */
  bool (*place)(const char *id, void *data, GError **error);
  void *data;
} StoreRestore;

struct StoreDriver {
  const char *scheme; /* "sqlite": what a URI begins with */
  const char *form;   /* "sqlite:DIRECTORY": what a whole one looks like, for messages */

  /* ---- the owner's connection ---- */

  /* Opens or creates the store at @where (a URI without its scheme), migrates it to
   * STORE_SCHEMA_VERSION, and holds it against any other owner. Sets last_batch: a store of a
   * release before batches had numbers begins at 0. CONFLICT names who holds it; STORE_FULL,
   * STORE_FAILED; INVALID when it is no store, or newer than this program; DENIED when others could
   * write it. Start-up. */
  Store *(*open)(const char *where, GError **error);
  /* Lets go of it. NULL is fine. After the store's thread has ended. */
  void (*close)(Store *store);
  /* All rows of all tables without history, in table order. Needs no room on the disk. False with
   * @error: that of @row, or STORE_FAILED. Start-up, then the store's thread. */
  bool (*load)(Store *store, StoreRowFn row, void *data, GError **error);
  /* Writes @records (borrowed) and @number, under the key "batch" of the meta table, in one
   * transaction. @number: above that of every batch before it, whatever became of that; the same
   * only after STORE_BUSY. The store's thread. */
  StoreOutcome (*commit)(Store *store, const GPtrArray *records, int64_t number, GError **error);
  /* After STORE_UNKNOWN: did batch @number, the last one that was tried, happen? Opens the
   * connection anew when it must. STORE_DONE and STORE_NOT are final, for every process that reads
   * the store hereafter; STORE_NOT then has no @error, since why is known from the commit.
   * STORE_BUSY and STORE_UNKNOWN: it cannot be told now, ask again. The store's thread. */
  StoreOutcome (*settle)(Store *store, int64_t number, GError **error);
  /* A write that changes nothing, to see whether there is room again: STORE_FULL, STORE_FAILED. It
   * has no number, and leaves nothing unknown. The store's thread. */
  bool (*probe)(Store *store, GError **error);

  /* ---- beside it ---- */

  /* A connection beside the owner, of this process or another, to the store at @where. Touches
   * nothing yet: what is wrong is said by the first question. Any thread; those that follow belong
   * to one thread at a time. */
  StoreSide *(*side_open)(const char *where);
  /* After the thread of history has ended. NULL is fine. */
  void (*side_close)(StoreSide *side);
  /* Calls @row for each entry of the audit trail (TABLE_AUDIT) that @query wants. False with
   * @error: TIMEOUT after STORE_AUDIT_MS, STORE_FAILED, or that of @row. The thread of history. */
  bool (*audit)(StoreSide *side, const AuditQuery *query, StoreRowFn row, void *data,
                GError **error);
  /* What the store wants done now and then and never inside a commit: folding a log that has grown,
   * say. Cheap when there is nothing to do. What goes wrong is tried again the next time. The
   * thread of history, after commits. */
  void (*maintain)(StoreSide *side);
  /* Writes all that the store holds at one moment to the new file @file, mode 0600, in a form that
   * only restore of the same driver needs to read, and says what is in it; commits go on meanwhile.
   * NOT_FOUND when there is no store; INVALID when it is none of Reeve or damaged; STORE_FULL,
   * STORE_FAILED. @file is the caller's to remove, also after an error. A process of its own. */
  bool (*backup)(StoreSide *side, const char *file, StoreFacts *facts, GError **error);
  /* Replaces what the store at @where holds by what backup wrote, as @restore unpacks it: under a
   * term above both, told in @term, with ids above both (STORE_ID_GAP), and with the id that the
   * store has. A process that ends anywhere in it leaves the former store or the restored one,
   * whole. CONFLICT while an owner holds it; INVALID when what was unpacked is damaged; STORE_FULL,
   * STORE_FAILED; those of @restore. A process of its own. */
  bool (*restore)(const char *where, const StoreRestore *restore, int64_t *term, GError **error);
};

/* Opens the store that @uri names: "sqlite:DIRECTORY", "memory:NAME", or a directory, which is
 * sqlite's. A directory whose own name looks like a scheme is written "./NAME". Errors as of the
 * open slot; USAGE, with those that there are, when the scheme is of none. The message never quotes
 * more of @uri than its scheme, since there may be a password in it. Source: docs/architecture.md
 * "The store". */
Store *store_open(const char *uri, GError **error);
/* Closes it. NULL is fine. */
void store_close(Store *store);
/* A connection beside the owner of the store that @uri names; opens nothing yet. USAGE as
 * store_open. Closed with store_side_close. */
StoreSide *store_beside(const char *uri, GError **error);
void store_side_close(StoreSide *side); /* NULL is fine */
/* The restore slot of the store that @uri names; USAGE as store_open. */
bool store_restore(const char *uri, const StoreRestore *restore, int64_t *term, GError **error);

extern const StoreDriver store_sqlite;
/* In memory, with failures to order: tests. What "memory:NAME" holds stays in this process when it
 * is closed and is found again when it is opened; "memory:" begins empty each time. */
extern const StoreDriver store_memory;
/* The next @n commits or probes of @store are refused with @code, and nothing of them happens. */
void store_memory_fail(Store *store, int n, int code);
/* The next @n commits of @store find it held by another program. */
void store_memory_hold(Store *store, int n);
/* The next commit of @store has an unknown outcome; it @happened or not. So do the first @unsure
 * answers of settle to it; store_memory_settle ends those. */
void store_memory_lose(Store *store, bool happened, int unsure);
void store_memory_settle(Store *store);
