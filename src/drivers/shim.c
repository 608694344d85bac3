/* Starts shims and speaks protocol 1 with them; see shim.h. */
#include "drivers/shim.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/system.h"
#include "base/text.h"
#include "drivers/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  SHIM_FIRST_FD = 10,
  SHIM_TEXT = 512,
  SHIM_LOG_BYTES = 10 * 1024 * 1024,
  SHIM_LOG_FILES = 5,
  SHIM_FDS = 5
};

struct Shim {
  int fd;
  LoopWatch *watch;
  const ShimEvents *events;
  void *data;
  ProcessIdentity identity;
};

/* ---- messages ---- */

static void shim_dispatch(const Shim *shim, const char *text)
{
  ShimMessage message = shim_message_parse(text);
  const ShimNewsFn listeners[SHIM_NEWS_N] = {[SHIM_HELLO] = shim->events->hello,
                                             [SHIM_STARTED] = shim->events->started,
                                             [SHIM_START_FAILED] = shim->events->start_failed,
                                             [SHIM_EXITED] = shim->events->exited,
                                             [SHIM_ROTATED] = shim->events->rotated};
  if (listeners[message.news])
    listeners[message.news](shim->data, &message);
}

/* One datagram a wake-up: the callbacks may free the shim, so nothing of it is touched after them.
 */
static void shim_on_readable(void *data)
{
  Shim *shim = data;
  char text[SHIM_TEXT];
  ssize_t n = recv(shim->fd, text, sizeof text - 1, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n > 0) {
    text[n] = '\0';
    shim_dispatch(shim, text);
    return;
  }
  loop_watch_free(g_steal_pointer(&shim->watch));
  shim->events->gone(shim->data);
}

static Shim *shim_new(Loop *loop, int fd, pid_t pid, const ShimEvents *events, void *data)
{
  Shim *shim = g_new0(Shim, 1);
  ProcStat stat;
  *shim = (Shim){.fd = fd, .events = events, .data = data};
  if (pid > 0 && proc_stat(pid, &stat))
    shim->identity = (ProcessIdentity){.pid = pid, .start_time = stat.start_time};
  shim->watch = loop_watch_new(loop, fd, shim_on_readable, shim);
  return shim;
}

ProcessIdentity shim_identity(const Shim *shim)
{
  return shim->identity;
}

bool shim_sleeps(const Shim *shim)
{
  ProcStat stat;
  return shim->identity.pid > 0 && proc_stat(shim->identity.pid, &stat) &&
         stat.start_time == shim->identity.start_time && stat.state == 'S';
}

void shim_free(Shim *shim)
{
  if (!shim)
    return;
  loop_watch_free(shim->watch);
  close(shim->fd);
  g_free(shim);
}

G_GNUC_PRINTF(2, 3) static void shim_say(Shim *shim, const char *format, ...)
{
  char text[SHIM_TEXT];
  va_list args;
  va_start(args, format);
  int n = g_vsnprintf(text, sizeof text, format, args);
  va_end(args);
  fs_crash_point("message to shim");
  if (send(shim->fd, text, (size_t)n, MSG_NOSIGNAL) < 0)
    /* its end is read next */
    log_debug("shim not reached", "message=\"%s\" error=\"%s\"", text, g_strerror(errno));
}

void shim_start(Shim *shim, int attempt)
{
  shim_say(shim, "start attempt=%d", attempt);
}

void shim_signal(Shim *shim, int signal)
{
  shim_say(shim, "signal sig=%d", signal);
}

void shim_kill(Shim *shim)
{
  shim_say(shim, "kill");
}

void shim_query(Shim *shim)
{
  shim_say(shim, "query");
}

void shim_end(Shim *shim)
{
  shim_say(shim, "end");
  shim_free(shim);
}

/* ---- spec ---- */

/* Replaces the two placeholders in one word; caller frees. */
static char *shim_substitute(const char *word, const char *directory, const char *reeve_path)
{
  if (!strchr(word, '@'))
    return g_strdup(word);
  GString *text = g_string_new(word);
  g_string_replace(text, "@REEVE_INSTANCE_DIR@", directory, 0);
  g_string_replace(text, "@REEVE_BIN@", reeve_path ? reeve_path : "reeve", 0);
  return g_string_free(text, FALSE);
}

enum { SPEC_AROUND = 40 }; /* bytes of key, length and marks of an entry, at most */

static void spec_put(GString *out, const char *key, const char *text)
{
  g_string_append_printf(out, "%s:%zu:", key, strlen(text));
  g_string_append(out, text);
  g_string_append_c(out, '\n');
}

static void spec_put_number(GString *out, const char *key, int64_t number)
{
  char text[24];
  g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, number);
  spec_put(out, key, text);
}

/* Is @pair, of the environment, the caller's own where the agent runs as another user? */
static bool launch_is_callers(const ShimLaunch *launch, const char *pair)
{
  char *const *names = launch->user ? launch->spec->of_caller : NULL;
  for (size_t i = 0; names && names[i]; i++)
    if (g_str_has_prefix(pair, names[i]) && pair[strlen(names[i])] == '=')
      return true;
  return false;
}

/* One variable of the user's entry, unless the job sets it. */
static void spec_put_default(GString *out, const ShimLaunch *launch, const char *key,
                             const char *value)
{
  g_autofree char *start = g_strconcat(key, "=", NULL);
  bool set = g_environ_getenv(launch->spec->environment, key) && !launch_is_callers(launch, start);
  for (size_t i = 0; launch->secrets && launch->secrets[i]; i++)
    set = set || g_str_has_prefix(launch->secrets[i], start);
  g_autofree char *pair = g_strconcat(start, value, NULL);
  if (!set && value && value[0])
    spec_put(out, "env", pair);
}

/* The agent runs as the user of its spec: numbers, since the shim knows no names, and what belongs
 * to a user's environment. */
static bool spec_put_user(GString *out, const ShimLaunch *launch, GError **error)
{
  const User *user = launch->user;
  if (!user)
    return true;
  spec_put_default(out, launch, "HOME", user->home);
  spec_put_default(out, launch, "USER", user->name);
  spec_put_default(out, launch, "LOGNAME", user->name);
  spec_put_default(out, launch, "SHELL", user->shell);
  if (user->uid == geteuid())
    return true;
  if (geteuid() != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_DENIED,
                "run as '%s': only root may run agents as another user", user->name);
    return false;
  }
  spec_put_number(out, "uid", user->uid);
  spec_put_number(out, "gid", user->gid);
  for (int i = 0; i < user->n_groups; i++)
    spec_put_number(out, "group", user->groups[i]);
  return true;
}

static void spec_put_cgroups(GString *out, const ShimLaunch *launch)
{
  g_autofree char *missing = NULL;
  g_auto(GStrv) procs =
      cgroups_make(launch->cgroups, launch->id, &launch->spec->resources, &missing);
  for (size_t i = 0; procs && procs[i]; i++)
    spec_put(out, "cgroup", procs[i]);
  g_autofree char *tree = launch->attached ? NULL : cgroups_make_tree(launch->cgroups, launch->id);
  if (tree)
    spec_put(out, "cgroup_tree", tree);
  if (missing)
    log_warn("limits not enforced", "instance=%s limits=\"%s\"", launch->id, missing);
}

static void spec_put_word(GString *out, const char *key, const char *text, const ShimLaunch *launch)
{
  g_autofree char *word = shim_substitute(text, launch->instance_dir, launch->reeve_path);
  spec_put(out, key, word);
}

/* The first variable of the environment, so that it is found again also when a program writes over
 * the later ones. */
static void spec_put_mark(GString *out, const char *directory)
{
  char mark[TREE_MARK_BYTES];
  tree_mark(directory, mark);
  g_autofree char *pair = g_strconcat(TREE_MARK_NAME "=", mark, NULL);
  if (mark[0])
    spec_put(out, "env", pair);
}

static char *spec_text(const ShimLaunch *launch, size_t *length, GError **error)
{
  const InstanceSpec *spec = launch->spec;
  GString *out = g_string_new(NULL);
  char *const *argv = launch->argv ? launch->argv : spec->argv;
  for (size_t i = 0; argv[i]; i++)
    spec_put_word(out, "argv", argv[i], launch);
  spec_put_mark(out, launch->directory);
  for (size_t i = 0; spec->environment && spec->environment[i]; i++)
    if (!launch_is_callers(launch, spec->environment[i]))
      spec_put_word(out, "env", spec->environment[i], launch);
  if (spec->working_dir)
    spec_put(out, "cwd", spec->working_dir);
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    spec_put_number(out, "nofile_soft", (int64_t)system_files_given());
    spec_put_number(out, "nofile_hard", (int64_t)limit.rlim_max);
  }
  guint64 core = 0;
  if (system_core_given(&core))
    spec_put_number(out, "core_soft", (int64_t)core); /* no limit is -1 on both sides */
  spec_put_number(out, "log_bytes", SHIM_LOG_BYTES);
  spec_put_number(out, "log_files", SHIM_LOG_FILES);
  spec_put_number(out, "generation", launch->generation);
  if (launch->attached)
    spec_put_number(out, "attached", 1);
  spec_put_cgroups(out, launch);
  bool ok = spec_put_user(out, launch, error);
  for (size_t i = 0; ok && launch->secrets && launch->secrets[i]; i++) {
    text_room(&out, strlen(launch->secrets[i]) + SPEC_AROUND);
    spec_put(out, "env", launch->secrets[i]);
  }
  *length = out->len;
  return g_string_free(out, !ok);
}

/* ---- spawning ---- */

/* A copy of @fd high enough that putting things at 3, 4, 5 in the child cannot hit it. Closes @fd.
 */
static int shim_high(int fd)
{
  int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, SHIM_FIRST_FD);
  if (fd >= 0)
    close(fd);
  return high;
}

static int shim_memfd(const char *text, size_t length)
{
  int fd = memfd_create("reeve-spec", MFD_CLOEXEC);
  if (fd >= 0 && write(fd, text, length) != (ssize_t)length) {
    close(fd);
    return -1;
  }
  return shim_high(fd);
}

static char **shim_environment(void)
{
  static const char *const passed[] = {"REEVE_CRASH_AT", "REEVE_CRASH_ROLE", "REEVE_CRASH_ONCE"};
  char **environment = NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(passed); i++)
    if (g_getenv(passed[i]))
      environment = g_environ_setenv(environment, passed[i], g_getenv(passed[i]), TRUE);
  return environment ? environment : g_new0(char *, 1);
}

/* @fds go to 3, 4, ...; -1 ends them. All others are closed before the exec, not by it: Linux lets
 * the parent go on before an exec closes them, and a reserved port that is held a moment longer is
 * in the way of its agent. */
static int shim_posix_spawn(const ShimLaunch *launch, const int fds[SHIM_FDS], pid_t *pid)
{
  g_autofree char *name = g_strdup_printf("%s/%s", launch->spec->deployment, launch->spec->agent);
  char *argv[] = {(char *)(uintptr_t) "reeve-shim", name, NULL};
  g_auto(GStrv) environment = shim_environment();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  int end = 3;
  for (int i = 0; i < SHIM_FDS && fds[i] >= 0; i++)
    posix_spawn_file_actions_adddup2(&actions, fds[i], end++);
  posix_spawn_file_actions_addclosefrom_np(&actions, end);
  int code = posix_spawn(pid, launch->shim_path, &actions, NULL, argv, environment);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

Shim *shim_spawn(Loop *loop, Reaper *reaper, const ShimLaunch *launch, const ShimEvents *events,
                 void *data, GError **error)
{
  size_t length;
  g_autofree char *text = spec_text(launch, &length, error);
  if (!text)
    return NULL;
  int pair[2] = {-1, -1};
  int made = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
  int memory = shim_memfd(text, length);
  explicit_bzero(text, length); /* there may be secrets in it */
  int fds[SHIM_FDS] = {memory,
                       shim_high(open(launch->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
                       shim_high(pair[1]), -1, -1};
  bool ready = made == 0 && fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0;
  for (int i = 0; i < 2 && launch->attached; i++) {
    fds[3 + i] = fcntl(launch->attached[i], F_DUPFD_CLOEXEC, SHIM_FIRST_FD);
    ready = ready && fds[3 + i] >= 0;
  }
  pid_t pid = 0;
  fs_crash_point("shim spawn");
  int code = ready ? shim_posix_spawn(launch, fds, &pid) : errno;
  for (int i = 0; i < SHIM_FDS; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  if (code) {
    if (pair[0] >= 0)
      close(pair[0]);
    g_set_error(error, REEVE_ERROR,
                system_may_pass(code) ? REEVE_ERROR_UNAVAILABLE : REEVE_ERROR_INTERNAL,
                "start '%s': %s", launch->shim_path, g_strerror(code));
    return NULL;
  }
  reaper_watch(reaper, pid, NULL, NULL);
  return shim_new(loop, pair[0], pid, events, data);
}

/* Has a shim locked the instance? Those of earlier builds locked `lock`. */
static bool shim_is_locked(int dir)
{
  static const char *const names[] = {"state", "lock"};
  bool locked = false;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    int fd = openat(dir, names[i], O_RDWR | O_CLOEXEC);
    locked = locked || (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0);
    if (fd >= 0)
      close(fd);
  }
  return locked;
}

Shim *shim_connect(Loop *loop, const char *directory, const ShimEvents *events, void *data,
                   bool *locked)
{
  int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
      fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/shim.sock", dir);
  bool up = dir >= 0 && fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  *locked = up || shim_is_locked(dir);
  if (dir >= 0)
    close(dir);
  struct ucred peer = {0};
  socklen_t length = sizeof peer;
  if (up && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
    peer.pid = 0;
  if (up)
    return shim_new(loop, fd, peer.pid, events, data);
  if (fd >= 0)
    close(fd);
  return NULL;
}
