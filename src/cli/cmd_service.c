/* reeve service: a systemd unit for the server, of the system for root and of the user else. The
 * unit's text is made here and nowhere else.
 */
#include "base/error.h"
#include "base/fs.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define SERVICE_UNIT "reeve.service"

static bool service_is_system(void)
{
  return geteuid() == 0;
}

static char *service_path(void)
{
  return service_is_system()
             ? g_strdup("/etc/systemd/system/" SERVICE_UNIT)
             : g_build_filename(g_get_user_config_dir(), "systemd", "user", SERVICE_UNIT, NULL);
}

/* One word of ExecStart: systemd expands % and $ and splits at blanks. */
static void service_word(GString *out, const char *word)
{
  g_string_append(out, out->len ? " \"" : "\"");
  for (const char *p = word; *p; p++) {
    if (*p == '"' || *p == '\\')
      g_string_append_c(out, '\\');
    if (*p == '%' || *p == '$')
      g_string_append_c(out, *p);
    g_string_append_c(out, *p);
  }
  g_string_append_c(out, '"');
}

/* KillMode=process: agents outlive the server and are adopted by the next one. Delegate: limits of
 * agents live in control groups below ours. */
static char *service_text(const Cli *cli)
{
  g_autofree char *self = paths_self();
  g_autoptr(GString) command = g_string_new(NULL);
  service_word(command, self);
  service_word(command, "server");
  service_word(command, "--data-dir");
  service_word(command, cli->paths.data_dir);
  service_word(command, "--socket");
  service_word(command, cli->paths.socket);
  if (cli_flag(cli, OPT_LISTEN)) {
    service_word(command, "--listen");
    service_word(command, cli->options.text[OPT_LISTEN]);
  }
  if (cli_flag(cli, OPT_AGENTS_USER)) {
    service_word(command, "--agents-user");
    service_word(command, cli->options.text[OPT_AGENTS_USER]);
  }
  return g_strdup_printf(
      "# Written by reeve service install; changes are lost when it is run again. Yours go into systemctl edit.\n"
      "[Unit]\n"
      "Description=Reeve, a server for agents\n"
      "After=network-online.target\n"
      "Wants=network-online.target\n"
      "\n"
      "[Service]\n"
      "Type=simple\n"
      "ExecStart=%s\n"
      "KillMode=process\n"
      "KillSignal=SIGTERM\n"
      "TimeoutStopSec=30\n"
      "Restart=on-failure\n"
      "RestartSec=2\n"
      "RestartPreventExitStatus=2 3 5\n"
      "Delegate=yes\n"
      "LimitNOFILE=65536:524288\n"
      "UMask=0077\n"
      "\n"
      "[Install]\n"
      "WantedBy=%s\n",
      command->str, service_is_system() ? "multi-user.target" : "default.target");
}

/* Runs systemctl with @words; its exit code, or -1 with @error when there is none. */
static int service_systemctl(const char *const *words, GError **error)
{
  g_autoptr(GPtrArray) argv = g_ptr_array_new();
  g_ptr_array_add(argv, (char *)(uintptr_t) "systemctl");
  if (!service_is_system())
    g_ptr_array_add(argv, (char *)(uintptr_t) "--user");
  for (; *words; words++)
    g_ptr_array_add(argv, (char *)(uintptr_t)*words);
  g_ptr_array_add(argv, NULL);
  pid_t pid;
  int status = 0,
      failed = posix_spawnp(&pid, "systemctl", NULL, NULL, (char *const *)argv->pdata, environ);
  if (failed) {
    g_set_error(
        error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
        "run systemctl: %s; 'reeve service install --print' shows the unit for another init",
        g_strerror(failed));
    return -1;
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static bool service_try(const char *const *words, GError **error)
{
  int code = service_systemctl(words, error);
  if (code > 0)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "systemctl %s ended with %d", words[0],
                code);
  return code == 0;
}

static int service_install(Cli *cli, const char *name, GError **error)
{
  (void)name;
  g_autofree char *text = service_text(cli), *path = service_path(),
                  *directory = g_path_get_dirname(path);
  if (cli_flag(cli, OPT_PRINT)) {
    cli_print("%s", text);
    return 0;
  }
  if (!fs_mkdirs(directory, 0755, error) || !fs_write(path, text, strlen(text), 0644, true, error))
    return 1;
  cli_note(cli, "wrote '%s'", path);
  if (!service_try((const char *const[]){"daemon-reload", NULL}, error) ||
      !service_try((const char *const[]){"enable", "--now", SERVICE_UNIT, NULL}, error)) {
    cli_note(
        cli,
        "the unit stays there; 'reeve service install' again goes on, 'reeve service uninstall' removes it");
    return 1;
  }
  cli_done(cli, path, "installed",
           service_is_system()
               ? "the server starts at boot"
               : "the server starts when you log in; to start it at boot: loginctl enable-linger");
  return 0;
}

static int service_uninstall(Cli *cli, const char *name, GError **error)
{
  (void)name;
  g_autofree char *path = service_path();
  if (access(path, F_OK) != 0) {
    cli_done(cli, path, "absent", "'%s' is not there", path);
    return 0;
  }
  g_autoptr(GError) failed = NULL;
  bool stopped =
      service_try((const char *const[]){"disable", "--now", SERVICE_UNIT, NULL}, &failed);
  if (failed)
    cli_note(cli, "%s", failed->message);
  if (unlink(path) != 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "remove '%s': %s", path,
                g_strerror(errno));
    return 1;
  }
  service_systemctl((const char *const[]){"daemon-reload", NULL}, NULL);
  cli_done(cli, path, "removed", "removed '%s'%s", path,
           stopped ? "; the server has stopped, agents go on" : "");
  return 0;
}

static int service_status(Cli *cli, const char *name, GError **error)
{
  (void)name;
  static const char *const shown[] = {"--no-pager", "status", SERVICE_UNIT, NULL},
                           *const asked[] = {"is-active", "--quiet", SERVICE_UNIT, NULL};
  g_autofree char *path = service_path();
  if (access(path, F_OK) != 0) {
    if (cli_is_data(cli))
      cli_done(cli, path, "absent", "'%s' is not there", path);
    else
      cli_print("not installed: '%s' is not there\n", path);
    return reeve_error_exit(REEVE_ERROR_NOT_FOUND);
  }
  int code = service_systemctl(cli_is_data(cli) ? asked : shown, error);
  if (code >= 0 && cli_is_data(cli))
    cli_done(cli, path, code == 0 ? "active" : "inactive", "'%s'", path);
  return code == 0 ? 0 : reeve_error_exit(REEVE_ERROR_UNAVAILABLE);
}

int cmd_service(Cli *cli, GError **error)
{
  static const SubVerb rows[] = {{"install", false, service_install},
                                 {"uninstall", false, service_uninstall},
                                 {"status", false, service_status}};
  return cli_dispatch(cli, rows, G_N_ELEMENTS(rows), error);
}
