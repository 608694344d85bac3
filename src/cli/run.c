/* Owns the way from argv to a verb and from an error to an exit code. */
#include "cli/run.h"

#include "base/error.h"
#include "base/json.h"
#include "base/problems.h"
#include "cli/api.h"
#include "cli/target.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Words that other tools have for it, and what is to be said of them here. */
static const struct {
  const char *word, *here;
} run_known_words[] = {
    {"stop", "to stop a deployment: reeve down NAME"},
    {"kill", "to stop a deployment: reeve down NAME"},
    {"rm", "to stop and remove a deployment: reeve down --forget NAME"},
    {"remove", "to stop and remove a deployment: reeve down --forget NAME"},
    {"delete", "to stop and remove a deployment: reeve down --forget NAME"},
    {"destroy", "to stop and remove a deployment: reeve down --forget NAME"},
    {"start", "to bring a job up: reeve up FILE; to start the server: reeve server start"},
    {"apply", "to bring a job up, or change it: reeve up FILE"},
    {"create", "to bring a job up: reeve up FILE"},
    {"update", "to change what runs: reeve up FILE"},
    {"upgrade", "to change what runs: reeve up FILE"},
    {"edit", "change the job file, then: reeve up FILE"},
    {"init", "begin with a copy of examples/desk/job.yaml; the keys are in docs/job-file.md"},
    {"list", "to list what runs: reeve ps"},
    {"ls", "to list what runs: reeve ps"},
    {"get", "to list what runs: reeve ps"},
    {"top", "to list what runs: reeve ps"},
    {"stats", "to list what runs: reeve ps"},
    {"describe", "to look at a deployment: reeve status NAME"},
    {"info", "to look at a deployment: reeve status NAME"},
    {"inspect", "to look at a deployment: reeve status -o json NAME"},
    {"log", "to read what agents wrote: reeve logs NAME"},
    {"tail", "to read what agents wrote: reeve logs -f NAME"},
    {"watch",
     "to follow changes: reeve monitor NAME; to deploy when a file changes: reeve up --watch FILE"},
    {"check", "to check a job file: reeve validate FILE"},
    {"lint", "to check a job file: reeve validate FILE"},
    {"config", "to check a job file: reeve validate FILE"},
    {"attach", "to run a command beside an agent: reeve exec NAME/AGENT -- COMMAND"},
    {"ssh", "to run a command beside an agent: reeve exec NAME/AGENT -- COMMAND"},
    {"reload", "to restart agents: reeve restart NAME"},
    {"undo", "to go back to an earlier revision: reeve rollback NAME"},
    {"revert", "to go back to an earlier revision: reeve rollback NAME"},
    {"daemon", "to start the server: reeve server start"},
    {"serve", "to run the server: reeve server; to serve an agent: reeve agent serve"},
    {"ask", "to ask an agent: reeve prompt NAME TEXT"},
};

static const char *run_known_word(const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS(run_known_words); i++)
    if (g_str_equal(run_known_words[i].word, name))
      return run_known_words[i].here;
  return NULL;
}

/* Option letters of verbs differ; the ones before the verb are only the global ones. */
static const Verb *run_find_verb(const Verbs *verbs, const char *name, GError **error)
{
  const Verb *verb = verb_find(verbs, name);
  if (verb)
    return verb;
  const char *here = run_known_word(name);
  if (here) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "there is no verb '%s'; %s", name, here);
    return NULL;
  }
  g_autofree const char **names = g_new0(const char *, verbs->n + 1);
  for (guint i = 0, n = 0; i < verbs->n; i++)
    if (!verbs->rows[i].hidden)
      names[n++] = verbs->rows[i].name;
  const char *nearest = problems_nearest(name, names);
  g_autofree char *hint =
      nearest ? g_strdup_printf("; did you mean '%s'?", nearest) : g_strdup("; see reeve help");
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "unknown verb '%s'%s", name, hint);
  return NULL;
}

/* What the first word that is not there should be. */
static const char *run_missing(const Cli *cli)
{
  static const char *const first[] = {[WORDS_FILE] = "which file?",
                                      [WORDS_DEPLOYMENT] = "which deployment?",
                                      [WORDS_AGENT] = "which agent?"};
  WordKind kind = cli->verb->word_kind;
  bool known = !cli_word(cli, 0) && kind < G_N_ELEMENTS(first) && first[kind];
  return known ? first[kind] : "something is missing;";
}

static bool run_check_words(const Cli *cli, GError **error)
{
  const Verb *verb = cli->verb;
  int n = (int)cli->options.words->len;
  if (n < verb->words_min) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "%s usage: reeve %s %s", run_missing(cli),
                verb->name, verb->words);
    return false;
  }
  if (verb->words_max >= 0 && n > verb->words_max) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "unexpected '%s'; usage: reeve %s %s",
                cli_word(cli, (guint)verb->words_max), verb->name, verb->words);
    return false;
  }
  return true;
}

static void run_take_options(Cli *cli)
{
  static const char *const formats[] = {"table", "wide", "json", "yaml", "dot"};
  const char *output =
      cli->options.text[OPT_FORMAT] ? cli->options.text[OPT_FORMAT] : cli->options.text[OPT_OUTPUT];
  for (guint i = 0; output && i < G_N_ELEMENTS(formats); i++)
    if (g_str_equal(output, formats[i]))
      cli->output = (OutputFormat)i;
  const char *no_color = g_getenv("NO_COLOR"), *term = g_getenv("TERM");
  bool colors =
      !cli_flag(cli, OPT_NO_COLOR) && !(no_color && *no_color) && g_strcmp0(term, "dumb") != 0;
  cli->color_out = colors && isatty(STDOUT_FILENO);
  cli->color_err = colors && isatty(STDERR_FILENO);
  cli->quiet = cli_flag(cli, OPT_QUIET);
  paths_init(&cli->paths, cli->options.text[OPT_DATA_DIR], cli->options.text[OPT_SOCKET]);
}

static int run_verb(Cli *cli, GError **error)
{
  if (cli_flag(cli, OPT_HELP)) {
    g_autofree char *text =
        cli->verb ? help_verb(cli->verb, cli->color_out) : help_all(cli->verbs, cli->color_out);
    cli_print("%s", text);
    return 0;
  }
  if (!cli->verb) {
    g_autofree char *text = help_all(cli->verbs, cli->color_err);
    fputs(text, stderr);
    return reeve_error_exit(REEVE_ERROR_USAGE);
  }
  if (!run_check_words(cli, error) || !target_allowed(cli, error))
    return 1;
  if (cli->output == OUTPUT_DOT && cli->verb->run != cmd_plan) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "option '--output': 'dot' is only for plan");
    return 1;
  }
  api_warn_in_clear(cli);
  return cli->verb->run(cli, error);
}

static bool run_parse(Cli *cli, int argc, const char *const *argv, GError **error)
{
  int used = 0;
  if (!options_parse(&cli->options, argc, argv, NULL, true, &used, error))
    return false;
  if (used == argc)
    return true;
  cli->verb = run_find_verb(cli->verbs, argv[used], error);
  return cli->verb && options_parse(&cli->options, argc - used - 1, argv + used + 1,
                                    cli->verb->options, false, NULL, error);
}

/* A name that does not exist: the nearest that does, or where they are listed. */
static void run_hint_name(const Cli *cli, GError **error)
{
  if ((cli->verb->word_kind != WORDS_DEPLOYMENT && cli->verb->run != cmd_diff) ||
      (*error)->code != REEVE_ERROR_NOT_FOUND || strstr((*error)->message, "reeve "))
    return;
  g_auto(GStrv) parts = g_strsplit(cli_word(cli, 0) ? cli_word(cli, 0) : "", "/", 2);
  if (!parts[0])
    return;
  json_t *answer = api_get(cli, "/api/deployments", NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  bool there = !answer;
  size_t i;
  const json_t *deployment;
  json_array_foreach(json_object_get(answer, "deployments"), i, deployment)
  {
    char *name = (char *)(uintptr_t)jget_str(deployment, "name", "");
    there |= g_str_equal(name, parts[0]);
    g_ptr_array_add(names, name);
  }
  g_ptr_array_add(names, NULL);
  const char *nearest = there || cli->verb->destructive
                            ? NULL
                            : problems_nearest(parts[0], (const char *const *)names->pdata);
  if (there && answer) { /* the name is right: something else of it is missing */
    json_decref(answer);
    return;
  }
  GError *better =
      nearest ? g_error_new(REEVE_ERROR, (*error)->code, "%s; did you mean '%s'?",
                            (*error)->message, nearest)
              : g_error_new(REEVE_ERROR, (*error)->code, "%s; see: reeve ps", (*error)->message);
  g_error_free(*error);
  *error = better;
  json_decref(answer);
}

/* What can be done about the open rollout of the deployment that @message names first. Caller
 * frees. */
static char *run_way_past_rollout(const Cli *cli, const char *message)
{
  g_auto(GStrv) parts = g_strsplit(message, "'", 3);
  const char *name = parts[0] && parts[1] ? parts[1] : "NAME";
  g_autofree char *replace = cli->verb->run == cmd_up
                                 ? g_strdup_printf(", reeve up --replace %s", cli_word(cli, 0))
                                 : g_strdup("");
  return g_strdup_printf("see: reeve wait %s, reeve cancel %s%s", name, name, replace);
}

/* The API says what can be done, the command line how. */
static void run_hint_way(const Cli *cli, GError **error)
{
  const char *message = (*error)->message;
  g_autofree char *way = NULL;
  if ((*error)->code == REEVE_ERROR_UNAUTHENTICATED)
    way = g_strdup("put it into REEVE_TOKEN, or into ~/.config/reeve/token (mode 0600)");
  else if ((*error)->code == REEVE_ERROR_NOT_FOUND && cli->verb->word_kind == WORDS_AGENT &&
           !strstr(message, "--agents-dir"))
    way = g_strdup("see: reeve agents");
  else if ((*error)->code == REEVE_ERROR_CONFLICT && strstr(message, "wait for it, cancel it"))
    way = run_way_past_rollout(cli, message);
  if (!way)
    return;
  GError *better = g_error_new(REEVE_ERROR, (*error)->code, "%s; %s", message, way);
  g_error_free(*error);
  *error = better;
}

static void run_hints(const Cli *cli, GError **error)
{
  if (!cli->verb)
    return;
  run_hint_name(cli, error);
  run_hint_way(cli, error);
}

/* What was printed must have arrived. A reader that has seen enough (`| head`) needs no
 * explanation. */
static int run_flush(int code)
{
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout))
    return code;
  /* the errno of an earlier try is gone */
  const char *why = errno ? g_strerror(errno) : "a part of the output is lost";
  if (!cli_is_left())
    fprintf(stderr, "reeve: cannot write to standard output: %s\n", why);
  return code ? code : reeve_error_exit(REEVE_ERROR_INTERNAL);
}

int cli_run(int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  Cli cli = {.verbs = &all_verbs};
  int code = 0;
  options_init(&cli.options);
  if (argc == 2 && g_str_equal(argv[1], "--version"))
    cli.verb = verb_find(cli.verbs, "version");
  else
    run_parse(&cli, argc - 1, (const char *const *)argv + 1, &error);
  run_take_options(&cli);
  if (!error)
    code = run_verb(&cli, &error);
  if (error) {
    run_hints(&cli, &error);
    cli_report(cli.verb ? cli.verb->name : NULL, error->message);
    code = reeve_error_exit(error->code);
  }
  code = run_flush(code);
  paths_done(&cli.paths);
  options_done(&cli.options);
  return code;
}
