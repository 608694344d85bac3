/* Owns the words of a difference; see diff_words.h. */
#include "plan/diff_words.h"

#include "model/job.h"

#include <string.h>

enum { CONTEXT_LINES = 3, COMPARED_MAX = 4000000, MIB = 1024 * 1024 };

/* ---- keys and values ---- */

static const char *diff_kind_word(int value)
{
  return value == AGENT_BATCH ? "batch" : "service";
}

static const char *diff_health_word(int value)
{
  static const char *const words[] = {"found by itself", "http", "tcp", "exec", "none"};
  return value >= 0 && value < (int)G_N_ELEMENTS(words) ? words[value] : "?";
}

static const char *diff_failure_word(int value)
{
  static const char *const words[] = {"rollback", "stop", "keep"};
  return value >= 0 && value < (int)G_N_ELEMENTS(words) ? words[value] : "?";
}

static const char *diff_order_word(int value)
{
  return value == START_CALLEES_FIRST ? "callees first" : "topology";
}

static const char *diff_target_word(int value)
{
  return agent_target_word((AgentTarget)value);
}

static const char *diff_policy_word(int value)
{
  return restart_policy_word((RestartPolicy)value);
}

static const char *diff_overlap_word(int value)
{
  return schedule_overlap_word((ScheduleOverlap)value);
}

/* What is not called in the job file as in the resolved job, or is a number there. */
static const struct {
  const char *key, *shown;
  const char *(*word)(int value);
} diff_rows[] = {
    {"agent_text", "agent file", NULL},
    {"not_honoured", "keys without effect", NULL},
    {"directory", "directory of the job file", NULL},
    {"kind", "kind", diff_kind_word},
    {"target", "deploy.target", diff_target_word},
    {"health.kind", "health", diff_health_word},
    {"restart.policy", "restart.policy", diff_policy_word},
    {"schedule.overlap", "schedule.overlap", diff_overlap_word},
    {"start_order", "deployment.start_order", diff_order_word},
    {"on_failure", "deployment.on_failure", diff_failure_word},
    {"timeout_ms", "deployment.timeout", NULL},
    {"max_unavailable", "deployment.max_unavailable", NULL},
    {"max_surge", "deployment.max_surge", NULL},
    {"resources.cpu_milli", "resources.cpu", NULL},
    {"resources.memory_bytes", "resources.memory", NULL},
};

char *diff_words_key(const char *key)
{
  for (size_t i = 0; i < G_N_ELEMENTS(diff_rows); i++)
    if (g_str_equal(diff_rows[i].key, key))
      return g_strdup(diff_rows[i].shown);
  bool time = g_str_has_suffix(key, "_ms") && !g_str_has_prefix(key, "environment.") &&
              !g_str_has_prefix(key, "config.");
  return g_strndup(key, strlen(key) - (time ? strlen("_ms") : 0));
}

char *diff_words_value(const char *key, const json_t *value)
{
  if (!json_is_integer(value) || g_str_has_prefix(key, "environment.") ||
      g_str_has_prefix(key, "config."))
    return NULL;
  int64_t number = json_integer_value(value);
  for (size_t i = 0; i < G_N_ELEMENTS(diff_rows); i++)
    if (diff_rows[i].word && g_str_equal(diff_rows[i].key, key))
      return g_strdup(diff_rows[i].word((int)number));
  if (g_str_has_suffix(key, "_ms"))
    return g_strdup_printf("%g s", (double)number / 1000);
  if (g_str_has_suffix(key, "_milli"))
    return g_strdup_printf("%g", (double)number / 1000);
  if (g_str_has_suffix(key, "_bytes") && number > 0 && number % MIB == 0)
    return g_strdup_printf("%d MiB", (int)(number / MIB));
  if (g_str_equal(key, "port"))
    return number == PORT_AUTO ? g_strdup("auto") : number == PORT_NONE ? g_strdup("none") : NULL;
  return NULL;
}

/* ---- texts ---- */

/* One line of the whole: kept (' '), removed ('-') or added ('+'). */
typedef struct DiffLine {
  char mark;
  const char *text;
} DiffLine;

static char **diff_lines(const char *text, guint *n)
{
  char **lines = g_strsplit(text, "\n", -1);
  *n = g_strv_length(lines);
  if (*n && !*lines[*n - 1])
    --*n; /* behind the last line end */
  return lines;
}

static void diff_take(GArray *out, char mark, char *const *lines, guint from, guint to)
{
  for (guint i = from; i < to; i++) {
    DiffLine line = {mark, lines[i]};
    g_array_append_val(out, line);
  }
}

/* The lines a[0..n) and b[0..m), which differ at both ends, by their longest common subsequence;
 * beyond COMPARED_MAX as one change. */
static void diff_middle(GArray *out, char *const *a, guint n, char *const *b, guint m)
{
  guint i = 0, k = 0;
  if ((guint64)(n + 1) * (m + 1) <= COMPARED_MAX) {
    /* of the ends from i and k on */
    g_autofree guint *common = g_new0(guint, (gsize)(n + 1) * (m + 1));
    guint width = m + 1;
    for (i = n; i-- > 0;)
      for (k = m; k-- > 0;)
        common[i * width + k] = strcmp(a[i], b[k]) == 0
                                    ? common[(i + 1) * width + k + 1] + 1
                                    : MAX(common[(i + 1) * width + k], common[i * width + k + 1]);
    for (i = 0, k = 0; i < n && k < m;) {
      if (strcmp(a[i], b[k]) == 0) {
        diff_take(out, ' ', a, i, i + 1);
        i++;
        k++;
      } else if (common[(i + 1) * width + k] >= common[i * width + k + 1]) {
        diff_take(out, '-', a, i, i + 1);
        i++;
      } else {
        diff_take(out, '+', b, k, k + 1);
        k++;
      }
    }
  }
  diff_take(out, '-', a, i, n);
  diff_take(out, '+', b, k, m);
}

/* Where the hunk that begins at @from ends: the next change is so far away that its context does
 * not touch. */
static guint diff_hunk_end(const GArray *lines, guint from)
{
  guint last = from;
  for (guint i = from; i < lines->len && i <= last + 2 * CONTEXT_LINES + 1; i++)
    if (g_array_index(lines, DiffLine, i).mark != ' ')
      last = i;
  return MIN(last + CONTEXT_LINES + 1, lines->len);
}

/* @lines[from..to), of which @a and @b lines of both texts stand before. */
static void diff_hunk(GString *out, const GArray *lines, guint from, guint to, guint a, guint b)
{
  guint olds = 0, news = 0;
  for (guint i = from; i < to; i++) {
    olds += g_array_index(lines, DiffLine, i).mark != '+';
    news += g_array_index(lines, DiffLine, i).mark != '-';
  }
  g_string_append_printf(out, "@@ -%u,%u +%u,%u @@\n", a + (olds > 0), olds, b + (news > 0), news);
  for (guint i = from; i < to; i++)
    g_string_append_printf(out, "%c%s\n", g_array_index(lines, DiffLine, i).mark,
                           g_array_index(lines, DiffLine, i).text);
}

char *diff_words_text(const char *before, const char *after)
{
  guint n, m, head = 0, tail = 0;
  g_auto(GStrv) a = diff_lines(before, &n), b = diff_lines(after, &m);
  while (head < n && head < m && strcmp(a[head], b[head]) == 0)
    head++;
  while (tail < n - head && tail < m - head && strcmp(a[n - 1 - tail], b[m - 1 - tail]) == 0)
    tail++;
  g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(DiffLine));
  diff_take(lines, ' ', a, 0, head);
  diff_middle(lines, a + head, n - head - tail, b + head, m - head - tail);
  diff_take(lines, ' ', a, n - tail, n);
  GString *out = g_string_new(NULL);
  guint old = 0, new = 0;
  for (guint i = 0, done = 0; i < lines->len; i++) {
    if (g_array_index(lines, DiffLine, i).mark == ' ')
      continue;
    guint from = i > done + CONTEXT_LINES ? i - CONTEXT_LINES : done, end = diff_hunk_end(lines, i);
    old += from - done; /* what is kept between two hunks */
    new += from - done;
    done = from;
    diff_hunk(out, lines, from, end, old, new);
    for (; done < end; done++) {
      old += g_array_index(lines, DiffLine, done).mark != '+';
      new += g_array_index(lines, DiffLine, done).mark != '-';
    }
    i = end - 1;
  }
  return g_string_free(out, FALSE);
}
