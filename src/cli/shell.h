#pragma once
/* The parts of `reeve shell`: names that people know from elsewhere, completion, and the line
 * editor. */
#include "cli/cli.h"

/* The words of @line as argv of this program without its own name: aliases replaced, a leading
 * "reeve" taken off. NULL with @error REEVE_ERROR_USAGE when its quotes do not close; an empty list
 * for an empty line. Caller frees. */
char **shell_words(const char *line, GError **error);
/* True when @words ask the shell to end. */
bool shell_is_end(char *const *words);

/* The alias number @index, NULL behind the last. Static. */
const char *shell_alias(guint index);

/* Names that only a server knows, for completion. */
typedef enum NameKind {
  NAMES_DEPLOYMENTS,
  NAMES_AGENT_FILES, /* of the agents directory */
  NAMES_AGENTS,      /* of a deployment */
  NAMES_REVISIONS,   /* of a deployment, their numbers */
  NAMES_SECRETS,
  NAMES_TOKENS
} NameKind;
/* @of: the deployment, or NULL. What comes is not trusted: names that are no plain ones are left
 * out by the caller. Caller frees; NULL = none. */
typedef char **(*ShellNamesFn)(NameKind kind, const char *of, void *data);
/* The usual ShellNamesFn: asks the server of @data, a Cli. */
char **cli_names(NameKind kind, const char *of, void *data);

/* One word that may stand in place of the last one of a line. */
typedef struct Candidate {
  /* as it is, not quoted for any shell; nothing but verbs, options, choices and plain names */
  char *text;
  const char *about; /* a line of help, or NULL; static */
} Candidate;
typedef enum CompleteFiles {
  COMPLETE_NO_FILES,
  COMPLETE_FILES,
  COMPLETE_DIRECTORIES
} CompleteFiles;
typedef struct Completion {
  GArray *candidates;  /* of Candidate, sorted; a text that ends with '=' or '/' may go on */
  CompleteFiles files; /* names of files may stand there instead */
  char *word;          /* what is typed of the last word, without quotes */
  size_t start;        /* where it begins in the line */
} Completion;
/* How @line of one of @verbs, without the name of this program, can go on. @aliases: it is a line
 * of `reeve shell`. For `reeve shell`, and for `reeve complete`, which the completion scripts of
 * bash, zsh and fish ask. */
Completion *complete_line(const Verbs *verbs, const char *line, bool aliases, ShellNamesFn names,
                          void *data);
void completion_free(Completion *completion);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Completion, completion_free)
/* What may stand in place of the last word of a line of `reeve shell`, files too, sorted, each as
 * it is to be typed. *@start: where that word begins in @line. */
GPtrArray *shell_candidates(const Verbs *verbs, const char *line, ShellNamesFn names, void *data,
                            size_t *start);

/* A line editor on the terminal: history in a file of the user's own, completion on Tab. */
typedef struct ShellEdit ShellEdit;
/* @verbs and @data outlive it; the directory of @history_path is made. */
ShellEdit *shell_edit_new(const Verbs *verbs, const char *history_path, ShellNamesFn names,
                          void *data);
/* NULL is allowed. */
void shell_edit_free(ShellEdit *edit);
/* Shows @prompt and reads a line without its end; valid until the next call. NULL at the end of
 * input. Ctrl-C gives an empty line. */
const char *shell_edit_line(ShellEdit *edit, const char *prompt);
