/* reeve version */
#include "base/json.h"
#include "cli/api.h"

int cmd_version(Cli *cli, GError **error)
{
  json_t *health = api_get(cli, "/healthz", NULL);
  const char *server = jget_str(health, "version", NULL);
  if (cli_is_data(cli)) {
    json_t *value = json_pack("{s:s,s:s?}", "version", REEVE_VERSION, "server", server);
    cli_print_data(cli, value);
    json_decref(value);
  } else {
    cli_print("reeve %s\n", REEVE_VERSION);
    if (server)
      cli_print("server %s\n", server);
  }
  json_decref(health);
  return 0;
}
