#pragma once
/* Options of the command line: one row each, shared by the verbs that have them. Parser, help,
 * completion and man pages read the rows. */
#include <glib.h>
#include <stdbool.h>

typedef enum OptionKind {
  OPTION_FLAG,
  OPTION_TEXT,
  OPTION_FILE,
  OPTION_DIRECTORY,
  OPTION_CHOICE,
  OPTION_COUNT,
  OPTION_SECONDS,
  OPTION_SINCE
} OptionKind;

typedef enum OptionId {
  OPT_OUTPUT, /* the global ones come first: every verb has them */
  OPT_DATA_DIR,
  OPT_SOCKET,
  OPT_SERVER,
  OPT_NO_COLOR,
  OPT_QUIET,
  OPT_HELP,
  OPT_GLOBAL_N,
  OPT_DETACH = OPT_GLOBAL_N,
  OPT_MONITOR,
  OPT_REPLACE,
  OPT_DRY_RUN,
  OPT_PLAN,
  OPT_ROLLING,
  OPT_FROM,
  OPT_STRICT,
  OPT_TIMEOUT,
  OPT_FORMAT,
  OPT_FOLLOW,
  OPT_SINCE,
  OPT_TAIL,
  OPT_FOR,
  OPT_KEEP,
  OPT_DOWN,
  OPT_LISTEN,
  OPT_ALLOW_ORIGIN,
  OPT_ROLE,
  OPT_EXPIRES,
  OPT_FROM_FILE,
  OPT_WITH_KEY,
  OPT_PRINT,
  OPT_NODE_SOCKET,
  OPT_VERBOSE,
  OPT_PORT,
  OPT_HOST,
  OPT_AGENT,
  OPT_TO,
  OPT_MAN,
  OPT_FORGET,
  OPT_AGENTS_DIR,
  OPT_AGENTS_USER,
  OPT_CONFIG,
  OPT_ERREXIT,
  OPT_LINE,
  OPT_WATCH,
  OPT_ALL,
  OPT_N
} OptionId;

typedef struct OptionSpec {
  const char *name; /* without the dashes */
  char letter;      /* 0 = none */
  OptionKind kind;
  const char *value;   /* what stands for the value in help; NULL for a flag */
  const char *choices; /* OPTION_CHOICE: "table|wide" */
  const char *help;    /* one line */
} OptionSpec;

extern const OptionSpec option_specs[OPT_N];

/* What an option means to one verb, where that is not what its row says; a list of these ends with
 * OPT_N. */
typedef struct OptionText {
  OptionId id;
  const char *help;
} OptionText;

typedef struct Options {
  const char *text[OPT_N]; /* borrowed from argv; "" for a flag that is set, NULL when absent */
  double number[OPT_N]; /* OPTION_COUNT, OPTION_SECONDS; OPTION_SINCE: milliseconds of Unix time */
  GPtrArray *words;     /* of const char*, borrowed: what is no option, in order */
} Options;

void options_init(Options *options);
void options_done(Options *options);
/* Reads @argv[0..@argc) into @options: --name value, --name=value, -l value, -lvalue, -abc; "--"
 * ends options. Global options and those in
 * @allowed (ends with OPT_N; NULL = none) are known. False with REEVE_ERROR_USAGE, which names the
 * option and the nearest known one. With
 * @until_word parsing stops at the first word, and *@used tells how many arguments were read; it
 * may be NULL. */
bool options_parse(Options *options, int argc, const char *const *argv, const OptionId *allowed,
                   bool until_word, int *used, GError **error);
/* True when @id is global or in @allowed. */
bool options_knows(const OptionId *allowed, OptionId id);
