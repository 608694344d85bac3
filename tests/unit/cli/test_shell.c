/* What the shell makes of a line: aliases, quotes, and how a line can go on. */
#include "cli/shell.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_words(void)
{
  static const struct {
    const char *line, *words;
  } rows[] = {{"list deployment", "agents"},
              {"list agents -q", "agents -q"},
              {"list", "ps"},
              {"list server", "server status"},
              {"reeve list deployments -o json", "status -o json"},
              {"deploy a", "deploy a"},
              {"? up", "help up"},
              {"prompt a 'b  c' \"d\\\"\" # e", "prompt a b  c d\""},
              {"   ", ""},
              {"# only a comment", ""}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_auto(GStrv) words = shell_words(rows[i].line, NULL);
    g_autofree char *joined = g_strjoinv(" ", words);
    g_assert_cmpstr(joined, ==, rows[i].words);
  }
  g_autoptr(GError) error = NULL;
  g_assert_null(shell_words("ps 'open", &error));
  g_assert_nonnull(error);
}

static void test_end(void)
{
  static char *const quit[] = {(char *)"quit", NULL}, *const leave[] = {(char *)"exit", NULL},
                     *const ps[] = {(char *)"ps", NULL}, *const none[] = {NULL};
  g_assert_true(shell_is_end(quit) && shell_is_end(leave));
  g_assert_false(shell_is_end(ps) || shell_is_end(none));
}

/* Among the deployments are some that nobody should be offered: the server is not trusted. */
static char **names(NameKind kind, const char *of, void *data)
{
  static const char *const lists[] = {[NAMES_DEPLOYMENTS] = "desk dusk $(id) \x1b[2J -rf `id`",
                                      [NAMES_AGENT_FILES] = "LogReader LogWriter",
                                      [NAMES_AGENTS] = "web worker",
                                      [NAMES_REVISIONS] = "1 2 12",
                                      [NAMES_SECRETS] = "key",
                                      [NAMES_TOKENS] = "ci"};
  bool of_one = kind == NAMES_AGENTS || kind == NAMES_REVISIONS;
  return !of_one || g_strcmp0(of, "desk") == 0 ? g_strsplit(lists[kind], " ", -1) : NULL;
}

static char *candidates(const char *line, size_t *start)
{
  g_autoptr(GPtrArray) words = shell_candidates(&all_verbs, line, names, NULL, start);
  g_ptr_array_add(words, NULL);
  return g_strjoinv("|", (char **)words->pdata);
}

static void test_candidates(void)
{
  static const struct {
    const char *line, *words;
    size_t start;
  } rows[] = {{"undep", "undeploy ", 0},
              {"reeve undep", "undeploy ", 6},
              {"qu", "quit ", 0},
              {"deploy ", "LogReader |LogWriter ", 7},
              {"deploy 'LogR", "LogReader ", 7},
              {"status d", "desk |dusk ", 7},
              {"status ", "desk |dusk ", 7},
              {"logs desk ", "web |worker ", 10},
              {"logs desk w", "web |worker ", 10},
              {"logs -f desk we", "web ", 13},
              {"logs dusk ", "", 10},
              {"logs desk web ", "", 14},
              {"logs desk/wo", "desk/worker ", 5},
              {"restart desk we", "web ", 13},
              {"scale desk web=2 wo", "worker=", 17},
              {"run d", "desk/|dusk/", 4},
              {"run desk/", "desk/web |desk/worker ", 4},
              {"exec desk/we", "desk/web ", 5},
              {"why desk/", "desk/web |desk/worker ", 4},
              {"rollback desk --to 1", "1 |12 ", 19},
              {"rollback --to ", "", 14},
              {"secret rm ", "key ", 10},
              {"secret list ", "", 12},
              {"token revoke c", "ci ", 13},
              {"token --role ", "admin |operator |viewer ", 13},
              {"-o json ps d", "desk |dusk ", 11},
              {"exec desk/web -- a.", "a.yaml ", 17},
              {"complet", "completion ", 0},
              {"list ", "agents |deployment |deployments |server ", 5},
              {"server st", "start |status |stop ", 7},
              {"ps -o js", "json ", 6},
              {"ps --output y", "yaml ", 12},
              {"deploy --timeo", "--timeout ", 7},
              {"help shel", "shell ", 5},
              {"version ", "", 8},
              {"nonsense ", "", 9},
              {"validate a", "a.yaml |a\\ b/", 9},
              {"validate a\\ b/", "a\\ b/c ", 9},
              {"server --agents-dir ", "a\\ b/", 20},
              {"validate .", ".hidden ", 9}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    size_t start;
    g_autofree char *words = candidates(rows[i].line, &start);
    g_assert_cmpstr(words, ==, rows[i].words);
    g_assert_cmpuint(start, ==, rows[i].start);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_autofree char *directory = g_dir_make_tmp("reeve-shell-XXXXXX", NULL);
  g_assert_true(chdir(directory) == 0 && mkdir("a b", 0700) == 0);
  g_assert_true(g_file_set_contents("a.yaml", "", 0, NULL) &&
                g_file_set_contents(".hidden", "", 0, NULL) &&
                g_file_set_contents("a b/c", "", 0, NULL));
  g_test_add_func("/shell/words", test_words);
  g_test_add_func("/shell/end", test_end);
  g_test_add_func("/shell/candidates", test_candidates);
  int code = g_test_run();
  static const char *const made[] = {"a b/c", "a b", "a.yaml", ".hidden"};
  for (guint i = 0; i < G_N_ELEMENTS(made); i++)
    g_remove(made[i]);
  g_assert_true(chdir("/") == 0);
  g_remove(directory);
  return code;
}
