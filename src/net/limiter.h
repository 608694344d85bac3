#pragma once
/* Counts refused keys and tokens for each peer address: ten at once, then one a second. Bounded;
 * pure. */
#include <stdbool.h>
#include <stdint.h>

typedef struct Limiter Limiter;
/* Nobody has failed yet. Caller frees. */
Limiter *limiter_new(void);
/* NULL is fine. */
void limiter_free(Limiter *limiter);
/* One more refusal of @address at @boot_ms. False: too many; it should be told so and nothing else.
 */
bool limiter_count(Limiter *limiter, const char *address, int64_t boot_ms);
