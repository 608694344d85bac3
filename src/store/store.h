#pragma once
/* Where truth lives: a store writes batches of records durably and gives the rows back at start. A
 * store is one const table (StoreDriver) in one file and one row in store.c; one contract test
 * suite runs over every row. Nothing outside this room knows which one it has.
 *
 * All functions block. The server has one connection of its own, which owns the store (Store):
 * start-up calls it, then the store's thread (store/store_thread.h) and nobody else. */
#include "model/record.h"

typedef struct StoreDriver StoreDriver;

/* The connection that owns a store. A driver's own struct begins with it. */
typedef struct Store {
  const StoreDriver *driver; /* set by store_open */
  int64_t last_batch;        /* number of the last batch that open found; 0 = none has one */
} Store;

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

struct StoreDriver {
  const char *scheme; /* "sqlite": what a URI begins with */
  const char *form;   /* "sqlite:DIRECTORY": what a whole one looks like, for messages */

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
};

/* Opens the store that @uri names: "sqlite:DIRECTORY", "memory:NAME", or a directory, which is
 * sqlite's. A directory whose own name looks like a scheme is written "./NAME". Errors as of the
 * open slot; USAGE, with those that there are, when the scheme is of none. The message never quotes
 * more of @uri than its scheme, since there may be a password in it. Source: docs/architecture.md
 * "The store". */
Store *store_open(const char *uri, GError **error);
/* Closes it. NULL is fine. */
void store_close(Store *store);

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
