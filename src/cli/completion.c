/* Owns the completion scripts. They carry the verbs and options as words from the rows; names of deployments are asked of `reeve ps`. */
#include "cli/cli.h"

/* "--output -o --follow ..." of @verb; NULL = the global ones. */
static char *completion_options(const Verb *verb)
{
  GString *out = g_string_new(NULL);
  for (guint id = 0; id < OPT_N; id++) {
    if (!options_knows(verb ? verb->options : NULL, (OptionId)id))
      continue;
    g_string_append_printf(out, "%s--%s", out->len ? " " : "", option_specs[id].name);
    if (option_specs[id].letter)
      g_string_append_printf(out, " -%c", option_specs[id].letter);
  }
  return g_string_free(out, FALSE);
}

static char *completion_verbs(void)
{
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < verbs_n; i++)
    g_string_append_printf(out, "%s%s", i ? " " : "", verbs[i].name);
  return g_string_free(out, FALSE);
}

static char *completion_choices(const char *choices)
{
  return g_strdelimit(g_strdup(choices), "|", ' ');
}

/* The shell words that offer what may follow @verb, for bash and zsh (through bashcompinit). */
static char *completion_bash_words(const Verb *verb)
{
  static const char names[] = "$(reeve ps -q -o json 2>/dev/null | sed -n 's/^      \"name\": \"\\(.*\\)\",$/\\1/p')";
  static const char agents[] = "$(reeve agents -q -o json 2>/dev/null | sed -n 's/^      \"name\": \"\\(.*\\)\",$/\\1/p')";
  g_autofree char *choices = verb->choices ? completion_choices(verb->choices) : NULL;
  g_autofree char *all = completion_verbs();
  switch (verb->word_kind) {
  case WORDS_FILE:
    return g_strdup("-f");
  case WORDS_DEPLOYMENT:
    return g_strdup_printf("-W \"%s\"", names);
  case WORDS_AGENT:
    return g_strdup_printf("-W \"%s\"", agents);
  case WORDS_VERB:
    return g_strdup_printf("-W \"%s\"", all);
  case WORDS_CHOICE:
    return g_strdup_printf("-W \"%s\"", choices);
  case WORDS_NONE:
    break;
  }
  return g_strdup("-W \"\"");
}

/* Values of options: files, directories, choices. */
static void completion_bash_values(GString *out)
{
  for (guint id = 0; id < OPT_N; id++) {
    const OptionSpec *spec = &option_specs[id];
    if (spec->kind != OPTION_CHOICE && spec->kind != OPTION_FILE && spec->kind != OPTION_DIRECTORY)
      continue;
    g_autofree char *choices = spec->choices ? completion_choices(spec->choices) : NULL;
    g_string_append_printf(out, "    --%s", spec->name);
    if (spec->letter)
      g_string_append_printf(out, "|-%c", spec->letter);
    if (choices)
      g_string_append_printf(out, ") COMPREPLY=($(compgen -W \"%s\" -- \"$cur\")); return ;;\n", choices);
    else
      g_string_append_printf(out, ") COMPREPLY=($(compgen %s -- \"$cur\")); return ;;\n", spec->kind == OPTION_FILE ? "-f" : "-d");
  }
}

static void completion_bash(GString *out)
{
  g_autofree char *all = completion_verbs();
  g_autofree char *global = completion_options(NULL);
  g_string_append(
      out, "_reeve() {\n  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i\n"
           "  for ((i = 1; i < COMP_CWORD; i++)); do\n    case ${COMP_WORDS[i]} in\n"
           "      --output|-o|--data-dir|--socket) ((i++)) ;;\n      -*) ;;\n      *) verb=${COMP_WORDS[i]}; break ;;\n    esac\n  done\n"
           "  case $prev in\n");
  completion_bash_values(out);
  g_string_append(out, "  esac\n  case $verb in\n");
  g_string_append_printf(out, "    \"\") COMPREPLY=($(compgen -W \"%s %s\" -- \"$cur\")) ;;\n", all, global);
  for (guint i = 0; i < verbs_n; i++) {
    g_autofree char *options = completion_options(&verbs[i]);
    g_autofree char *words = completion_bash_words(&verbs[i]);
    g_string_append_printf(out, "    %s) if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))\n", verbs[i].name, options);
    g_string_append_printf(out, "      else COMPREPLY=($(compgen %s -- \"$cur\")); fi ;;\n", words);
  }
  g_string_append(out, "  esac\n}\ncomplete -F _reeve reeve\n");
}

static void completion_zsh(GString *out)
{
  g_string_append(out, "#compdef reeve\nautoload -U +X bashcompinit && bashcompinit\n");
  completion_bash(out);
}

/* fish quotes '...' with \' inside. */
static char *completion_fish_quote(const char *text)
{
  g_auto(GStrv) parts = g_strsplit(text, "'", -1);
  g_autofree char *inner = g_strjoinv("\\'", parts);
  return g_strdup_printf("'%s'", inner);
}

static void completion_fish_option(GString *out, const char *condition, const OptionSpec *spec)
{
  g_autofree char *help = completion_fish_quote(spec->help);
  g_string_append_printf(out, "complete -c reeve%s -l %s", condition, spec->name);
  if (spec->letter)
    g_string_append_printf(out, " -s %c", spec->letter);
  if (spec->choices) {
    g_autofree char *choices = completion_choices(spec->choices);
    g_string_append_printf(out, " -x -a '%s'", choices);
  } else if (spec->kind != OPTION_FLAG) {
    g_string_append(out, spec->kind == OPTION_FILE || spec->kind == OPTION_DIRECTORY ? " -r -F" : " -x");
  }
  g_string_append_printf(out, " -d %s\n", help);
}

static void completion_fish_words(GString *out, const Verb *verb)
{
  g_autofree char *choices = verb->choices ? completion_choices(verb->choices) : NULL;
  g_autofree char *all = completion_verbs();
  const char *words = verb->word_kind == WORDS_CHOICE ? choices : verb->word_kind == WORDS_VERB ? all : NULL;
  g_string_append_printf(out, "complete -c reeve -n '__fish_seen_subcommand_from %s'", verb->name);
  if (words)
    g_string_append_printf(out, " -a '%s'\n", words);
  else if (verb->word_kind == WORDS_DEPLOYMENT)
    g_string_append(out, " -a '(reeve ps -q -o json 2>/dev/null | string match -rg \"^      \\\\\"name\\\\\": \\\\\"(.*)\\\\\",\\$\")'\n");
  else
    g_string_append(out, verb->word_kind == WORDS_FILE ? " -F\n" : " -f\n");
}

static void completion_fish(GString *out)
{
  g_string_append(out, "complete -c reeve -f\n");
  for (guint i = 0; i < verbs_n; i++) {
    g_autofree char *help = completion_fish_quote(verbs[i].summary);
    g_autofree char *condition = g_strdup_printf(" -n '__fish_seen_subcommand_from %s'", verbs[i].name);
    g_string_append_printf(out, "complete -c reeve -n __fish_use_subcommand -a %s -d %s\n", verbs[i].name, help);
    completion_fish_words(out, &verbs[i]);
    for (const OptionId *id = verbs[i].options; id && *id != OPT_N; id++)
      completion_fish_option(out, condition, &option_specs[*id]);
  }
  for (guint id = 0; id < OPT_GLOBAL_N; id++)
    completion_fish_option(out, "", &option_specs[id]);
}

static const struct {
  const char *shell;
  void (*write)(GString *out);
} completion_shells[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};

char *completion_script(const char *shell)
{
  for (guint i = 0; i < G_N_ELEMENTS(completion_shells); i++) {
    if (!g_str_equal(shell, completion_shells[i].shell))
      continue;
    GString *out = g_string_new(NULL);
    completion_shells[i].write(out);
    return g_string_free(out, FALSE);
  }
  return NULL;
}
