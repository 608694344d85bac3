/* Owns what a line of the shell means: words and aliases. Needs no terminal and no server. How it
 * can go on is in complete.c. */
#include "cli/shell.h"

#include "base/error.h"

#include <string.h>

/* The names of the deployment server that its users know. @words NULL: the end. */
static const struct {
  const char *alias, *words;
} shell_aliases[] = {
    {"list deployment", "agents"},
    {"list agents", "agents"},
    {"list deployments", "status"},
    {"list server", "server status"},
    {"list", "ps"},
    {"?", "help"},
    {"quit", NULL},
    {"exit", NULL},
};

/* How many of @words the words of @alias match; 0 = they do not. */
static guint alias_length(const char *alias, char *const *words)
{
  g_auto(GStrv) parts = g_strsplit(alias, " ", -1);
  guint n = 0;
  for (; parts[n]; n++)
    if (!words[n] || strcmp(words[n], parts[n]) != 0)
      return 0;
  return n;
}

static char **alias_replace(char *const *words)
{
  GPtrArray *out = g_ptr_array_new();
  guint skip = 0;
  for (guint i = 0; i < G_N_ELEMENTS(shell_aliases) && !skip; i++) {
    skip = shell_aliases[i].words ? alias_length(shell_aliases[i].alias, words) : 0;
    g_auto(GStrv) instead = g_strsplit(skip ? shell_aliases[i].words : "", " ", -1);
    for (guint k = 0; skip && instead[k]; k++)
      g_ptr_array_add(out, g_strdup(instead[k]));
  }
  for (words += skip; *words; words++)
    g_ptr_array_add(out, g_strdup(*words));
  g_ptr_array_add(out, NULL);
  return (char **)g_ptr_array_free(out, FALSE);
}

char **shell_words(const char *line, GError **error)
{
  g_auto(GStrv) words = NULL;
  g_autoptr(GError) wrong = NULL;
  if (!g_shell_parse_argv(line, NULL, &words, &wrong) &&
      !g_error_matches(wrong, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "read '%s': a quote is not closed", line);
    return NULL;
  }
  if (!words)
    return g_new0(char *, 1);
  return alias_replace(words + (strcmp(words[0], "reeve") == 0));
}

bool shell_is_end(char *const *words)
{
  for (guint i = 0; words[0] && i < G_N_ELEMENTS(shell_aliases); i++)
    if (!shell_aliases[i].words && strcmp(words[0], shell_aliases[i].alias) == 0)
      return true;
  return false;
}

const char *shell_alias(guint index)
{
  return index < G_N_ELEMENTS(shell_aliases) ? shell_aliases[index].alias : NULL;
}
