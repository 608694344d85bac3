/* Where a test build may end in the middle of what it does; below every other file. */
#include "shim.h"

#ifdef REEVE_CRASH_POINTS
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void shim_crash_point(const char *what)
{
  static long passed;
  const char *at = getenv("REEVE_CRASH_AT"), *role = getenv("REEVE_CRASH_ROLE"),
             *once = getenv("REEVE_CRASH_ONCE");
  if (!at || (role && strcmp(role, "shim") != 0) || ++passed != strtol(at, NULL, 10))
    return;
  if (once && open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0)
    return; /* another shim was first */
  dprintf(STDERR_FILENO, "crash point %ld (%s) reached in shim\n", passed, what);
  _exit(97);
}
#else
void shim_crash_point(const char *what)
{
  (void)what;
}
#endif
