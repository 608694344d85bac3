/* reeve help, reeve completion: pages from the rows of verbs. */
#include "base/error.h"
#include "cli/cli.h"

int cmd_help(Cli *cli, GError **error)
{
  const char *name = cli_word(cli, 0);
  const Verb *verb = name ? verb_find(cli->verbs, name) : NULL;
  if (name && !verb) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "unknown verb '%s'; see reeve help", name);
    return 1;
  }
  g_autofree char *text = cli_flag(cli, OPT_MAN) ? help_man(cli->verbs, verb)
                          : verb                 ? help_verb(verb, cli->color_out)
                                                 : help_all(cli->verbs, cli->color_out);
  cli_print("%s", text);
  return 0;
}

int cmd_completion(Cli *cli, GError **error)
{
  g_autofree char *script = completion_script(cli_word(cli, 0));
  if (!script) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "unknown shell '%s'; allowed: bash, zsh, fish", cli_word(cli, 0));
    return 1;
  }
  cli_print("%s", script);
  return 0;
}
