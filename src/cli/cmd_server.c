/* reeve server: in the foreground, and start, stop, status of the one in the background. */
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "cli/launch.h"
#include "net/browser.h"
#include "server/agents_config.h"
#include "server/server.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  STOP_TIMEOUT_MS = 120000,
  CONFIGURED_PORTS_TRIED = 100,
  AGENTS_NAMED_MAX = 10,
  SOCKET_BACK_MS = 5000,
  SOCKET_LOOK_MS = 100
};

/* `reeve up` and `server start` wait on this descriptor for the first byte. */
static int server_ready_fd(void)
{
  const char *text = g_getenv("REEVE_READY_FD");
  guint64 fd = 0;
  bool given = text && g_ascii_string_to_unsigned(text, 10, 3, 1 << 20, &fd, NULL) &&
               fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0;
  unsetenv("REEVE_READY_FD");
  return given ? (int)fd : -1;
}

/* The configuration file: the one asked for, or the usual one when it is there. NULL text without
 * @error: none. */
static char *server_config_text(const Cli *cli, char **path, size_t *length, GError **error)
{
  const char *asked = cli->options.text[OPT_CONFIG];
  *path = asked ? g_canonicalize_filename(asked, NULL)
                : g_build_filename(g_get_user_config_dir(), "reeve", "config.json", NULL);
  if (!asked && access(*path, F_OK) != 0)
    return NULL;
  return fs_read(*path, AGENTS_CONFIG_BYTES_MAX, length, error);
}

/* The deployment block and what the command line says over it. NULL with @error after all problems
 * were printed. */
static AgentsConfig *server_config(const Cli *cli, GError **error)
{
  g_autoptr(AgentsConfig) config = agents_config_new();
  g_autoptr(Problems) problems = problems_new();
  g_autofree char *path = NULL;
  size_t length = 0;
  g_autofree char *text = server_config_text(cli, &path, &length, error);
  if (*error)
    return NULL;
  g_autofree char *base = g_path_get_dirname(path);
  bool ok = !text || agents_config_read(config, text, length, path, base, problems);
  g_autofree char *said = problems_text(problems);
  cli_put_error(said);
  if (!ok) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID,
                "'%s' has %d error%s; the server was not started", path, problems->errors,
                text_plural(problems->errors));
    return NULL;
  }
  if (cli_flag(cli, OPT_AGENTS_DIR)) {
    g_free(config->directory);
    config->directory = g_canonicalize_filename(cli->options.text[OPT_AGENTS_DIR], NULL);
    config->directory_required = true;
  }
  return g_steal_pointer(&config);
}

/* Where the API listens: the command line, the environment, the configuration file, the usual
 * place. Caller frees. */
static char *server_listen(const Cli *cli, const AgentsConfig *config, ServerOptions *options)
{
  const char *listen =
      cli_flag(cli, OPT_LISTEN) ? cli->options.text[OPT_LISTEN] : g_getenv("REEVE_LISTEN");
  bool given = listen && *listen, configured = !given && config->enabled && config->api_port > 0;
  options->listen_optional = !given && !configured;
  if (!configured)
    return g_strdup(given ? listen : SERVER_LISTEN_DEFAULT);
  const char *host = g_str_equal(config->host, "localhost") ? "127.0.0.1" : config->host;
  options->listen_tries = config->auto_discover_port ? CONFIGURED_PORTS_TRIED : 0;
  return g_strdup_printf(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, config->api_port);
}

/* The origins that --allow-origin or REEVE_ALLOW_ORIGIN lists, NULL = none; with @error when one of
 * them is no origin. Caller frees. */
static char **server_origins(const Cli *cli, GError **error)
{
  const char *text = cli_flag(cli, OPT_ALLOW_ORIGIN) ? cli->options.text[OPT_ALLOW_ORIGIN]
                                                     : g_getenv("REEVE_ALLOW_ORIGIN");
  if (!text || !text[0])
    return NULL;
  g_auto(GStrv) origins = g_strsplit(text, ",", -1);
  for (guint i = 0; origins[i]; i++) {
    if (browser_origin_is_plain(g_strstrip(origins[i])))
      continue;
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "origin '%s': wanted http(s)://HOST[:PORT] without a path, in small letters",
                origins[i]);
    return NULL;
  }
  return g_steal_pointer(&origins);
}

static int server_foreground(Cli *cli, GError **error)
{
  g_autoptr(GError) problem = NULL;
  g_auto(GStrv) origins = server_origins(cli, &problem);
  if (problem) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return 1;
  }
  g_autoptr(AgentsConfig) config = server_config(cli, error);
  if (!config)
    return 1;
  g_autofree char *shim = paths_shim(), *self = paths_self();
  if (!shim) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL,
                "find 'reeve-shim' beside '%s': no such program; install it there", self);
    return 1;
  }
  g_autofree char *node_socket =
      cli_flag(cli, OPT_NODE_SOCKET)
          ? g_canonicalize_filename(cli->options.text[OPT_NODE_SOCKET], NULL)
          : NULL;
  ServerOptions options = {.data_dir = cli->paths.data_dir,
                           .socket_path = cli->paths.socket,
                           .node_socket = node_socket,
                           .shim_path = shim,
                           .reeve_path = self,
                           .agents = config,
                           .agents_user = cli->options.text[OPT_AGENTS_USER],
                           .ready_fd = server_ready_fd(),
                           .origins = origins,
                           .verbose = cli_flag(cli, OPT_VERBOSE)};
  g_autofree char *listen = server_listen(cli, config, &options), *kept = launch_kept_text(cli);
  options.kept = kept;
  options.listen = listen;
  return server_main(&options);
}

static int server_start(Cli *cli, const char *name, GError **error)
{
  (void)name;
  bool started = false;
  if (api_remote(cli)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "server '%s' is another one: start it where it runs", api_remote(cli));
    return 1;
  }
  if (!launch_server(cli, &started, error))
    return 1;
  cli_done(cli, cli->paths.socket, started ? "started" : "running",
           started ? "the server serves on '%s'" : "a server serves on '%s' already",
           cli->paths.socket);
  if (!started && launch_is_told(cli)) {
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_CONFLICT,
        "the server that serves was not started with these options; restart it: reeve server stop --keep, then start");
    return 1;
  }
  return 0;
}

/* Waits until process @pid is gone; it is no child of ours, so a pidfd tells. */
static bool server_wait_gone(pid_t pid, int64_t timeout_ms, GError **error)
{
  int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  if (fd < 0)
    return true;
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  int ready = poll(&poll_fd, 1, (int)MIN(timeout_ms, G_MAXINT));
  close(fd);
  if (ready == 0)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_TIMEOUT, "the server is still stopping after %d s",
                (int)(timeout_ms / 1000));
  return ready != 0;
}

/* The API speaks of modes, the command line has options. @server: as it was before it refused. */
static void server_refused(const json_t *server, GError **error)
{
  const json_t *running = json_object_get(server, "running_agents");
  size_t n = json_array_size(running);
  if ((*error)->code != REEVE_ERROR_CONFLICT || n == 0)
    return;
  g_autoptr(GString) list = g_string_new(NULL);
  for (size_t i = 0; i < MIN(n, AGENTS_NAMED_MAX); i++)
    g_string_append_printf(list, "%s'%s'", i ? ", " : "",
                           json_string_value(json_array_get(running, i)));
  if (n > AGENTS_NAMED_MAX)
    g_string_append_printf(list, " and %zu more", n - AGENTS_NAMED_MAX);
  g_clear_error(error);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT,
              "agents are running: %s; --keep leaves them running, --down stops them", list->str);
}

/* The pid of the server that holds the data directory, or NULL when none does. Caller frees. */
static char *server_holder(const Cli *cli)
{
  g_autofree char *path = g_build_filename(cli->paths.data_dir, "lock", NULL);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
  char pid[32] = "?";
  ssize_t n = held ? pread(fd, pid, sizeof pid - 1, 0) : 0;
  if (n > 0)
    pid[n] = '\0';
  if (fd >= 0)
    close(fd);
  return held ? g_strdup(g_strstrip(pid)) : NULL;
}

/* True when a server answers. One that holds the directory and does not answer may have lost its
 * socket, and binds it again in a moment. False with @error when it does not. */
static bool server_answers(Cli *cli, GError **error)
{
  int64_t until_ms = clock_boot_ms() + SOCKET_BACK_MS;
  for (;;) {
    if (api_alive(cli))
      return true;
    g_autofree char *pid = api_remote(cli) ? NULL : server_holder(cli);
    if (!pid)
      return false;
    if (clock_boot_ms() >= until_ms) {
      g_set_error(
          error, REEVE_ERROR, REEVE_ERROR_UNAVAILABLE,
          "the server with pid %s holds '%s' and does not answer on '%s'; 'kill %s' ends it and leaves its agents running",
          pid, cli->paths.data_dir, cli->paths.socket, pid);
      return false;
    }
    poll(NULL, 0, SOCKET_LOOK_MS);
  }
}

static int server_stop(Cli *cli, const char *name, GError **error)
{
  (void)name;
  if (cli_flag(cli, OPT_KEEP) && cli_flag(cli, OPT_DOWN)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "options '--keep' and '--down' exclude each other");
    return 1;
  }
  g_autoptr(GError) silent = NULL;
  if (!server_answers(cli, &silent)) {
    if (silent) {
      g_propagate_error(error, g_steal_pointer(&silent));
      return 1;
    }
    cli_done(cli, cli->paths.socket, "absent", "no server runs");
    return 0;
  }
  json_t *server = api_get(cli, "/api/server", error);
  if (!server)
    return 1;
  pid_t pid = (pid_t)jget_int(server, "pid", 0);
  g_autofree char *kept =
      g_build_filename(jget_str(server, "data_dir", ""), SERVER_KEPT_FILE, NULL);
  const char *mode = cli_flag(cli, OPT_KEEP)   ? "{\"mode\":\"keep\"}"
                     : cli_flag(cli, OPT_DOWN) ? "{\"mode\":\"down\"}"
                                               : "{\"mode\":\"refuse\"}";
  json_t *answer = api_call(cli, "POST", "/api/server/stop", mode, NULL, error);
  if (!answer)
    server_refused(server, error);
  json_decref(server);
  if (!answer)
    return 1;
  json_decref(answer);
  if (!api_remote(cli) && !server_wait_gone(pid, cli_ms(cli, OPT_TIMEOUT, STOP_TIMEOUT_MS), error))
    return 1;
  if (!api_remote(cli) && !cli_flag(cli, OPT_KEEP))
    unlink(kept); /* who stops it means it: the next one is started as it is asked for */
  cli_done(cli, cli->paths.socket, "stopped",
           cli_flag(cli, OPT_KEEP) ? "the server has stopped; agents go on"
                                   : "the server has stopped");
  return 0;
}

static int server_status(Cli *cli, const char *name, GError **error)
{
  (void)name;
  json_t *server = api_get(cli, "/api/server", error);
  if (!server)
    return 1;
  if (cli_is_data(cli)) {
    cli_print_data(cli, server);
  } else {
    g_autofree char *uptime = cli_duration(jget_int(server, "uptime_ms", 0));
    const char *listen = jget_str(server, "listen", NULL),
               *note = jget_str(server, "listen_note", NULL);
    const char *registry = jget_str(server, "registry_problem", NULL);
    cli_print(
        "pid:       %d\nversion:   %s\nuptime:    %s\nsocket:    %s\nlisten:    %s%s%s%s\ndata:      %s\nstore:     %s\nagents:    %zu running\n",
        (int)jget_int(server, "pid", 0), jget_str(server, "version", "?"), uptime,
        cli->paths.socket, listen ? listen : "none", note ? " (" : "", note ? note : "",
        note ? ")" : "", jget_str(server, "data_dir", "?"), jget_str(server, "store", "?"),
        json_array_size(json_object_get(server, "running_agents")));
    if (registry)
      cli_print("registry:  does not answer: %s\n", registry);
  }
  json_decref(server);
  return 0;
}

int cmd_server(Cli *cli, GError **error)
{
  static const SubVerb rows[] = {{"start", false, server_start},
                                 {"stop", false, server_stop},
                                 {"status", false, server_status}};
  return cli_word(cli, 0) ? cli_dispatch(cli, rows, G_N_ELEMENTS(rows), error)
                          : server_foreground(cli, error);
}
