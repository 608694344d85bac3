#pragma once
/* Where truth lives: a store writes batches of records durably and gives the rows back at start. A
 * store is one const table; one contract test suite runs over every implementation (sqlite,
 * memory). Functions block: only the store's thread (store/store_thread.h) and start-up call them.
 */
#include "model/record.h"

typedef struct Store Store;

/* Called for each row of a live table; false stops the load with @error set. */
typedef bool (*StoreRowFn)(TableId table, const Value *values, void *data, GError **error);

typedef struct StoreDriver {
  const char *name;
  /* Opens or creates at @where (a directory), migrates to STORE_SCHEMA_VERSION, holds an exclusive
   * lock. REEVE_ERROR_CONFLICT names the pid that holds it; STORE_FULL, STORE_FAILED; INVALID when
   * it is newer than this program. */
  Store *(*open)(const char *where, GError **error);
  void (*close)(Store *store);
  /* All rows of all tables without history, in table order. Needs no room on the disk. */
  bool (*load)(Store *store, StoreRowFn row, void *data, GError **error);
  /* One transaction, durable when it returns true. Else nothing of it happened and nothing of it
   * will be read, by no process: STORE_FULL (ENOSPC, EDQUOT), STORE_FAILED (when the store cannot
   * be sure of that, the message says so), or UNAVAILABLE: another program holds the store, the
   * same commit may be tried again. */
  bool (*commit)(Store *store, const GPtrArray *records, GError **error);
  /* A write that changes nothing, to see whether there is room again. */
  bool (*probe)(Store *store, GError **error);
} StoreDriver;

extern const StoreDriver store_sqlite;
/* In memory, with injected failures: tests and the simulator. */
extern const StoreDriver store_memory;
/* Fails the next @n commits of a memory store with @code after applying nothing. */
void store_memory_fail(Store *store, int n, int code);
