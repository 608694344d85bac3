/* Collects problems of a document; see problems.h. */
#include "base/problems.h"

#include "base/text.h"

#include <limits.h>
#include <string.h>

static void problem_free(gpointer data)
{
  Problem *problem = data;
  g_free(problem->file);
  g_free(problem->message);
  g_free(problem);
}

Problems *problems_new(void)
{
  Problems *problems = g_new0(Problems, 1);
  problems->items = g_ptr_array_new_with_free_func(problem_free);
  return problems;
}

void problems_free(Problems *problems)
{
  if (!problems)
    return;
  g_ptr_array_unref(problems->items);
  g_free(problems);
}

void problems_add(Problems *problems, ProblemSeverity severity, SourcePos pos, const char *format,
                  ...)
{
  if (severity == PROBLEM_ERROR)
    problems->errors++;
  else
    problems->warnings++;
  if (problems->items->len >= PROBLEMS_MAX)
    return;
  va_list args;
  va_start(args, format);
  g_autofree char *raw = g_strdup_vprintf(format, args);
  va_end(args);
  Problem *problem = g_new0(Problem, 1);
  problem->severity = severity;
  problem->file = g_strdup(pos.file);
  problem->line = pos.line;
  problem->column = pos.column;
  problem->message = text_escape(raw, 1000);
  /* one problem, one line: foreign text cannot pretend to be another */
  g_strdelimit(problem->message, "\n", ' ');
  g_ptr_array_add(problems->items, problem);
}

static gint problem_compare(gconstpointer a, gconstpointer b)
{
  const Problem *x = *(Problem *const *)a, *y = *(Problem *const *)b;
  int by_file = g_strcmp0(x->file, y->file);
  if (by_file)
    return by_file;
  return x->line != y->line ? x->line - y->line : x->column - y->column;
}

void problems_sort(Problems *problems)
{
  g_ptr_array_sort(problems->items, problem_compare); /* GLib's is a merge sort: stable */
}

void problems_make_strict(Problems *problems)
{
  for (guint i = 0; i < problems->items->len; i++)
    ((Problem *)problems->items->pdata[i])->severity = PROBLEM_ERROR;
  problems->errors += problems->warnings;
  problems->warnings = 0;
}

char *problems_text(const Problems *problems)
{
  GString *out = g_string_new(NULL);
  for (guint i = 0; i < problems->items->len; i++) {
    const Problem *p = problems->items->pdata[i];
    if (p->file)
      g_string_append_printf(out, "%s:", p->file);
    if (p->line > 0)
      g_string_append_printf(out, "%d:%d:", p->line, p->column);
    g_string_append_printf(out, "%s%s: %s\n", out->len && out->str[out->len - 1] == ':' ? " " : "",
                           p->severity == PROBLEM_ERROR ? "error" : "warning", p->message);
  }
  int total = problems->errors + problems->warnings, shown = (int)problems->items->len;
  if (total > shown)
    g_string_append_printf(out, "... and %d more problem%s\n", total - shown,
                           text_plural(total - shown));
  return g_string_free(out, FALSE);
}

/* Levenshtein distance with one row; both words are short identifiers. */
/* How many characters are missing, too many, others or swapped with the next. */
static int problems_distance(const char *a, const char *b)
{
  enum { WORD_MAX = 64 };
  size_t n = strlen(a), m = strlen(b);
  if (n > WORD_MAX || m > WORD_MAX)
    return INT_MAX;
  int rows[3][WORD_MAX + 1]; /* of i, i - 1, i - 2, in turns */
  for (size_t j = 0; j <= m; j++)
    rows[0][j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    row[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);
      row[j] = MIN(above[j - 1] + (x != y), MIN(above[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) && y == g_ascii_tolower(a[i - 2]))
        row[j] = MIN(row[j], before[j - 2] + 1);
    }
  }
  return rows[n % 3][m];
}

/* How far a word may be from what it is taken for: a short one is soon another word. */
static int problems_allowed(size_t length)
{
  return length < 2 ? 0 : length < 6 ? 1 : length < 9 ? 2 : 4;
}

const char *problems_nearest(const char *word, const char *const *candidates)
{
  const char *best = NULL;
  int best_distance = problems_allowed(strlen(word)) + 1;
  for (size_t i = 0; candidates[i]; i++) {
    int distance = problems_distance(word, candidates[i]);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidates[i];
    }
  }
  return best;
}
