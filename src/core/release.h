#pragma once
/* The release queue: nothing leaves before it is stored. Pure; the server and the simulator drive
 * it. One batch is being committed, one is open. Effects of every turn, also of a read or a
 * refusal, join the open batch while anything uncommitted exists, and leave at once otherwise.
 * Batches are released whole and in order. After a failed commit that batch and every later one
 * never happened. */
#include "core/core.h"

typedef struct ReleaseQueue ReleaseQueue;

enum { RELEASE_BYTES_MAX = 16 * 1024 * 1024, RELEASE_RECORDS_MAX = 50000 };

/* Called for what may leave now, in order. @data as given to release_new. Ownership of @effects
 * moves to the callee; its records are empty.
 */
typedef void (*ReleaseFn)(Effects *effects, void *data);

/* An empty queue; @leave and @data are kept. Caller frees. */
ReleaseQueue *release_new(ReleaseFn leave, void *data);
/* With all that waits in it, which never leaves. NULL is fine. */
void release_free(ReleaseQueue *queue);
/* Adds one turn. Takes ownership of @effects. May call leave before it returns (nothing uncommitted
 * and no records). */
void release_add(ReleaseQueue *queue, Effects *effects);
/* @node has a new link, whose hello is about to be applied: instructions that were meant for its
 * former link and still wait never leave. */
void release_new_link(ReleaseQueue *queue, const char *node);
/* True when a batch with records is open and none is being committed: the caller should
 * release_take now. */
bool release_ready(const ReleaseQueue *queue);
/* True when the open batch is full: changes get 503, node links are not read. */
bool release_full(const ReleaseQueue *queue);
/* True when nothing is uncommitted. */
bool release_idle(const ReleaseQueue *queue);
/* What waits to become durable or to be told: records and bytes of both batches. */
void release_depth(const ReleaseQueue *queue, guint *records, size_t *bytes);
/* Closes the open batch and hands its records (GPtrArray of Record*, borrowed until
 * committed/failed) to the committer. */
const GPtrArray *release_take(ReleaseQueue *queue);
/* The batch taken is durable: everything in it leaves. */
void release_committed(ReleaseQueue *queue);
/* The batch taken is not durable: it and the open one are dropped. Every reply in them leaves as
 * error @code (STORE_FULL, STORE_FAILED) with @detail; messages, events and records never leave.
 * The caller then throws the core away and loads it again. */
void release_failed(ReleaseQueue *queue, int code, const char *detail);
