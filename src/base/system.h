#pragma once
/* What we ask of the kernel. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Writes @digits random hex digits and NUL into @out, which has room for them; at most 64. Ends the process when the kernel gives no
 * randomness: what is made of it must not be guessed. */
void system_random_hex(char *out, size_t digits);
/* Raises the number of files that this process may have open to @wanted, as far as it may. True when it was lower, with the former number
 * in
 * @before (may be NULL). */
bool system_raise_files(guint64 wanted, guint64 *before);
