/* Owns the rows of options and the parser over them. Small on purpose: no abbreviations, no
 * reordering surprises, errors that name the nearest known option. */
#include "cli/options.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/problems.h"
#include "base/text.h"

#include <string.h>

const OptionSpec option_specs[OPT_N] = {
    [OPT_OUTPUT] = {"output", 'o', OPTION_CHOICE, "FORMAT", "table|wide|json|yaml|dot",
                    "how to print (dot: only plan)"},
    [OPT_DATA_DIR] = {"data-dir", 0, OPTION_DIRECTORY, "DIR", NULL,
                      "state directory; its control socket is DIR/control.sock"},
    [OPT_SOCKET] = {"socket", 0, OPTION_FILE, "PATH", NULL,
                    "control socket of the server to talk to"},
    [OPT_SERVER] = {"server", 0, OPTION_TEXT, "URL", NULL,
                    "server to talk to over TCP, as REEVE_SERVER"},
    [OPT_NO_COLOR] = {"no-color", 0, OPTION_FLAG, NULL, NULL,
                      "no colours, also on a terminal (as with NO_COLOR)"},
    [OPT_QUIET] = {"quiet", 'q', OPTION_FLAG, NULL, NULL, "no progress and no hints"},
    [OPT_HELP] = {"help", 'h', OPTION_FLAG, NULL, NULL, "explain the verb, with an example"},
    [OPT_DETACH] = {"detach", 'd', OPTION_FLAG, NULL, NULL,
                    "return when everything runs; agents stay up"},
    [OPT_MONITOR] = {"monitor", 0, OPTION_FLAG, NULL, NULL,
                     "stay and print changes of health instead of logs"},
    [OPT_REPLACE] = {"replace", 0, OPTION_FLAG, NULL, NULL,
                     "cancel a rollout that is still running, then begin"},
    [OPT_DRY_RUN] = {"dry-run", 0, OPTION_FLAG, NULL, NULL,
                     "show what would change, and the id of that plan; change nothing"},
    [OPT_PLAN] = {"plan", 0, OPTION_TEXT, "ID", NULL,
                  "deploy only if --dry-run would still print this id"},
    [OPT_ROLLING] = {"rolling", 0, OPTION_FLAG, NULL, NULL,
                     "replace a few at a time, as an update does"},
    [OPT_FROM] = {"from", 0, OPTION_COUNT, "REVISION", NULL,
                  "revision to compare with (default: the one before)"},
    [OPT_STRICT] = {"strict", 0, OPTION_FLAG, NULL, NULL, "warnings are errors"},
    [OPT_TIMEOUT] = {"timeout", 0, OPTION_SECONDS, "TIME", NULL,
                     "give up waiting after TIME: seconds, or 500ms, 30s, 5m, 2h"},
    [OPT_FORMAT] = {"format", 0, OPTION_CHOICE, "FORMAT", "table|json|dot", "same as -o"},
    [OPT_FOLLOW] = {"follow", 'f', OPTION_FLAG, NULL, NULL, "go on as new lines come"},
    [OPT_SINCE] = {"since", 0, OPTION_SINCE, "TIME", NULL,
                   "not older than TIME: 5m, 2h, 1d or 2026-01-31T12:00:00Z"},
    [OPT_TAIL] = {"tail", 'n', OPTION_COUNT, "N", NULL, "only the last N lines of each instance"},
    [OPT_FOR] = {"for", 0, OPTION_CHOICE, "STATE", "running|stopped|completed",
                 "what to wait for (default running)"},
    [OPT_KEEP] = {"keep", 0, OPTION_FLAG, NULL, NULL,
                  "leave agents running, to be adopted by the next server"},
    [OPT_DOWN] = {"down", 0, OPTION_FLAG, NULL, NULL, "stop all agents in reverse order first"},
    [OPT_LISTEN] =
        {"listen", 0, OPTION_TEXT, "HOST:PORT", NULL,
         "serve the API over TCP there, or none (default 127.0.0.1:7373 when it is free)"},
    [OPT_ALLOW_ORIGIN] =
        {"allow-origin", 0, OPTION_TEXT, "ORIGIN,...", NULL,
         "let web pages of these origins call the API (https://app.example); by default none may"},
    [OPT_ROLE] = {"role", 0, OPTION_CHOICE, "ROLE", "admin|operator|viewer",
                  "what the token may do"},
    [OPT_PRINT] = {"print", 0, OPTION_FLAG, NULL, NULL, "print the unit and change nothing"},
    [OPT_WITH_KEY] = {"with-key", 0, OPTION_FLAG, NULL, NULL,
                      "put the key of the secrets into the file too"},
    [OPT_FROM_FILE] = {"from-file", 0, OPTION_FILE, "FILE", NULL,
                       "read the value from FILE in place of stdin"},
    [OPT_EXPIRES] = {"expires", 0, OPTION_SECONDS, "TIME", NULL,
                     "the token ends after TIME: 30d, 12h (default: never)"},
    [OPT_NODE_SOCKET] = {"node-socket", 0, OPTION_FILE, "PATH", NULL,
                         "run no node inside; listen here for a node process"},
    [OPT_VERBOSE] = {"verbose", 'v', OPTION_FLAG, NULL, NULL, "say more"},
    [OPT_PORT] = {"port", 'p', OPTION_COUNT, "PORT", NULL, "port to listen on"},
    [OPT_HOST] = {"host", 0, OPTION_TEXT, "ADDRESS", NULL,
                  "address to listen on (default 127.0.0.1)"},
    [OPT_AGENT] = {"agent", 'a', OPTION_FILE, "FILE", NULL,
                   "agent file (agent.toml or agent.json)"},
    [OPT_TO] = {"to", 0, OPTION_COUNT, "REVISION", NULL, "number of a revision"},
    [OPT_MAN] = {"man", 0, OPTION_FLAG, NULL, NULL, "write the man page instead"},
    [OPT_FORGET] = {"forget", 0, OPTION_FLAG, NULL, NULL,
                    "afterwards remove the deployment with its logs and history"},
    [OPT_AGENTS_DIR] = {"agents-dir", 0, OPTION_DIRECTORY, "DIR", NULL,
                        "watch DIR/*/agent.toml and agent.json"},
    [OPT_AGENTS_USER] = {"agents-user", 0, OPTION_TEXT, "NAME", NULL,
                         "agents without a user of their own run as NAME (needs root)"},
    [OPT_WATCH] = {"watch", 'w', OPTION_FLAG, NULL, NULL,
                   "stay, and deploy again when the file or one that it names changes"},
    [OPT_ALL] = {"all", 'a', OPTION_FLAG, NULL, NULL, "stopped deployments too"},
    [OPT_ERREXIT] = {"errexit", 'e', OPTION_FLAG, NULL, NULL,
                     "end at the first command that fails, with its exit code"},
    [OPT_LINE] = {"line", 0, OPTION_TEXT, "LINE", NULL, "a command line up to the cursor"},
    [OPT_CONFIG] = {"config", 0, OPTION_FILE, "FILE", NULL,
                    "configuration file (default ~/.config/reeve/config.json)"},
};

void options_init(Options *options)
{
  *options = (Options){.words = g_ptr_array_new()};
}

void options_done(Options *options)
{
  g_clear_pointer(&options->words, g_ptr_array_unref);
}

bool options_knows(const OptionId *allowed, OptionId id)
{
  if (id < OPT_GLOBAL_N)
    return true;
  for (; allowed && *allowed != OPT_N; allowed++)
    if (*allowed == id)
      return true;
  return false;
}

static bool options_unknown(const char *name, const OptionId *allowed, GError **error)
{
  const char *names[OPT_N + 1] = {NULL};
  guint n = 0;
  for (guint id = 0; id < OPT_N; id++)
    if (options_knows(allowed, (OptionId)id))
      names[n++] = option_specs[id].name;
  const char *nearest = problems_nearest(name, names);
  g_autofree char *hint =
      nearest ? g_strdup_printf("; did you mean '--%s'?", nearest) : g_strdup("; see --help");
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "unknown option '--%s'%s", name, hint);
  return false;
}

static bool options_choice_ok(const OptionSpec *spec, const char *text)
{
  g_auto(GStrv) choices = g_strsplit(spec->choices, "|", -1);
  return g_strv_contains((const char *const *)choices, text);
}

/* "5m" means five minutes ago; a point in time stands for itself. In milliseconds of Unix time; -1
 * when @text is neither. */
static double options_since(const char *text)
{
  double ago = text_seconds(text);
  return ago >= 0 ? (double)(clock_wall_ms() - (int64_t)(ago * 1000))
                  : (double)time_parse_iso(text);
}

/* Checks @text by the row and keeps it. */
static bool options_set(Options *options, OptionId id, const char *text, GError **error)
{
  const OptionSpec *spec = &option_specs[id];
  guint64 count = 0;
  options->text[id] = text;
  if (spec->kind == OPTION_CHOICE && !options_choice_ok(spec, text)) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "option '--%s': '%s' is none of %s",
                spec->name, text, spec->choices);
    return false;
  }
  if (spec->kind == OPTION_COUNT) {
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &count, NULL)) {
      g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "option '--%s': '%s' is no number",
                  spec->name, text);
      return false;
    }
    options->number[id] = (double)count;
  }
  if (spec->kind == OPTION_SECONDS && (options->number[id] = text_seconds(text)) < 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "option '--%s': '%s' is no time; allowed: 90, 500ms, 30s, 5m, 2h", spec->name,
                text);
    return false;
  }
  if (spec->kind == OPTION_SINCE && (options->number[id] = options_since(text)) < 0) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
                "option '--%s': '%s' is no time; allowed: 5m, 2h, 1d, 2026-01-31T12:00:00Z",
                spec->name, text);
    return false;
  }
  return true;
}

/* Where the parser stands. */
typedef struct OptionsReader {
  Options *options;
  int argc, at;
  const char *const *argv;
  const OptionId *allowed;
} OptionsReader;

/* The value of a valued option that has none attached: the next argument. */
static bool options_take_value(OptionsReader *reader, OptionId id, const char *attached,
                               GError **error)
{
  if (!attached && reader->at < reader->argc)
    attached = reader->argv[reader->at++];
  if (!attached) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "option '--%s' needs a value: %s",
                option_specs[id].name, option_specs[id].value);
    return false;
  }
  return options_set(reader->options, id, attached, error);
}

static bool options_long(OptionsReader *reader, const char *text, GError **error)
{
  const char *equals = strchr(text, '=');
  g_autofree char *name = equals ? g_strndup(text, (gsize)(equals - text)) : g_strdup(text);
  for (guint id = 0; id < OPT_N; id++) {
    if (!options_knows(reader->allowed, (OptionId)id) || !g_str_equal(name, option_specs[id].name))
      continue;
    if (option_specs[id].kind != OPTION_FLAG)
      return options_take_value(reader, (OptionId)id, equals ? equals + 1 : NULL, error);
    if (!equals)
      return options_set(reader->options, (OptionId)id, "", error);
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "option '--%s' takes no value", name);
    return false;
  }
  return options_unknown(name, reader->allowed, error);
}

static OptionId options_by_letter(const OptionId *allowed, char letter)
{
  guint id = 0;
  while (id < OPT_N && !(option_specs[id].letter == letter && options_knows(allowed, (OptionId)id)))
    id++;
  return (OptionId)id;
}

static bool options_short(OptionsReader *reader, const char *letters, GError **error)
{
  for (; *letters; letters++) {
    OptionId id = options_by_letter(reader->allowed, *letters);
    if (id == OPT_N) {
      g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "unknown option '-%c'; see --help",
                  g_ascii_isprint(*letters) ? *letters : '?');
      return false;
    }
    if (option_specs[id].kind != OPTION_FLAG)
      return options_take_value(reader, id, letters[1] ? letters + 1 : NULL, error);
    options_set(reader->options, id, "", NULL);
  }
  return true;
}

bool options_parse(Options *options, int argc, const char *const *argv, const OptionId *allowed,
                   bool until_word, int *used, GError **error)
{
  OptionsReader reader = {.options = options, .argc = argc, .argv = argv, .allowed = allowed};
  bool words_only = false;
  while (reader.at < argc) {
    const char *text = argv[reader.at];
    bool word = words_only || text[0] != '-' || !text[1];
    if (word && until_word)
      break;
    reader.at++;
    if (word)
      g_ptr_array_add(options->words, (char *)text);
    else if (g_str_equal(text, "--"))
      words_only = true;
    else if (!(text[1] == '-' ? options_long(&reader, text + 2, error)
                              : options_short(&reader, text + 1, error)))
      return false;
  }
  if (used)
    *used = reader.at;
  return true;
}
