#pragma once
/* Short, sortable ids with a prefix that tells the noun: dep_00001k. The number comes from the
 * core's stored counter, so no id needs randomness and two replays of one history give the same
 * ids. */
#include <stdbool.h>
#include <stdint.h>

enum { ID_BYTES = 20 }; /* prefix of 3, '_', up to 13 digits, NUL */
/* Smaller numbers have 6 digits, none of which begin with 'z'; all others have a 'z' and 12 more.
 * So the order of two texts is that of their numbers, for ever: in lists, in indexes, in other
 * programs. */
#define ID_SHORT_END (UINT64_C(31) << 25)

/* Writes "<prefix>_<number in base 32>" into @out. @prefix has 3 letters (dep, ins, rev, rol, nod,
 * tsk, run). Digits are 0-9a-z without i, l, o, u. @number: below 2^60. */
void id_format(char out[ID_BYTES], const char *prefix, uint64_t number);
/* True when @id is "<prefix>_" followed by 6..13 such digits. */
bool id_is(const char *id, const char *prefix);
/* The number that id_format wrote into @id, whatever its prefix; UINT64_MAX when @id is none of
 * ours. */
uint64_t id_number(const char *id);
