/* reeve chat: questions line by line in one session, so that the agent knows what was said before.
 */
#include "base/error.h"
#include "base/system.h"
#include "cli/talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SESSION_DIGITS = 16 };

static char *chat_session(void)
{
  char random[SESSION_DIGITS + 1];
  system_random_hex(random, SESSION_DIGITS);
  return g_strconcat("chat-", random, NULL);
}

/* The next line that says something, without line end; NULL at the end of the input or at "/quit".
 * Borrowed until the next call. */
static const char *chat_line(char **buffer, size_t *size, bool terminal)
{
  for (;;) {
    if (terminal)
      cli_print("> ");
    fflush(stdout);
    if (getline(buffer, size, stdin) < 0) {
      if (terminal)
        cli_print("\n");
      return NULL;
    }
    g_strstrip(*buffer);
    if (g_str_equal(*buffer, "/quit"))
      return NULL;
    if ((*buffer)[0] && g_utf8_validate(*buffer, -1, NULL))
      return *buffer;
    if ((*buffer)[0])
      fputs("reeve: the line is not UTF-8; it was not sent\n", stderr);
  }
}

int cmd_chat(Cli *cli, GError **error)
{
  g_autofree char *url = talk_find(cli, cli_word(cli, 0), error);
  if (!url)
    return 1;
  bool terminal = isatty(STDIN_FILENO);
  g_autofree char *session = chat_session();
  char *buffer = NULL;
  size_t size = 0;
  int code = 0;
  if (terminal)
    cli_note(cli, "session %s with %s; /quit or Ctrl-D ends it, Ctrl-C stops an answer", session,
             url);
  for (const char *line; (line = chat_line(&buffer, &size, terminal));) {
    TalkQuestion question = {.url = url, .text = line, .session_id = session, .stoppable = true};
    g_autoptr(GError) failed = NULL;
    code = talk_ask(cli, &question, &failed) ? 0 : reeve_error_exit(failed->code);
    if (failed)
      cli_report(NULL, failed->message); /* the talk goes on */
  }
  free(buffer);
  return code;
}
