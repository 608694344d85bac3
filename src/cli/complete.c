/* Owns how a line can go on: what may stand in place of its last word. Verbs, options and choices
 * come from the rows; names are asked of a server, which is not trusted: a name that is no plain
 * one could do harm in a terminal, or in a shell that takes it into its line. */
#include "base/text.h"
#include "cli/shell.h"

#include <dirent.h>
#include <stdint.h>
#include <string.h>

typedef struct Completer {
  Completion *out;
  const Verbs *verbs;
  bool aliases;
  ShellNamesFn names;
  void *data;
} Completer;

/* Words behind the first one that are names. @at: their place among the words, options not counted;
 * -1 = all behind the first. */
static const struct {
  /* @first: what the first word must be; NULL = it is the name of a deployment */
  const char *verb, *first;
  int at;
  NameKind kind;
  const char *end;
} complete_later[] = {
    {"logs", NULL, 1, NAMES_AGENTS, ""},     {"restart", NULL, 1, NAMES_AGENTS, ""},
    {"scale", NULL, -1, NAMES_AGENTS, "="},  {"secret", "rm", 1, NAMES_SECRETS, ""},
    {"secret", "set", 1, NAMES_SECRETS, ""}, {"token", "revoke", 1, NAMES_TOKENS, ""},
};

static void candidate_clear(gpointer candidate)
{
  g_free(((Candidate *)candidate)->text);
}

void completion_free(Completion *completion)
{
  if (!completion)
    return;
  g_array_unref(completion->candidates);
  g_free(completion->word);
  g_free(completion);
}

static void complete_offer(Completer *completer, const char *text, const char *about)
{
  Candidate candidate = {.text = g_strdup(text), .about = about};
  if (g_str_has_prefix(text, completer->out->word))
    g_array_append_val(completer->out->candidates, candidate);
  else
    g_free(candidate.text);
}

static void complete_choices(Completer *completer, const char *choices)
{
  g_auto(GStrv) words = g_strsplit(choices, "|", -1);
  for (guint i = 0; words[i]; i++)
    complete_offer(completer, words[i], NULL);
}

/* Names of @kind, each between @front and @end. */
static void complete_names(Completer *completer, NameKind kind, const char *of, const char *front,
                           const char *end)
{
  g_auto(GStrv) names = completer->names(kind, of, completer->data);
  for (guint i = 0; names && names[i]; i++) {
    g_autofree char *text = g_strconcat(front, names[i], end, NULL);
    if (text_is_name(names[i]))
      complete_offer(completer, text, NULL);
  }
}

static void complete_verbs(Completer *completer, bool aliases)
{
  const Verbs *verbs = completer->verbs;
  for (guint i = 0; i < verbs->n; i++)
    if (!verbs->rows[i].hidden)
      complete_offer(completer, verbs->rows[i].name, verbs->rows[i].summary);
  for (guint i = 0; aliases && shell_alias(i); i++)
    if (!strchr(shell_alias(i), ' '))
      complete_offer(completer, shell_alias(i), NULL);
}

static void complete_options(Completer *completer, const Verb *verb)
{
  for (guint id = 0; id < OPT_N; id++) {
    g_autofree char *name = g_strconcat("--", option_specs[id].name, NULL);
    if (options_knows(verb ? verb->options : NULL, (OptionId)id))
      complete_offer(completer, name, option_specs[id].help);
  }
}

/* The option that @word is, when a value follows it. */
static const OptionSpec *complete_option(const char *word)
{
  for (guint id = 0; id < OPT_N; id++) {
    const OptionSpec *spec = &option_specs[id];
    bool is = word[0] == '-' && (strcmp(word + 1, spec->name) == 0 ||
                                 (word[1] == '-' && strcmp(word + 2, spec->name) == 0) ||
                                 (spec->letter && word[1] == spec->letter && !word[2]));
    if (is && spec->kind != OPTION_FLAG)
      return spec;
  }
  return NULL;
}

static void complete_value(Completer *completer, const OptionSpec *spec, const char *first)
{
  if (spec->kind == OPTION_CHOICE)
    complete_choices(completer, spec->choices);
  else if (spec->kind == OPTION_FILE || spec->kind == OPTION_DIRECTORY)
    completer->out->files = spec->kind == OPTION_FILE ? COMPLETE_FILES : COMPLETE_DIRECTORIES;
  else if (spec == &option_specs[OPT_TO] && first)
    complete_names(completer, NAMES_REVISIONS, first, "", "");
}

/* A deployment, or behind a slash an agent of it where the verb takes one so. */
static void complete_target(Completer *completer, const Verb *verb)
{
  const char *slash = strchr(completer->out->word, '/');
  bool agents = strstr(verb->words, "/AGENT") || strstr(verb->words, "[AGENT]");
  if (!slash) {
    complete_names(completer, NAMES_DEPLOYMENTS, NULL, "",
                   g_str_equal(verb->words, "NAME/AGENT") ? "/" : "");
    return;
  }
  g_autofree char *name = g_strndup(completer->out->word, (gsize)(slash - completer->out->word));
  g_autofree char *front = g_strconcat(name, "/", NULL);
  if (agents)
    complete_names(completer, NAMES_AGENTS, name, front, "");
}

static void complete_first(Completer *completer, const Verb *verb)
{
  switch (verb->word_kind) {
  case WORDS_FILE:
    completer->out->files = COMPLETE_FILES;
    break;
  case WORDS_DEPLOYMENT:
    complete_target(completer, verb);
    break;
  case WORDS_AGENT:
    complete_names(completer, NAMES_AGENT_FILES, NULL, "", "");
    break;
  case WORDS_VERB:
    complete_verbs(completer, false);
    break;
  case WORDS_CHOICE:
    complete_choices(completer, verb->choices);
    break;
  case WORDS_NONE:
    break;
  }
}

static void complete_next(Completer *completer, const Verb *verb, const GPtrArray *words)
{
  const char *first = words->pdata[0];
  for (guint i = 0; i < G_N_ELEMENTS(complete_later); i++) {
    bool here = complete_later[i].at < 0 || complete_later[i].at == (int)words->len;
    const char *wanted = complete_later[i].first;
    if (here && g_str_equal(verb->name, complete_later[i].verb) &&
        (!wanted || g_str_equal(first, wanted)))
      complete_names(completer, complete_later[i].kind, wanted ? NULL : first, "",
                     complete_later[i].end);
  }
}

/* What the users of the deployment server say behind `list`. */
static void complete_list(Completer *completer)
{
  for (guint i = 0; shell_alias(i); i++)
    if (g_str_has_prefix(shell_alias(i), "list "))
      complete_offer(completer, shell_alias(i) + strlen("list "), NULL);
}

/* The words among @before that are neither options nor their values; its first is the verb, if
 * there is one yet. Borrowed. */
static GPtrArray *complete_plain(char *const *before, bool *ended)
{
  GPtrArray *words = g_ptr_array_new();
  for (guint i = 0; before[i] && !*ended; i++) {
    *ended = g_str_equal(before[i], "--");
    if (before[i][0] != '-')
      g_ptr_array_add(words, before[i]);
    else if (complete_option(before[i]) && before[i + 1])
      i++;
  }
  return words;
}

/* @before: the words in front of the one that is completed. */
static void complete_after(Completer *completer, char *const *before)
{
  bool ended = false;
  guint n = g_strv_length((char **)(uintptr_t)before);
  g_autoptr(GPtrArray) words = complete_plain(before, &ended);
  const Verb *verb = words->len ? verb_find(completer->verbs, words->pdata[0]) : NULL;
  const OptionSpec *option = n ? complete_option(before[n - 1]) : NULL;
  if (ended)
    completer->out->files = COMPLETE_FILES; /* somebody else's command */
  else if (option)
    complete_value(completer, option, words->len > 1 ? words->pdata[1] : NULL);
  else if (completer->out->word[0] == '-' && (verb || !words->len))
    complete_options(completer, verb);
  else if (!words->len)
    complete_verbs(completer, completer->aliases);
  else if (completer->aliases && words->len == 1 && g_str_equal(words->pdata[0], "list"))
    complete_list(completer);
  else if (verb && words->len == 1)
    complete_first(completer, verb);
  else if (verb) {
    g_ptr_array_remove_index(words, 0);
    complete_next(completer, verb, words);
  }
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

/* @typed without quotes and backslashes, also when the last quote is still open. */
static char *complete_unquote(const char *typed)
{
  GString *out = g_string_new(NULL);
  for (; *typed; typed++)
    if (*typed != '"' && *typed != '\'' && !(*typed == '\\' && typed[1]))
      g_string_append_c(out, *typed);
  return g_string_free(out, FALSE);
}

static int complete_compare(const void *a, const void *b)
{
  return strcmp(((const Candidate *)a)->text, ((const Candidate *)b)->text);
}

Completion *complete_line(const Verbs *verbs, const char *line, bool aliases, ShellNamesFn names,
                          void *data)
{
  Completion *out = g_new0(Completion, 1);
  out->candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
  g_array_set_clear_func(out->candidates, candidate_clear);
  out->start = complete_start(line);
  out->word = complete_unquote(line + out->start);
  g_autofree char *front = g_strndup(line, out->start);
  g_auto(GStrv) before = NULL;
  if (!g_shell_parse_argv(front, NULL, &before, NULL))
    before = g_new0(char *, 1);
  Completer completer = {
      .out = out, .verbs = verbs, .aliases = aliases, .names = names, .data = data};
  complete_after(&completer, before + (aliases && before[0] && g_str_equal(before[0], "reeve")));
  g_array_sort(out->candidates, complete_compare);
  return out;
}

/* ---- in reeve shell ---- */

/* @text as it is to be typed, with what may follow it. */
static void typed_add(GPtrArray *out, const char *text, const char *end)
{
  GString *typed = g_string_new(NULL);
  for (const char *p = text; *p; p++) {
    if (strchr(" \t\"'\\#$`", *p))
      g_string_append_c(typed, '\\');
    g_string_append_c(typed, *p);
  }
  g_string_append(typed, end);
  g_ptr_array_add(out, g_string_free(typed, FALSE));
}

static void typed_files(GPtrArray *out, const Completion *completion)
{
  const char *word = completion->word, *slash = strrchr(word, '/');
  g_autofree char *prefix = slash ? g_strndup(word, (gsize)(slash + 1 - word)) : g_strdup("");
  DIR *directory = opendir(*prefix ? prefix : ".");
  for (struct dirent *item; directory && (item = readdir(directory));) {
    if (item->d_name[0] == '.' && !(slash ? slash[1] == '.' : word[0] == '.'))
      continue;
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0 ||
        !text_is_printable(item->d_name))
      continue;
    g_autofree char *path = g_strconcat(prefix, item->d_name, NULL);
    bool is_directory = g_file_test(path, G_FILE_TEST_IS_DIR);
    if (g_str_has_prefix(path, word) && (is_directory || completion->files != COMPLETE_DIRECTORIES))
      typed_add(out, path, is_directory ? "/" : " ");
  }
  if (directory)
    closedir(directory);
}

static int typed_compare(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *shell_candidates(const Verbs *verbs, const char *line, ShellNamesFn names, void *data,
                            size_t *start)
{
  g_autoptr(Completion) completion = complete_line(verbs, line, true, names, data);
  GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
  *start = completion->start;
  for (guint i = 0; i < completion->candidates->len; i++) {
    const char *text = g_array_index(completion->candidates, Candidate, i).text;
    typed_add(out, text, g_str_has_suffix(text, "=") || g_str_has_suffix(text, "/") ? "" : " ");
  }
  if (completion->files != COMPLETE_NO_FILES)
    typed_files(out, completion);
  g_ptr_array_sort(out, typed_compare);
  return out;
}
