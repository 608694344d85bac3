/* reeve complete: what the completion scripts ask. Says in its first line what may come, `words`,
 * `files` or `directories`, and then the words, each with a tab and what it is behind it, if that
 * is known. */
#include "base/json.h"
#include "cli/api.h"
#include "cli/shell.h"

#include <string.h>

/* Where each kind of names comes from. The last row ends with what the deployment's name is put
 * into. */
static const struct {
  const char *path, *list, *name;
} complete_sources[] = {
    [NAMES_DEPLOYMENTS] = {"/api/deployments", "deployments", "name"},
    [NAMES_AGENT_FILES] = {"/agents", "agents", "name"},
    [NAMES_AGENTS] = {"/api/deployments/%s", "instances", "agent"},
    [NAMES_REVISIONS] = {"/api/deployments/%s/history", "revisions", "number"},
    [NAMES_SECRETS] = {"/api/secrets", "secrets", "name"},
    [NAMES_TOKENS] = {"/api/tokens", "tokens", "name"},
};

char **cli_names(NameKind kind, const char *of, void *data)
{
  const char *percent = strstr(complete_sources[kind].path, "%s");
  g_autofree char *quoted = g_uri_escape_string(of ? of : "", NULL, FALSE);
  g_autofree char *path =
      percent ? g_strdup_printf("%.*s%s%s", (int)(percent - complete_sources[kind].path),
                                complete_sources[kind].path, quoted, percent + 2)
              : g_strdup(complete_sources[kind].path);
  json_t *answer = api_get(data, path, NULL), *item;
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  size_t i;
  json_array_foreach(json_object_get(answer, complete_sources[kind].list), i, item)
  {
    const json_t *value = json_object_get(item, complete_sources[kind].name);
    g_autofree char *name =
        json_is_integer(value) ? g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value))
                               : g_strdup(json_string_value(value));
    if (name && g_hash_table_add(seen, g_strdup(name))) /* an agent has several instances */
      g_strv_builder_add(names, name);
  }
  json_decref(answer);
  return g_strv_builder_end(names);
}

int cmd_complete(Cli *cli, GError **error)
{
  (void)error;
  static const char *const words[] = {[COMPLETE_NO_FILES] = "words",
                                      [COMPLETE_FILES] = "files",
                                      [COMPLETE_DIRECTORIES] = "directories"};
  const char *line = cli->options.text[OPT_LINE] ? cli->options.text[OPT_LINE] : "";
  line += strspn(line, " \t");
  line += strcspn(line, " \t"); /* this program, whatever it is called there */
  g_autoptr(Completion) completion = complete_line(cli->verbs, line, false, cli_names, cli);
  cli_print("%s\n", words[completion->files]);
  for (guint i = 0; i < completion->candidates->len; i++) {
    const Candidate *candidate = &g_array_index(completion->candidates, Candidate, i);
    cli_print("%s%s%s\n", candidate->text, candidate->about ? "\t" : "",
              candidate->about ? candidate->about : "");
  }
  return 0;
}
