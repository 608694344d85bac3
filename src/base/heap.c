/* The binary heap of heap.h: parent of slot i is i / 2, its children are 2 i and 2 i + 1, counted
 * from 1. No node comes before its parent. */
#include "base/heap.h"

static HeapNode *heap_at(const Heap *heap, guint slot)
{
  return heap->nodes->pdata[slot - 1];
}

static void heap_put(const Heap *heap, guint slot, HeapNode *node)
{
  heap->nodes->pdata[slot - 1] = node;
  node->slot = slot;
}

/* Moves @node, whose place is a hole at @slot, to where it belongs: up past those that come after
 * it, else down past those that come before it. Nodes that compare equal do not pass each other. */
static void heap_settle(const Heap *heap, guint slot, HeapNode *node)
{
  guint n = heap->nodes->len;
  while (slot > 1 && heap->compare(node, heap_at(heap, slot / 2)) < 0) {
    heap_put(heap, slot, heap_at(heap, slot / 2));
    slot /= 2;
  }
  for (guint child = 2 * slot; child <= n; child = 2 * slot) {
    if (child < n && heap->compare(heap_at(heap, child + 1), heap_at(heap, child)) < 0)
      child++;
    if (heap->compare(heap_at(heap, child), node) >= 0)
      break;
    heap_put(heap, slot, heap_at(heap, child));
    slot = child;
  }
  heap_put(heap, slot, node);
}

void heap_init(Heap *heap, HeapCompare compare)
{
  *heap = (Heap){.nodes = g_ptr_array_new(), .compare = compare};
}

void heap_done(Heap *heap)
{
  g_clear_pointer(&heap->nodes, g_ptr_array_unref);
}

void heap_insert(Heap *heap, HeapNode *node)
{
  g_assert(!node->slot);
  g_ptr_array_add(heap->nodes, node);
  heap_settle(heap, heap->nodes->len, node);
}

void heap_remove(Heap *heap, HeapNode *node)
{
  guint slot = node->slot;
  if (!slot)
    return;
  g_assert(slot <= heap->nodes->len && heap_at(heap, slot) == node);
  HeapNode *last = g_ptr_array_steal_index(heap->nodes, heap->nodes->len - 1);
  node->slot = 0;
  if (last != node)
    heap_settle(heap, slot, last);
}

void heap_update(Heap *heap, HeapNode *node)
{
  g_assert(node->slot && node->slot <= heap->nodes->len && heap_at(heap, node->slot) == node);
  heap_settle(heap, node->slot, node);
}

HeapNode *heap_first(const Heap *heap)
{
  return heap->nodes->len ? heap_at(heap, 1) : NULL;
}

bool heap_has(const HeapNode *node)
{
  return node->slot > 0;
}
