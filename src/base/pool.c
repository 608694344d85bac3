/* See pool.h. A huge page is asked for, not needed: where the kernel gives none there are small
 * ones, and a block that is not filled is written to as far as it is filled only. */
#include "base/pool.h"

#include <glib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { POOL_ALIGN = 16, POOL_BLOCK_BYTES = 2 * 1024 * 1024 };

struct PoolBlock {
  _Alignas(POOL_ALIGN) PoolBlock *next;
};

#if defined(__SANITIZE_ADDRESS__)
#define POOL_IS_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_IS_MALLOC 1
#endif
#endif
#ifndef POOL_IS_MALLOC
#define POOL_IS_MALLOC 0
#endif

void pool_init(Pool *pool, size_t bytes)
{
  *pool = (Pool){.bytes = (bytes + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN};
}

static void pool_grow(Pool *pool)
{
  size_t most = (POOL_BLOCK_BYTES - sizeof(PoolBlock)) / pool->bytes;
  size_t n = pool->last ? MIN(pool->last * 2, most) : 1;
  bool huge = n == most;
  PoolBlock *block = huge ? aligned_alloc(POOL_BLOCK_BYTES, POOL_BLOCK_BYTES)
                          : g_malloc(sizeof *block + n * pool->bytes);
  if (!block)
    g_error("no memory for %d bytes", POOL_BLOCK_BYTES);
  if (huge)
    madvise(block, POOL_BLOCK_BYTES, MADV_HUGEPAGE);
  block->next = pool->blocks;
  pool->blocks = block;
  pool->last = n;
  pool->used = 0;
}

void *pool_new(Pool *pool)
{
  if (POOL_IS_MALLOC)
    return g_malloc0(pool->bytes);
  void *object = pool->given_back;
  if (object) {
    memcpy(&pool->given_back, object, sizeof pool->given_back);
  } else {
    if (pool->used == pool->last)
      pool_grow(pool);
    object = (char *)(pool->blocks + 1) + pool->used++ * pool->bytes;
  }
  return memset(object, 0, pool->bytes);
}

void pool_give_back(Pool *pool, void *object)
{
  if (POOL_IS_MALLOC) {
    g_free(object);
    return;
  }
  memcpy(object, &pool->given_back, sizeof pool->given_back);
  pool->given_back = object;
}

void pool_done(Pool *pool)
{
  while (pool->blocks) {
    PoolBlock *block = pool->blocks;
    pool->blocks = block->next;
    free(block);
  }
  *pool = (Pool){.bytes = pool->bytes};
}
