/* reeve why */
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"

#include <string.h>

/* An agent's own words are in it. */
static void why_text(const Cli *cli, const json_t *answer)
{
  (void)cli;
  const char *text = jget_str(answer, "text", "");
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *line = text_escape(lines[i], strlen(lines[i]));
    if (lines[i + 1] || line[0])
      cli_print("%s\n", line);
  }
}

int cmd_why(Cli *cli, GError **error)
{
  g_autofree char *path = api_path(cli_word(cli, 0), "/why");
  return cli_show(cli, api_get(cli, path, error), why_text);
}
