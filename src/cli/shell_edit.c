/* Owns the line editor: libedit with our completion, history and Ctrl-C. */
#include "cli/shell.h"

#include "base/fs.h"

#include <histedit.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY_LINES = 1000, COLUMNS_WIDE = 80 };

struct ShellEdit {
  EditLine *el;
  History *history;
  char *history_path, *line;
  const char *prompt;
  const Verbs *verbs;
  ShellNamesFn names;
  void *data;
  bool interrupted;
};

static ShellEdit *edit_of(EditLine *el)
{
  void *edit = NULL;
  el_get(el, EL_CLIENTDATA, &edit);
  return edit;
}

static char *edit_prompt(EditLine *el)
{
  return (char *)(uintptr_t)edit_of(el)->prompt;
}

/* Ctrl-C drops the line, as people are used to. */
static unsigned char edit_interrupt(EditLine *el, int key)
{
  (void)key;
  edit_of(el)->interrupted = true;
  fputs("^C\n", stdout);
  return CC_NEWLINE;
}

/* How many bytes all of @words have in common. */
static size_t edit_common(const GPtrArray *words)
{
  const char *first = words->pdata[0];
  size_t n = strlen(first);
  for (guint i = 1; i < words->len; i++) {
    const char *other = words->pdata[i];
    size_t k = 0;
    while (k < n && first[k] == other[k])
      k++;
    n = k;
  }
  return n;
}

static void edit_show(const GPtrArray *words)
{
  int width = 1;
  for (guint i = 0; i < words->len; i++)
    width = MAX(width, table_width(words->pdata[i]) + 2);
  int columns = MAX(COLUMNS_WIDE / width, 1);
  for (guint i = 0; i < words->len; i++) {
    const char *word = words->pdata[i];
    fputs(i % (guint)columns ? "" : "\n", stdout);
    printf("%s%*s", word, width - table_width(word), "");
  }
  putchar('\n');
}

static unsigned char edit_complete(EditLine *el, int key)
{
  (void)key;
  const ShellEdit *edit = edit_of(el);
  const LineInfo *info = el_line(el);
  g_autofree char *line = g_strndup(info->buffer, (gsize)(info->cursor - info->buffer));
  size_t start;
  g_autoptr(GPtrArray) words = shell_candidates(edit->verbs, line, edit->names, edit->data, &start);
  if (!words->len)
    return CC_REFRESH_BEEP;
  size_t common = edit_common(words), typed = strlen(line + start);
  g_autofree char *whole = g_strndup(words->pdata[0], common);
  if (words->len > 1 && common <= typed) {
    edit_show(words);
    return CC_REDISPLAY;
  }
  /* it may have been typed with other quotes */
  el_deletestr(el, (int)g_utf8_strlen(line + start, -1));
  el_insertstr(el, whole);
  return CC_REFRESH;
}

static void edit_bind(EditLine *el)
{
  /* the wide call keeps our literals; the narrow one would leak copies of them */
  el_wset(el, EL_ADDFN, L"reeve-complete", L"complete verbs, options, names and files",
          edit_complete);
  el_wset(el, EL_ADDFN, L"reeve-interrupt", L"drop the line", edit_interrupt);
  el_set(el, EL_BIND, "^I", "reeve-complete", NULL);
  el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
  /* Ctrl-C comes as a key while a line is edited, and as a signal to the command while one runs */
  el_set(el, EL_SETTY, "-d", "-isig", NULL);
  el_set(el, EL_BIND, "^C", "reeve-interrupt", NULL);
}

static void edit_history_open(ShellEdit *edit)
{
  HistEvent event;
  edit->history = history_init();
  history(edit->history, &event, H_SETSIZE, HISTORY_LINES);
  history(edit->history, &event, H_SETUNIQUE, 1);
  el_set(edit->el, EL_HIST, history, edit->history);
  g_autofree char *directory = g_path_get_dirname(edit->history_path);
  if (fs_mkdirs(directory, 0700, NULL) && access(edit->history_path, R_OK) == 0)
    history(edit->history, &event, H_LOAD, edit->history_path);
}

ShellEdit *shell_edit_new(const Verbs *verbs, const char *history_path, ShellNamesFn names,
                          void *data)
{
  ShellEdit *edit = g_new0(ShellEdit, 1);
  edit->history_path = g_strdup(history_path);
  edit->verbs = verbs;
  edit->names = names;
  edit->data = data;
  edit->el = el_init("reeve", stdin, stdout, stderr);
  el_set(edit->el, EL_CLIENTDATA, edit);
  el_set(edit->el, EL_EDITOR, "emacs");
  el_set(edit->el, EL_SIGNAL, 1); /* a terminal that is lost or told to end is left in order */
  el_set(edit->el, EL_PROMPT, edit_prompt);
  edit_bind(edit->el);
  edit_history_open(edit);
  return edit;
}

void shell_edit_free(ShellEdit *edit)
{
  if (!edit)
    return;
  el_end(edit->el);
  history_end(edit->history);
  g_free(edit->history_path);
  g_free(edit->line);
  g_free(edit);
}

/* A line that begins with a blank is not kept. libedit writes the file with mode 0600. */
static void edit_remember(ShellEdit *edit)
{
  HistEvent event;
  if (!edit->line[0] || g_ascii_isspace(edit->line[0]))
    return;
  history(edit->history, &event, H_ENTER, edit->line);
  history(edit->history, &event, H_SAVE, edit->history_path);
}

const char *shell_edit_line(ShellEdit *edit, const char *prompt)
{
  int length = 0;
  edit->prompt = prompt;
  edit->interrupted = false;
  const char *line = el_gets(edit->el, &length);
  if (!line || length <= 0)
    return NULL;
  g_free(edit->line);
  edit->line = edit->interrupted ? g_strdup("") : g_strchomp(g_strndup(line, (gsize)length));
  edit_remember(edit);
  return edit->line;
}
