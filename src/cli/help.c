/* Owns the pages written from the rows: help of the program, of a verb, and both as man pages. */
#include "cli/cli.h"

#include <string.h>

enum { HELP_COLUMNS = 78, HELP_OPTION_COLUMNS = 29 };

/* Appends @text wrapped at HELP_COLUMNS, each line behind @indent blanks; of the first, @column
 * stand there already. */
static void help_wrap(GString *out, const char *text, int indent, int column)
{
  g_auto(GStrv) words = g_strsplit(text, " ", -1);
  for (guint i = 0; words[i]; i++) {
    int width = table_width(words[i]);
    if (column && column + 1 + width > HELP_COLUMNS) {
      g_string_append_c(out, '\n');
      column = 0;
    }
    g_string_append_printf(out, "%*s%s", column ? 1 : indent, "", words[i]);
    column += (column ? 1 : indent) + width;
  }
  g_string_append_c(out, '\n');
}

static void help_heading(GString *out, const char *text, bool colors)
{
  g_string_append_printf(out, colors ? "\n\033[1m%s\033[0m\n" : "\n%s\n", text);
}

/* "-o, --output FORMAT" */
static char *help_option_words(const OptionSpec *spec)
{
  g_autofree char *letter =
      spec->letter ? g_strdup_printf("-%c, ", spec->letter) : g_strdup("    ");
  return g_strdup_printf("%s--%s%s%s", letter, spec->name, spec->value ? " " : "",
                         spec->value ? spec->value : "");
}

/* What option @id does in @verb (NULL = in every one). Caller frees. */
static char *help_option_text(const Verb *verb, OptionId id)
{
  const OptionSpec *spec = &option_specs[id];
  const char *help = spec->help;
  for (const OptionText *text = verb ? verb->texts : NULL; text && text->id != OPT_N; text++)
    help = text->id == id ? text->help : help;
  return spec->choices ? g_strdup_printf("%s: %s", help, spec->choices) : g_strdup(help);
}

static void help_options(GString *out, const Verb *verb, const OptionId *ids)
{
  for (; *ids != OPT_N; ids++) {
    g_autofree char *words = help_option_words(&option_specs[*ids]);
    g_autofree char *text = help_option_text(verb, *ids);
    g_string_append_printf(out, "  %-*s", HELP_OPTION_COLUMNS - 3, words);
    help_wrap(out, text, HELP_OPTION_COLUMNS, HELP_OPTION_COLUMNS - 1);
  }
}

static const OptionId help_global[] = {OPT_OUTPUT,   OPT_DATA_DIR, OPT_SOCKET, OPT_SERVER,
                                       OPT_NO_COLOR, OPT_QUIET,    OPT_HELP,   OPT_N};

char *help_verb(const Verb *verb, bool colors)
{
  GString *out = g_string_new(NULL);
  g_string_append_printf(out, "reeve %s - %s\n", verb->name, verb->summary);
  help_heading(out, "Usage", colors);
  g_string_append_printf(out, "  reeve %s%s%s%s\n", verb->name, verb->options ? " [OPTIONS]" : "",
                         *verb->words ? " " : "", verb->words);
  g_string_append_c(out, '\n');
  help_wrap(out, verb->details, 0, 0);
  help_heading(out, "Examples", colors);
  g_auto(GStrv) lines = g_strsplit(verb->examples, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    g_string_append_printf(out, "  %s\n", lines[i]);
  if (verb->options) {
    help_heading(out, "Options", colors);
    help_options(out, verb, verb->options);
    for (const OptionText *text = verb->texts; text && text->id != OPT_N; text++)
      if (text->id < OPT_GLOBAL_N)
        help_options(out, verb, (const OptionId[]){text->id, OPT_N});
  }
  g_autoptr(GString) names = g_string_new("Every verb also has");
  for (guint i = 0; help_global[i] != OPT_N; i++)
    g_string_append_printf(names, "%s --%s", i ? "," : "", option_specs[help_global[i]].name);
  g_string_append(names, ": see reeve help.");
  g_string_append_c(out, '\n');
  help_wrap(out, names->str, 0, 0);
  return g_string_free(out, FALSE);
}

char *help_all(const Verbs *verbs, bool colors)
{
  GString *out = g_string_new("reeve - deploys and supervises agents from one job file\n");
  help_heading(out, "Usage", colors);
  g_string_append(out, "  reeve VERB [OPTIONS] [WORDS]\n");
  help_heading(out, "Verbs", colors);
  for (guint i = 0; i < verbs->n; i++)
    if (!verbs->rows[i].hidden)
      g_string_append_printf(out, "  %-11s %s\n", verbs->rows[i].name, verbs->rows[i].summary);
  help_heading(out, "Options of every verb", colors);
  help_options(out, NULL, help_global);
  g_string_append(
      out,
      "\nA verb explains itself: reeve VERB --help.\nFirst steps: reeve up examples/desk/job.yaml\n");
  return g_string_free(out, FALSE);
}

/* @text for roff: backslashes, leading dots and dashes that must stay dashes. */
static void man_escape(GString *out, const char *text)
{
  for (const char *p = text; *p; p++) {
    if (*p == '\\')
      g_string_append(out, "\\e");
    else if (*p == '-')
      g_string_append(out, "\\-");
    else if ((*p == '.' || *p == '\'') && (p == text || p[-1] == '\n'))
      g_string_append_printf(out, "\\&%c", *p);
    else
      g_string_append_c(out, *p);
  }
  g_string_append_c(out, '\n');
}

static void man_option(GString *out, const Verb *verb, OptionId id)
{
  g_autofree char *words = help_option_words(&option_specs[id]);
  g_autofree char *text = help_option_text(verb, id);
  g_string_append(out, ".TP\n.B ");
  man_escape(out, g_strstrip(words));
  man_escape(out, text);
}

static void man_options(GString *out, const Verb *verb)
{
  g_string_append(out, ".SH OPTIONS\n");
  for (const OptionId *id = verb ? verb->options : NULL; id && *id != OPT_N; id++)
    man_option(out, verb, *id);
  for (guint i = 0; help_global[i] != OPT_N; i++)
    man_option(out, verb, help_global[i]);
}

static void man_verb(GString *out, const Verb *verb)
{
  g_autofree char *upper = g_ascii_strup(verb->name, -1);
  g_string_append_printf(
      out, ".TH REEVE\\-%s 1 \"\" \"reeve %s\" \"User commands\"\n.SH NAME\nreeve\\-%s \\- ", upper,
      REEVE_VERSION, verb->name);
  man_escape(out, verb->summary);
  g_string_append_printf(out, ".SH SYNOPSIS\n.B reeve %s\n", verb->name);
  if (verb->options)
    g_string_append(out, "[OPTIONS]\n");
  if (*verb->words)
    man_escape(out, verb->words);
  g_string_append(out, ".SH DESCRIPTION\n");
  man_escape(out, verb->details);
  g_string_append(out, ".SH EXAMPLES\n.nf\n");
  man_escape(out, verb->examples);
  g_string_append(out, ".fi\n");
  man_options(out, verb);
}

static void man_program(GString *out, const Verbs *verbs)
{
  g_string_append_printf(
      out, ".TH REEVE 1 \"\" \"reeve %s\" \"User commands\"\n.SH NAME\nreeve \\- ", REEVE_VERSION);
  g_string_append(
      out,
      "deploys and supervises agents from one job file\n.SH SYNOPSIS\n.B reeve\nVERB [OPTIONS] [WORDS]\n.SH VERBS\n");
  for (guint i = 0; i < verbs->n; i++) {
    if (verbs->rows[i].hidden)
      continue;
    g_string_append_printf(out, ".TP\n.B %s\n", verbs->rows[i].name);
    man_escape(out, verbs->rows[i].summary);
  }
  man_options(out, NULL);
}

char *help_man(const Verbs *verbs, const Verb *verb)
{
  GString *out = g_string_new(NULL);
  if (verb)
    man_verb(out, verb);
  else
    man_program(out, verbs);
  return g_string_free(out, FALSE);
}
