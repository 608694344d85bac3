/* Owns the calls of the kernel that more than one room makes. */
#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
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

short system_poll_now(int fd, short events)
{
  struct pollfd look = {.fd = fd, .events = events};
  int ready;
  do
    ready = poll(&look, 1, 0);
  while (ready < 0 && errno == EINTR);
  return ready > 0 ? look.revents : 0;
}

bool system_may_pass(int error_number)
{
  static const int passing[] = {EAGAIN, EINTR,   ENOMEM, EMFILE, ENFILE, ENOBUFS,  ENOSPC,
                                EDQUOT, ETXTBSY, EBUSY,  EIO,    ESTALE, ETIMEDOUT};
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

/* ---- memory ---- */

static struct {
  bool lowered;
  guint64 soft;
} core_given;

void system_free_wiped(void *memory)
{
  if (memory)
    explicit_bzero(memory, malloc_usable_size(memory));
  free(memory);
}

/* LeakSanitizer looks into its own process as a debugger does. */
static bool memory_may_be_closed(void)
{
#ifdef __SANITIZE_ADDRESS__
  return false;
#else
  return g_strcmp0(g_getenv("REEVE_DUMPABLE"), "1") != 0;
#endif
}

void system_keep_memory_private(void)
{
  struct rlimit limit;
  json_set_alloc_funcs(malloc, system_free_wiped);
  if (!memory_may_be_closed())
    return;
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (getrlimit(RLIMIT_CORE, &limit) != 0)
    return;
  core_given.lowered = true;
  core_given.soft = limit.rlim_cur;
  limit.rlim_cur = 0;
  setrlimit(RLIMIT_CORE, &limit);
}

bool system_core_given(guint64 *soft)
{
  *soft = core_given.soft;
  return core_given.lowered;
}

void system_prepare_files(void)
{
  system_raise_files(FILES_WANTED);
  struct rlimit limit = {0};
  getrlimit(RLIMIT_NOFILE, &limit);
  int any = eventfd(0, EFD_CLOEXEC),
      last = fcntl(any, F_DUPFD_CLOEXEC, (int)MIN(FILES_ROOM, limit.rlim_cur) - 1);
  if (last >= 0)
    close(last);
  if (any >= 0)
    close(any);
}
