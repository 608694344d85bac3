/* Owns the words about limits; see limit_words.h. */
#include "model/limit_words.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

typedef struct LimitRow {
  int64_t most;
  const char *unit, *what, *why;
} LimitRow;

static const LimitRow limit_rows[LIMIT_N] = {
#define X(name, most, unit, what, why) [LIMIT_##name] = {most, unit, what, why},
    LIMITS(X)
#undef X
};

/* What rooms below have to know without this header. */
G_STATIC_ASSERT((int)JOB_SEND_BYTES_MAX == (int)JSON_BYTES_MAX);
G_STATIC_ASSERT((int)NAME_CHARACTERS_MAX == (int)TEXT_NAME_MAX);
/* Room for what an instruction says besides: ids, directory, this machine's names, numbers. */
G_STATIC_ASSERT(AGENT_START_BYTES_MAX + 64 * 1024 <= FRAME_BYTES_MAX);
G_STATIC_ASSERT(AGENT_WORDS_MAX <= EXEC_WORDS_MAX);
G_STATIC_ASSERT(AGENT_VARIABLES_MAX + 64 <= EXEC_WORDS_MAX);

/* Caller frees. */
static char *limit_text(Limit limit, int64_t found, const char *subject)
{
  const LimitRow *row = &limit_rows[limit];
  return g_strdup_printf("%s: %" G_GINT64_FORMAT " %s; at most %" G_GINT64_FORMAT, subject, found,
                         row->unit, row->most);
}

bool limit_holds(Limit limit, int64_t found, Problems *problems, SourcePos pos, const char *subject,
                 ...)
{
  if (found <= limit_rows[limit].most)
    return true;
  va_list args;
  va_start(args, subject);
  g_autofree char *of = g_strdup_vprintf(subject, args), *text = limit_text(limit, found, of);
  va_end(args);
  problems_add(problems, PROBLEM_ERROR, pos, "%s", text);
  return false;
}

bool limit_require(Limit limit, int64_t found, const char *subject, GError **error)
{
  if (found <= limit_rows[limit].most)
    return true;
  g_autofree char *text = limit_text(limit, found, subject);
  g_set_error_literal(error, REEVE_ERROR, REEVE_ERROR_INVALID, text);
  return false;
}

char *limits_markdown(void)
{
  GString *out = g_string_new("| what | at most | why |\n|---|---|---|\n");
  for (int i = 0; i < LIMIT_N; i++) {
    const LimitRow *row = &limit_rows[i];
    int64_t mib = row->most / (1024 * 1024);
    if (mib && row->most % (1024 * 1024) == 0)
      g_string_append_printf(out, "| %s | %" G_GINT64_FORMAT " MiB | %s |\n", row->what, mib,
                             row->why);
    else
      g_string_append_printf(out, "| %s | %" G_GINT64_FORMAT " %s | %s |\n", row->what, row->most,
                             row->unit, row->why);
  }
  return g_string_free(out, FALSE);
}
