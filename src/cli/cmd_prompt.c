/* reeve prompt: one question to an agent. */
#include "cli/talk.h"

int cmd_prompt(Cli *cli, GError **error)
{
  g_autoptr(GString) text = g_string_new(cli_word(cli, 1));
  for (guint i = 2; cli_word(cli, i); i++)
    g_string_append_printf(text, " %s", cli_word(cli, i));
  g_autofree char *url = talk_find(cli, cli_word(cli, 0), error);
  TalkQuestion question = {.url = url, .text = text->str};
  return url && talk_ask(cli, &question, error) ? 0 : 1;
}
