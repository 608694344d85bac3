/* Owns the calls of the kernel that more than one room makes. */
#include "base/system.h"

#include <sys/random.h>
#include <sys/resource.h>

enum { RANDOM_BYTES_MAX = 32 };

void system_random_hex(char *out, size_t digits)
{
  unsigned char bytes[RANDOM_BYTES_MAX];
  g_assert(digits <= 2 * sizeof bytes);
  if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
    g_error("the kernel gives no randomness");
  for (size_t i = 0; i < digits; i++)
    out[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
  out[digits] = '\0';
}

bool system_raise_files(guint64 wanted, guint64 *before)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
    return false;
  guint64 was = limit.rlim_cur;
  limit.rlim_cur = MIN((rlim_t)wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return false;
  if (before)
    *before = was;
  return true;
}
