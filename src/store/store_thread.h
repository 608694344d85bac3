#pragma once
/* The store on a thread of its own: one commit or other work in flight, its outcome posted to the
 * loop. Hand-over by pthread mutex and eventfd only. */
#include "net/loop.h"
#include "store/store.h"

typedef struct StoreThread StoreThread;
/* @error NULL on success; runs on the loop's thread. */
typedef void (*StoreCommitted)(const GError *error, void *data);

/* Takes over @store (opened with @driver) and closes it in store_thread_free, which joins. */
StoreThread *store_thread_new(Loop *loop, const StoreDriver *driver, Store *store);
void store_thread_free(StoreThread *thread);
/* Commits @records (borrowed until the answer), however long another program holds the store. One
 * at a time: asserts that none is in flight. */
void store_thread_commit(StoreThread *thread, const GPtrArray *records, StoreCommitted done,
                         void *data);
/* A probe write; same answer. */
void store_thread_probe(StoreThread *thread, StoreCommitted done, void *data);
/* What takes long beside commits and probes: @run is called on the thread with @data, and may use
 * the store. */
typedef struct StoreWork {
  bool (*run)(const StoreDriver *driver, Store *store, void *data, GError **error);
  void *data;
} StoreWork;
/* Does @work (copied); same answer. When the store is closed meanwhile the work is still done to
 * its end, and not answered. */
void store_thread_work(StoreThread *thread, const StoreWork *work, StoreCommitted done, void *data);
/* How many commits had to wait because another program held the store. */
guint64 store_thread_waits(StoreThread *thread);
bool store_thread_busy(const StoreThread *thread);
