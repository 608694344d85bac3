/* The heap against a list that is searched: random inserts, removals and moves, from the middle
 * too; what leaves a heap leaves it in order. */
#include "base/heap.h"

#include <stdint.h>
#include <string.h>

enum { ITEMS = 300, STEPS = 20000 };

typedef struct Item {
  int before; /* so that the node is not at the beginning */
  HeapNode node;
  int64_t key;
  int id;
} Item;

static int compare_key(const HeapNode *a, const HeapNode *b)
{
  int64_t x = HEAP_OWNER(a, Item, node)->key, y = HEAP_OWNER(b, Item, node)->key;
  return (x > y) - (x < y);
}

static int compare_key_and_id(const HeapNode *a, const HeapNode *b)
{
  int by_key = compare_key(a, b);
  return by_key ? by_key : HEAP_OWNER(a, Item, node)->id - HEAP_OWNER(b, Item, node)->id;
}

/* Every node knows its place, and none comes before its parent. */
static void check_invariant(const Heap *heap)
{
  for (guint i = 0; i < heap->nodes->len; i++) {
    const HeapNode *node = heap->nodes->pdata[i];
    g_assert_cmpuint(node->slot, ==, i + 1);
    g_assert_true(heap_has(node));
    if (i > 0)
      g_assert_cmpint(heap->compare(heap->nodes->pdata[(i - 1) / 2], node), <=, 0);
  }
}

/* The first of those in the heap by looking at all of them; NULL when there is none. */
static const Item *search_first(const Item *items)
{
  const Item *first = NULL;
  for (int i = 0; i < ITEMS; i++)
    if (heap_has(&items[i].node) &&
        (!first || compare_key_and_id(&items[i].node, &first->node) < 0))
      first = &items[i];
  return first;
}

/* One random step with one random item. Few keys, so that many are equal, and now and then one at
 * an end of their range. */
static void step(Heap *heap, Item *item, GRand *rand)
{
  int64_t key = g_rand_int_range(rand, 0, 40) == 0   ? INT64_MAX
                : g_rand_int_range(rand, 0, 40) == 0 ? INT64_MIN
                                                     : g_rand_int_range(rand, -50, 50);
  bool in = heap_has(&item->node);
  if (g_rand_int_range(rand, 0, 3) == 0) {
    item->key = key; /* as when a deadline that is over goes: the node must be found all the same */
    heap_remove(heap, &item->node);
    g_assert_false(heap_has(&item->node));
    return;
  }
  item->key = key;
  if (in)
    heap_update(heap, &item->node);
  else
    heap_insert(heap, &item->node);
  g_assert_true(heap_has(&item->node));
}

static void test_random(void)
{
  g_autoptr(GRand) rand = g_rand_new_with_seed(20250);
  g_autofree Item *items = g_new0(Item, ITEMS);
  Heap heap;
  heap_init(&heap, compare_key_and_id);
  for (int i = 0; i < ITEMS; i++)
    items[i].id = i;
  for (int n = 0; n < STEPS; n++) {
    /* from nothing to all of them and back, several times */
    int many = 1 + ITEMS * (n % 5000) / 5000;
    step(&heap, &items[g_rand_int_range(rand, 0, many)], rand);
    const Item *first = search_first(items);
    g_assert_true(heap_first(&heap) == (first ? &first->node : NULL));
    if (n % 16 == 0)
      check_invariant(&heap);
  }
  for (const Item *first = search_first(items); first; first = search_first(items)) {
    g_assert_true(heap_first(&heap) == &first->node);
    heap_remove(&heap, heap_first(&heap));
  }
  g_assert_null(heap_first(&heap));
  heap_done(&heap);
}

static void test_remove_from_middle(void)
{
  Item items[10] = {0};
  Heap heap;
  heap_init(&heap, compare_key);
  g_assert_null(heap_first(&heap));
  for (int i = 0; i < 10; i++) {
    items[i].key = (i * 7) % 10;
    heap_insert(&heap, &items[i].node);
  }
  heap_remove(&heap, &items[5].node); /* key 5 */
  heap_remove(&heap, &items[5].node); /* twice is nothing */
  items[0].key = 6;                   /* the first goes back */
  heap_update(&heap, &items[0].node);
  items[7].key = -1; /* the last, key 9, comes to the front */
  heap_update(&heap, &items[7].node);
  check_invariant(&heap);
  static const int64_t keys[] = {-1, 1, 2, 3, 4, 6, 6, 7, 8};
  for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
    HeapNode *first = heap_first(&heap);
    g_assert_cmpint(HEAP_OWNER(first, Item, node)->key, ==, keys[i]);
    heap_remove(&heap, first);
  }
  g_assert_null(heap_first(&heap));
  heap_done(&heap);
}

/* Equal keys leave as the compare function says: by id, in whatever order they came. */
static void test_equal_keys(void)
{
  Item items[64] = {0};
  Heap heap;
  heap_init(&heap, compare_key_and_id);
  for (int i = 0; i < 64; i++) {
    Item *item = &items[(i * 37) % 64];
    *item = (Item){.key = i % 2 ? 5 : 6, .id = (i * 37) % 64};
    heap_insert(&heap, &item->node);
  }
  for (int i = 0; i < 64; i++) {
    items[i].key = 5;
    heap_update(&heap, &items[i].node);
  }
  for (int i = 0; i < 64; i++) {
    g_assert_cmpint(HEAP_OWNER(heap_first(&heap), Item, node)->id, ==, i);
    heap_remove(&heap, heap_first(&heap));
  }
  heap_done(&heap);
}

static void test_done_leaves_nodes(void)
{
  Item item = {.key = 1};
  Heap heap, never = {0};
  heap_init(&heap, compare_key);
  heap_insert(&heap, &item.node);
  heap_done(&heap);
  heap_done(&heap);
  heap_done(&never);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/base/heap/random", test_random);
  g_test_add_func("/base/heap/remove-from-middle", test_remove_from_middle);
  g_test_add_func("/base/heap/equal-keys", test_equal_keys);
  g_test_add_func("/base/heap/done", test_done_leaves_nodes);
  return g_test_run();
}
