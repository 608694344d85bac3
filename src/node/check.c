/* Can this spec be started here? Asked before anything is started, so that a typing error fails a deployment in its first second. */
#include "node/internal.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool check_executable(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *check_file(const InstanceSpec *spec, const char *word)
{
  g_autofree char *path = g_canonicalize_filename(word, spec->working_dir);
  if (access(path, F_OK) != 0)
    return g_strdup_printf("command '%s': %s", path, g_strerror(errno));
  return check_executable(path) ? NULL : g_strdup_printf("command '%s': not an executable file", path);
}

static char *check_command(const InstanceSpec *spec)
{
  const char *word = spec->argv[0];
  if (strchr(word, '@'))
    return NULL; /* Reeve's own program */
  if (strchr(word, '/'))
    return check_file(spec, word);
  const char *path = g_environ_getenv(spec->environment, "PATH");
  g_auto(GStrv) directories = g_strsplit(path ? path : "/usr/local/bin:/usr/bin:/bin", ":", -1);
  for (size_t i = 0; directories[i]; i++) {
    g_autofree char *file = g_build_filename(directories[i], word, NULL);
    if (check_executable(file))
      return NULL;
  }
  return g_strdup_printf("command '%s': not found in PATH '%s'", word, path ? path : "/usr/local/bin:/usr/bin:/bin");
}

char *check_spec(const InstanceSpec *spec)
{
  struct stat st;
  if (spec->working_dir && (stat(spec->working_dir, &st) != 0 || !S_ISDIR(st.st_mode)))
    return g_strdup_printf("working directory '%s': not a directory", spec->working_dir);
  if (spec->user && !getpwnam(spec->user))
    return g_strdup_printf("user '%s': no such user", spec->user);
  return check_command(spec);
}
