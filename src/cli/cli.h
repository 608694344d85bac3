#pragma once
/* What every verb is given, and how verbs speak: results on stdout, progress and hints on stderr.
 */
#include "cli/options.h"
#include "cli/paths.h"
#include "cli/table.h"

#include <jansson.h>

typedef enum OutputFormat {
  OUTPUT_TABLE,
  OUTPUT_WIDE,
  OUTPUT_JSON,
  OUTPUT_YAML,
  OUTPUT_DOT
} OutputFormat;

typedef struct Verb Verb;
/* The verbs in the order of `reeve help`. */
typedef struct Verbs {
  const Verb *rows;
  guint n;
} Verbs;
typedef struct Cli {
  Options options;
  Paths paths;
  const Verbs *verbs; /* all that there are */
  const Verb *verb;   /* the one that runs, NULL = none */
  OutputFormat output;
  bool color_out, color_err; /* a terminal, and nobody asked for none */
  bool quiet;
} Cli;

/* A verb: its row is the source of `reeve help`, --help, completion and the man page. */
typedef enum WordKind {
  WORDS_NONE,
  WORDS_FILE,
  WORDS_DEPLOYMENT,
  WORDS_AGENT,
  WORDS_VERB,
  WORDS_CHOICE
} WordKind;
struct Verb {
  const char *name;
  const char *words;        /* of the synopsis: "NAME [AGENT]"; "" = none */
  const char *summary;      /* one line */
  const char *details;      /* paragraphs */
  const char *examples;     /* lines of "command   # what it does" */
  const OptionId *options;  /* ends with OPT_N; NULL = only the global ones */
  const OptionText *texts;  /* of options that mean something else here; NULL = none */
  int words_min, words_max; /* words_max -1 = any number */
  WordKind word_kind;       /* what completion offers */
  const char *choices;      /* WORDS_CHOICE: "start|stop" */
  bool destructive;         /* a name that does not exist is not answered with another one */
  /* verbs of a whole deployment: what to do about an agent; TARGET is what was given, NAME its
   * deployment */
  const char *instead;
  bool hidden; /* for programs: in no list and no completion */
  /* Returns the exit code; with @error set, main reports it and takes the code from it. */
  int (*run)(Cli *cli, GError **error);
};

/* The table (verbs.c). What verbs call is handed it by who calls: Cli.verbs. */
extern const Verbs all_verbs;
/* The row of @verbs that is called @name, or NULL. */
const Verb *verb_find(const Verbs *verbs, const char *name);
/* What one verb does, as text; the whole program's page; the man page of a verb (NULL: of the
 * program). Callers free. */
char *help_verb(const Verb *verb, bool colors);
char *help_all(const Verbs *verbs, bool colors);
char *help_man(const Verbs *verbs, const Verb *verb);
/* Completion script for @shell ("bash", "zsh", "fish"), or NULL. Caller frees. */
char *completion_script(const char *shell);

/* Word @index of the command line, or NULL. */
const char *cli_word(const Cli *cli, guint index);
/* Was option @id given? */
bool cli_flag(const Cli *cli, OptionId id);
/* Milliseconds of a time option, or @fallback_ms. */
int64_t cli_ms(const Cli *cli, OptionId id, int64_t fallback_ms);
/* True when results are asked for as JSON or YAML. */
bool cli_is_data(const Cli *cli);
/* Prints @value as -o json or yaml asks. */
void cli_print_data(const Cli *cli, const json_t *value);
/* Prints @text, which is JSON already, likewise. */
void cli_print_json_text(const Cli *cli, const char *text);
/* On a terminal cut to its width, but not with -o wide. */
void cli_print_table(const Cli *cli, const Table *table);
/* True when nobody reads our output any more (`| head`). */
bool cli_is_left(void);
/* A copy of @text without anything that steers a terminal or turns the direction of writing: that
 * becomes \xHH and \uHHHH. Line ends and tabs stay, and with @colors the few colours that we write
 * ourselves. Caller frees. */
char *cli_harmless(const char *text, bool colors);
/* To stdout, so cleaned; colours only on a terminal. What agents and servers say may be in it. Not
 * for JSON. */
void cli_print(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* JSON @text with what a terminal would take as a command written as \uHHHH: the value stays what
 * it is. Caller frees. */
char *cli_harmless_json(const char *text);
/* The same to stdout. */
void cli_put_json(const char *text);
/* @text to stderr, cleaned. */
void cli_put_error(const char *text);
/* "reeve VERB: message" to stderr, cleaned. @verb NULL = there is none. */
void cli_report(const char *verb, const char *message);
/* One line on stderr, cleaned; nothing with --quiet. */
void cli_note(const Cli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* What became of @name: {"name", "outcome"} as data, and the note on stderr. */
void cli_done(const Cli *cli, const char *name, const char *outcome, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* "2m 5s" since @iso, or "-". Caller frees. */
char *cli_since(const char *iso);
/* The same for a length of time. Caller frees. */
char *cli_duration(int64_t ms);
/* Colour of a state word, or NULL. */
const char *cli_state_color(const char *state);

/* A word below a verb: "create" of `reeve token create NAME`. */
typedef struct SubVerb {
  const char *word;
  bool named; /* wants a NAME, else takes none */
  int (*run)(Cli *cli, const char *name, GError **error);
} SubVerb;
/* Runs the row of @rows (@n of them) that the first word names. REEVE_ERROR_USAGE for an unknown
 * one, or for a NAME too few or too many. */
int cli_dispatch(Cli *cli, const SubVerb *rows, guint n, GError **error);

/* Prints @answer (the caller's reference is taken; NULL = there is an error, and 1 is returned) as
 * data, else by @show. */
int cli_show(const Cli *cli, json_t *answer, void (*show)(const Cli *cli, const json_t *answer));
/* A row of the texts that @object has under @keys, NULL-terminated. */
void cli_text_cells(Table *table, const json_t *object, const char *const *keys);

int cmd_agent(Cli *cli, GError **error);
int cmd_agents(Cli *cli, GError **error);
int cmd_cancel(Cli *cli, GError **error);
int cmd_chat(Cli *cli, GError **error);
int cmd_audit(Cli *cli, GError **error);
int cmd_backup(Cli *cli, GError **error);
int cmd_complete(Cli *cli, GError **error);
int cmd_completion(Cli *cli, GError **error);
int cmd_deploy(Cli *cli, GError **error);
int cmd_diff(Cli *cli, GError **error);
int cmd_doctor(Cli *cli, GError **error);
int cmd_down(Cli *cli, GError **error);
int cmd_events(Cli *cli, GError **error);
int cmd_exec(Cli *cli, GError **error);
int cmd_help(Cli *cli, GError **error);
int cmd_history(Cli *cli, GError **error);
int cmd_logs(Cli *cli, GError **error);
int cmd_monitor(Cli *cli, GError **error);
int cmd_node(Cli *cli, GError **error);
int cmd_plan(Cli *cli, GError **error);
int cmd_prompt(Cli *cli, GError **error);
int cmd_ps(Cli *cli, GError **error);
int cmd_restore(Cli *cli, GError **error);
int cmd_restart(Cli *cli, GError **error);
int cmd_rollback(Cli *cli, GError **error);
int cmd_run(Cli *cli, GError **error);
int cmd_scale(Cli *cli, GError **error);
int cmd_schedules(Cli *cli, GError **error);
int cmd_secret(Cli *cli, GError **error);
int cmd_server(Cli *cli, GError **error);
int cmd_service(Cli *cli, GError **error);
int cmd_shell(Cli *cli, GError **error);
int cmd_status(Cli *cli, GError **error);
int cmd_token(Cli *cli, GError **error);
int cmd_undeploy(Cli *cli, GError **error);
int cmd_up(Cli *cli, GError **error);
int cmd_validate(Cli *cli, GError **error);
int cmd_version(Cli *cli, GError **error);
int cmd_wait(Cli *cli, GError **error);
int cmd_why(Cli *cli, GError **error);
