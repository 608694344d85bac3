#pragma once
/* The store on a thread of its own: one commit or other work in flight, its outcome posted to the
 * loop. Hand-over by pthread mutex and eventfd only. */
#include "net/loop.h"
#include "store/store.h"

typedef struct StoreThread StoreThread;

enum { STORE_SETTLE_MS = 5000 };

/* @error NULL on success; runs on the loop's thread. */
typedef void (*StoreCommitted)(const GError *error, void *data);

/* Takes over @store and closes it in store_thread_free, which joins. */
StoreThread *store_thread_new(Loop *loop, Store *store);
void store_thread_free(StoreThread *thread);
/* Commits @records (borrowed until the answer) under a number of their own, however long another
 * program holds the store. An outcome that is unknown is settled first: the answer is that the
 * batch is durable or that it never happened. Only when the store cannot say for STORE_SETTLE_MS,
 * the answer is STORE_FAILED and says so; what comes next then waits until it is settled. One at a
 * time: asserts that none is in flight. */
void store_thread_commit(StoreThread *thread, const GPtrArray *records, StoreCommitted done,
                         void *data);
/* A probe write; same answer. */
void store_thread_probe(StoreThread *thread, StoreCommitted done, void *data);
/* What takes long beside commits and probes: @run is called on the thread with @data, and may use
 * the store. */
typedef struct StoreWork {
  bool (*run)(Store *store, void *data, GError **error);
  void *data;
} StoreWork;
/* Does @work (copied); same answer. When the store is closed meanwhile the work is still done to
 * its end, and not answered. */
void store_thread_work(StoreThread *thread, const StoreWork *work, StoreCommitted done, void *data);
/* How many commits had to wait because another program held the store. */
guint64 store_thread_waits(StoreThread *thread);
bool store_thread_busy(const StoreThread *thread);
