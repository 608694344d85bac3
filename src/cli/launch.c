/* Owns the start of a background server: one lock, one child in a session of its own, one pipe that
 * says when it serves. */
#include "cli/launch.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "cli/api.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  LAUNCH_DEADLINE_MS = 30000,
  LAUNCH_READY_FD = 3,
  LAUNCH_LOG_SHOWN = 2000,
  LAUNCH_KEPT_MAX = 64 * 1024
};

extern char **environ;

static bool launch_errno(const char *what, const char *path, GError **error)
{
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "%s '%s': %s", what, path,
              g_strerror(errno));
  return false;
}

const OptionId launch_options[] = {OPT_AGENTS_DIR, OPT_AGENTS_USER,  OPT_CONFIG,  OPT_NODE_SOCKET,
                                   OPT_LISTEN,     OPT_ALLOW_ORIGIN, OPT_VERBOSE, OPT_N};

bool launch_is_told(const Cli *cli)
{
  for (const OptionId *id = launch_options; *id != OPT_N; id++)
    if (cli_flag(cli, *id))
      return true;
  return false;
}

/* The server is started in "/", so paths go absolute. Caller frees. */
static char *launch_value(const Cli *cli, OptionId id)
{
  const char *value = cli->options.text[id];
  bool path = option_specs[id].kind == OPTION_FILE || option_specs[id].kind == OPTION_DIRECTORY;
  return path ? g_canonicalize_filename(value, NULL) : g_strdup(value);
}

char *launch_kept_text(const Cli *cli)
{
  if (!launch_is_told(cli))
    return g_strdup("");
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  for (const OptionId *id = launch_options; *id != OPT_N; id++) {
    g_autofree char *value = cli_flag(cli, *id) ? launch_value(cli, *id) : NULL;
    if (value)
      jw_str(out, option_specs[*id].name, value);
  }
  jw_close(out, '}');
  g_string_append_c(out, '\n');
  return g_string_free(out, FALSE);
}

static void launch_argv_add(GPtrArray *argv, OptionId id, const char *value)
{
  g_ptr_array_add(argv, g_strconcat("--", option_specs[id].name, NULL));
  if (option_specs[id].kind != OPTION_FLAG)
    g_ptr_array_add(argv, g_strdup(value));
}

/* Adds what the former server was started with, and says so. */
static void launch_argv_kept(const Cli *cli, GPtrArray *argv)
{
  g_autofree char *path = g_build_filename(cli->paths.data_dir, SERVER_KEPT_FILE, NULL);
  g_autofree char *text = fs_read(path, LAUNCH_KEPT_MAX, NULL, NULL);
  json_t *kept = text ? json_parse(text, strlen(text), NULL) : NULL;
  guint from = argv->len;
  for (const OptionId *id = launch_options; *id != OPT_N; id++) {
    const char *value = jget_str(kept, option_specs[*id].name, NULL);
    if (value)
      launch_argv_add(argv, *id, value);
  }
  json_decref(kept);
  g_autoptr(GString) said = g_string_new(NULL);
  for (guint i = from; i < argv->len; i++)
    g_string_append_printf(said, " %s", (const char *)argv->pdata[i]);
  if (said->len)
    cli_note(
        cli,
        "the server starts with the options of the one before:%s ('reeve server stop' forgets them)",
        said->str);
}

static GPtrArray *launch_argv(const Cli *cli, const char *self)
{
  const char *const head[] = {self,       "server",         "--data-dir", cli->paths.data_dir,
                              "--socket", cli->paths.socket};
  GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < G_N_ELEMENTS(head); i++)
    g_ptr_array_add(argv, g_strdup(head[i]));
  for (const OptionId *id = launch_options; *id != OPT_N; id++) {
    g_autofree char *value = cli_flag(cli, *id) ? launch_value(cli, *id) : NULL;
    if (value)
      launch_argv_add(argv, *id, value);
  }
  if (!launch_is_told(cli))
    launch_argv_kept(cli, argv);
  g_ptr_array_add(argv, NULL);
  return argv;
}

static pid_t launch_spawn(const Cli *cli, int ready_fd, int log_fd, GError **error)
{
  g_autofree char *self = paths_self();
  g_autoptr(GPtrArray) argv = launch_argv(cli, self);
  g_auto(GStrv) child_env =
      g_environ_setenv(g_strdupv(environ), "REEVE_READY_FD", G_STRINGIFY(3), TRUE);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, log_fd, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log_fd, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ready_fd, LAUNCH_READY_FD);
  /* locks and pipes of our caller must not live on in the server */
  posix_spawn_file_actions_addclosefrom_np(&actions, LAUNCH_READY_FD + 1);
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = -1;
  int failed =
      posix_spawn(&pid, self, &actions, &attributes, (char *const *)argv->pdata, child_env);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "start '%s': %s", self,
                g_strerror(failed));
    return -1;
  }
  return pid;
}

/* The server writes one byte when it serves; when it dies first, the pipe ends and its last words
 * are in the log. */
static bool launch_wait(const Cli *cli, int fd, pid_t pid, const char *log_path, GError **error)
{
  int64_t deadline_ms = clock_boot_ms() + LAUNCH_DEADLINE_MS;
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  int ready;
  do
    ready = poll(&poll_fd, 1, (int)MAX(deadline_ms - clock_boot_ms(), 0));
  while (ready < 0 && errno == EINTR);
  char byte;
  if (ready > 0 && read(fd, &byte, 1) == 1)
    return true;
  if (ready == 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT,
                "the server does not serve after %d s; see '%s'", LAUNCH_DEADLINE_MS / 1000,
                log_path);
    return false;
  }
  int status = 0;
  waitpid(pid, &status, 0);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  g_autofree char *log = fs_read(log_path, 64 * 1024 * 1024, NULL, NULL);
  size_t length = log ? strlen(log) : 0;
  const char *tail = !log ? "" : length > LAUNCH_LOG_SHOWN ? log + length - LAUNCH_LOG_SHOWN : log;
  int reeve_code = 0;
  while (reeve_code < REEVE_ERROR_N - 1 && reeve_error_exit(reeve_code) != code)
    reeve_code++;
  g_set_error(error, REEVE_ERROR, reeve_code, "the server ended with code %d; '%s' ends with:\n%s",
              code, log_path, tail);
  return false;
}

static bool launch_start(const Cli *cli, GError **error)
{
  g_autofree char *log_path = g_build_filename(cli->paths.data_dir, "server.log", NULL);
  int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0)
    return launch_errno("open", log_path, error);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    close(log_fd);
    return launch_errno("open a pipe beside", log_path, error);
  }
  /* dup2 onto itself would keep CLOEXEC: move the write end away from the number that the child
   * expects */
  int ready_fd = fcntl(ends[1], F_DUPFD_CLOEXEC, 10);
  close(ends[1]);
  pid_t pid = launch_spawn(cli, ready_fd, log_fd, error);
  close(ready_fd);
  close(log_fd);
  bool ok = pid > 0 && launch_wait(cli, ends[0], pid, log_path, error);
  close(ends[0]);
  return ok;
}

bool launch_server(const Cli *cli, bool *started, GError **error)
{
  if (started)
    *started = false;
  if (api_alive(cli))
    return true;
  if (api_remote(cli)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
                "no server answers on '%s'; it is started where it runs", api_remote(cli));
    return false;
  }
  if (!fs_mkdirs(cli->paths.data_dir, 0700, error))
    return false;
  g_autofree char *lock_path = g_build_filename(cli->paths.data_dir, "launch.lock", NULL);
  int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0)
    return launch_errno("open", lock_path, error);
  int locked;
  do
    locked = flock(lock, LOCK_EX);
  while (locked != 0 && errno == EINTR);
  bool ok = api_alive(cli); /* whoever held the lock may have started it */
  if (!ok) {
    ok = launch_start(cli, error);
    if (started)
      *started = ok;
  }
  close(lock);
  return ok;
}
