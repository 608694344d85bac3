#pragma once
/* The parts of `reeve shell`: names that people know from elsewhere, completion, and the line editor. */
#include "cli/cli.h"

/* The words of @line as argv of this program without its own name: aliases replaced, a leading "reeve" taken off. NULL with @error
 * REEVE_ERROR_USAGE when its quotes do not close; an empty list for an empty line. Caller frees. */
char **shell_words(const char *line, GError **error);
/* True when @words ask the shell to end. */
bool shell_is_end(char *const *words);

/* Names of deployments or agents (by @kind: WORDS_DEPLOYMENT, WORDS_AGENT) for completion. Caller frees; NULL = none. */
typedef char **(*ShellNamesFn)(WordKind kind, void *data);
/* What may stand in place of the last word of @line, sorted, each as it is to be typed. *@start: where that word begins in @line. */
GPtrArray *shell_candidates(const char *line, ShellNamesFn names, void *data, size_t *start);

/* A line editor on the terminal: history in a file of the user's own, completion on Tab. */
typedef struct ShellEdit ShellEdit;
ShellEdit *shell_edit_new(const char *history_path, ShellNamesFn names, void *data);
void shell_edit_free(ShellEdit *edit);
/* Shows @prompt and reads a line without its end; valid until the next call. NULL at the end of input. Ctrl-C gives an empty line. */
const char *shell_edit_line(ShellEdit *edit, const char *prompt);
