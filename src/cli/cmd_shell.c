/* reeve shell: the verbs interactively, or line by line from a pipe. Each command is a process of
 * its own, so that Ctrl-C ends the command and not the shell. */
#include "base/error.h"
#include "base/json.h"
#include "cli/agents.h"
#include "cli/api.h"
#include "cli/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct Shell {
  const Cli *cli;
  ShellEdit *edit; /* NULL: lines come from a pipe */
  FILE *input;     /* of them */
  char *line;
  size_t line_size;
  int code; /* of the last command */
} Shell;

/* ---- one command ---- */

/* What the shell was told about servers and output, its commands are told too. */
static void shell_globals(const Shell *shell, GPtrArray *argv)
{
  for (guint id = 0; id < OPT_GLOBAL_N; id++) {
    const char *text = shell->cli->options.text[id];
    if (!text || id == OPT_HELP)
      continue;
    g_ptr_array_add(argv, g_strconcat("--", option_specs[id].name, NULL));
    if (option_specs[id].kind != OPTION_FLAG)
      g_ptr_array_add(argv, g_strdup(text));
  }
}

static int shell_wait(pid_t pid)
{
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED(status))
    return WEXITSTATUS(status);
  putchar('\n');
  return 128 + WTERMSIG(status);
}

static int shell_spawn(const Shell *shell, char *const *argv, GError **error)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGINT);
  sigaddset(&defaults, SIGQUIT);
  posix_spawn_file_actions_init(&actions);
  if (!shell->edit) /* our lines are not its input */
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  fflush(stdout);
  int failed = posix_spawn(&pid, argv[0], &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (!failed)
    return shell_wait(pid);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "start '%s': %s", argv[0],
              g_strerror(failed));
  return reeve_error_exit(REEVE_ERROR_INTERNAL);
}

static int shell_run(const Shell *shell, char *const *words, GError **error)
{
  if (g_str_equal(words[0], "shell")) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "this is the shell already");
    return reeve_error_exit(REEVE_ERROR_USAGE);
  }
  g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(argv, paths_self());
  shell_globals(shell, argv);
  for (; *words; words++)
    g_ptr_array_add(argv, g_strdup(*words));
  g_ptr_array_add(argv, NULL);
  return shell_spawn(shell, (char *const *)argv->pdata, error);
}

/* False when the shell shall end. */
static bool shell_take(Shell *shell, const char *line)
{
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) words = shell_words(line, &error);
  if (words && !words[0])
    return true;
  if (words && shell_is_end(words))
    return false;
  shell->code = words ? shell_run(shell, words, &error) : reeve_error_exit(REEVE_ERROR_USAGE);
  if (error)
    cli_report("shell", error->message);
  return shell->code == 0 || !cli_flag(shell->cli, OPT_ERREXIT);
}

/* ---- lines ---- */

static const char *shell_next_piped(Shell *shell)
{
  ssize_t n = getline(&shell->line, &shell->line_size, shell->input);
  if (n < 0)
    return NULL;
  return g_strchomp(shell->line);
}

/* "~" for the home directory. */
static char *shell_short(const char *path)
{
  const char *home = g_get_home_dir();
  size_t n = strlen(home);
  return n > 1 && strncmp(path, home, n) == 0 && path[n] == '/' ? g_strconcat("~", path + n, NULL)
                                                                : g_strdup(path);
}

static char *shell_prompt(const Shell *shell)
{
  const Cli *cli = shell->cli;
  const char *remote = api_remote(cli);
  g_autofree char *place = remote ? g_strdup(remote) : shell_short(cli->paths.socket);
  return api_alive(cli) ? g_strdup_printf("reeve %s> ", place) : g_strdup("reeve (no server)> ");
}

static const char *shell_next(Shell *shell)
{
  if (!shell->edit)
    return shell_next_piped(shell);
  g_autofree char *prompt = shell_prompt(shell);
  return shell_edit_line(shell->edit, prompt);
}

static void shell_begin(Shell *shell)
{
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
    shell->input = stdin;
    return;
  }
  g_autofree char *history =
      g_build_filename(g_get_user_state_dir(), "reeve", "shell_history", NULL);
  shell->edit =
      shell_edit_new(shell->cli->verbs, history, cli_names, (void *)(uintptr_t)shell->cli);
  signal(SIGINT, SIG_IGN); /* while a command runs it is the command's */
  signal(SIGQUIT, SIG_IGN);
  cli_note(shell->cli, "Reeve %s. help lists the verbs, Tab completes, Ctrl-D leaves.",
           REEVE_VERSION);
}

int cmd_shell(Cli *cli, GError **error)
{
  (void)error;
  Shell shell = {.cli = cli};
  shell_begin(&shell);
  const char *line;
  while ((line = shell_next(&shell)) && shell_take(&shell, line))
    ;
  bool interactive = shell.edit != NULL;
  if (interactive && !line)
    putchar('\n');
  shell_edit_free(shell.edit);
  free(shell.line);
  return interactive && !cli_flag(cli, OPT_ERREXIT) ? 0 : shell.code;
}
