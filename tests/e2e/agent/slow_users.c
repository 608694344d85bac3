/* A user database that does not answer while a file is there, put before the system's by
 * LD_PRELOAD. */
#include <dlfcn.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_for_it(void)
{
  const char *path = getenv("SLOW_USERS");
  while (path && access(path, F_OK) == 0)
    usleep(10000);
}

struct passwd *getpwnam(const char *name)
{
  wait_for_it();
  struct passwd *(*next)(const char *) =
      (struct passwd * (*)(const char *)) dlsym(RTLD_NEXT, "getpwnam");
  return next(name);
}

int getpwnam_r(const char *name, struct passwd *entry, char *bytes, size_t n, struct passwd **found)
{
  wait_for_it();
  int (*next)(const char *, struct passwd *, char *, size_t, struct passwd **) =
      (int (*)(const char *, struct passwd *, char *, size_t, struct passwd **))dlsym(RTLD_NEXT,
                                                                                      "getpwnam_r");
  return next(name, entry, bytes, n, found);
}
