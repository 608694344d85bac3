/* Owns the calls of the kernel that more than one room makes. */
#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RANDOM_BYTES_MAX = 32, FILES_WANTED = 16384, FILES_ROOM = 4096 };

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

bool system_may_pass(int error_number)
{
  static const int passing[] = {EAGAIN, EINTR, ENOMEM, EMFILE, ENFILE, ENOBUFS, ENOSPC, EDQUOT, ETXTBSY, EBUSY, EIO, ESTALE, ETIMEDOUT};
  for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
    if (passing[i] == error_number)
      return true;
  return false;
}

static guint64 files_given; /* 0 = never raised */

void system_raise_files(guint64 wanted)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
    return;
  guint64 was = limit.rlim_cur;
  limit.rlim_cur = MIN((rlim_t)wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && !files_given)
    files_given = was;
}

guint64 system_files_given(void)
{
  struct rlimit limit = {0};
  getrlimit(RLIMIT_NOFILE, &limit);
  return files_given ? files_given : limit.rlim_cur;
}

void system_prepare_files(void)
{
  system_raise_files(FILES_WANTED);
  struct rlimit limit = {0};
  getrlimit(RLIMIT_NOFILE, &limit);
  int any = eventfd(0, EFD_CLOEXEC), last = fcntl(any, F_DUPFD_CLOEXEC, (int)MIN(FILES_ROOM, limit.rlim_cur) - 1);
  if (last >= 0)
    close(last);
  if (any >= 0)
    close(any);
}
