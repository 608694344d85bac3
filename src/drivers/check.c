/* Can this spec be started here? Asked before anything is started, so that a typing error fails a
 * deployment in its first second. */
#include "drivers/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool check_executable(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The interpreter that the first line of @path names, or NULL; caller frees. A CR before the line
 * end belongs to its name. */
static char *check_interpreter_of(const char *path)
{
  char line[256] = "";
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;
  if (fd >= 0)
    close(fd);
  if (n < 3 || strncmp(line, "#!", 2) != 0)
    return NULL;
  const char *name = line + 2 + strspn(line + 2, " \t");
  return g_strndup(name, strcspn(name, " \t\n"));
}

/* Why the kernel will not find the interpreter of @path, or NULL; caller frees. */
static char *check_interpreter(const char *path)
{
  g_autofree char *name = check_interpreter_of(path);
  if (!name || !name[0] || access(name, F_OK) == 0)
    return NULL;
  bool crlf = g_str_has_suffix(name, "\r");
  if (crlf)
    name[strlen(name) - 1] = '\0';
  return crlf
             ? g_strdup_printf(
                   "its first line ends with CR LF, so that its interpreter is not found; save it with LF line ends")
             : g_strdup_printf("its interpreter '%s' does not exist", name);
}

static char *check_program(const char *path)
{
  g_autofree char *why = check_interpreter(path);
  return why ? g_strdup_printf("command '%s': %s", path, why) : NULL;
}

static char *check_file(const InstanceSpec *spec, const char *word)
{
  g_autofree char *path = g_canonicalize_filename(word, spec->working_dir);
  if (access(path, F_OK) != 0)
    return g_strdup_printf("command '%s': %s", path, g_strerror(errno));
  return check_executable(path) ? check_program(path)
                                : g_strdup_printf("command '%s': not an executable file", path);
}

/* The file that @word stands for in the PATH of @spec, or NULL; caller frees. */
static char *check_in_path(const InstanceSpec *spec, const char *word)
{
  const char *path = g_environ_getenv(spec->environment, "PATH");
  g_auto(GStrv) directories = g_strsplit(path ? path : "/usr/local/bin:/usr/bin:/bin", ":", -1);
  for (size_t i = 0; directories[i]; i++) {
    g_autofree char *file = g_build_filename(directories[i], word, NULL);
    if (check_executable(file))
      return g_steal_pointer(&file);
  }
  return NULL;
}

static char *check_command(const InstanceSpec *spec)
{
  const char *word = spec->argv[0];
  if (strchr(word, '@'))
    return NULL; /* Reeve's own program */
  if (strchr(word, '/'))
    return check_file(spec, word);
  g_autofree char *file = check_in_path(spec, word);
  if (file)
    return check_program(file);
  const char *path = g_environ_getenv(spec->environment, "PATH");
  return g_strdup_printf("command '%s': not found in PATH '%s'", word,
                         path ? path : "/usr/local/bin:/usr/bin:/bin");
}

char *check_start_failed(const ShimMessage *message, const InstanceSpec *spec)
{
  const char *reason = g_strerror(message->error_number);
  if (spec && spec->working_dir && strcmp(message->step, "cwd") == 0)
    return g_strdup_printf("working directory '%s': %s", spec->working_dir, reason);
  if (strcmp(message->step, "interpreter") == 0) {
    g_autofree char *file = NULL;
    if (spec)
      file = strchr(spec->argv[0], '/') ? g_canonicalize_filename(spec->argv[0], spec->working_dir)
                                        : check_in_path(spec, spec->argv[0]);
    g_autofree char *why = file ? check_interpreter(file) : NULL;
    return why ? g_steal_pointer(&why)
               : g_strdup(
                     "the program is there, and what it needs to be run (interpreter or loader) is not");
  }
  static const struct {
    const char *step, *words;
  } steps[] = {{"fork", "fork"},
               {"state", "write down its process"},
               {"cgroup", "join its control group"},
               {"user", "become its user"},
               {"cwd", "working directory"}};
  for (size_t i = 0; i < G_N_ELEMENTS(steps); i++)
    if (strcmp(message->step, steps[i].step) == 0)
      return g_strdup_printf("%s: %s", steps[i].words, reason);
  return g_strdup(reason);
}

char *check_spec(const InstanceSpec *spec, const char *no_user)
{
  struct stat st;
  if (spec->working_dir && (stat(spec->working_dir, &st) != 0 || !S_ISDIR(st.st_mode)))
    return g_strdup_printf("working directory '%s': not a directory", spec->working_dir);
  if (no_user)
    return g_strdup_printf("user '%s': %s", spec->user, no_user);
  return check_command(spec);
}
