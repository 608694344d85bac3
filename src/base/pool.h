#pragma once
/* Many objects of one size, in blocks. A block has twice as many as the one before, until it is a
 * huge page: what is 100,000 times there costs a few allocations and a few page faults. One that is
 * given back is used again; the memory goes with the pool. Built with AddressSanitizer, every
 * object is an allocation of its own, so that it sees who uses what was given back. */
#include <stddef.h>

typedef struct PoolBlock PoolBlock;
typedef struct Pool {
  size_t bytes;      /* of an object, a multiple of 16 */
  size_t last;       /* objects in the newest block */
  size_t used;       /* of those, that were given out once */
  PoolBlock *blocks; /* the newest first */
  void *given_back;  /* a list through their first words */
} Pool;

/* An empty pool of objects of @bytes; costs nothing until the first. */
void pool_init(Pool *pool, size_t bytes);
/* An object, all zero; to be given back, or gone with the pool. Never NULL. */
void *pool_new(Pool *pool);
/* @object is of @pool, and not used any more. */
void pool_give_back(Pool *pool, void *object);
/* Frees every block; whoever built with AddressSanitizer has given back all objects before. */
void pool_done(Pool *pool);
