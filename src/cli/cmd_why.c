/* reeve why */
#include "base/json.h"
#include "cli/api.h"

#include <string.h>

static void why_text(const Cli *cli, const json_t *answer)
{
  (void)cli;
  const char *text = jget_str(answer, "text", "");
  cli_print("%s%s", text, g_str_has_suffix(text, "\n") ? "" : "\n");
}

int cmd_why(Cli *cli, GError **error)
{
  g_autofree char *path = api_path(cli_word(cli, 0), "/why");
  return cli_show(cli, api_get(cli, path, error), why_text);
}
