/* Owns the table of error kinds; see error.h. */
#include "base/error.h"

static const struct {
  const char *word;
  int http;
  int exit_code;
  const char *meaning;
} error_rows[REEVE_ERROR_N] = {
#define X(id, word, http, code, text) [REEVE_ERROR_##id] = {word, http, code, text},
    REEVE_ERRORS(X)
#undef X
};

G_DEFINE_QUARK(reeve - error, reeve_error)

static int error_row(int code)
{
  return code >= 0 && code < REEVE_ERROR_N ? code : REEVE_ERROR_INTERNAL;
}

const char *reeve_error_word(int code)
{
  return error_rows[error_row(code)].word;
}

int reeve_error_http(int code)
{
  return error_rows[error_row(code)].http;
}

int reeve_error_exit(int code)
{
  return error_rows[error_row(code)].exit_code;
}

const char *reeve_error_meaning(int code)
{
  return error_rows[error_row(code)].meaning;
}

ReeveError reeve_error_from_word(const char *word)
{
  for (int i = 0; i < REEVE_ERROR_N; i++)
    if (g_strcmp0(word, error_rows[i].word) == 0)
      return (ReeveError)i;
  return REEVE_ERROR_INTERNAL;
}
