/* Owns what a line of the shell means, and how it can go on: aliases and completion. Needs no terminal and no server. */
#include "cli/shell.h"

#include "base/error.h"

#include <dirent.h>
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
  if (!g_shell_parse_argv(line, NULL, &words, &wrong) && !g_error_matches(wrong, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING)) {
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

/* ---- completion ---- */

typedef struct Completer {
  const char *word; /* what is typed of it, without quotes */
  GPtrArray *out;
  ShellNamesFn names;
  void *data;
} Completer;

/* Offers @text with @end behind it ("" = it may go on), characters escaped that would end a word. */
static void complete_offer(Completer *completer, const char *text, const char *end)
{
  if (!g_str_has_prefix(text, completer->word))
    return;
  GString *typed = g_string_new(NULL);
  for (const char *p = text; *p; p++) {
    if (strchr(" \t\"'\\#$`", *p))
      g_string_append_c(typed, '\\');
    g_string_append_c(typed, *p);
  }
  g_string_append(typed, end);
  g_ptr_array_add(completer->out, g_string_free(typed, FALSE));
}

static void complete_strv(Completer *completer, char **words)
{
  for (guint i = 0; words && words[i]; i++)
    complete_offer(completer, words[i], " ");
  g_strfreev(words);
}

static void complete_files(Completer *completer, bool directories_only)
{
  const char *slash = strrchr(completer->word, '/');
  g_autofree char *prefix = slash ? g_strndup(completer->word, (gsize)(slash + 1 - completer->word)) : g_strdup("");
  DIR *directory = opendir(*prefix ? prefix : ".");
  for (struct dirent *item; directory && (item = readdir(directory));) {
    if (item->d_name[0] == '.' && !(slash ? slash[1] == '.' : completer->word[0] == '.'))
      continue;
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
      continue;
    g_autofree char *path = g_strconcat(prefix, item->d_name, NULL);
    bool is_directory = g_file_test(path, G_FILE_TEST_IS_DIR);
    if (is_directory || !directories_only)
      complete_offer(completer, path, is_directory ? "/" : " ");
  }
  if (directory)
    closedir(directory);
}

static void complete_verbs(Completer *completer, bool with_aliases)
{
  for (guint i = 0; i < verbs_n; i++)
    complete_offer(completer, verbs[i].name, " ");
  for (guint i = 0; with_aliases && i < G_N_ELEMENTS(shell_aliases); i++)
    if (!strchr(shell_aliases[i].alias, ' '))
      complete_offer(completer, shell_aliases[i].alias, " ");
}

static void complete_options(Completer *completer, const Verb *verb)
{
  for (guint id = 0; id < OPT_N; id++) {
    g_autofree char *name = g_strconcat("--", option_specs[id].name, NULL);
    if (options_knows(verb->options, (OptionId)id))
      complete_offer(completer, name, " ");
  }
}

/* The option that @word is, when a value follows it. */
static const OptionSpec *complete_option(const char *word)
{
  for (guint id = 0; id < OPT_N; id++) {
    const OptionSpec *spec = &option_specs[id];
    bool is = word[0] == '-' && (strcmp(word + 1, spec->name) == 0 || (word[1] == '-' && strcmp(word + 2, spec->name) == 0) ||
                                 (spec->letter && word[1] == spec->letter && !word[2]));
    if (is && spec->kind != OPTION_FLAG)
      return spec;
  }
  return NULL;
}

static void complete_value(Completer *completer, const OptionSpec *spec)
{
  if (spec->kind == OPTION_CHOICE)
    complete_strv(completer, g_strsplit(spec->choices, "|", -1));
  else if (spec->kind == OPTION_FILE || spec->kind == OPTION_DIRECTORY)
    complete_files(completer, spec->kind == OPTION_DIRECTORY);
}

static void complete_words(Completer *completer, const Verb *verb)
{
  switch (verb->word_kind) {
  case WORDS_FILE:
    complete_files(completer, false);
    break;
  case WORDS_DEPLOYMENT:
  case WORDS_AGENT:
    complete_strv(completer, completer->names(verb->word_kind, completer->data));
    break;
  case WORDS_VERB:
    complete_verbs(completer, false);
    break;
  case WORDS_CHOICE:
    complete_strv(completer, g_strsplit(verb->choices, "|", -1));
    break;
  case WORDS_NONE:
    break;
  }
}

static void complete_list(Completer *completer)
{
  for (guint i = 0; i < G_N_ELEMENTS(shell_aliases); i++)
    if (g_str_has_prefix(shell_aliases[i].alias, "list "))
      complete_offer(completer, shell_aliases[i].alias + 5, " ");
}

/* @before: the words in front of the one that is completed. */
static void complete_after(Completer *completer, char *const *before)
{
  guint n = g_strv_length((char **)before);
  const Verb *verb = n ? verb_find(before[0]) : NULL;
  const OptionSpec *option = n ? complete_option(before[n - 1]) : NULL;
  if (!n)
    complete_verbs(completer, true);
  else if (n == 1 && strcmp(before[0], "list") == 0)
    complete_list(completer);
  else if (!verb)
    return;
  else if (option)
    complete_value(completer, option);
  else if (completer->word[0] == '-')
    complete_options(completer, verb);
  else
    complete_words(completer, verb);
}

/* Where the last word of @line begins: behind the last blank that no quote or backslash holds. */
static size_t complete_start(const char *line)
{
  size_t start = 0;
  char quote = 0;
  for (size_t i = 0; line[i]; i++) {
    if (quote) {
      quote = line[i] == quote ? 0 : quote;
    } else if (line[i] == '\\' && line[i + 1]) {
      i++;
    } else if (line[i] == '"' || line[i] == '\'') {
      quote = line[i];
    } else if (line[i] == ' ' || line[i] == '\t') {
      start = i + 1;
    }
  }
  return start;
}

static int complete_compare(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* @typed without quotes and backslashes, also when the last quote is still open. */
static char *complete_unquote(const char *typed)
{
  GString *out = g_string_new(NULL);
  for (; *typed; typed++)
    if (*typed != '"' && *typed != '\'' && !(*typed == '\\' && typed[1]))
      g_string_append_c(out, *typed);
  return g_string_free(out, FALSE);
}

GPtrArray *shell_candidates(const char *line, ShellNamesFn names, void *data, size_t *start)
{
  *start = complete_start(line);
  g_autofree char *front = g_strndup(line, *start), *word = complete_unquote(line + *start);
  g_auto(GStrv) before = NULL;
  if (!g_shell_parse_argv(front, NULL, &before, NULL))
    before = g_new0(char *, 1);
  Completer completer = {.word = word, .out = g_ptr_array_new_with_free_func(g_free), .names = names, .data = data};
  complete_after(&completer, before + (before[0] && strcmp(before[0], "reeve") == 0));
  g_ptr_array_sort(completer.out, complete_compare);
  return completer.out;
}
