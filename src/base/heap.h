#pragma once
/* A binary heap of nodes that are embedded in the structs which they order: who is first is known
 * at once, and insert, update and remove cost O(log n) without a search or an allocation of their
 * own. For deadlines, timers and queues. Single-threaded.
 *
 *   typedef struct Job { int64_t due_ms; HeapNode due; } Job;
 *   static int job_compare(const HeapNode *a, const HeapNode *b) { HEAP_OWNER(a, Job, due) ... }
 *
 * Invariant: the key of a node that is in a heap moves only right before heap_update. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Place of one struct in one heap. All zero, as after g_new0, is "in no heap"; a struct may have
 * several, one for each heap. Must not move in memory while it is in a heap. */
typedef struct HeapNode {
  guint slot; /* 1 + index in Heap.nodes; 0 = in no heap */
} HeapNode;

/* Below 0 when @a comes before @b, above 0 when after. Nodes that compare equal leave in any order:
 * who needs an order of them goes on to an id or a number. */
typedef int (*HeapCompare)(const HeapNode *a, const HeapNode *b);

typedef struct Heap {
  GPtrArray *nodes; /* of HeapNode*, borrowed; [0] is the first */
  HeapCompare compare;
} Heap;

/* The struct of @Type whose member @member is @node, which is not NULL. */
#define HEAP_OWNER(node, Type, member) \
  ((Type *)(gpointer)((const char *)(node)-offsetof(Type, member)))

/* @heap is the caller's memory, empty afterwards; freed by heap_done. */
void heap_init(Heap *heap, HeapCompare compare);
/* Frees what @heap holds of its own. Nodes that are still in it are not touched, and must not be
 * removed any more. A heap that is all zero is fine. */
void heap_done(Heap *heap);
/* Puts @node, which is in no heap, into @heap. It stays its owner's, who removes it before it is
 * freed. */
void heap_insert(Heap *heap, HeapNode *node);
/* Takes @node out of @heap; nothing when it is in none. Its key may have moved before. */
void heap_remove(Heap *heap, HeapNode *node);
/* The key of @node, which is in @heap, has moved. */
void heap_update(Heap *heap, HeapNode *node);
/* The node that comes before all others, or NULL; it stays in the heap. */
HeapNode *heap_first(const Heap *heap);
/* Is @node in a heap? */
bool heap_has(const HeapNode *node);
