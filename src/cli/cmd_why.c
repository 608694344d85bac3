/* reeve why */
#include "base/json.h"
#include "cli/api.h"

#include <string.h>

int cmd_why(Cli *cli, GError **error)
{
  g_autofree char *path = api_path(cli_word(cli, 0), "/why");
  json_t *answer = api_get(cli, path, error);
  if (!answer)
    return 1;
  const char *text = jget_str(answer, "text", "");
  if (cli_is_data(cli))
    cli_print_data(cli, answer);
  else
    cli_print("%s%s", text, g_str_has_suffix(text, "\n") ? "" : "\n");
  json_decref(answer);
  return 0;
}
