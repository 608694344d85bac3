/* The parts of the command line that need no server: options, tables, YAML, and the pages written
 * from the rows of verbs. */
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/yaml.h"

#include <string.h>

static const OptionId test_allowed[] = {OPT_FOLLOW, OPT_TAIL, OPT_TIMEOUT, OPT_SINCE, OPT_N};

static bool parse(Options *options, const char *line, GError **error)
{
  g_auto(GStrv) words = g_strsplit(line, " ", -1);
  static GPtrArray *kept; /* options borrow from argv */
  if (!kept)
    kept = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  GStrv argv = g_steal_pointer(&words);
  g_ptr_array_add(kept, argv);
  options_init(options);
  return options_parse(options, (int)g_strv_length(argv), (const char *const *)argv, test_allowed,
                       false, NULL, error);
}

static void test_options(void)
{
  Options options;
  g_autoptr(GError) error = NULL;
  g_assert_true(parse(&options, "desk -fn 20 --output=json boss --timeout 1.5m -- --tail", &error));
  g_assert_no_error(error);
  g_assert_nonnull(options.text[OPT_FOLLOW]);
  g_assert_cmpfloat(options.number[OPT_TAIL], ==, 20);
  g_assert_cmpfloat(options.number[OPT_TIMEOUT], ==, 90);
  g_assert_cmpstr(options.text[OPT_OUTPUT], ==, "json");
  g_assert_cmpuint(options.words->len, ==, 3);
  g_assert_cmpstr(g_ptr_array_index(options.words, 1), ==, "boss");
  g_assert_cmpstr(g_ptr_array_index(options.words, 2), ==, "--tail");
  g_assert_null(options.text[OPT_QUIET]);
  options_done(&options);
}

static void test_option_errors(void)
{
  static const struct {
    const char *line, *message;
  } rows[] = {
      {"--folow", "unknown option '--folow'; did you mean '--follow'?"},
      {"--zzzzzz", "unknown option '--zzzzzz'; see --help"},
      {"--replace", "unknown option '--replace'; see --help"},
      {"-z", "unknown option '-z'; see --help"},
      {"--tail", "option '--tail' needs a value: N"},
      {"--tail many", "option '--tail': 'many' is no number"},
      {"--tail -3", "option '--tail': '-3' is no number"},
      {"--follow=yes", "option '--follow' takes no value"},
      {"-o xml", "option '--output': 'xml' is none of table|wide|json|yaml|dot"},
      {"--timeout soon", "option '--timeout': 'soon' is no time; allowed: 90, 500ms, 30s, 5m, 2h"},
      {"--since soon",
       "option '--since': 'soon' is no time; allowed: 5m, 2h, 1d, 2026-01-31T12:00:00Z"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    Options options;
    g_autoptr(GError) error = NULL;
    g_assert_false(parse(&options, rows[i].line, &error));
    g_assert_error(error, REEVE_ERROR, REEVE_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, rows[i].message);
    options_done(&options);
  }
}

static void test_since(void)
{
  Options options;
  g_autoptr(GError) error = NULL;
  g_assert_true(parse(&options, "--since 2026-01-31T12:00:00Z", &error));
  g_assert_cmpfloat(options.number[OPT_SINCE], ==, 1769860800000.0);
  options_done(&options);
  int64_t before_ms = clock_wall_ms();
  g_assert_true(parse(&options, "--since 5m", &error));
  g_assert_cmpfloat(options.number[OPT_SINCE], >=, (double)(before_ms - 300000));
  g_assert_cmpfloat(options.number[OPT_SINCE], <=, (double)(clock_wall_ms() - 300000));
  options_done(&options);
}

static void test_table(void)
{
  g_autoptr(Table) table = table_new((const char *const[]){"NAME", ">PID", "NOTE", NULL});
  table_cell(table, "grün");
  table_cell(table, "7");
  table_cell(table, NULL);
  table_cell(table, "語");
  table_cell_format(table, "%d", 12345);
  table_cell(table, "a\nb");
  table_color(table, "31");
  g_assert_cmpuint(table_rows(table), ==, 2);
  g_autofree char *text = table_text(table, false, 0);
  g_assert_cmpstr(text, ==, "NAME    PID  NOTE\ngrün      7  -\n語    12345  a b\n");
  g_autofree char *colored = table_text(table, true, 0);
  g_assert_nonnull(strstr(colored, "\033[31ma b\033[0m\n"));
}

/* The last column gives way to a narrow terminal, and stands below where nothing of it would be
 * left. */
static void test_table_columns(void)
{
  g_autoptr(Table) table = table_new((const char *const[]){"NAME", "REASON", NULL});
  table_cell(table, "desk");
  table_cell(table, "no answer on port 8100");
  table_cell(table, "語");
  table_cell(table, "語語語語語語");
  static const struct {
    int columns;
    const char *text;
  } rows[] = {
      {0, "NAME  REASON\ndesk  no answer on port 8100\n語    語語語語語語\n"},
      {28, "NAME  REASON\ndesk  no answer on port 8100\n語    語語語語語語\n"},
      {27, "NAME  REASON\ndesk  no answer on port...\n語    語語語語語語\n"},
      {17, "NAME\ndesk\n    no answer on\n    port 8100\n語\n    語語語語語語\n"},
      {14, "NAME\ndesk\n    no answer\n    on port\n    8100\n語\n    語語語語語\n    語\n"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = table_text(table, false, rows[i].columns);
    g_assert_cmpstr(text, ==, rows[i].text);
  }
}

/* Where that is not enough the widest texts are cut, but no number; nothing is wider than the
 * terminal. */
static void test_table_narrow(void)
{
  g_autoptr(Table) table =
      table_new((const char *const[]){"DEPLOYMENT", "AGENT", "URL", ">PID", "REASON", NULL});
  static const char *const cells[] = {"shop",
                                      "a-long-name-of-an-agent",
                                      "http://localhost:8100",
                                      "1234567",
                                      "exit status 1, after 3 restarts",
                                      "desk",
                                      "boss",
                                      NULL,
                                      NULL,
                                      NULL};
  for (guint i = 0; i < G_N_ELEMENTS(cells); i++)
    table_cell(table, cells[i]);
  g_autofree char *text = table_text(table, false, 60);
  g_assert_cmpstr(text, ==,
                  "DEPLOYMENT  AGENT                URL                     PID\n"
                  "shop        a-long-name-of-a...  http://localhos...  1234567\n"
                  "    exit status 1, after 3 restarts\n"
                  "desk        boss                 -                         -\n");
  for (int columns = 40; columns < 120; columns++) {
    g_autofree char *any = table_text(table, false, columns);
    g_auto(GStrv) lines = g_strsplit(any, "\n", -1);
    for (guint i = 0; lines[i]; i++)
      /* what its headings and numbers need */
      g_assert_cmpint(table_width(lines[i]), <=, MAX(columns, 47));
    g_assert_nonnull(strstr(any, "1234567"));
  }
}

/* An option that several verbs share says what it does in each; what all have is told once. */
static void test_option_texts(void)
{
  static const struct {
    const char *verb, *has, *has_not;
  } rows[] = {{"run", "return when the run has begun", "agents stay up"},
              {"up", "agents stay up", "begun"},
              {"audit", "only the last N entries", "of each instance"},
              {"logs", "only the last N lines of each instance", "entries"},
              {"diff", "revision to compare", "go back"},
              {"rollback", "go back to", "to compare"},
              {"node", "node socket of the server to dial", "REEVE_SERVER"},
              {"ps", "Every verb also has --output, --data-dir,", "state directory"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *help = help_verb(verb_find(&all_verbs, rows[i].verb), false);
    g_assert_nonnull(strstr(help, rows[i].has));
    g_assert_null(strstr(help, rows[i].has_not));
  }
}

static void test_yaml(void)
{
  json_t *value =
      json_pack("{s:s,s:s,s:s,s:i,s:n,s:b,s:[],s:[{s:s,s:[i,i]},s],s:{s:{s:s}}}", "name", "desk",
                "url", "http://localhost:9000", "odd", "yes", "n", 3, "none", "flag", 1, "empty",
                "list", "a", "x y", "b", 1, 2, "tail: no", "deep", "er", "key", "-");
  g_autofree char *text = yaml_text(value);
  g_assert_cmpstr(
      text, ==,
      "name: desk\nurl: http://localhost:9000\nodd: \"yes\"\n\"n\": 3\nnone: null\nflag: true\nempty: []\n"
      "list:\n  - a: x y\n    b:\n      - 1\n      - 2\n  - \"tail: no\"\ndeep:\n  er:\n    key: \"-\"\n");
  json_decref(value);
}

/* Every verb explains itself with an example that names it, and every row is whole. */
static void test_help(void)
{
  g_autofree char *all = help_all(&all_verbs, false);
  for (guint i = 0; i < all_verbs.n; i++) {
    const Verb *verb = &all_verbs.rows[i];
    g_autofree char *text = help_verb(verb, false), *man = help_man(&all_verbs, verb);
    g_autofree char *example = g_strdup_printf("reeve %s", verb->name);
    g_assert_nonnull(strstr(verb->examples, example));
    g_assert_nonnull(strstr(text, "Examples\n  "));
    g_assert_true((strstr(all, verb->summary) != NULL) == !verb->hidden);
    /* what we write fits a terminal; examples are as long as they are */
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint k = 0; lines[k]; k++)
      g_assert_true(table_width(lines[k]) <= 80 || g_str_has_prefix(lines[k], "  reeve "));
    g_assert_true(g_str_has_prefix(man, ".TH REEVE\\-"));
    g_assert_nonnull(verb->run);
    g_assert_true(verb->words_max < 0 || verb->words_max >= verb->words_min);
    g_assert_true((verb->word_kind == WORDS_CHOICE) == (verb->choices != NULL));
    g_assert_true(verb_find(&all_verbs, verb->name) == verb);
  }
  g_assert_null(verb_find(&all_verbs, "nothing"));
  for (guint id = 0; id < OPT_N; id++) {
    g_assert_nonnull(option_specs[id].name);
    g_assert_true((option_specs[id].kind == OPTION_FLAG) == (option_specs[id].value == NULL));
    g_assert_true((option_specs[id].kind == OPTION_CHOICE) == (option_specs[id].choices != NULL));
  }
}

/* The scripts hold no words of their own and let no shell expand what they are given. */
static void test_completion(void)
{
  static const char *const shells[] = {"bash", "zsh", "fish"};
  for (guint i = 0; i < G_N_ELEMENTS(shells); i++) {
    g_autofree char *script = completion_script(shells[i]);
    g_assert_nonnull(strstr(script, "complete --line"));
    g_assert_null(strstr(script, "compgen -W"));
    g_assert_null(strstr(script, "eval"));
  }
  g_assert_null(completion_script("tcsh"));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/cli/options", test_options);
  g_test_add_func("/cli/option-errors", test_option_errors);
  g_test_add_func("/cli/since", test_since);
  g_test_add_func("/cli/option-texts", test_option_texts);
  g_test_add_func("/cli/table", test_table);
  g_test_add_func("/cli/table/columns", test_table_columns);
  g_test_add_func("/cli/table/narrow", test_table_narrow);
  g_test_add_func("/cli/yaml", test_yaml);
  g_test_add_func("/cli/help", test_help);
  g_test_add_func("/cli/completion", test_completion);
  return g_test_run();
}
